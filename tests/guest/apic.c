/*
 * The local APIC: its timer in all modes and with the right pace, priorities by TPR and PPR,
 * ISR, IRR and EOI, IPIs with every destination, NMIs, and the way into x2APIC mode and what it
 * forbids there (SDM vol. 3A chapter 10).
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

/* An emulated machine with busy neighbours may put a CPU aside for that long. */
#define LATE_MAX_US 1000000

#define VECTOR_LOW  0x51
#define VECTOR_HIGH 0x91

static volatile unsigned low, high, nmis, seen[CPUS_MAX];
static volatile uint64_t taken_at; /* TSC */

static void on_low(struct frame *frame)
{
	(void)frame;
	taken_at = rdtsc();
	low++;
	apic_eoi();
}

static void on_high(struct frame *frame)
{
	(void)frame;
	high++;
	seen[cpu_index()]++;
	apic_eoi();
}

static void on_nmi(struct frame *frame)
{
	(void)frame;
	nmis++;
}

/* Interrupts on for a moment. */
static void window(void)
{
	irq_on();
	for (unsigned i = 0; i < 10; i++)
		pause();
	irq_off();
}

static void test_registers(void)
{
	uint32_t version = apic_read(APIC_VERSION);

	check((version & 0xf0) == 0x10, "integrated APIC", "version 0x%x", version);
	check((version >> 16 & 0xff) >= 4, "LVT entries", "%u", (version >> 16 & 0xff) + 1);
	check(rdmsr(MSR_APIC_BASE) == (APIC_PAGE | BASE_ENABLED | BIT(8)), "APIC_BASE", "0x%lx",
	      rdmsr(MSR_APIC_BASE));
}

static void test_priorities(void)
{
	low = high = 0;
	apic_write(APIC_TPR, 0x60);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR_LOW);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR_HIGH);
	check(apic_bit(APIC_IRR, VECTOR_LOW) && apic_bit(APIC_IRR, VECTOR_HIGH), "IRR",
	      "clear");
	check(apic_read(APIC_PPR) == 0x60, "PPR follows TPR", "0x%x", apic_read(APIC_PPR));
	check(read_cr8() == 6, "CR8 is TPR's class", "%lu", read_cr8());
	window();
	check(high == 1 && !low, "TPR holds back what is below", "high %u low %u", high, low);
	write_cr8(4);
	check(apic_read(APIC_TPR) == 0x40, "TPR follows CR8", "0x%x", apic_read(APIC_TPR));
	window();
	check(low == 1, "and lets it in when lowered", "low %u", low);
	write_cr8(0);
	check(!apic_bit(APIC_IRR, VECTOR_LOW) && !apic_bit(APIC_ISR, VECTOR_LOW), "quiet again",
	      "IRR or ISR is set");
}

static volatile bool nested_ok;

/* The lower interrupt's handler is interrupted by the higher one alone. */
static void on_low_nested(struct frame *frame)
{
	unsigned before = high;

	(void)frame;
	low++;
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR_LOW);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR_HIGH);
	if (low == 1) {
		window();
		nested_ok = low == 1 && high == before + 1 && apic_bit(APIC_ISR, VECTOR_LOW) &&
			    apic_bit(APIC_IRR, VECTOR_LOW) &&
			    apic_read(APIC_PPR) == (VECTOR_LOW & 0xf0);
		trap_handler(VECTOR_LOW, on_low);
	}
	apic_eoi();
}

static void test_nesting(void)
{
	low = 0;
	nested_ok = false;
	trap_handler(VECTOR_LOW, on_low_nested);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR_LOW);
	window();
	check(nested_ok, "nesting by priority", "wrong order, or ISR, IRR or PPR");
	check(low == 2, "EOI lets the second in", "%u", low);
	trap_handler(VECTOR_LOW, on_low);
}

static uint64_t timer_elapsed(void)
{
	return 0xffffffff - apic_read(APIC_TIMER_CURRENT);
}

/* Ticks of the timer (divided by 1) per millisecond. */
static uint32_t timer_khz(void)
{
	uint32_t khz;

	apic_write(APIC_TIMER_DIVIDE, TIMER_BY_1);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_LOW);
	apic_write(APIC_TIMER_INITIAL, 0xffffffff);
	khz = measure_khz(timer_elapsed);
	apic_write(APIC_TIMER_INITIAL, 0);
	return khz;
}

/* Whether `us` were waited for `want` of them: never early, but for two percent of measuring.
 */
