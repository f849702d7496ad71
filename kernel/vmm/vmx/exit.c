/* From the VMCS's exit fields to the neutral record. What to do about it is kernel/vmm/exit's.
 */
#include "kernel/cpu/msr.h"
#include "kernel/cpu/traps.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"
#include "kernel/vmm/insn.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/vmx.h"

/* Exits that say all there is to say by their reason. */
static const uint8_t plain[] = {

	[VMX_EXIT_TRIPLE_FAULT] = VMEXIT_TRIPLE_FAULT,
	[VMX_EXIT_INIT] = VMEXIT_INIT,
	[VMX_EXIT_INTERRUPT_WINDOW] = VMEXIT_INTERRUPT_WINDOW,
	[VMX_EXIT_NMI_WINDOW] = VMEXIT_NMI_WINDOW,
	[VMX_EXIT_CPUID] = VMEXIT_CPUID,
	[VMX_EXIT_GETSEC] = VMEXIT_UNDEFINED,
	[VMX_EXIT_HLT] = VMEXIT_HLT,
	[VMX_EXIT_INVD] = VMEXIT_CACHE,
	[VMX_EXIT_RDPMC] = VMEXIT_RDPMC,
	[VMX_EXIT_RSM] = VMEXIT_UNDEFINED,
	[VMX_EXIT_VMCALL] = VMEXIT_HYPERCALL,
	[VMX_EXIT_VMCLEAR... VMX_EXIT_VMXON] = VMEXIT_UNDEFINED,
	[VMX_EXIT_RDMSR] = VMEXIT_RDMSR,
	[VMX_EXIT_WRMSR] = VMEXIT_WRMSR,
	[VMX_EXIT_MWAIT] = VMEXIT_MONITOR,
	[VMX_EXIT_MONITOR_TRAP] = VMEXIT_NMI_WINDOW,
	[VMX_EXIT_MONITOR] = VMEXIT_MONITOR,
	[VMX_EXIT_PAUSE] = VMEXIT_PAUSE,
	[VMX_EXIT_TPR] = VMEXIT_INTERRUPT_WINDOW,
	[VMX_EXIT_INVEPT] = VMEXIT_UNDEFINED,
	[VMX_EXIT_RDTSCP] = VMEXIT_UNDEFINED,
	[VMX_EXIT_PREEMPTION_TIMER] = VMEXIT_SLICE,
	[VMX_EXIT_INVVPID] = VMEXIT_UNDEFINED,
	[VMX_EXIT_WBINVD] = VMEXIT_CACHE,
	[VMX_EXIT_XSETBV] = VMEXIT_XSETBV,
	[VMX_EXIT_INVPCID] = VMEXIT_UNDEFINED,
	[VMX_EXIT_VMFUNC] = VMEXIT_UNDEFINED,
	[VMX_EXIT_ENCLS] = VMEXIT_UNDEFINED,
	[VMX_EXIT_XSAVES] = VMEXIT_UNDEFINED,
	[VMX_EXIT_XRSTORS] = VMEXIT_UNDEFINED,
	[VMX_EXIT_UMWAIT] = VMEXIT_UNDEFINED,
	[VMX_EXIT_TPAUSE] = VMEXIT_UNDEFINED,
	[VMX_EXIT_BUS_LOCK] = VMEXIT_BUS_LOCK,
};

/* SDM vol. 3C table 27-5. */
static void translate_io(uint64_t qualification, struct vmexit *exit)
{
	exit->reason = VMEXIT_IO;
	exit->io.port = (uint16_t)(qualification >> 16);
	exit->io.bytes = (uint8_t)((qualification & 7) + 1);
	exit->io.in = qualification & BIT(3);
	exit->io.string = qualification & BIT(4);
	exit->io.rep = qualification & BIT(5);
}

