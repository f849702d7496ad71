/*
 * What the guest asks for: the header checked, a job made of the chain, and its status in the
 * end. virtio 1.2, 5.2.6. Moves no data.
 */
#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/blk_internal.h"
#include "kernel/vmm/gmem.h"

/* Whether [sector, sector + count) is on the disk, in whole blocks of it. */
static bool fits(const struct virtio_blk *blk, uint64_t sector, uint64_t bytes)
{
	const struct blkdev *dev = blk->dev;
	uint64_t sectors = dev->bytes / VIRTIO_BLK_SECTOR_BYTES,
		 count = bytes / VIRTIO_BLK_SECTOR_BYTES;

	return bytes % dev->block_bytes == 0 && count && count <= sectors &&
	       sector <= sectors - count &&
	       sector * VIRTIO_BLK_SECTOR_BYTES % dev->block_bytes == 0;
}

/* Ends the job that blk->cut is at, with nothing asked of the disk. */
static void answer(struct virtio_blk *blk, enum virtio_blk_status status)
{
	struct blk_job *job = blk->cut.job;

	blk->cut.job = NULL;
	job->status = (uint8_t)status;
	blk_finish(blk, job);
}

/* Lets the cut begin at byte `at` of the segments from `segment` on. */
static void seek(struct blk_cut *cut, unsigned segment, uint32_t at)
{
	while (segment < cut->chain.count && at >= cut->chain.segments[segment].bytes)
		at -= cut->chain.segments[segment++].bytes;
	cut->segment = segment;
	cut->at = at;
}

static void begin_data(struct virtio_blk *blk, uint64_t sector, bool write)
{
	struct blk_cut *cut = &blk->cut;
	uint32_t bytes =
		write ? cut->chain.readable_bytes - (uint32_t)sizeof(struct virtio_blk_header)
		      : cut->chain.writable_bytes - 1;

	if (!fits(blk, sector, bytes) || (write && blk->read_only)) {
		answer(blk, VIRTIO_BLK_S_IOERR);
		return;
	}
	cut->op = write ? BLK_WRITE : BLK_READ;
	cut->offset = sector * VIRTIO_BLK_SECTOR_BYTES;
	cut->left = bytes;
	cut->job->op = cut->op;
	cut->job->bytes = bytes;
	cut->job->written = write ? 0 : bytes;
	if (write)
		seek(cut, 0, sizeof(struct virtio_blk_header));
	else
		seek(cut, cut->chain.readable, 0);
}

