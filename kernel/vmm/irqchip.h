/*
 * The interrupt controllers of a VM, as its devices see them: wires to raise and lower, and a
 * place where messages are written to. What controllers these are, and how wires reach them, is
 * up to whoever fills in the operations: kernel/vmm/pc_irqs.c.
 */
#ifndef KERNEL_VMM_IRQCHIP_H
#define KERNEL_VMM_IRQCHIP_H

#include "kernel/lib/types.h"

#define IRQCHIP_ISA_LINES 16
#define IRQCHIP_LINES	  24 /* those, and PCI's wires */

struct irqchip_ops {
	void (*set)(void *controllers, unsigned line, bool level);
	void (*msi)(void *controllers, uint64_t address, uint32_t data);
	/* A local APIC passes on the EOI of a level-triggered vector. */
	void (*eoi)(void *controllers, uint8_t vector);
};

/* Fixed before the VM starts. */
struct irqchip {
	const struct irqchip_ops *ops;
	void *controllers;
};

/*
 * A wire as a device drives it, asserted or not: lines 0 to 15 are ISA's IRQs, 16 to 23 PCI's
 * wires; others are ignored. Any context; a device's own lock may be held, as it must be where
 * two CPUs could drive the wire in another order than they decided in.
 */
static inline void irqchip_set(const struct irqchip *irqs, unsigned line, bool level)
{
	irqs->ops->set(irqs->controllers, line, level);
}

static inline void irqchip_raise(const struct irqchip *irqs, unsigned line)
{
	irqchip_set(irqs, line, true);
}

static inline void irqchip_lower(const struct irqchip *irqs, unsigned line)
{
	irqchip_set(irqs, line, false);
}

/* A message-signalled interrupt: address and data as the guest told its device to write them
 * (SDM vol. 3A 10.11); what names no CPU goes nowhere. Any context, as above. */
static inline void irqchip_msi(const struct irqchip *irqs, uint64_t address, uint32_t data)
{
	irqs->ops->msi(irqs->controllers, address, data);
}

/* For local APICs. On the vCPU's thread. */
static inline void irqchip_eoi(const struct irqchip *irqs, uint8_t vector)
{
	irqs->ops->eoi(irqs->controllers, vector);
}

#endif
