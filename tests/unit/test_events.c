/* The stream of events: numbers, replay, what is lost, who is woken; and actors in words. Posts
 * from many threads at once are stress_events'. */
/* links: guests/events/event.c guests/events/actor.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "guests/events/actor.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"

static uint64_t now;

uint64_t clock_now_ns(void)
{
	return now;
}

uint64_t clock_wall_ns(void)
{
	return now + 1000;
}

static void nothing_is_there_at_first(void **state)
{
	struct event event;
	struct event_range range = event_range();

	(void)state;
	assert_int_equal(range.oldest, 1);
	assert_int_equal(range.next, 1);
	assert_int_equal(event_read(0, &event, 1), 0);
	assert_int_equal(event_read(1, &event, 1), 0);
}

static void an_event_is_what_was_posted(void **state)
{
	struct event events[3];

	(void)state;
	now = 7;
	assert_int_equal(event_post(EVENT_GUEST_STARTED, "web", "started %s", "by hand"), 1);
	now = 8;
	assert_int_equal(event_post(EVENT_DISK_GONE, "nvme0", "a\x1b[2Jb\n%c", 0x7f), 2);
	assert_int_equal(event_read(1, events, 3), 2);
	assert_int_equal(events[0].number, 1);
	assert_int_equal(events[0].time_ns, 7);
	assert_int_equal(events[0].wall_ns, 1007);
	assert_string_equal(event_kind_name(events[0].kind), "guest-started");
	assert_string_equal(events[0].subject, "web");
	assert_string_equal(events[0].text, "started by hand");
	assert_string_equal(events[1].text, "a?[2Jb??");
	assert_int_equal(event_read(2, events, 3), 1);
	assert_int_equal(event_read(3, events, 3), 0);
	assert_int_equal(event_read(UINT64_MAX, events, 3), 0);
	assert_int_equal(event_read(1, events, 1), 1);
}

static void what_is_too_long_is_cut(void **state)
{
	char text[EVENT_TEXT_BYTES + 1];
	struct event event;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(
		event_read(event_post(EVENT_GUEST_FAILED, text, "%s", text), &event, 1), 1);
	assert_int_equal(strlen(event.text), EVENT_TEXT_BYTES - 1);
	assert_int_equal(strlen(event.subject), EVENT_SUBJECT_BYTES - 1);
}

/* The ring wraps: the last full one is there whole, the one before is lost, and that shows. */
static void the_oldest_makes_room(void **state)
{
	static struct event events[EVENT_RING + 1];
	uint64_t first = event_range().next;

	(void)state;
	for (unsigned i = 0; i < EVENT_RING; i++)
		event_post(EVENT_GUEST_ADDED, "", "%u", i);
	assert_int_equal(event_range().oldest, first);
	assert_int_equal(event_read(first, events, EVENT_RING + 1), EVENT_RING);
	assert_int_equal(events[0].number, first);
	assert_string_equal(events[EVENT_RING - 1].text, "511");

	event_post(EVENT_GUEST_ADDED, "", "one more");
	assert_int_equal(event_range().oldest, first + 1);
	assert_int_equal(event_read(first, events, EVENT_RING + 1), EVENT_RING);
	for (unsigned i = 0; i < EVENT_RING; i++)
		assert_int_equal(events[i].number, first + 1 + i);
	assert_int_equal(event_read(0, events, 1), 1);
	assert_int_equal(events[0].number, first + 1);
}

static void count(void *arg)
{
	++*(unsigned *)arg;
}

static void who_waits_is_woken(void **state)
{
	unsigned one = 0, two = 0;
	struct event_watch first = {.wake = count, .arg = &one};
	struct event_watch second = {.wake = count, .arg = &two};

	(void)state;
	event_watch(&first);
	event_post(EVENT_JOB_ENDED, "1", "done");
	event_watch(&second);
	event_post(EVENT_JOB_ENDED, "2", "done");
	event_unwatch(&first);
	event_post(EVENT_JOB_ENDED, "3", "done");
	event_unwatch(&second);
	event_post(EVENT_JOB_ENDED, "4", "done");
	assert_int_equal(one, 2);
	assert_int_equal(two, 2);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EVENT_KINDS; i++) {
		assert_non_null(event_kind_name(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(event_kind_name(i), event_kind_name(j));
	}
	assert_string_equal(event_kind_name(EVENT_KINDS), "unknown");
}

static void actors_end_a_sentence(void **state)
{
	static const struct {
		enum actor_kind kind;
		const char *name, *text;
	} all[] = {{ACTOR_CONSOLE, "", "by the operator"},
		   {ACTOR_DOCUMENT, "", "by the document"},
		   {ACTOR_API, "ci", "by 'ci' over the API"},
		   {ACTOR_API, "", "over the API"},
		   {ACTOR_CLUSTER, "node2", "by the cluster's node 'node2'"},
		   {ACTOR_CLUSTER, NULL, "by the cluster"},
		   {ACTOR_POLICY, "on_crash", "by its policy 'on_crash'"},
		   {ACTOR_API, "a\x1b[2J", "by 'a?[2J' over the API"},
		   {ACTOR_KINDS, "x", "by nobody known"}};
	char text[ACTOR_TEXT_BYTES], name[100];
	struct actor actor;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		actor = actor_make(all[i].kind, all[i].name);
		assert_string_equal(actor_text(&actor, text), all[i].text);
	}
	assert_string_equal(actor_text(&(struct actor){0}, text), "by the operator");
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	actor = actor_make(ACTOR_CLUSTER, name);
	assert_int_equal(strlen(actor.name), ACTOR_NAME_BYTES - 1);
	assert_string_equal(actor_text(&actor, text) + strlen(text) - 2, "n'");
	memset(actor.name, 'n', sizeof actor.name); /* as from a stranger: without an end */
	assert_string_equal(actor_text(&actor, text) + strlen(text) - 2, "n'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_there_at_first),
		cmocka_unit_test(an_event_is_what_was_posted),
		cmocka_unit_test(what_is_too_long_is_cut),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(who_waits_is_woken),
		cmocka_unit_test(every_kind_has_a_name_of_its_own),
		cmocka_unit_test(actors_end_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
