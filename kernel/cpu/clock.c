/*
 * Time from the TSC: one multiplication and a shift. The rate is measured once, on CPU 0; the
 * other CPUs' TSCs are compared with CPU 0's when they come up (smp.c) and corrected by offset.
 */
#include "kernel/cpu/clock.h"

#include <errno.h>
#include <stdatomic.h>

#include "kernel/cpu/cpu.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"

#define CALIBRATION_MS 10
#define SAMPLE_TRIES   5

/* Fixed-point factors with 32 fractional bits; fixed once clock_calibrate() is done. */
static uint64_t ns_per_tick, ticks_per_ns;
static uint64_t tsc_khz, tsc_zero;

static _Atomic uint64_t wall_at_zero; /* ns since 1970 at clock_now_ns() == 0 */

static uint64_t scale(uint64_t value, uint64_t factor)
{
	return (uint64_t)((unsigned __int128)value * factor >> 32);
}

uint64_t clock_tsc_to_ns(uint64_t tsc)
{
	return scale(tsc, ns_per_tick);
}

uint64_t clock_ns_to_tsc(uint64_t ns)
{
	return scale(ns, ticks_per_ns);
}

uint64_t clock_tsc_khz(void)
{
	return tsc_khz;
}

uint64_t clock_now_ns(void)
{
	return scale(rdtsc() + (uint64_t)cpu_this()->tsc_offset - tsc_zero, ns_per_tick);
}

uint64_t clock_deadline_tsc(uint64_t deadline_ns)
{
	return tsc_zero - (uint64_t)cpu_this()->tsc_offset + clock_ns_to_tsc(deadline_ns) + 1;
}

uint64_t clock_wall_ns(void)
{
	return wall_at_zero + clock_now_ns();
}

void clock_set_wall(uint64_t ns_since_1970)
{
	wall_at_zero = ns_since_1970 - clock_now_ns();
}

void clock_delay_us(uint64_t us)
{
	uint64_t start = rdtsc();
	uint64_t ticks = clock_ns_to_tsc(us * NSEC_PER_USEC);

	while (rdtsc() - start < ticks)
		cpu_relax();
}

struct sample {
	uint64_t tsc;
	uint32_t ref;
};

/* Both counters at one moment: of a few tries, the one that was least disturbed. */
static struct sample take_sample(const struct clock_reference *ref)
{
	struct sample best = {0};
	uint64_t best_width = UINT64_MAX;

	for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
		uint64_t before = rdtsc();
		uint32_t count = ref->read(ref);
		uint64_t width = rdtsc() - before;

		if (width < best_width) {
			best_width = width;
			best = (struct sample){before + width / 2, count};
		}
	}
	return best;
}

/* TSC rate in Hz against one reference, or 0 when it doesn't count. */
static uint64_t measure(const struct clock_reference *ref)
{
	uint32_t wanted = (uint32_t)(ref->hz * CALIBRATION_MS / 1000);
	struct sample first = take_sample(ref), last;
	uint64_t start = rdtsc();
	uint32_t passed;

	/* A reference that stands still is given up after 2^33 ticks at most: some seconds. */
	do {
		passed = (ref->read(ref) - first.ref) & ref->mask;
		if (rdtsc() - start > (passed ? 1ull << 33 : 1ull << 28))
			return 0;
	} while (passed < wanted);
	last = take_sample(ref);
	passed = (last.ref - first.ref) & ref->mask;
	return (uint64_t)((unsigned __int128)(last.tsc - first.tsc) * ref->hz / passed);
}

int clock_calibrate(const struct clock_reference *refs, unsigned count, uint64_t tsc_at_boot)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t hz = measure(&refs[i]);

		if (hz < 1000000) {
			log_warn("clock", "the %s does not count", refs[i].name);
			continue;
		}
		tsc_khz = hz / 1000;
		ns_per_tick = (uint64_t)(((unsigned __int128)NSEC_PER_SEC << 32) / hz);
		ticks_per_ns = (uint64_t)(((unsigned __int128)hz << 32) / NSEC_PER_SEC);
		tsc_zero = tsc_at_boot;
		log_set_clock(clock_now_ns, clock_wall_ns);
		log_info("clock", "TSC at %lu.%03lu MHz, measured by the %s", tsc_khz / 1000,
			 tsc_khz % 1000, refs[i].name);
		return 0;
	}
	log_error("clock", "no HPET and no ACPI PM timer counts: time cannot be measured");
	return -ENODEV;
}
