/*
 * pvpanic, by which a guest's kernel says that it panicked (QEMU, docs/specs/pvpanic.rst): one
 * port, which the DSDT names as QEMU0001. Linux has had a driver for that since 3.12, for the
 * PCI variant only since 5.13.
 */
#ifndef GUESTS_DEVICES_PVPANIC_H
#define GUESTS_DEVICES_PVPANIC_H

#include "kernel/lib/types.h"

struct pvpanic;
struct board;

#define PVPANIC_PORT 0x505 /* as in dsdt.asl */

/* Adds itself to board->pio. NULL when out of memory or when the port is taken (logged). */
struct pvpanic *pvpanic_create(const struct board *board);
void pvpanic_destroy(struct pvpanic *pvpanic); /* the VM runs no more */

/* Whether the guest's kernel panicked and has left all else to a crash kernel of its own
 * (kdump), which runs, or did. Any context. */
bool pvpanic_crash_kernel(const struct pvpanic *pvpanic);

#endif
