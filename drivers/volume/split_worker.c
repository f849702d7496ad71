/*
 * The thread that sends waiting requests on when parts came back, which may be in an interrupt,
 * where nothing can be submitted. One for all volumes, as it only cuts and submits.
 */
#include <errno.h>
#include <stdatomic.h>

#include "drivers/volume/split_internal.h"
#include "kernel/sched/thread.h"

static struct {
	struct spinlock lock; /* guards the rest, but `started`; taken inside split.lock */
	struct list queue;    /* of struct split, by `work` */
	struct split *busy;   /* being worked on */
	struct thread *thread;
	_Atomic bool started;
} worker = {.lock = SPINLOCK("split work"), .queue = {&worker.queue, &worker.queue}};

static struct split *take(void)
{
	struct split *split = NULL;
	uint64_t flags = spin_lock_irqsave(&worker.lock);

	if (!list_empty(&worker.queue)) {
		split = list_first(&worker.queue, struct split, work);
		list_remove(&split->work);
	}
	worker.busy = split;
	spin_unlock_irqrestore(&worker.lock, flags);
	return split;
}

static void run(void *arg)
{
	(void)arg;
	for (;;) {
		struct split *split = take();

		if (!split) {
			thread_block();
			continue;
		}
		split_pump(split);
		split_commit(split);
	}
}

int split_worker_start(void)
{
	const struct thread_params params = {
		.name = "split", .fn = run, .weight = THREAD_WEIGHT_SERVICE};
	struct thread *thread;
	uint64_t flags;

	if (atomic_exchange(&worker.started, true))
		return 0;
	thread = thread_create(&params);
	if (!thread) {
		worker.started = false;
		return -ENOMEM;
	}
	flags = spin_lock_irqsave(&worker.lock);
	worker.thread = thread;
	if (!list_empty(&worker.queue))
		thread_wake(thread);
	spin_unlock_irqrestore(&worker.lock, flags);
	return 0;
}

void split_worker_wake(struct split *split)
{
	uint64_t flags = spin_lock_irqsave(&worker.lock);

	if (list_empty(&split->work))
		list_push_back(&worker.queue, &split->work);
	if (worker.thread)
		thread_wake(worker.thread);
	spin_unlock_irqrestore(&worker.lock, flags);
}

void split_worker_forget(struct split *split)
{
	for (;;) {
		uint64_t flags = spin_lock_irqsave(&worker.lock);
		bool busy = worker.busy == split;

		list_remove(&split->work);
		spin_unlock_irqrestore(&worker.lock, flags);
		if (!busy)
			return;
		thread_yield();
	}
}
