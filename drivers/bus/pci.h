/*
 * The machine's PCI: finding functions, reading and writing their configuration space (ECAM
 * where the MCFG has it, else ports 0xcf8 and 0xcfc), their BARs and interrupts. Not a guest's
 * PCI: that is guests/pci. Addresses: PCI Local Bus 3.0; PCI Express Base 4.0.
 */
#ifndef DRIVERS_BUS_PCI_H
#define DRIVERS_BUS_PCI_H

#include "kernel/io/functions.h"
#include "kernel/io/irq.h"
#include "kernel/lib/list.h"
#include "kernel/lib/types.h"

#define PCI_BARS 6

struct pci_bar {
	uint64_t address; /* as firmware set it; 0: not there or not set */
	uint64_t bytes;
	bool io;
};

struct pci_device {
	uint16_t segment;
	uint8_t bus, device, function;
	uint16_t vendor_id, device_id, subsystem_id;
	uint32_t class_code; /* class, subclass, programming interface: 24 bits */
	uint8_t header_type;
	struct pci_bar bars[PCI_BARS];
	char name[24]; /* "pci:00:03.0"; "pci:0001:00:03.0" in another segment */
	const struct pci_driver *driver; /* NULL: nobody's */
	struct pci_irqs *irqs;		 /* pci.c's own */
	struct list link;
};

/* `probe` takes the device (0) or leaves it (negative errno, with the reason logged). Thread
 * context; may sleep. */
struct pci_driver {
	const char *name;
	bool (*match)(const struct pci_device *device);
	int (*probe)(struct pci_device *device);
};

/* Finds every function behind every bridge. Thread context. Once. */
void pci_init(void);
/* Offers each function to the drivers in turn. After pci_init(). */
void pci_probe(const struct pci_driver *const *drivers, unsigned count);
struct pci_device *pci_at(unsigned index); /* NULL at the end */
/* The same for reports: as functions_at() (kernel/io/functions.h). */
bool pci_describe(unsigned index, struct machine_function *function);

/* Configuration space; `bytes` 1, 2 or 4, aligned. What lies beyond 256 bytes without ECAM
 * reads as ones. Any context. */
uint32_t pci_read(const struct pci_device *device, unsigned offset, unsigned bytes);
void pci_write(const struct pci_device *device, unsigned offset, unsigned bytes,
	       uint32_t value);
/* Offset of a capability (PCI 3.0, 6.7), the first or the next after `after`; 0: none. */
unsigned pci_capability(const struct pci_device *device, uint8_t id, unsigned after);

enum { PCI_ENABLE_IO = 1, PCI_ENABLE_MEMORY = 2, PCI_ENABLE_MASTER = 4 };
void pci_enable(struct pci_device *device, unsigned what);
void pci_disable(struct pci_device *device, unsigned what);

/* Maps a memory BAR, uncached. NULL where there is none or no memory. Thread context. */
volatile void *pci_map_bar(struct pci_device *device, unsigned bar);

/* The same for registers of at least `bytes`, which answer from now on. */
static inline volatile void *pci_map_registers(struct pci_device *device, unsigned bar,
					       uint64_t bytes)
{
	pci_enable(device, PCI_ENABLE_MEMORY);
	return device->bars[bar].bytes >= bytes ? pci_map_bar(device, bar) : NULL;
}

/*
 * Interrupts: MSI-X, else MSI, else the pin (whose handlers may be shared, so that a handler
 * must find out whether it was meant). Asks for `wanted` of them; each is `connected` to a CPU
 * and a handler before it can come. Returns how many there are, 1 at least; -ENODEV (it has
 * none that works), -ENOMEM: the reason is logged. Once for each device that is driven.
 */
int pci_irq_setup(struct pci_device *device, unsigned wanted);
/* Once for each. `cpu`: index of the CPU to interrupt; the pin's, and what no message can reach
 * (APIC IDs above 254), come to CPU 0. `index` below what pci_irq_setup() returned. 0, -ENOSPC
 * (no vector left), -ENOMEM, or what irq_connect() says. */
int pci_irq_connect(struct pci_device *device, unsigned index, unsigned cpu,
		    irq_handler handler, void *arg);
bool pci_irq_is_message(const struct pci_device *device); /* false: the pin, shared */

#endif
