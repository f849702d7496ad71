/*
 * Instructions that combine a memory operand with the stack or with RIP: PUSH, POP, CALL and
 * JMP near, indirect. Far forms are not emulated.
 */
#include "kernel/vmm/emul/internal.h"

/* The stack pointer's size is SS.B's, or 64 bits (SDM vol. 1 6.2.3). */
static unsigned pointer_bytes(struct emul_ctx *ctx)
{
	struct emul_seg ss;

	if (ctx->mode == EMUL_MODE_64)
		return 8;
	ctx->ops->segment(ctx, EMUL_SS, &ss);
	return ss.access & EMUL_SEG_BIG ? 4 : 2;
}

static int push(struct emul_ctx *ctx, uint64_t value, unsigned bytes)
{
	unsigned width = pointer_bytes(ctx);
	uint64_t top = (ctx->gpr[EMUL_RSP] - bytes) & emul_mask(width);
	int err = emul_store(ctx, EMUL_SS, top, value, bytes);

	if (err)
		return err;
	emul_reg_advance(&ctx->gpr[EMUL_RSP], top, width);
	return 0;
}

int emul_exec_push(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t value;
	int err = emul_read_rm(ctx, insn, &value, insn->op_bytes);

	if (!err)
		err = push(ctx, value, insn->op_bytes);
	return err ? err : emul_retire(ctx, insn);
}

/* The destination's address is computed with RSP after the POP (SDM vol. 2B POP). */
int emul_exec_pop(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	unsigned width = pointer_bytes(ctx), bytes = insn->op_bytes;
	uint64_t top = ctx->gpr[EMUL_RSP] & emul_mask(width), value;
	int err = emul_load(ctx, EMUL_SS, top, &value, bytes);

	if (err)
		return err;
	if (insn->is_memory) {
		uint64_t offset = emul_effective(ctx, insn);

		if (insn->base == EMUL_RSP)
			offset = (offset + bytes) & emul_mask(insn->addr_bytes);
		err = emul_store(ctx, insn->segment, offset, value, bytes);
		if (err)
			return err;
	}
	emul_reg_advance(&ctx->gpr[EMUL_RSP], top + bytes, width);
	if (!insn->is_memory)
		emul_reg_write(ctx, insn, insn->rm, value, bytes);
	return emul_retire(ctx, insn);
}

static bool is_code_address(struct emul_ctx *ctx, uint64_t target)
{
	struct emul_seg cs;

	if (ctx->mode == EMUL_MODE_64)
		return emul_is_canonical(ctx, target);
	ctx->ops->segment(ctx, EMUL_CS, &cs);
	return target <= cs.limit;
}

int emul_exec_branch(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t target;
	int err = emul_read_rm(ctx, insn, &target, insn->op_bytes);

	if (err)
		return err;
	if (!is_code_address(ctx, target))
		return emul_raise(ctx, VECTOR_GP);
	if (insn->op == EMUL_CALL) {
		err = push(ctx, ctx->rip + insn->length, insn->op_bytes);
		if (err)
			return err;
	}
	emul_retire(ctx, insn);
	ctx->rip = target;
	return 0;
}
