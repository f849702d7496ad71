/* Requests as chains of a virtio block device (virtio 1.2, 5.2.6): in several, one after the
 * other, where one can't hold all segments, and with a flush behind a write that must be on the
 * medium. */
#include <errno.h>
#include <string.h>

#include "drivers/block/virtio_blk_internal.h"
#include "kernel/cpu/clock.h"
#include "kernel/mem/frames.h"

#define STATUS_NONE   0xff /* the device has not answered */
#define POLL_LIMIT_NS (2 * NSEC_PER_SEC)

static struct vblk_queue *of(struct block_queue *q)
{
	return container_of(q, struct vblk_queue, q);
}

static uint64_t phys_of(const void *p)
{
	return directmap_phys(p);
}

/* Tags as tokens, which are not NULL. */
static void *token_of(uint32_t tag)
{
	return (void *)(uintptr_t)(tag + 1);
}

static void set_header(struct vblk_dma *dma, enum virtio_blk_type type, uint64_t offset)
{
	dma->header.type = type;
	dma->header.sector = offset / VIRTIO_BLK_SECTOR_BYTES;
	dma->status = STATUS_NONE;
}

/* Header, `count` buffers in the middle, status. */
static int add(struct vblk_queue *vq, uint32_t tag, struct vring_buffer *buffers,
	       unsigned count, bool in)
{
	const struct vblk_dma *dma = &vq->dma[tag];

	buffers[0] = (struct vring_buffer){phys_of(&dma->header), sizeof(dma->header)};
	buffers[count + 1] = (struct vring_buffer){phys_of(&dma->status), 1};
	return vring_add(&vq->vq.ring, buffers, in ? 1 : count + 1, in ? count + 1 : 1,
			 token_of(tag));
}

static int send_flush(struct vblk_queue *vq, uint32_t tag)
{
	struct vring_buffer buffers[2];

	set_header(&vq->dma[tag], VIRTIO_BLK_T_FLUSH, 0);
	return add(vq, tag, buffers, 0, false);
}

static int send_range(struct vblk_queue *vq, const struct blk_request *r)
{
	struct vblk_dma *dma = &vq->dma[r->tag];
	bool zeroes = r->op == BLK_WRITE_ZEROES;
	struct vring_buffer buffers[3];

	set_header(dma, zeroes ? VIRTIO_BLK_T_WRITE_ZEROES : VIRTIO_BLK_T_DISCARD, 0);
	dma->range.sector = r->offset / VIRTIO_BLK_SECTOR_BYTES;
	dma->range.sectors = (uint32_t)(r->bytes / VIRTIO_BLK_SECTOR_BYTES);
	dma->range.flags = zeroes && r->unmap ? VIRTIO_BLK_RANGE_UNMAP : 0;
	buffers[1] = (struct vring_buffer){phys_of(&dma->range), sizeof(dma->range)};
	vq->progress[r->tag].gather.done = r->bytes;
	return add(vq, r->tag, buffers, 1, false);
}

/* The next part of a read or write. */
static int send_data(struct vblk_queue *vq, const struct blk_request *r)
{
	struct gather *g = &vq->progress[r->tag].gather;
	uint64_t offset = r->offset + g->done;
	uint32_t bytes;
	unsigned n = gather(g, r, &vq->disk->limits, vq->pieces, &bytes);

	if (!n)
		return -EINVAL; /* more segments than a chain can hold, for one block */
	for (unsigned i = 0; i < n; i++)
		vq->buffers[i + 1] =
			(struct vring_buffer){vq->pieces[i].phys, vq->pieces[i].bytes};
	set_header(&vq->dma[r->tag], r->op == BLK_READ ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
		   offset);
	return add(vq, r->tag, vq->buffers, n, r->op == BLK_READ);
}

int vblk_start(struct block_queue *q, struct blk_request *request)
{
	struct vblk_queue *vq = of(q);

	vq->progress[request->tag] = (struct vblk_progress){0};
	switch (request->op) {
	case BLK_FLUSH: return send_flush(vq, request->tag);
	case BLK_DISCARD:
	case BLK_WRITE_ZEROES: return send_range(vq, request);
	default: return send_data(vq, request);
	}
}

