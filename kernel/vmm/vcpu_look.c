/* See vcpu_look.h. Looks are samples: what they miss is judged by what else there is to see. */
#include "kernel/vmm/vcpu_look.h"

#include "kernel/cpu/clock.h"
#include "kernel/lib/x86.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

static uint64_t exits_of(const struct vcpu *vcpu)
{
	uint64_t exits = 0;

	for (unsigned i = 0; i < VMEXIT_REASONS; i++)
		exits += atomic_load_explicit(&vcpu->counters.exits[i], memory_order_relaxed);
	return exits;
}

/*
 * An exit that comes by itself finds interrupts off more often than they are: interrupt
 * handlers and locked regions have the most. So what looks bad is looked at again by a kick,
 * which comes at any moment. A vCPU that sleeps and is well is left alone until it has run
 * again; its state is read as a hint.
 */
void vcpu_look_ask(struct vcpu *vcpu)
{
	struct vcpu_look *look = &vcpu->look;
	enum vcpu_run_state state = *(volatile enum vcpu_run_state *)&vcpu->state;
	uint64_t exits = exits_of(vcpu);
	bool pending = atomic_load(&vcpu->requests) & VCPU_REQ_LOOK;
	bool sleeps_on = state == VCPU_HALTED && atomic_load(&look->halted) &&
			 exits == look->exits_asked;

	look->exits_asked = exits;
	if (atomic_load(&look->off) || pending)
		vcpu_post(vcpu, VCPU_REQ_LOOK);
	else if (state == VCPU_RUNNING || (state == VCPU_HALTED && !sleeps_on))
		atomic_fetch_or(&vcpu->requests, VCPU_REQ_LOOK);
}

/* Something waits that the guest would take if it could. */
static bool interrupt_waits(struct vcpu *vcpu)
{
	return vcpu->held || vlapic_pending(vcpu->lapic) >= 0 ||
	       (atomic_load(&vcpu->vm->pic_intr) && vlapic_accepts_extint(vcpu->lapic));
}

/* Halted for good: Linux switches the local APIC of a CPU off before it takes it offline. The
 * boot processor is never alone in that: where it halts so, the whole guest does. */
static bool is_offline(const struct vcpu *vcpu)
{
	return vcpu->state == VCPU_HALTED && vcpu->id && !vlapic_takes_interrupts(vcpu->lapic);
}

/* Where the CPU delivers interrupts without us, nothing shows that one was taken between two
 * looks: there a row of them counts only while one waits. */
static bool interrupts_off(struct vcpu *vcpu)
{
	return (vcpu->state == VCPU_RUNNING || vcpu->state == VCPU_HALTED) &&
	       !(vcpu->rflags & RFLAGS_IF) && !is_offline(vcpu) &&
	       (vcpu->state == VCPU_HALTED || !vlapic_by_hardware(vcpu->lapic) ||
		interrupt_waits(vcpu));
}

void vcpu_look(struct vcpu *vcpu)
{
	struct vcpu_look *look = &vcpu->look;
	bool off = interrupts_off(vcpu), halted = vcpu->state == VCPU_HALTED;
	uint64_t injected = atomic_load(&vcpu->counters.injected[VMEVENT_INTERRUPT]);
	uint64_t now = halted ? clock_now_ns() : thread_time_run_ns(vcpu->thread);
	bool goes_on = off && atomic_load(&look->off) && halted == atomic_load(&look->halted) &&
		       injected == look->injected;

	if (!goes_on) {
		look->since_ns = now;
		look->injected = injected;
	}
	atomic_store(&look->off_ns, off ? now - look->since_ns : 0);
	atomic_store(&look->halted, halted);
	atomic_store(&look->off, off);
}

uint64_t vcpu_look_off_ns(const struct vcpu *vcpu)
{
	uint64_t ns = atomic_load(&vcpu->look.off_ns);

	return ns < VCPU_LOOK_OFF_NS ? 0 : ns;
}
