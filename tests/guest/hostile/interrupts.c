/* The hostile guest at the local and I/O APICs, and CPUs that start each other. */
#include "tests/guest/hostile/hostile.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

#define REAL_PAGE(cpu) (0x9000u + 0x1000u * (cpu))
#define REAL_FAULT     0x7000u
#define NMI_WAIT       200
#define UP_WAIT_US     100000
#define X2(reg)	       (0x800 + (reg) / 16)

extern const char trampoline[], trampoline_end[], image_start[], text_end[];

static unsigned cpus;
/* Only who has it sends INIT, SIPI and NMI: a CPU on its way to 64-bit mode can't take an NMI.
 */
static volatile unsigned starting;
static volatile uint32_t came[CPUS_MAX], nmis[CPUS_MAX];
static volatile bool window[CPUS_MAX];

/* CPU 0's next NMI is a rescue, and what that found. */
static volatile bool rescued;
struct frame stood_at;
volatile unsigned strays;

/* ---- what comes ---- */

#define WINDOW_MAX 200 /* more: a line that stays up */

static void end_of_interrupt(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (base & BASE_X2)
		wrmsr(X2(APIC_EOI), 0);
	else if (base & BASE_ENABLED)
		*(volatile uint32_t *)((base & 0xfffff000) + APIC_EOI) = 0;
	out8(0x20, 0x20);
	out8(0xa0, 0x20);
}

/* As a CALL on an empty stack begins it, whatever the CPU was at. Its stack pointer may have
 * strayed, too, to another's stack: its APIC ID says who it is. */
static void leave_for(struct frame *frame, void (*where)(void))
{
	struct cpu *cpu = cpu_at(cpuid(1, 0).ebx >> 24);

	frame->rip = (uintptr_t)where;
	frame->cs = SELECTOR_CODE64;
	frame->ss = SELECTOR_DATA;
	frame->rsp = (uintptr_t)cpu + CPU_BLOCK_BYTES - 8;
	frame->rflags = 2;
	cpu->resume = 0;
}

static void taken(struct frame *frame)
{
	unsigned self = cpu_index();

	if (frame->vector == VECTOR_NMI) {
		nmis[self]++;
		if (self || !rescued)
			return;
		rescued = false;
		stood_at = *frame;
		leave_for(frame, torn_out);
		return;
	}
	end_of_interrupt();
	if (++came[self] > WINDOW_MAX)
		frame->rflags &= ~0x200ull;
}

/* Pieces of instructions, met amiss, may be jumps to anywhere. Where it ends is not in the
 * program; exceptions there that nobody waits for are not the program's doing. */
static bool is_astray(const struct frame *frame)
{
	return frame->cs != SELECTOR_CODE64 || frame->rip < (uintptr_t)image_start ||
	       frame->rip >= (uintptr_t)text_end;
}

/* An exception, unless interrupts are let in: then it only looks like one. */
static void exception(struct frame *frame)
{
	struct cpu *cpu = cpu_self();

	if (window[cpu_index()]) {
		taken(frame);
		return;
	}
	asm volatile("mov %0, %%dr7" : : "r"(0x400ull));
	if (cpu->resume) {
		cpu->trap = (struct trap){frame->vector, frame->error, read_cr2(), frame->rip};
		frame->rip = cpu->resume;
		frame->cs = SELECTOR_CODE64;
		frame->rflags = 2;
		cpu->resume = 0;
	} else if (is_astray(frame)) {
		strays++;
		leave_for(frame, torn_out);
	} else if (frame->vector != VECTOR_DB) {
		give_up("exception %lu error 0x%lx at 0x%lx on CPU %u, CR2 0x%lx",
			frame->vector, frame->error, frame->rip, cpu_index(), read_cr2());
	} else {
		frame->rflags = (frame->rflags & ~0x100ull) | 0x10000; /* TF, RF */
	}
}

void irq_window(bool sleep)
{
	unsigned self = cpu_index();

	came[self] = 0;
	window[self] = true;
	if (sleep)
		irq_wait();
	else
		asm volatile("sti; nop; nop; cli" : : : "memory");
	window[self] = false;
}

void irq_window_stays(void)
{
	window[cpu_index()] = true;
}

