/* The inside of the NVMe driver: controller, queues, namespaces, and which file does what. */
#ifndef DRIVERS_BLOCK_NVME_INTERNAL_H
#define DRIVERS_BLOCK_NVME_INTERNAL_H

#include "drivers/block/nvme/spec.h"
#include "drivers/block/queue.h"
#include "drivers/bus/pci.h"
#include "drivers/bus/wait.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/sync.h"

#define NVME_QUEUES_MAX	      32 /* for I/O; CPUs beyond share them */
#define NVME_QUEUE_ENTRIES    128
#define NVME_ADMIN_ENTRIES    16
#define NVME_TRANSFER_MAX     (1 * MIB) /* of one command: its list is half a page */
#define NVME_NAMESPACES_MAX   64	/* that become blkdevs */
#define NVME_REQUEST_LIMIT_NS (10 * NSEC_PER_SEC)

/*
 * A submission and a completion queue of the same size, and where they are rung. Of an I/O
 * queue all is guarded by block.lock; of the admin queue by the controller's mutex.
 */
struct nvme_ring {
	struct nvme_command *commands;
	volatile struct nvme_completion *completions;
	volatile uint32_t *sq_doorbell, *cq_doorbell;
	uint32_t entries, sq_tail, cq_head;
	uint16_t phase; /* of completions that are new */
};

struct nvme_queue {
	struct block_queue block;
	struct nvme_ring ring;
	struct nvme_controller *controller;
	uint16_t id;
	unsigned cpu;	 /* that is interrupted */
	uint64_t *lists; /* PRP lists, half a page for each tag; of a discard: its range */
	uint64_t lists_phys;
};

struct nvme_controller {
	struct block_host host;
	struct pci_device *pci;
	volatile char *registers;
	uint64_t cap;
	struct mutex admin_lock; /* guards the next two */
	struct nvme_ring admin;
	uint16_t admin_id;
	uint16_t oncs;
	uint8_t vwc;
	uint32_t transfer_bytes_max;
	char serial[21], model[41];
	unsigned queue_count;
	struct nvme_queue *queues;
	uint8_t queue_of_cpu[CPU_MAX];
	unsigned namespace_count;
	struct nvme_namespace *namespaces[NVME_NAMESPACES_MAX];
};

struct nvme_namespace {
	struct blkdev dev;
	struct nvme_controller *controller;
	uint32_t id;
	unsigned block_shift;
};

static inline volatile uint32_t *nvme_register(const struct nvme_controller *c, unsigned offset)
{
	return (volatile uint32_t *)(c->registers + offset);
}

/* ring.c */
int nvme_ring_alloc(struct nvme_ring *ring, struct nvme_controller *c, uint16_t id,
		    uint32_t entries);
void nvme_ring_free(struct nvme_ring *ring);
void nvme_ring_clear(struct nvme_ring *ring); /* as after a reset of the controller */
uint64_t nvme_ring_sq_phys(const struct nvme_ring *ring);
uint64_t nvme_ring_cq_phys(const struct nvme_ring *ring);
/* Puts a command at the tail, which nvme_ring_submit() tells. There is room: a ring has more
 * entries than commands are under way. */
void nvme_ring_put(struct nvme_ring *ring, const struct nvme_command *command);
void nvme_ring_submit(struct nvme_ring *ring);
/* The next completion, copied, or false. nvme_ring_consumed() afterwards, for all at once. */
bool nvme_ring_next(struct nvme_ring *ring, struct nvme_completion *completion);
void nvme_ring_consumed(struct nvme_ring *ring);

/* controller.c: on a thread, may sleep. */
int nvme_disable(struct nvme_controller *c);
int nvme_enable(struct nvme_controller *c);
/* One admin command, and its answer in *result (may be NULL). 0, -EIO (refused), -ETIMEDOUT,
 * -ENODEV. */
int nvme_admin(struct nvme_controller *c, struct nvme_command command, uint32_t *result);
void nvme_shutdown(struct nvme_controller *c);

/* io.c */
extern const struct blkdev_ops nvme_blkdev_ops;
int nvme_start(struct block_queue *q, struct blk_request *r);
void nvme_ring_doorbell(struct block_queue *q);
bool nvme_reap(struct block_queue *q);

/* queues.c: how many I/O queues there are, for which CPUs; creating them anew after a reset. */
int nvme_queues_init(struct nvme_controller *c);
int nvme_queues_create(struct nvme_controller *c);

/* namespace.c: finds the namespaces and makes their blkdevs, which are not registered yet. */
int nvme_namespaces_init(struct nvme_controller *c);

#endif
