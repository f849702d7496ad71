/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline (SDM vol. 3A 10.5.4). The count
 * is never decremented: it is computed from the clock when somebody looks.
 *
 * The bus that drives it runs at 1 GHz: with divide-by-1 a count is a nanosecond.
 */
#include "kernel/cpu/clock.h"
#include "kernel/vmm/vlapic_internal.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vtsc.h"

/* A period shorter than this, times the guest's vCPUs, still counts as the guest set it, but
 * interrupts only every few periods: a hostile guest must not keep a CPU busy with timers, and
 * those of all its vCPUs may be on the same one. */
#define PERIOD_MIN_NS (20 * NSEC_PER_USEC)

/* Longest time that is armed at once; a later deadline is looked at again then. */
#define DEADLINE_STEP_TSC BIT(50)

enum timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE, TIMER_RESERVED };

static enum timer_mode timer_mode(const struct vlapic *lapic)
{
	return lapic_get(lapic, LAPIC_LVT_TIMER) >> 17 & 3;
}

static uint64_t period_ns(const struct vlapic_timer *t)
{
	return (uint64_t)t->initial * t->tick_ns;
}

/* Since the start; 0 where this CPU's clock is a little behind that of the CPU we were on. */
static uint64_t elapsed_ns(const struct vlapic_timer *t)
{
	int64_t ns = clock_now_ns() - t->start_ns;

	return ns > 0 ? ns : 0;
}

/* Next interrupt of a periodic timer. Periods that are over were missed: their interrupts
 * would all have merged in IRR. Always start + n * period, so nothing drifts. */
static uint64_t next_period_ns(const struct vlapic *lapic)
{
	const struct vlapic_timer *t = &lapic->timer;
	uint64_t period = period_ns(t), least = PERIOD_MIN_NS * lapic->vcpu->vm->vcpu_count;
	uint64_t interval = period;

	if (period < least)
		interval *= (least + period - 1) / period;
	return t->start_ns + (elapsed_ns(t) / interval + 1) * interval;
}

static void arm_deadline(struct vlapic *lapic)
{
	struct vlapic_timer *t = &lapic->timer;
	uint64_t deadline = atomic_load_explicit(&t->tsc_deadline, memory_order_relaxed);
	uint64_t now = vtsc_read(lapic->vcpu);

	if (deadline == 0)
		return;
	if (deadline > now) {
		uint64_t rest = MIN(deadline - now, DEADLINE_STEP_TSC);

		timer_arm(&t->timer, clock_now_ns() + clock_tsc_to_ns(rest) + 1);
		return;
	}
	atomic_store_explicit(&t->tsc_deadline, 0, memory_order_relaxed);
	lapic_fire_lvt(lapic, LAPIC_LVT_TIMER);
}

/* Interrupt context, perhaps not on the vCPU's CPU. A stopped VM's timers end by themselves: it
 * may lie there for a while before it is destroyed. */
static void expired(struct timer *timer)
{
	struct vlapic *lapic = container_of(timer, struct vlapic, timer.timer);

	switch (timer_mode(lapic)) {
	case TIMER_ONE_SHOT: lapic_fire_lvt(lapic, LAPIC_LVT_TIMER); break;
	case TIMER_PERIODIC:
		lapic_fire_lvt(lapic, LAPIC_LVT_TIMER);
		if (!atomic_load(&lapic->vcpu->vm->stopping))
			timer_arm(timer, next_period_ns(lapic));
		break;
	case TIMER_TSC_DEADLINE: arm_deadline(lapic); break;
	case TIMER_RESERVED: break;
	}
}

/* The timer is cancelled and its fields are set: arms it for the next thing to happen. */
static void arm_count(struct vlapic *lapic)
{
	struct vlapic_timer *t = &lapic->timer;

	if (!t->counting)
		return;
	if (timer_mode(lapic) == TIMER_PERIODIC)
		timer_arm(&t->timer, next_period_ns(lapic));
	else
		timer_arm(&t->timer, t->start_ns + period_ns(t));
}

uint32_t lapic_timer_count(const struct vlapic *lapic)
{
	const struct vlapic_timer *t = &lapic->timer;
	uint64_t ticks;

	if (!t->counting)
		return 0;
	ticks = elapsed_ns(t) / t->tick_ns;
	if (timer_mode(lapic) == TIMER_PERIODIC)
		ticks %= t->initial;
	return ticks < t->initial ? t->initial - ticks : 0;
}

