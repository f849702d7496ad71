/* CR0, CR4 and CR8 as the guest may set them (SDM vol. 3A 2.5, vol. 2B MOV to control
 * registers). */
#include "kernel/vmm/cr.h"

#include <errno.h>

#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/vlapic.h"

#define CR0_DEFINED                                                                       \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | \
	 CR0_CD | CR0_PG)

static bool in_long_code(struct vcpu *vcpu)
{
	struct vcpu_segment cs;

	vmm_backend->get_segment(vcpu, SEG_CS, &cs);
	return cs.attributes & SEG_ATTR_LONG;
}

/* With PAE paging, writes of CR0 and CR4 load the four entries that CR3 points to (SDM vol. 3A
 * 4.4.1; APM vol. 3 MOV CRn): reserved bits in them raise #GP. */
static bool pdptes_wrong(struct vcpu *vcpu, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return cr0 & CR0_PG && cr4 & CR4_PAE && !(efer & EFER_LMA) &&
	       !gva_pdptes_valid(vcpu, vmm_backend->get_reg(vcpu, REG_CR3));
}

static int write_cr0(struct vcpu *vcpu, uint64_t value)
{
	const struct vmm_backend *b = vmm_backend;
	uint64_t efer = b->get_reg(vcpu, REG_EFER), cr4 = b->get_reg(vcpu, REG_CR4);
	uint64_t old = b->get_reg(vcpu, REG_CR0);

	if (value >> 32)
		return -EPERM;
	if ((value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD)))
		return -EPERM;
	if (value & CR0_PG && !(old & CR0_PG) && efer & EFER_LME) {
		if (!(cr4 & CR4_PAE) || in_long_code(vcpu))
			return -EPERM;
		efer |= EFER_LMA;
	}
	if (!(value & CR0_PG) && old & CR0_PG) {
		if (cr4 & CR4_PCIDE || (efer & EFER_LMA && in_long_code(vcpu)))
			return -EPERM;
		efer &= ~EFER_LMA;
	}
	if (pdptes_wrong(vcpu, value, cr4, efer))
		return -EPERM;
	b->set_reg(vcpu, REG_EFER, efer);
	/* Undefined bits below 32 are ignored, ET reads as one. */
	b->set_reg(vcpu, REG_CR0, (value & CR0_DEFINED) | CR0_ET);
	return 0;
}

static int write_cr4(struct vcpu *vcpu, uint64_t value)
{
	const struct vmm_backend *b = vmm_backend;
	uint64_t efer = b->get_reg(vcpu, REG_EFER), old = b->get_reg(vcpu, REG_CR4);

	if (value & ~features_cr4_mask())
		return -EPERM;
	if (efer & EFER_LMA && !(value & CR4_PAE))
		return -EPERM;
	if (value & CR4_PCIDE && !(old & CR4_PCIDE) &&
	    (!(efer & EFER_LMA) || b->get_reg(vcpu, REG_CR3) & 0xfff))
		return -EPERM;
	if (pdptes_wrong(vcpu, b->get_reg(vcpu, REG_CR0), value, efer))
		return -EPERM;
	b->set_reg(vcpu, REG_CR4, value);
	return 0;
}

static int write_cr8(struct vcpu *vcpu, uint64_t value)
{
	if (value >> 4)
		return -EPERM;
	vlapic_set_cr8(vcpu->lapic, value);
	return 0;
}

int cr_write(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
	switch (cr) {
	case 0: return write_cr0(vcpu, value);
	case 4: return write_cr4(vcpu, value);
	case 8: return write_cr8(vcpu, value);
	default: return -EPERM;
	}
}
