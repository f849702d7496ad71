/* Jobs and events for the operator. See follow.h. */
#include "guests/console/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/text.h"
#include "guests/devices/console.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define CTRL_C	     0x03
#define HINT_NS	     (3 * NSEC_PER_SEC)	 /* until it is said that it takes a while */
#define PATIENCE_NS  (60 * NSEC_PER_SEC) /* until it is no longer waited for */
#define EVENTS_SHOWN 20ull

void follow_init(struct follow *follow, struct console *console, void (*wake)(void *arg))
{
	*follow = (struct follow){.console = console, .wake = wake};
}

bool follow_read(struct follow *follow, char *byte)
{
	if (!follow->count)
		return console_read(follow->console, byte, 1);
	*byte = follow->ahead[follow->first];
	follow->first = (follow->first + 1) % FOLLOW_AHEAD_BYTES;
	follow->count--;
	return true;
}

bool follow_interrupted(struct follow *follow)
{
	char byte;

	while (follow->count < FOLLOW_AHEAD_BYTES && console_read(follow->console, &byte, 1)) {
		if (byte == CTRL_C) {
			follow->count = 0;
			return true;
		}
		follow->ahead[(follow->first + follow->count++) % FOLLOW_AHEAD_BYTES] = byte;
	}
	return false;
}

static void say_hint(struct sink *to, const struct job_info *info)
{
	sink_print(to, "-- job %llu takes a while%s%s; Ctrl-C: do not wait for it --\n",
		   (unsigned long long)info->number, *info->note ? ": " : "", info->note);
}

static bool wait(struct follow *follow, struct sink *to, uint64_t number,
		 struct action_result *result)
{
	uint64_t begin = clock_now_ns(), hint = begin + HINT_NS, end = begin + PATIENCE_NS;
	struct job_info info;

	/* One that is gone has ended, and many others since. */
	while (job_get(number, &info, result) && info.state == JOB_RUNNING) {
		uint64_t now = clock_now_ns();
		bool left = follow_interrupted(follow);

		if (left || now >= end) {
			sink_print(to,
				   "%sJob %llu goes on; `jobs` says how far it is, `cancel "
				   "%llu` stops it.\n",
				   left ? "^C\n" : "", (unsigned long long)number,
				   (unsigned long long)number);
			return false;
		}
		if (now >= hint) {
			hint = UINT64_MAX;
			say_hint(to, &info);
			continue; /* a slow terminal's waiting may have taken the wake-up */
		}
		thread_block_until(MIN(hint, end));
	}
	return true;
}

bool follow_job(struct follow *follow, struct sink *to, uint64_t number,
		struct action_result *result)
{
	struct job_watch watch = {.wake = follow->wake};
	bool ended;

	action_result_start(result);
	job_watch(&watch);
	ended = wait(follow, to, number, result);
	job_unwatch(&watch);
	return ended;
}

/* ---- showing them --------------------------------------------------------------------------
 */

static void say_progress(struct sink *to, const struct job_info *info)
{
	sink_print(to, "      %s", info->note);
	if (info->total)
		sink_print(to, ", %llu of %llu", (unsigned long long)info->done,
			   (unsigned long long)info->total);
	sink_text(to, "\n");
}

static void say_job(struct sink *to, const struct job_info *info,
		    const struct action_result *result)
{
	uint64_t until = info->ended_ns ? info->ended_ns : clock_now_ns();
	char by[ACTOR_TEXT_BYTES];

	sink_print(to, "%5llu %-9s %s%s%s, %s, %llu s\n", (unsigned long long)info->number,
		   info->cancel_asked && !info->ended_ns ? "stopping"
							 : job_state_name(info->state),
		   info->action, *info->subject ? " " : "", info->subject,
		   actor_text(&info->actor, by),
		   (unsigned long long)((until - info->started_ns) / NSEC_PER_SEC));
	if (info->ended_ns && *result->text)
		sink_print(to, "      %.*s\n", (int)strcspn(result->text, "\n"), result->text);
	else if (!info->ended_ns && *info->note)
		say_progress(to, info);
}

void follow_jobs(struct sink *to)
{
	static struct action_result result; /* the operator's thread alone uses it */
	struct job_info info;
	bool any = false;

	for (uint64_t number = job_next(0); number; number = job_next(number)) {
		if (!job_get(number, &info, &result))
			continue;
		any = true;
		say_job(to, &info, &result);
	}
	if (!any)
		sink_print(to, "There were no jobs yet.\n");
}

static void say_event(struct sink *to, const struct event *event)
{
	char stamp[LOG_STAMP_BYTES];

	log_stamp(stamp, event->time_ns, event->wall_ns);
	sink_print(to, "%6llu %s%s%s%s: %s\n", (unsigned long long)event->number, stamp,
		   event_kind_name(event->kind), *event->subject ? " " : "", event->subject,
		   event->text);
}

void follow_events(struct sink *to, const char *from)
{
	struct event_range range = event_range();
	uint64_t next = MAX(range.oldest, range.next - MIN(range.next, EVENTS_SHOWN));
	struct event event;

	if (from && (!text_number(from, &next) || !next)) {
		sink_print(to,
			   "'%s' is no number of an event, the first one to show. Write: "
			   "events 1\n",
			   from);
		return;
	}
	if (next >= range.next) {
		sink_print(to, "There is none yet from %llu on.\n", (unsigned long long)next);
		return;
	}
	/* What comes while it is shown is for the next time. */
	while (next < range.next && event_read(next, &event, 1)) {
		if (event.number > next)
			sink_print(to, "-- %llu older ones are no longer here --\n",
				   (unsigned long long)(event.number - next));
		say_event(to, &event);
		next = event.number + 1;
	}
}