static void begin_ranges(struct virtio_blk *blk, enum blk_op op, unsigned feature)
{
	struct blk_cut *cut = &blk->cut;
	uint32_t bytes = cut->chain.readable_bytes - (uint32_t)sizeof(struct virtio_blk_header);

	if (!virtio_has(&blk->virtio, feature)) {
		answer(blk, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	if (bytes == 0 || bytes % sizeof(struct virtio_blk_range) ||
	    bytes / sizeof(struct virtio_blk_range) > BLK_RANGES_MAX) {
		answer(blk, VIRTIO_BLK_S_IOERR);
		return;
	}
	cut->op = op;
	cut->job->op = op;
	cut->ranges = bytes / sizeof(struct virtio_blk_range);
}

int blk_next_range(struct virtio_blk *blk)
{
	struct blk_cut *cut = &blk->cut;
	bool discard = cut->op == BLK_DISCARD;
	uint32_t most = discard ? blk->config.max_discard_sectors
				: blk->config.max_write_zeroes_sectors;
	uint32_t at = (uint32_t)(sizeof(struct virtio_blk_header) +
				 cut->range * sizeof(struct virtio_blk_range));
	struct virtio_queue *queue = &blk->virtio.queues[cut->job->queue];
	struct virtio_blk_range range;

	cut->range++;
	if (virtq_read(&queue->q, &cut->chain, at, &range, sizeof range) != sizeof range)
		return -EINVAL;
	if (range.flags & ~(discard ? 0 : VIRTIO_BLK_RANGE_UNMAP))
		return -EOPNOTSUPP; /* 5.2.6.2: flags that we don't know */
	if (range.sectors > most ||
	    !fits(blk, range.sector, (uint64_t)range.sectors * VIRTIO_BLK_SECTOR_BYTES))
		return -EINVAL;
	cut->offset = range.sector * VIRTIO_BLK_SECTOR_BYTES;
	cut->left = (uint64_t)range.sectors * VIRTIO_BLK_SECTOR_BYTES;
	cut->unmap = range.flags & VIRTIO_BLK_RANGE_UNMAP;
	return 0;
}

static void answer_id(struct virtio_blk *blk)
{
	struct blk_cut *cut = &blk->cut;
	struct virtio_queue *queue = &blk->virtio.queues[cut->job->queue];
	uint32_t bytes = MIN(cut->chain.writable_bytes - 1, (uint32_t)VIRTIO_BLK_ID_BYTES);

	cut->job->written = virtq_write(&queue->q, &cut->chain, 0, blk->serial, bytes);
	answer(blk, VIRTIO_BLK_S_OK);
}

static void begin_type(struct virtio_blk *blk, const struct virtio_blk_header *header)
{
	switch (header->type) {
	case VIRTIO_BLK_T_IN: begin_data(blk, header->sector, false); break;
	case VIRTIO_BLK_T_OUT: begin_data(blk, header->sector, true); break;
	case VIRTIO_BLK_T_FLUSH:
		blk->cut.op = blk->cut.job->op = BLK_FLUSH;
		blk->cut.ranges = 1;
		break;
	case VIRTIO_BLK_T_GET_ID: answer_id(blk); break;
	case VIRTIO_BLK_T_DISCARD: begin_ranges(blk, BLK_DISCARD, VIRTIO_BLK_F_DISCARD); break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		begin_ranges(blk, BLK_WRITE_ZEROES, VIRTIO_BLK_F_WRITE_ZEROES);
		break;
	default: answer(blk, VIRTIO_BLK_S_UNSUPP);
	}
}

/* The last byte that the device may write: 5.2.6. */
static uint64_t status_place(const struct virtq_chain *chain)
{
	const struct virtq_segment *last = &chain->segments[chain->count - 1];

	while (!last->bytes)
		last--;
	return last->gpa + last->bytes - 1;
}

int blk_begin(struct virtio_blk *blk, unsigned queue, const char **why)
{
	struct blk_cut *cut = &blk->cut;
	struct virtio_blk_header header;
	struct blk_job *job;

	if (cut->chain.readable_bytes < sizeof header ||
	    virtq_read(&blk->virtio.queues[queue].q, &cut->chain, 0, &header, sizeof header) !=
		    sizeof header) {
		*why = "a request without its header";
		return -EINVAL;
	}
	if (!cut->chain.writable_bytes) {
		*why = "a request without a place for its status";
		return -EINVAL;
	}
	job = list_first(&blk->free_jobs, struct blk_job, link);
	list_remove(&job->link);
	blk->busy[queue]++;
	*job = (struct blk_job){
		.queue = (uint8_t)queue,
		.op = BLK_OPS,
		.id = cut->chain.id,
		.descriptors = cut->chain.descriptors,
		.status_gpa = status_place(&cut->chain),
	};
	cut->job = job;
	cut->charged = false;
	cut->range = cut->ranges = 0;
	cut->left = 0;
	begin_type(blk, &header);
	return 0;
}

static void count(struct virtio_blk *blk, const struct blk_job *job)
{
	if (job->status != VIRTIO_BLK_S_OK) {
		atomic_fetch_add_explicit(&blk->counters.errors, 1, memory_order_relaxed);
		return;
	}
	if (job->op < BLK_OPS)
		atomic_fetch_add_explicit(&blk->counters.requests[job->op], 1,
					  memory_order_relaxed);
	if (job->op == BLK_READ || job->op == BLK_WRITE)
		atomic_fetch_add_explicit(&blk->counters.bytes[job->op], job->bytes,
					  memory_order_relaxed);
}

void blk_finish(struct virtio_blk *blk, struct blk_job *job)
{
	struct virtio_queue *queue = &blk->virtio.queues[job->queue];
	uint32_t written = 1 + (job->status == VIRTIO_BLK_S_OK ? job->written : 0);

	if (!(blk->stopping & BIT(job->queue))) {
		gmem_write(blk->gm, job->status_gpa, &job->status, 1);
		virtq_push(&queue->q, job->id, job->descriptors, written);
		blk->pushed |= BIT(job->queue);
		count(blk, job);
	}
	blk->busy[job->queue]--;
	list_push_front(&blk->free_jobs, &job->link);
}
