/* The three interrupts between CPUs: kick, call, and the NMI that stops. */
#include "kernel/cpu/ipi.h"

#include <stdatomic.h>

#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/vectors.h"
#include "kernel/lib/lock.h"

#define STOP_WAIT_US 100000

static void on_kick(unsigned vector, void *arg)
{
	(void)vector;
	(void)arg;
	/* That the CPU left guest mode or HLT is all that was wanted. */
	atomic_fetch_add_explicit(&cpu_this()->ipis, 1, memory_order_relaxed);
}

void smp_kick(unsigned cpu_index)
{
	apic_send_ipi(cpus[cpu_index]->apic_id, VECTOR_KICK);
}

/* One call at a time; `call_lock` guards it. Whoever waits for the lock has interrupts on and
 * so takes part in the call that is under way. */
static struct spinlock call_lock = SPINLOCK("call");
static void (*call_fn)(void *);
static void *call_arg;
static _Atomic unsigned call_pending;

static void on_call(unsigned vector, void *arg)
{
	(void)vector;
	(void)arg;
	atomic_fetch_add_explicit(&cpu_this()->ipis, 1, memory_order_relaxed);
	call_fn(call_arg);
	atomic_fetch_sub(&call_pending, 1);
}

void smp_call_others(void (*fn)(void *), void *arg)
{
	check_may_wait("a call of all CPUs");
	spin_lock(&call_lock);
	call_fn = fn;
	call_arg = arg;
	call_pending = cpu_count - 1;
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i] != cpu_this())
			apic_send_ipi(cpus[i]->apic_id, VECTOR_CALL);
	while (call_pending)
		cpu_relax();
	spin_unlock(&call_lock);
}

static _Atomic bool stopping;
static _Atomic unsigned stopped;

void smp_stop_others(void)
{
	stopping = true;
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i] != cpu_this())
			apic_send_nmi(cpus[i]->apic_id);
	for (unsigned waited = 0; stopped + 1 < cpu_count && waited < STOP_WAIT_US;
	     waited += 10)
		clock_delay_us(10);
}

void smp_nmi(void)
{
	if (!stopping)
		return;
	stopped++;
	cpu_park();
}

void smp_ipi_init(void)
{
	trap_register(VECTOR_KICK, on_kick, NULL);
	trap_register(VECTOR_CALL, on_call, NULL);
}
