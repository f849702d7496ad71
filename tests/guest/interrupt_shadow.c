/*
 * No interrupt comes between STI, or a load of SS, and the instruction behind it (SDM vol. 3A
 * 6.8.1, 6.8.3): who sleeps by STI and HLT counts on it, as what was to wake it would come
 * first. The others send interrupts without end, so that the host's exit at any moment; QEMU's
 * TCG once forgot the shadow then.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define VECTOR_STORM 0x71
#define VECTOR_TIMER 0x72
#define INTERRUPTS   1000
#define LIMIT_US     4000000 /* for each way, should the machine be busy */

extern const char behind_sti[], halt_behind_sti[], behind_ss[];

static volatile unsigned taken, torn;
static volatile bool stop;

static void on_interrupt(struct frame *frame)
{
	taken++;
	torn += frame->rip == (uintptr_t)behind_sti ||
		frame->rip == (uintptr_t)halt_behind_sti || frame->rip == (uintptr_t)behind_ss;
	apic_eoi();
}

static void storm(uint64_t cpu)
{
	(void)cpu;
	while (!stop) {
		apic_ipi(0, ICR_ASSERT | VECTOR_STORM);
		for (volatile unsigned i = random32() % 2000; i && !stop; i--)
			;
	}
}

static void run(void)
{
	asm volatile("sti\nbehind_sti: nop\n\tcli" : : : "memory");
}

/* By a timer of one shot: nobody but the storm would wake it again. */
static void sleep(void)
{
	apic_write(APIC_TIMER_INITIAL, 1 + random32() % 20000);
	asm volatile("sti\nhalt_behind_sti: hlt\n\tcli" : : : "memory");
}

static void load_ss(void)
{
	uint32_t ss;

	asm volatile("sti; mov %%ss, %0; mov %0, %%ss\nbehind_ss: nop\n\tcli"
		     : "=r"(ss)
		     :
		     : "memory");
}

static void repeat(const char *name, void (*fn)(void))
{
	unsigned interrupts = race_rounds(INTERRUPTS);
	uint32_t start = pm_now();

	taken = torn = 0;
	while (taken < interrupts && pm_us_since(start) < LIMIT_US)
		for (unsigned i = 0; i < 100; i++)
			fn();
	print("%s: %u interrupts\n", name, taken);
	check(taken && !torn, name, "%u of %u interrupts", torn, taken);
}

void test(void)
{
	unsigned cpus = smp_start();

	trap_handler(VECTOR_STORM, on_interrupt);
	trap_handler(VECTOR_TIMER, on_interrupt);
	apic_write(APIC_LVT_TIMER, TIMER_ONE_SHOT | VECTOR_TIMER);
	apic_write(APIC_TIMER_DIVIDE, TIMER_BY_1);
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, storm, i);
	repeat("behind STI", run);
	repeat("between STI and HLT", sleep);
	repeat("behind a load of SS", load_ss);
	stop = true;
	apic_write(APIC_TIMER_INITIAL, 0);
	irq_on();
	irq_off();
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 20000);
}
