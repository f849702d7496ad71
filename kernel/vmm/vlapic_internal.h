/*
 * What vlapic.c (registers), vlapic_ipi.c (messages) and vlapic_timer.c share. Nobody else
 * includes this.
 *
 * Who may touch what: the vCPU's thread everything; any CPU in any context sets bits in IRR,
 * TMR, irr_words and errors, and reads registers, all by atomics. The timer's function reads
 * the timer's fields, which the thread changes only while the timer is cancelled.
 */
#ifndef KERNEL_VMM_VLAPIC_INTERNAL_H
#define KERNEL_VMM_VLAPIC_INTERNAL_H

#include "kernel/lib/lapic.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#include "kernel/sched/timer.h"
#include "kernel/vmm/vlapic.h"

/* ESR bits (SDM vol. 3A 10.5.3) */
#define ESR_SEND_VECTOR	   BIT(5)
#define ESR_RECEIVE_VECTOR BIT(6)
#define ESR_REGISTER	   BIT(7)

#define LAPIC_VECTOR_MIN   16 /* those below are illegal in messages */

struct vlapic_timer {
	struct timer timer;
	uint64_t start_ns; /* when the count was at its initial value; modulo 2^64 */
	uint32_t initial;
	uint32_t tick_ns; /* of one count */
	bool counting;	  /* one-shot (expired or not) or periodic, initial > 0 */
	_Atomic uint64_t tsc_deadline;
};

struct vlapic {
	_Atomic uint32_t *page; /* 1024 words; register n is word 4 * n */
	struct vcpu *vcpu;
	_Atomic uint64_t base;	    /* IA32_APIC_BASE */
	_Atomic uint32_t irr_words; /* bit n clear: IRR register n is zero */
	bool hardware;		    /* the CPU delivers: ISR, PPR and IRR change without us */
	uint32_t isr_words;	    /* the same for ISR; the vCPU thread's */
	_Atomic uint32_t errors;    /* for ESR at its next write */
	struct vlapic_timer timer;
};

static inline uint32_t lapic_get(const struct vlapic *lapic, unsigned reg)
{
	return atomic_load_explicit(&lapic->page[4 * reg], memory_order_relaxed);
}

static inline void lapic_set(struct vlapic *lapic, unsigned reg, uint32_t value)
{
	atomic_store_explicit(&lapic->page[4 * reg], value, memory_order_relaxed);
}

static inline uint64_t lapic_base(const struct vlapic *lapic)
{
	return atomic_load_explicit(&lapic->base, memory_order_relaxed);
}

static inline bool lapic_on(const struct vlapic *lapic)
{
	return lapic_base(lapic) & APIC_BASE_EN;
}

static inline bool lapic_is_x2(const struct vlapic *lapic)
{
	return lapic_base(lapic) & APIC_BASE_EXTD;
}

/* vlapic_ipi.c. Any context. Puts a fixed interrupt into IRR and kicks the vCPU. False where
 * the APIC is disabled or the vector illegal (noted in ESR). */
bool lapic_accept_fixed(struct vlapic *lapic, unsigned vector, bool level);
/* Any context: the interrupt of a local source, as its LVT entry says. */
void lapic_fire_lvt(struct vlapic *lapic, enum lapic_reg lvt);
/* Any context: notes an error in ESR and raises LVT ERROR's interrupt. */
void lapic_error(struct vlapic *lapic, uint32_t esr_bit);
/* On the vCPU's thread: what a write to ICR's low half does. `dest` as the mode has it. */
void lapic_send_ipi(struct vlapic *lapic, uint32_t icr, uint32_t dest);

/* vlapic_timer.c. On the vCPU's thread; the LVT and divide registers change only here. */
void lapic_timer_init(struct vlapic *lapic);
void lapic_timer_stop(
	struct vlapic *lapic); /* as after reset; waits for the timer's function */
void lapic_timer_set_lvt(struct vlapic *lapic, uint32_t value);
void lapic_timer_set_initial(struct vlapic *lapic, uint32_t count);
void lapic_timer_set_divide(struct vlapic *lapic, uint32_t value);
uint32_t lapic_timer_count(const struct vlapic *lapic);
void lapic_timer_set_deadline(struct vlapic *lapic, uint64_t tsc);
uint64_t lapic_timer_deadline(const struct vlapic *lapic);

#endif
