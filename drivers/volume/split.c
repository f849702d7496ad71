/* Cutting requests into parts, sending them, and putting the answers together. */
#include "drivers/volume/split.h"

#include <errno.h>

#include "drivers/volume/piece.h"
#include "drivers/volume/split_internal.h"
#include "kernel/mem/heap.h"

/* ---- jobs and parts: under the lock -------------------------------------------------------
 */

/* Makes the first waiting request the current job. False when there is none, or no job. */
static bool begin(struct split *s)
{
	struct split_job *job;

	if (s->current)
		return true;
	if (list_empty(&s->waiting))
		return false;
	if (list_empty(&s->free_jobs)) {
		s->starved = true;
		return false;
	}
	job = list_first(&s->free_jobs, struct split_job, link);
	list_remove(&job->link);
	*job = (struct split_job){
		.request = list_first(&s->waiting, struct blk_request, link),
		.pending = 1,
	};
	list_init(&job->link);
	list_remove(&job->request->link);
	s->current = job;
	return true;
}

/* One thing less to wait for; returns the request when it was the last, and its *error. */
static struct blk_request *put_job(struct split *s, struct split_job *job, int *error)
{
	if (--job->pending)
		return NULL;
	*error = job->error;
	list_push_front(&s->free_jobs, &job->link);
	return job->request;
}

static void part_done(struct blk_request *request, int error)
{
	struct split_part *part = container_of(request, struct split_part, request);
	struct split *s = part->split;
	struct io_segment *long_segments = part->long_segments;
	struct blk_request *whole;
	uint64_t flags = spin_lock_irqsave(&s->lock);

	if (!part->job->error)
		part->job->error = error;
	whole = put_job(s, part->job, &error);
	part->long_segments = NULL;
	list_push_front(&s->free_parts, &part->link);
	if (s->starved) {
		s->starved = false;
		split_worker_wake(s);
	}
	spin_unlock_irqrestore(&s->lock, flags);
	/* From here on `s` may be gone. */
	heap_free(long_segments);
	if (whole)
		blk_done(whole, error);
}

/* The next part to send, or NULL: nothing waits, or what is needed is not free. */
static struct split_part *next_part(struct split *s)
{
	for (;;) {
		struct split_part *part = NULL;
		struct blk_request *whole = NULL;
		int error = 0;
		uint64_t flags = spin_lock_irqsave(&s->lock);
		bool more = begin(s);

		if (more && list_empty(&s->free_parts)) {
			s->starved = true;
			more = false;
		} else if (more) {
			part = list_first(&s->free_parts, struct split_part, link);
			if (split_cut(s, s->current, part)) {
				list_remove(&part->link);
				part->request.done = part_done;
				part->job = s->current;
				part->job->pending++;
			} else {
				part = NULL;
				whole = put_job(s, s->current, &error);
				s->current = NULL;
			}
		}
		spin_unlock_irqrestore(&s->lock, flags);
		if (whole)
			blk_done(whole, error);
		if (part || !more)
			return part;
	}
}

void split_pump(struct split *s)
{
	struct split_part *part;

	while ((part = next_part(s)))
		blk_submit(part->dev, &part->request);
}

/* ---- for the volume -----------------------------------------------------------------------
 */

/* Whether the request can go to one device as it is; then *run is where. */
static bool goes_whole(struct split *s, const struct blk_request *request,
		       struct split_run *run)
{
	if (request->op == BLK_FLUSH) {
		*run = (struct split_run){s->members[0], 0, 0};
		return s->member_count == 1;
	}
	*run = s->find(s->volume, request->offset);
	if (run->bytes < request->bytes)
		return false;
	if (request->op == BLK_DISCARD)
		return run->dev->max_discard_bytes >= request->bytes &&
		       (!run->dev->discard_align_bytes ||
			(run->offset % run->dev->discard_align_bytes == 0 &&
			 request->bytes % run->dev->discard_align_bytes == 0));
	return request->bytes <= (request->op == BLK_WRITE_ZEROES ? run->dev->max_zeroes_bytes
								  : run->dev->max_bytes);
}

