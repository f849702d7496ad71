/*
 * The host's local APIC behind one pair of accessors, whether its registers are memory (xAPIC)
 * or MSRs (x2APIC). SDM vol. 3A chapter 11; APM vol. 2 chapter 16.
 */
#include "kernel/cpu/apic.h"

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/vectors.h"
#include "kernel/lib/lock.h"

#define APIC_BASE_X2APIC  BIT(10)
#define APIC_BASE_ENABLE  BIT(11)
#define APIC_BASE_ADDRESS 0xffffffffff000ull

/* Registers, as offsets into the xAPIC's page; x2APIC's MSR is 0x800 + offset / 16. */
enum apic_register {
	APIC_ID = 0x20,
	APIC_TPR = 0x80,
	APIC_EOI = 0xb0,
	APIC_SVR = 0xf0,
	APIC_ESR = 0x280,
	APIC_ICR_LOW = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
};

#define SVR_ENABLE	   BIT(8)
#define LVT_NMI		   (4u << 8)
#define LVT_MASKED	   BIT(16)
#define LVT_PERIODIC	   (1u << 17)
#define LVT_TSC_DEADLINE   (2u << 17)
#define TIMER_DIVIDE_BY_16 3u

#define ICR_NMI		   (4u << 8)
#define ICR_INIT	   (5u << 8)
#define ICR_STARTUP	   (6u << 8)
#define ICR_PENDING	   BIT(12)
#define ICR_ASSERT	   BIT(14)

static volatile uint32_t *xapic; /* NULL: x2APIC */
static uint64_t timer_khz;	 /* rate of the divided timer; 0: TSC deadline */

static uint32_t apic_read(enum apic_register reg)
{
	return xapic ? xapic[reg / 4] : (uint32_t)rdmsr(MSR_X2APIC + reg / 16);
}

static void apic_write(enum apic_register reg, uint32_t value)
{
	if (xapic)
		xapic[reg / 4] = value;
	else
		wrmsr(MSR_X2APIC + reg / 16, value);
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
	uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	/* From disabled, x2APIC is entered by way of xAPIC: SDM vol. 3A 11.12.5. */
	wrmsr(MSR_APIC_BASE, base);
	if (!xapic)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);

	apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, LVT_NMI);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
	apic_write(APIC_ESR, 0);
	if (cpu_features.tsc_deadline) {
		apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		/* The xAPIC's write must be seen before the MSR's: SDM vol. 3A 11.5.4.1. */
		__asm__ volatile("mfence" : : : "memory");
	} else {
		apic_write(APIC_LVT_TIMER, timer_lvt());
	}
}

uint32_t apic_id(void)
{
	return xapic ? apic_read(APIC_ID) >> 24 : apic_read(APIC_ID);
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_look_again(void)
{
	apic_write(APIC_TPR, 0);
}

static void send(uint32_t dest_apic_id, uint32_t command)
{
	uint64_t flags;

	if (!xapic) {
		/* This WRMSR doesn't wait for earlier stores: SDM vol. 3A 11.12.3. */
		__asm__ volatile("mfence; lfence" : : : "memory");
		wrmsr(MSR_X2APIC + APIC_ICR_LOW / 16, (uint64_t)dest_apic_id << 32 | command);
		return;
	}
	flags = irq_save(); /* the two halves belong together */
	while (apic_read(APIC_ICR_LOW) & ICR_PENDING)
		cpu_relax();
	apic_write(APIC_ICR_HIGH, dest_apic_id << 24);
	apic_write(APIC_ICR_LOW, command);
	irq_restore(flags);
}

void apic_send_ipi(uint32_t dest_apic_id, unsigned vector)
{
	send(dest_apic_id, ICR_ASSERT | vector);
}

void apic_send_nmi(uint32_t dest_apic_id)
{
	send(dest_apic_id, ICR_ASSERT | ICR_NMI);
}

void apic_send_init(uint32_t dest_apic_id)
{
	send(dest_apic_id, ICR_ASSERT | ICR_INIT);
}

void apic_send_sipi(uint32_t dest_apic_id, unsigned page)
{
	send(dest_apic_id, ICR_ASSERT | ICR_STARTUP | page);
}

void apic_timer_calibrate(void)
{
	uint64_t from, to;
	uint32_t count;

	if (cpu_features.tsc_deadline)
		return;
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
	from = clock_now_ns();
	clock_delay_us(2000);
	count = UINT32_MAX - apic_read(APIC_TIMER_CURRENT);
	to = clock_now_ns();
	apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_LVT_TIMER, timer_lvt());
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
		apic_write(APIC_TIMER_INITIAL, deadline_ns ? timer_ticks(deadline_ns) : 0);
	else if (deadline_ns)
		wrmsr(MSR_TSC_DEADLINE, clock_deadline_tsc(deadline_ns));
	else
		wrmsr(MSR_TSC_DEADLINE, 0);
}
