/* The machine's virtio block devices (virtio 1.2, 5.2): finding out what one can do, a queue
 * for each CPU that submits, recovery. Requests are virtio_blk_request.c. */
#include "drivers/block/virtio_blk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/block/virtio_blk_internal.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"

/* Feature bits: 5.2.3. */
#define F_SIZE_MAX     BIT(1)
#define F_SEG_MAX      BIT(2)
#define F_RO	       BIT(5)
#define F_BLK_SIZE     BIT(6)
#define F_FLUSH	       BIT(9)
#define F_TOPOLOGY     BIT(10)
#define F_MQ	       BIT(12)
#define F_DISCARD      BIT(13)
#define F_WRITE_ZEROES BIT(14)
#define WANTED                                                                      \
	(F_SIZE_MAX | F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_MQ | \
	 F_DISCARD | F_WRITE_ZEROES | VDEV_F_INDIRECT_DESC | VDEV_F_EVENT_IDX)

struct config { /* 5.2.4 */
	uint64_t sectors;
	uint32_t size_max, seg_max;
	uint32_t geometry;
	uint32_t block_bytes;
	uint8_t physical_block_exp, alignment_offset;
	uint16_t min_io_blocks;
	uint32_t opt_io_blocks;
	uint8_t writeback, unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
	uint32_t max_zeroes_sectors, max_zeroes_seg;
	uint8_t zeroes_may_unmap, unused1[3];
};
_Static_assert(offsetof(struct config, zeroes_may_unmap) == 56, "5.2.4");

#define SECTOR_BYTES	 512u
#define BLOCK_BYTES_MAX	 4096u
#define MAX_BYTES	 (1u << 20)
#define QUEUES_MAX	 16
#define TIMEOUT_NS	 (30 * NSEC_PER_SEC)
#define PHYSICAL_EXP_MAX 8
#define DMA_ORDER	 1

_Static_assert(VBLK_DEPTH * sizeof(struct vblk_dma) <= PAGE_BYTES << DMA_ORDER, "of a queue");

static unsigned count; /* probing is on one thread */

static struct vblk *of(struct blkdev *dev)
{
	return container_of(dev, struct vblk, dev);
}

static void submit(struct blkdev *dev, struct blk_request *request)
{
	struct vblk *disk = of(dev);

	block_queue_submit(&disk->queues[disk->queue_of[cpu_this()->index]].q, request);
}

/* All of them: the thread may have come from another CPU since. */
static void commit(struct blkdev *dev)
{
	struct vblk *disk = of(dev);

	for (unsigned i = 0; i < disk->queue_count; i++)
		block_queue_commit(&disk->queues[i].q);
}

static const struct blkdev_ops blkdev_ops = {.submit = submit, .commit = commit};

static void ring(struct block_queue *q)
{
	struct vdev_queue *vq = &container_of(q, struct vblk_queue, q)->vq;

	if (vring_publish(&vq->ring))
		vdev_notify(vq);
}

/* From any state; the device's answers are those of the first time, or it is not the same. */
static int start_device(struct vblk *disk)
{
	uint64_t features = disk->v.features;
	int err = vdev_negotiate(&disk->v, WANTED);

	if (!err && features && features != disk->v.features)
		err = -EIO;
	return err;
}

static int start_queues(struct vblk *disk)
{
	for (unsigned i = 0; i < disk->queue_count; i++) {
		struct vblk_queue *vq = &disk->queues[i];
		uint64_t flags = spin_lock_irqsave(&vq->q.lock);
		int err = vdev_queue_start(&disk->v, &vq->vq);

		spin_unlock_irqrestore(&vq->q.lock, flags);
		if (err)
			return err;
	}
	vdev_start(&disk->v, VDEV_NO_VECTOR);
	return 0;
}

static int reset(struct block_host *h)
{
	struct vblk *disk = container_of(h, struct vblk, host);
	int err = start_device(disk);

	return err ? err : start_queues(disk);
}

static const char *check(struct block_host *h)
{
	return vdev_trouble(&container_of(h, struct vblk, host)->v);
}

static void lost(struct block_host *h)
{
	blkdev_set_gone(&container_of(h, struct vblk, host)->dev);
}

static void shut_down(struct block_host *h)
{
	struct vblk *disk = container_of(h, struct vblk, host);

	if (disk->dev.write_cache && vblk_flush_now(disk))
		log_error(h->name, "its cache could not be written back");
}

static const struct block_host_ops host_ops = {
	.start = vblk_start,
	.ring = ring,
	.reap = vblk_reap,
	.check = check,
	.reset = reset,
	.lost = lost,
	.shutdown = shut_down,
};

