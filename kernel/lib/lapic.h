/*
 * The local APIC's registers and their bits (SDM vol. 3A 10.4 to 10.12; APM vol. 2 ch. 16): for
 * the host's own (kernel/cpu/apic.c) and for guests' (kernel/vmm/vlapic.c). Numbers only.
 */
#ifndef KERNEL_LIB_LAPIC_H
#define KERNEL_LIB_LAPIC_H

#include "kernel/lib/types.h"

/* Registers by number: x2APIC MSR - 0x800, and offset / 16 in the page (SDM vol. 3A tables
 * 10-1 and 10-6). */
enum lapic_reg {
	LAPIC_ID = 0x02,
	LAPIC_VERSION = 0x03,
	LAPIC_TPR = 0x08,
	LAPIC_APR = 0x09,
	LAPIC_PPR = 0x0a,
	LAPIC_EOI = 0x0b,
	LAPIC_RRD = 0x0c,
	LAPIC_LDR = 0x0d,
	LAPIC_DFR = 0x0e,
	LAPIC_SVR = 0x0f,
	LAPIC_ISR = 0x10, /* 8 registers, as TMR and IRR */
	LAPIC_TMR = 0x18,
	LAPIC_IRR = 0x20,
	LAPIC_ESR = 0x28,
	LAPIC_ICR = 0x30,
	LAPIC_ICR_HIGH = 0x31,
	LAPIC_LVT_TIMER = 0x32,
	LAPIC_LVT_THERMAL = 0x33,
	LAPIC_LVT_COUNTER = 0x34,
	LAPIC_LVT_LINT0 = 0x35,
	LAPIC_LVT_LINT1 = 0x36,
	LAPIC_LVT_ERROR = 0x37,
	LAPIC_TIMER_INITIAL = 0x38,
	LAPIC_TIMER_CURRENT = 0x39,
	LAPIC_TIMER_DIVIDE = 0x3e,
	LAPIC_SELF_IPI = 0x3f,
	LAPIC_REGS = 0x40,
};

/* IA32_APIC_BASE: SDM vol. 3A 10.4.4, 10.12.1. */
#define APIC_BASE_BSP	  BIT(8)
#define APIC_BASE_EXTD	  BIT(10)
#define APIC_BASE_EN	  BIT(11)
#define APIC_BASE_X2APIC  (APIC_BASE_EN | APIC_BASE_EXTD)
#define APIC_BASE_ADDRESS 0xffffffffff000ull

#define SVR_ENABLED	  BIT(8) /* SDM vol. 3A 10.9 */

/* Delivery modes of LVT entries and of the ICR: SDM vol. 3A 10.5.1, 10.6.1. */
#define LAPIC_DELIVERY	    0x700u
#define DELIVERY_NMI	    0x400u
#define DELIVERY_INIT	    0x500u
#define DELIVERY_STARTUP    0x600u
#define DELIVERY_EXTINT	    0x700u

#define LVT_DELIVERY_STATUS BIT(12) /* SDM vol. 3A fig. 10-8 */
#define LVT_REMOTE_IRR	    BIT(14)
#define LVT_MASKED	    BIT(16)
#define LVT_PERIODIC	    (1u << 17) /* the timer's mode, two bits */
#define LVT_TSC_DEADLINE    (2u << 17)

#define ICR_LOGICAL	    BIT(11) /* SDM vol. 3A fig. 10-12 */
#define ICR_PENDING	    BIT(12)
#define ICR_ASSERT	    BIT(14)
#define ICR_LEVEL	    BIT(15)

#endif
