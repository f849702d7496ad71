/*
 * From a guest's request to requests of the disk: memory pinned in place, cut where the disk's
 * limits are, and put together again at the end. Knows nothing of rings and headers.
 */
#include <errno.h>

#include "guests/devices/virtio/blk_internal.h"
#include "kernel/cpu/clock.h"
#include "kernel/vmm/board.h"

static struct blk_part *take_part(struct virtio_blk *blk)
{
	struct blk_part *part;

	if (list_empty(&blk->free_parts))
		return NULL;
	part = list_first(&blk->free_parts, struct blk_part, link);
	list_remove(&part->link);
	return part;
}

static void unpin_from(struct blk_part *part, unsigned first)
{
	while (part->io.segment_count > first)
		gmem_unpin(part->blk->gm, part->gpas[--part->io.segment_count]);
}

static void free_part(struct blk_part *part)
{
	unpin_from(part, 0);
	list_push_front(&part->blk->free_parts, &part->link);
}

/* Any context. The thread is woken under the lock: once it has the last part it may end, and
 * the device with it. */
static void part_done(struct blk_request *io, int error)
{
	struct blk_part *part = container_of(io, struct blk_part, io);
	struct virtio_blk *blk = part->blk;
	uint64_t flags = spin_lock_irqsave(&blk->done_lock);
	bool first = list_empty(&blk->done);

	part->error = error;
	list_push_back(&blk->done, &part->link);
	if (first)
		virtio_wake(&blk->virtio);
	spin_unlock_irqrestore(&blk->done_lock, flags);
}

/* Adds what is contiguous at the cut's place in the chain, `most` bytes at most. */
static int add_piece(struct virtio_blk *blk, struct blk_part *part, uint64_t most)
{
	struct blk_cut *cut = &blk->cut;
	const struct virtq_segment *from = &cut->chain.segments[cut->segment];
	uint64_t gpa = from->gpa + cut->at, bytes = MIN(from->bytes - cut->at, most), hpa;
	unsigned at = part->io.segment_count;
	int err;

	if (cut->at == from->bytes) {
		cut->segment++;
		cut->at = 0;
		return 0;
	}
	err = gmem_pin(blk->gm, gpa, &hpa, &bytes);
	if (err)
		return err;
	part->gpas[at] = gpa;
	part->segments[at] = (struct io_segment){
		.phys = hpa,
		.virt = (void *)(GUEST_WINDOW_BASE + gpa),
		.bytes = (uint32_t)bytes,
	};
	part->io.segment_count++;
	part->io.bytes += bytes;
	cut->at += (uint32_t)bytes;
	return 0;
}

/* The disk takes whole blocks: gives back what is beyond the last one. */
static void trim(struct virtio_blk *blk, struct blk_part *part)
{
	struct blk_cut *cut = &blk->cut;
	uint32_t excess = (uint32_t)(part->io.bytes % blk->dev->block_bytes);

	part->io.bytes -= excess;
	while (excess) {
		struct io_segment *last = &part->segments[part->io.segment_count - 1];
		uint32_t back = MIN(excess, last->bytes);

		while (!cut->at)
			cut->at = cut->chain.segments[--cut->segment].bytes;
		cut->at -= back;
		last->bytes -= back;
		excess -= back;
		if (!last->bytes)
			unpin_from(part, part->io.segment_count - 1);
	}
}

/* 1: the part is a piece of the data. 0: there is no more. */
static int make_data(struct virtio_blk *blk, struct blk_part *part)
{
	struct blk_cut *cut = &blk->cut;
	uint64_t most = MIN(cut->left, (uint64_t)blk->dev->max_bytes);
	int err = 0;

	if (!cut->left)
		return 0;
	while (!err && part->io.bytes < most && part->io.segment_count < BLK_PART_SEGMENTS)
		err = add_piece(blk, part, most - part->io.bytes);
	trim(blk, part);
	if (!err && !part->io.bytes)
		err = -EINVAL; /* one block in more pieces than a part has */
	return err ? err : 1;
}

/* The same for a discard or write-zeroes. */
static int make_range(struct virtio_blk *blk, struct blk_part *part)
{
	struct blk_cut *cut = &blk->cut;
	uint64_t most = cut->op == BLK_DISCARD ? blk->dev->max_discard_bytes
					       : blk->dev->max_zeroes_bytes;
	int err = 0;

	while (!err && !cut->left && cut->range < cut->ranges)
		err = blk_next_range(blk);
	if (err || !cut->left)
		return err;
	part->io.unmap = cut->unmap;
	part->io.bytes = MIN(cut->left, most - most % blk->dev->block_bytes);
	return 1;
}