/* Reading the status register says whether the pin was this device's, and ends it. */
static bool on_interrupt(void *arg)
{
	struct vblk_queue *vq = arg;

	if (!pci_irq_is_message(vq->disk->v.pci))
		return *vq->disk->v.isr && (block_queue_interrupt(&vq->q), true);
	return block_queue_interrupt(&vq->q);
}

/* Limits and sizes. -EINVAL where they can't be right. */
static int read_limits(struct vblk *disk, const struct config *c)
{
	const struct vdev *v = &disk->v;
	struct blkdev *dev = &disk->dev;
	unsigned segments =
		vdev_has(v, VDEV_F_INDIRECT_DESC) ? VBLK_SEGMENTS_MAX : VBLK_DIRECT_SEGMENTS;

	dev->block_bytes = vdev_has(v, F_BLK_SIZE) ? c->block_bytes : SECTOR_BYTES;
	if (dev->block_bytes < SECTOR_BYTES || dev->block_bytes > BLOCK_BYTES_MAX ||
	    (dev->block_bytes & (dev->block_bytes - 1)) ||
	    c->sectors > UINT64_MAX / SECTOR_BYTES)
		return -EINVAL;
	dev->bytes = ALIGN_DOWN(c->sectors * SECTOR_BYTES, dev->block_bytes);
	dev->physical_block_bytes = dev->block_bytes;
	if (vdev_has(v, F_TOPOLOGY) && c->physical_block_exp <= PHYSICAL_EXP_MAX)
		dev->physical_block_bytes <<= c->physical_block_exp;
	if (vdev_has(v, F_SEG_MAX) && c->seg_max)
		segments = MIN(segments, c->seg_max);
	disk->limits = (struct gather_limits){
		.pieces = segments,
		.piece_bytes = vdev_has(v, F_SIZE_MAX) && c->size_max ? c->size_max : MAX_BYTES,
		.bytes = MAX_BYTES,
		.block_bytes = dev->block_bytes,
	};
	return 0;
}

static void read_abilities(struct vblk *disk, const struct config *c)
{
	const struct vdev *v = &disk->v;
	struct blkdev *dev = &disk->dev;

	dev->max_bytes = MAX_BYTES;
	dev->read_only = vdev_has(v, F_RO);
	dev->write_cache = vdev_has(v, F_FLUSH); /* write-back may have been set: 5.2.6.2 */
	if (vdev_has(v, F_DISCARD)) {
		dev->max_discard_bytes = ALIGN_DOWN(
			(uint64_t)c->max_discard_sectors * SECTOR_BYTES, dev->block_bytes);
		dev->discard_align_bytes =
			MAX(c->discard_sector_alignment * SECTOR_BYTES, dev->block_bytes);
	}
	if (vdev_has(v, F_WRITE_ZEROES))
		dev->max_zeroes_bytes = ALIGN_DOWN(
			(uint64_t)c->max_zeroes_sectors * SECTOR_BYTES, dev->block_bytes);
}

static void name_it(struct vblk *disk)
{
	struct blkdev *dev = &disk->dev;

	dev->ops = &blkdev_ops;
	snprintf(dev->name, sizeof(dev->name), "virtio%u", count);
	snprintf(dev->location, sizeof(dev->location), "%s", disk->v.pci->name);
	snprintf(dev->model, sizeof(dev->model), "virtio block device");
	disk->host.ops = &host_ops;
	snprintf(disk->host.name, sizeof(disk->host.name), "%s", dev->name);
	disk->host.counters = &dev->counters;
	disk->host.timeout_ns = TIMEOUT_NS;
}

/* Requests are submitted on housekeeping CPUs: each of them has a queue, as far as `queues` go.
 */
static void assign_queues(struct vblk *disk, unsigned queues)
{
	unsigned n = 0;

	disk->queue_count = MIN(queues, cpumask_count(sched_housekeeping()));
	cpumask_for_each(cpu, sched_housekeeping())
	{
		disk->queue_of[cpu] = (uint8_t)(n % disk->queue_count);
		n++;
	}
}

/* The first of the CPUs that queue `i` is for. */
static unsigned cpu_of(const struct vblk *disk, unsigned i)
{
	cpumask_for_each(cpu, sched_housekeeping())
	{
		if (disk->queue_of[cpu] == i)
			return cpu;
	}
	return 0;
}

/* A chain without a table is no longer than the ring: with header and status. -EINVAL where
 * that leaves no room for data. */
