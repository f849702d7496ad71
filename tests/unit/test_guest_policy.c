/* Which end is followed by a restart, how many of them, and when: to the last one and the first
 * too many, to the last nanosecond of the window and the next. */
/* links: guests/guest/policy.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guests/guest/policy.h"

static void which_end(void **state)
{
	static const enum vm_stop_kind kinds[] = {
		VM_STOP_NONE,  VM_STOP_POWEROFF, VM_STOP_RESET, VM_STOP_EXIT,
		VM_STOP_CRASH, VM_STOP_REQUEST,	 VM_STOP_PANIC, VM_STOP_WATCHDOG};
	static const struct {
		struct guest_config config;
		enum vm_stop_kind kind;
		const char *name;
	} fields[] = {
		{{.on_crash = CONFIG_POLICY_RESTART}, VM_STOP_CRASH, "on_crash"},
		{{.on_crash = CONFIG_POLICY_RESTART}, VM_STOP_PANIC, "on_crash"},
		{{.on_crash = CONFIG_POLICY_RESTART}, VM_STOP_WATCHDOG, "on_crash"},
		{{.on_reboot = CONFIG_POLICY_RESTART}, VM_STOP_RESET, "on_reboot"},
		{{.on_poweroff = CONFIG_POLICY_RESTART}, VM_STOP_POWEROFF, "on_poweroff"},
	};
	struct policy_history history = {0};

	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(fields); f++) {
		assert_string_equal(policy_name(fields[f].kind), fields[f].name);
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++)
			assert_int_equal(
				policy_decide(&fields[f].config, kinds[k], &history, 1),
				policy_name(kinds[k]) == policy_name(fields[f].kind)
					? POLICY_RESTARTS
					: POLICY_STAYS);
	}
	assert_null(policy_name(VM_STOP_NONE));
	assert_null(policy_name(VM_STOP_EXIT));
	assert_null(policy_name(VM_STOP_REQUEST));
}

static enum policy_verdict crash(struct policy_history *history, uint32_t count,
				 uint32_t seconds, uint64_t now_ns)
{
	const struct guest_config config = {.on_crash = CONFIG_POLICY_RESTART,
					    .restart_limit = {count, seconds}};

	return policy_decide(&config, VM_STOP_CRASH, history, now_ns);
}

static void how_often(void **state)
{
	const uint64_t begin = 100 * NSEC_PER_SEC, last = begin + 10 * NSEC_PER_SEC;
	struct policy_history history = {0};

	(void)state;
	for (unsigned n = 0; n < 3; n++)
		assert_int_equal(crash(&history, 3, 10, begin + n), POLICY_RESTARTS);
	assert_int_equal(crash(&history, 3, 10, begin + 3), POLICY_LIMIT);
	assert_int_equal(crash(&history, 3, 10, last), POLICY_LIMIT);
	assert_int_equal(crash(&history, 3, 10, last + 1), POLICY_RESTARTS); /* a new one */
	for (unsigned n = 0; n < 2; n++)
		assert_int_equal(crash(&history, 3, 10, last + 2), POLICY_RESTARTS);
	assert_int_equal(crash(&history, 3, 10, last + 2), POLICY_LIMIT);

	/* The first window begins with the first end, soon after the machine's start too. */
	history = (struct policy_history){0};
	assert_int_equal(crash(&history, 1, 10, 2), POLICY_RESTARTS);
	assert_int_equal(crash(&history, 1, 10, 2 + 10 * NSEC_PER_SEC), POLICY_LIMIT);

	/* No limit; and the longest window that a document can have. */
	for (unsigned n = 0; n < 1000; n++)
		assert_int_equal(crash(&history, 0, 10, 1), POLICY_RESTARTS);
	history = (struct policy_history){0};
	assert_int_equal(crash(&history, 1, UINT32_MAX, 1), POLICY_RESTARTS);
	assert_int_equal(crash(&history, 1, UINT32_MAX, 1 + UINT32_MAX * NSEC_PER_SEC),
			 POLICY_LIMIT);
	assert_int_equal(crash(&history, 1, UINT32_MAX, 2 + UINT32_MAX * NSEC_PER_SEC),
			 POLICY_RESTARTS);

	/* What stays is not counted. */
	history = (struct policy_history){0};
	for (unsigned n = 0; n < 5; n++)
		assert_int_equal(policy_decide(&(struct guest_config){.restart_limit = {1, 1}},
					       VM_STOP_CRASH, &history, 1),
				 POLICY_STAYS);
	assert_int_equal(crash(&history, 1, 1, 1), POLICY_RESTARTS);
}

static void when(void **state)
{
	(void)state;
	assert_int_equal(policy_due_ns(5), 5 + 100 * NSEC_PER_MSEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_end),
		cmocka_unit_test(how_often),
		cmocka_unit_test(when),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
