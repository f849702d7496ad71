/* A vCPU's registers: in the VMCS, in the CPU while it is loaded, or kept beside them. */
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/vmx.h"

static const uint32_t loaded_msrs[LOADED_MSRS] = {
	[LOADED_STAR] = MSR_STAR,
	[LOADED_LSTAR] = MSR_LSTAR,
	[LOADED_CSTAR] = MSR_CSTAR,
	[LOADED_SFMASK] = MSR_SFMASK,
	[LOADED_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
};

/* Where each register is: a field, or an MSR that is loaded. CR0, CR4 and those of which
 * neither is told are cases below. */
static const struct {
	uint16_t field;
	uint32_t msr;
} places[REG_COUNT] = {
	[REG_CR3] = {VMCS_GUEST_CR3, 0},
	[REG_EFER] = {VMCS_GUEST_EFER, 0},
	[REG_DR7] = {VMCS_GUEST_DR7, 0},
	[REG_STAR] = {0, MSR_STAR},
	[REG_LSTAR] = {0, MSR_LSTAR},
	[REG_CSTAR] = {0, MSR_CSTAR},
	[REG_SFMASK] = {0, MSR_SFMASK},
	[REG_KERNEL_GS_BASE] = {0, MSR_KERNEL_GS_BASE},
	[REG_FS_BASE] = {VMCS_GUEST_BASE + 2 * SEG_FS, 0},
	[REG_GS_BASE] = {VMCS_GUEST_BASE + 2 * SEG_GS, 0},
	[REG_SYSENTER_CS] = {VMCS_GUEST_SYSENTER_CS, 0},
	[REG_SYSENTER_ESP] = {VMCS_GUEST_SYSENTER_ESP, 0},
	[REG_SYSENTER_EIP] = {VMCS_GUEST_SYSENTER_EIP, 0},
	[REG_PAT] = {VMCS_GUEST_PAT, 0},
};

void vmx_load_registers(struct vmx_vcpu *mx)
{
	for (unsigned i = 0; i < LOADED_MSRS; i++)
		wrmsr(loaded_msrs[i], mx->loaded[i]);
	write_dr6(mx->dr6);
}

void vmx_save_registers(struct vmx_vcpu *mx)
{
	for (unsigned i = 0; i < LOADED_MSRS; i++)
		mx->loaded[i] = rdmsr(loaded_msrs[i]);
	mx->dr6 = read_dr6();
}

/* The bits that the mask gives the guest are true in the register, the others in the shadow
 * (SDM vol. 3C 24.6.6). */
static uint64_t masked(enum vmcs_field mask, enum vmcs_field shadow, enum vmcs_field real)
{
	uint64_t ours = vmread(mask);

	return (vmread(shadow) & ours) | (vmread(real) & ~ours);
}

uint64_t vmx_get_reg(struct vcpu *vcpu, enum vcpu_reg reg)
{
	switch (reg) {
	case REG_CR0: return masked(VMCS_CR0_MASK, VMCS_CR0_SHADOW, VMCS_GUEST_CR0);
	case REG_CR2: return vmx_of(vcpu)->cr2;
	case REG_CR4: return masked(VMCS_CR4_MASK, VMCS_CR4_SHADOW, VMCS_GUEST_CR4);
	case REG_DR6: return read_dr6();
	default: break;
	}
	return places[reg].field ? vmread(places[reg].field) : rdmsr(places[reg].msr);
}

/* NE must be 1 in VMX operation (SDM vol. 3D A.7); caches stay on, as INVD and CD are of no
 * use to a guest. */
static void set_cr0(uint64_t value)
{
	vmwrite(VMCS_CR0_SHADOW, value);
	vmwrite(VMCS_GUEST_CR0, (value & ~(CR0_CD | CR0_NW)) | CR0_NE);
}

/* With MCE clear, a machine check in the guest would shut the CPU down (SDM vol. 3A 2.5). */
static void set_cr4(uint64_t value)
{
	vmwrite(VMCS_CR4_SHADOW, value);
	vmwrite(VMCS_GUEST_CR4, value | CR4_VMXE | CR4_MCE);
}

static void set_efer(uint64_t value)
{
	uint64_t entry = vmread(VMCS_ENTRY_CONTROLS) & ~ENTRY_GUEST_64;

	vmwrite(VMCS_ENTRY_CONTROLS, value & EFER_LMA ? entry | ENTRY_GUEST_64 : entry);
	vmwrite(VMCS_GUEST_EFER, value);
}

/* With EPT, the four entries of PAE paging are loaded from the VMCS, not from memory (SDM vol.
 * 3C 26.3.2.4). Reserved bits fail the entry: whoever sets these registers has looked, and gva
 * looks again at what is loaded. */
static void load_pdptes(struct vcpu *vcpu)
{
	uint64_t cr3 = vmread(VMCS_GUEST_CR3);

	if (!(vmread(VMCS_GUEST_CR0) & CR0_PG) || !(vmread(VMCS_GUEST_CR4) & CR4_PAE) ||
	    vmread(VMCS_GUEST_EFER) & EFER_LMA)
		return;
	for (unsigned i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE + 2 * i, gva_pdpte(vcpu, cr3, i));
}

void vmx_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	switch (reg) {
	case REG_CR0: set_cr0(value); break;
	case REG_CR2: vmx_of(vcpu)->cr2 = value; break;
	case REG_CR4: set_cr4(value); break;
	case REG_DR6: write_dr6(value); break;
	case REG_EFER: set_efer(value); break;
	default:
		if (places[reg].field)
			vmwrite(places[reg].field, value);
		else
			wrmsr(places[reg].msr, value);
	}
	/* Done by the guest itself, each of these would have invalidated its VPID's mappings
	 * and loaded the PDPTEs; done for it, that is ours to do (SDM vol.
	 * 3C 28.3.3.1, 28.3.3.3). */
	if (reg == REG_CR0 || reg == REG_CR3 || reg == REG_CR4 || reg == REG_EFER) {
		vmx_of(vcpu)->flush_vpid = true;
		load_pdptes(vcpu);
	}
}

