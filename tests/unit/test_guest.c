/*
 * Guests and the control thread: what they are told, what becomes of a VM that ends, in which
 * state a guest is shown meanwhile, and each allocation failing. Launching is test_launch's.
 */
/* links: guests/guest/control.c guests/guest/registry.c guests/guest/snapshot.c */
/* links: guests/events/actor.c guests/boot.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/console.h"
#include "guests/devices/pm.h"
#include "guests/guest/snapshot.h"
#include "guests/launch.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"

static unsigned held, step_fails; /* 0: none fails */
static void (*control)(void *arg);
static jmp_buf idle;
static uint64_t now;
static struct vm vm;
static struct mutex *locked;
static bool hears_button;
static unsigned launches, starts;
static int launch_error;
static void (*vm_stopped)(struct vm *vm, void *arg);
static void *vm_arg;
static struct guest *shown; /* looked at while its VM is made and taken apart */
static enum guest_state state_seen;

static bool fails(void)
{
	return step_fails && !--step_fails;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (fails())
		return NULL;
	held++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	held -= p != NULL;
	free(p);
}

struct thread *thread_create(const struct thread_params *params)
{
	control = params->fn;
	return fails() ? NULL : (struct thread *)1;
}

void thread_wake(struct thread *thread)
{
	assert_ptr_equal(thread, (struct thread *)1);
}

/* Who waits until a time gets there at once. */
void thread_block_until(uint64_t deadline_ns)
{
	if (deadline_ns == UINT64_MAX)
		longjmp(idle, 1);
	now = MAX(now, deadline_ns);
}

void thread_yield(void)
{
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

uint64_t thread_time_waiting_ns(const struct thread *thread)
{
	(void)thread;
	return 0;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	fail();
	return 0;
}

void mutex_init(struct mutex *mutex, const char *what)
{
	(void)what;
	(void)mutex;
}

void mutex_lock(struct mutex *mutex)
{
	assert_null(locked);
	locked = mutex;
}

void mutex_unlock(struct mutex *mutex)
{
	assert_ptr_equal(locked, mutex);
	locked = NULL;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)level, (void)area, (void)fmt;
}

uint64_t clock_now_ns(void)
{
	return now;
}

struct console *console_create(const char *name)
{
	(void)name;
	return fails() ? NULL : (struct console *)2;
}

void console_set_uart(struct console *console, struct uart *uart)
{
	(void)console;
	assert_null(uart);
}

struct pm *chipset_pm(struct chipset *chipset)
{
	return (void *)chipset;
}

bool pm_power_button(struct pm *pm)
{
	assert_ptr_equal(pm, (void *)3);
	return hears_button;
}

void devices_get_info(const struct devices *devices, struct devices_info *info)
{
	(void)devices;
	info->disk_count = 1;
}

int devices_set_memory(const struct devices *devices, uint64_t bytes)
{
	(void)devices;
	return bytes == MIB ? 0 : -EINVAL;
}

static void look(void)
{
	static struct guest_info info;

	assert_null(locked); /* it may wait for disks */
	guest_get_info(shown, &info);
	state_seen = info.state;
}

int launch_prepare(const struct guest_config *config, const struct cpumask *shared,
		   struct console *console, void (*stopped)(struct vm *vm, void *arg),
		   void *arg, struct launch *out, char why[BOOT_WHY_BYTES])
{
	(void)config, (void)shared, (void)console;
	look();
	assert_int_equal(state_seen, GUEST_STARTING);
	launches++;
	if (launch_error)
		return boot_refuse(why, launch_error, "there is no such file");
	vm_stopped = stopped;
	vm_arg = arg;
	memset(&vm, 0, sizeof(vm));
	vm.vcpu_count = 0;
	*out = (struct launch){.vm = &vm, .chipset = (void *)3, .devices = (void *)4};
	return 0;
}

void launch_release(struct launch *launch)
{
	look();
	assert_int_equal(state_seen, GUEST_STOPPING);
	assert_ptr_equal(launch->vm, &vm);
	launches--;
}

void vm_start(struct vm *v, const struct vcpu_entry *entry)
{
	(void)entry;
	assert_ptr_equal(v, &vm);
	starts++;
}