void split_submit(struct split *s, struct blk_request *request)
{
	struct split_run run;
	uint64_t flags;

	if (goes_whole(s, request, &run)) {
		piece_forward(s->volume, request, run.dev, run.offset);
		return;
	}
	flags = spin_lock_irqsave(&s->lock);
	list_push_back(&s->waiting, &request->link);
	spin_unlock_irqrestore(&s->lock, flags);
	split_pump(s);
}

void split_commit(struct split *s)
{
	for (unsigned i = 0; i < s->member_count; i++)
		blk_commit(s->members[i]);
}

int split_pieces(struct split *s, uint64_t offset, uint64_t bytes,
		 int (*visit)(void *arg, struct blkdev *part, uint64_t offset, uint64_t bytes),
		 void *arg)
{
	while (bytes) {
		struct split_run run = s->find(s->volume, offset);
		uint64_t length = MIN(run.bytes, bytes);
		int stop;

		if (!length)
			return -EIO;
		stop = visit(arg, run.dev, run.offset, length);
		if (stop)
			return stop;
		offset += length;
		bytes -= length;
	}
	return 0;
}

/* ---- beginning and end --------------------------------------------------------------------
 */

int split_init(struct split *s, struct mem_account *account)
{
	s->parts = heap_zalloc(SPLIT_PARTS * sizeof(*s->parts), account);
	s->jobs = heap_zalloc(SPLIT_JOBS * sizeof(*s->jobs), account);
	list_init(&s->waiting);
	list_init(&s->free_parts);
	spin_lock_init(&s->lock, "split");
	list_init(&s->free_jobs);
	list_init(&s->work);
	if (!s->parts || !s->jobs || split_worker_start()) {
		split_fini(s);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < SPLIT_PARTS; i++) {
		s->parts[i].split = s;
		list_push_back(&s->free_parts, &s->parts[i].link);
	}
	for (unsigned i = 0; i < SPLIT_JOBS; i++)
		list_push_back(&s->free_jobs, &s->jobs[i].link);
	return 0;
}

void split_fini(struct split *s)
{
	if (s->parts)
		split_worker_forget(s);
	heap_free(s->parts);
	heap_free(s->jobs);
	s->parts = NULL;
	s->jobs = NULL;
}

/* 0 is "none" in limits that a device may lack. */
static uint64_t lower_limit(uint64_t a, uint64_t b)
{
	return !a ? b : !b ? a : MIN(a, b);
}

static void merge_limits(struct blkdev *volume, const struct blkdev *member, bool first)
{
	volume->block_bytes = MAX(volume->block_bytes, member->block_bytes);
	volume->physical_block_bytes =
		MAX(volume->physical_block_bytes, member->physical_block_bytes);
	volume->max_bytes = (uint32_t)lower_limit(volume->max_bytes, member->max_bytes);
	volume->max_discard_bytes =
		lower_limit(volume->max_discard_bytes, member->max_discard_bytes);
	volume->discard_align_bytes =
		MAX(volume->discard_align_bytes, member->discard_align_bytes);
	volume->max_zeroes_bytes =
		first ? member->max_zeroes_bytes
		      : MIN(volume->max_zeroes_bytes, member->max_zeroes_bytes);
	volume->read_only |= member->read_only;
	volume->rotational |= member->rotational;
	volume->write_cache |= member->write_cache;
}

int split_limits(struct split *s)
{
	struct blkdev *volume = s->volume;

	for (unsigned i = 0; i < s->member_count; i++)
		merge_limits(volume, s->members[i], i == 0);
	volume->max_bytes -= volume->max_bytes % volume->block_bytes;
	volume->max_discard_bytes -= volume->max_discard_bytes % volume->block_bytes;
	volume->max_zeroes_bytes -= volume->max_zeroes_bytes % volume->block_bytes;
	return volume->max_bytes && volume->bytes && volume->bytes % volume->block_bytes == 0
		       ? 0
		       : -EINVAL;
}
