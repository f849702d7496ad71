/*
 * The house of guests for their tests: the control thread and workers are the real ones, and
 * VMs are fakes. The launch that makes them is played here, and fails or hangs when a test says
 * so.
 */
#ifndef TESTS_UNIT_GUEST_HOUSE_H
#define TESTS_UNIT_GUEST_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/events/event.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_threads.h"

#define SEC NSEC_PER_SEC

static unsigned launches;
static int launch_error;
static bool watchdog_fired; /* what the one prepared last was told of the one before */
static struct vm *vm;	    /* prepared last */
static struct guest *shown; /* looked at while its VM is made and taken apart; NULL: none */
static const char *stuck;   /* the guest whose start does not end until it is given up */
static char order[128];	    /* first letters of guests, as they were prepared */

int launch_prepare(const struct launch_params *params, struct launch *out,
		   char why[BOOT_WHY_BYTES])
{
	memset(out, 0, sizeof(*out));
	watchdog_fired = params->watchdog_fired;
	assert_true(strlen(order) + 1 < sizeof order);
	strncat(order, params->config->name, 1);
	if (shown)
		assert_int_equal(fake_guest_state(shown), GUEST_STARTING);
	if (launch_error)
		return boot_refuse(why, launch_error, "there is no such file");
	while (stuck && !strcmp(stuck, params->config->name)) {
		if (*params->given_up)
			return boot_refuse(why, -ECANCELED, "it was given up");
		thread_block();
	}
	if (params->config->memory_bytes > fake_guest_free_bytes)
		return boot_refuse(why, -ENOMEM, "too little memory is free");
	out->vm = vm = fake_guest_vm(params->config->name, params->stopped, params->arg);
	if (!vm)
		return boot_refuse(why, -ENOMEM, "no memory for it");
	vm->params.memory_bytes = params->config->memory_bytes;
	fake_guest_free_bytes -= vm->params.memory_bytes;
	launches++;
	return 0;
}

void launch_release(struct launch *launch)
{
	if (shown)
		assert_int_equal(fake_guest_state(shown), GUEST_STOPPING);
	fake_guest_free_bytes += launch->vm->params.memory_bytes;
	fake_guest_vm_free(launch->vm);
	launches--;
}

static inline void ends(enum vm_stop_kind kind)
{
	fake_guest_end(vm, kind);
	fake_guest_run_on();
}

static inline void pass(uint64_t ns)
{
	fake_guest_run_until(fake_guest_now_ns + ns);
}

static int fresh(void **state)
{
	(void)state;
	shown = NULL;
	launch_error = 0;
	stuck = NULL;
	fake_guest_free_bytes = 1024 * GIB;
	order[0] = '\0';
	fake_guest_obeys = true;
	fake_guest_hears_button = fake_guest_kept = false;
	fake_guest_listener = PM_LISTENS;
	fake_guest_presses = 0;
	fake_guest_log[0] = '\0';
	fake_guest_on_start = NULL;
	fake_guest_starts = fake_guest_fails = 0;
	fake_guest_now_ns += 3600 * SEC;
	return 0;
}

/* Whatever a test did, nothing of its guests stays but the control thread. */
static int clean(void **state)
{
	(void)state;
	shown = NULL;
	fake_guest_obeys = true;
	fake_guest_remove_all();
	assert_int_equal(launches, 0);
	assert_int_equal(fake_guest_held, 0);
	assert_int_equal(fake_threads_alive(), 1);
	return 0;
}

static inline struct guest *add(const char *name, const struct guest_config *like)
{
	struct guest *g = fake_guest_add(name, like);

	guest_put(g); /* the list's is enough here */
	return g;
}

/* Without its thread it does not begin. */
static int start(void **state)
{
	(void)state;
	fake_threads_refused = true;
	assert_int_equal(guests_init(), -ENOMEM);
	fake_threads_refused = false;
	assert_int_equal(guests_init(), 0);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, clean)

#endif
