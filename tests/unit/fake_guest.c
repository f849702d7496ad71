/* See fake_guest.h. */
#include "tests/unit/fake_guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/devices/console.h"
#include "guests/devices/pm.h"
#include "guests/devices/pvpanic.h"
#include "guests/devices/watchdog.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vcpu_look.h"
#include "tests/unit/fake_threads.h"

uint64_t fake_guest_now_ns = NSEC_PER_SEC;
bool fake_guest_hears_button, fake_guest_obeys = true, fake_guest_crash_kernel;
enum pm_listener fake_guest_listener;
unsigned fake_guest_presses;
bool fake_guest_kept;
char fake_guest_log[512];
unsigned fake_guest_held, fake_guest_fails, fake_guest_starts;
void (*fake_guest_on_start)(struct vm *vm);

static unsigned locked; /* mutexes */

static bool fails(void)
{
	return fake_guest_fails && !--fake_guest_fails;
}

static void *make(size_t bytes)
{
	void *p = fails() ? NULL : calloc(1, bytes);

	fake_guest_held += p != NULL;
	return p;
}

static void unmake(void *p)
{
	fake_guest_held -= p != NULL;
	free(p);
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return make(bytes);
}

void heap_free(void *p)
{
	unmake(p);
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)level, (void)area;
	va_start(args, fmt);
	vsnprintf(fake_guest_log, sizeof(fake_guest_log), fmt, args);
	va_end(args);
}

/* ---- time ----------------------------------------------------------------------------------
 */

struct sleeper {
	struct thread *thread;
	uint64_t until_ns;
	struct sleeper *next;
};
static struct sleeper *sleepers;

uint64_t clock_now_ns(void)
{
	return fake_guest_now_ns;
}

uint64_t clock_wall_ns(void)
{
	return fake_guest_now_ns;
}

/* Nothing slow may be done under a lock. */
void thread_block_until(uint64_t deadline_ns)
{
	struct sleeper me = {fake_threads_current(), deadline_ns, sleepers}, **at;

	assert_int_equal(locked, 0);
	if (fake_guest_now_ns >= deadline_ns)
		return;
	sleepers = &me;
	thread_block();
	for (at = &sleepers; *at != &me; at = &(*at)->next)
		;
	*at = me.next;
}

void fake_guest_run(void)
{
	fake_threads_run();
	assert_int_equal(locked, 0);
}

void fake_guest_run_until(uint64_t ns)
{
	for (;;) {
		struct sleeper *first = NULL;

		fake_guest_run();
		for (struct sleeper *s = sleepers; s; s = s->next)
			if (s->until_ns != UINT64_MAX &&
			    (!first || s->until_ns < first->until_ns))
				first = s;
		if (!first || first->until_ns > ns)
			break;
		fake_guest_now_ns = MAX(fake_guest_now_ns, first->until_ns);
		thread_wake(first->thread);
	}
	if (ns != UINT64_MAX)
		fake_guest_now_ns = MAX(fake_guest_now_ns, ns);
}

void fake_guest_run_on(void)
{
	fake_guest_run_until(UINT64_MAX);
}

/* No thread sleeps with one, so it is never waited for. */
void mutex_init(struct mutex *mutex, const char *what)
{
	(void)what;
	mutex->owner = NULL;
}

void mutex_lock(struct mutex *mutex)
{
	assert_null(mutex->owner);
	mutex->owner = (struct thread *)mutex;
	locked++;
}

void mutex_unlock(struct mutex *mutex)
{
	assert_non_null(mutex->owner);
	mutex->owner = NULL;
	locked--;
}

unsigned thread_cpu(const struct thread *thread)
{
	(void)thread;
	return 0;
}

uint64_t thread_time_run_ns(const struct thread *thread)
{
	(void)thread;
	return 0;
}

uint64_t thread_time_capped_ns(const struct thread *thread)
{
	(void)thread;
	return 0;
}

/* Tests that ask have their own. */
__attribute__((weak)) void vcpu_look_ask(struct vcpu *vcpu)
{
	(void)vcpu;
}

uint64_t vcpu_look_off_ns(const struct vcpu *vcpu)
{
	return vcpu->look.off_ns >= VCPU_LOOK_OFF_NS ? vcpu->look.off_ns : 0;
}

uint64_t thread_time_waiting_ns(const struct thread *thread)
{
	(void)thread;
	return 0;
}

uint64_t fake_guest_free_bytes;

__attribute__((weak)) uint64_t guest_frames_free_bytes(void)
{
	return fake_guest_free_bytes;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	return 0;
}

/* ---- what a guest has -------------------------------------------------------------------- */

struct console *console_create(const char *name)
{
	(void)name;
	return make(1);
}

struct thread_share fake_guest_share;
unsigned fake_guest_shares, fake_guest_hidden, fake_guest_unjoined;

void vm_set_share(struct vm *vm, const struct thread_share *share)
{
	assert_non_null(vm);
	fake_guest_share = *share;
	fake_guest_shares++;
}

