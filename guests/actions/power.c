/* Asking the guests, waiting, and switching off. See power.h. */
#include "guests/actions/power.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/duration.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define POLL_NS	      (100 * NSEC_PER_MSEC)
#define TELL_NS	      (10 * NSEC_PER_SEC)   /* how often the log says for whom it waits */
#define CLOSING_NS    (10 * NSEC_PER_SEC)   /* for disks of guests that were switched off */
#define LAST_WORDS_NS (100 * NSEC_PER_MSEC) /* until the terminal has shown them */

/* `lock` guards what is asked, and what is told of it; the rest is the thread's own. */
static struct spinlock lock = SPINLOCK("power requests");
static struct request {
	unsigned count; /* since the last was done with; 0: none is asked */
	bool reboot;	/* as the newest says */
	bool now;
	bool called_off;
	bool late; /* the guests are being switched off: it is not called off any more */
	uint64_t longer_ns; /* more than host.shutdown_timeout */
	struct actor actor;
} asked;
static char told[LEAVERS_TEXT_BYTES]; /* for whom it waits, with times */

static struct thread *thread;
static void (*machine_off)(bool reboot);
static struct action_result result;
static struct leavers leavers;
static struct {
	char names[LEAVERS_TEXT_BYTES];
	uint64_t next_ns;
} logged; /* last, of this request */

void power_request(bool reboot, bool now, const struct actor *actor)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	asked.count++;
	asked.reboot = reboot;
	asked.now |= now || asked.count > 1;
	asked.actor = *actor;
	spin_unlock_irqrestore(&lock, flags);
	thread_wake(thread);
}

bool power_waits(char text[LEAVERS_TEXT_BYTES])
{
	uint64_t flags = spin_lock_irqsave(&lock);
	bool waits = asked.count;

	memcpy(text, told, sizeof told);
	spin_unlock_irqrestore(&lock, flags);
	return waits;
}

int power_wait(const char *name, uint64_t ns)
{
	int err = leavers_wait(name, ns);
	uint64_t flags = spin_lock_irqsave(&lock);

	if (!err && asked.count)
		asked.longer_ns += ns;
	spin_unlock_irqrestore(&lock, flags);
	return err;
}

bool power_call_off(void)
{
	uint64_t flags = spin_lock_irqsave(&lock);
	bool stays = !asked.count || (asked.count == 1 && !asked.late);

	asked.called_off = asked.count && stays;
	spin_unlock_irqrestore(&lock, flags);
	thread_wake(thread);
	return stays;
}

static struct request look(void)
{
	uint64_t flags = spin_lock_irqsave(&lock);
	struct request now = asked;

	spin_unlock_irqrestore(&lock, flags);
	return now;
}

/* What was asked is done with. Caller holds the lock. */
static void forget(void)
{
	asked = (struct request){0};
	told[0] = '\0';
}

static uint64_t deadline_ns(uint64_t begin_ns)
{
	struct host_config host;

	catalogue_host(&host);
	return begin_ns + host.shutdown_timeout_seconds * NSEC_PER_SEC + look().longer_ns;
}

static bool called_off(struct job *job)
{
	return job_cancelled(job) || look().called_off;
}

/* The log is told when somebody else is waited for, and now and then. */
static void tell(struct job *job, uint32_t total)
{
	uint64_t flags, now_ns = clock_now_ns();

	flags = spin_lock_irqsave(&lock);
	memcpy(told, leavers.times, sizeof told);
	spin_unlock_irqrestore(&lock, flags);
	job_progress(job, total - MIN(total, leavers.there), total, "waiting for %s",
		     leavers.times);
	if (!strcmp(logged.names, leavers.names) && now_ns < logged.next_ns)
		return;
	memcpy(logged.names, leavers.names, sizeof logged.names);
	logged.next_ns = now_ns + TELL_NS;
	log_info("power", "waiting for %s", leavers.times);
}

/* Until all guests are gone, it takes too long, it is to be done at once, or called off. */
static void shut_down(struct job *job, const struct actor *actor)
{
	uint64_t begin_ns = clock_now_ns();
	uint32_t total = 0;

	logged.next_ns = 0;
	for (;;) {
		uint64_t end_ns = deadline_ns(begin_ns);

		if (look().now || called_off(job))
			return;
		if (clock_now_ns() >= end_ns) {
			log_warn("power", "host.shutdown_timeout has passed");
			return;
		}
		leavers_look(&leavers, actor, end_ns);
		if (!leavers.there)
			return;
		if (!total)
			log_info("power",
				 "`wait 60 s` gives guests longer, `%s now` switches "
				 "them off, `cancel` with the number in `jobs` keeps "
				 "the machine on",
				 look().reboot ? "reboot" : "poweroff");
		total = MAX(total, leavers.there);
		tell(job, total);
		thread_block_until(clock_now_ns() + POLL_NS);
	}
}

/* Whoever is still there is switched off; a disk that does not answer is not waited for long.
 */
static void switch_off(const struct actor *actor)
{
	uint64_t end_ns = clock_now_ns() + CLOSING_NS;
	unsigned count = look().count;

	leavers_switch_off(actor);
	for (;;) {
		leavers_look(&leavers, NULL, end_ns);
		if (!leavers.there)
			return;
		if (clock_now_ns() >= end_ns || look().count != count)
			break;
		thread_block_until(clock_now_ns() + POLL_NS);
	}
	log_warn("power", "not waited for any longer: %s", leavers.names);
}

