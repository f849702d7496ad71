/*
 * The action `balloon`: what it asks of a guest, and what it refuses to ask. The guest is a
 * fake that says of itself what the test wants. How words are bound is test_actions'.
 */
/* links: guests/actions/balloon.c guests/events/event.c guests/events/actor.c */
/* links: tests/unit/fake_guests.c kernel/lib/size.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_guests.h"

const struct config_table action_guest_arguments;

static struct action_result result;
static unsigned sleeps, sleeps_until_cancel;

uint64_t clock_now_ns(void)
{
	return 0;
}

uint64_t clock_wall_ns(void)
{
	return 0;
}

void thread_block_until(uint64_t deadline_ns)
{
	assert_true(deadline_ns > 0);
	sleeps++;
}

bool job_cancelled(struct job *job)
{
	(void)job;
	return sleeps_until_cancel && sleeps >= sleeps_until_cancel;
}

void job_progress(struct job *job, uint64_t done, uint64_t total, const char *fmt, ...)
{
	(void)job, (void)fmt;
	assert_true(done < total);
}

void action_say(struct action_call *call, const char *fmt, ...)
{
	size_t used = strlen(call->result->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(call->result->text + used, ACTION_TEXT_BYTES - used, fmt, args);
	va_end(args);
}

void action_value(struct action_call *call, const char *name, uint64_t number)
{
	struct action_value *value = &call->result->values[call->result->value_count++];

	snprintf(value->name, sizeof value->name, "%s", name);
	value->number = number;
}

const char *action_subject(const struct action *action, const void *args)
{
	(void)action;
	return args; /* the guest's name comes first */
}

static uint64_t value(const char *name)
{
	for (unsigned i = 0; i < result.value_count; i++)
		if (!strcmp(result.values[i].name, name))
			return result.values[i].number;
	fail();
	return 0;
}

/* Puts the arguments where the action's own table says. */
static const char *ask(const char *guest, uint64_t bytes, bool anyway)
{
	const struct config_field *fields = action_balloon.arguments->fields;
	struct action_args args = {0};
	struct action_call call = {.action = &action_balloon,
				   .args = args.bytes,
				   .actor = &actor_console,
				   .role = ROLE_OPERATOR,
				   .result = &result};

	strcpy(args.bytes + fields[0].offset, guest);
	memcpy(args.bytes + fields[1].offset, &bytes, sizeof bytes);
	memcpy(args.bytes + fields[2].offset, &anyway, sizeof anyway);
	memset(&result, 0, sizeof result);
	sleeps = 0;
	fake_guests[0].memory_asked = 0;
	result.error = action_balloon.run(&call);
	assert_int_equal(fake_guests_held(), 0);
	return result.text;
}

static const char *show(const char *guest)
{
	struct action_args args = {0};
	struct action_call call = {.action = &action_balloon_state,
				   .args = args.bytes,
				   .actor = &actor_console,
				   .role = ROLE_VIEWER,
				   .result = &result};

	strcpy(args.bytes, guest);
	memset(&result, 0, sizeof result);
	result.error = action_balloon_state.run(&call);
	assert_int_equal(fake_guests_held(), 0);
	return result.text;
}

/* A guest of 512 MiB that says that 256 MiB of it are in use. */
static int fresh(void **state)
{
	(void)state;
	fake_guests_reset(1);
	sleeps_until_cancel = 0;
	return 0;
}

/* 256 MiB in use, and a 32nd of 512 MiB: 272 MiB are enough, less is not. */
static void less_than_it_uses_takes_a_word(void **state)
{
	struct event event;

	(void)state;
	assert_string_equal(ask("alpha", 272 * MIB, false),
			    "alpha is asked; `balloon alpha` says how far it is.");
	assert_int_equal(fake_guests[0].memory_asked, 272 * MIB);
	assert_int_equal(sleeps, 1); /* it was asked anew */
	assert_int_equal(event_read(event_range().next - 1, &event, 1), 1);
	assert_string_equal(event.text, "is to make do with 272 MiB, by the operator");

	assert_non_null(
		strstr(ask("alpha", 271 * MIB, false), "insist: balloon alpha 271 MiB anyway"));
	assert_int_equal(result.error, -EBUSY);
	assert_int_equal(value("used_bytes"), 256 * MIB);
	assert_int_equal(value("least_bytes"), 272 * MIB);
	assert_int_equal(fake_guests[0].memory_asked, 0);
	ask("alpha", 271 * MIB, true);
	assert_int_equal(fake_guests[0].memory_asked, 271 * MIB);
	assert_int_equal(sleeps, 0);
}

