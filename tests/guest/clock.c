/*
 * Clocks. What the guest can tell time by must agree: TSC, PM timer, local APIC timer, the
 * paravirtual clock's page, and the RTC; none may run backwards, on one vCPU or between two.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define RTC_INDEX 0x70
#define RTC_DATA  0x71
#define RTC_UIP	  0x80

/* Linux, arch/x86/include/asm/pvclock-abi.h */
struct pvclock {
	volatile uint32_t version, pad;
	volatile uint64_t tsc, system_ns;
	volatile uint32_t mul;
	volatile int8_t shift;
	volatile uint8_t flags, pad2[2];
};
_Static_assert(sizeof(struct pvclock) == 32, "the format's size");

struct wall_clock {
	volatile uint32_t version, seconds, ns;
};

static struct pvclock pages[CPUS_MAX] __attribute__((aligned(64)));
static struct wall_clock wall __attribute__((aligned(64)));

static uint64_t pvclock_ns(const struct pvclock *p)
{
	uint32_t version;
	uint64_t ns, delta;

	do {
		version = p->version;
		delta = rdtsc() - p->tsc;
		delta = p->shift < 0 ? delta >> -p->shift : delta << p->shift;
		ns = p->system_ns + (uint64_t)((unsigned __int128)delta * p->mul >> 32);
	} while (version & 1 || version != p->version);
	return ns;
}

static uint64_t now_ns(void)
{
	return pvclock_ns(&pages[cpu_index()]);
}

static void pvclock_on(uint64_t arg)
{
	(void)arg;
	wrmsr(MSR_KVM_TIME, (uintptr_t)&pages[cpu_index()] | 1);
}

/* Whether two rates differ by less than a hundredth. */
static bool close(uint64_t a, uint64_t b)
{
	return a > b - b / 100 && a < b + b / 100;
}

/* `us` of the PM timer by the paravirtual clock. */
static void test_pace(void)
{
	uint64_t khz = measure_khz(now_ns); /* nanoseconds per millisecond */

	check(pages[0].mul && !(pages[0].version & 1), "page is filled", "multiplier 0");
	check(close(khz, 1000000), "a second is a second", "%lu ns in 1 ms", khz);
}

static void test_forwards(const char *name, uint64_t (*read)(void))
{
	uint64_t last = read();

	for (unsigned i = 0; i < 3000; i++) {
		uint64_t now = read();

		if (now < last) {
			check(false, name, "back by %lu", last - now);
			return;
		}
		last = now;
	}
	reached(name);
}

/* Two vCPUs pass a time to each other: it may never be later than the other's now. */
static volatile uint64_t ball;
static volatile unsigned turn;
static volatile uint64_t worst;

static void play(uint64_t me)
{
	for (unsigned i = 0; i < 300; i++) {
		uint64_t now;

		while (turn != me)
			pause();
		now = now_ns();
		if (now < ball && ball - now > worst)
			worst = ball - now;
		ball = now;
		turn = !me;
	}
}

static void test_between(unsigned cpus)
{
	if (cpus < 2)
		return;
	cpu_run(1, pvclock_on, 0);
	cpu_join(1, 1000);
	cpu_run(1, play, 1);
	play(0);
	cpu_join(1, 3000);
	/* QEMU's multi-threaded TCG reads one host clock, but not at one moment. */
	check(worst < 1000000, "no step back between vCPUs", "by %lu ns", worst);
}

static uint8_t rtc_read(uint8_t index)
{
	out8(RTC_INDEX, index);
	return in8(RTC_DATA);
}

static unsigned rtc_second(void)
{
	uint8_t bcd;

	while (rtc_read(0x0a) & RTC_UIP)
		pause();
	bcd = rtc_read(0);
	return rtc_read(0x0b) & 4 ? bcd : (bcd >> 4) * 10 + (bcd & 15);
}

/* From one change of the seconds to the one after next, in milliseconds. */
static uint32_t two_rtc_seconds(void)
{
	unsigned last = rtc_second(), now = last;
	uint64_t start;

	while (now == last)
		now = rtc_second();
	start = rdtsc();
	for (unsigned i = 0; i < 2; i++)
		for (last = now; now == last;)
			now = rtc_second();
	return (rdtsc() - start) / tsc_khz();
}

/* A CPU that is put aside at a change sees it late: then once more. */
static void test_rtc(void)
{
	uint32_t ms = 0;

	for (unsigned try = 0; try < 4 && (ms < 1950 || ms > 2050); try++)
		ms = two_rtc_seconds();
	check(ms >= 1950 && ms <= 2050, "the RTC's seconds", "two took %u ms", ms);
}

static void test_wall(void)
{
	wrmsr(MSR_KVM_WALL, (uintptr_t)&wall);
	check(wall.version && !(wall.version & 1), "wall clock is filled", "version %u",
	      wall.version);
	/* 2020-2100: the build machine's own clock decides */
	check(wall.seconds > 1577836800u && wall.ns < 1000000000u, "wall clock is of our days",
	      "%u s %u ns", wall.seconds, wall.ns);
}

static void test_bad_addresses(void)
{
	check(try_wrmsr(MSR_KVM_TIME, 0xd0000000 | 1).vector != VECTOR_PF,
	      "page where no RAM is", "page fault");
	check(try_wrmsr(MSR_KVM_TIME, ~0ull).vector != VECTOR_PF, "page at all ones",
	      "page fault");
	check(try_wrmsr(MSR_KVM_WALL, 0xd0000000).vector != VECTOR_PF, "wall clock in no RAM",
	      "page fault");
	check(try_wrmsr(MSR_KVM_WALL, 0xfffffffffffffffc).vector != VECTOR_PF,
	      "wall clock at the end", "page fault");
	wrmsr(MSR_KVM_TIME, 0);
}

void test(void)
{
	unsigned cpus = smp_start();

	print("TSC %lu kHz\n", tsc_khz());
	test_forwards("TSC runs forwards", rdtsc);
	test_rtc();
	if (!hypervisor_is_ours()) {
		skip("paravirtual clock", "this is another hypervisor");
		return;
	}
	pvclock_on(0);
	test_pace();
	test_forwards("clock runs forwards", now_ns);
	test_between(cpus);
	test_wall();
	test_bad_addresses();
}
