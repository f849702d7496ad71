/* A read that was given up stays the provider's until it is done, so each has memory of its
 * own, which outlives who waited for it. At most one is left over for each disk. See look.h. */
#include "kernel/io/look.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"

#define PIECE_BYTES (64 * KIB)

struct look {
	struct blk_request request;
	struct io_segment segment;
	struct semaphore done;
	struct list link; /* of those that nobody waits for */
	void *buf;
	bool left;     /* nobody waits for it */
	bool answered; /* with `error` */
	int error;
};

/* Guards `left`, and of each look what the answer changes. Taken in interrupts. */
static struct spinlock lock = SPINLOCK("looks");
static struct list left = {&left, &left};
static void (*on_answer)(void); /* fixed after start-up */

void look_on_answer(void (*told)(void))
{
	on_answer = told;
}

static void free_look(struct look *look)
{
	if (look)
		heap_free(look->buf);
	heap_free(look);
}

static void answered(struct blk_request *request, int error)
{
	struct look *look = container_of(request, struct look, request);
	uint64_t flags = spin_lock_irqsave(&lock);
	bool late = look->left;

	look->error = error;
	look->answered = true;
	semaphore_up(&look->done); /* under the lock: behind it the look may be gone */
	spin_unlock_irqrestore(&lock, flags);
	if (late && !error && on_answer) /* who tried again after an error would for ever */
		on_answer();
}

/* One that nobody waits for, and that was answered, out of the list; NULL: there is none. */
static struct look *take_answered(void)
{
	struct look *found = NULL;
	uint64_t flags = spin_lock_irqsave(&lock);

	list_for_each(look, &left, struct look, link)
	{
		if (!look->answered)
			continue;
		found = look;
		list_remove(&look->link);
		break;
	}
	spin_unlock_irqrestore(&lock, flags);
	return found;
}

/* Whether a read of the disk was given up, and is not answered yet. */
static bool hangs(const struct blkdev *disk)
{
	uint64_t flags = spin_lock_irqsave(&lock);
	bool hanging = false;

	list_for_each(look, &left, struct look, link)
	{
		hanging |= look->request.dev == disk && !look->answered;
	}
	spin_unlock_irqrestore(&lock, flags);
	return hanging;
}

static struct look *new_look(uint64_t offset, uint32_t bytes)
{
	struct look *look = heap_zalloc(sizeof(*look), NULL);

	if (look)
		look->buf = heap_zalloc(bytes, NULL);
	if (!look || !look->buf) {
		free_look(look);
		return NULL;
	}
	look->segment = (struct io_segment){directmap_phys(look->buf), look->buf, bytes};
	look->request = (struct blk_request){.op = BLK_READ,
					     .offset = offset,
					     .bytes = bytes,
					     .segments = &look->segment,
					     .segment_count = 1,
					     .done = answered};
	semaphore_init(&look->done, 0);
	return look;
}

/* Waits for the answer; false: not any more, and the look is the list's. */
static bool wait_for(struct look *look)
{
	bool in_time = semaphore_down_until(&look->done, clock_now_ns() + LOOK_LIMIT_NS);
	uint64_t flags = spin_lock_irqsave(&lock);

	in_time |= look->answered;
	look->left = !in_time;
	if (!in_time)
		list_push_back(&left, &look->link);
	spin_unlock_irqrestore(&lock, flags);
	return in_time;
}

static int read_piece(struct blkdev *disk, uint64_t offset, void *buf, uint32_t bytes)
{
	struct look *look = new_look(offset, bytes);
	int error;

	if (!look)
		return -ENOMEM;
	blk_submit(disk, &look->request);
	blk_commit(disk);
	if (!wait_for(look))
		return -ETIMEDOUT;
	error = look->error;
	if (!error)
		memcpy(buf, look->buf, bytes);
	free_look(look);
	return error;
}

/* Where something lies, in one run. */
struct run {
	struct blkdev *dev;
	uint64_t offset;
	unsigned count;
};

static int visit(void *arg, struct blkdev *part, uint64_t offset, uint64_t bytes)
{
	struct run *run = arg;

	(void)bytes;
	run->dev = part;
	run->offset = offset;
	return ++run->count > 1;
}

int look_read(struct blkdev *dev, uint64_t offset, void *buf, size_t bytes)
{
	struct look *old;
	size_t at_once;
	int error = 0;

	/* From the disk itself: a piece may be closed while its read is left over. */
	while (dev->ops->pieces) {
		struct run run = {0};

		if (dev->ops->pieces(dev, offset, bytes, visit, &run) || !run.count)
			return -EINVAL;
		dev = run.dev;
		offset = run.offset;
	}
	while ((old = take_answered()))
		free_look(old);
	at_once = MIN(dev->max_bytes, PIECE_BYTES);
	for (size_t done = 0, n; done < bytes && !error; done += n) {
		n = MIN(bytes - done, at_once);
		error = hangs(dev) ? -ETIMEDOUT
				   : read_piece(dev, offset + done, (char *)buf + done,
						(uint32_t)n);
	}
	return error;
}
