/*
 * The guest's hardware watchdog, as an ACPI table describes it (WDAT: Microsoft's "Hardware
 * Watchdog Timers Design Specification", 2006): a counter that ends the VM at 0 unless the
 * guest reloads it in time. Five registers of 32 bits, which answer to nothing narrower.
 */
#ifndef GUESTS_DEVICES_WATCHDOG_H
#define GUESTS_DEVICES_WATCHDOG_H

#include "kernel/lib/types.h"

struct watchdog;
struct board;

#define WATCHDOG_CONTROL_PORT	0x620 /* bit 0: it counts; writing it there reloads it, too */
#define WATCHDOG_COUNT_PORT	0x624 /* it begins with: 1 to WATCHDOG_COUNT_MAX periods */
#define WATCHDOG_REMAINING_PORT 0x628 /* where it is now, rounded up; read-only */
#define WATCHDOG_RELOAD_PORT	0x62c /* written, whatever is: begin anew; reads as 0 */
#define WATCHDOG_STATUS_PORT	0x630 /* bit 0: it ended the VM before this; write 1 to clear */
#define WATCHDOG_PORT_BYTES	4

#define WATCHDOG_CONTROL_RUN	0x1
#define WATCHDOG_STATUS_FIRED	0x1
#define WATCHDOG_PERIOD_MS	100
#define WATCHDOG_COUNT_MAX	0xffff /* 1 h 49 min */
#define WATCHDOG_COUNT_RESET	600    /* a minute */

struct watchdog_info {
	bool running;
	uint64_t timeout_ns; /* from one reload to the end */
	uint64_t reloads;
};

/* Adds itself to board->pio, stopped; `fired`: the VM before this one was ended by its own.
 * NULL when out of memory or when the ports are taken (logged). */
struct watchdog *watchdog_create(const struct board *board, bool fired);
void watchdog_destroy(struct watchdog *watchdog); /* the VM runs no more; NULL is fine */

/* Any context. */
void watchdog_get_info(struct watchdog *watchdog, struct watchdog_info *info);

#endif
