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

/* A device's handler: with interrupts off, must not sleep. Returns whether the device had asked
 * for it, which a device that shares its line must find out. */
typedef bool (*irq_handler)(void *arg);

/*
 * Leads the pin `gsi` (global system interrupt, ACPI 6.5 5.2.14) to CPU 0 and unmasks it. Pins
 * that are level-triggered may be connected by several, each of whom is called then. One that
 * interrupts again and again with nobody's device asking is masked, and the log says so.
 * -ENOSPC: no vector left, -EBUSY: connected already, and edge or another mode, -ENXIO: no I/O
 * APIC has it, -ENOMEM. For good: there is no disconnecting.
 */
int irq_connect(uint32_t gsi, enum irq_mode mode, irq_handler handler, void *arg);

/* The same for an ISA interrupt 0..15, with the MADT's overrides. */
int irq_connect_isa(unsigned isa_irq, irq_handler handler, void *arg);

#endif
