/* A guest's pair of 8259A at ports 0x20, 0xa0 and 0x4d0 (ELCR), and how the board wires PCI's
 * interrupts to them. Guarded by vm->irq_lock, which its functions take themselves. */
#ifndef KERNEL_VMM_VPIC_H
#define KERNEL_VMM_VPIC_H

#include "kernel/lib/types.h"

struct vm;
struct vpic;

#define VPIC_ISA_LINES 16
#define VPIC_SOURCES   24 /* those, and PCI's wires, numbered as at the I/O APIC */
#define VPIC_PCI_WIRES (VPIC_SOURCES - VPIC_ISA_LINES)

/* The IRQ that a PCI wire, 16 to 23, is soldered to: those that no ISA device here has. */
static inline unsigned vpic_pci_irq(unsigned wire)
{
	static const uint8_t irqs[] = {10, 11, 5};

	return irqs[wire % 3];
}

/* With ELCR as firmware leaves it: PCI's IRQs and the SCI's are levels. Adds itself to vm->pio;
 * NULL on failure. */
struct vpic *vpic_create(struct vm *vm);
void vpic_destroy(struct vpic *pic);
/* What a source drives: below VPIC_SOURCES, others are ignored. An IRQ is asserted as long as
 * one of its sources asserts it. */
void vpic_set_line(struct vpic *pic, unsigned source, bool level);
/* INTA cycle: the vector to deliver (spurious IRQ 7 where nothing is pending any more). Keeps
 * vm->pic_intr up to date; when INTR rises, the vCPUs whose LINT0 takes it are kicked. */
uint8_t vpic_acknowledge(struct vpic *pic);

#endif
