/* System registers that instructions store or load, for the emulator. */
#include <errno.h>

#include "kernel/lib/x86.h"
#include "kernel/vmm/cr.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/insn_internal.h"

_Static_assert((int)EMUL_LDTR == SEG_LDTR && (int)EMUL_TR == SEG_TR,
	       "segments are numbered alike");

/* What UMIP keeps from user code, and control registers. The CPU has looked where it has UMIP,
 * but another vCPU may have changed the instruction since; where UMIP is ours nobody has. */
static bool may_read(struct vcpu *vcpu, unsigned which)
{
	if (which < EMUL_LDTR || !vmm_backend->cpl(vcpu))
		return true;
	return which < EMUL_CR0 && !(vmm_backend->get_reg(vcpu, REG_CR4) & CR4_UMIP);
}

/* #GP(0). */
static int refuse(struct emul_ctx *ctx)
{
	ctx->fault = (struct emul_fault){.vector = VECTOR_GP, .has_error = ctx->protected_mode};
	return -EFAULT;
}

int insn_system(struct emul_ctx *ctx, unsigned which, uint16_t *word, uint64_t *base)
{
	struct vcpu *vcpu = insn_vcpu(ctx);
	struct vcpu_segment seg;
	struct vcpu_state state;

	if (!may_read(vcpu, which))
		return refuse(ctx);
	if (which <= EMUL_TR) {
		vmm_backend->get_segment(vcpu, which, &seg);
		*word = seg.selector;
	} else if (which == EMUL_MSW || which == EMUL_CR0) {
		*base = vmm_backend->get_reg(vcpu, REG_CR0);
	} else if (which >= EMUL_CR0) {
		if (which != EMUL_CR0 + 4) /* another vCPU has changed it: no other exits */
			return -EAGAIN;
		*base = vmm_backend->get_reg(vcpu, REG_CR4);
	} else {
		vmm_backend->get_state(vcpu, &state);
		*word = which == EMUL_GDTR ? state.gdtr.limit : state.idtr.limit;
		*base = which == EMUL_GDTR ? state.gdtr.base : state.idtr.base;
	}
	return 0;
}

uint64_t insn_lmsw(struct vcpu *vcpu, uint16_t word)
{
	return (vmm_backend->get_reg(vcpu, REG_CR0) & ~0xeull) | (word & 0xf);
}

int insn_load_system(struct emul_ctx *ctx, unsigned which, uint16_t word, uint64_t base)
{
	struct vcpu *vcpu = insn_vcpu(ctx);

	if (which <= EMUL_TR)
		return insn_load_selector(ctx, which, word);
	/* The CPU has looked, but another vCPU may have changed the instruction since. */
	if (vmm_backend->cpl(vcpu))
		return refuse(ctx);
	if (which == EMUL_MSW)
		return cr_write(vcpu, 0, insn_lmsw(vcpu, word)) ? refuse(ctx) : 0;
	if (!gva_is_canonical(base))
		return refuse(ctx);
	vmm_backend->set_table(vcpu, which == EMUL_IDTR, base, word);
	return 0;
}
