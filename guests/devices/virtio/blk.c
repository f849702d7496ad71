/*
 * A block device as the transport sees it: features, configuration, queues served, start and
 * stop. Requests are blk_request.c's, what becomes of them on the disk is blk_part.c's.
 *
 * When a write is done: with `writeback` 0, once it is on the medium (each is sent to the disk
 * with FUA); with 1, once the disk has it, and a flush, which is passed on, puts it on the
 * medium. `writeback` begins as the configuration's `cache` says; a driver that negotiates
 * CONFIG_WCE may change it, since it is its own data. One that knows only FLUSH, or not even
 * that, gets no less than the configuration says: writes_through().
 */
#include "guests/devices/virtio/blk.h"

#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/blk_internal.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/board.h"

#define CHAINS_IN_ONE_TURN BLK_JOBS

static struct virtio_blk *of(struct virtio *virtio)
{
	return container_of(virtio, struct virtio_blk, virtio);
}

static void limit_over(struct timer *timer)
{
	virtio_wake(&container_of(timer, struct virtio_blk, limit)->virtio);
}

/* ---- serving queues --------------------------------------------------------------------- */

/* No more in this queue for now: asks for a kick, unless the end of a part will make us look
 * again soon. False when there is more after all. */
static bool leave_queue(struct virtio_blk *blk, unsigned index)
{
	struct virtq *q = &blk->virtio.queues[index].q;

	if (blk->in_flight >= BLK_BUSY_PARTS)
		return true;
	if (virtq_notify_on(q)) {
		virtq_notify_off(q);
		return false;
	}
	blk->waiting &= ~BIT(index);
	return true;
}

/* Takes chains for as long as there is room, and until others must have their turn: what needs
 * no disk is answered at once, however much of it a guest asks. 0 when there are no more, 1
 * when the next has to wait, -EINVAL when the driver broke the rules. */
static int serve_queue(struct virtio_blk *blk, unsigned index, const char **why)
{
	struct virtq *q = &blk->virtio.queues[index].q;
	int got;

	for (unsigned i = 0; i < CHAINS_IN_ONE_TURN; i++) {
		if (list_empty(&blk->free_jobs))
			return 1;
		got = virtq_pop(q, &blk->cut.chain);
		if (got == 0 && leave_queue(blk, index))
			return 0;
		if (got == 0)
			continue;
		if (got < 0) {
			*why = q->why;
			return got;
		}
		got = blk_begin(blk, index, why);
		if (got)
			return got;
		if (blk->cut.job && !blk_hand_over(blk))
			return 1;
	}
	virtio_wake(&blk->virtio);
	return 1;
}

/* All queues that may have something, each time beginning with another. */
static int serve_queues(struct virtio_blk *blk, const char **why)
{
	unsigned count = blk->virtio.queue_count, first = blk->next_queue;
	int state = 0;

	if (blk->cut.job && !blk_hand_over(blk))
		return 0;
	for (unsigned i = 0; i < count && !state; i++) {
		unsigned index = (first + i) % count;

		if (blk->waiting & BIT(index))
			state = serve_queue(blk, index, why);
		if (state)
			blk->next_queue = (index + 1) % count;
	}
	return MIN(state, 0);
}

static void interrupt(struct virtio_blk *blk)
{
	for (unsigned i = 0; i < blk->virtio.queue_count; i++)
		if (blk->pushed & BIT(i))
			virtio_interrupt(&blk->virtio, i);
	blk->pushed = 0;
}

static void service(struct virtio *virtio, uint64_t kicked)
{
	struct virtio_blk *blk = of(virtio);
	const char *why = NULL;
	int err;

	for (unsigned i = 0; i < virtio->queue_count; i++)
		if (kicked & ~blk->waiting & BIT(i))
			virtq_notify_off(&virtio->queues[i].q);
	blk->waiting |= kicked;
	blk_reap(blk);
	err = serve_queues(blk, &why);
	blk_commit(blk->dev);
	interrupt(blk);
	if (err)
		virtio_broken(virtio, why);
}

static void start(struct virtio *virtio)
{
	of(virtio)->next_queue = 0;
}

