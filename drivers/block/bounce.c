/* Buffers, and the thread that copies into and out of them. */
#include "drivers/block/bounce.h"

#include <errno.h>
#include <string.h>

#include "kernel/lib/lock.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"

#define BUFFERS	     4
#define BUFFER_ORDER 4
#define BUFFER_BYTES (PAGE_BYTES << BUFFER_ORDER)

/* A buffer, and the request that it serves. */
struct bounce {
	struct blk_request inner;
	struct io_segment segment; /* the buffer, or as much of it as inner takes */
	struct blk_request *outer;
	uint64_t at; /* of outer's bytes: inner's first */
	int error;
	struct list link;
};

static struct spinlock lock = SPINLOCK("bounce buffers"); /* guards the lists */
static struct list waiting = {&waiting, &waiting};
static struct list idle = {&idle, &idle};
static struct list finished = {&finished, &finished};
static struct bounce bounces[BUFFERS];
static struct thread *worker;

static void inner_done(struct blk_request *inner, int error)
{
	struct bounce *b = container_of(inner, struct bounce, inner);
	uint64_t flags = spin_lock_irqsave(&lock);

	b->error = error;
	list_push_back(&finished, &b->link);
	spin_unlock_irqrestore(&lock, flags);
	thread_wake(worker);
}

static void send(struct bounce *b)
{
	struct blk_request *outer = b->outer;
	struct blkdev *dev = outer->dev;
	uint64_t most = MIN(BUFFER_BYTES, (uint64_t)dev->max_bytes);
	uint64_t bytes = MIN(outer->bytes - b->at, most);

	b->segment.bytes = (uint32_t)bytes;
	b->inner = (struct blk_request){
		.op = outer->op,
		.fua = outer->fua,
		.offset = outer->offset + b->at,
		.bytes = bytes,
		.segments = &b->segment,
		.segment_count = 1,
		.done = inner_done,
		.dev = dev,
	};
	if (outer->op == BLK_WRITE)
		blk_copy_from(outer, b->at, b->segment.virt, bytes);
	dev->ops->submit(dev, &b->inner);
	blk_commit(dev);
}

/* blk_done() has counted the pieces, so the whole is not counted once more. */
static void go_on(struct bounce *b)
{
	struct blk_request *outer = b->outer;
	int error = b->error;
	uint64_t flags;

	if (!error && outer->op == BLK_READ)
		blk_copy_to(outer, b->at, b->segment.virt, b->inner.bytes);
	b->at += b->inner.bytes;
	if (!error && b->at < outer->bytes) {
		send(b);
		return;
	}
	flags = spin_lock_irqsave(&lock);
	list_push_back(&idle, &b->link);
	spin_unlock_irqrestore(&lock, flags);
	outer->done(outer, error);
}

/* A buffer with something to do, or NULL; *fresh: with a request that it has just got. */
static struct bounce *next(bool *fresh)
{
	uint64_t flags = spin_lock_irqsave(&lock);
	struct bounce *b = NULL;

	*fresh = list_empty(&finished);
	if (!*fresh) {
		b = list_first(&finished, struct bounce, link);
	} else if (!list_empty(&waiting) && !list_empty(&idle)) {
		b = list_first(&idle, struct bounce, link);
		b->outer = list_first(&waiting, struct blk_request, link);
		b->at = 0;
		list_remove(&b->outer->link);
	}
	if (b)
		list_remove(&b->link);
	spin_unlock_irqrestore(&lock, flags);
	return b;
}

static void run(void *arg)
{
	struct bounce *b;
	bool fresh;

	(void)arg;
	for (;;) {
		b = next(&fresh);
		if (!b)
			thread_block();
		else if (fresh)
			send(b);
		else
			go_on(b);
	}
}

void block_bounce(struct blk_request *request)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	list_push_back(&waiting, &request->link);
	spin_unlock_irqrestore(&lock, flags);
	thread_wake(worker);
}

static void free_buffers(void)
{
	for (unsigned i = 0; i < BUFFERS; i++)
		if (bounces[i].segment.phys)
			frames_free(bounces[i].segment.phys, BUFFER_ORDER, NULL);
	memset(bounces, 0, sizeof(bounces));
}

int block_bounce_init(void)
{
	const struct thread_params params = {
		.name = "bounce", .fn = run, .weight = THREAD_WEIGHT_SERVICE};

	if (worker)
		return 0;
	for (unsigned i = 0; i < BUFFERS; i++) {
		struct bounce *b = &bounces[i];

		b->segment.phys = frames_alloc(BUFFER_ORDER, NULL);
		if (!b->segment.phys) {
			free_buffers();
			return -ENOMEM;
		}
		b->segment.virt = directmap(b->segment.phys);
	}
	worker = thread_create(&params);
	if (!worker) {
		free_buffers();
		return -ENOMEM;
	}
	for (unsigned i = 0; i < BUFFERS; i++)
		list_push_back(&idle, &bounces[i].link);
	return 0;
}
