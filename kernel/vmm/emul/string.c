/*
 * String instructions with their REP prefixes, INS and OUTS among them. Every iteration is
 * complete before the next begins, so an error leaves registers that the guest can go on from.
 */
#include "kernel/vmm/emul/internal.h"

static bool uses_source(enum emul_op op)
{
	return op == EMUL_MOVS || op == EMUL_CMPS || op == EMUL_LODS || op == EMUL_OUTS;
}

static bool uses_destination(enum emul_op op)
{
	return op != EMUL_LODS && op != EMUL_OUTS;
}

/* Ports are 4 bytes wide at most, whatever REX.W says. */
static unsigned element_bytes(const struct emul_insn *insn)
{
	bool is_io = insn->op == EMUL_INS || insn->op == EMUL_OUTS;

	return is_io ? MIN(insn->op_bytes, (uint8_t)4) : insn->op_bytes;
}

/* The destination is found writable before the port is read: a device gives its data once. */
static int in_element(struct emul_ctx *ctx, uint64_t offset, unsigned bytes)
{
	uint64_t linear, value = 0;
	int err = emul_linear(ctx, EMUL_ES, offset, bytes, true, &linear);

	if (!err)
		err = ctx->ops->read(ctx, linear, &value, bytes, EMUL_READ_FOR_WRITE);
	if (!err)
		err = ctx->ops->io_in(ctx, ctx->gpr[EMUL_RDX] & UINT16_MAX, &value, bytes);
	return err ? err : ctx->ops->write(ctx, linear, &value, bytes);
}

static int compare(struct emul_ctx *ctx, uint64_t value, uint64_t offset, unsigned bytes)
{
	uint64_t other;
	int err = emul_load(ctx, EMUL_ES, offset, &other, bytes);

	if (!err)
		emul_alu(EMUL_CMP, value, other, bytes, &ctx->rflags);
	return err;
}

/* One iteration up to, but without, the registers' advance. */
static int iterate(struct emul_ctx *ctx, const struct emul_insn *insn, unsigned bytes)
{
	uint64_t *gpr = ctx->gpr, address_mask = emul_mask(insn->addr_bytes), value = 0;
	uint64_t destination = gpr[EMUL_RDI] & address_mask;

	if (uses_source(insn->op)) {
		uint64_t offset = gpr[EMUL_RSI] & address_mask;
		int err = emul_load(ctx, insn->segment, offset, &value, bytes);

		if (err)
			return err;
	}
	switch (insn->op) {
	case EMUL_MOVS: return emul_store(ctx, EMUL_ES, destination, value, bytes);
	case EMUL_STOS: return emul_store(ctx, EMUL_ES, destination, gpr[EMUL_RAX], bytes);
	case EMUL_CMPS: return compare(ctx, value, destination, bytes);
	case EMUL_SCAS: return compare(ctx, gpr[EMUL_RAX], destination, bytes);
	case EMUL_INS: return in_element(ctx, destination, bytes);
	case EMUL_OUTS: return ctx->ops->io_out(ctx, gpr[EMUL_RDX] & UINT16_MAX, &value, bytes);
	default: /* EMUL_LODS */ emul_reg_write(ctx, insn, EMUL_RAX, value, bytes); return 0;
	}
}

static void advance(struct emul_ctx *ctx, const struct emul_insn *insn, unsigned bytes)
{
	uint64_t step = ctx->rflags & RFLAGS_DF ? -(uint64_t)bytes : bytes;
	uint64_t *gpr = ctx->gpr;

	if (uses_source(insn->op))
		emul_reg_advance(&gpr[EMUL_RSI], gpr[EMUL_RSI] + step, insn->addr_bytes);
	if (uses_destination(insn->op))
		emul_reg_advance(&gpr[EMUL_RDI], gpr[EMUL_RDI] + step, insn->addr_bytes);
}

/* Whether CMPS or SCAS ends its repetition by what it found; F2 repeats the others as F3. */
static bool is_found(const struct emul_ctx *ctx, const struct emul_insn *insn)
{
	bool is_equal = ctx->rflags & RFLAGS_ZF;

	if (insn->op != EMUL_CMPS && insn->op != EMUL_SCAS)
		return false;
	return is_equal != !!(insn->prefixes & EMUL_PREFIX_REP);
}

int emul_exec_string(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	bool is_repeated = insn->prefixes & (EMUL_PREFIX_REP | EMUL_PREFIX_REPNE);
	uint64_t *rcx = &ctx->gpr[EMUL_RCX];
	uint64_t count = is_repeated ? *rcx & emul_mask(insn->addr_bytes) : 1;
	unsigned bytes = element_bytes(insn);

	if ((insn->op == EMUL_INS && !ctx->ops->io_in) ||
	    (insn->op == EMUL_OUTS && !ctx->ops->io_out))
		return -EAGAIN;
	for (unsigned done = 0; count > 0; done++) {
		int err;

		if (done == EMUL_REP_MAX) {
			ctx->rflags |= RFLAGS_RF; /* no second instruction breakpoint */
			return 0;
		}
		err = iterate(ctx, insn, bytes);
		if (err)
			return err;
		advance(ctx, insn, bytes);
		count--;
		if (is_repeated)
			emul_reg_advance(rcx, count, insn->addr_bytes);
		if (is_found(ctx, insn))
			break;
	}
	return emul_retire(ctx, insn);
}
