/* The table of jobs and the workers that run them. See job.h. */
#include "guests/actions/job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

struct worker;

/* A place of the table. `action`, `role`, `args` and who asked are fixed while it runs, and may
 * be read by its worker without the lock. */
struct job {
	struct job_info info; /* number 0: it was never used */
	const struct action *action;
	const char *no_cancel; /* why it cannot be stopped; NULL: it can */
	enum role role;
	unsigned cancels;      /* how often it was asked to stop */
	struct thread *runner; /* while it runs: to be woken when it is to stop; may be NULL */
	struct worker *worker; /* while it runs; NULL: it has a thread of its own */
	struct action_args args;
	struct action_result result; /* once it has ended */
};

struct worker {
	struct thread *thread;	     /* NULL: it was not needed yet */
	bool hired;		     /* the thread is being made: nothing else is given to it */
	struct job *job;	     /* what it has to do; NULL: nothing */
	struct action_result result; /* in the making; the worker's own, without the lock */
};

/* `lock` guards all of this, but for what is said above. */
static struct spinlock lock = SPINLOCK("jobs");
static struct job jobs[JOBS_MAX];
static struct worker workers[JOBS_WORKERS_MAX];
static uint64_t last; /* number that was given last */
static struct list watches = {&watches, &watches};

const char *job_state_name(uint32_t state)
{
	static const char *const names[] = {"running", "done", "failed", "cancelled"};

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

/* Caller holds the lock, as of all up to the next line of dashes. */
static void tell(void)
{
	list_for_each(watch, &watches, struct job_watch, link) watch->wake(watch->arg);
}

static bool runs(const struct job *job)
{
	return job->info.number && job->info.state == JOB_RUNNING;
}

static struct job *find(uint64_t number)
{
	for (unsigned i = 0; number && i < JOBS_MAX; i++)
		if (jobs[i].info.number == number)
			return &jobs[i];
	return NULL;
}

/* A place that was never used, or of the job that is oldest among those that ended. NULL: all
 * run. */
static struct job *find_place(void)
{
	struct job *place = NULL;

	for (unsigned i = 0; i < JOBS_MAX; i++)
		if (!runs(&jobs[i]) && (!place || jobs[i].info.number < place->info.number))
			place = &jobs[i];
	return place;
}

static struct worker *find_idle(void)
{
	for (unsigned i = 0; i < JOBS_WORKERS_MAX; i++)
		if (!workers[i].job && !workers[i].hired)
			return &workers[i];
	return NULL;
}

/* `args` are the job's from now on. */
static void fill(struct job *job, const struct action_call *call,
		 const struct action_args *args)
{
	job->info = (struct job_info){.number = ++last,
				      .actor = *call->actor,
				      .state = JOB_RUNNING,
				      .started_ns = clock_now_ns()};
	snprintf(job->info.action, sizeof job->info.action, "%s", call->action->name);
	snprintf(job->info.subject, sizeof job->info.subject, "%s",
		 action_subject(call->action, call->args));
	job->args = *args;
	job->action = call->action;
	job->no_cancel = call->action->no_cancel;
	job->role = call->role;
	job->cancels = 0;
	job->runner = NULL;
	job->worker = NULL;
}

static void name_running(char *text, size_t bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < JOBS_WORKERS_MAX && used < bytes; i++) {
		const struct job_info *info;

		if (!workers[i].job)
			continue;
		info = &workers[i].job->info;
		used += (size_t)snprintf(text + used, bytes - used, "%s%llu (%s%s%.40s)",
					 used ? ", " : "", (unsigned long long)info->number,
					 info->action, *info->subject ? " " : "",
					 info->subject);
	}
}

/* ------------------------------------------------------------------------------------------ */

/* "lvcreate vg0/web by the operator". */
static void describe(const struct job_info *info, char *text, size_t bytes)
{
	char by[ACTOR_TEXT_BYTES];

	snprintf(text, bytes, "%s%s%s %s", info->action, *info->subject ? " " : "",
		 info->subject, actor_text(&info->actor, by));
}

/* What is only looked at is no news. */
static bool is_news(const struct job *job)
{
	return job->action->role > ROLE_VIEWER;
}

static void post_start(const struct job *job)
{
	char what[EVENT_TEXT_BYTES], number[24];

	if (!is_news(job))
		return;
	describe(&job->info, what, sizeof what);
	snprintf(number, sizeof number, "%llu", (unsigned long long)job->info.number);
	event_post(EVENT_JOB_STARTED, number, "%s", what);
}

