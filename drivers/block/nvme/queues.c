/* The I/O queues: one for each CPU whose threads may submit, its interrupt led to that CPU. */
#include <errno.h>

#include "drivers/block/nvme/internal.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"

static bool on_interrupt(void *arg)
{
	return block_queue_interrupt(&((struct nvme_queue *)arg)->block);
}

/* How many the controller gives us, up to `wanted` (5.21.1.7). A negative errno. */
static int ask_for_queues(struct nvme_controller *c, unsigned wanted)
{
	const struct nvme_command command = {.opcode = NVME_ADMIN_SET_FEATURES,
					     .dword10 = NVME_FEATURE_QUEUES,
					     .dword11 = (wanted - 1) << 16 | (wanted - 1)};
	uint32_t given, pairs;
	int err = nvme_admin(c, command, &given);

	if (err)
		return err;
	pairs = MIN(given & 0xffff, given >> 16) + 1;
	return (int)MIN(wanted, pairs);
}

static int create_queue(struct nvme_controller *c, struct nvme_queue *nq)
{
	uint32_t size_and_id = (nq->ring.entries - 1) << 16 | nq->id;
	const struct nvme_command cq = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp1 = nvme_ring_cq_phys(&nq->ring),
		.dword10 = size_and_id,
		.dword11 = (uint32_t)(nq->id - 1) << 16 | NVME_CQ_INTERRUPTS |
			   NVME_QUEUE_CONTIGUOUS,
	};
	const struct nvme_command sq = {
		.opcode = NVME_ADMIN_CREATE_SQ,
		.prp1 = nvme_ring_sq_phys(&nq->ring),
		.dword10 = size_and_id,
		.dword11 = (uint32_t)nq->id << 16 | NVME_QUEUE_CONTIGUOUS,
	};
	int err = nvme_admin(c, cq, NULL);

	return err ? err : nvme_admin(c, sq, NULL);
}

int nvme_queues_create(struct nvme_controller *c)
{
	int given = ask_for_queues(c, c->queue_count);

	if (given < 0 || (unsigned)given < c->queue_count)
		return given < 0 ? given : -EIO;
	for (unsigned i = 0; i < c->queue_count; i++) {
		struct nvme_queue *nq = &c->queues[i];
		uint64_t flags = spin_lock_irqsave(&nq->block.lock);
		int err;

		nvme_ring_clear(&nq->ring);
		spin_unlock_irqrestore(&nq->block.lock, flags);
		err = create_queue(c, nq);
		if (err)
			return err;
	}
	return 0;
}

/* Memory and interrupt of one queue. Its vector is its number, less one. */
static int init_queue(struct nvme_controller *c, unsigned index, unsigned cpu)
{
	struct nvme_queue *nq = &c->queues[index];
	uint32_t entries = MIN(NVME_CAP_MQES(c->cap) + 1, (uint32_t)NVME_QUEUE_ENTRIES);
	unsigned order = 0;
	int err;

	while (PAGE_BYTES << order < entries * PAGE_BYTES / 2)
		order++;
	nq->controller = c;
	nq->id = (uint16_t)(index + 1);
	nq->cpu = cpu;
	nq->lists_phys = frames_alloc(order, NULL);
	if (!nq->lists_phys)
		return -ENOMEM;
	nq->lists = directmap(nq->lists_phys);
	err = nvme_ring_alloc(&nq->ring, c, nq->id, entries);
	if (!err)
		err = block_queue_init(&nq->block, &c->host, entries - 1);
	if (!err)
		err = pci_irq_connect(c->pci, index, cpu, on_interrupt, nq);
	return err;
}

/* CPUs that have none of their own take turns: a vCPU's CPU does not submit, but may. */
static void map_cpus(struct nvme_controller *c)
{
	for (unsigned cpu = 0; cpu < CPU_MAX; cpu++)
		c->queue_of_cpu[cpu] = (uint8_t)(cpu % c->queue_count);
	for (unsigned i = 0; i < c->queue_count; i++)
		c->queue_of_cpu[c->queues[i].cpu] = (uint8_t)i;
}

int nvme_queues_init(struct nvme_controller *c)
{
	const struct cpumask *cpus_that_submit = sched_housekeeping();
	unsigned wanted = MIN(cpumask_count(cpus_that_submit), (unsigned)NVME_QUEUES_MAX);
	int given = ask_for_queues(c, wanted), vectors, err;

	if (given < 0)
		return given;
	vectors = pci_irq_setup(c->pci, (unsigned)given);
	if (vectors < 0)
		return vectors;
	c->queues = heap_zalloc((unsigned)vectors * sizeof(c->queues[0]), NULL);
	if (!c->queues)
		return -ENOMEM;
	cpumask_for_each(cpu, cpus_that_submit)
	{
		if (c->queue_count == (unsigned)vectors)
			break;
		err = init_queue(c, c->queue_count, cpu);
		if (err && c->queue_count == 0)
			return err;
		if (err)
			break; /* fewer are enough */
		c->queue_count++;
	}
	map_cpus(c);
	return nvme_queues_create(c);
}
