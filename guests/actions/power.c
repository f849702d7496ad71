/* Asking the guests, waiting, and switching off. See power.h. */
#include "guests/actions/power.h"

#include <errno.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/events/event.h"
#include "guests/guest/guest.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/plural.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define SHUTDOWN_WAIT_NS (10 * NSEC_PER_SEC)
#define SHUTDOWN_POLL_NS (100 * NSEC_PER_MSEC)
#define LAST_WORDS_NS	 (100 * NSEC_PER_MSEC) /* until the terminal has shown them */

/* `lock` guards what is asked; the rest is the thread's own. */
static struct spinlock lock = SPINLOCK("power requests");
static struct request {
	unsigned count; /* since the last was done with; 0: none is asked */
	bool reboot;	/* as the newest says */
	struct actor actor;
} asked;

static struct thread *thread;
static void (*machine_off)(bool reboot);
static struct action_result result;

void power_request(bool reboot, const struct actor *actor)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	asked.count++;
	asked.reboot = reboot;
	asked.actor = *actor;
	spin_unlock_irqrestore(&lock, flags);
	thread_wake(thread);
}

static struct request look(void)
{
	uint64_t flags = spin_lock_irqsave(&lock);
	struct request now = asked;

	spin_unlock_irqrestore(&lock, flags);
	return now;
}

/* What was asked is done with. With `unless_again` not if it was asked a second time: false. */
static bool forget(bool unless_again)
{
	uint64_t flags = spin_lock_irqsave(&lock);
	bool done = !unless_again || asked.count == 1;

	if (done)
		asked.count = 0;
	spin_unlock_irqrestore(&lock, flags);
	return done;
}

static bool runs(struct guest *guest)
{
	enum guest_state state = guest_state(guest);

	return state == GUEST_STARTING || state == GUEST_RUNNING || state == GUEST_STOPPING;
}

static unsigned count_running(void)
{
	unsigned count = 0;

	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest))
		count += runs(guest);
	return count;
}

/* Presses all power buttons; true when it is worth waiting for somebody. */
static bool ask_guests(const struct actor *actor)
{
	bool heard = false;

	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		if (!runs(guest))
			continue;
		if (guest_shutdown(guest, actor) == 0)
			heard = true;
		else
			log_info("power", "%s does not listen to its power button",
				 guest_name(guest));
	}
	return heard;
}

/* Until all have ended, it takes too long, the same is asked again, or it is called off. */
static void wait_for_guests(struct job *job)
{
	uint64_t deadline = clock_now_ns() + SHUTDOWN_WAIT_NS;
	unsigned total = count_running(), running = total;

	log_info("power", "waiting for guests to shut down; the same again goes on");
	while (running && look().count == 1 && !job_cancelled(job) &&
	       clock_now_ns() < deadline) {
		total = MAX(total, running);
		job_progress(job, total - running, total, "waiting for %u of %u guest%s",
			     running, total, plural(total));
		thread_block_until(clock_now_ns() + SHUTDOWN_POLL_NS);
		running = count_running();
	}
}

static void say_end(struct job *job, struct action_call *call, int err, const char *text)
{
	action_result_start(&result);
	result.error = err;
	action_say(call, "%s", text);
	job_close(job, &result);
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

	actor_text(&request.actor, by);
	log_info("power", "%s is asked for, %s", call.action->name, by);
	event_post(EVENT_MACHINE_GOING_DOWN, "", "%s, %s", call.action->name, by);
	if (ask_guests(&request.actor))
		wait_for_guests(job);
	if (job_cancelled(job) && forget(true)) {
		log_info("power", "the machine stays on");
		say_end(job, &call, -ECANCELED, "The machine stays on.");
		return;
	}
	request = look();
	log_info("power", request.reboot ? "resetting" : "powering off");
	thread_sleep_ns(LAST_WORDS_NS);
	machine_off(request.reboot);
	log_error("power", "this machine cannot be switched off by software: use its button");
	forget(false);
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

static int request_off(struct action_call *call)
{
	power_request(call->action == &action_reboot, call->actor);
	return 0;
}

const struct action action_poweroff = {
	.name = "poweroff",
	.help = "shut the guests down (10 s), then power off; again: at once",
	.role = ROLE_ADMIN,
	.arguments = &action_no_arguments,
	.run = request_off,
};

const struct action action_reboot = {
	.name = "reboot",
	.help = "the same, then reset the machine",
	.role = ROLE_ADMIN,
	.arguments = &action_no_arguments,
	.run = request_off,
};
