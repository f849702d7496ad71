/*
 * An interrupt comes in once. CPU 0 has them one by one, interrupts off in the handler, while
 * the others make locked accesses that are not aligned: those stop every CPU of an emulator, at
 * any moment, for which QEMU's TCG once gave CPU 0 the interrupt a second time.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define VECTOR	   0x71
#define INTERRUPTS 2000

static volatile bool inside, stop;
static volatile unsigned taken, again;
static char words[CPUS_MAX][64];

static void on_interrupt(struct frame *frame)
{
	(void)frame;
	if (inside)
		again++;
	inside = true;
	taken++;
	for (volatile unsigned i = 0; i < 10000; i++)
		;
	inside = false;
	apic_eoi();
}

static void disturb(uint64_t cpu)
{
	uint32_t *odd = (uint32_t *)(words[cpu] + 1);

	while (!stop) {
		__asm__ volatile("lock incl %0" : "+m"(*odd));
		for (volatile unsigned i = 0; i < 2000 && !stop; i++)
			;
	}
}

void test(void)
{
	unsigned cpus = smp_start(), interrupts = race_rounds(INTERRUPTS);

	trap_handler(VECTOR, on_interrupt);
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, disturb, i);
	irq_on();
	for (unsigned i = 0; i < interrupts && !again; i++)
		apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
	irq_off();
	stop = true;
	print("%u interrupts, %u of them inside another's handler\n", taken, again);
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 20000);
	check(!again, "none comes inside its handler", "after %u interrupts", taken);
	check(again || taken == interrupts, "each comes once", "%u of %u", taken, interrupts);
}
