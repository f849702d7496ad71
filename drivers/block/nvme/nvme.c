/* The NVMe driver's outside: taking a controller, and what the recovery of drivers/block/host
 * asks of it. */
#include "drivers/block/nvme/nvme.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/block/nvme/internal.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"

#define CLASS_NVME	0x010802
#define REGISTERS_BYTES (NVME_DOORBELLS + PAGE_BYTES)

static struct nvme_controller *controller_of(struct block_host *h)
{
	return container_of(h, struct nvme_controller, host);
}

static const char *nvme_check(struct block_host *h)
{
	uint32_t status = *nvme_register(controller_of(h), NVME_CSTS);

	if (status == WAIT_ABSENT)
		return "it is not there any more";
	if (status & NVME_CSTS_FATAL)
		return "it reports a fatal error";
	return status & NVME_CSTS_READY ? NULL : "it has stopped by itself";
}

/* Figures 147 and 148. */
static bool nvme_abort(struct block_queue *q, uint32_t tag)
{
	struct nvme_queue *nq = container_of(q, struct nvme_queue, block);
	const struct nvme_command command = {.opcode = NVME_ADMIN_ABORT,
					     .dword10 = tag << 16 | nq->id};

	return nvme_admin(nq->controller, command, NULL) == 0;
}

static int nvme_reset(struct block_host *h)
{
	struct nvme_controller *c = controller_of(h);
	int err = nvme_disable(c);

	if (!err)
		err = nvme_enable(c);
	if (!err)
		err = nvme_queues_create(c);
	return err;
}

static void nvme_lost(struct block_host *h)
{
	struct nvme_controller *c = controller_of(h);

	pci_disable(c->pci, PCI_ENABLE_MASTER);
	for (unsigned i = 0; i < c->namespace_count; i++)
		blkdev_set_gone(&c->namespaces[i]->dev);
}

static void nvme_host_shutdown(struct block_host *h)
{
	nvme_shutdown(controller_of(h));
}

static const struct block_host_ops host_ops = {
	.start = nvme_start,
	.ring = nvme_ring_doorbell,
	.reap = nvme_reap,
	.check = nvme_check,
	.abort = nvme_abort,
	.reset = nvme_reset,
	.lost = nvme_lost,
	.shutdown = nvme_host_shutdown,
};

static bool match(const struct pci_device *d)
{
	return d->class_code == CLASS_NVME;
}

/* What it must be able to do, before anything is asked of it. */
static int check_capabilities(const struct nvme_controller *c)
{
	const char *why = NULL;

	if (c->cap == UINT64_MAX)
		why = "it does not answer";
	else if (!(c->cap & NVME_CAP_CSS_NVM))
		why = "it has no NVM command set";
	else if (NVME_CAP_MPSMIN(c->cap) > 0)
		why = "it has no pages of 4 KiB";
	else if (NVME_CAP_MQES(c->cap) < 1)
		why = "its queues have one entry";
	if (!why)
		return 0;
	log_error(c->host.name, "%s: %s: not used", c->pci->name, why);
	return -ENODEV;
}

/* In this order: each step needs those before. */
static int start(struct nvme_controller *c)
{
	uint32_t entries = MIN(NVME_CAP_MQES(c->cap) + 1, (uint32_t)NVME_ADMIN_ENTRIES);
	int err = nvme_ring_alloc(&c->admin, c, 0, entries);

	if (!err)
		err = nvme_disable(c);
	if (err)
		return err;
	pci_enable(c->pci, PCI_ENABLE_MASTER); /* not before: firmware may have left it on */
	err = nvme_enable(c);
	if (!err)
		err = nvme_namespaces_init(c);
	if (!err && !c->namespace_count) {
		log_info(c->host.name, "%s: %s, serial %s: it has no namespace", c->pci->name,
			 c->model, c->serial);
		err = -ENODEV;
	}
	if (err)
		return err;
	c->host.counters = &c->namespaces[0]->dev.counters;
	err = block_host_init(&c->host);
	return err ? err : nvme_queues_init(c);
}

/*
 * After probe failed. It can't reach memory any more, so that what it knew is given back; but
 * not once there is a thread, which is for good, and whose queues are on the heap.
 */
static void release(struct nvme_controller *c)
{
	c->host.lost = true;
	nvme_lost(&c->host);
	if (c->host.thread)
		return;
	for (unsigned i = 0; i < c->namespace_count; i++)
		heap_free(c->namespaces[i]);
	nvme_ring_free(&c->admin);
	vmap_free((void *)c->registers);
	heap_free(c);
}

static int set_up(struct nvme_controller *c)
{
	static unsigned count;
	int err;

	snprintf(c->host.name, sizeof(c->host.name), "nvme%u", count);
	c->registers = pci_map_registers(c->pci, 0, REGISTERS_BYTES);
	if (!c->registers) {
		log_error(c->host.name, "%s: its registers can't be mapped", c->pci->name);
		return -ENODEV;
	}
	c->cap = *nvme_register(c, NVME_CAP) | (uint64_t)*nvme_register(c, NVME_CAP + 4) << 32;
	err = check_capabilities(c);
	if (err)
		return err;
	count++;
	err = start(c);
	if (err)
		log_error(c->host.name, "%s: it can't be used: %s", c->pci->name,
			  strerror(-err));
	return err;
}

static int probe(struct pci_device *d)
{
	struct nvme_controller *c = heap_zalloc(sizeof(*c), NULL);
	int err;

	if (!c)
		return -ENOMEM;
	c->pci = d;
	c->host.ops = &host_ops;
	c->host.timeout_ns = NVME_REQUEST_LIMIT_NS;
	mutex_init(&c->admin_lock, "NVMe admin");
	err = set_up(c);
	if (err) {
		release(c);
		return err;
	}
	for (unsigned i = 0; i < c->namespace_count; i++)
		blkdev_register(&c->namespaces[i]->dev);
	return 0;
}

const struct pci_driver nvme_driver = {.name = "nvme", .match = match, .probe = probe};
