/* The local APIC, through its page or, after apic_enable_x2(), its MSRs (SDM vol. 3A chapter
 * 10). Registers are named by their offset in the page. */
#ifndef TESTS_GUEST_LIB_APIC_H
#define TESTS_GUEST_LIB_APIC_H

#include "tests/guest/lib/cpu.h"

#define APIC_PAGE   0xfee00000ull
#define IOAPIC_PAGE 0xfec00000ull

enum apic_register {
	APIC_ID = 0x20,
	APIC_VERSION = 0x30,
	APIC_TPR = 0x80,
	APIC_PPR = 0xa0,
	APIC_EOI = 0xb0,
	APIC_LDR = 0xd0,
	APIC_DFR = 0xe0,
	APIC_SVR = 0xf0,
	APIC_ISR = 0x100,
	APIC_TMR = 0x180,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_ICR = 0x300,
	APIC_ICR2 = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_PERF = 0x340,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
	APIC_SELF_IPI = 0x3f0, /* x2APIC */
};

enum apic_bits {
	ICR_FIXED = 0,
	ICR_NMI = 0x400,
	ICR_INIT = 0x500,
	ICR_SIPI = 0x600,
	ICR_PENDING = 0x1000,
	ICR_ASSERT = 0x4000,
	ICR_SELF = 0x40000,
	ICR_ALL = 0x80000,
	ICR_OTHERS = 0xc0000,

	LVT_MASKED = 0x10000,
	LVT_EXTINT = 0x700,
	TIMER_ONE_SHOT = 0,
	TIMER_PERIODIC = 0x20000,
	TIMER_DEADLINE = 0x40000,
	TIMER_BY_1 = 0xb,

	SVR_ENABLED = 0x100,
	BASE_X2 = 0x400,
	BASE_ENABLED = 0x800,
};

uint32_t apic_read(unsigned reg);
void apic_write(unsigned reg, uint32_t value);
void apic_eoi(void);
bool apic_is_x2(void);	   /* this CPU's */
void apic_enable(void);	   /* this CPU's, with VECTOR_SPURIOUS */
bool apic_has_x2(void);	   /* by CPUID */
void apic_enable_x2(void); /* this CPU's */
unsigned apic_id(void);

/* Sends an IPI: `command` is ICR's lower half, `id` an APIC ID (ignored with a shorthand). */
void apic_ipi(unsigned id, uint32_t command);

/* Whether the bit of `vector` is set in ISR, TMR or IRR. */
bool apic_bit(unsigned bank, unsigned vector);

uint32_t ioapic_read(unsigned index);
void ioapic_write(unsigned index, uint32_t value);
/* Sends an I/O APIC's pin to `vector` of CPU 0; `flags` are bits 8-16 of the entry. */
void ioapic_route(unsigned pin, unsigned vector, uint32_t flags);
#define IOAPIC_MASKED 0x10000
#define IOAPIC_LEVEL  0x8000
#define IOAPIC_LOW    0x2000

#endif