void vmx_get_segment(struct vcpu *vcpu, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)vcpu;
	*out = (struct vcpu_segment){
		.selector = (uint16_t)vmread(VMCS_GUEST_SELECTOR + 2 * seg),
		.attributes = vmx_attributes((uint32_t)vmread(VMCS_GUEST_RIGHTS + 2 * seg)),
		.limit = (uint32_t)vmread(VMCS_GUEST_LIMIT + 2 * seg),
		.base = vmread(VMCS_GUEST_BASE + 2 * seg),
	};
}

void vmx_set_segment(struct vcpu *vcpu, enum vcpu_seg seg, const struct vcpu_segment *in)
{
	(void)vcpu;
	vmwrite(VMCS_GUEST_SELECTOR + 2 * seg, in->selector);
	vmwrite(VMCS_GUEST_RIGHTS + 2 * seg, vmx_rights(in->attributes));
	vmwrite(VMCS_GUEST_LIMIT + 2 * seg, in->limit);
	vmwrite(VMCS_GUEST_BASE + 2 * seg, in->base);
}

void vmx_get_state(struct vcpu *vcpu, struct vcpu_state *out)
{
	for (unsigned i = 0; i < REG_COUNT; i++)
		out->regs[i] = vmx_get_reg(vcpu, i);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		vmx_get_segment(vcpu, i, &out->segs[i]);
	out->gdtr.base = vmread(VMCS_GUEST_GDTR_BASE);
	out->gdtr.limit = (uint16_t)vmread(VMCS_GUEST_GDTR_LIMIT);
	out->idtr.base = vmread(VMCS_GUEST_IDTR_BASE);
	out->idtr.limit = (uint16_t)vmread(VMCS_GUEST_IDTR_LIMIT);
}

/* FS and GS have their base twice in the state: the segments' counts. */
void vmx_set_table(struct vcpu *vcpu, bool idt, uint64_t base, uint16_t limit)
{
	(void)vcpu;
	vmwrite(idt ? VMCS_GUEST_IDTR_BASE : VMCS_GUEST_GDTR_BASE, base);
	vmwrite(idt ? VMCS_GUEST_IDTR_LIMIT : VMCS_GUEST_GDTR_LIMIT, limit);
}

void vmx_set_state(struct vcpu *vcpu, const struct vcpu_state *in)
{
	for (unsigned i = 0; i < REG_COUNT; i++)
		vmx_set_reg(vcpu, i, in->regs[i]);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		vmx_set_segment(vcpu, i, &in->segs[i]);
	vmx_set_table(vcpu, false, in->gdtr.base, in->gdtr.limit);
	vmx_set_table(vcpu, true, in->idtr.base, in->idtr.limit);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, 0); /* active: HLT exits */
	vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
	vmwrite(VMCS_ENTRY_EVENT, 0);
}

/* SS.DPL is the CPL, also where SS is unusable (SDM vol. 3C 24.4.1). */
unsigned vmx_cpl(struct vcpu *vcpu)
{
	(void)vcpu;
	return vmread(VMCS_GUEST_RIGHTS + 2 * SEG_SS) >> 5 & 3;
}
