/*
 * MSRs whose writes change more than themselves: IA32_APIC_BASE moves the local APIC's page and
 * takes it out of CPUID (SDM vol. 3A 10.4.3 to 10.4.5), IA32_TIME_STAMP_COUNTER and
 * IA32_TSC_ADJUST move the vCPU's TSC, its deadline and the clock's page with it (SDM vol. 3B
 * 17.17.3).
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define MSR_TSC		0x10
#define MSR_TSC_ADJUST	0x3b
#define MSR_DEADLINE	0x6e0
#define MSR_SYSTEM_TIME 0x4b564d01
#define ELSEWHERE	0xfed40000ull
#define AMD_ECX		0x444d4163 /* "cAMD" */
#define VECTOR_TIMER	0x40
#define FAR		(1ull << 50)
#define STABLE		1

static struct clock_page {
	volatile uint32_t version, pad;
	uint64_t tsc_timestamp, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
} clocks[2] __attribute__((aligned(64)));

static uint32_t at(uint64_t page, unsigned reg)
{
	return *(volatile uint32_t *)(page + reg);
}

static bool cpuid_has_apic(void)
{
	bool first = cpuid(1, 0).edx & BIT(9);

	if (cpuid(0, 0).ecx == AMD_ECX && first != !!(cpuid(0x80000001, 0).edx & BIT(9)))
		give_up("leaves 1 and 0x80000001 differ");
	return first;
}

static volatile uint32_t other_id;
static volatile unsigned moved;

/* It cannot be woken while the page is away: it waits from before on. */
static void read_id_when_moved(uint64_t page)
{
	wait_for(&moved, 3000);
	other_id = at(page, APIC_ID);
}

static void test_moving(unsigned cpus)
{
	uint64_t base = rdmsr(MSR_APIC_BASE), flags = base & 0xfff;
	uint32_t version = at(APIC_PAGE, APIC_VERSION);

	check(try_wrmsr(MSR_APIC_BASE, 0x100000 | flags).vector == VECTOR_GP &&
		      rdmsr(MSR_APIC_BASE) == base,
	      "not onto RAM", "0x%lx", rdmsr(MSR_APIC_BASE));
	check(try_wrmsr(MSR_APIC_BASE, base | 1ull << 52).vector == VECTOR_GP,
	      "nor beyond all memory", "0x%lx", rdmsr(MSR_APIC_BASE));
	if (cpus > 1)
		cpu_run(1, read_id_when_moved, APIC_PAGE);
	wrmsr(MSR_APIC_BASE, ELSEWHERE | flags);
	check(rdmsr(MSR_APIC_BASE) == (ELSEWHERE | flags), "it moves", "0x%lx",
	      rdmsr(MSR_APIC_BASE));
	check(at(ELSEWHERE, APIC_VERSION) == version, "the page is there", "0x%x",
	      at(ELSEWHERE, APIC_VERSION));
	check(at(APIC_PAGE, APIC_VERSION) == ~0u, "and not here", "0x%x",
	      at(APIC_PAGE, APIC_VERSION));
	if (cpus > 1) { /* another vCPU's stays where it was */
		moved = 1;
		cpu_join(1, 3000);
		check(other_id == 1u << 24, "of this vCPU alone", "ID 0x%x", other_id);
	}
	wrmsr(MSR_APIC_BASE, base);
	check(at(APIC_PAGE, APIC_VERSION) == version, "and back", "0x%x",
	      at(APIC_PAGE, APIC_VERSION));
}

static void test_disabling(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	check(cpuid_has_apic(), "CPUID has an APIC", "none");
	wrmsr(MSR_APIC_BASE, base & ~(uint64_t)BASE_ENABLED);
	check(!cpuid_has_apic(), "not while it is disabled", "it has");
	wrmsr(MSR_APIC_BASE, base);
	check(cpuid_has_apic(), "and again", "none");
	apic_enable();
}

/* A value that a counter of this program's years does not reach by itself. */
static bool is_about(uint64_t tsc, uint64_t value)
{
	return tsc - value < 1ull << 44;
}

static uint64_t read_tsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static volatile uint64_t other_tsc;

static void read_other(uint64_t arg)
{
	(void)arg;
	other_tsc = read_tsc();
}