static void say_end(struct job *job, struct action_call *call, int err, const char *text)
{
	action_result_start(&result);
	result.error = err;
	action_say(call, "%s", text);
	job_close(job, &result);
}

/* Whether it was called off, and not asked for again; if not, it can't be called off any more,
 * as guests are switched off now. */
static bool stays(struct job *job)
{
	bool cancelled = !job_commit(job, "the guests are being switched off");
	uint64_t flags = spin_lock_irqsave(&lock);
	bool kept_on = (cancelled || asked.called_off) && asked.count == 1;

	if (kept_on)
		forget();
	else
		asked.late = true;
	spin_unlock_irqrestore(&lock, flags);
	return kept_on;
}

static void power_off(struct request request)
{
	struct action_args none = {0};
	struct action_call call = {.action = request.reboot ? &action_reboot : &action_poweroff,
				   .args = none.bytes,
				   .actor = &request.actor,
				   .role = ROLE_ADMIN,
				   .result = &result};
	struct job *job = job_open(&call, thread);
	char by[ACTOR_TEXT_BYTES];
	uint64_t flags;

	actor_text(&request.actor, by);
	log_info("power", "%s is asked for, %s", call.action->name, by);
	event_post(EVENT_MACHINE_GOING_DOWN, "", "%s, %s", call.action->name, by);
	shut_down(job, &request.actor);
	if (stays(job)) {
		leavers_stay();
		log_info("power", "the machine stays on");
		say_end(job, &call, -ECANCELED, "The machine stays on.");
		return;
	}
	switch_off(&request.actor);
	request = look();
	log_info("power", request.reboot ? "resetting" : "powering off");
	thread_sleep_ns(LAST_WORDS_NS);
	machine_off(request.reboot);
	log_error("power", "this machine cannot be switched off by software: use its button");
	flags = spin_lock_irqsave(&lock);
	forget();
	spin_unlock_irqrestore(&lock, flags);
	say_end(job, &call, -EOPNOTSUPP,
		"This machine cannot be switched off by software: use its button.");
}

static void power_thread(void *arg)
{
	(void)arg;
	for (;;) {
		struct request request = look();

		if (request.count)
			power_off(request);
		else
			thread_block();
	}
}

int power_init(void (*off)(bool reboot))
{
	const struct thread_params params = {
		.name = "power", .fn = power_thread, .weight = THREAD_WEIGHT_SERVICE};

	machine_off = off;
	thread = thread_create(&params);
	return thread ? 0 : -ENOMEM;
}

/* ---- the actions ---------------------------------------------------------------------------
 */

struct power_args {
	bool now;
};

static const struct config_field power_fields[] = {
	{.key = "now",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct power_args, now),
	 .initial = "false",
	 .doc = "Whether guests are switched off, and not asked."},
};

static const struct config_table power_arguments =
	CONFIG_TABLE(power_fields, struct power_args, NULL);

static int request_off(struct action_call *call)
{
	const struct power_args *args = call->args;

	power_request(call->action == &action_reboot, args->now, call->actor);
	return 0;
}

const struct action action_poweroff = {
	.name = "poweroff",
	.help = "shut the guests down, then power off; again, or now: at once",
	.usage = "Write: poweroff, or poweroff now.",
	.role = ROLE_ADMIN,
	.arguments = &power_arguments,
	.run = request_off,
};

const struct action action_reboot = {
	.name = "reboot",
	.help = "the same, then reset the machine",
	.usage = "Write: reboot, or reboot now.",
	.role = ROLE_ADMIN,
	.arguments = &power_arguments,
	.run = request_off,
};

struct wait_args {
	uint32_t seconds;
	char guest[32];
};

static const struct config_field wait_fields[] = {
	{.key = "time",
	 .type = CONFIG_DURATION,
	 .required = true,
	 .offset = offsetof(struct wait_args, seconds),
	 .minimum = 1,
	 .maximum = 24 * 3600,
	 .example = "60 s",
	 .doc = "How much longer."},
	{.key = "guest",
	 .type = CONFIG_NAME,
	 .offset = offsetof(struct wait_args, guest),
	 .maximum = sizeof(((struct wait_args *)0)->guest),
	 .example = "web",
	 .doc = "For which guest. Without it: for all that are shutting down."},
};

static const struct config_table wait_arguments =
	CONFIG_TABLE(wait_fields, struct wait_args, NULL);

static int wait_longer(struct action_call *call)
{
	const struct wait_args *args = call->args;
	char time[DURATION_TEXT_BYTES], names[LEAVERS_TEXT_BYTES];
	const char *who = args->guest[0] ? args->guest : "Every guest that is shutting down";
	int err = power_wait(args->guest, args->seconds * NSEC_PER_SEC);

	if (err)
		action_say(call, "%s is being shut down.",
			   args->guest[0] ? "No guest of that name" : "No guest");
	else
		action_say(call, "%s has %s more.", who, duration_text(args->seconds, time));
	if (!err && power_waits(names))
		log_info("power", "%s has %s more", who, time);
	return err;
}

const struct action action_wait = {
	.name = "wait",
	.help = "give guests that are shutting down longer",
	.usage = "Say how much longer: wait 60 s, or for one guest: wait 60 s web.",
	.role = ROLE_OPERATOR,
	.arguments = &wait_arguments,
	.run = wait_longer,
};
