/* What insn.c (lengths), insn_emulate.c (running one), insn_system.c and insn_segment.c
 * (system and segment registers) share. Nobody else includes this. */
#ifndef KERNEL_VMM_INSN_INTERNAL_H
#define KERNEL_VMM_INSN_INTERNAL_H

#include "kernel/vmm/emul/emul.h"
#include "kernel/vmm/vcpu.h"

/* What the emulator hands back to us as ctx->opaque. */
struct emulation {
	struct vcpu *vcpu;
	const struct vmexit *exit;
	bool fault_is_operand; /* exit->fault.gpa is the instruction's one memory operand */
};

static inline struct vcpu *insn_vcpu(const struct emul_ctx *ctx)
{
	return ((struct emulation *)ctx->opaque)->vcpu;
}

/* How code is decoded that runs in this code segment. */
enum emul_mode insn_mode(struct vcpu *vcpu, const struct vcpu_segment *cs);

/* What follows an instruction that was done for the guest, and whose end RIP is: raises the
 * trap of a single step, or #GP where RIP is not canonical. */
void insn_done(struct vcpu *vcpu);

/* The emulator's system() and load_system(). */
int insn_system(struct emul_ctx *ctx, unsigned which, uint16_t *word, uint64_t *base);
int insn_load_system(struct emul_ctx *ctx, unsigned which, uint16_t word, uint64_t base);

/* Loads a segment register but CS, LDTR or TR: enum emul_segment or emul_system. 0, or -EFAULT
 * with ctx->fault; -ENOTSUP for SS, and where the table is in a device's memory. May populate.
 */
int insn_load_selector(struct emul_ctx *ctx, unsigned which, uint16_t selector);

/* What LMSW makes of CR0: it sets the low four bits, and cannot clear PE (SDM vol. 2A). */
uint64_t insn_lmsw(struct vcpu *vcpu, uint16_t word);

#endif
