/* Between virtio_blk.c (the device, its queues) and virtio_blk_request.c (what a request is in
 * chains). */
#ifndef DRIVERS_BLOCK_VIRTIO_BLK_INTERNAL_H
#define DRIVERS_BLOCK_VIRTIO_BLK_INTERNAL_H

#include "drivers/block/gather.h"
#include "drivers/block/queue.h"
#include "drivers/virtio/vdev.h"
#include "kernel/io/virtio_blk.h"

#define VBLK_DEPTH	     128 /* requests in a queue, and entries of its ring */
#define VBLK_SEGMENTS_MAX    126 /* of one chain */
#define VBLK_ENTRIES	     (VBLK_SEGMENTS_MAX + 2)
#define VBLK_DIRECT_SEGMENTS 6 /* where chains take entries of the ring itself */

/* What the device reads and writes besides data: one for each tag. */
struct vblk_dma {
	struct virtio_blk_header header;
	struct virtio_blk_range range;
	uint8_t status;
	uint8_t id[VIRTIO_BLK_ID_BYTES];
	uint8_t pad[11];
};
_Static_assert(sizeof(struct vblk_dma) == 64, "no two share a cache line");

struct vblk;

struct vblk_queue {
	struct block_queue q;
	struct vdev_queue vq; /* guarded by q.lock, as the rest */
	struct vblk *disk;
	struct vblk_dma *dma; /* by tag */
	bool live; /* from its start to the device's next reset: it may be told of chains */
	struct vblk_progress {
		struct gather gather;
		bool flushing; /* what was to be written is written */
	} progress[VBLK_DEPTH];
	/* Of the chain being made; too large for a stack. */
	struct gather_piece pieces[VBLK_SEGMENTS_MAX];
	struct vring_buffer buffers[VBLK_ENTRIES];
};

struct vblk {
	struct blkdev dev;
	struct block_host host;
	struct vdev v;
	struct gather_limits limits; /* of a chain */
	unsigned queue_count;
	struct vblk_queue *queues;
	uint8_t queue_of[CPU_MAX]; /* by the submitting CPU's index */
};

/* block_host_ops.start and .reap. */
int vblk_start(struct block_queue *q, struct blk_request *request);
bool vblk_reap(struct block_queue *q);

/* At start and at the end, while nothing else uses the device: one command, waited for by
 * looking. 0, -EIO, -ETIMEDOUT. */
int vblk_read_id(struct vblk *disk, char id[VIRTIO_BLK_ID_BYTES + 1]);
int vblk_flush_now(struct vblk *disk);

#endif
