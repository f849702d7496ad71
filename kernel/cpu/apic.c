/*
 * The host's local APIC behind one pair of accessors, whether its registers are memory (xAPIC)
 * or MSRs (x2APIC). SDM vol. 3A chapter 11; APM vol. 2 chapter 16.
 */
#include "kernel/cpu/apic.h"

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/vectors.h"
#include "kernel/lib/lapic.h"
#include "kernel/lib/lock.h"

#define TIMER_DIVIDE_BY_16 3u /* SDM vol. 3A fig. 10-10 */

static volatile uint32_t *xapic; /* NULL: x2APIC */
static uint64_t timer_khz;	 /* rate of the divided timer; 0: TSC deadline */

static uint32_t apic_read(enum lapic_reg reg)
{
	return xapic ? xapic[4 * reg] : (uint32_t)rdmsr(MSR_X2APIC + reg);
}

static void apic_write(enum lapic_reg reg, uint32_t value)
{
	if (xapic)
		xapic[4 * reg] = value;
	else
		wrmsr(MSR_X2APIC + reg, value);
}

uint64_t apic_registers_phys(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS;
}

void apic_init(void *registers)
{
	/* Firmware may have left the CPU in x2APIC mode, but only if it has it. */
	xapic = cpu_features.x2apic ? NULL : registers;
}

/* One shot, which its handler sets anew. On QEMU's TCG an interrupt may be lost while a guest
 * runs (svm/tcg.c), so that there the timer goes on until its handler has come; not too fast,
 * or QEMU does nothing else. */
#define TCG_PERIOD_MIN_NS 50000u

static uint32_t timer_lvt(void)
{
	return cpu_features.tcg ? LVT_PERIODIC | VECTOR_TIMER : VECTOR_TIMER;
}

void apic_init_this_cpu(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_EN;

	/* From disabled, x2APIC is entered by way of xAPIC: SDM vol. 3A 11.12.5. */
	wrmsr(MSR_APIC_BASE, base);
	if (!xapic)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);

	apic_write(LAPIC_SVR, SVR_ENABLED | VECTOR_SPURIOUS);
	apic_write(LAPIC_TPR, 0);
	apic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	apic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	apic_write(LAPIC_LVT_LINT1, DELIVERY_NMI);
	apic_write(LAPIC_LVT_ERROR, LVT_MASKED);
	apic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
	apic_write(LAPIC_ESR, 0);
	if (cpu_features.tsc_deadline) {
		apic_write(LAPIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		/* The xAPIC's write must be seen before the MSR's: SDM vol. 3A 11.5.4.1. */
		__asm__ volatile("mfence" : : : "memory");
	} else {
		apic_write(LAPIC_LVT_TIMER, timer_lvt());
	}
}

uint32_t apic_id(void)
{
	return xapic ? apic_read(LAPIC_ID) >> 24 : apic_read(LAPIC_ID);
}

void apic_eoi(void)
{
	apic_write(LAPIC_EOI, 0);
}

void apic_look_again(void)
{
	apic_write(LAPIC_TPR, 0);
}

static void send(uint32_t dest_apic_id, uint32_t command)
{
	uint64_t flags;

	if (!xapic) {
		/* This WRMSR doesn't wait for earlier stores: SDM vol. 3A 11.12.3. */
		__asm__ volatile("mfence; lfence" : : : "memory");
		wrmsr(MSR_X2APIC + LAPIC_ICR, (uint64_t)dest_apic_id << 32 | command);
		return;
	}
	flags = irq_save(); /* the two halves belong together */
	while (apic_read(LAPIC_ICR) & ICR_PENDING)
		cpu_relax();
	apic_write(LAPIC_ICR_HIGH, dest_apic_id << 24);
	apic_write(LAPIC_ICR, command);
	irq_restore(flags);
}

void apic_send_ipi(uint32_t dest_apic_id, unsigned vector)
{
	send(dest_apic_id, ICR_ASSERT | vector);
}

void apic_send_nmi(uint32_t dest_apic_id)
{
	send(dest_apic_id, ICR_ASSERT | DELIVERY_NMI);
}

void apic_send_init(uint32_t dest_apic_id)
{
	send(dest_apic_id, ICR_ASSERT | DELIVERY_INIT);
}

void apic_send_sipi(uint32_t dest_apic_id, unsigned page)
{
	send(dest_apic_id, ICR_ASSERT | DELIVERY_STARTUP | page);
}

void apic_timer_calibrate(void)
{
	uint64_t from, to;
	uint32_t count;

	if (cpu_features.tsc_deadline)
		return;
	apic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	apic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
	from = clock_now_ns();
	clock_delay_us(2000);
	count = UINT32_MAX - apic_read(LAPIC_TIMER_CURRENT);
	to = clock_now_ns();
	apic_write(LAPIC_TIMER_INITIAL, 0);
	apic_write(LAPIC_LVT_TIMER, timer_lvt());
	timer_khz = MAX(count * 1000000ull / (to - from), 1ull);
}

/* Ticks of the divided timer from now to `deadline_ns`, at least one. What is too far for the
 * counter interrupts early; the owner of the timer then arms it again. */
static uint32_t timer_ticks(uint64_t deadline_ns)
{
	uint64_t now = clock_now_ns();
	uint64_t ns = deadline_ns > now ? MIN(deadline_ns - now, 10 * NSEC_PER_SEC) : 0;

	if (unlikely(cpu_features.tcg))
		ns = MAX(ns, (uint64_t)TCG_PERIOD_MIN_NS);
	return (uint32_t)MIN(ns * timer_khz / 1000000 + 1, (uint64_t)UINT32_MAX);
}

void apic_timer_arm(uint64_t deadline_ns)
{
	if (!cpu_features.tsc_deadline)
		apic_write(LAPIC_TIMER_INITIAL, deadline_ns ? timer_ticks(deadline_ns) : 0);
	else if (deadline_ns)
		wrmsr(MSR_TSC_DEADLINE, clock_deadline_tsc(deadline_ns));
	else
		wrmsr(MSR_TSC_DEADLINE, 0);
}
