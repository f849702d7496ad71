/* Reads and writes configuration space: ECAM (PCI Express Base 4.0, 7.2.2), or mechanism #1 by
 * ports (PCI Local Bus 3.0, 3.2.2.3.2). */
#include "drivers/bus/pci_internal.h"

#include "drivers/bus/pci.h"
#include "drivers/bus/pci_regs.h"
#include "kernel/cpu/port.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
#include "kernel/mem/hostmap.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  BIT(31)

#define PORTS_BYTES    256 /* of a function's space that ports reach */
#define ECAM_BYTES     4096
#define ECAM_BUS_SHIFT 20

static struct pci_segment segments[ACPI_SEGMENTS_MAX + 1];
static unsigned segment_count;
static struct spinlock ports_lock =
	SPINLOCK("PCI ports"); /* address port and data port are used as one */

static uint32_t bus_offset(const struct pci_device *d)
{
	return (uint32_t)d->bus << 8 | (uint32_t)d->device << 3 | d->function;
}

static uint32_t ones(unsigned bytes)
{
	return UINT32_MAX >> (32 - 8 * bytes);
}

static uint32_t port_read(const struct pci_device *d, unsigned offset, unsigned bytes)
{
	uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3));
	uint64_t flags = spin_lock_irqsave(&ports_lock);
	uint32_t value;

	outl(CONFIG_ADDRESS, (uint32_t)(CONFIG_ENABLE | bus_offset(d) << 8 | (offset & ~3u)));
	value = bytes == 1 ? inb(port) : bytes == 2 ? inw(port) : inl(port);
	spin_unlock_irqrestore(&ports_lock, flags);
	return value;
}

static void port_write(const struct pci_device *d, unsigned offset, unsigned bytes,
		       uint32_t value)
{
	uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3));
	uint64_t flags = spin_lock_irqsave(&ports_lock);

	outl(CONFIG_ADDRESS, (uint32_t)(CONFIG_ENABLE | bus_offset(d) << 8 | (offset & ~3u)));
	if (bytes == 1)
		outb(port, (uint8_t)value);
	else if (bytes == 2)
		outw(port, (uint16_t)value);
	else
		outl(port, value);
	spin_unlock_irqrestore(&ports_lock, flags);
}

static const struct pci_segment *find_segment(const struct pci_device *d)
{
	for (unsigned i = 0; i < segment_count; i++) {
		const struct pci_segment *s = &segments[i];

		if (s->number == d->segment && d->bus >= s->bus_first && d->bus <= s->bus_last)
			return s;
	}
	return NULL;
}

static volatile void *ecam_at(const struct pci_segment *s, const struct pci_device *d,
			      unsigned offset)
{
	return s->ecam + (uint64_t)bus_offset(d) * ECAM_BYTES + offset;
}

uint32_t pci_read(const struct pci_device *d, unsigned offset, unsigned bytes)
{
	const struct pci_segment *s = find_segment(d);
	volatile void *at;

	if (!s || offset + bytes > (s->ecam ? ECAM_BYTES : PORTS_BYTES))
		return ones(bytes);
	if (!s->ecam)
		return port_read(d, offset, bytes);
	at = ecam_at(s, d, offset);
	return bytes == 1   ? *(volatile uint8_t *)at
	       : bytes == 2 ? *(volatile uint16_t *)at
			    : *(volatile uint32_t *)at;
}

void pci_write(const struct pci_device *d, unsigned offset, unsigned bytes, uint32_t value)
{
	const struct pci_segment *s = find_segment(d);
	volatile void *at;

	if (!s || offset + bytes > (s->ecam ? ECAM_BYTES : PORTS_BYTES))
		return;
	if (!s->ecam) {
		port_write(d, offset, bytes, value);
		return;
	}
	at = ecam_at(s, d, offset);
	if (bytes == 1)
		*(volatile uint8_t *)at = (uint8_t)value;
	else if (bytes == 2)
		*(volatile uint16_t *)at = (uint16_t)value;
	else
		*(volatile uint32_t *)at = value;
}

/* Whether the space at `s` is the one that ports show: an MCFG may be wrong. Ports that show
 * nothing prove nothing. */
static bool agrees_with_ports(const struct pci_segment *s)
{
	struct pci_device first = {.bus = s->bus_first};
	uint32_t by_port = port_read(&first, PCI_VENDOR_ID, 4);

	return s->number != 0 || by_port == UINT32_MAX ||
	       by_port == *(volatile uint32_t *)ecam_at(s, &first, PCI_VENDOR_ID);
}

static void add_segment(const struct acpi_segment *found)
{
	struct pci_segment *s = &segments[segment_count];
	uint64_t skipped = (uint64_t)found->bus_first << ECAM_BUS_SHIFT;
	uint64_t bytes = (uint64_t)(found->bus_last - found->bus_first + 1) << ECAM_BUS_SHIFT;
	uint8_t *mapped;

	if (found->bus_last < found->bus_first)
		return;
	mapped = vmap(found->phys + skipped, bytes, PT_READ | PT_WRITE | PT_UNCACHED);
	if (!mapped) {
		log_error("pci", "no memory to map the configuration space of segment %u",
			  found->segment);
		return;
	}
	*s = (struct pci_segment){
		.number = found->segment,
		.bus_first = found->bus_first,
		.bus_last = found->bus_last,
		.ecam = mapped - skipped,
	};
	if (agrees_with_ports(s)) {
		segment_count++;
		return;
	}
	log_warn("pci", "the MCFG puts segment 0 at %#lx, where it is not: using ports",
		 found->phys);
	vmap_free(mapped);
}

void pci_config_init(void)
{
	static const struct pci_device anywhere_in_0;

	for (unsigned i = 0; i < acpi_machine.segment_count; i++)
		add_segment(&acpi_machine.segments[i]);
	if (!find_segment(&anywhere_in_0))
		segments[segment_count++] = (struct pci_segment){.bus_last = 0xff};
}

const struct pci_segment *pci_config_segment(unsigned index)
{
	return index < segment_count ? &segments[index] : NULL;
}
