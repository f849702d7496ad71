/* Reads the MC146818 through the CMOS ports; what was read means, rtc_decode.c knows. */
#include "kernel/io/rtc.h"

#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/port.h"
#include "kernel/io/acpi.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

enum rtc_register {
	RTC_SECONDS = 0,
	RTC_MINUTES = 2,
	RTC_HOURS = 4,
	RTC_DAY = 7,
	RTC_MONTH = 8,
	RTC_YEAR = 9,
	RTC_A = 10,
	RTC_B = 11,
};

#define A_UPDATING     0x80
#define UPDATE_WAIT_US 4000 /* an update takes 2 ms */
#define READ_TRIES     5

static uint8_t cmos_read(uint8_t index)
{
	outb(CMOS_INDEX, index);
	return inb(CMOS_DATA);
}

static void read_registers(struct rtc_registers *r)
{
	for (unsigned us = 0; us < UPDATE_WAIT_US && (cmos_read(RTC_A) & A_UPDATING); us += 10)
		clock_delay_us(10);
	*r = (struct rtc_registers){
		.second = cmos_read(RTC_SECONDS),
		.minute = cmos_read(RTC_MINUTES),
		.hour = cmos_read(RTC_HOURS),
		.day = cmos_read(RTC_DAY),
		.month = cmos_read(RTC_MONTH),
		.year = cmos_read(RTC_YEAR),
		.century = acpi_machine.rtc_century ? cmos_read(acpi_machine.rtc_century) : 0,
		.status_b = cmos_read(RTC_B),
	};
}

int rtc_read(uint64_t *seconds)
{
	struct rtc_registers last, now;

	/* An update may begin between two registers: read until two readings agree. */
	read_registers(&now);
	for (unsigned i = 0; i < READ_TRIES; i++) {
		last = now;
		read_registers(&now);
		if (memcmp(&last, &now, sizeof(now)) == 0)
			break;
	}
	return rtc_decode(&now, seconds);
}
