/*
 * HLT with interrupts off. No interrupt may end it, so the vCPU just sleeps, and its CPU is
 * free for others; an NMI wakes it. The program's end is reached by that NMI alone.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define VECTOR 0x50

static volatile unsigned nmis, interrupts, asleep, awake;

static void on_nmi(struct frame *frame)
{
	(void)frame;
	nmis++;
}

static void on_interrupt(struct frame *frame)
{
	(void)frame;
	interrupts++;
	apic_eoi();
}

static void sleep_masked(uint64_t arg)
{
	(void)arg;
	asleep = 1;
	asm volatile("hlt" : : : "memory");
	awake = 1;
}

void test(void)
{
	unsigned cpus = smp_start();

	trap_handler(VECTOR_NMI, on_nmi);
	trap_handler(VECTOR, on_interrupt);
	if (cpus < 2) {
		skip("HLT", "needs two CPUs");
		reached("start");
		return;
	}
	cpu_run(1, sleep_masked, 0);
	check(wait_for(&asleep, 1000), "the other CPU sleeps", "it doesn't");
	delay_us(20000);
	apic_ipi(1, ICR_ASSERT | VECTOR);
	delay_us(100000);
	check(!awake && !interrupts, "an interrupt does not wake it", "awake %u, taken %u",
	      awake, interrupts);
	apic_ipi(1, ICR_ASSERT | ICR_NMI);
	check(wait_for(&awake, 1000), "an NMI wakes it", "still asleep");
	check(nmis == 1, "one NMI is taken", "%u", nmis);
	/* the interrupt waited for the idle loop's STI */
	check(wait_for(&interrupts, 1000), "the interrupt was kept", "lost");
}
