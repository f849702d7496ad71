/* The controller: taking it over from firmware, resetting it (AHCI 1.3.1, 10.4.3 and 10.6),
 * finding its ports' disks, and the one interrupt of all ports. */
#include "drivers/block/ahci/ahci.h"

#include <errno.h>
#include <stdio.h>

#include "drivers/block/ahci/internal.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/thread.h"

#define CLASS_AHCI	 0x010601
#define ABAR		 5
#define REGISTERS_BYTES	 (AHCI_PORT0 + AHCI_PORT_BYTES)
#define HANDOFF_LIMIT_NS (2 * NSEC_PER_SEC)
#define RESET_LIMIT_NS	 (1 * NSEC_PER_SEC)
#define LINK_LIMIT_NS	 (1 * NSEC_PER_SEC)

static const struct block_host_ops host_ops = {
	.start = ahci_start,
	.ring = ahci_ring,
	.reap = ahci_reap,
	.check = ahci_check,
	.reset = ahci_recover,
	.lost = ahci_lost,
	.shutdown = ahci_shutdown,
};

static uint32_t get(const struct ahci_controller *c, unsigned offset)
{
	return *ahci_register(c, offset);
}

static void set(const struct ahci_controller *c, unsigned offset, uint32_t value)
{
	*ahci_register(c, offset) = value;
}

/* Of each port whose interrupt came. Ports' causes first, then the HBA's: 10.7.2.1. */
static bool on_interrupt(void *arg)
{
	struct ahci_controller *c = arg;
	uint32_t status = get(c, AHCI_IS);

	if (!status || status == WAIT_ABSENT)
		return false;
	for (uint32_t rest = status; rest; rest &= rest - 1) {
		struct ahci_port *p = c->ports[__builtin_ctz(rest)];

		if (p)
			block_queue_interrupt(&p->queue);
	}
	set(c, AHCI_IS, status);
	return true;
}

/* From firmware that still serves the disks in its own way, 10.6.3. */
static void take_over(struct ahci_controller *c)
{
	set(c, AHCI_GHC, get(c, AHCI_GHC) | AHCI_GHC_ENABLE);
	if (!(get(c, AHCI_CAP2) & AHCI_CAP2_HANDOFF))
		return;
	set(c, AHCI_BOHC, get(c, AHCI_BOHC) | AHCI_BOHC_OS_OWNS);
	if (wait_register(ahci_register(c, AHCI_BOHC),
			  AHCI_BOHC_BIOS_OWNS | AHCI_BOHC_BIOS_BUSY, 0, HANDOFF_LIMIT_NS))
		log_warn(c->name, "the firmware does not give it up: taken all the same");
}

static volatile uint32_t *port_register(const struct ahci_controller *c, unsigned port,
					unsigned offset)
{
	return ahci_register(c, AHCI_PORT0 + port * AHCI_PORT_BYTES + offset);
}

/* Ports with a device: firmware has had the links come up long ago. */
static uint32_t find_devices(const struct ahci_controller *c)
{
	uint32_t implemented = get(c, AHCI_PI), found = 0;

	for (unsigned i = 0; i < AHCI_PORTS_MAX; i++) {
		if (!(implemented >> i & 1) ||
		    AHCI_PORT0 + (i + 1) * AHCI_PORT_BYTES > c->pci->bars[ABAR].bytes)
			continue;
		if ((*port_register(c, i, AHCI_PORT_SSTS) & AHCI_DET) != AHCI_DET_NONE)
			found |= 1u << i;
	}
	return found;
}

static int reset(struct ahci_controller *c)
{
	int err;

	set(c, AHCI_GHC, get(c, AHCI_GHC) | AHCI_GHC_RESET);
	err = wait_register(ahci_register(c, AHCI_GHC), AHCI_GHC_RESET, 0, RESET_LIMIT_NS);
	if (!err)
		set(c, AHCI_GHC, get(c, AHCI_GHC) | AHCI_GHC_ENABLE);
	return err;
}

static struct ahci_port *create_port(struct ahci_controller *c, unsigned index)
{
	struct ahci_port *p = heap_zalloc(sizeof(*p), NULL);

	if (!p)
		return NULL;
	p->controller = c;
	p->index = index;
	p->registers = (volatile char *)port_register(c, index, 0);
	p->host.ops = &host_ops;
	p->interrupts = AHCI_IS_FRAMES | AHCI_IS_CHANGED | AHCI_IS_ERRORS;
	if (ahci_port_alloc(p)) {
		heap_free(p);
		return NULL;
	}
	return p;
}

