/* Events into the guest: whether one may go in, the exit that tells when it may, and how it
 * goes. */
#include "kernel/lib/x86.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/vmcs.h"
#include "kernel/vmm/vmx/vmx.h"

/* Whether what STI casts holds NMIs back. CPUs differ, and an entry with both may be refused
 * (SDM vol. 3C 26.3.1.5): it does here, where the CPU can exit behind the next instruction. */
static bool sti_blocks_nmi(void)
{
	return vmx_controls[VMX_PROC] & PROC_MONITOR_TRAP;
}

bool vmx_can_inject(struct vcpu *vcpu, enum vmevent_kind kind)
{
	uint64_t blocked;

	if (kind == VMEVENT_EXCEPTION)
		return true;
	if (kind == VMEVENT_INTERRUPT && !(vcpu->rflags & RFLAGS_IF))
		return false;
	blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY);
	if (blocked & BLOCKED_BY_MOV_SS)
		return false;
	if (kind == VMEVENT_INTERRUPT)
		return !(blocked & BLOCKED_BY_STI);
	return !(blocked & BLOCKED_BY_NMI) && !(blocked & BLOCKED_BY_STI && sti_blocks_nmi());
}

/* While STI blocks, the NMI window may be open: some CPUs would exit at once, and for ever (SDM
 * vol. 3C 25.2). The monitor trap exits once the next instruction has run (25.5.2). */
void vmx_request_window(struct vcpu *vcpu, enum vmevent_kind kind)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);

	if (kind != VMEVENT_NMI)
		mx->windows |= PROC_INTERRUPT_WINDOW;
	else if (vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_STI && sti_blocks_nmi())
		mx->windows |= PROC_MONITOR_TRAP;
	else
		mx->windows |= PROC_NMI_WINDOW;
}

void vmx_clear_interrupt_shadow(struct vcpu *vcpu)
{
	uint64_t blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY);

	(void)vcpu;
	if (unlikely(blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			blocked & ~(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
}

/* INT3 and INTO are delivered with the length of the instruction, so that the guest's handler
 * finds what follows it (SDM vol. 3C 26.5.1). The CPU clears the field at the exit. */
void vmx_inject(struct vcpu *vcpu, const struct vmevent *event)
{
	bool soft = event->kind == VMEVENT_EXCEPTION &&
		    (event->vector == VECTOR_BP || event->vector == VECTOR_OF);
	uint32_t type = event->kind == VMEVENT_NMI	   ? EVENT_NMI
			: event->kind == VMEVENT_INTERRUPT ? EVENT_INTERRUPT
			: soft				   ? EVENT_SOFT_EXCEPTION
							   : EVENT_EXCEPTION;
	uint32_t info = event->vector | type << EVENT_TYPE_SHIFT | (uint32_t)EVENT_VALID;

	if (event->kind == VMEVENT_NMI)
		vmx_clear_interrupt_shadow(vcpu);
	if (event->has_error) {
		info |= EVENT_ERROR;
		vmwrite(VMCS_ENTRY_ERROR, event->error);
	}
	if (soft)
		vmwrite(VMCS_ENTRY_LENGTH, event->insn_length);
	if (event->kind == VMEVENT_EXCEPTION && event->vector == VECTOR_PF)
		vmx_of(vcpu)->cr2 = event->cr2;
	vmwrite(VMCS_ENTRY_EVENT, info);
}
