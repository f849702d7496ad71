/*
 * The 8259 pair's INTR is a wire to LINT0 of every CPU; a guest may let any of them take it
 * (SDM vol. 3A 10.5.1). One that takes it sleeps in HLT, while LINT0 of the boot processor is
 * masked.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define PIT_0	 0x40
#define PIT_MODE 0x43
#define PIC	 0x20
#define PIC_MASK 0x21
#define EOI	 0x20
#define TICKS	 10

static volatile unsigned ticks, elsewhere, done;

static void on_pit(struct frame *frame)
{
	(void)frame;
	if (cpu_index() == 1)
		ticks++;
	else
		elsewhere++;
	out8(PIC, EOI);
}

static void take_interrupts(uint64_t arg)
{
	(void)arg;
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	while (ticks < TICKS)
		irq_wait();
	apic_write(APIC_LVT_LINT0, LVT_EXTINT | LVT_MASKED);
	done = 1;
}

void test(void)
{
	if (smp_start() < 2)
		give_up("it takes two CPUs");
	trap_handler(VECTOR_PIC, on_pit);
	apic_write(APIC_LVT_LINT0, LVT_EXTINT | LVT_MASKED);
	cpu_run(1, take_interrupts, 0);
	out8(PIT_MODE, 0x34); /* a rate generator, some 100 Hz */
	out8(PIT_0, 11932 & 0xff);
	out8(PIT_0, 11932 >> 8);
	out8(PIC_MASK, 0xfe);
	irq_on();
	wait_for(&done, 3000);
	irq_off();
	out8(PIC_MASK, 0xff);
	check(ticks >= TICKS, "the CPU that takes INTR is woken by it", "%u of %u ticks", ticks,
	      TICKS);
	check(!elsewhere, "the others are not disturbed", "%u ticks there", elsewhere);
}