/* The first is what counts, and vCPUs park after it. */
void vm_stop(struct vm *v, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	va_list args;

	if (atomic_exchange(&v->stopping, true))
		return;
	v->stop.kind = kind;
	v->stop.status = status;
	va_start(args, fmt);
	vsnprintf(v->stop.reason, sizeof(v->stop.reason), fmt, args);
	va_end(args);
}

const char *vm_stop_name(enum vm_stop_kind kind)
{
	return kind == VM_STOP_CRASH ? "crashed" : "ended";
}

/* The control thread, until it has nothing to do. */
static void serve_all(void)
{
	if (!setjmp(idle))
		control(NULL);
	assert_null(locked);
}

static void ends(enum vm_stop_kind kind)
{
	vm_stop(&vm, kind, 7, "because");
	vm_stopped(&vm, vm_arg);
	serve_all();
}

static struct guest_info *info_of(struct guest *g)
{
	static struct guest_info info;

	guest_get_info(g, &info);
	return &info;
}

static struct guest *add(const char *name, const struct guest_config *like)
{
	static const struct cpumask shared;
	struct guest_config config = *like;

	snprintf(config.name, sizeof(config.name), "%s", name);
	assert_int_equal(guest_add(&config, &shared, &actor_document), 0);
	shown = guest_get(name);
	assert_non_null(shown);
	serve_all();
	return shown;
}

static void test_init(void **state)
{
	(void)state;
	step_fails = 1;
	assert_int_equal(guests_init(), -ENOMEM);
	assert_int_equal(guests_init(), 0);
}

static void test_add_without_memory(void **state)
{
	static const struct guest_config config = {.name = "short"};
	static const struct cpumask shared;

	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		step_fails = n;
		assert_int_equal(guest_add(&config, &shared, &actor_document), -ENOMEM);
		assert_int_equal(held, 0);
		assert_null(guest_get("short"));
	}
	assert_int_equal(guest_add(&config, &shared, &actor_document), 0);
	assert_int_equal(guest_add(&config, &shared, &actor_document), -EEXIST);
	shown = guest_next(NULL);
	assert_string_equal(guest_name(shown), "short");
	assert_ptr_equal(guest_console(shown), (void *)2);
	serve_all(); /* it was not to start by itself */
	assert_int_equal(info_of(shown)->state, GUEST_STOPPED);
	assert_int_equal(launches, 0);
	assert_null(guest_next(guest_next(NULL)));
}

/* What cannot be asked of a guest that does not run, and what comes of it where it does. */
static void test_requests(void **state)
{
	static const struct guest_config config = {.autostart = true};
	struct guest *g = guest_next(NULL);

	(void)state;
	assert_int_equal(guest_stop(g, &actor_console), -EINVAL);
	assert_int_equal(guest_reset(g, &actor_console), -EINVAL);
	assert_int_equal(guest_shutdown(g, &actor_console), -EINVAL);
	assert_int_equal(guest_set_memory(g, MIB), -ESRCH);

	g = add("asked", &config);
	assert_int_equal(info_of(g)->state, GUEST_RUNNING);
	assert_int_equal(guest_start(g, &actor_console), -EALREADY);
	assert_int_equal(guest_set_memory(g, MIB), 0);
	assert_int_equal(guest_set_memory(g, 0), -EINVAL);
	assert_int_equal(guest_shutdown(g, &actor_console), -EOPNOTSUPP);
	hears_button = true;
	assert_int_equal(guest_shutdown(g, &actor_console), 0);
	assert_int_equal(guest_reset(g, &actor_console), 0); /* whatever its policy says */
	serve_all();
	assert_int_equal(info_of(g)->starts, 1); /* not before it has stopped */
	ends(VM_STOP_RESET);
	assert_int_equal(info_of(g)->state, GUEST_RUNNING);
	assert_int_equal(info_of(g)->starts, 2);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	ends(VM_STOP_REQUEST);
	assert_int_equal(info_of(g)->state, GUEST_STOPPED);
	assert_string_equal(info_of(g)->reason, "ended: by the operator");
	assert_int_equal(launches, 0);
	assert_int_equal(guest_start(g, &actor_console), 0);
	serve_all();
	assert_int_equal(info_of(g)->starts, 3);
	ends(VM_STOP_EXIT);
	assert_int_equal(info_of(g)->exit_status, 7);
	assert_string_equal(info_of(g)->reason, "exited with status 7");
}

