/* The list of the machine's PCI functions, who drives them, and what drivers need of a function
 * besides interrupts (pci_irq.c). */
#include "drivers/bus/pci.h"

#include <string.h>

#include "drivers/bus/pci_internal.h"
#include "drivers/bus/pci_regs.h"
#include "kernel/lib/plural.h"
#include "kernel/log/log.h"
#include "kernel/mem/hostmap.h"

static struct list devices = {&devices, &devices}; /* constant after pci_init() */

void pci_init(void)
{
	const struct pci_segment *segment;
	unsigned count = 0;

	pci_config_init();
	for (unsigned i = 0; (segment = pci_config_segment(i)); i++)
		pci_scan_segment(segment, &devices);
	list_for_each(d, &devices, struct pci_device, link) count++;
	segment = pci_config_segment(0);
	log_info("pci", "%u function%s, configured by %s", count, plural(count),
		 segment->ecam ? "memory (ECAM)" : "ports");
}

static void offer(struct pci_device *d, const struct pci_driver *const *drivers, unsigned count)
{
	for (unsigned i = 0; i < count && !d->driver; i++)
		if (drivers[i]->match(d) && drivers[i]->probe(d) == 0)
			d->driver = drivers[i];
}

void pci_probe(const struct pci_driver *const *drivers, unsigned count)
{
	list_for_each(d, &devices, struct pci_device, link) offer(d, drivers, count);
}

struct pci_device *pci_at(unsigned index)
{
	list_for_each(d, &devices, struct pci_device, link)
	{
		if (index-- == 0)
			return d;
	}
	return NULL;
}

bool pci_describe(unsigned index, struct machine_function *function)
{
	const struct pci_device *device = pci_at(index);

	if (!device)
		return false;
	*function = (struct machine_function){
		.vendor_id = device->vendor_id,
		.device_id = device->device_id,
		.class_code = device->class_code,
		.driver = device->driver ? device->driver->name : NULL,
	};
	memcpy(function->name, device->name, sizeof function->name);
	return true;
}

/* A list that is a loop, or a device that reads as ones, ends all the same. */
unsigned pci_capability(const struct pci_device *d, uint8_t id, unsigned after)
{
	unsigned at = after ? after + 1 : PCI_CAPABILITIES;

	if (!(pci_read(d, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES))
		return 0;
	for (unsigned i = 0; i < PCI_CAPABILITIES_MAX; i++) {
		unsigned offset = pci_read(d, at, 1) & ~3u;

		if (offset < PCI_CAPABILITIES_FIRST)
			return 0;
		if (pci_read(d, offset, 1) == id)
			return offset;
		at = offset + 1;
	}
	return 0;
}

void pci_enable(struct pci_device *d, unsigned what)
{
	pci_write(d, PCI_COMMAND, 2, pci_read(d, PCI_COMMAND, 2) | what);
}

void pci_disable(struct pci_device *d, unsigned what)
{
	pci_write(d, PCI_COMMAND, 2, pci_read(d, PCI_COMMAND, 2) & ~what);
}

volatile void *pci_map_bar(struct pci_device *d, unsigned bar)
{
	const struct pci_bar *b = &d->bars[bar];

	if (b->io || !b->address || !b->bytes)
		return NULL;
	return vmap(b->address, b->bytes, PT_READ | PT_WRITE | PT_UNCACHED);
}
