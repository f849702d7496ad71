/*
 * Guests that end and start again: how often, and when not. VMs are fakes that end the moment
 * they start; the control thread runs until it would sleep for ever.
 */
/* links: guests/guest/control.c guests/guest/registry.c guests/guest/snapshot.c */
/* links: guests/events/actor.c tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/console.h"
#include "guests/devices/pm.h"
#include "guests/guest/snapshot.h"
#include "guests/launch.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"

#define STARTS_MAX 64

static void (*control)(void *arg);
static jmp_buf asleep;
static uint64_t now_ns, starts_ns[STARTS_MAX];
static unsigned starts, ends_left; /* so many VMs end at once, as `end` says */
static enum vm_stop_kind end;
static struct guest *stop_while_waiting;
static struct vm vm;
static void (*vm_stopped)(struct vm *vm, void *arg);
static void *vm_stopped_arg;

/* ---- what guest.c stands on ---- */

uint64_t clock_now_ns(void)
{
	return now_ns;
}

struct thread *thread_create(const struct thread_params *params)
{
	control = params->fn;
	return (struct thread *)&control;
}

void thread_wake(struct thread *t)
{
	(void)t;
}

void thread_block_until(uint64_t deadline_ns)
{
	if (stop_while_waiting && deadline_ns != UINT64_MAX) {
		assert_int_equal(guest_stop(stop_while_waiting, &actor_console), 0);
		stop_while_waiting = NULL;
		return;
	}
	if (deadline_ns == UINT64_MAX)
		longjmp(asleep, 1);
	now_ns = MAX(now_ns, deadline_ns);
}

void mutex_init(struct mutex *m, const char *what)
{
	(void)what;
	(void)m;
}

void mutex_lock(struct mutex *m)
{
	(void)m;
}

void mutex_unlock(struct mutex *m)
{
	(void)m;
}

int launch_prepare(const struct guest_config *config, const struct cpumask *shared,
		   struct console *console, void (*stopped)(struct vm *vm, void *arg),
		   void *arg, struct launch *out, char why[BOOT_WHY_BYTES])
{
	(void)config, (void)shared, (void)console, (void)why;
	vm_stopped = stopped;
	vm_stopped_arg = arg;
	*out = (struct launch){.vm = &vm};
	return 0;
}

void launch_release(struct launch *launch)
{
	assert_ptr_equal(launch->vm, &vm);
}

void vm_start(struct vm *v, const struct vcpu_entry *entry)
{
	(void)entry;
	assert_true(starts < STARTS_MAX);
	starts_ns[starts++] = now_ns;
	if (!ends_left)
		return;
	ends_left--;
	v->stop = (struct vm_stop){.kind = end};
	vm_stopped(v, vm_stopped_arg);
}

void vm_stop(struct vm *v, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	(void)status, (void)fmt;
	v->stop = (struct vm_stop){.kind = kind};
	vm_stopped(v, vm_stopped_arg);
}

const char *vm_stop_name(enum vm_stop_kind kind)
{
	(void)kind;
	return "ended";
}

struct console *console_create(const char *name)
{
	(void)name;
	return (struct console *)&control;
}

void console_set_uart(struct console *console, struct uart *uart)
{
	(void)console, (void)uart;
}

bool pm_power_button(struct pm *pm)
{
	(void)pm;
	return false;
}

struct pm *chipset_pm(struct chipset *chipset)
{
	(void)chipset;
	return NULL;
}

int devices_set_memory(const struct devices *devices, uint64_t bytes)
{
	(void)devices, (void)bytes;
	return 0;
}

void devices_get_info(const struct devices *devices, struct devices_info *info)
{
	(void)devices, (void)info;
}

unsigned thread_cpu(const struct thread *t)
{
	(void)t;
	return 0;
}

uint64_t thread_time_run_ns(const struct thread *t)
{
	(void)t;
	return 0;
}

uint64_t thread_time_waiting_ns(const struct thread *t)
{
	(void)t;
	return 0;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)level, (void)area, (void)fmt;
}

