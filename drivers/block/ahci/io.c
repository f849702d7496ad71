/* Requests to commands, finished commands to requests: AHCI 1.3.1, 5.5 and 5.6. */
#include <errno.h>

#include "drivers/block/ahci/internal.h"
#include "drivers/block/bounce.h"

static struct ahci_port *port_of(struct block_queue *q)
{
	return container_of(q, struct ahci_port, queue);
}

/* Pieces of even size at even addresses, not too many, not too long. */
static bool fits(const struct blk_request *r)
{
	if (r->segment_count > AHCI_PRDS)
		return false;
	for (unsigned i = 0; i < r->segment_count; i++)
		if ((r->segments[i].phys | r->segments[i].bytes) & 1 ||
		    r->segments[i].bytes > AHCI_PRD_BYTES_MAX)
			return false;
	return true;
}

static void submit(struct blkdev *dev, struct blk_request *r)
{
	struct ahci_port *p = container_of(dev, struct ahci_port, dev);

	if (unlikely(!fits(r)))
		block_bounce(r);
	else
		block_queue_submit(&p->queue, r);
}

static void commit(struct blkdev *dev)
{
	block_queue_commit(&container_of(dev, struct ahci_port, dev)->queue);
}

const struct blkdev_ops ahci_blkdev_ops = {.submit = submit, .commit = commit};

/* ---- commands --------------------------------------------------------------------------- */

/*
 * A write that must be on the medium, of a disk that can't do that in one, is a write, and then
 * a flush: the request's second step, which its `private` marks. Nothing else is under way
 * during a flush, so one serves all whose writes were done before.
 */
static bool needs_flush(const struct ahci_port *p, const struct blk_request *r)
{
	return r->op == BLK_WRITE && r->fua && !p->identity.fua && p->dev.write_cache &&
	       !r->private;
}

static bool in_second_step(const struct blk_request *r)
{
	return r->private;
}

static bool is_flush(const struct blk_request *r)
{
	return r->op == BLK_FLUSH || in_second_step(r);
}

static void put_address(struct ahci_command *c, uint64_t lba)
{
	c->lba0 = (uint8_t)lba;
	c->lba1 = (uint8_t)(lba >> 8);
	c->lba2 = (uint8_t)(lba >> 16);
	c->lba3 = (uint8_t)(lba >> 24);
	c->lba4 = (uint8_t)(lba >> 32);
	c->lba5 = (uint8_t)(lba >> 40);
	c->device = ATA_DEVICE_LBA;
}

/* The count is in the feature field, the tag where the count was. */
static void build_queued(struct ahci_command *c, const struct ahci_port *p,
			 const struct blk_request *r)
{
	uint32_t blocks = (uint32_t)(r->bytes >> p->block_shift);

	put_address(c, r->offset >> p->block_shift);
	c->command = r->op == BLK_READ ? ATA_READ_FPDMA_QUEUED : ATA_WRITE_FPDMA_QUEUED;
	c->feature = (uint8_t)blocks;
	c->feature_high = (uint8_t)(blocks >> 8);
	c->count = (uint8_t)(r->tag << AHCI_COUNT_TAG_SHIFT);
	if (r->op == BLK_WRITE && r->fua && p->identity.fua)
		c->device |= AHCI_DEVICE_QUEUED_FUA;
}

static void build_unqueued(struct ahci_command *c, const struct ahci_port *p,
			   const struct blk_request *r)
{
	uint32_t blocks = (uint32_t)(r->bytes >> p->block_shift);

	put_address(c, r->offset >> p->block_shift);
	c->command = r->op == BLK_READ		 ? ATA_READ_DMA_EXT
		     : r->fua && p->identity.fua ? ATA_WRITE_DMA_FUA_EXT
						 : ATA_WRITE_DMA_EXT;
	c->count = (uint8_t)blocks;
	c->count_high = (uint8_t)(blocks >> 8);
}

static void build_trim(struct ahci_table *table, const struct ahci_port *p,
		       const struct blk_request *r)
{
	struct ahci_command *c = &table->command;

	ata_trim_ranges(table->trim, r->offset >> p->block_shift, r->bytes >> p->block_shift);
	c->command = ATA_DATA_SET_MANAGEMENT;
	c->device = ATA_DEVICE_LBA;
	c->feature = ATA_FEATURE_TRIM;
	c->count = 1; /* sector of ranges */
}

/* Returns how many pieces of memory the command has. */
static unsigned put_memory(struct ahci_port *p, const struct blk_request *r)
{
	struct ahci_prd *prds = p->tables[r->tag].prds;

	if (r->op == BLK_DISCARD) {
		prds[0].address = p->tables_phys + r->tag * sizeof(struct ahci_table) +
				  offsetof(struct ahci_table, trim);
		prds[0].count = ATA_TRIM_BYTES - 1;
		return 1;
	}
	for (unsigned i = 0; i < r->segment_count; i++) {
		prds[i].address = r->segments[i].phys;
		prds[i].count = r->segments[i].bytes - 1;
	}
	return r->segment_count;
}

