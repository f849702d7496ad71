/*
 * Jobs and events on the operator's console: waiting for a job as long as the operator likes,
 * with what he types meanwhile kept for later. What a job does is guests/actions'.
 */
#ifndef GUESTS_CONSOLE_FOLLOW_H
#define GUESTS_CONSOLE_FOLLOW_H

#include "guests/actions/job.h"
#include "guests/views/sink.h"

#define FOLLOW_AHEAD_BYTES 1024

struct console;

/* The operator's thread alone uses it. */
struct follow {
	struct console *console;
	void (*wake)(void *arg);
	unsigned first, count; /* typed ahead */
	char ahead[FOLLOW_AHEAD_BYTES];
};

/* `wake` wakes the operator's thread, from any context. */
void follow_init(struct follow *follow, struct console *console, void (*wake)(void *arg));

/* The next byte that was typed; false: none was. */
bool follow_read(struct follow *follow, char *byte);

/* Takes what was typed meanwhile, to be read later; true when Ctrl-C was, and what came before
 * it is dropped. For whoever waits on the operator's thread. */
bool follow_interrupted(struct follow *follow);

/*
 * Waits for the job's end: true, and `result` is what came of it. False where it goes on
 * without being waited for, which was written to `to`: after Ctrl-C, or a minute. What is typed
 * meanwhile is read later, but for what came before Ctrl-C, which is dropped.
 */
bool follow_job(struct follow *follow, struct sink *to, uint64_t number,
		struct action_result *result);

/* Both write to `to`: all jobs that are remembered; events from number `from`, a
 * text, on, or if it is NULL the last ones. */
void follow_jobs(struct sink *to);
void follow_events(struct sink *to, const char *from);

#endif