static void block_nmi(void)
{
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
		vmread(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
}

/* The IRET that faulted on the way had unblocked NMIs already, and will run again (SDM vol. 3C
 * 27.2.3); bit 12 says so here as in the interruption information. */
static void translate_ept_violation(uint64_t qualification, struct vmexit *exit)
{
	exit->reason = VMEXIT_NESTED_FAULT;
	exit->insn_length = 0; /* undefined */
	exit->fault.gpa = vmread(VMCS_GUEST_PHYSICAL);
	exit->fault.access = qualification & EPT_QUAL_FETCH   ? VMEXIT_FETCH
			     : qualification & EPT_QUAL_WRITE ? VMEXIT_WRITE
							      : VMEXIT_READ;
	exit->fault.during_walk =
		(qualification & (EPT_QUAL_LINEAR | EPT_QUAL_FINAL)) == EPT_QUAL_LINEAR;
	if (unlikely(qualification & EVENT_NMI_UNBLOCKED) &&
	    !(vmread(VMCS_IDT_EVENT) & EVENT_VALID))
		block_nmi();
}

/* SDM vol. 3C table 27-2 and 25.4.2. An event that came through a task gate is kept in
 * vcpu->event: NMIs are blocked from its delivery, which the switch is, to the IRET that ends
 * it. The length is that of an instruction alone (27.2.4). */
static void translate_task_switch(struct vcpu *vcpu, uint64_t qualification,
				  struct vmexit *exit)
{
	bool event = vmread(VMCS_IDT_EVENT) & EVENT_VALID && vcpu->event.kind != VMEVENT_NONE;
	uint64_t blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY);

	exit->reason = VMEXIT_TASK_SWITCH;
	exit->task.selector = (uint16_t)qualification;
	exit->task.source = qualification >> 30 & 3;
	if (event)
		exit->insn_length = 0;
	if (event && vcpu->event.kind == VMEVENT_NMI)
		block_nmi();
	else if (exit->task.source == TASK_IRET)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~BLOCKED_BY_NMI);
}

/* MOV to CR0 or CR4, and LMSW (SDM vol. 3C table 27-3). CLTS changes what the guest owns. */
static void translate_cr(struct vcpu *vcpu, uint64_t qualification, struct vmexit *exit)
{
	uint64_t operand = vcpu->regs[qualification >> 8 & 0xf];
	uint64_t cr0;

	exit->reason = VMEXIT_CR_WRITE;
	exit->cr.unknown = false;
	exit->cr.cr = qualification & 0xf;
	switch (qualification >> 4 & 3) {
	case 0: {
		struct vcpu_segment cs;

		vmx_get_segment(vcpu, SEG_CS, &cs);
		exit->cr.value = vcpu_is_64bit(vcpu, &cs) ? operand : (uint32_t)operand;
		return;
	}
	case 3: /* PE cannot be cleared */
		cr0 = vmx_get_reg(vcpu, REG_CR0);
		exit->cr.value = (cr0 & ~0xeull) | (qualification >> 16 & 0xf);
		return;
	default: exit->reason = VMEXIT_UNKNOWN;
	}
}

/* As the qualification has them. */
#define DR6_REPORTED (DR6_B | DR6_BD | DR6_BS | DR6_BT)

/* #DB and #AC are intercepted only so that a guest whose handlers raise them again and again
 * keeps exiting. What the CPU would have done beforehand is done here (SDM vol. 3C 27.1). */
static void raise_debug(struct vcpu *vcpu, uint32_t info, uint64_t qualification)
{
	if (EVENT_TYPE(info) == EVENT_ICEBP)
		insn_advance(vcpu, (uint8_t)vmread(VMCS_EXIT_LENGTH));
	else
		write_dr6((read_dr6() & ~0xfull) | (qualification & DR6_REPORTED));
	vmwrite(VMCS_GUEST_DR7, vmread(VMCS_GUEST_DR7) & ~DR7_GD);
	vcpu_raise(vcpu, VECTOR_DB);
}

