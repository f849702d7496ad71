/* Where a request is cut: at the ends of runs, at the devices' limits, by its segments. */
#include <errno.h>

#include "drivers/volume/split_internal.h"
#include "kernel/mem/heap.h"

/* How many bytes the job's next `count` segments hold, up to `bytes`. */
static uint64_t held_by(const struct split_job *job, unsigned count, uint64_t bytes)
{
	const struct blk_request *request = job->request;
	uint64_t held = 0;

	for (unsigned i = 0; i < count && job->segment + i < request->segment_count; i++) {
		held += request->segments[job->segment + i].bytes -
			(i ? 0 : job->segment_offset);
		if (held >= bytes)
			return bytes;
	}
	return held;
}

/* Moves `bytes` of the job's segments to `to`; returns how many segments they became. */
static unsigned take_segments(struct split_job *job, struct io_segment *to, uint64_t bytes)
{
	unsigned count = 0;

	while (bytes) {
		const struct io_segment *from = &job->request->segments[job->segment];
		uint32_t skip = job->segment_offset;
		uint32_t length = (uint32_t)MIN(bytes, (uint64_t)(from->bytes - skip));

		to[count++] = (struct io_segment){
			.phys = from->phys + skip,
			.virt = (char *)from->virt + skip,
			.bytes = length,
		};
		bytes -= length;
		job->segment_offset += length;
		if (job->segment_offset == from->bytes) {
			job->segment++;
			job->segment_offset = 0;
		}
	}
	return count;
}

/* Gives the part the segments of up to `bytes`: whole blocks. Returns how many bytes, or a
 * negative errno. */
static int64_t cut_data(struct split *split, struct split_job *job, struct split_part *part,
			uint64_t bytes)
{
	uint32_t block = split->volume->block_bytes;
	uint64_t fits = held_by(job, SPLIT_SEGMENTS, bytes);
	struct io_segment *segments = part->segments;

	fits -= fits % block;
	if (!fits) {
		/* Not even a block: a guest with segments of a few bytes. */
		fits = held_by(job, block, block);
		if (fits != block)
			return -EINVAL;
		segments = heap_zalloc(
			MIN(block, job->request->segment_count) * sizeof(*segments), NULL);
		if (!segments)
			return -ENOMEM;
		part->long_segments = segments;
	}
	part->request.segments = segments;
	part->request.segment_count = take_segments(job, segments, fits);
	return (int64_t)fits;
}

static uint64_t limit_to(uint64_t bytes, uint64_t limit, uint64_t multiple)
{
	limit -= limit % multiple;
	return MIN(bytes, limit);
}

/* What of a run may be discarded: whole multiples of the device's alignment. Moves run->offset
 * there; returns its bytes, 0 for nothing. */
static uint64_t discardable(struct split_run *run, uint64_t bytes)
{
	uint64_t align = MAX(run->dev->discard_align_bytes, run->dev->block_bytes);
	uint64_t skip = (align - run->offset % align) % align;

	if (skip >= bytes || !run->dev->max_discard_bytes)
		return 0;
	run->offset += skip;
	bytes -= skip;
	return MIN(bytes - bytes % align, limit_to(bytes, run->dev->max_discard_bytes, align));
}

/* The next run's part: how many bytes of the request it takes; what of them is to be sent is in
 * part->request, or nothing is if its bytes are 0. Negative errno. */
static int64_t cut_run(struct split *split, struct split_job *job, struct split_part *part)
{
	const struct blk_request *request = job->request;
	struct split_run run = split->find(split->volume, request->offset + job->next);
	uint64_t bytes = MIN(run.bytes, request->bytes - job->next);
	uint64_t start = run.offset, sent;
	uint32_t block = split->volume->block_bytes;
	int64_t taken;

	part->dev = run.dev;
	switch (request->op) {
	case BLK_READ:
	case BLK_WRITE:
		taken = cut_data(split, job, part, limit_to(bytes, run.dev->max_bytes, block));
		sent = taken > 0 ? (uint64_t)taken : 0;
		break;
	case BLK_WRITE_ZEROES:
		sent = limit_to(bytes, run.dev->max_zeroes_bytes, block);
		taken = sent ? (int64_t)sent : -EOPNOTSUPP;
		break;
	default:
		sent = discardable(&run, bytes);
		taken = (int64_t)(sent ? run.offset - start + sent : bytes);
		break;
	}
	part->request.offset = run.offset;
	part->request.bytes = sent;
	return taken ? taken : -EIO;
}

bool split_cut(struct split *split, struct split_job *job, struct split_part *part)
{
	const struct blk_request *request = job->request;

	part->request = (struct blk_request){
		.op = request->op,
		.fua = request->fua,
		.unmap = request->unmap,
		.aspace = request->aspace,
	};
	if (request->op == BLK_FLUSH) {
		if (job->error || job->next == split->member_count)
			return false;
		part->dev = split->members[job->next++];
		return true;
	}
	while (!job->error && job->next < request->bytes) {
		int64_t taken = cut_run(split, job, part);

		if (taken < 0) {
			job->error = (int)taken;
			return false;
		}
		job->next += (uint64_t)taken;
		if (part->request.bytes)
			return true;
	}
	return false;
}
