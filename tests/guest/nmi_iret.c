/*
 * NMIs are blocked from one's delivery to the next IRET, and one more is kept meanwhile (SDM
 * vol. 3A 6.7.1). An IRET that faults ends that too; an exception inside the handler, which
 * returns by IRET, ends it early.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

static volatile unsigned nmis, depth, deepest, inside;
static volatile bool breakpoint;

static void send_nmi(void)
{
	apic_ipi(apic_id(), ICR_NMI | ICR_ASSERT);
}

static void on_breakpoint(struct frame *frame)
{
	(void)frame;
}

/* Sends more NMIs from within: one must wait, the others merge with it. */
static void on_nmi(struct frame *frame)
{
	(void)frame;
	if (++depth > deepest)
		deepest = depth;
	if (++nmis == 1) {
		for (unsigned i = 0; i < 3; i++)
			send_nmi();
		delay_us(2000);
		inside = nmis;
		if (breakpoint) { /* its handler's IRET unblocks: the next comes here */
			asm volatile("int3");
			delay_us(2000);
			inside = nmis;
		}
	}
	depth--;
}

static void run(bool with_breakpoint)
{
	nmis = depth = deepest = inside = 0;
	breakpoint = with_breakpoint;
	send_nmi();
	delay_us(5000);
}

/* The NMI waits for interrupts of neither kind: IF is clear all the time here. */
static void test_blocking(void)
{
	run(false);
	check(inside == 1, "blocked until IRET", "%u NMIs before it", inside);
	check(nmis == 2, "one is kept", "%u in all", nmis);
	check(deepest == 1, "none inside another", "%u deep", deepest);
}

static void test_early_iret(void)
{
	run(true);
	check(inside == 2 && deepest == 2, "an inner IRET unblocks", "%u NMIs, %u deep", inside,
	      deepest);
	check(nmis == 2, "and nothing else comes", "%u in all", nmis);
}

extern const char bad_iret[], behind_bad_iret[];
static volatile uint64_t saved_rsp, fault_rip, fault_flags, fault_error;

static void on_gp(struct frame *frame)
{
	fault_rip = frame->rip;
	fault_flags = frame->rflags;
	fault_error = frame->error;
	frame->rip = (uintptr_t)behind_bad_iret;
	frame->rsp = saved_rsp;
}

/* Returns to a code segment that the GDT does not have. */
static void on_nmi_bad_iret(struct frame *frame)
{
	(void)frame;
	asm volatile("mov %%rsp, %0\n\t"
		     "push $0\n\tpush %%rsp\n\tpushf\n\tpush $0xff8\n\tpush $0\n"
		     "bad_iret: iretq\n"
		     "behind_bad_iret:"
		     : "=m"(saved_rsp)
		     :
		     : "memory", "cc");
	nmis++;
}

/* The exception's frame is as the CPU would write it: whoever watches for the IRET leaves no
 * trace in it. */
static void test_bad_iret(void)
{
	trap_handler(VECTOR_NMI, on_nmi_bad_iret);
	trap_handler(VECTOR_GP, on_gp);
	nmis = 0;
	send_nmi();
	delay_us(5000);
	check(nmis == 1 && fault_rip == (uintptr_t)bad_iret && fault_error == 0xff8,
	      "an IRET that faults", "%u NMIs, RIP 0x%lx error 0x%lx", nmis, fault_rip,
	      fault_error);
	check(!(fault_flags & BIT(8)), "its flags", "TF is set: 0x%lx", fault_flags);
	trap_handler(VECTOR_GP, NULL);
	trap_handler(VECTOR_NMI, on_nmi);
}

static volatile unsigned hits;

static void send_to_first(uint64_t count)
{
	for (unsigned i = 0; i < count; i++) {
		apic_ipi(0, ICR_NMI | ICR_ASSERT);
		delay_us(200);
	}
}

static void on_plain_nmi(struct frame *frame)
{
	(void)frame;
	hits++;
}

/* From another CPU, into code that exits all the time. */
static void test_from_other(unsigned cpus)
{
	if (cpus < 2)
		return;
	trap_handler(VECTOR_NMI, on_plain_nmi);
	hits = 0;
	cpu_run(1, send_to_first, 100);
	while (cpu_at(1)->work)
		cpuid(0, 0);
	delay_us(2000);
	check(hits > 0 && hits <= 100, "from another CPU", "%u", hits);
	print("%u of 100 NMIs seen\n", hits);
}

/* Two at once to a CPU that handles none: one is delivered, one waits beside it, and neither is
 * lost, as often as it is done. `settled` is how many it had seen when its handler was left:
 * until then they would merge, and rightly. */
static volatile bool over;
static volatile unsigned settled;

static void sleep_until_over(uint64_t arg)
{
	(void)arg;
	while (!over) {
		settled = hits;
		asm volatile("hlt"); /* interrupts are off: an NMI ends it */
	}
}

/* Long: on a busy machine the other CPU may not run for a while. */
static bool reaches(const volatile unsigned *count, unsigned least)
{
	for (unsigned waited = 0; *count < least && waited < 6000; waited++)
		delay_us(500);
	return *count >= least;
}

static void test_two_to_an_idle_cpu(unsigned cpus)
{
	unsigned rounds = race_rounds(200), lost = 0, more = 0;

	if (cpus < 2)
		return;
	trap_handler(VECTOR_NMI, on_plain_nmi);
	hits = settled = 0;
	cpu_run(1, sleep_until_over, 0);
	for (unsigned i = 0; i < rounds && lost < 3; i++) {
		unsigned before = hits;

		if (!reaches(&settled, before))
			break;
		delay_us(300); /* it sleeps */
		apic_ipi(1, ICR_NMI | ICR_ASSERT);
		apic_ipi(1, ICR_NMI | ICR_ASSERT);
		lost += !reaches(&hits, before + 2);
		delay_us(300);
		more += hits > before + 2;
	}
	check(reaches(&settled, hits), "it settles", "%u of %u NMIs", settled, hits);
	over = true;
	apic_ipi(1, ICR_NMI | ICR_ASSERT);
	cpu_join(1, 2000);
	check(!lost && !more, "two at once", "%u of %u times one was lost, %u times more came",
	      lost, rounds, more);
}

void test(void)
{
	unsigned cpus = smp_start();

	trap_handler(VECTOR_NMI, on_nmi);
	trap_handler(VECTOR_BP, on_breakpoint);
	test_blocking();
	test_early_iret();
	test_bad_iret();
	test_from_other(cpus);
	test_two_to_an_idle_cpu(cpus);
}