static void test_tsc(unsigned cpus)
{
	check(cpuid(7, 0).ebx & BIT(1), "CPUID has TSC_ADJUST", "not");
	check(rdmsr(MSR_TSC_ADJUST) == 0, "it begins at 0", "0x%lx", rdmsr(MSR_TSC_ADJUST));
	wrmsr(MSR_TSC, FAR);
	check(is_about(read_tsc(), FAR) && is_about(rdmsr(MSR_TSC), FAR), "the TSC is set",
	      "0x%lx", read_tsc());
	check(is_about(FAR, rdmsr(MSR_TSC_ADJUST)), "TSC_ADJUST says by how much", "0x%lx",
	      rdmsr(MSR_TSC_ADJUST));
	if (cpus > 1) {
		cpu_run(1, read_other, 0);
		cpu_join(1, 2000);
		check(is_about(other_tsc, 0), "of this vCPU alone", "0x%lx", other_tsc);
	}
	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + FAR);
	check(is_about(read_tsc(), 2 * FAR), "TSC_ADJUST moves it", "0x%lx", read_tsc());
	wrmsr(MSR_TSC_ADJUST, 0);
	check(is_about(read_tsc(), 0), "and back", "0x%lx", read_tsc());
}

static volatile unsigned interrupts;

static void on_timer(struct frame *frame)
{
	(void)frame;
	interrupts++;
	apic_eoi();
}

/* An armed deadline is compared with the TSC as it is. */
static void test_deadline(void)
{
	trap_handler(VECTOR_TIMER, on_timer);
	apic_write(APIC_LVT_TIMER, TIMER_DEADLINE | VECTOR_TIMER);
	wrmsr(MSR_DEADLINE, read_tsc() + FAR / 2);
	irq_on();
	delay_us(2000);
	check(!interrupts, "a deadline far off", "%u interrupts", interrupts);
	wrmsr(MSR_TSC, read_tsc() + FAR);
	check(wait_for(&interrupts, 1000), "is over when the TSC jumps", "no interrupt");
	irq_off();
	wrmsr(MSR_TSC_ADJUST, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

/* Nanoseconds by a vCPU's page, as its readers compute them. */
static uint64_t clock_ns(const struct clock_page *page)
{
	uint64_t delta = read_tsc() - page->tsc_timestamp;

	delta = page->shift < 0 ? delta >> -page->shift : delta << page->shift;
	return (uint64_t)((unsigned __int128)delta * page->mul >> 32) + page->system_time;
}

static void make_clock(uint64_t page)
{
	wrmsr(MSR_SYSTEM_TIME, page | 1);
}

static bool other_is_stable(void)
{
	return ((volatile struct clock_page *)&clocks[1])->flags & STABLE;
}

/* Exits once in a while, so that its page can be written. */
static void exit_often(uint64_t us)
{
	for (uint64_t i = 0; i < us / 100; i++) {
		delay_us(100);
		cpuid(0, 0);
	}
}

static void test_clock(unsigned cpus)
{
	const struct clock_page *page = &clocks[0];
	uint64_t before, after;

	make_clock((uint64_t)page);
	if (cpus > 1) {
		cpu_run(1, make_clock, (uint64_t)&clocks[1]);
		cpu_join(1, 2000);
		check(page->flags & STABLE && other_is_stable(), "clocks agree", "not stable");
	}
	before = clock_ns(page);
	wrmsr(MSR_TSC, FAR);
	after = clock_ns(page);
	check(after - before < 1000000000, "time goes on", "from %lu to %lu ns", before, after);
	if (cpus > 1) {
		exit_often(20000);
		check(!(page->flags & STABLE) && !other_is_stable(), "TSCs are apart",
		      "flags say that they agree");
	}
	wrmsr(MSR_TSC_ADJUST, 0);
	after = clock_ns(page);
	check(after - before < 1000000000, "and goes on", "from %lu to %lu ns", before, after);
	if (cpus > 1) {
		exit_often(20000);
		check(page->flags & STABLE && other_is_stable(), "and together again",
		      "not stable");
	}
	wrmsr(MSR_SYSTEM_TIME, 0);
}

void test(void)
{
	unsigned cpus = smp_start();

	if (!hypervisor_is_ours()) {
		skip("MSRs", "this is another hypervisor");
		reached("nothing");
		return;
	}
	test_moving(cpus);
	test_disabling();
	test_tsc(cpus);
	test_deadline();
	test_clock(cpus);
}