/* ---- the tests ---- */

static void run_control(void)
{
	if (!setjmp(asleep))
		control(NULL);
}

/* A guest of its own for each test, as they are never removed; it ends `ends` times. */
static struct guest *add(const char *name, unsigned restarts, unsigned ends)
{
	static const struct cpumask shared;
	struct guest_config config = {
		.on_crash = CONFIG_POLICY_RESTART,
		.on_reboot = CONFIG_POLICY_RESTART,
		.restart_limit = {restarts, 60},
	};

	strcpy(config.name, name);
	starts = 0;
	ends_left = ends;
	end = VM_STOP_CRASH;
	now_ns += 3600 * NSEC_PER_SEC;
	assert_int_equal(guest_add(&config, &shared, &actor_document), 0);
	return guest_get(name);
}

static enum guest_state state_of(struct guest *g)
{
	static struct guest_info info;

	guest_get_info(g, &info);
	return info.state;
}

/* With no limit, and as many ends as you like, it is ten starts a second. */
static void restarts_are_never_in_a_row(void **state)
{
	struct guest *g = add("endless", 0, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	run_control();
	assert_int_equal(starts, 51);
	for (unsigned i = 1; i < starts; i++)
		assert_int_equal(starts_ns[i] - starts_ns[i - 1], 100 * NSEC_PER_MSEC);
	assert_int_equal(state_of(g), GUEST_RUNNING);
	now_ns += NSEC_PER_SEC; /* one that ran for long does not wait */
	assert_int_equal(guest_reset(g, &actor_console), 0);
	run_control();
	assert_int_equal(starts, 52);
	assert_int_equal(starts_ns[51] - starts_ns[50], NSEC_PER_SEC);
}

static void the_limit_ends_it(void **state)
{
	struct guest *g = add("limited", 5, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	run_control();
	assert_int_equal(starts, 6);
	assert_int_equal(state_of(g), GUEST_FAILED);
	ends_left = 0;
	assert_int_equal(guest_start(g, &actor_console), 0); /* by hand, at once */
	run_control();
	assert_int_equal(starts_ns[6], starts_ns[5]);
	assert_int_equal(state_of(g), GUEST_RUNNING);
}

/* Whoever stops a guest that is between two lives has stopped it. */
static void a_guest_that_waits_can_be_stopped(void **state)
{
	struct guest *g = add("waiting", 0, 50);

	(void)state;
	stop_while_waiting = g;
	assert_int_equal(guest_start(g, &actor_console), 0);
	run_control();
	assert_int_equal(starts, 1);
	assert_int_equal(state_of(g), GUEST_FAILED);
	assert_int_equal(guest_stop(g, &actor_console), -EINVAL);
	assert_int_equal(guest_start(g, &actor_console), 0);
	ends_left = 0;
	run_control();
	assert_int_equal(starts, 2);
}

static void policies_say_who_starts_again(void **state)
{
	struct guest *g = add("policies", 0, 1);

	(void)state;
	end = VM_STOP_POWEROFF;
	assert_int_equal(guest_start(g, &actor_console), 0);
	run_control();
	assert_int_equal(starts, 1);
	assert_int_equal(state_of(g), GUEST_STOPPED);
	ends_left = 1;
	end = VM_STOP_RESET;
	assert_int_equal(guest_start(g, &actor_console), 0);
	assert_int_equal(guest_start(g, &actor_console), 0); /* twice is once */
	run_control();
	assert_int_equal(starts, 3);
	assert_int_equal(guest_start(g, &actor_console), -EALREADY);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	run_control();
	assert_int_equal(starts, 3);
	assert_int_equal(state_of(g), GUEST_STOPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restarts_are_never_in_a_row),
		cmocka_unit_test(the_limit_ends_it),
		cmocka_unit_test(a_guest_that_waits_can_be_stopped),
		cmocka_unit_test(policies_say_who_starts_again),
	};

	return guests_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