static void post_end(const struct job_info *info, const struct action_result *result)
{
	char what[EVENT_TEXT_BYTES], number[24];
	int line = (int)strcspn(result->text, "\n");
	const char *joint = line ? ": " : "";

	describe(info, what, sizeof what);
	snprintf(number, sizeof number, "%llu", (unsigned long long)info->number);
	event_post(EVENT_JOB_ENDED, number, "%s %s%s%.*s", job_state_name(info->state), what,
		   joint, line, result->text);
	log_info("jobs", "%s, %s%s%.*s", what, job_state_name(info->state), joint, line,
		 result->text);
}

static uint32_t state_of(const struct action_result *result)
{
	if (!result->error)
		return JOB_DONE;
	return result->error == -ECANCELED ? JOB_CANCELLED : JOB_FAILED;
}

void job_close(struct job *job, const struct action_result *result)
{
	struct action_args args;
	struct job_info info;
	bool news;

	if (!job)
		return;
	news = is_news(job);
	spin_lock(&lock);
	args = job->args;
	job->args = (struct action_args){0};
	job->result = *result;
	job->info.state = state_of(result);
	job->info.ended_ns = clock_now_ns();
	job->runner = NULL;
	if (job->worker)
		job->worker->job = NULL;
	info = job->info;
	tell();
	spin_unlock(&lock);
	if (news)
		post_end(&info, result);
	action_args_free(&args);
}

/* ---- workers -------------------------------------------------------------------------------
 */

static void run(struct worker *worker, struct job *job)
{
	struct action_call call = {.action = job->action,
				   .args = job->args.bytes,
				   .actor = &job->info.actor,
				   .role = job->role,
				   .job = job,
				   .result = &worker->result};

	post_start(job);
	action_result_start(&worker->result);
	worker->result.error = job->action->run(&call);
	job_close(job, &worker->result);
}

static void work(void *arg)
{
	struct worker *worker = arg;

	for (;;) {
		struct job *job;

		spin_lock(&lock);
		job = worker->job;
		spin_unlock(&lock);
		if (job)
			run(worker, job);
		else
			thread_block();
	}
}

/* A job that nobody will do: there is none, and its arguments are the caller's again. */
static struct action_args take_back(struct worker *worker)
{
	struct action_args args = worker->job->args;

	worker->job->args = (struct action_args){0};
	worker->job->info = (struct job_info){0};
	worker->job = NULL;
	return args;
}

/* The worker's thread, which finds its job by itself, and may have ended it when it becomes
 * known here. Who wanted to wake it before that could not: the caller does. */
static struct thread *hire(struct worker *worker)
{
	const struct thread_params params = {
		.name = "job", .fn = work, .arg = worker, .weight = THREAD_WEIGHT_SERVICE};
	struct thread *thread = thread_create(&params);
	struct action_args args = {0};

	spin_lock(&lock);
	worker->thread = thread;
	worker->hired = false;
	if (worker->job && thread)
		worker->job->runner = thread;
	else if (worker->job)
		args = take_back(worker);
	spin_unlock(&lock);
	action_args_free(&args);
	return thread;
}

/* Gives the job to a worker; false, with who is busy, when there is none. */
static bool give(const struct action_call *call, const struct action_args *args,
		 struct worker **worker, struct thread **thread, char *running, size_t bytes)
{
	struct job *job;

	spin_lock(&lock);
	*worker = find_idle();
	job = *worker ? find_place() : NULL; /* one is free: few of them can run */
	if (job) {
		fill(job, call, args);
		call->result->job = job->info.number;
		job->worker = *worker;
		(*worker)->job = job;
		*thread = job->runner = (*worker)->thread;
		(*worker)->hired = !*thread;
	} else {
		name_running(running, bytes);
	}
	spin_unlock(&lock);
	return job;
}

static int say_no_memory(struct action_call *call)
{
	call->result->job = 0;
	action_say(call, "The hypervisor has no memory for a thread that does it.");
	return -ENOMEM;
}

int job_start(struct action_call *call)
{
	char running[JOBS_WORKERS_MAX * 96];
	struct thread *thread;
	struct worker *worker;
	struct action_args args;

	if (action_args_copy(call->action, &args, call->args))
		return say_no_memory(call);
	if (!give(call, &args, &worker, &thread, running, sizeof running)) {
		action_args_free(&args);
		action_say(call,
			   "%u jobs run, which is as many as can: %s. Wait for one, or cancel "
			   "it.",
			   JOBS_WORKERS_MAX, running);
		return -EBUSY;
	}
	if (!thread)
		thread = hire(worker);
	if (!thread)
		return say_no_memory(call);
	thread_wake(thread);
	return 0;
}