/* That a VM could not be made is a failure with its reason; the next attempt may succeed. */
static void test_launch_that_fails(void **state)
{
	static const struct guest_config config = {.autostart = true};
	struct guest *g;

	(void)state;
	launch_error = -ENOENT;
	g = add("missing", &config);
	launches = 0;
	assert_int_equal(info_of(g)->state, GUEST_FAILED);
	assert_string_equal(info_of(g)->reason, "not started: there is no such file");
	assert_int_equal(info_of(g)->starts, 0);
	launch_error = 0;
	assert_int_equal(guest_start(g, &actor_console), 0);
	serve_all();
	assert_int_equal(info_of(g)->state, GUEST_RUNNING);
	/* Without memory for how it was, it ends all the same. */
	step_fails = 1;
	ends(VM_STOP_CRASH);
	assert_int_equal(step_fails, 0);
	assert_int_equal(info_of(g)->state, GUEST_FAILED);
	assert_int_equal(info_of(g)->devices.disk_count, 0);
	assert_int_equal(launches, 0);
	assert_int_equal(guest_start(g, &actor_console), 0);
	serve_all();
	ends(VM_STOP_CRASH);
	assert_int_equal(info_of(g)->devices.disk_count, 1);
}

/* Each kind of end has its own policy. */
static void test_policies(void **state)
{
	static const struct {
		struct guest_config config;
		enum vm_stop_kind kind;
	} each[] = {
		{{.on_crash = CONFIG_POLICY_RESTART}, VM_STOP_CRASH},
		{{.on_reboot = CONFIG_POLICY_RESTART}, VM_STOP_RESET},
		{{.on_poweroff = CONFIG_POLICY_RESTART}, VM_STOP_POWEROFF},
		{{.autostart = true}, VM_STOP_REQUEST},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(each); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(each); k++) {
			struct guest_config config = each[i].config;
			char name[8];
			struct guest *g;

			config.autostart = true;
			snprintf(name, sizeof(name), "p%u%u", i, k);
			g = add(name, &config);
			ends(each[k].kind);
			assert_int_equal(info_of(g)->starts, i == k && i < 3 ? 2 : 1);
			if (info_of(g)->state != GUEST_RUNNING)
				continue;
			assert_int_equal(guest_stop(g, &actor_console), 0);
			ends(VM_STOP_REQUEST);
		}
}

/* So many restarts within the window and no more; in a new window again. */
static void test_restart_limit(void **state)
{
	static const struct guest_config config = {
		.autostart = true,
		.on_crash = CONFIG_POLICY_RESTART,
		.restart_limit = {.count = 2, .seconds = 10},
	};
	struct guest *g;

	(void)state;
	now = 100 * NSEC_PER_SEC;
	g = add("limited", &config);
	ends(VM_STOP_CRASH);
	ends(VM_STOP_CRASH);
	assert_int_equal(info_of(g)->starts, 3);
	now = 110 * NSEC_PER_SEC; /* the last moment of the window, which the first end began */
	ends(VM_STOP_CRASH);
	assert_int_equal(info_of(g)->state, GUEST_FAILED);
	assert_int_equal(info_of(g)->starts, 3);
	assert_int_equal(guest_start(g, &actor_console), 0); /* by hand */
	serve_all();
	now += 1;
	ends(VM_STOP_CRASH);
	assert_int_equal(info_of(g)->starts, 5);
	assert_int_equal(info_of(g)->state, GUEST_RUNNING);
}

static void test_full(void **state)
{
	static const struct cpumask shared;
	struct guest_config config = {0};
	unsigned found = 0;
	int err;

	(void)state;
	for (unsigned i = 0;; i++) {
		snprintf(config.name, sizeof(config.name), "more%u", i);
		err = guest_add(&config, &shared, &actor_document);
		if (err)
			break;
	}
	assert_int_equal(err, -ENOSPC);
	for (struct guest *g = guest_next(NULL); g; g = guest_next(g))
		found++;
	assert_int_equal(found, CONFIG_GUESTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),	 cmocka_unit_test(test_add_without_memory),
		cmocka_unit_test(test_requests), cmocka_unit_test(test_launch_that_fails),
		cmocka_unit_test(test_policies), cmocka_unit_test(test_restart_limit),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