/* 5.2.5.2 and 5.2.6.2: whether a write that is done must be on the medium. A driver that knows
 * of no flush relies on it; one that set `writeback` does not. */
static bool writes_through(const struct virtio_blk *blk)
{
	const struct virtio *virtio = &blk->virtio;

	if (!virtio_has(virtio, VIRTIO_BLK_F_FLUSH))
		return true;
	if (virtio_has(virtio, VIRTIO_BLK_F_CONFIG_WCE))
		return !atomic_load(&blk->guests_choice);
	return !blk->write_back;
}

/* The next part of the cut: 1, 0 when it is all handed over, or a negative errno. */
static int make_part(struct virtio_blk *blk, struct blk_part *part)
{
	struct blk_cut *cut = &blk->cut;
	int made;

	part->job = cut->job;
	part->io.op = cut->op;
	part->io.fua =
		(cut->op == BLK_WRITE || cut->op == BLK_WRITE_ZEROES) && writes_through(blk);
	part->io.unmap = false;
	part->io.bytes = 0;
	part->io.segment_count = 0;
	if (cut->op == BLK_FLUSH) {
		made = cut->ranges ? 1 : 0;
		cut->ranges = 0;
	} else if (cut->op == BLK_READ || cut->op == BLK_WRITE) {
		made = make_data(blk, part);
	} else {
		made = make_range(blk, part);
	}
	part->io.offset = cut->op == BLK_FLUSH ? 0 : cut->offset;
	cut->offset += part->io.bytes;
	cut->left -= part->io.bytes;
	return made;
}

/* A job counts as one request whatever it is cut into. */
static bool charge(struct virtio_blk *blk)
{
	struct blk_cut *cut = &blk->cut;
	uint64_t now, bytes, ready;

	if (cut->charged)
		return true;
	now = clock_now_ns();
	bytes = cut->op == BLK_READ || cut->op == BLK_WRITE ? cut->left : 0;
	ready = MAX(bucket_ready_ns(&blk->requests, 1, now),
		    bucket_ready_ns(&blk->bytes, bytes, now));
	if (ready) {
		if (!timer_armed(&blk->limit))
			atomic_fetch_add(&blk->counters.throttled, 1);
		timer_arm(&blk->limit, ready);
		return false;
	}
	bucket_take(&blk->requests, 1, now);
	bucket_take(&blk->bytes, bytes, now);
	cut->charged = true;
	return true;
}

static void set_status(struct blk_job *job, int error)
{
	if (error && job->status == VIRTIO_BLK_S_OK)
		job->status = error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* All of the cut is with the disk, or no more of it will be. */
static void end_cut(struct virtio_blk *blk, int error)
{
	struct blk_job *job = blk->cut.job;

	blk->cut.job = NULL;
	set_status(job, error);
	job->handed_over = true;
	if (!job->parts)
		blk_finish(blk, job);
}

void blk_abandon(struct virtio_blk *blk)
{
	if (blk->cut.job)
		end_cut(blk, -EIO);
}

bool blk_hand_over(struct virtio_blk *blk)
{
	struct blk_part *part;
	int made;

	if (!charge(blk))
		return false;
	for (;;) {
		part = take_part(blk);
		if (!part)
			return false;
		made = make_part(blk, part);
		if (made <= 0)
			break;
		blk->cut.job->parts++;
		blk->in_flight++;
		blk_submit(blk->dev, &part->io);
	}
	free_part(part);
	end_cut(blk, made);
	return true;
}

static struct blk_part *take_done(struct virtio_blk *blk)
{
	uint64_t flags = spin_lock_irqsave(&blk->done_lock);
	struct blk_part *part = NULL;

	if (!list_empty(&blk->done)) {
		part = list_first(&blk->done, struct blk_part, link);
		list_remove(&part->link);
	}
	spin_unlock_irqrestore(&blk->done_lock, flags);
	return part;
}

void blk_reap(struct virtio_blk *blk)
{
	struct blk_part *part;

	while ((part = take_done(blk))) {
		struct blk_job *job = part->job;

		set_status(job, part->error);
		free_part(part);
		blk->in_flight--;
		if (--job->parts == 0 && job->handed_over)
			blk_finish(blk, job);
	}
}

void blk_init_part(struct virtio_blk *blk, struct blk_part *part)
{
	part->blk = blk;
	part->io.segments = part->segments;
	part->io.aspace = &blk->virtio.board->gmem->as;
	part->io.done = part_done;
	list_push_back(&blk->free_parts, &part->link);
}