static void check_delay(const char *name, uint32_t us, uint32_t want)
{
	check(us >= want - want / 50 && us < want + LATE_MAX_US, name, "%u us instead of %u",
	      us, want);
}

static void test_one_shot(uint32_t khz)
{
	static const uint8_t dividers[] = {TIMER_BY_1, 0x0, 0x3, 0xa}; /* by 1, 2, 16, 128 */
	static const uint8_t shifts[] = {0, 1, 4, 7};

	for (unsigned i = 0; i < ARRAY_SIZE(dividers); i++) {
		uint32_t start = pm_now();

		low = 0;
		apic_write(APIC_LVT_TIMER, TIMER_ONE_SHOT | VECTOR_LOW);
		apic_write(APIC_TIMER_DIVIDE, dividers[i]);
		apic_write(APIC_TIMER_INITIAL, 20 * khz >> shifts[i]);
		irq_on();
		wait_for(&low, 1000);
		irq_off();
		check_delay("one shot", pm_us_since(start), 20000);
		check(!apic_read(APIC_TIMER_CURRENT), "one shot stays at 0", "0x%x",
		      apic_read(APIC_TIMER_CURRENT));
	}
	delay_us(50000);
	window();
	check(low == 1, "one shot is one", "%u", low);
}

static void test_periodic(uint32_t khz)
{
	uint32_t start = pm_now();

	low = 0;
	apic_write(APIC_TIMER_DIVIDE, TIMER_BY_1);
	apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | VECTOR_LOW);
	apic_write(APIC_TIMER_INITIAL, 10 * khz);
	while (low < 10)
		irq_wait();
	check_delay("ten periods", pm_us_since(start), 100000);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | TIMER_PERIODIC | VECTOR_LOW);
	window();
	low = 0;
	delay_us(30000);
	window();
	check(!low, "masked", "%u came", low);
	check(apic_read(APIC_TIMER_CURRENT) <= 10 * khz, "it counts on", "0x%x",
	      apic_read(APIC_TIMER_CURRENT));
	apic_write(APIC_TIMER_INITIAL, 0);
}

static void test_deadline(void)
{
	uint64_t deadline;

	if (!(cpuid(1, 0).ecx & BIT(24))) {
		skip("deadline", "no TSC-deadline timer");
		return;
	}
	low = 0;
	apic_write(APIC_LVT_TIMER, TIMER_DEADLINE | VECTOR_LOW);
	deadline = rdtsc() + 20 * tsc_khz();
	wrmsr(MSR_TSC_DEADLINE, deadline);
	check(rdmsr(MSR_TSC_DEADLINE) == deadline, "deadline reads back", "0x%lx",
	      rdmsr(MSR_TSC_DEADLINE));
	irq_on();
	wait_for(&low, 1000);
	irq_off();
	check(low && taken_at >= deadline, "deadline is not early", "by %ld ticks",
	      deadline - taken_at);
	check(low && taken_at < deadline + LATE_MAX_US / 1000 * tsc_khz(),
	      "deadline is not late", "by %lu ticks", taken_at - deadline);
	check(!rdmsr(MSR_TSC_DEADLINE), "deadline is disarmed", "0x%lx",
	      rdmsr(MSR_TSC_DEADLINE));
	low = 0;
	wrmsr(MSR_TSC_DEADLINE, 1);
	window();
	check(low == 1, "a past deadline fires at once", "%u", low);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 20 * tsc_khz());
	wrmsr(MSR_TSC_DEADLINE, 0);
	delay_us(40000);
	window();
	check(low == 1, "0 disarms", "%u", low);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

static void listen(uint64_t arg)
{
	trap_handler(VECTOR_HIGH, on_high);
	irq_on();
	while (!*(volatile unsigned *)arg)
		pause();
	irq_off();
}

static unsigned total(unsigned cpus)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < cpus; i++)
		sum += seen[i];
	return sum;
}

/* `want` CPUs take the IPI; then there is time for one too many. */
static void expect_ipis(const char *name, unsigned cpus, unsigned dest, uint32_t command,
			unsigned want)
{
	for (unsigned i = 0; i < cpus; i++)
		seen[i] = 0;
	apic_ipi(dest, command | ICR_ASSERT | VECTOR_HIGH);
	irq_on();
	for (unsigned ms = 0; ms < 500 && total(cpus) < want; ms++)
		delay_us(1000);
	delay_us(10000);
	irq_off();
	check(total(cpus) == want, name, "%u CPUs instead of %u", total(cpus), want);
}

