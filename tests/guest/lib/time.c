/* Reading and waiting for the PM timer. */
#include "tests/guest/lib/time.h"

#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/traps.h"

#define PM_TIMER_PORT 0x608
#define PM_TIMER_MASK 0xffffff
#define PM_TIMER_HZ   3579545ull
#define NAP_TICKS     2000000u /* of the APIC's timer; it is asked again how late it is */

uint32_t pm_now(void)
{
	return in32(PM_TIMER_PORT) & PM_TIMER_MASK;
}

uint32_t pm_us_since(uint32_t start)
{
	return ((pm_now() - start) & PM_TIMER_MASK) * 1000000ull / PM_TIMER_HZ;
}

void delay_us(uint32_t us)
{
	uint32_t start = pm_now();

	while (pm_us_since(start) < us)
		pause();
}

static void woken(struct frame *frame)
{
	(void)frame;
	apic_eoi();
}

/* The timer is periodic, as QEMU 7.2 may let its interrupt in between STI and HLT, which
 * nothing would end then: VMRUN forgets the interrupt shadow there. */
void sleep_us(uint32_t us)
{
	uint32_t start = pm_now();

	trap_handler(VECTOR_NAP, woken);
	apic_enable();
	apic_write(APIC_TIMER_DIVIDE, TIMER_BY_1);
	apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | VECTOR_NAP);
	apic_write(APIC_TIMER_INITIAL, NAP_TICKS);
	while (pm_us_since(start) < us)
		irq_wait();
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

/* Both clocks at one moment: of some tries, the one with the least between its readings. */
static uint32_t read_both(uint64_t (*read)(void), uint64_t *value)
{
	uint32_t best = PM_TIMER_MASK + 1, at = 0;

	for (unsigned i = 0; i < 10; i++) {
		uint32_t before = pm_now();
		uint64_t now = read();
		uint32_t took = (pm_now() - before) & PM_TIMER_MASK;

		if (took < best) {
			best = took;
			at = before + took / 2;
			*value = now;
		}
	}
	return at;
}

uint64_t measure_khz(uint64_t (*read)(void))
{
	uint64_t from = 0, to = 0;
	uint32_t start = read_both(read, &from), end;

	delay_us(50000);
	end = read_both(read, &to);
	return (to - from) * (PM_TIMER_HZ / 1000) / ((end - start) & PM_TIMER_MASK);
}

uint64_t tsc_khz(void)
{
	static uint64_t khz;

	if (!khz)
		khz = measure_khz(rdtsc);
	return khz;
}

bool wait_for(const volatile unsigned *flag, unsigned limit_ms)
{
	uint32_t start = pm_now();

	while (!*flag) {
		if (pm_us_since(start) > limit_ms * 1000)
			return *flag;
		pause();
	}
	return true;
}
