/* Functions of PCI bus 0, through ports 0xcf8 and 0xcfc (PCI 3.0, 3.2.2.3.2), as firmware left
 * them. One function for each slot. */
#ifndef TESTS_GUEST_LIB_PCI_H
#define TESTS_GUEST_LIB_PCI_H

#include "tests/guest/lib/cpu.h"

#define PCI_SLOTS   32
#define PCI_COMMAND 0x04

/* 1, 2 or 4 bytes, aligned. */
uint32_t pci_read(unsigned slot, unsigned offset, unsigned bytes);
void pci_write(unsigned slot, unsigned offset, unsigned bytes, uint32_t value);

/* The next capability of kind `id` behind the one at `after` (0: the first), or 0. */
unsigned pci_capability(unsigned slot, uint8_t id, unsigned after);

/* Where a BAR is, below 4 GiB; *ports: it is of ports. 0: there is none. */
uint32_t pci_bar(unsigned slot, unsigned bar, bool *ports);

#endif
