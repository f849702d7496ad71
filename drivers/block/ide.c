/* IDE controllers on PCI with a bus master: their channels' ports and interrupts, in
 * compatibility or native mode (PCI IDE Controller Specification 1.0). Channels are
 * ide_channel.c. */
#include "drivers/block/ide.h"

#include <errno.h>
#include <stdio.h>

#include "drivers/block/ide_channel.h"
#include "drivers/bus/pci.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"

#define CLASS_IDE	     0x0101 /* class and subclass */
#define INTERFACE_BUS_MASTER 0x80
#define INTERFACE_NATIVE(n)  (0x01u << 2 * (n)) /* channel n has BARs and the pin */

#define CHANNELS	     2
#define BAR_BUS_MASTER	     4
#define BUS_MASTER_BYTES     8 /* of a channel */
#define NATIVE_CONTROL	     2 /* in its BAR, where the control port is */

/* Compatibility mode: 2.1. */
static const struct {
	uint16_t command, control;
	uint8_t irq;
} compatible[CHANNELS] = {{0x1f0, 0x3f6, 14}, {0x170, 0x376, 15}};

struct ide {
	struct pci_device *pci;
	struct ide_channel channels[CHANNELS];
	bool used[CHANNELS];
};

static bool is_native(const struct ide *ide, unsigned n)
{
	return ide->pci->class_code & INTERFACE_NATIVE(n);
}

static void set_ports(struct ide *ide, unsigned n)
{
	const struct pci_bar *bars = ide->pci->bars;
	struct ide_channel *c = &ide->channels[n];

	c->command = is_native(ide, n) ? (uint16_t)bars[2 * n].address : compatible[n].command;
	c->control = is_native(ide, n) ? (uint16_t)(bars[2 * n + 1].address + NATIVE_CONTROL)
				       : compatible[n].control;
	c->bus_master = (uint16_t)(bars[BAR_BUS_MASTER].address + n * BUS_MASTER_BYTES);
}

static bool has_ports(const struct ide *ide, unsigned n)
{
	const struct pci_bar *bars = ide->pci->bars;

	return !is_native(ide, n) || (bars[2 * n].io && bars[2 * n].address &&
				      bars[2 * n + 1].io && bars[2 * n + 1].address);
}

/* Both channels' in native mode. */
static bool on_pin(void *arg)
{
	struct ide *ide = arg;
	bool any = false;

	for (unsigned n = 0; n < CHANNELS; n++)
		if (ide->used[n] && is_native(ide, n))
			any |= ide_channel_interrupt(&ide->channels[n]);
	return any;
}

static int connect(struct ide *ide)
{
	bool native = false;
	int err = 0;

	for (unsigned n = 0; n < CHANNELS && !err; n++) {
		if (ide->used[n] && is_native(ide, n))
			native = true;
		else if (ide->used[n])
			err = irq_connect_isa(compatible[n].irq, ide_channel_interrupt,
					      &ide->channels[n]);
	}
	if (err || !native)
		return err;
	err = pci_irq_setup(ide->pci, 1);
	return err < 0 ? err : pci_irq_connect(ide->pci, 0, 0, on_pin, ide);
}

/* Names are given, and disks registered, in the order of channels and drives. */
static void name_drives(struct ide_channel *c)
{
	static unsigned count; /* probing is on one thread */

	for (unsigned i = 0; i < IDE_DRIVES; i++)
		if (c->drives[i].present)
			snprintf(c->drives[i].dev.name, sizeof(c->drives[i].dev.name), "ide%u",
				 count++);
}

static void register_drives(struct ide_channel *c)
{
	ide_channel_go(c);
	for (unsigned i = 0; i < IDE_DRIVES; i++)
		if (c->drives[i].present)
			blkdev_register(&c->drives[i].dev);
}

static unsigned find_channels(struct ide *ide)
{
	unsigned count = 0;

	for (unsigned n = 0; n < CHANNELS; n++) {
		if (!has_ports(ide, n))
			continue;
		set_ports(ide, n);
		ide->used[n] = ide_channel_find(&ide->channels[n], ide->pci->name, n);
		count += ide->used[n];
	}
	return count;
}

static int start_channels(struct ide *ide)
{
	int err = 0;

	for (unsigned n = 0; n < CHANNELS && !err; n++) {
		if (!ide->used[n])
			continue;
		name_drives(&ide->channels[n]);
		err = ide_channel_init(&ide->channels[n]);
	}
	if (!err)
		err = connect(ide);
	for (unsigned n = 0; n < CHANNELS && !err; n++)
		if (ide->used[n])
			register_drives(&ide->channels[n]);
	return err;
}

/* Threads and interrupts stay, and so does the memory that they use. */
static void give_up(struct ide *ide)
{
	bool stays = false;

	pci_disable(ide->pci, PCI_ENABLE_MASTER);
	for (unsigned n = 0; n < CHANNELS; n++) {
		if (!ide->used[n])
			continue;
		ide_channel_stop(&ide->channels[n]);
		stays |= ide->channels[n].host.thread != NULL;
	}
	if (!stays)
		heap_free(ide);
}

static int probe(struct pci_device *pci)
{
	struct ide *ide = heap_zalloc(sizeof(*ide), NULL);
	int err;

	if (!ide)
		return -ENOMEM;
	ide->pci = pci;
	pci_enable(pci, PCI_ENABLE_IO);
	if (!find_channels(ide)) {
		heap_free(ide);
		return -ENODEV;
	}
	pci_enable(pci, PCI_ENABLE_MASTER); /* not before: firmware may have left it on */
	err = start_channels(ide);
	if (err) {
		log_error("ide", "%s: not usable: error %d", pci->name, err);
		give_up(ide);
	}
	return err;
}

static bool match(const struct pci_device *pci)
{
	const struct pci_bar *bar = &pci->bars[BAR_BUS_MASTER];

	return pci->class_code >> 8 == CLASS_IDE && pci->class_code & INTERFACE_BUS_MASTER &&
	       bar->io && bar->address;
}

const struct pci_driver ide_driver = {.name = "ide", .match = match, .probe = probe};
