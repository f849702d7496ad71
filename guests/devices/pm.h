/*
 * ACPI fixed hardware of a guest (ACPI 6.4, 4.8): PM1a event and control blocks, the PM timer
 * and the power button. ACPI mode is always on: there is no SMI command port.
 */
#ifndef GUESTS_DEVICES_PM_H
#define GUESTS_DEVICES_PM_H

#include "kernel/lib/types.h"

struct pm;
struct board;

/* Where the FADT says the blocks are. */
#define PM1A_EVT_PORT  0x600
#define PM1A_EVT_BYTES 4
#define PM1A_CNT_PORT  0x604
#define PM1A_CNT_BYTES 2
#define PM_TMR_PORT    0x608
#define PM_TMR_BYTES   4
#define PM_TMR_HZ      3579545
#define PM_SCI_GSI     9
#define PM_S5_SLP_TYP  5 /* as \_S5 in dsdt.asl */

/* Adds itself to board->pio. NULL when out of memory or when the ports are taken (logged). */
struct pm *pm_create(const struct board *board);
void pm_destroy(struct pm *pm); /* the VM runs no more */

/* Presses the power button for a moment: asks the guest to shut itself down. Returns whether
 * the guest has enabled the button's event, that is, whether anyone listens. Any context. */
bool pm_power_button(struct pm *pm);

/* The same, and until it is taken back the button is pressed again whenever the guest begins to
 * listen: a driver clears the event before it enables it. Any context. */
void pm_power_keep(struct pm *pm, bool keep);

/* How the guest takes its power button. */
enum pm_listener {
	PM_DEAF,    /* it never enabled the button's event */
	PM_UNREAD,  /* it did, and has not cleared the last one */
	PM_LISTENS, /* it did, and there is no event that it has not cleared */
};
enum pm_listener pm_power_listener(struct pm *pm); /* any context */

#endif
