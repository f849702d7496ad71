/* Requests to commands, completions to requests: the way of every read and write. */
#include <errno.h>

#include "drivers/block/bounce.h"
#include "drivers/block/nvme/internal.h"
#include "drivers/block/nvme/prp.h"
#include "drivers/block/nvme/status.h"
#include "kernel/cpu/cpu.h"

#define LIST_BYTES   (PAGE_BYTES / 2)
#define LIST_ENTRIES (LIST_BYTES / sizeof(uint64_t))

_Static_assert(PRP_LIST_ENTRIES(NVME_TRANSFER_MAX) <= LIST_ENTRIES, "a list fits its place");

static struct nvme_queue *queue_here(const struct nvme_controller *c)
{
	return &c->queues[c->queue_of_cpu[cpu_this()->index]];
}

static void submit(struct blkdev *dev, struct blk_request *r)
{
	struct nvme_namespace *ns = container_of(dev, struct nvme_namespace, dev);

	if (unlikely(r->segment_count && !prp_fits(r->segments, r->segment_count)))
		block_bounce(r);
	else
		block_queue_submit(&queue_here(ns->controller)->block, r);
}

/* All queues: the thread may have moved to another CPU since. */
static void commit(struct blkdev *dev)
{
	struct nvme_namespace *ns = container_of(dev, struct nvme_namespace, dev);
	struct nvme_controller *c = ns->controller;

	for (unsigned i = 0; i < c->queue_count; i++)
		block_queue_commit(&c->queues[i].block);
}

const struct blkdev_ops nvme_blkdev_ops = {.submit = submit, .commit = commit};

/* The half page that belongs to a tag. */
static uint64_t *list_of(const struct nvme_queue *nq, uint32_t tag, uint64_t *phys)
{
	*phys = nq->lists_phys + tag * LIST_BYTES;
	return nq->lists + tag * LIST_ENTRIES;
}

static void address_blocks(struct nvme_command *command, const struct nvme_namespace *ns,
			   const struct blk_request *r)
{
	uint64_t lba = r->offset >> ns->block_shift;

	command->dword10 = (uint32_t)lba;
	command->dword11 = (uint32_t)(lba >> 32);
	command->dword12 = (uint32_t)(r->bytes >> ns->block_shift) - 1;
	if (r->fua && r->op != BLK_READ)
		command->dword12 |= NVME_RW_FUA;
}

static void address_memory(struct nvme_command *command, const struct nvme_queue *nq,
			   const struct blk_request *r)
{
	uint64_t phys, prp[2], *list = list_of(nq, r->tag, &phys);

	prp_build(r->segments, r->bytes, list, phys, prp);
	command->prp1 = prp[0];
	command->prp2 = prp[1];
}

static void build_discard(struct nvme_command *command, const struct nvme_queue *nq,
			  const struct nvme_namespace *ns, const struct blk_request *r)
{
	struct nvme_dsm_range *range = (void *)list_of(nq, r->tag, &command->prp1);

	*range = (struct nvme_dsm_range){.blocks = (uint32_t)(r->bytes >> ns->block_shift),
					 .lba = r->offset >> ns->block_shift};
	command->dword10 = 0; /* one range */
	command->dword11 = NVME_DSM_DEALLOCATE;
}

int nvme_start(struct block_queue *q, struct blk_request *r)
{
	static const uint8_t opcodes[BLK_OPS] = {
		[BLK_READ] = NVME_READ,
		[BLK_WRITE] = NVME_WRITE,
		[BLK_FLUSH] = NVME_FLUSH,
		[BLK_DISCARD] = NVME_DATASET_MANAGEMENT,
		[BLK_WRITE_ZEROES] = NVME_WRITE_ZEROES,
	};
	struct nvme_queue *nq = container_of(q, struct nvme_queue, block);
	const struct nvme_namespace *ns = container_of(r->dev, struct nvme_namespace, dev);
	struct nvme_command command = {
		.opcode = opcodes[r->op], .id = (uint16_t)r->tag, .namespace_id = ns->id};

	if (r->op == BLK_READ || r->op == BLK_WRITE)
		address_memory(&command, nq, r);
	if (r->op == BLK_DISCARD)
		build_discard(&command, nq, ns, r);
	else if (r->op != BLK_FLUSH)
		address_blocks(&command, ns, r);
	if (r->op == BLK_WRITE_ZEROES && r->unmap)
		command.dword12 |= NVME_ZEROES_DEALLOCATE;
	nvme_ring_put(&nq->ring, &command);
	return 0;
}

void nvme_ring_doorbell(struct block_queue *q)
{
	nvme_ring_submit(&container_of(q, struct nvme_queue, block)->ring);
}

static void finish(struct block_queue *q, const struct nvme_completion *completion)
{
	struct nvme_verdict verdict;

	if (likely(!(completion->status & ~NVME_STATUS_PHASE))) {
		block_queue_done(q, completion->id);
		return;
	}
	verdict = nvme_status_verdict(completion->status);
	block_queue_failed(q, completion->id, verdict.error, verdict.again, verdict.words);
}

bool nvme_reap(struct block_queue *q)
{
	struct nvme_queue *nq = container_of(q, struct nvme_queue, block);
	struct nvme_completion completion;
	bool any = false;

	while (nvme_ring_next(&nq->ring, &completion)) {
		finish(q, &completion);
		any = true;
	}
	if (any)
		nvme_ring_consumed(&nq->ring);
	return any;
}