/* Asleep only with a timer that is sure to come. */
void op_window(void)
{
	bool sleep = one_in(4);

	apic_orderly();
	if (sleep) {
		apic_write(APIC_TPR, 0);
		apic_write(APIC_SVR, SVR_ENABLED | VECTOR_SPURIOUS);
		apic_write(APIC_TIMER_DIVIDE, TIMER_BY_1);
		apic_write(APIC_LVT_TIMER, 0xfe | TIMER_PERIODIC);
		apic_write(APIC_TIMER_INITIAL, 20000 + random_below(100000));
		for (unsigned i = 0; i < 8; i++) /* nothing in service may be in its way */
			for (unsigned n = 0; n < 32 && apic_read(APIC_ISR + 16 * i); n++)
				apic_write(APIC_EOI, 0);
	}
	irq_window(sleep);
	if (sleep)
		apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

/* ---- the local APIC ---- */

void apic_orderly(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if ((base & ~0x100ull) == (APIC_PAGE | BASE_ENABLED))
		return;
	wrmsr(MSR_APIC_BASE, APIC_PAGE | (base & 0x100));
	wrmsr(MSR_APIC_BASE, APIC_PAGE | BASE_ENABLED | (base & 0x100));
}

void op_apic(void)
{
	static const uint16_t registers[] = {
		APIC_TPR,	   APIC_EOI,	       APIC_LDR,       APIC_DFR,
		APIC_SVR,	   APIC_ESR,	       APIC_LVT_TIMER, APIC_LVT_PERF,
		APIC_LVT_LINT0,	   APIC_LVT_LINT1,     APIC_LVT_ERROR, APIC_TIMER_INITIAL,
		APIC_TIMER_DIVIDE, APIC_TIMER_CURRENT, APIC_SELF_IPI,  APIC_ISR,
		APIC_ID,	   APIC_VERSION};
	unsigned reg = registers[random_below(ARRAY_SIZE(registers))];

	if (one_in(8))
		reg = random_below(256) * 16;
	if (one_in(3))
		(void)apic_read(reg);
	else
		apic_write(reg, (uint32_t)harmless(odd_number()));
}

/* Off, moved, or in x2APIC mode for a few accesses. */
void op_apic_mode(void)
{
	uint64_t first = rdmsr(MSR_APIC_BASE), value;

	switch (random_below(4)) {
	case 0: try_wrmsr(MSR_APIC_BASE, first ^ BIT(random_below(64))); break;
	case 1: try_wrmsr(MSR_APIC_BASE, first & ~(uint64_t)BASE_ENABLED); break;
	case 2:
		try_wrmsr(MSR_APIC_BASE,
			  (first & 0xfff) | ((one_in(2) ? play_address() : device_address()) &
					     0xfffff000));
		break;
	default: try_wrmsr(MSR_APIC_BASE, first | BASE_X2 | BASE_ENABLED); break;
	}
	for (unsigned i = random_below(8); i; i--) {
		uint32_t msr = 0x800 + random_below(one_in(8) ? 256 : 64);

		if (one_in(2))
			try_rdmsr(msr, &value);
		else
			try_wrmsr(msr,
				  harmless(one_in(2) ? odd_number() : random32() & 0x1ffff));
	}
	(void)*(volatile uint32_t *)(APIC_PAGE + APIC_TPR);
	if (one_in(4))
		irq_window(false);
	apic_orderly();
}

void op_ioapic(void)
{
	unsigned index = one_in(4) ? random_below(256) : 0x10 + random_below(48);

	if (one_in(3))
		(void)ioapic_read(index);
	else
		ioapic_write(index,
			     (uint32_t)harmless(one_in(4) ? random64() : random32() & 0xffff));
	if (one_in(8)) /* EOI register, of later ones */
		*(volatile uint32_t *)(IOAPIC_PAGE + 0x40) = random_below(256);
}

/* Any message but those that start CPUs; NMI to itself. */
void op_ipi(void)
{
	uint32_t command = (uint32_t)harmless(random64()) & 0xfffff;

	apic_orderly();
	if (one_in(16)) {
		apic_write(APIC_ICR, ICR_SELF | ICR_ASSERT | ICR_NMI);
		return;
	}
	if (one_in(2))
		command = 0x20 + random_below(0xe0);
	if (one_in(3))
		command |= ICR_ALL;
	apic_write(APIC_ICR2, one_in(4) ? random32() : random_below(cpus + 1) << 24);
	apic_write(APIC_ICR, command);
}

/* ---- starting CPUs ---- */

static void put(uint32_t at, const uint8_t *bytes, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		*(volatile uint8_t *)(uintptr_t)(at + i) = bytes[i];
}

/* In real mode some instructions that exit, then the way that all CPUs go. */
static void write_real(unsigned cpu)
{
	static const uint8_t code[][5] = {
		{0x0f, 0xa2, 0x90, 0x90, 0x90}, /* cpuid */
		{0x0f, 0x32, 0x90, 0x90, 0x90}, /* rdmsr */
		{0xe4, 0x71, 0x90, 0x90, 0x90}, /* in $0x71, %al */
		{0xe6, 0x80, 0x90, 0x90, 0x90}, /* out %al, $0x80 */
		{0x0f, 0x20, 0xc0, 0x90, 0x90}, /* mov %cr0, %eax */
		{0x0f, 0x01, 0xe0, 0x90, 0x90}, /* smsw %ax */
		{0xb9, 8, 0, 0xf3, 0x6c}, /* mov $8, %cx; rep insb: what CPUID left there would
					   * fill the 64 KiB that are all that it has */
		{0x0f, 0x01, 0xd9, 0x90, 0x90}, /* vmmcall */
		{0x0f, 0x0b, 0x90, 0x90, 0x90}, /* ud2 */
		{0xcd, 0x15, 0x90, 0x90, 0x90}, /* int $0x15 */
		{0x0f, 0x09, 0x90, 0x90, 0x90}, /* wbinvd */
		{0x67, 0x66, 0x8b, 0x06, 0x90}, /* mov (%esi), %eax: beyond the limit or not */
		{0x8c, 0xc8, 0x8e, 0xd0, 0x90}, /* mov %cs, %ax; mov %ax, %ss */
		{0x9c, 0x58, 0x90, 0x90, 0x90}, /* pushf; pop %ax */
		{0x0f, 0x31, 0x90, 0x90, 0x90}, /* rdtsc */
		{0x0f, 0x00, 0xc8, 0x90, 0x90}, /* str: none here */
	};
	static const uint8_t go[] = {0xea, 0, 0, SMP_TRAMPOLINE >> 4 & 0xff,
				     SMP_TRAMPOLINE >> 12};
	uint32_t at = REAL_PAGE(cpu);
	/* cli; mov $0xe000, %sp; mov %sp, %di; mov $0x80, %dx */
	static const uint8_t begin[] = {0xfa, 0xbc, 0, 0xe0, 0x89, 0xe7, 0xba, 0x80, 0};

	put(at, begin, sizeof(begin));
	at += sizeof(begin);
	for (unsigned i = 0; i < 6; i++, at += 5)
		put(at, code[random_below(ARRAY_SIZE(code))], 5);
	put(at, go, sizeof(go));
}

/* The code that starts CPUs, and all real-mode vectors at it. */
static void write_low(void)
{
	static const uint8_t go[] = {0xea, 0, 0, SMP_TRAMPOLINE >> 4 & 0xff,
				     SMP_TRAMPOLINE >> 12};

	for (const char *from = trampoline; from < trampoline_end; from++)
		*(volatile char *)(uintptr_t)(SMP_TRAMPOLINE + (from - trampoline)) = *from;
	put(REAL_FAULT, go, sizeof(go));
	for (unsigned i = 0; i < 256; i++)
		((volatile uint32_t *)0)[i] = REAL_FAULT << 12; /* 0700:0000 */
}

static void start(unsigned cpu, unsigned page)
{
	unsigned starts = cpu_at(cpu)->starts;
	uint32_t begin = pm_now();

	apic_orderly();
	apic_write(APIC_ICR2, cpu << 24);
	apic_write(APIC_ICR, ICR_ASSERT | ICR_INIT);
	if (one_in(4))
		delay_us(random_below(100));
	apic_write(APIC_ICR2, cpu << 24);
	apic_write(APIC_ICR, ICR_ASSERT | ICR_SIPI | page >> 12);
	if (one_in(4)) { /* one more, which is too late or is not */
		apic_write(APIC_ICR2, cpu << 24);
		apic_write(APIC_ICR, ICR_ASSERT | ICR_SIPI | page >> 12);
	}
	while (cpu_at(cpu)->starts == starts && pm_us_since(begin) < UP_WAIT_US)
		pause();
}

void op_start(void)
{
	unsigned cpu, self = cpu_index();
	uint32_t before;

	if (cpus < 2 || !lock_try(&starting))
		return;
	cpu = 1 + random_below(cpus - 1);
	if (one_in(2)) { /* an NMI, to whoever is up */
		before = nmis[cpu];
		apic_orderly();
		apic_write(APIC_ICR2, cpu << 24);
		apic_write(APIC_ICR, ICR_ASSERT | ICR_NMI);
		for (unsigned i = 0; i < NMI_WAIT && nmis[cpu] == before; i++)
			pause();
	} else if (cpu != self) {
		write_low();
		write_real(cpu);
		start(cpu, one_in(2) ? SMP_TRAMPOLINE : REAL_PAGE(cpu));
	}
	lock_give(&starting);
}

void start_again(unsigned cpu)
{
	if (!lock_try(&starting))
		return;
	write_low();
	start(cpu, SMP_TRAMPOLINE);
	lock_give(&starting);
}

void rescue(void)
{
	rescued = true;
	apic_orderly();
	apic_write(APIC_ICR2, 0);
	apic_write(APIC_ICR, ICR_ASSERT | ICR_NMI);
}

void start_prepare(unsigned count)
{
	cpus = count;
	for (unsigned vector = 0; vector < 256; vector++)
		trap_handler(vector, vector < 32 && vector != VECTOR_NMI ? exception : taken);
	write_low();
}

void start_release(void)
{
	window[cpu_index()] = false;
	lock_give_mine(&starting);
}
