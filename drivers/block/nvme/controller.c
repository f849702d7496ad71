/* The controller as a whole: reset, enable, shutdown (NVM Express Base 1.4, 7.3 and 7.6), and
 * its admin queue, one command at a time, polled: it is used at start and in trouble only. */
#include <errno.h>

#include "drivers/block/nvme/internal.h"

#define ADMIN_LIMIT_NS	  (5 * NSEC_PER_SEC)
#define SHUTDOWN_LIMIT_NS (5 * NSEC_PER_SEC)
#define TO_UNIT_NS	  (500 * NSEC_PER_MSEC)

static uint32_t read32(const struct nvme_controller *c, unsigned offset)
{
	return *nvme_register(c, offset);
}

static void write32(const struct nvme_controller *c, unsigned offset, uint32_t value)
{
	*nvme_register(c, offset) = value;
}

static void write64(const struct nvme_controller *c, unsigned offset, uint64_t value)
{
	write32(c, offset, (uint32_t)value);
	write32(c, offset + 4, (uint32_t)(value >> 32));
}

/* Until the bits of `mask` in CSTS are `value`. */
static int wait_for_status(struct nvme_controller *c, uint32_t mask, uint32_t value,
			   uint64_t limit_ns)
{
	struct wait w = wait_begin(limit_ns);

	for (;;) {
		uint32_t status = read32(c, NVME_CSTS);

		if (status == WAIT_ABSENT)
			return -ENODEV;
		if ((status & mask) == value)
			return 0;
		if (value && status & NVME_CSTS_FATAL)
			return -EIO;
		if (!wait_more(&w))
			return -ETIMEDOUT;
	}
}

static uint64_t ready_limit_ns(const struct nvme_controller *c)
{
	return (NVME_CAP_TO(c->cap) + 1) * TO_UNIT_NS;
}

int nvme_disable(struct nvme_controller *c)
{
	write32(c, NVME_CC, read32(c, NVME_CC) & ~(NVME_CC_ENABLE | NVME_CC_SHN_MASK));
	return wait_for_status(c, NVME_CSTS_READY, 0, ready_limit_ns(c));
}

int nvme_enable(struct nvme_controller *c)
{
	uint32_t last = c->admin.entries - 1;

	nvme_ring_clear(&c->admin);
	write32(c, NVME_AQA, last << 16 | last);
	write64(c, NVME_ASQ, nvme_ring_sq_phys(&c->admin));
	write64(c, NVME_ACQ, nvme_ring_cq_phys(&c->admin));
	write32(c, NVME_CC, NVME_CC_ENTRY_SIZES | NVME_CC_ENABLE);
	return wait_for_status(c, NVME_CSTS_READY, NVME_CSTS_READY, ready_limit_ns(c));
}

/* Waits for the answer to command `id`; an older one's that comes late is dropped. */
static int wait_for_answer(struct nvme_controller *c, uint16_t id, uint32_t *result)
{
	struct wait w = wait_begin(ADMIN_LIMIT_NS);
	struct nvme_completion answer;

	for (;;) {
		while (nvme_ring_next(&c->admin, &answer)) {
			nvme_ring_consumed(&c->admin);
			if (answer.id != id)
				continue;
			if (result)
				*result = answer.result;
			return answer.status & ~NVME_STATUS_PHASE ? -EIO : 0;
		}
		if (read32(c, NVME_CSTS) == WAIT_ABSENT)
			return -ENODEV;
		if (!wait_more(&w))
			return -ETIMEDOUT;
	}
}

/* With a pin, the answer's interrupt would come again and again until it is consumed. */
int nvme_admin(struct nvme_controller *c, struct nvme_command command, uint32_t *result)
{
	bool pin = c->pci->irqs && !pci_irq_is_message(c->pci);
	int err;

	mutex_lock(&c->admin_lock);
	command.id = ++c->admin_id;
	if (pin)
		write32(c, NVME_INTMS, 1);
	nvme_ring_put(&c->admin, &command);
	nvme_ring_submit(&c->admin);
	err = wait_for_answer(c, command.id, result);
	if (pin)
		write32(c, NVME_INTMC, 1);
	mutex_unlock(&c->admin_lock);
	return err;
}

void nvme_shutdown(struct nvme_controller *c)
{
	write32(c, NVME_CC, (read32(c, NVME_CC) & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL);
	if (wait_for_status(c, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE, SHUTDOWN_LIMIT_NS))
		block_host_log(&c->host, c->host.name,
			       "it did not say that its cache is written");
}