static void build(struct ahci_port *p, const struct blk_request *r, bool queued)
{
	struct ahci_header *header = &p->memory->headers[r->tag];
	struct ahci_table *table = &p->tables[r->tag];
	struct ahci_command *c = &table->command;

	*c = (struct ahci_command){.type = AHCI_FRAME_COMMAND, .flags = AHCI_FRAME_IS_COMMAND};
	header->flags = AHCI_FRAME_DWORDS;
	header->prd_count = 0;
	header->bytes_done = 0;
	if (is_flush(r)) {
		c->command = p->identity.flush_ext ? ATA_FLUSH_CACHE_EXT : ATA_FLUSH_CACHE;
		c->device = ATA_DEVICE_LBA;
		return;
	}
	header->prd_count = (uint16_t)put_memory(p, r);
	if (r->op != BLK_READ)
		header->flags |= AHCI_HEADER_WRITE;
	if (r->op == BLK_DISCARD)
		build_trim(table, p, r);
	else if (queued)
		build_queued(c, p, r);
	else
		build_unqueued(c, p, r);
}

/* Queued commands and others exclude each other (Serial ATA 3.0, 13.6.3); of the others we give
 * one at a time, so that what fails has a name. */
int ahci_start(struct block_queue *q, struct blk_request *r)
{
	struct ahci_port *p = port_of(q);
	bool queued = p->identity.ncq && !p->one_by_one && !is_flush(r) &&
		      (r->op == BLK_READ || r->op == BLK_WRITE);

	if ((p->prepared | p->issued) && !(queued && p->queued))
		return -EBUSY;
	if (p->one_by_one)
		p->one_by_one--;
	build(p, r, queued);
	p->queued = queued;
	p->prepared |= 1u << r->tag;
	return 0;
}

void ahci_ring(struct block_queue *q)
{
	struct ahci_port *p = port_of(q);

	atomic_thread_fence(memory_order_release);
	if (p->queued)
		*ahci_port_register(p, AHCI_PORT_SACT) = p->prepared;
	*ahci_port_register(p, AHCI_PORT_CI) = p->prepared;
	p->issued |= p->prepared;
	p->prepared = 0;
}

/* ---- what is finished ------------------------------------------------------------------- */

static void finish(struct ahci_port *p, uint32_t tag)
{
	struct blk_request *r = p->queue.active[tag];

	if (unlikely(r && needs_flush(p, r))) {
		r->private = p;
		block_queue_again(&p->queue, tag);
		return;
	}
	if (unlikely(r && is_flush(r)))
		block_queue_waiting_done(&p->queue, in_second_step);
	block_queue_done(&p->queue, tag);
}

/* The port has stopped, or will not go on by itself: it needs the thread. The task file need
 * not show a failure: QEMU finishes other queued commands after it, which a disk does not. */
static void fail(struct ahci_port *p, uint32_t status)
{
	uint32_t tfd = *ahci_port_register(p, AHCI_PORT_TFD);

	p->error_tfd = tfd;
	p->command_failed = status != WAIT_ABSENT && tfd != WAIT_ABSENT &&
			    (status & AHCI_IS_TASK_FILE || tfd & ATA_STATUS_ERR);
	p->frozen = true;
	p->queue.stopped = true;
	*ahci_port_register(p, AHCI_PORT_IE) = 0;
	block_host_fault(&p->host, status == WAIT_ABSENT      ? "it does not answer"
				   : status & AHCI_IS_CHANGED ? "the link to the disk changed"
							      : "a command failed");
}

/*
 * Causes are cleared before it is read what is finished, so that what finishes later
 * interrupts again. A failed queued command shows in the frame that the disk sent, also where
 * the controller raises no error for it.
 */
bool ahci_reap(struct block_queue *q)
{
	struct ahci_port *p = port_of(q);
	uint32_t status = *ahci_port_register(p, AHCI_PORT_IS), open, done;
	bool bad = status & (AHCI_IS_ERRORS | AHCI_IS_CHANGED);

	if (p->frozen)
		return status; /* until the thread has come */
	*ahci_port_register(p, AHCI_PORT_IS) = status;
	open = *ahci_port_register(p, AHCI_PORT_CI);
	if (p->queued)
		open |= *ahci_port_register(p, AHCI_PORT_SACT);
	done = p->issued & ~open;
	p->issued &= open;
	for (uint32_t rest = done; rest; rest &= rest - 1)
		finish(p, (uint32_t)__builtin_ctz(rest));
	if (p->queued && p->issued && p->memory->received.bits_status & ATA_STATUS_ERR)
		bad = true;
	if (bad)
		fail(p, status);
	return status | done;
}
