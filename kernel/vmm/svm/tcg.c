/*
 * What QEMU's TCG, 7.2 at least, does wrong to guests and their host, and what is done about
 * it; findings/ shows it.
 *
 * Whenever a CPU restores x87 state (XRSTOR, FXRSTOR, FLDENV), cpu_clear_ignne() reads, changes
 * and writes the flags in which the first CPU, whichever did it, keeps GIF and whether nested
 * paging is on, and that CPU's own thread does not expect it. At VMRUN the guest then runs on
 * its own page tables alone and dies of a triple fault; at #VMEXIT the host does, and the
 * machine resets; after STGI it takes no interrupts any more. So guests keep off that CPU where
 * there is another.
 *
 * EVENTINJ may deliver an interrupt twice: helper_vmrun() leaves its vector in exception_index,
 * and cpu_handle_interrupt(), asked to let others go first before the guest's next exit or
 * exception, takes that for an exception that is still to come. The guest then has an interrupt
 * in the middle of its handler, interrupts off, or before SWAPGS, and dies of it. So it is
 * offered as a virtual interrupt (APM vol. 2 15.21.4), which that CPU takes before the first
 * instruction, since interrupts are on, unless it exits first.
 *
 * VMRUN sets CPU_INTERRUPT_VIRQ without the lock that other threads hold for theirs, so that it
 * may undo an interrupt of ours at that moment: the local APIC is made to look again after the
 * exit, and its timer, which might have been what ends the guest's run, is periodic (apic.c).
 * They may undo it as well: the guest then runs on, whatever it does, with its interrupt not
 * taken and V_IRQ still set.
 *
 * A guest's own write of CR8 while V_IRQ is set ends QEMU by an assertion, as it changes the
 * CPU's interrupts without the lock. So each exits, and is done here.
 *
 * VMRUN does not load the interrupt shadow, and a host interrupt exits within one (where the
 * guest's interrupts are virtual, the host's ask for the host's IF alone). STI and HLT would be
 * torn apart by it: what waits comes first, and the guest sleeps with nothing to wake it. So a
 * shadow lasts here until RIP moves, and no window is opened in it: a timer exits instead,
 * later than one instruction takes.
 *
 * What a CPU has translated of code that another one changes meanwhile may stay, for all CPUs:
 * the change looks for translations before this one is entered in the page's list. Linux
 * changes its code by way of INT3. Where that stays, the CPU raises #BP, Linux finds none
 * there, goes back, and so for ever (tests/guest/code_patch.c). So each INT3 exits where there
 * are several CPUs. One that is not there any more ends with a write to its place, which takes
 * all translations away; one that is runs, and none exits before something else has.
 */
#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/vmm/svm/svm.h"
#include "kernel/vmm/vm.h"

/* One instruction has run by then. */
#define BEHIND_SHADOW_NS 20000u

/* The instruction at the same place may be one that jumps to itself: then a shadow that lasted
 * for ever would shut interrupts out. As many exits that all come before it are not met. */
#define SHADOW_EXITS_MAX 64u

/* QEMU's first CPU is the boot processor, our CPU 0. */
bool svm_tcg_shuns_cpu(unsigned cpu)
{
	return cpu_features.tcg && cpu == 0 && cpu_count > 1;
}

/* The timer's interrupt has made the guest exit, which is all that is wanted of it. */
static void exited(struct timer *timer)
{
	(void)timer;
}

void svm_tcg_init(struct vcpu *vcpu)
{
	struct svm_vcpu *sv = svm_of(vcpu);

	timer_init(&sv->tcg.behind_shadow, exited);
	if (cpu_features.tcg && vcpu->vm->params.vcpu_count > 1)
		sv->vmcb->intercepts[0] |= INTERCEPT_INTN;
}

void svm_tcg_fini(struct svm_vcpu *sv)
{
	timer_cancel(&sv->tcg.behind_shadow);
}

void svm_tcg_inject_interrupt(struct svm_vcpu *sv, uint8_t vector)
{
	struct vmcb *vmcb = sv->vmcb;

	vmcb->vintr &= ~(0xffull << VINTR_VECTOR_SHIFT);
	vmcb->vintr |= VINTR_IRQ_ABOVE_TPR | (uint64_t)vector << VINTR_VECTOR_SHIFT;
	vmcb->intercepts[0] &= ~(uint32_t)INTERCEPT_VINTR;
	sv->tcg.offered = true;
}

/* What EVENTINJ brings ends a shadow. */
static bool in_shadow(const struct vmcb *vmcb)
{
	return vmcb->interrupt_shadow & 1 && !vmcb->event_inj;
}

bool svm_tcg_exits_behind_shadow(struct svm_vcpu *sv)
{
	if (!in_shadow(sv->vmcb))
		return false;
	timer_arm(&sv->tcg.behind_shadow, clock_now_ns() + BEHIND_SHADOW_NS);
	return true;
}

void svm_tcg_let_pass(struct svm_vcpu *sv)
{
	sv->vmcb->intercepts[0] &= ~(uint32_t)INTERCEPT_INTN;
	sv->tcg.passes = true;
}

void svm_tcg_entering(struct vcpu *vcpu)
{
	struct svm_vcpu *sv = svm_of(vcpu);
	const struct vmcb *vmcb = sv->vmcb;

	sv->tcg.virq = vmcb->vintr & VINTR_IRQ;
	sv->tcg.in_shadow = in_shadow(vmcb);
	if (sv->tcg.rip != vcpu->rip)
		sv->tcg.shadow_exits = 0;
	sv->tcg.rip = vcpu->rip;
}

static bool exited_between_insns(const struct vmcb *vmcb)
{
	uint64_t code = vmcb->exit_code;

	return code == SVM_EXIT_INTR || code == SVM_EXIT_NMI || code == SVM_EXIT_VINTR;
}

static void keep_shadow(struct vcpu *vcpu)
{
	struct svm_tcg *tcg = &svm_of(vcpu)->tcg;
	struct vmcb *vmcb = svm_of(vcpu)->vmcb;

	if (exited_between_insns(vmcb))
		tcg->shadow_exits++;
	else
		tcg->shadow_exits = 0;
	if (vcpu->rip == tcg->rip && tcg->shadow_exits < SHADOW_EXITS_MAX)
		vmcb->interrupt_shadow |= 1;
}

/* After an exit of a guest that was entered with V_IRQ set. An interrupt that was not taken is
 * held for the next entry that may take it: what the guest has done since is its own, an
 * exception for one, and must not take its place. One whose delivery began and was interrupted
 * has V_IRQ set as well; that exit reports it. */
static void take_offer_back(struct vcpu *vcpu)
{
	struct svm_vcpu *sv = svm_of(vcpu);
	struct vmcb *vmcb = sv->vmcb;

	apic_look_again();
	if (!sv->tcg.offered)
		return;
	sv->tcg.offered = false;
	if (vmcb->vintr & VINTR_IRQ && !(vmcb->exit_int_info & EVENT_VALID)) {
		vcpu->held = true;
		vcpu->held_vector = (uint8_t)(vmcb->vintr >> VINTR_VECTOR_SHIFT);
	}
	vmcb->vintr &= ~VINTR_IRQ;
}

void svm_tcg_exited(struct vcpu *vcpu)
{
	struct svm_tcg *tcg = &svm_of(vcpu)->tcg;

	if (unlikely(tcg->passes))
		svm_of(vcpu)->vmcb->intercepts[0] |= INTERCEPT_INTN;
	tcg->passes = false;
	if (unlikely(tcg->in_shadow))
		keep_shadow(vcpu);
	if (tcg->virq)
		take_offer_back(vcpu);
}