static bool any_busy(const struct virtio_blk *blk, uint64_t queues)
{
	for (unsigned i = 0; i < blk->virtio.queue_count; i++)
		if (queues & BIT(i) && blk->busy[i])
			return true;
	return false;
}

/* Waits for what these queues have under way. Their rings get nothing back. */
static void stop_queues(struct virtio_blk *blk, uint64_t queues)
{
	blk->stopping = queues;
	if (blk->cut.job && queues & BIT(blk->cut.job->queue)) {
		timer_cancel(&blk->limit);
		blk_abandon(blk);
	}
	for (;;) {
		blk_reap(blk);
		if (!any_busy(blk, queues))
			break;
		thread_block(); /* the end of a part wakes us */
	}
	blk->waiting &= ~queues;
	blk->pushed &= ~queues;
	blk->stopping = 0;
}

static void stop(struct virtio *virtio)
{
	struct virtio_blk *blk = of(virtio);

	stop_queues(blk, UINT64_MAX);
	atomic_store(&blk->guests_choice, blk->write_back);
	blk->config.writeback = blk->write_back;
}

static void queue_stop(struct virtio *virtio, unsigned queue)
{
	stop_queues(of(virtio), BIT(queue));
	virtio_wake(virtio); /* of the others, some may have been served meanwhile */
}

/* ---- configuration ---------------------------------------------------------------------- */

/* On a vCPU's thread: the cache mode is the one thing that a driver can set. */
static void config_write(struct virtio *virtio, unsigned offset, unsigned bytes, uint32_t value)
{
	struct virtio_blk *blk = of(virtio);

	if (offset != offsetof(struct virtio_blk_config, writeback) || bytes != 1 ||
	    !virtio_has(virtio, VIRTIO_BLK_F_CONFIG_WCE))
		return;
	blk->config.writeback = value & 1;
	atomic_store(&blk->guests_choice, value & 1);
}

static const struct virtio_type blk_type = {
	.name = "virtio-blk",
	.id = VIRTIO_ID_BLOCK,
	.class_code = 0x018000, /* mass storage, of no other kind */
	.features = BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_RO) |
		    BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH) |
		    BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_CONFIG_WCE) |
		    BIT(VIRTIO_BLK_F_MQ) | BIT(VIRTIO_BLK_F_DISCARD) |
		    BIT(VIRTIO_BLK_F_WRITE_ZEROES),
	.queue_size = BLK_QUEUE_SIZE,
	.config_bytes = sizeof(struct virtio_blk_config),
	.start = start,
	.service = service,
	.stop = stop,
	.queue_stop = queue_stop,
	.config_write = config_write,
};

static uint64_t features(const struct virtio_blk *blk)
{
	uint64_t bits = BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
			BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_TOPOLOGY) |
			BIT(VIRTIO_BLK_F_CONFIG_WCE);

	if (blk->virtio.queue_count > 1)
		bits |= BIT(VIRTIO_BLK_F_MQ);
	if (blk->read_only)
		return bits | BIT(VIRTIO_BLK_F_RO);
	if (blk->config.max_discard_sectors)
		bits |= BIT(VIRTIO_BLK_F_DISCARD);
	if (blk->config.max_write_zeroes_sectors)
		bits |= BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	return bits;
}

/* In whole blocks of the device, as far as 32 bits go. */
static uint32_t sectors_of(const struct blkdev *dev, uint64_t bytes)
{
	uint64_t most = ALIGN_DOWN(MIN(bytes, (uint64_t)UINT32_MAX * VIRTIO_BLK_SECTOR_BYTES),
				   dev->block_bytes);

	return (uint32_t)(most / VIRTIO_BLK_SECTOR_BYTES);
}

static void describe(struct virtio_blk *blk)
{
	const struct blkdev *dev = blk->dev;
	uint32_t physical = MAX(dev->physical_block_bytes, dev->block_bytes) / dev->block_bytes;

	blk->config = (struct virtio_blk_config){
		.capacity = dev->bytes / dev->block_bytes *
			    (dev->block_bytes / VIRTIO_BLK_SECTOR_BYTES),
		.seg_max = BLK_SEG_MAX,
		.blk_size = dev->block_bytes,
		.physical_block_exp = (uint8_t)__builtin_ctz(physical),
		.min_io_size = (uint16_t)physical,
		.writeback = blk->write_back,
		.num_queues = (uint16_t)blk->virtio.queue_count,
		.max_discard_sectors = sectors_of(dev, dev->max_discard_bytes),
		.max_discard_seg = BLK_RANGES_MAX,
		.discard_sector_alignment = MAX(dev->discard_align_bytes, dev->block_bytes) /
					    VIRTIO_BLK_SECTOR_BYTES,
		.max_write_zeroes_sectors = sectors_of(dev, dev->max_zeroes_bytes),
		.max_write_zeroes_seg = BLK_RANGES_MAX,
		.write_zeroes_may_unmap = 1,
	};
}