struct job *job_open(const struct action_call *call, struct thread *runner)
{
	struct action_args args;
	struct job *job;

	if (action_args_copy(call->action, &args, call->args))
		return NULL;
	spin_lock(&lock);
	job = find_place();
	if (job) {
		fill(job, call, &args);
		job->runner = runner;
	}
	spin_unlock(&lock);
	if (!job)
		action_args_free(&args);
	else
		post_start(job);
	return job;
}

/* ---- looking at them, and stopping them
 * ------------------------------------------------------
 */

bool job_get(uint64_t number, struct job_info *info, struct action_result *result)
{
	struct job *job;

	spin_lock(&lock);
	job = find(number);
	if (job)
		*info = job->info;
	if (job && result && !runs(job))
		*result = job->result;
	spin_unlock(&lock);
	return job;
}

uint64_t job_next(uint64_t number)
{
	uint64_t next = UINT64_MAX;

	spin_lock(&lock);
	for (unsigned i = 0; i < JOBS_MAX; i++)
		if (jobs[i].info.number > number)
			next = MIN(next, jobs[i].info.number);
	spin_unlock(&lock);
	return next == UINT64_MAX ? 0 : next;
}

/* Caller holds the lock. */
static int ask_to_stop(struct job *job, enum role role, char why[JOB_WHY_BYTES])
{
	if (!job) {
		snprintf(why, JOB_WHY_BYTES, "There is no such job, or none any more.");
		return -ENOENT;
	}
	if (!runs(job)) {
		snprintf(why, JOB_WHY_BYTES, "It has ended: %s.",
			 job_state_name(job->info.state));
		return -EALREADY;
	}
	if (role < job->action->role) {
		snprintf(why, JOB_WHY_BYTES, "%s takes the role %s, and so does cancelling it.",
			 job->info.action, role_name(job->action->role));
		return -EPERM;
	}
	if (job->no_cancel) {
		snprintf(why, JOB_WHY_BYTES, "%s cannot be stopped: %s.", job->info.action,
			 job->no_cancel);
		return -EOPNOTSUPP;
	}
	job->info.cancel_asked = true;
	job->cancels++;
	if (job->runner)
		thread_wake(job->runner);
	tell();
	return 0;
}

int job_cancel(uint64_t number, const struct actor *actor, enum role role,
	       char why[JOB_WHY_BYTES])
{
	char by[ACTOR_TEXT_BYTES];
	int err;

	spin_lock(&lock);
	err = ask_to_stop(find(number), role, why);
	spin_unlock(&lock);
	if (!err)
		log_info("jobs", "%llu is to stop, %s", (unsigned long long)number,
			 actor_text(actor, by));
	return err;
}

void job_watch(struct job_watch *watch)
{
	spin_lock(&lock);
	list_push_back(&watches, &watch->link);
	spin_unlock(&lock);
}

void job_unwatch(struct job_watch *watch)
{
	spin_lock(&lock);
	list_remove(&watch->link);
	spin_unlock(&lock);
}

/* ---- from inside ---------------------------------------------------------------------------
 */

void job_progress(struct job *job, uint64_t done, uint64_t total, const char *fmt, ...)
{
	char note[JOB_NOTE_BYTES] = "";
	va_list args;

	if (!job)
		return;
	va_start(args, fmt);
	vsnprintf(note, sizeof note, fmt, args);
	va_end(args);
	spin_lock(&lock);
	job->info.done = done;
	job->info.total = total;
	memcpy(job->info.note, note, sizeof note);
	tell();
	spin_unlock(&lock);
}

unsigned job_cancels(struct job *job)
{
	unsigned cancels;

	if (!job)
		return 0;
	spin_lock(&lock);
	cancels = job->cancels;
	spin_unlock(&lock);
	return cancels;
}

bool job_cancelled(struct job *job)
{
	return job_cancels(job);
}

bool job_commit(struct job *job, const char *no_cancel)
{
	bool asked;

	if (!job)
		return true;
	spin_lock(&lock);
	asked = job->info.cancel_asked;
	if (!asked)
		job->no_cancel = no_cancel;
	spin_unlock(&lock);
	return !asked;
}