/* More than it has now is a gift; and who says nothing of itself is believed to manage. */
static void what_cannot_hurt_needs_no_word(void **state)
{
	struct guest_balloon_view *balloon = &fake_guests[0].info.balloon;

	(void)state;
	balloon->target_bytes = 200 * MIB;
	ask("alpha", 200 * MIB, false);
	assert_int_equal(fake_guests[0].memory_asked, 200 * MIB);
	ask("alpha", 199 * MIB, false);
	assert_int_equal(fake_guests[0].memory_asked, 0);
	balloon->stat_used_bytes = 0;
	ask("alpha", 64 * MIB, false);
	assert_int_equal(fake_guests[0].memory_asked, 64 * MIB);
	balloon->stat_used_bytes = 512 * MIB - 1;
	ask("alpha", 512 * MIB, false);
	assert_int_equal(fake_guests[0].memory_asked, 512 * MIB);
}

static void refusals_say_what_to_do(void **state)
{
	static const struct {
		int err;
		const char *words;
	} all[] = {{-EINVAL, "from 32 MiB to 512 MiB"},
		   {-EOPNOTSUPP, "virtio_balloon"},
		   {-ENOMEM, "5 MiB are left"},
		   {-ESRCH, "does not run"}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		fake_guests[0].refusal = all[i].err;
		assert_non_null(strstr(ask("alpha", 31 * MIB, false), all[i].words));
		assert_int_equal(result.error, all[i].err);
		assert_int_equal(fake_guests[0].memory_asked, 31 * MIB);
	}
	assert_non_null(strstr(ask("nobody", 64 * MIB, false), "Say which guest"));
	assert_int_equal(result.error, -ENOENT);
}

/* A guest that is asked how it is and does not answer is not waited for without end, and not at
 * all by who has had enough. */
static void one_that_does_not_answer_is_left(void **state)
{
	(void)state;
	fake_guests[0].answers = false;
	ask("alpha", 272 * MIB, false);
	assert_int_equal(sleeps, 20);
	assert_int_equal(fake_guests[0].memory_asked, 272 * MIB);
	sleeps_until_cancel = 3;
	assert_string_equal(ask("alpha", 272 * MIB, false), "alpha was not asked.");
	assert_int_equal(sleeps, 3);
	assert_int_equal(result.error, -ECANCELED);
	assert_int_equal(fake_guests[0].memory_asked, 0);
}

static void its_state_is_told(void **state)
{
	struct guest_balloon_view *balloon = &fake_guests[0].info.balloon;

	(void)state;
	balloon->target_bytes = 384 * MIB;
	balloon->inflated_bytes = 128 * MIB;
	balloon->away_bytes = 64 * MIB;
	balloon->discarded_bytes = 32 * MIB;
	balloon->stat_total_bytes = 480 * MIB;
	assert_string_equal(
		show("alpha"),
		"alpha has 512 MiB and is to make do with 384 MiB. 128 MiB are in its balloon, "
		"64 MiB of these with the pool for guests. It reported 32 MiB as free so far.\n"
		"It says that of 480 MiB, 256 MiB are available.");
	assert_int_equal(value("target_bytes"), 384 * MIB);
	assert_int_equal(value("available_bytes"), 256 * MIB);
	balloon->driven = false;
	assert_non_null(strstr(show("alpha"), "\nIt has no driver for its balloon."));
	fake_guests[0].state = GUEST_STOPPED;
	assert_string_equal(show("alpha"), "alpha: it does not run.");
	assert_non_null(strstr(show("nobody"), "Say which guest"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(less_than_it_uses_takes_a_word, fresh),
		cmocka_unit_test_setup(what_cannot_hurt_needs_no_word, fresh),
		cmocka_unit_test_setup(refusals_say_what_to_do, fresh),
		cmocka_unit_test_setup(one_that_does_not_answer_is_left, fresh),
		cmocka_unit_test_setup(its_state_is_told, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
