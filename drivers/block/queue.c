/* Requests of one hardware queue: waiting, with the hardware, finished. The thread that looks
 * after hardware that does not answer is host.c. */
#include "drivers/block/queue.h"

#include <errno.h>

#include "kernel/cpu/clock.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"

#define TICK_NS	       NSEC_PER_SEC	  /* between two looks at the deadlines */
#define ABORT_GRACE_NS (5 * NSEC_PER_SEC) /* after which an abort that did not help is over */

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Gives up the lock, and then tells who waits: it may submit again from there. */
static void unlock_and_finish(struct block_queue *q, uint64_t flags)
{
	struct list finished = q->finished;

	if (likely(list_empty(&q->finished))) {
		spin_unlock_irqrestore(&q->lock, flags);
		return;
	}
	finished.next->prev = finished.prev->next = &finished;
	list_init(&q->finished);
	spin_unlock_irqrestore(&q->lock, flags);

	while (!list_empty(&finished)) {
		struct blk_request *r = list_first(&finished, struct blk_request, link);

		list_remove(&r->link);
		blk_done(r, r->error);
	}
}

static void finish(struct block_queue *q, struct blk_request *r, int error)
{
	r->error = error;
	list_push_back(&q->finished, &r->link);
}

static struct blk_request *take_tag(struct block_queue *q, uint32_t tag)
{
	struct blk_request *r = tag < q->depth ? q->active[tag] : NULL;

	if (likely(r)) {
		q->active[tag] = NULL;
		q->free[q->free_count++] = tag;
	}
	return r;
}

static void start_ticking(struct block_queue *q, uint64_t now_ns)
{
	if (likely(q->ticking))
		return;
	q->ticking = true;
	timer_arm(&q->timer, now_ns + TICK_NS);
}

/* Whether the next may be tried. */
static bool start_one(struct block_queue *q, struct blk_request *r, uint64_t now_ns)
{
	uint32_t tag = q->free[--q->free_count];
	int err;

	list_remove(&r->link);
	r->tag = tag;
	r->deadline_ns = now_ns + q->host->timeout_ns;
	q->active[tag] = r;
	q->aborted[tag] = false;
	err = q->host->ops->start(q, r);
	if (likely(!err)) {
		atomic_store_explicit(&q->unrung, true, memory_order_relaxed);
		return true;
	}
	take_tag(q, tag);
	if (err == -EBUSY)
		list_push_front(&q->waiting, &r->link);
	else
		finish(q, r, err);
	return err != -EBUSY;
}

static void start_waiting(struct block_queue *q)
{
	uint64_t now_ns;

	if (list_empty(&q->waiting) || q->stopped || !q->free_count)
		return;
	now_ns = clock_now_ns();
	do {
		if (!start_one(q, list_first(&q->waiting, struct blk_request, link), now_ns))
			break;
	} while (!list_empty(&q->waiting) && q->free_count);
	start_ticking(q, now_ns);
}

static void ring(struct block_queue *q)
{
	if (!atomic_load_explicit(&q->unrung, memory_order_relaxed))
		return;
	atomic_store_explicit(&q->unrung, false, memory_order_relaxed);
	if (q->stopped)
		return; /* reset() has made the hardware forget it */
	if (q->host->ops->ring)
		q->host->ops->ring(q);
	count(&q->host->counters->doorbells);
}

void block_queue_submit(struct block_queue *q, struct blk_request *request)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);

	request->private = NULL;
	if (likely(!atomic_load_explicit(&q->host->lost, memory_order_relaxed))) {
		list_push_back(&q->waiting, &request->link);
		start_waiting(q);
	} else {
		finish(q, request, -ENODEV);
	}
	unlock_and_finish(q, flags);
}

void block_queue_commit(struct block_queue *q)
{
	uint64_t flags;

	if (!atomic_load_explicit(&q->unrung, memory_order_relaxed))
		return;
	flags = spin_lock_irqsave(&q->lock);
	ring(q);
	spin_unlock_irqrestore(&q->lock, flags);
}

bool block_queue_interrupt(struct block_queue *q)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);
	bool any = q->host->ops->reap(q);

	if (any) {
		count(&q->host->counters->interrupts);
		start_waiting(q);
		ring(q);
	}
	unlock_and_finish(q, flags);
	return any;
}

bool block_queue_done(struct block_queue *q, uint32_t tag)
{
	struct blk_request *r = take_tag(q, tag);

	if (unlikely(!r))
		return false;
	if (unlikely(atomic_load_explicit(&q->host->resets, memory_order_relaxed)))
		q->host->resets = 0;
	finish(q, r, 0);
	return true;
}

void block_queue_again(struct block_queue *q, uint32_t tag)
{
	struct blk_request *r = take_tag(q, tag);

	if (r)
		list_push_front(&q->waiting, &r->link);
}

void block_queue_waiting_done(struct block_queue *q,
			      bool (*which)(const struct blk_request *request))
{
	list_for_each_safe(r, &q->waiting, struct blk_request, link)
	{
		if (!which(r))
			continue;
		list_remove(&r->link);
		finish(q, r, 0);
	}
}

