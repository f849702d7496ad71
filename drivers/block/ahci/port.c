/* One port: starting and stopping its engines (AHCI 1.3.1, 10.1.2, 10.3, 10.4.2), and commands
 * that are not a guest's, by polling. */
#include <errno.h>

#include "drivers/block/ahci/internal.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"

#define TABLES_ORDER	5 /* AHCI_SLOTS_MAX pages */
#define ENGINE_LIMIT_NS (500 * NSEC_PER_MSEC)
#define LINK_LIMIT_NS	(1 * NSEC_PER_SEC)
#define READY_LIMIT_NS	(20 * NSEC_PER_SEC)  /* a disk may have to spin up */
#define LOOK_NS		(10 * NSEC_PER_MSEC) /* between two looks for an error */
#define COMRESET_NS	(2 * NSEC_PER_MSEC)  /* at least 1 */

_Static_assert(sizeof(struct ahci_table) * AHCI_SLOTS_MAX == PAGE_BYTES << TABLES_ORDER, "");

static uint32_t get(const struct ahci_port *p, unsigned offset)
{
	return *ahci_port_register(p, offset);
}

static void set(const struct ahci_port *p, unsigned offset, uint32_t value)
{
	*ahci_port_register(p, offset) = value;
}

static void set64(const struct ahci_port *p, unsigned offset, uint64_t value)
{
	set(p, offset, (uint32_t)value);
	set(p, offset + 4, (uint32_t)(value >> 32));
}

int ahci_port_alloc(struct ahci_port *p)
{
	p->memory_phys = frames_alloc(0, NULL);
	p->tables_phys = frames_alloc(TABLES_ORDER, NULL);
	if (!p->memory_phys || !p->tables_phys) {
		ahci_port_free(p);
		return -ENOMEM;
	}
	p->memory = directmap(p->memory_phys);
	p->tables = directmap(p->tables_phys);
	for (unsigned i = 0; i < AHCI_SLOTS_MAX; i++)
		p->memory->headers[i].table = p->tables_phys + i * sizeof(struct ahci_table);
	return 0;
}

void ahci_port_free(struct ahci_port *p)
{
	if (p->memory_phys)
		frames_free(p->memory_phys, 0, NULL);
	if (p->tables_phys)
		frames_free(p->tables_phys, TABLES_ORDER, NULL);
}

/* Clears what is written as ones: what has been seen. */
static void clear(const struct ahci_port *p, unsigned offset)
{
	set(p, offset, get(p, offset));
}

void ahci_port_power_on(struct ahci_port *p)
{
	set(p, AHCI_PORT_IE, 0);
	set64(p, AHCI_PORT_CLB, p->memory_phys + offsetof(struct ahci_port_memory, headers));
	set64(p, AHCI_PORT_FB, p->memory_phys + offsetof(struct ahci_port_memory, received));
	set(p, AHCI_PORT_CMD,
	    get(p, AHCI_PORT_CMD) | AHCI_CMD_SPIN_UP | AHCI_CMD_POWER_ON | AHCI_CMD_ACTIVE);
	set(p, AHCI_PORT_CMD, get(p, AHCI_PORT_CMD) | AHCI_CMD_RECEIVE);
}

int ahci_port_stop(struct ahci_port *p)
{
	set(p, AHCI_PORT_CMD, get(p, AHCI_PORT_CMD) & ~AHCI_CMD_START);
	return wait_register(ahci_port_register(p, AHCI_PORT_CMD), AHCI_CMD_RUNNING, 0,
			     ENGINE_LIMIT_NS);
}

/* Once the disk is not busy, 10.3.1. */
int ahci_port_start(struct ahci_port *p)
{
	int err = wait_register(ahci_port_register(p, AHCI_PORT_TFD),
				ATA_STATUS_BUSY | ATA_STATUS_DRQ, 0, READY_LIMIT_NS);

	if (err)
		return err;
	clear(p, AHCI_PORT_SERR);
	clear(p, AHCI_PORT_IS);
	p->memory->received.bits_status = 0;
	set(p, AHCI_PORT_CMD, get(p, AHCI_PORT_CMD) | AHCI_CMD_START);
	return 0;
}

int ahci_port_reset(struct ahci_port *p)
{
	uint32_t control = get(p, AHCI_PORT_SCTL) & ~AHCI_DET;
	int err;

	(void)ahci_port_stop(p); /* one that does not stop does so at COMRESET */
	set(p, AHCI_PORT_SCTL, control | AHCI_DET_RESET);
	thread_sleep_ns(COMRESET_NS);
	set(p, AHCI_PORT_SCTL, control);
	err = wait_register(ahci_port_register(p, AHCI_PORT_SSTS), AHCI_DET, AHCI_DET_UP,
			    LINK_LIMIT_NS);
	if (err)
		return err;
	clear(p, AHCI_PORT_SERR); /* the bit that says that the link changed keeps frames out */
	err = ahci_port_stop(p);
	return err ? err : ahci_port_start(p);
}

void ahci_port_off(struct ahci_port *p)
{
	int err;

	set(p, AHCI_PORT_IE, 0);
	err = ahci_port_stop(p);
	set(p, AHCI_PORT_CMD, get(p, AHCI_PORT_CMD) & ~AHCI_CMD_RECEIVE);
	if (!err)
		err = wait_register(ahci_port_register(p, AHCI_PORT_CMD), AHCI_CMD_RECEIVING, 0,
				    ENGINE_LIMIT_NS);
	set(p, AHCI_PORT_SCTL, (get(p, AHCI_PORT_SCTL) & ~AHCI_DET) | AHCI_DET_OFF);
	if (!err)
		return;
	pci_disable(p->controller->pci, PCI_ENABLE_MASTER);
	if (err == -ETIMEDOUT)
		log_error(
			p->controller->name,
			"port %u does not stop: the controller may not reach memory any more, "
			"and its other disks stop too",
			p->index);
}

/* Until slot 0 is done. One that fails stays in CI. The task file says how it ended only then:
 * before, it is an earlier command's. */
static int wait_for_command(struct ahci_port *p, uint64_t limit_ns)
{
	uint64_t deadline_ns = clock_now_ns() + limit_ns;

	for (;;) {
		int err = wait_register(ahci_port_register(p, AHCI_PORT_CI), 1, 0, LOOK_NS);

		if (err == -ENODEV)
			return err;
		if (get(p, AHCI_PORT_IS) & AHCI_IS_ERRORS)
			return -EIO;
		if (!err)
			return get(p, AHCI_PORT_TFD) & ATA_STATUS_ERR ? -EIO : 0;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	}
}

int ahci_port_command(struct ahci_port *p, const struct ahci_command *command, unsigned bytes,
		      uint64_t limit_ns)
{
	struct ahci_header *header = &p->memory->headers[0];
	int err;

	p->tables[0].command = *command;
	p->tables[0].prds[0] = (struct ahci_prd){
		.address = p->memory_phys + offsetof(struct ahci_port_memory, answer),
		.count = bytes - 1,
	};
	header->flags = AHCI_FRAME_DWORDS;
	header->prd_count = bytes ? 1 : 0;
	header->bytes_done = 0;
	atomic_thread_fence(memory_order_release);
	set(p, AHCI_PORT_CI, 1);
	err = wait_for_command(p, limit_ns);
	if (err && err != -ENODEV && ahci_port_stop(p) == 0)
		(void)ahci_port_start(p);
	clear(p, AHCI_PORT_IS);
	return err;
}
