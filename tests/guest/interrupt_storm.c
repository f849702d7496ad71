/*
 * Interrupt storms. IPIs to oneself and to all others without pause, the APIC timer at periods
 * too short to keep up with, the 8254 at its highest rate, and a level-triggered line that is
 * never acknowledged at its device: the guest may slow itself down by that, and must go on as
 * soon as it stops.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define VECTOR_STORM 0x60
#define VECTOR_TIMER 0x61
#define VECTOR_PIT   0x62
#define VECTOR_LEVEL 0x63

#define COM2	     0x2f8
#define COM2_PIN     3
#define PIT_PIN	     2
#define IPIS	     3000

static volatile unsigned counts[CPUS_MAX];

static void count(struct frame *frame)
{
	(void)frame;
	counts[cpu_index()]++;
	apic_eoi();
}

/* The line stays asserted, so that each EOI brings it again, until the device is silenced. */
static void on_level(struct frame *frame)
{
	(void)frame;
	if (++counts[0] == 500)
		out8(COM2 + 1, 0);
	apic_eoi();
}

/* How much CPU 0's count moves in the next `ms`. */
static unsigned count_for(unsigned ms)
{
	unsigned before = counts[0];

	irq_on();
	delay_us(ms * 1000);
	irq_off();
	return counts[0] - before;
}

/* Waits until it has moved by `want`, a second at most; whether it did. */
static bool count_to(unsigned want)
{
	unsigned before = counts[0];

	for (unsigned ms = 0; ms < 1000 && counts[0] - before < want; ms += 10)
		count_for(10);
	return counts[0] - before >= want;
}

static void test_self(void)
{
	trap_handler(VECTOR_STORM, count);
	counts[0] = 0;
	irq_on();
	for (unsigned i = 0; i < IPIS; i++)
		apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR_STORM);
	irq_off();
	check(counts[0] == IPIS, "each self-IPI is taken", "%u of %u", counts[0], IPIS);
}

/* One's flood at all the others: not each is seen, since a pending vector is one bit. */
static void flood(uint64_t ipis)
{
	irq_on();
	for (unsigned i = 0; i < ipis; i++)
		apic_ipi(0, ICR_OTHERS | ICR_ASSERT | VECTOR_STORM);
	irq_off();
}

static void test_flood(unsigned cpus)
{
	if (cpus < 2) {
		skip("flood", "needs two CPUs");
		return;
	}
	for (unsigned i = 0; i < cpus; i++)
		counts[i] = 0;
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, flood, IPIS);
	flood(IPIS);
	for (unsigned i = 1; i < cpus; i++) {
		cpu_join(i, 20000);
		check(counts[i], "flood reaches all", "CPU %u took none", i);
	}
	check(counts[0], "flood reaches CPU 0", "none");
	print("taken: %u %u\n", counts[0], counts[1]);
}

static void test_timer(void)
{
	static const uint32_t periods[] = {1, 10, 100, 1000, 10000};
	bool taken;

	trap_handler(VECTOR_TIMER, count);
	apic_write(APIC_TIMER_DIVIDE, TIMER_BY_1);
	for (unsigned i = 0; i < ARRAY_SIZE(periods); i++) {
		if (periods[i] < 10000 && !hypervisor_is_ours()) /* QEMU by itself hangs */
			continue;
		apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | VECTOR_TIMER);
		apic_write(APIC_TIMER_INITIAL, periods[i]);
		taken = count_to(20);
		apic_write(APIC_TIMER_INITIAL, 0);
		apic_write(APIC_LVT_TIMER, LVT_MASKED);
		check(taken, "timer at a tiny period", "less than 20 at %u ticks", periods[i]);
	}
	count_for(1); /* what is still pending */
	check(!count_for(20), "timer stops", "it still comes");
}

static void pit_rate(uint16_t divisor)
{
	out8(0x43, 0x34); /* channel 0, both bytes, rate generator */
	out8(0x40, divisor);
	out8(0x40, divisor >> 8);
}

static void test_pit(void)
{
	bool taken;

	trap_handler(VECTOR_PIT, count);
	ioapic_route(PIT_PIN, VECTOR_PIT, 0);
	pit_rate(hypervisor_is_ours() ? 2 : 1000);
	taken = count_to(20);
	check(taken, "8254 at its highest rate", "less than 20 interrupts");
	out8(0x43, 0x30); /* one shot, never loaded: silent */
	ioapic_route(PIT_PIN, VECTOR_PIT, IOAPIC_MASKED);
	count_for(1);
	check(!count_for(20), "8254 stops", "it still comes");
}

static void test_level(void)
{
	trap_handler(VECTOR_LEVEL, on_level);
	counts[0] = 0;
	out8(COM2 + 1, 0);
	ioapic_route(COM2_PIN, VECTOR_LEVEL, IOAPIC_LEVEL);
	out8(COM2 + 4, 0x08); /* OUT2 lets the interrupt through */
	out8(COM2 + 1, 0x02); /* transmitter empty: true, and nobody looks */
	count_to(500);
	check(counts[0] == 500, "a level comes again after each EOI", "%u times", counts[0]);
	counts[0] = 0;
	check(!count_for(20), "it ends with its cause", "%u more", counts[0]);
	ioapic_route(COM2_PIN, VECTOR_LEVEL, IOAPIC_MASKED);
}

/* An interrupt without EOI blocks its priority class, and nothing above. */
static void on_no_eoi(struct frame *frame)
{
	(void)frame;
	counts[0]++;
}

static void test_no_eoi(void)
{
	counts[0] = 0;
	trap_handler(VECTOR_STORM, on_no_eoi);
	irq_on();
	for (unsigned i = 0; i < 100; i++)
		apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR_STORM);
	irq_off();
	check(counts[0] == 1, "without EOI it comes once", "%u times", counts[0]);
	trap_handler(VECTOR_STORM, count);
	apic_eoi();
	count_for(1);
	check(counts[0] == 2, "EOI lets the next in", "%u times", counts[0]);
}

void test(void)
{
	unsigned cpus = smp_start();

	test_self();
	test_no_eoi();
	test_timer();
	test_pit();
	if (hypervisor_is_ours())
		test_level();
	else
		skip("level", "there may be no second serial port");
	test_flood(cpus);
}