static void translate_exception(struct vcpu *vcpu, struct vmexit *exit)
{
	uint32_t info = (uint32_t)vmread(VMCS_EXIT_EVENT);

	exit->reason = VMEXIT_VENDOR;
	exit->raw_info[1] = info;
	if (unlikely(info & EVENT_NMI_UNBLOCKED) && !(vmread(VMCS_IDT_EVENT) & EVENT_VALID))
		block_nmi();
	switch (info & 0xff) {
	case 1: raise_debug(vcpu, info, exit->raw_info[0]); break;
	case 2: /* blocked since this exit, until an IRET */
		exit->reason = VMEXIT_HOST_INTERRUPT;
		int_nmi();
		break;
	case VECTOR_AC:
		vcpu_raise_error(vcpu, VECTOR_AC, (uint32_t)vmread(VMCS_EXIT_EVENT_ERROR));
		break;
	case 18: int_machine_check(); break;
	default: exit->reason = VMEXIT_UNKNOWN;
	}
}

/* Where exits acknowledge the interrupt, it is not pending any more (SDM vol. 3C 27.2.2). */
static void translate_interrupt(struct vmexit *exit)
{
	uint32_t info = (uint32_t)vmread(VMCS_EXIT_EVENT);

	exit->reason = VMEXIT_HOST_INTERRUPT;
	if (info & EVENT_VALID)
		trap_take(info & 0xff);
}

/* The guest wrote a register of its x2APIC that the CPU cannot finish alone: an illegal self
 * IPI. The value is in the page (SDM vol. 3C 29.5). */
static void translate_apic_write(struct vcpu *vcpu, uint64_t offset, struct vmexit *exit)
{
	const uint32_t *page = vlapic_page(vcpu->lapic);

	exit->reason = VMEXIT_VENDOR;
	vlapic_wrmsr(vcpu->lapic, MSR_X2APIC + (offset >> 4 & 0xff), page[offset / 4 & 0x3ff]);
}

/* An event was being delivered when the exit happened: keep it. What an instruction raised
 * needs nothing, since that instruction runs again. */
static void keep_interrupted_event(struct vcpu *vcpu, uint32_t info)
{
	static const uint8_t kinds[8] = {
		[EVENT_INTERRUPT] = VMEVENT_INTERRUPT,
		[EVENT_NMI] = VMEVENT_NMI,
		[EVENT_EXCEPTION] = VMEVENT_EXCEPTION,
	};
	enum vmevent_kind kind = kinds[EVENT_TYPE(info)];

	vcpu->event = (struct vmevent){
		.kind = kind,
		.vector = info & 0xff,
		.has_error = info & EVENT_ERROR,
		.error = info & EVENT_ERROR ? (uint32_t)vmread(VMCS_IDT_EVENT_ERROR) : 0,
		.cr2 = vmx_of(vcpu)->cr2,
	};
	if (kind == VMEVENT_NMI) /* its second injection blocks them (SDM vol. 3C 26.3.1.5) */
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~BLOCKED_BY_NMI);
}

/* SDM vol. 3C 30.4; errors of entering alone. */
static const char *instruction_error(uint64_t error)
{
	switch (error) {
	case 4: return "VMLAUNCH of a VMCS that is launched";
	case 5: return "VMRESUME of a VMCS that is not launched";
	case 7: return "invalid control fields";
	case 8: return "invalid host state";
	case 26: return "an event while MOV SS blocks it";
	default: return "the instruction failed";
	}
}

/* SDM vol. 3C 26.8: of invalid guest state, the qualification says a little. */
static const char *entry_failure(uint32_t reason, uint64_t qualification)
{
	if (reason != VMX_EXIT_ENTRY_STATE)
		return "loading of MSRs";
	switch (qualification) {
	case 2: return "reserved bits in a page-directory-pointer entry";
	case 3: return "an NMI while NMIs are blocked";
	case 4: return "the VMCS link pointer";
	default: return "invalid guest state";
	}
}

