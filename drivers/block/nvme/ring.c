/* One pair of queues in memory: NVM Express Base 1.4, 4.1. No locks; no requests. */
#include <errno.h>
#include <string.h>

#include "drivers/block/nvme/internal.h"

static unsigned order_of(uint64_t bytes)
{
	unsigned order = 0;

	while (PAGE_BYTES << order < bytes)
		order++;
	return order;
}

int nvme_ring_alloc(struct nvme_ring *ring, struct nvme_controller *c, uint16_t id,
		    uint32_t entries)
{
	uint64_t stride = 4ull << NVME_CAP_DSTRD(c->cap);
	volatile char *doorbells = c->registers + NVME_DOORBELLS + 2 * id * stride;
	uint64_t sq = frames_alloc(order_of(entries * sizeof(struct nvme_command)), NULL);
	uint64_t cq = frames_alloc(order_of(entries * sizeof(struct nvme_completion)), NULL);

	*ring = (struct nvme_ring){
		.commands = sq ? directmap(sq) : NULL,
		.completions = cq ? directmap(cq) : NULL,
		.sq_doorbell = (volatile uint32_t *)doorbells,
		.cq_doorbell = (volatile uint32_t *)(doorbells + stride),
		.entries = entries,
		.phase = NVME_STATUS_PHASE,
	};
	if (sq && cq)
		return 0;
	nvme_ring_free(ring);
	return -ENOMEM;
}

void nvme_ring_free(struct nvme_ring *ring)
{
	if (ring->commands)
		frames_free(nvme_ring_sq_phys(ring),
			    order_of(ring->entries * sizeof(struct nvme_command)), NULL);
	if (ring->completions)
		frames_free(nvme_ring_cq_phys(ring),
			    order_of(ring->entries * sizeof(struct nvme_completion)), NULL);
	*ring = (struct nvme_ring){0};
}

void nvme_ring_clear(struct nvme_ring *ring)
{
	memset((void *)ring->completions, 0, ring->entries * sizeof(struct nvme_completion));
	ring->sq_tail = ring->cq_head = 0;
	ring->phase = NVME_STATUS_PHASE;
}

uint64_t nvme_ring_sq_phys(const struct nvme_ring *ring)
{
	return directmap_phys(ring->commands);
}

uint64_t nvme_ring_cq_phys(const struct nvme_ring *ring)
{
	return directmap_phys((void *)ring->completions);
}

void nvme_ring_put(struct nvme_ring *ring, const struct nvme_command *command)
{
	ring->commands[ring->sq_tail] = *command;
	if (++ring->sq_tail == ring->entries)
		ring->sq_tail = 0;
}

/* The commands are in memory before: stores are seen in order, and the fence keeps the compiler
 * from changing it. */
void nvme_ring_submit(struct nvme_ring *ring)
{
	atomic_thread_fence(memory_order_release);
	*ring->sq_doorbell = ring->sq_tail;
}

bool nvme_ring_next(struct nvme_ring *ring, struct nvme_completion *completion)
{
	volatile struct nvme_completion *at = &ring->completions[ring->cq_head];
	uint16_t status = at->status;

	if ((status & NVME_STATUS_PHASE) != ring->phase)
		return false;
	atomic_thread_fence(memory_order_acquire); /* the phase comes with the rest, or after */
	completion->result = at->result;
	completion->id = at->id;
	completion->status = status;
	if (++ring->cq_head == ring->entries) {
		ring->cq_head = 0;
		ring->phase ^= NVME_STATUS_PHASE;
	}
	return true;
}

void nvme_ring_consumed(struct nvme_ring *ring)
{
	*ring->cq_doorbell = ring->cq_head;
}
