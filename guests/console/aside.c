/* The thread that makes slow reports, and the pipe from it. See aside.h. */
#include "guests/console/aside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/sched/thread.h"

#define PIPE_BYTES  1024
#define CHUNK_BYTES 128
#define PATIENCE_NS (60 * NSEC_PER_SEC)

/* `lock` guards all but `thread`, which the operator's thread sets once. What is asked for
 * stays as it is while `busy`. */
static struct spinlock lock = SPINLOCK("report aside");
static struct thread *thread; /* made when it is first needed */
static struct {
	bool busy; /* a report is being made */
	bool left; /* nobody wants it any more */
	void (*report)(struct sink *to, const char *word);
	bool has_word;
	char word[ASIDE_WORD_BYTES];
	void (*wake)(void *arg); /* the operator's thread */
	unsigned first, count;
	char pipe[PIPE_BYTES];
} aside;

/* ---- its own thread ------------------------------------------------------------------------
 */

/* Returns how many of `bytes` there was room for. Caller holds the lock. */
static size_t push(const char *text, size_t bytes)
{
	size_t n = 0;

	for (; n < bytes && aside.count < PIPE_BYTES; n++)
		aside.pipe[(aside.first + aside.count++) % PIPE_BYTES] = text[n];
	return n;
}

static int write_to_pipe(void *arg, const char *text, size_t bytes)
{
	(void)arg;
	while (bytes) {
		size_t n;
		bool left;

		spin_lock(&lock);
		left = aside.left;
		n = left ? 0 : push(text, bytes);
		spin_unlock(&lock);
		if (left)
			return -EPIPE;
		text += n;
		bytes -= n;
		aside.wake(NULL);
		if (bytes)
			thread_block(); /* until some was shown */
	}
	return 0;
}

static void aside_thread(void *arg)
{
	(void)arg;
	for (;;) {
		struct sink to = {.write = write_to_pipe};
		bool busy;

		spin_lock(&lock);
		busy = aside.busy;
		spin_unlock(&lock);
		if (!busy) {
			thread_block();
			continue;
		}
		aside.report(&to, aside.has_word ? aside.word : NULL);
		spin_lock(&lock);
		aside.busy = false;
		spin_unlock(&lock);
		aside.wake(NULL);
	}
}

/* ---- the operator's ------------------------------------------------------------------------
 */

/* False: the last one is still being made. */
static bool begin(struct follow *follow, void (*report)(struct sink *to, const char *word),
		  const char *word)
{
	bool free;

	spin_lock(&lock);
	free = !aside.busy;
	if (free) {
		aside.busy = true;
		aside.left = false;
		aside.report = report;
		aside.has_word = word;
		snprintf(aside.word, sizeof aside.word, "%s", word ? word : "");
		aside.wake = follow->wake;
		aside.first = aside.count = 0;
	}
	spin_unlock(&lock);
	return free;
}

static void give_up(void)
{
	spin_lock(&lock);
	aside.left = true;
	aside.count = 0;
	spin_unlock(&lock);
	thread_wake(thread);
}

/* Takes a piece of what was written; *more: there may come more. */
static size_t pull(char chunk[CHUNK_BYTES], bool *more)
{
	size_t n = 0;

	spin_lock(&lock);
	for (; n < CHUNK_BYTES && aside.count; n++, aside.count--) {
		chunk[n] = aside.pipe[aside.first];
		aside.first = (aside.first + 1) % PIPE_BYTES;
	}
	*more = aside.busy || aside.count;
	spin_unlock(&lock);
	return n;
}

static void follow_to_its_end(struct follow *follow, struct sink *to)
{
	uint64_t end = clock_now_ns() + PATIENCE_NS;
	char chunk[CHUNK_BYTES];
	bool more;

	thread_wake(thread);
	do {
		size_t n = pull(chunk, &more);

		if (follow_interrupted(follow)) {
			sink_print(to, "^C\n");
			give_up();
			return;
		}
		if (n) {
			sink_write(to, chunk, n);
			end = clock_now_ns() + PATIENCE_NS;
			thread_wake(thread);
		} else if (more && clock_now_ns() >= end) {
			sink_print(to, "It waits for a disk, and is left alone.\n");
			give_up();
			return;
		} else if (more) {
			thread_block_until(end);
		}
	} while (more);
}

void aside_show(struct follow *follow, struct sink *to,
		void (*report)(struct sink *to, const char *word), const char *word)
{
	const struct thread_params params = {
		.name = "reports", .fn = aside_thread, .weight = THREAD_WEIGHT_SERVICE};

	if (!thread)
		thread = thread_create(&params);
	if (!thread)
		sink_print(to, "The hypervisor has no memory for a thread that does it.\n");
	else if (!begin(follow, report, word))
		sink_print(to, "One that was asked for before still waits for a disk.\n");
	else
		follow_to_its_end(follow, to);
}