/* Sends it again, if that is wanted and not too often. Whether it does. */
static bool retry(struct block_queue *q, struct blk_request *r, bool again)
{
	if (!again || ++r->attempts >= BLOCK_ATTEMPTS_MAX)
		return false;
	count(&r->dev->counters.retries);
	list_push_back(&q->waiting, &r->link);
	return true;
}

bool block_queue_failed(struct block_queue *q, uint32_t tag, int error, bool again,
			const char *words)
{
	static const char *const names[BLK_OPS] = {[BLK_READ] = "read",
						   [BLK_WRITE] = "write",
						   [BLK_FLUSH] = "flush",
						   [BLK_DISCARD] = "discard",
						   [BLK_WRITE_ZEROES] = "write of zeroes"};
	struct blk_request *r = take_tag(q, tag);

	if (!r)
		return false;
	q->host->resets = 0; /* it answers */
	again = retry(q, r, again);
	block_host_log(q->host, r->dev->name, "%s of %llu bytes at %#llx: %s; %s", names[r->op],
		       (unsigned long long)r->bytes, (unsigned long long)r->offset, words,
		       again ? "it is tried again" : "it has failed");
	if (!again)
		finish(q, r, error);
	return true;
}

static void tick(struct timer *timer)
{
	struct block_queue *q = container_of(timer, struct block_queue, timer);
	struct block_host *h = q->host;
	uint64_t flags = spin_lock_irqsave(&q->lock), now_ns = clock_now_ns();
	const char *why = NULL;
	bool overdue = false, stopped = q->stopped;

	for (uint32_t tag = 0; tag < q->depth; tag++)
		overdue |= q->active[tag] && q->active[tag]->deadline_ns <= now_ns;
	q->ticking = q->free_count < q->depth;
	if (q->ticking)
		timer_arm(&q->timer, now_ns + TICK_NS);
	spin_unlock_irqrestore(&q->lock, flags);
	if (h->ops->check && !h->lost && !stopped)
		why = h->ops->check(h);
	if (why) {
		block_host_fault(h, why);
	} else if (overdue) {
		h->overdue = true;
		thread_wake(h->thread);
	}
}

int block_queue_overdue(struct block_queue *q, bool *aborted)
{
	uint64_t flags = spin_lock_irqsave(&q->lock), now_ns = clock_now_ns();
	int found = -1;

	for (uint32_t tag = 0; tag < q->depth && found < 0; tag++) {
		struct blk_request *r = q->active[tag];

		if (!r || r->deadline_ns > now_ns)
			continue;
		found = (int)tag;
		*aborted = q->aborted[tag];
		q->aborted[tag] = true;
		r->deadline_ns = now_ns + ABORT_GRACE_NS;
		if (!*aborted)
			count(&r->dev->counters.timeouts);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return found;
}

void block_queue_stop(struct block_queue *q)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);

	q->stopped = true;
	spin_unlock_irqrestore(&q->lock, flags);
}

bool block_queue_idle(struct block_queue *q)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);
	bool idle = q->free_count == q->depth;

	spin_unlock_irqrestore(&q->lock, flags);
	return idle;
}

unsigned block_queue_restart(struct block_queue *q, int error)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);
	unsigned count_active = 0;

	for (uint32_t tag = 0; tag < q->depth; tag++) {
		struct blk_request *r = take_tag(q, tag);

		if (!r)
			continue;
		count_active++;
		if (error || !retry(q, r, true))
			finish(q, r, error ? error : -ETIMEDOUT);
	}
	while (error && !list_empty(&q->waiting)) {
		struct blk_request *r = list_first(&q->waiting, struct blk_request, link);

		list_remove(&r->link);
		finish(q, r, error);
	}
	atomic_store_explicit(&q->unrung, false, memory_order_relaxed);
	q->stopped = false;
	start_waiting(q);
	ring(q);
	unlock_and_finish(q, flags);
	return count_active;
}

int block_queue_init(struct block_queue *q, struct block_host *h, uint32_t depth)
{
	*q = (struct block_queue){.host = h, .depth = depth, .free_count = depth};
	list_init(&q->waiting);
	spin_lock_init(&q->lock, "block queue");
	list_init(&q->finished);
	timer_init(&q->timer, tick);
	q->active = heap_zalloc(depth * sizeof(q->active[0]), NULL);
	q->aborted = heap_zalloc(depth * sizeof(q->aborted[0]), NULL);
	q->free = heap_zalloc(depth * sizeof(q->free[0]), NULL);
	if (!q->active || !q->aborted || !q->free) {
		heap_free(q->active);
		heap_free(q->aborted);
		heap_free(q->free);
		return -ENOMEM;
	}
	for (uint32_t tag = 0; tag < depth; tag++)
		q->free[tag] = depth - 1 - tag;
	list_push_back(&h->queues, &q->link);
	return 0;
}