static int fit_chains(struct vblk *disk, unsigned ring)
{
	if (vdev_has(&disk->v, VDEV_F_INDIRECT_DESC))
		return 0;
	if (ring < 3)
		return -EINVAL;
	disk->limits.pieces = MIN(disk->limits.pieces, ring - 2);
	return 0;
}

/* As many queues as there are interrupts for. */
static int alloc_queues(struct vblk *disk, const struct config *c)
{
	unsigned wanted = vdev_has(&disk->v, F_MQ) ? MIN(c->num_queues, QUEUES_MAX) : 1;
	int vectors = pci_irq_setup(disk->v.pci, MAX(wanted, 1u));

	if (vectors < 0)
		return vectors;
	assign_queues(disk, (unsigned)vectors);
	disk->queues = heap_zalloc(disk->queue_count * sizeof(disk->queues[0]), NULL);
	if (!disk->queues)
		return -ENOMEM;
	for (unsigned i = 0; i < disk->queue_count; i++) {
		struct vblk_queue *vq = &disk->queues[i];
		uint64_t phys = frames_alloc(DMA_ORDER, NULL);
		int err;

		if (!phys)
			return -ENOMEM;
		vq->disk = disk;
		vq->dma = directmap(phys);
		err = vdev_queue_init(&disk->v, &vq->vq, (uint16_t)i, VBLK_DEPTH, VBLK_ENTRIES);
		if (!err)
			err = fit_chains(disk, vq->vq.ring.size);
		if (err)
			return err;
		vq->vq.vector = (uint16_t)i;
	}
	return 0;
}

static void free_queues(struct vblk *disk)
{
	for (unsigned i = 0; disk->queues && i < disk->queue_count; i++) {
		vdev_queue_fini(&disk->queues[i].vq);
		if (disk->queues[i].dma)
			frames_free(directmap_phys(disk->queues[i].dma), DMA_ORDER, NULL);
	}
	heap_free(disk->queues);
}

/* Everything that can be taken back. */
static int prepare(struct vblk *disk)
{
	struct config c;
	int err = start_device(disk);

	if (err)
		return err;
	err = vdev_read_config(&disk->v, 0, &c, sizeof(c));
	if (!err)
		err = read_limits(disk, &c);
	if (err)
		return err;
	read_abilities(disk, &c);
	err = alloc_queues(disk, &c);
	return err ? err : start_queues(disk);
}

/* What can't, once the host has its thread: queues, interrupts. */
static int go(struct vblk *disk)
{
	unsigned per_request =
		vdev_has(&disk->v, VDEV_F_INDIRECT_DESC) ? 1 : VBLK_DIRECT_SEGMENTS + 2;
	int err = 0;

	for (unsigned i = 0; !err && i < disk->queue_count; i++) {
		struct vblk_queue *vq = &disk->queues[i];

		err = block_queue_init(&vq->q, &disk->host,
				       MAX(vq->vq.ring.size / per_request, 1u));
		if (!err)
			err = pci_irq_connect(disk->v.pci, i, cpu_of(disk, i), on_interrupt,
					      vq);
	}
	return err;
}

/* An answer that comes too late would be taken for a request's: the device is to forget it. */
static int read_serial(struct vblk *disk)
{
	char id[VBLK_ID_BYTES + 1];
	int err = vblk_read_id(disk, id);

	if (!err)
		snprintf(disk->dev.serial, sizeof(disk->dev.serial), "%s", id);
	return err == -ETIMEDOUT ? reset(&disk->host) : 0;
}

static int probe(struct pci_device *pci)
{
	struct vblk *disk = heap_zalloc(sizeof(*disk), NULL);
	int err;

	if (!disk)
		return -ENOMEM;
	err = vdev_open(&disk->v, pci);
	if (err)
		goto free;
	err = prepare(disk);
	if (!err)
		err = read_serial(disk);
	if (err)
		goto close;
	name_it(disk);
	err = block_host_init(&disk->host);
	if (err)
		goto close;
	err = go(disk);
	if (err) {
		disk->host.lost = true; /* it stays, as its thread may look at it */
		vdev_reset(&disk->v);
		pci_disable(pci, PCI_ENABLE_MASTER);
		log_error("virtio", "%s: not usable: error %d", pci->name, err);
		return err;
	}
	count++;
	blkdev_register(&disk->dev);
	return 0;
close:
	log_error("virtio", "%s: not usable: error %d", pci->name, err);
	vdev_close(&disk->v);
	free_queues(disk);
free:
	heap_free(disk);
	return err;
}

static bool match(const struct pci_device *pci)
{
	return vdev_match(pci, VDEV_ID_BLOCK);
}

const struct pci_driver virtio_blk_driver = {
	.name = "virtio-blk", .match = match, .probe = probe};
