/* Where configuration space is: between pci.c and its parts only. Reading and writing it is
 * pci_read() and pci_write() of pci.h. */
#ifndef DRIVERS_BUS_PCI_INTERNAL_H
#define DRIVERS_BUS_PCI_INTERNAL_H

#include "kernel/io/acpi.h"
#include "kernel/lib/list.h"

struct pci_device;

struct pci_segment {
	uint16_t number;
	uint8_t bus_first, bus_last;
	volatile uint8_t *ecam; /* of bus 0, even where bus_first is higher; NULL: by ports */
};

/* Maps the MCFG's segments; segment 0 by ports where the MCFG has none. Thread context; once.
 */
void pci_config_init(void);
/* Segment number `index` of those found, or NULL. */
const struct pci_segment *pci_config_segment(unsigned index);

/* Puts every function of a segment on `devices`, by address, with its BARs (pci_scan.c). */
void pci_scan_segment(const struct pci_segment *segment, struct list *devices);

#endif
