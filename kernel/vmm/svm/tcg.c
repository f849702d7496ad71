/*
 * What QEMU's TCG, 7.2 at least, does wrong to guests and their host, and what is done about
 * it.
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
 */
#include "kernel/cpu/apic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/vmm/svm/svm.h"

/* QEMU's first CPU is the boot processor, our CPU 0. */
bool svm_tcg_shuns_cpu(unsigned cpu)
{
	return cpu_features.tcg && cpu == 0 && cpu_count > 1;
}

void svm_tcg_inject_interrupt(struct svm_vcpu *sv, uint8_t vector)
{
	struct vmcb *vmcb = sv->vmcb;

	vmcb->vintr &= ~(0xffull << VINTR_VECTOR_SHIFT);
	vmcb->vintr |= VINTR_IRQ_ABOVE_TPR | (uint64_t)vector << VINTR_VECTOR_SHIFT;
	vmcb->intercepts[0] &= ~(uint32_t)INTERCEPT_VINTR;
	sv->offered = true;
}

/* After an exit of a guest that was entered with V_IRQ set. An interrupt that was not taken is
 * held for the next entry that may take it: what the guest has done since is its own, an
 * exception for one, and must not take its place. One whose delivery began and was interrupted
 * has V_IRQ set as well; that exit reports it. */
void svm_tcg_exited(struct vcpu *vcpu)
{
	struct svm_vcpu *sv = svm_of(vcpu);
	struct vmcb *vmcb = sv->vmcb;

	apic_look_again();
	if (!sv->offered)
		return;
	sv->offered = false;
	if (vmcb->vintr & VINTR_IRQ && !(vmcb->exit_int_info & EVENT_VALID)) {
		vcpu->held = true;
		vcpu->held_vector = (uint8_t)(vmcb->vintr >> VINTR_VECTOR_SHIFT);
	}
	vmcb->vintr &= ~VINTR_IRQ;
}
