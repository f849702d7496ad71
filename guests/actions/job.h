/*
 * Jobs: actions that may wait for a disk or a guest, each on a thread of its own, so that one
 * that is stuck holds up nothing else. What they do is the actions'.
 */
#ifndef GUESTS_ACTIONS_JOB_H
#define GUESTS_ACTIONS_JOB_H

#include "guests/actions/action.h"
#include "kernel/lib/list.h"

#define JOBS_MAX	 32 /* that are remembered, running ones too */
#define JOBS_WORKERS_MAX 8  /* that run at a time, besides the machine's power-off */
#define JOB_NOTE_BYTES	 128
#define JOB_ACTION_BYTES 24

struct thread;

enum job_state {
	JOB_RUNNING,
	JOB_DONE,
	JOB_FAILED,
	JOB_CANCELLED, /* it stopped because it was asked to */
};
const char *job_state_name(uint32_t state);

/* How a job is, at one moment. */
struct job_info {
	uint64_t number; /* from 1 */
	char action[JOB_ACTION_BYTES];
	char subject[ACTION_SUBJECT_BYTES]; /* "" when it is about nothing */
	struct actor actor;
	uint32_t state; /* enum job_state */
	bool cancel_asked;
	uint64_t started_ns, ended_ns; /* clock_now_ns(); ended: 0 while it runs */
	uint64_t done, total;	       /* of what the note speaks of; total 0: not known */
	char note[JOB_NOTE_BYTES];     /* what it does now */
};

/* Copies the job of that number; `result` is filled once it has ended, and may be NULL. False
 * when there is no such job, or none any more. Thread context. */
bool job_get(uint64_t number, struct job_info *info, struct action_result *result);

/* The number of the oldest job that is newer than `number`; 0: there is none. For going through
 * all, from 0 on. Thread context. */
uint64_t job_next(uint64_t number);

/* Asks a job to stop, for who has `role`; it may still end in another way. 0; or with a
 * sentence in `why` -ENOENT, -EALREADY (it has ended), -EPERM, -EOPNOTSUPP (it cannot). */
#define JOB_WHY_BYTES 256
int job_cancel(uint64_t number, const struct actor *actor, enum role role,
	       char why[JOB_WHY_BYTES]);

/* Who waits for jobs: `wake` comes after each change of one, under the jobs' spinlock; it may
 * wake a thread and nothing else. No more after job_unwatch(). Thread context. */
struct job_watch {
	void (*wake)(void *arg);
	void *arg;
	struct list link; /* under the jobs' lock */
};
void job_watch(struct job_watch *watch);
void job_unwatch(struct job_watch *watch);

/* ---- for what runs as one; all take NULL, which is no job ----------------------------------
 */

/* `done` of `total`, and a sentence without an end: "2 of 3 guests have ended". */
void job_progress(struct job *job, uint64_t done, uint64_t total, const char *fmt, ...)
	printf_like(4, 5);
/* How often it was asked to stop. */
unsigned job_cancels(struct job *job);
/* Whether it is to stop: its function then returns -ECANCELED with things as they are. Who asks
 * for that wakes its thread. */
bool job_cancelled(struct job *job);
/* From here on it is done to its end, and `no_cancel` is the rest of a sentence why: a
 * constant. False: it was asked to stop before, and is to. */
bool job_commit(struct job *job, const char *no_cancel);

/* ---- for action_run(), and who has a thread of his own --------------------------------------
 */

/* Starts call->action on a worker; the result says which number it has. 0, or -EBUSY, -ENOMEM
 * with a sentence there. Thread context; may sleep for memory, never for another job. */
int job_start(struct action_call *call);

/* A job that `runner` runs itself, already; it is woken when the job is to stop. Never fails:
 * NULL when the table is full of running jobs, or memory for a document is short, which is no
 * job. */
struct job *job_open(const struct action_call *call, struct thread *runner);
/* Its end, with the result that it has then. */
void job_close(struct job *job, const struct action_result *result);

#endif