static void translate_failed_entry(struct vcpu *vcpu, struct vmexit *exit, const char *why)
{
	struct vcpu_state s;

	exit->reason = VMEXIT_INVALID_STATE;
	vmx_get_state(vcpu, &s);
	log_warn(vcpu->vm->name,
		 "VM entry refused: %s. cr0=%llx cr3=%llx cr4=%llx efer=%llx rip=%llx "
		 "rflags=%llx cs=%x/%x ss=%x/%x tr=%x/%x event=%llx blocked=%llx",
		 why, (unsigned long long)s.regs[REG_CR0], (unsigned long long)s.regs[REG_CR3],
		 (unsigned long long)s.regs[REG_CR4], (unsigned long long)s.regs[REG_EFER],
		 (unsigned long long)vcpu->rip, (unsigned long long)vcpu->rflags,
		 s.segs[SEG_CS].selector, s.segs[SEG_CS].attributes, s.segs[SEG_SS].selector,
		 s.segs[SEG_SS].attributes, s.segs[SEG_TR].selector, s.segs[SEG_TR].attributes,
		 (unsigned long long)vmread(VMCS_ENTRY_EVENT),
		 (unsigned long long)vmread(VMCS_GUEST_INTERRUPTIBILITY));
}

static void translate_failure(struct vcpu *vcpu, struct vmexit *exit, bool failed)
{
	uint32_t reason = exit->raw_code & 0xffff;

	if (failed) {
		exit->raw_info[1] = vmread(VMCS_INSTRUCTION_ERROR);
		translate_failed_entry(vcpu, exit, instruction_error(exit->raw_info[1]));
	} else if (reason == VMX_EXIT_ENTRY_MACHINE_CHECK) {
		exit->reason = VMEXIT_VENDOR;
		int_machine_check();
	} else {
		translate_failed_entry(vcpu, exit, entry_failure(reason, exit->raw_info[0]));
	}
}

void vmx_translate_exit(struct vcpu *vcpu, struct vmexit *exit, bool failed)
{
	uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);
	uint32_t event = (uint32_t)vmread(VMCS_IDT_EVENT), basic = reason & 0xffff;

	exit->raw_code = reason;
	exit->raw_info[0] = qualification;
	exit->raw_info[1] = 0;
	exit->insn_available = 0;
	exit->bus_lock = reason & VMX_EXIT_BUS_LOCKED || basic == VMX_EXIT_BUS_LOCK;
	if (unlikely(failed || reason & VMX_EXIT_ENTRY_FAILED)) {
		translate_failure(vcpu, exit, failed);
		return;
	}
	vmx_of(vcpu)->launched = true;
	exit->insn_length = (uint8_t)vmread(VMCS_EXIT_LENGTH);
	if (unlikely(event & EVENT_VALID))
		keep_interrupted_event(vcpu, event);

	switch (basic) {
	case VMX_EXIT_INTERRUPT: translate_interrupt(exit); return;
	case VMX_EXIT_EXCEPTION: translate_exception(vcpu, exit); return;
	case VMX_EXIT_IO: translate_io(qualification, exit); return;
	case VMX_EXIT_EPT_VIOLATION: translate_ept_violation(qualification, exit); return;
	case VMX_EXIT_EOI:
		vlapic_eoi_broadcast(vcpu->lapic, qualification & 0xff);
		exit->reason = VMEXIT_VENDOR;
		return;
	case VMX_EXIT_APIC_WRITE: translate_apic_write(vcpu, qualification, exit); return;
	case VMX_EXIT_TASK_SWITCH: translate_task_switch(vcpu, qualification, exit); return;
	case VMX_EXIT_CR: translate_cr(vcpu, qualification, exit); return;
	}
	exit->reason = basic < ARRAY_SIZE(plain) ? plain[basic] : VMEXIT_UNKNOWN;
}