/* What comes after a chain that went well: 1 where a further one was sent, 0 where the request
 * is done. */
static int go_on(struct vblk_queue *vq, const struct blk_request *r)
{
	struct vblk_progress *p = &vq->progress[r->tag];
	int err;

	if (p->gather.done < r->bytes) {
		err = send_data(vq, r);
	} else if (r->fua && vq->disk->dev.write_cache && !p->flushing) {
		p->flushing = true;
		err = send_flush(vq, r->tag);
	} else {
		return 0;
	}
	return err ? err : 1;
}

/* Whether a further chain was sent. */
static bool finish(struct vblk_queue *vq, uint32_t tag)
{
	const struct blk_request *r = vq->q.active[tag];
	uint8_t status = vq->dma[tag].status;
	int next;

	if (unlikely(!r))
		return false; /* vblk_flush_now()'s, which waits no more */
	next = status == VIRTIO_BLK_S_OK ? go_on(vq, r) : 0;
	if (next > 0)
		return true;
	if (status == VIRTIO_BLK_S_OK && !next)
		block_queue_done(&vq->q, tag);
	else if (status == VIRTIO_BLK_S_OK)
		block_queue_failed(&vq->q, tag, next, false, "its segments are too many");
	else if (status == VIRTIO_BLK_S_UNSUPP)
		block_queue_failed(&vq->q, tag, -EOPNOTSUPP, false, "it is not supported");
	else
		block_queue_failed(&vq->q, tag, -EIO, true, "an I/O error");
	return false;
}

bool vblk_reap(struct block_queue *q)
{
	struct vblk_queue *vq = of(q);
	struct vring *ring = &vq->vq.ring;
	bool any = false, sent = false;
	uint32_t bytes;
	void *token;

	do {
		while ((token = vring_take(ring, &bytes))) {
			any = true;
			sent |= finish(vq, (uint32_t)(uintptr_t)token - 1);
		}
	} while (vring_interrupt_on(ring) && !ring->broken);
	if (sent && vq->live && vring_publish(ring))
		vdev_notify(&vq->vq);
	if (ring->broken) {
		any = true;
		block_host_fault(q->host, "it finished a request that it was not given");
	}
	return any;
}

/* Of the chain with tag 0 in the first queue, which nobody else looks at meanwhile. */
static int run(struct vblk_queue *vq)
{
	uint64_t until = clock_now_ns() + POLL_LIMIT_NS;
	uint32_t bytes;

	if (vring_publish(&vq->vq.ring))
		vdev_notify(&vq->vq);
	while (!vring_take(&vq->vq.ring, &bytes)) {
		if (clock_now_ns() > until)
			return -ETIMEDOUT;
		cpu_relax();
	}
	return vq->dma[0].status == VIRTIO_BLK_S_OK ? 0 : -EIO;
}

int vblk_read_id(struct vblk *disk, char id[VIRTIO_BLK_ID_BYTES + 1])
{
	struct vblk_queue *vq = &disk->queues[0];
	struct vblk_dma *dma = &vq->dma[0];
	struct vring_buffer buffers[3];
	int err;

	set_header(dma, VIRTIO_BLK_T_GET_ID, 0);
	buffers[1] = (struct vring_buffer){phys_of(dma->id), sizeof(dma->id)};
	err = add(vq, 0, buffers, 1, true);
	if (!err)
		err = run(vq);
	memcpy(id, dma->id, VIRTIO_BLK_ID_BYTES);
	id[err ? 0 : VIRTIO_BLK_ID_BYTES] = '\0';
	return err;
}

/* With the lock held, as its interrupt handler would take the answer. */
int vblk_flush_now(struct vblk *disk)
{
	struct vblk_queue *vq = &disk->queues[0];
	uint64_t flags = spin_lock_irqsave(&vq->q.lock);
	int err = send_flush(vq, 0);

	if (!err)
		err = run(vq);
	spin_unlock_irqrestore(&vq->q.lock, flags);
	return err;
}
