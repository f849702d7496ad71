/*
 * The host's I/O APICs: interrupts of devices that have pins. Message-signalled interrupts need
 * none of this, only a vector (kernel/cpu/traps.h).
 */
#ifndef KERNEL_IO_IRQ_H
#define KERNEL_IO_IRQ_H

#include "kernel/cpu/traps.h"

/* Masks the 8259s and every pin of the MADT's I/O APICs. After acpi_init(), once. Returns 0,
 * or -ENODEV where there is no I/O APIC; then connecting fails too. */
int irq_init(void);

enum irq_mode { IRQ_EDGE_HIGH, IRQ_EDGE_LOW, IRQ_LEVEL_HIGH, IRQ_LEVEL_LOW };

/* Takes a vector for the pin `gsi` (global system interrupt, ACPI 6.5 5.2.14), leads it to
 * CPU 0 and unmasks it. -ENOSPC: no vector left, -EBUSY: connected already, -ENXIO: no I/O APIC
 * has it. */
int irq_connect(uint32_t gsi, enum irq_mode mode, trap_handler handler, void *arg);

/* The same for an ISA interrupt 0..15, with the MADT's overrides. */
int irq_connect_isa(unsigned isa_irq, trap_handler handler, void *arg);

void irq_mask(uint32_t gsi);
void irq_unmask(uint32_t gsi);

#endif
