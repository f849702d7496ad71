/*
 * Finds functions and the sizes of their BARs. Every bus number is tried, as firmware has
 * numbered the buses behind all bridges, and only AML would tell how many roots there are.
 */
#include "drivers/bus/pci_internal.h"

#include <stdio.h>

#include "drivers/bus/pci.h"
#include "drivers/bus/pci_regs.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"

#define DEVICES_PER_BUS	     32
#define FUNCTIONS_PER_DEVICE 8

/* BARs in each kind of header: a device's, a PCI bridge's; a CardBus bridge's are not its
 * windows' only use, and nobody here drives one. */
static unsigned bar_count(const struct pci_device *d)
{
	static const unsigned counts[] = {PCI_BARS, 2};
	unsigned kind = d->header_type & PCI_HEADER_KIND;

	return kind < ARRAY_SIZE(counts) ? counts[kind] : 0;
}

/* Writes ones and sees which bits stay 0 (PCI 3.0, 6.2.5.1). Decoding is off. */
static uint32_t bar_mask(const struct pci_device *d, unsigned offset, uint32_t was)
{
	uint32_t mask;

	pci_write(d, offset, 4, UINT32_MAX);
	mask = pci_read(d, offset, 4);
	pci_write(d, offset, 4, was);
	return mask;
}

/* Reads one BAR; returns how many of the six registers it takes. */
static unsigned read_bar(const struct pci_device *d, unsigned index, struct pci_bar *bar)
{
	unsigned offset = PCI_BAR0 + 4 * index;
	uint32_t low = pci_read(d, offset, 4);
	uint64_t mask = bar_mask(d, offset, low), address = low;
	bool wide = !(low & PCI_BAR_IO) && (low & PCI_BAR_TYPE) == PCI_BAR_64 &&
		    index + 1 < bar_count(d);

	if (low & PCI_BAR_IO) {
		/* The upper half may be wired to 0: ports have 16 bits. */
		mask = (mask | 0xffff0000) & ~(uint64_t)PCI_BAR_IO_FLAGS;
		address &= ~(uint64_t)PCI_BAR_IO_FLAGS;
	} else {
		mask &= ~(uint64_t)PCI_BAR_MEMORY_FLAGS;
		address &= ~(uint64_t)PCI_BAR_MEMORY_FLAGS;
	}
	if (wide) {
		uint32_t high = pci_read(d, offset + 4, 4);

		mask |= (uint64_t)bar_mask(d, offset + 4, high) << 32;
		address |= (uint64_t)high << 32;
	} else if (mask) {
		mask |= 0xffffffff00000000;
	}
	if (mask)
		*bar = (struct pci_bar){address, ~mask + 1, low & PCI_BAR_IO};
	return wide ? 2 : 1;
}

/*
 * Sizes the BARs with decoding off, so that a BAR full of ones claims nobody's addresses. Host
 * bridges are left alone: the way to memory may lead through one. Disks' and networks' devices
 * also lose the right to write to memory until a driver gives it back: firmware may have left
 * one running, into memory that is a guest's now.
 */
static void read_bars(struct pci_device *d)
{
	uint32_t command = pci_read(d, PCI_COMMAND, 2);
	uint32_t class = d->class_code >> 16;

	if (d->class_code >> 8 == PCI_CLASS_HOST_BRIDGE)
		return;
	if (class == PCI_CLASS_STORAGE || class == PCI_CLASS_NETWORK)
		command &= ~PCI_COMMAND_MASTER;
	pci_write(d, PCI_COMMAND, 2, command & ~PCI_COMMAND_DECODE);
	for (unsigned i = 0; i < bar_count(d);)
		i += read_bar(d, i, &d->bars[i]);
	pci_write(d, PCI_COMMAND, 2, command);
}

static void name_device(struct pci_device *d)
{
	if (d->segment)
		snprintf(d->name, sizeof(d->name), "pci:%04x:%02x:%02x.%x", d->segment, d->bus,
			 d->device, d->function);
	else
		snprintf(d->name, sizeof(d->name), "pci:%02x:%02x.%x", d->bus, d->device,
			 d->function);
}

static void read_header(struct pci_device *d)
{
	d->vendor_id = (uint16_t)pci_read(d, PCI_VENDOR_ID, 2);
	d->device_id = (uint16_t)pci_read(d, PCI_DEVICE_ID, 2);
	d->class_code = pci_read(d, PCI_REVISION, 4) >> 8;
	d->header_type = (uint8_t)pci_read(d, PCI_HEADER_TYPE, 1);
	if ((d->header_type & PCI_HEADER_KIND) == 0)
		d->subsystem_id = (uint16_t)pci_read(d, PCI_SUBSYSTEM_ID, 2);
}

/* Adds the function at this address, if there is one. Returns its header type, or -1. */
static int scan_function(const struct pci_device *address, struct list *devices)
{
	uint32_t vendor = pci_read(address, PCI_VENDOR_ID, 2);
	struct pci_device *d;

	if (vendor == 0xffff || vendor == 0)
		return -1;
	d = heap_zalloc(sizeof(*d), NULL);
	if (!d) {
		log_error("pci", "no memory for function %x.%x of bus %x", address->device,
			  address->function, address->bus);
		return -1;
	}
	*d = *address;
	name_device(d);
	read_header(d);
	read_bars(d);
	list_push_back(devices, &d->link);
	return d->header_type;
}

static void scan_device(struct pci_device *at, struct list *devices)
{
	int type;

	at->function = 0;
	type = scan_function(at, devices);
	if (type < 0 || !(type & PCI_HEADER_MULTIFUNCTION))
		return;
	for (at->function = 1; at->function < FUNCTIONS_PER_DEVICE; at->function++)
		scan_function(at, devices);
}

void pci_scan_segment(const struct pci_segment *segment, struct list *devices)
{
	struct pci_device at = {.segment = segment->number};

	for (unsigned bus = segment->bus_first; bus <= segment->bus_last; bus++) {
		at.bus = (uint8_t)bus;
		for (at.device = 0; at.device < DEVICES_PER_BUS; at.device++)
			scan_device(&at, devices);
	}
}
