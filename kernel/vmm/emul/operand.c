/*
 * Where operands are: registers, and memory through segments. Paging is the caller's, behind
 * struct emul_ops; what is computed with the operands is exec.c's.
 */
#include "kernel/vmm/emul/internal.h"

int emul_raise(struct emul_ctx *ctx, unsigned vector)
{
	ctx->fault = (struct emul_fault){
		.vector = vector,
		.has_error = vector >= VECTOR_SS && ctx->protected_mode,
	};
	return -EFAULT;
}

/* Without REX, byte registers 4 to 7 are AH, CH, DH and BH (SDM vol. 2A 3.1.1.1). */
static bool is_high_byte(const struct emul_insn *insn, unsigned reg, unsigned bytes)
{
	return bytes == 1 && reg >= 4 && !insn->rex;
}

uint64_t emul_reg_read(const struct emul_ctx *ctx, const struct emul_insn *insn, unsigned reg,
		       unsigned bytes)
{
	if (is_high_byte(insn, reg, bytes))
		return ctx->gpr[reg - 4] >> 8 & 0xff;
	return ctx->gpr[reg] & emul_mask(bytes);
}

void emul_reg_write(struct emul_ctx *ctx, const struct emul_insn *insn, unsigned reg,
		    uint64_t value, unsigned bytes)
{
	uint64_t mask = emul_mask(bytes);
	unsigned shift = 0;

	if (is_high_byte(insn, reg, bytes)) {
		reg -= 4;
		shift = 8;
	}
	if (bytes >= 4) /* 32-bit results clear the upper half */
		ctx->gpr[reg] = value & mask;
	else
		ctx->gpr[reg] = (ctx->gpr[reg] & ~(mask << shift)) | (value & mask) << shift;
}

void emul_reg_advance(uint64_t *reg, uint64_t value, unsigned bytes)
{
	if (bytes == 2)
		*reg = (*reg & ~0xffffull) | (value & 0xffff);
	else
		*reg = value & emul_mask(bytes);
}

uint64_t emul_effective(const struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t offset = (uint64_t)insn->displacement;

	if (insn->base < EMUL_GPRS)
		offset += ctx->gpr[insn->base];
	else if (insn->base == EMUL_RIP_RELATIVE)
		offset += ctx->rip + insn->length;
	if (insn->index != EMUL_NO_REGISTER)
		offset += ctx->gpr[insn->index] << insn->scale;
	return offset & emul_mask(insn->addr_bytes);
}

/* Types are checked in protected mode; real and virtual-8086 mode have limits alone. */
static bool may_access(const struct emul_ctx *ctx, const struct emul_seg *seg, bool is_write)
{
	if (!ctx->protected_mode || (ctx->rflags & RFLAGS_VM))
		return true;
	if (!(seg->access & EMUL_SEG_PRESENT))
		return false;
	if (seg->access & EMUL_SEG_CODE)
		return !is_write && (seg->access & EMUL_SEG_WRITABLE);
	return !is_write || (seg->access & EMUL_SEG_WRITABLE);
}

static bool is_within(const struct emul_seg *seg, uint64_t first, uint64_t last)
{
	if ((seg->access & (EMUL_SEG_CODE | EMUL_SEG_EXPAND_DOWN)) == EMUL_SEG_EXPAND_DOWN)
		return first > seg->limit &&
		       last <= (seg->access & EMUL_SEG_BIG ? UINT32_MAX : UINT16_MAX);
	return last <= seg->limit;
}

int emul_linear_checked(struct emul_ctx *ctx, unsigned segment, uint64_t offset, unsigned bytes,
			bool is_write, uint64_t *linear)
{
	struct emul_seg seg = {.base = 0};
	bool is_legal;

	if (ctx->mode != EMUL_MODE_64 || segment >= EMUL_FS)
		ctx->ops->segment(ctx, segment, &seg);
	*linear = seg.base + offset;
	if (ctx->mode == EMUL_MODE_64) {
		is_legal = emul_is_canonical(ctx, *linear) &&
			   emul_is_canonical(ctx, *linear + bytes - 1);
	} else {
		*linear &= UINT32_MAX;
		is_legal = may_access(ctx, &seg, is_write) &&
			   is_within(&seg, offset, offset + bytes - 1);
	}
	if (is_legal)
		return 0;
	return emul_raise(ctx, segment == EMUL_SS ? VECTOR_SS : VECTOR_GP);
}

int emul_load(struct emul_ctx *ctx, unsigned segment, uint64_t offset, uint64_t *value,
	      unsigned bytes)
{
	uint64_t linear;
	int err = emul_linear(ctx, segment, offset, bytes, false, &linear);

	*value = 0;
	return err ? err : ctx->ops->read(ctx, linear, value, bytes, EMUL_READ);
}

int emul_store(struct emul_ctx *ctx, unsigned segment, uint64_t offset, uint64_t value,
	       unsigned bytes)
{
	uint64_t linear;
	int err = emul_linear(ctx, segment, offset, bytes, true, &linear);

	return err ? err : ctx->ops->write(ctx, linear, &value, bytes);
}

int emul_read_rm(struct emul_ctx *ctx, const struct emul_insn *insn, uint64_t *value,
		 unsigned bytes)
{
	if (insn->is_memory)
		return emul_load(ctx, insn->segment, emul_effective(ctx, insn), value, bytes);
	*value = emul_reg_read(ctx, insn, insn->rm, bytes);
	return 0;
}

int emul_write_rm(struct emul_ctx *ctx, const struct emul_insn *insn, uint64_t value,
		  unsigned bytes)
{
	if (insn->is_memory)
		return emul_store(ctx, insn->segment, emul_effective(ctx, insn), value, bytes);
	emul_reg_write(ctx, insn, insn->rm, value, bytes);
	return 0;
}

int emul_retire(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	ctx->rip += insn->length;
	if (ctx->mode != EMUL_MODE_64)
		ctx->rip &= UINT32_MAX;
	ctx->rflags &= ~RFLAGS_RF;
	return 0;
}
