/*
 * A guest's real-time clock and CMOS RAM: an MC146818 at ports 0x70 and 0x71. It runs on the
 * machine's wall clock; a guest that sets it changes its own distance from that clock only.
 */
#ifndef GUESTS_DEVICES_RTC_H
#define GUESTS_DEVICES_RTC_H

#include "kernel/lib/types.h"

struct rtc;
struct board;

#define RTC_PORT 0x70
#define RTC_GSI	 8

/* Adds itself to board->pio. NULL when out of memory or when the ports are taken (logged). */
struct rtc *rtc_create(const struct board *board);
void rtc_destroy(struct rtc *rtc); /* the VM runs no more */

#endif