static void test_ipis(unsigned cpus)
{
	volatile unsigned done = 0;

	if (cpus < 2)
		return;
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, listen, (uintptr_t)&done);
	delay_us(20000);
	for (unsigned i = 0; i < cpus; i++)
		expect_ipis("IPI to one", cpus, i, ICR_FIXED, 1);
	expect_ipis("IPI to self", cpus, 0, ICR_SELF, 1);
	expect_ipis("IPI to all", cpus, 0, ICR_ALL, cpus);
	expect_ipis("IPI to the others", cpus, 0, ICR_OTHERS, cpus - 1);
	expect_ipis("IPI to nobody", cpus, 0x7e, ICR_FIXED, 0);
	expect_ipis("IPI by broadcast ID", cpus, apic_is_x2() ? 0xffffffff : 0xff, ICR_FIXED,
		    cpus);
	done = 1;
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 2000);
}

static void test_nmi(void)
{
	nmis = 0;
	apic_ipi(apic_id(), ICR_NMI | ICR_ASSERT);
	delay_us(1000);
	check(nmis == 1, "NMI to oneself", "%u", nmis);
}

static void test_errors(void)
{
	if (!hypervisor_is_ours()) /* QEMU by itself sends vector 5 */
		return;
	apic_write(APIC_ESR, 0);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | 5);
	apic_write(APIC_ESR, 0);
	check(apic_read(APIC_ESR) & 0x20, "sending vector 5 is an error", "ESR 0x%x",
	      apic_read(APIC_ESR));
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ESR, 0);
	check(!apic_read(APIC_ESR), "ESR is cleared", "0x%x", apic_read(APIC_ESR));
}

static void enter_x2(uint64_t arg)
{
	(void)arg;
	apic_enable_x2();
}

static void test_x2(unsigned cpus)
{
	uint64_t base = rdmsr(MSR_APIC_BASE), value;
	unsigned id = apic_id();

	if (!apic_has_x2()) {
		skip("x2APIC", "not there");
		return;
	}
	check(try_rdmsr(0x802, &value).vector == VECTOR_GP, "no MSRs in xAPIC mode", "no #GP");
	check(try_wrmsr(MSR_APIC_BASE, (base | BASE_X2) & ~(uint64_t)BASE_ENABLED).vector ==
		      VECTOR_GP,
	      "no x2APIC while disabled", "no #GP");
	for (unsigned i = 1; i < cpus; i++) {
		cpu_run(i, enter_x2, 0);
		cpu_join(i, 1000);
	}
	apic_enable_x2();
	check(apic_id() == id, "the ID stays", "%u", apic_id());
	check(apic_read(APIC_LDR) == (id >> 4 << 16 | 1u << (id & 15)), "LDR by ID", "0x%x",
	      apic_read(APIC_LDR));
	check(try_wrmsr(MSR_APIC_BASE, base).vector == VECTOR_GP, "no way back to xAPIC",
	      "no #GP");
	check(try_rdmsr(0x80e, &value).vector == VECTOR_GP, "no DFR", "no #GP");
	check(try_rdmsr(0x80b, &value).vector == VECTOR_GP, "EOI is not read", "no #GP");
	check(try_wrmsr(0x802, 0).vector == VECTOR_GP, "the ID is not written", "no #GP");
	check(try_wrmsr(0x80b, 1).vector == VECTOR_GP, "EOI of 1", "no #GP");
	check(try_wrmsr(0x808, 0x100).vector == VECTOR_GP, "TPR's reserved bits", "no #GP");
	check(try_wrmsr(0x831, 0).vector == VECTOR_GP, "no ICR2", "no #GP");
	high = 0;
	apic_write(APIC_SELF_IPI, VECTOR_HIGH);
	window();
	check(high == 1, "self-IPI register", "%u", high);
}

static void test_all(unsigned cpus)
{
	uint32_t khz = timer_khz();

	print("timer %u kHz, TSC %lu kHz\n", khz, tsc_khz());
	test_priorities();
	test_nesting();
	test_one_shot(khz);
	test_periodic(khz);
	test_deadline();
	test_ipis(cpus);
	test_nmi();
}

void test(void)
{
	unsigned cpus = smp_start();

	trap_handler(VECTOR_LOW, on_low);
	trap_handler(VECTOR_HIGH, on_high);
	trap_handler(VECTOR_NMI, on_nmi);
	test_registers();
	test_errors();
	test_all(cpus);
	test_x2(cpus);
	if (apic_is_x2())
		test_all(cpus);
}