/* What is no disk is told to be silent, and its port's memory is not used any more. */
static void drop_port(struct ahci_port *p)
{
	ahci_port_off(p);
	p->host.lost = true;
	if (p->host.thread)
		return; /* which has a pointer to it */
	ahci_port_free(p);
	heap_free(p);
}

static void add_ports(struct ahci_controller *c, uint32_t found)
{
	struct ahci_port *ports[AHCI_PORTS_MAX] = {0};

	/* All links come up at the same time. */
	for (uint32_t rest = found; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctz(rest);

		ports[i] = create_port(c, i);
		if (ports[i])
			ahci_port_power_on(ports[i]);
	}
	for (unsigned i = 0; i < AHCI_PORTS_MAX; i++) {
		if (!ports[i])
			continue;
		(void)wait_register(port_register(c, i, AHCI_PORT_SSTS), AHCI_DET, AHCI_DET_UP,
				    LINK_LIMIT_NS);
		*port_register(c, i, AHCI_PORT_SERR) = UINT32_MAX;
		if (ahci_disk_init(ports[i]) == 0)
			c->ports[i] = ports[i];
		else
			drop_port(ports[i]);
	}
}

static int connect(struct ahci_controller *c)
{
	unsigned cpu = cpumask_next(sched_housekeeping(), 0);
	int err = pci_irq_setup(c->pci, 1);

	if (err < 0)
		return err;
	err = pci_irq_connect(c->pci, 0, cpu, on_interrupt, c);
	if (err)
		return err;
	set(c, AHCI_IS, UINT32_MAX);
	set(c, AHCI_GHC, get(c, AHCI_GHC) | AHCI_GHC_INTERRUPTS);
	for (unsigned i = 0; i < AHCI_PORTS_MAX; i++)
		if (c->ports[i])
			*port_register(c, i, AHCI_PORT_IE) = c->ports[i]->interrupts;
	return 0;
}

/* Disks become known, or, without an interrupt, are let go. Returns how many there are. */
static unsigned register_disks(struct ahci_controller *c, bool connected)
{
	unsigned disks = 0;

	for (unsigned i = 0; i < AHCI_PORTS_MAX; i++) {
		struct ahci_port *p = c->ports[i];

		if (p && connected) {
			disks++;
			blkdev_register(&p->dev);
		} else if (p) {
			drop_port(p);
		}
	}
	return disks;
}

static int start(struct ahci_controller *c)
{
	uint32_t found;
	int err;

	take_over(c);
	c->cap = get(c, AHCI_CAP);
	c->slots = AHCI_CAP_SLOTS(c->cap);
	if (!(c->cap & AHCI_CAP_64)) {
		log_warn(c->name, "it has no 64-bit addresses: not used");
		return -ENODEV;
	}
	found = find_devices(c);
	if (!found)
		return -ENODEV; /* every chipset has one, and many are empty */
	err = reset(c);
	if (err) {
		log_error(c->name, "it does not end its reset: not used");
		return err;
	}
	pci_enable(c->pci, PCI_ENABLE_MASTER);
	add_ports(c, found);
	err = connect(c);
	if (err)
		log_error(c->name, "no interrupt for it: not used");
	return register_disks(c, !err) ? 0 : -ENODEV;
}

static bool match(const struct pci_device *d)
{
	return d->class_code == CLASS_AHCI;
}

static int probe(struct pci_device *d)
{
	struct ahci_controller *c = heap_zalloc(sizeof(*c), NULL);
	int err = -ENOMEM;

	if (c)
		c->registers = pci_map_registers(d, ABAR, REGISTERS_BYTES);
	if (!c || !c->registers) {
		log_error("ahci", "%s: its registers can't be mapped", d->name);
		heap_free(c);
		return err;
	}
	c->pci = d;
	snprintf(c->name, sizeof(c->name), "ahci %s", d->name);
	err = start(c);
	if (!err)
		return 0;
	pci_disable(d, PCI_ENABLE_MASTER);
	vmap_free((void *)c->registers);
	heap_free(c);
	return err;
}

const struct pci_driver ahci_driver = {.name = "ahci", .match = match, .probe = probe};