/* ---- life ------------------------------------------------------------------------------- */

static int create_pools(struct virtio_blk *blk, struct mem_account *account)
{
	list_init(&blk->free_jobs);
	list_init(&blk->free_parts);
	list_init(&blk->done);
	blk->jobs = heap_zalloc(BLK_JOBS * sizeof *blk->jobs, account);
	blk->parts = heap_zalloc(BLK_PARTS * sizeof *blk->parts, account);
	if (!blk->jobs || !blk->parts)
		return -ENOMEM;
	for (unsigned i = 0; i < BLK_JOBS; i++)
		list_push_back(&blk->free_jobs, &blk->jobs[i].link);
	for (unsigned i = 0; i < BLK_PARTS; i++)
		blk_init_part(blk, &blk->parts[i]);
	return 0;
}

static void free_all(struct virtio_blk *blk)
{
	heap_free(blk->jobs);
	heap_free(blk->parts);
	heap_free(blk);
}

struct virtio_blk *virtio_blk_create(const struct board *board, struct pci_root *root,
				     const struct config_disk *config, struct blkdev *dev)
{
	const struct config_disk_limits *limits = &config->limits;
	struct virtio_blk *blk = heap_zalloc(sizeof *blk, board->account);

	if (!blk)
		return NULL;
	blk->gm = board->gmem;
	spin_lock_init(&blk->done_lock, "virtio disk done");
	blk->dev = dev;
	blk->read_only = config->read_only || dev->read_only;
	blk->write_back = config->cache == CONFIG_CACHE_WRITE_BACK;
	blk->guests_choice = blk->write_back;
	memcpy(blk->serial, config->serial, strnlen(config->serial, VIRTIO_BLK_ID_BYTES));
	bucket_init(&blk->requests, limits->iops, limits->iops_burst);
	bucket_init(&blk->bytes, limits->bytes_per_second, limits->bytes_burst);
	timer_init(&blk->limit, limit_over);
	blk->virtio.board = board;
	blk->virtio.queue_count = config->queues;
	blk->virtio.config = &blk->config;
	describe(blk);
	if (create_pools(blk, board->account) ||
	    virtio_create(&blk->virtio, &blk_type, board, root, features(blk))) {
		free_all(blk);
		return NULL;
	}
	return blk;
}

void virtio_blk_destroy(struct virtio_blk *blk)
{
	if (!blk)
		return;
	virtio_destroy(&blk->virtio);
	timer_cancel(&blk->limit);
	free_all(blk);
}

void virtio_blk_get_info(const struct virtio_blk *blk, struct virtio_blk_info *info)
{
	*info = (struct virtio_blk_info){
		.reads = atomic_load(&blk->counters.requests[BLK_READ]),
		.writes = atomic_load(&blk->counters.requests[BLK_WRITE]),
		.flushes = atomic_load(&blk->counters.requests[BLK_FLUSH]),
		.discards = atomic_load(&blk->counters.requests[BLK_DISCARD]),
		.zeroes = atomic_load(&blk->counters.requests[BLK_WRITE_ZEROES]),
		.errors = atomic_load(&blk->counters.errors),
		.bytes_read = atomic_load(&blk->counters.bytes[BLK_READ]),
		.bytes_written = atomic_load(&blk->counters.bytes[BLK_WRITE]),
		.throttled = atomic_load(&blk->counters.throttled),
	};
	for (unsigned i = 0; i < blk->virtio.queue_count; i++) {
		info->kicks += atomic_load(&blk->virtio.queues[i].kicks);
		info->interrupts += atomic_load(&blk->virtio.queues[i].interrupts);
	}
}