void console_hide(struct console *console)
{
	assert_non_null(console);
	fake_guest_hidden++;
}

void console_release(struct console *console)
{
	unmake(console);
}

void console_set_uart(struct console *console, struct uart *uart)
{
	assert_non_null(console);
	fake_guest_unjoined += !uart;
}

struct pm *chipset_pm(struct chipset *chipset)
{
	return (void *)chipset;
}

struct pvpanic *chipset_pvpanic(struct chipset *chipset)
{
	return (void *)chipset;
}

bool pvpanic_crash_kernel(const struct pvpanic *pvpanic)
{
	(void)pvpanic;
	return fake_guest_crash_kernel;
}

struct watchdog *chipset_watchdog(struct chipset *chipset)
{
	return (void *)chipset;
}

void watchdog_get_info(struct watchdog *watchdog, struct watchdog_info *info)
{
	(void)watchdog;
	*info = (struct watchdog_info){
		.running = true, .timeout_ns = 3 * NSEC_PER_SEC, .reloads = 4};
}

bool pm_power_button(struct pm *pm)
{
	(void)pm;
	fake_guest_presses++;
	return fake_guest_hears_button;
}

void pm_power_keep(struct pm *pm, bool keep)
{
	fake_guest_kept = keep;
	if (keep)
		pm_power_button(pm);
}

enum pm_listener pm_power_listener(struct pm *pm)
{
	(void)pm;
	return fake_guest_listener;
}

__attribute__((weak)) void devices_get_view(const struct devices *devices,
					    struct guest_view *view)
{
	(void)devices;
	view->disk_count = 1;
}

__attribute__((weak)) uint64_t devices_throttled(const struct devices *devices)
{
	(void)devices;
	return 0;
}

void console_get_info(struct console *console, struct console_info *info)
{
	assert_non_null(console);
	*info = (struct console_info){.printed_bytes = 5, .typed_bytes = 6};
}

const char *vmexit_name(enum vmexit_reason reason)
{
	return reason == VMEXIT_HLT ? "hlt" : "other";
}

__attribute__((weak)) int devices_set_memory(const struct devices *devices, uint64_t bytes)
{
	(void)devices;
	return bytes == MIB ? 0 : -1;
}

__attribute__((weak)) void storage_forget(const char *owner)
{
	(void)owner;
}

__attribute__((weak)) void storage_owner_removed(const char *owner)
{
	(void)owner;
}

/* ---- VMs --------------------------------------------------------------------------------- */

struct vm *fake_guest_vm(const char *name, void (*stopped)(struct vm *vm, void *arg), void *arg)
{
	struct vm *vm = make(sizeof(*vm));

	if (!vm)
		return NULL;
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->params.stopped = stopped;
	vm->params.arg = arg;
	return vm;
}

void fake_guest_vm_free(struct vm *vm)
{
	assert_int_equal(vm->running, 0);
	unmake(vm);
}

void vm_start(struct vm *vm, const struct vcpu_entry *entry)
{
	(void)entry;
	assert_false(vm->stopping);
	vm->running = 1;
	vm->start_ns = fake_guest_now_ns;
	fake_guest_starts++;
	if (fake_guest_on_start)
		fake_guest_on_start(vm);
}

void fake_guest_park(struct vm *vm)
{
	assert_true(vm->stopping);
	assert_int_equal(vm->running, 1);
	vm->running = 0;
	vm->params.stopped(vm, vm->params.arg);
}

/* The first is what counts. */
void vm_stop(struct vm *vm, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	va_list args;

	if (atomic_exchange(&vm->stopping, true))
		return;
	vm->stop.kind = kind;
	vm->stop.status = status;
	va_start(args, fmt);
	vsnprintf(vm->stop.reason, sizeof(vm->stop.reason), fmt, args);
	va_end(args);
	if (fake_guest_obeys)
		fake_guest_park(vm);
}

void fake_guest_end(struct vm *vm, enum vm_stop_kind kind)
{
	vm_stop(vm, kind, 7, "because");
	if (!fake_guest_obeys)
		fake_guest_park(vm);
}

const char *vm_stop_name(enum vm_stop_kind kind)
{
	return vm_stop_is_crash(kind) ? "crashed" : "ended";
}

/* ---- guests ------------------------------------------------------------------------------ */

struct guest *fake_guest_add(const char *name, const struct guest_config *like)
{
	static const struct cpumask shared;
	struct guest_config config = *like;
	struct guest *g;

	snprintf(config.name, sizeof(config.name), "%s", name);
	assert_int_equal(guest_add(&config, &shared, &actor_document), 0);
	g = guest_get(name);
	assert_non_null(g);
	fake_guest_run();
	return g;
}

const struct guest_view *fake_guest_info(struct guest *g)
{
	static struct guest_view info;

	guest_get_info(g, &info);
	return &info;
}

void fake_guest_remove_all(void)
{
	for (struct guest *g = guest_next(NULL); g; g = guest_next(g))
		assert_int_equal(guest_remove(g, &actor_console), 0);
	fake_guest_run_on();
}