/* Cancels the timer and makes `start_ns` fit the count as it stands, before a new mode or
 * divisor. An interrupt that was due is not lost. */
static void rebase(struct vlapic *lapic, uint32_t tick_ns)
{
	struct vlapic_timer *t = &lapic->timer;
	bool armed = timer_armed(&t->timer);
	uint32_t count;

	timer_cancel(&t->timer);
	count = lapic_timer_count(lapic);
	if (armed && count == 0)
		lapic_fire_lvt(lapic, LAPIC_LVT_TIMER);
	t->tick_ns = tick_ns;
	t->counting = count > 0;
	t->start_ns = clock_now_ns() - (uint64_t)(t->initial - count) * tick_ns;
}

/* Between one-shot and periodic the count goes on (one that is over stays so); entering or
 * leaving TSC-deadline mode disarms both (SDM vol. 3A 10.5.4.1). */
void lapic_timer_set_lvt(struct vlapic *lapic, uint32_t value)
{
	struct vlapic_timer *t = &lapic->timer;
	enum timer_mode old = timer_mode(lapic), new = value >> 17 & 3;

	if (old == new) {
		lapic_set(lapic, LAPIC_LVT_TIMER, value);
		return;
	}
	if (old <= TIMER_PERIODIC && new <= TIMER_PERIODIC) {
		rebase(lapic, t->tick_ns);
		lapic_set(lapic, LAPIC_LVT_TIMER, value);
		arm_count(lapic);
		return;
	}
	timer_cancel(&t->timer);
	t->counting = false;
	t->initial = 0;
	lapic_set(lapic, LAPIC_TIMER_INITIAL, 0);
	atomic_store_explicit(&t->tsc_deadline, 0, memory_order_relaxed);
	lapic_set(lapic, LAPIC_LVT_TIMER, value);
}

void lapic_timer_set_initial(struct vlapic *lapic, uint32_t count)
{
	struct vlapic_timer *t = &lapic->timer;

	if (timer_mode(lapic) > TIMER_PERIODIC)
		return;
	timer_cancel(&t->timer);
	lapic_set(lapic, LAPIC_TIMER_INITIAL, count);
	t->initial = count;
	t->counting = count > 0;
	t->start_ns = clock_now_ns();
	arm_count(lapic);
}

/* Bits 3, 1 and 0: 000 divides by 2, 001 by 4 ... 110 by 128, 111 by 1. */
static uint32_t divisor(uint32_t value)
{
	unsigned code = (value & 3) | (value >> 1 & 4);

	return 1u << ((code + 1) & 7);
}

void lapic_timer_set_divide(struct vlapic *lapic, uint32_t value)
{
	struct vlapic_timer *t = &lapic->timer;

	lapic_set(lapic, LAPIC_TIMER_DIVIDE, value);
	if (divisor(value) == t->tick_ns)
		return;
	if (!t->counting) {
		t->tick_ns = divisor(value);
		return;
	}
	rebase(lapic, divisor(value));
	arm_count(lapic);
}

/* A deadline in the past fires at once; 0 disarms. Ignored in the other modes. */
void lapic_timer_set_deadline(struct vlapic *lapic, uint64_t tsc)
{
	struct vlapic_timer *t = &lapic->timer;

	if (timer_mode(lapic) != TIMER_TSC_DEADLINE)
		return;
	timer_cancel(&t->timer);
	atomic_store_explicit(&t->tsc_deadline, tsc, memory_order_relaxed);
	arm_deadline(lapic);
}

/* What was read from the TSC until now does not count: the deadline may be over, or further off
 * than what is armed. */
void vlapic_tsc_moved(struct vlapic *lapic)
{
	struct vlapic_timer *t = &lapic->timer;

	if (timer_mode(lapic) != TIMER_TSC_DEADLINE)
		return;
	timer_cancel(&t->timer);
	arm_deadline(lapic);
}

uint64_t lapic_timer_deadline(const struct vlapic *lapic)
{
	return atomic_load_explicit(&lapic->timer.tsc_deadline, memory_order_relaxed);
}

void lapic_timer_init(struct vlapic *lapic)
{
	timer_init(&lapic->timer.timer, expired);
}

void lapic_timer_stop(struct vlapic *lapic)
{
	struct vlapic_timer *t = &lapic->timer;

	timer_cancel(&t->timer);
	t->counting = false;
	t->initial = 0;
	t->tick_ns = divisor(0);
	atomic_store_explicit(&t->tsc_deadline, 0, memory_order_relaxed);
}
