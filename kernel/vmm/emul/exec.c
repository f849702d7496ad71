/*
 * Executes decoded instructions: moves, arithmetic, atomic forms, SSE moves. Nothing of the
 * guest changes before the last call that can fail has succeeded. Strings and the stack have
 * their own files.
 */
#include <string.h>

#include "kernel/vmm/emul/internal.h"

/* The second operand of the forms whose first one is r/m. */
static uint64_t source(const struct emul_ctx *ctx, const struct emul_insn *insn)
{
	switch (insn->args) {
	case ARGS_RM_REG: return emul_reg_read(ctx, insn, insn->reg, insn->op_bytes);
	case ARGS_RM_IMM: return insn->immediate;
	case ARGS_RM_ONE: return 1;
	case ARGS_RM_CL: return ctx->gpr[EMUL_RCX] & 0xff;
	default: return 0;
	}
}

static int exec_mov(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t value;
	int err;

	if (insn->args == ARGS_REG_RM) {
		err = emul_read_rm(ctx, insn, &value, insn->op_bytes);
		if (err)
			return err;
		emul_reg_write(ctx, insn, insn->reg, value, insn->op_bytes);
	} else {
		err = emul_write_rm(ctx, insn, source(ctx, insn), insn->op_bytes);
		if (err)
			return err;
	}
	return emul_retire(ctx, insn);
}

/* MOVZX, MOVSX, MOVSXD, CMOVcc: to a register; the r/m operand is read in any case. */
static int exec_mov_to_reg(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t value;
	int err = emul_read_rm(ctx, insn, &value, insn->mem_bytes);

	if (err)
		return err;
	if (insn->op == EMUL_MOVSX)
		value = (uint64_t)emul_sign_extend(value, insn->mem_bytes);
	if (insn->op == EMUL_CMOV && !emul_condition(insn->opcode, ctx->rflags))
		value = emul_reg_read(ctx, insn, insn->reg, insn->op_bytes);
	emul_reg_write(ctx, insn, insn->reg, value, insn->op_bytes);
	return emul_retire(ctx, insn);
}

static int exec_movbe(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	unsigned unused_bits = 64 - 8 * insn->op_bytes;
	uint64_t value;
	int err;

	if (insn->args == ARGS_REG_RM) {
		err = emul_read_rm(ctx, insn, &value, insn->op_bytes);
		if (err)
			return err;
		value = __builtin_bswap64(value) >> unused_bits;
		emul_reg_write(ctx, insn, insn->reg, value, insn->op_bytes);
	} else {
		value = __builtin_bswap64(source(ctx, insn)) >> unused_bits;
		err = emul_write_rm(ctx, insn, value, insn->op_bytes);
		if (err)
			return err;
	}
	return emul_retire(ctx, insn);
}

static int exec_setcc(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	int err = emul_write_rm(ctx, insn, emul_condition(insn->opcode, ctx->rflags), 1);

	return err ? err : emul_retire(ctx, insn);
}

/* Counts bits, or finds the first or last one. */
static int exec_scan(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	unsigned bytes = insn->op_bytes, bits = 8 * bytes;
	uint64_t value, flags = 0, result;
	int err = emul_read_rm(ctx, insn, &value, bytes);

	if (err)
		return err;
	switch (insn->op) {
	case EMUL_TZCNT:
		result = value ? (unsigned)__builtin_ctzll(value) : bits;
		flags = (value ? 0 : RFLAGS_CF) | (result ? 0 : RFLAGS_ZF);
		break;
	case EMUL_LZCNT:
		result = value ? (unsigned)__builtin_clzll(value) - (64 - bits) : bits;
		flags = (value ? 0 : RFLAGS_CF) | (result ? 0 : RFLAGS_ZF);
		break;
	case EMUL_POPCNT:
		flags = value ? 0 : RFLAGS_ZF;
		for (result = 0; value; value >>= 1)
			result += value & 1;
		break;
	default: /* EMUL_BSF, EMUL_BSR: 0 leaves the register as it was */
		if (!value) {
			ctx->rflags |= RFLAGS_ZF;
			return emul_retire(ctx, insn);
		}
		result = (unsigned)(insn->op == EMUL_BSF ? __builtin_ctzll(value)
							 : 63 - __builtin_clzll(value));
	}
	ctx->rflags = (ctx->rflags & ~RFLAGS_STATUS) | flags;
	emul_reg_write(ctx, insn, insn->reg, result, bytes);
	return emul_retire(ctx, insn);
}

/* Arithmetic whose destination is a register and whose source may be memory. */
static int exec_alu_to_reg(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t src, result;
	int err = emul_read_rm(ctx, insn, &src, insn->op_bytes);

	if (err)
		return err;
	result = emul_alu(insn->op, emul_reg_read(ctx, insn, insn->reg, insn->op_bytes), src,
			  insn->op_bytes, &ctx->rflags);
	if (insn->op != EMUL_CMP)
		emul_reg_write(ctx, insn, insn->reg, result, insn->op_bytes);
	return emul_retire(ctx, insn);
}

/* XCHG with memory is atomic without being asked (SDM vol. 2D XCHG). */
static bool is_atomic(const struct emul_insn *insn)
{
	return (insn->prefixes & EMUL_PREFIX_LOCK) || insn->op == EMUL_XCHG;
}

/* Writes back what was read as `old` from `linear`. */
static int write_back(struct emul_ctx *ctx, const struct emul_insn *insn, uint64_t linear,
		      const void *old, const void *value, unsigned bytes)
{
	if (is_atomic(insn))
		return ctx->ops->compare_exchange(ctx, linear, old, value, bytes);
	return ctx->ops->write(ctx, linear, value, bytes);
}

static bool is_read_only(enum emul_op op)
{
	return op == EMUL_CMP || op == EMUL_TEST || op == EMUL_BT;
}

/*
 * The memory operand's offset and the bit's number within it: the register of BT and its kin
 * counts from the operand on, up and down, as far as it can (SDM vol. 2A 3.1.1.9).
 */
static uint64_t bit_offset(const struct emul_ctx *ctx, const struct emul_insn *insn,
			   uint64_t *bit)
{
	uint64_t offset = insn->is_memory ? emul_effective(ctx, insn) : 0;
	unsigned bits = 8 * insn->op_bytes;
	int64_t number = emul_sign_extend(*bit, insn->op_bytes);

	*bit = (uint64_t)number & (bits - 1);
	if (insn->args == ARGS_RM_REG)
		offset += (uint64_t)((number - (int64_t)*bit) / 8);
	return offset & emul_mask(insn->addr_bytes);
}

/* All that reads r/m, computes and mostly writes it back. */
static int exec_modify(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t src = source(ctx, insn), flags = ctx->rflags, offset = 0, linear, old, value;
	bool is_write = !is_read_only(insn->op);
	unsigned bytes = insn->op_bytes;
	int err;

	if (insn->op >= EMUL_BT && insn->op <= EMUL_BTC)
		offset = bit_offset(ctx, insn, &src);
	else if (insn->is_memory)
		offset = emul_effective(ctx, insn);
	if (insn->is_memory) {
		err = emul_linear(ctx, insn->segment, offset, bytes, is_write, &linear);
		if (err)
			return err;
		old = 0;
		err = ctx->ops->read(ctx, linear, &old, bytes,
				     is_write ? EMUL_READ_FOR_WRITE : EMUL_READ);
		if (err)
			return err;
	} else {
		old = emul_reg_read(ctx, insn, insn->rm, bytes);
	}

	value = emul_alu(insn->op, old, src, bytes, &flags);
	if (is_write && insn->is_memory) {
		err = write_back(ctx, insn, linear, &old, &value, bytes);
		if (err)
			return err;
	}
	if (insn->op == EMUL_XADD || insn->op == EMUL_XCHG)
		emul_reg_write(ctx, insn, insn->reg, old, bytes);
	if (is_write && !insn->is_memory)
		emul_reg_write(ctx, insn, insn->rm, value, bytes);
	ctx->rflags = flags;
	return emul_retire(ctx, insn);
}

/* Memory is written even if the comparison fails: with what it held (SDM vol. 2A CMPXCHG). */
static int exec_cmpxchg(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t src = source(ctx, insn), flags = ctx->rflags, linear, old = 0, value;
	unsigned bytes = insn->op_bytes;
	bool is_equal;
	int err;

	if (insn->is_memory) {
		err = emul_linear(ctx, insn->segment, emul_effective(ctx, insn), bytes, true,
				  &linear);
		if (!err)
			err = ctx->ops->read(ctx, linear, &old, bytes, EMUL_READ_FOR_WRITE);
		if (err)
			return err;
	} else {
		old = emul_reg_read(ctx, insn, insn->rm, bytes);
	}

	emul_alu(EMUL_CMP, ctx->gpr[EMUL_RAX], old, bytes, &flags);
	is_equal = flags & RFLAGS_ZF;
	value = is_equal ? src : old;
	if (insn->is_memory) {
		err = write_back(ctx, insn, linear, &old, &value, bytes);
		if (err)
			return err;
	} else if (is_equal) {
		emul_reg_write(ctx, insn, insn->rm, value, bytes);
	}
	if (!is_equal)
		emul_reg_write(ctx, insn, EMUL_RAX, old, bytes);
	ctx->rflags = flags;
	return emul_retire(ctx, insn);
}

/* Two registers as the operand of CMPXCHG8B or CMPXCHG16B. */
static void pair_up(const struct emul_ctx *ctx, unsigned low, unsigned high, unsigned bytes,
		    uint64_t pair[2])
{
	if (bytes == 16) {
		pair[0] = ctx->gpr[low];
		pair[1] = ctx->gpr[high];
	} else {
		pair[0] = ctx->gpr[high] << 32 | (ctx->gpr[low] & UINT32_MAX);
		pair[1] = 0;
	}
}

static int exec_cmpxchg_pair(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t linear, old[2] = {0, 0}, expected[2], desired[2];
	unsigned bytes = insn->mem_bytes;
	bool is_equal;
	int err;

	err = emul_linear(ctx, insn->segment, emul_effective(ctx, insn), bytes, true, &linear);
	if (err)
		return err;
	if (bytes == 16 && !IS_ALIGNED(linear, 16))
		return emul_raise(ctx, VECTOR_GP);
	err = ctx->ops->read(ctx, linear, old, bytes, EMUL_READ_FOR_WRITE);
	if (err)
		return err;

	pair_up(ctx, EMUL_RAX, EMUL_RDX, bytes, expected);
	pair_up(ctx, EMUL_RBX, EMUL_RCX, bytes, desired);
	is_equal = old[0] == expected[0] && old[1] == expected[1];
	err = write_back(ctx, insn, linear, old, is_equal ? desired : old, bytes);
	if (err)
		return err;
	if (is_equal) {
		ctx->rflags |= RFLAGS_ZF;
		return emul_retire(ctx, insn);
	}
	ctx->rflags &= ~RFLAGS_ZF;
	ctx->gpr[EMUL_RAX] = bytes == 16 ? old[0] : old[0] & UINT32_MAX;
	ctx->gpr[EMUL_RDX] = bytes == 16 ? old[1] : old[0] >> 32;
	return emul_retire(ctx, insn);
}

/* Up to 16 bytes between memory and an XMM register, whose rest a load clears. That SSE is
 * enabled the CPU has checked before the access that brought us here. */
static int exec_xmm(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	bool is_store = insn->op == EMUL_XMM_STORE;
	uint8_t value[16] = {0};
	uint64_t linear;
	int err;

	if (!ctx->ops->read_xmm || !ctx->ops->write_xmm)
		return -ENOTSUP;
	err = emul_linear(ctx, insn->segment, emul_effective(ctx, insn), insn->mem_bytes,
			  is_store, &linear);
	if (err)
		return err;
	if (insn->is_aligned && !IS_ALIGNED(linear, 16))
		return emul_raise(ctx, VECTOR_GP);
	if (is_store) {
		ctx->ops->read_xmm(ctx, insn->reg, value);
		err = ctx->ops->write(ctx, linear, value, insn->mem_bytes);
	} else {
		err = ctx->ops->read(ctx, linear, value, insn->mem_bytes, EMUL_READ);
		if (!err)
			ctx->ops->write_xmm(ctx, insn->reg, value);
	}
	return err ? err : emul_retire(ctx, insn);
}

static unsigned system_register(const struct emul_insn *insn)
{
	unsigned reg = insn->modrm >> 3 & 7;

	if (insn->opcode == EMUL_OPCODE(0, 0x8c) || insn->opcode == EMUL_OPCODE(0, 0x8e))
		return reg;
	if (insn->opcode == EMUL_OPCODE(1, 0x00))
		return reg & 1 ? EMUL_TR : EMUL_LDTR;
	return reg >= 4 ? EMUL_MSW : reg & 1 ? EMUL_IDTR : EMUL_GDTR;
}

/* A selector with zeroes above it, or as much of CR0 as the register takes (APM vol. 3 SLDT,
 * SMSW). */
static int store_system_in_register(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	unsigned which = system_register(insn);
	uint64_t base = 0;
	uint16_t word = 0;
	int err = ctx->ops->system(ctx, which, &word, &base);

	if (err)
		return err;
	emul_reg_write(ctx, insn, insn->rm, which == EMUL_MSW ? base : word, insn->op_bytes);
	return emul_retire(ctx, insn);
}

/* To memory; selectors and the status word are 2 bytes there, whatever the operand size, and
 * tables 2 of limit with 4 or, in 64-bit mode, 8 of base (SDM vol. 2B SGDT, SLDT, SMSW). */
static int exec_store_system(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	unsigned which = system_register(insn), bytes = 2;
	uint64_t linear, base = 0;
	uint8_t value[10];
	uint16_t word = 0;
	int err;

	if (!ctx->ops->system)
		return -ENOTSUP;
	if (!insn->is_memory)
		return store_system_in_register(ctx, insn);
	if (which >= EMUL_GDTR)
		bytes += ctx->mode == EMUL_MODE_64 ? 8 : 4;
	err = ctx->ops->system(ctx, which, &word, &base);
	if (!err)
		err = emul_linear(ctx, insn->segment, emul_effective(ctx, insn), bytes, true,
				  &linear);
	if (err)
		return err;
	if (which == EMUL_MSW)
		word = (uint16_t)base;
	memcpy(value, &word, sizeof word);
	memcpy(value + sizeof word, &base, sizeof base);
	err = ctx->ops->write(ctx, linear, value, bytes);
	return err ? err : emul_retire(ctx, insn);
}

/* CS is loaded by branches, and of the numbers behind GS there are no registers. */
static bool is_no_segment(const struct emul_insn *insn)
{
	return insn->opcode == EMUL_OPCODE(0, 0x8e) &&
	       (system_register(insn) == EMUL_CS || system_register(insn) > EMUL_GS);
}

/* A selector, the status word, or a table's limit and base: of that 8 bytes in 64-bit mode,
 * else 4, of which 3 count where the operand size is 2 (SDM vol. 2A LGDT, LLDT, LMSW). */
static int exec_load_system(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	bool is_64 = ctx->mode == EMUL_MODE_64;
	unsigned which = system_register(insn), base_bytes = is_64 ? 8 : 4;
	uint64_t linear, base = 0;
	uint16_t word = 0;
	int err;

	if (!ctx->ops->load_system)
		return -ENOTSUP;
	if (is_no_segment(insn))
		return emul_raise(ctx, VECTOR_UD);
	if (which <= EMUL_MSW)
		base_bytes = 0;
	err = emul_linear(ctx, insn->segment, emul_effective(ctx, insn), 2 + base_bytes, false,
			  &linear);
	if (!err)
		err = ctx->ops->read(ctx, linear, &word, 2, EMUL_READ);
	if (!err && base_bytes)
		err = ctx->ops->read(ctx, linear + 2, &base, base_bytes, EMUL_READ);
	if (!is_64 && insn->op_bytes == 2)
		base &= 0xffffff;
	if (!err)
		err = ctx->ops->load_system(ctx, which, word, base);
	return err ? err : emul_retire(ctx, insn);
}

/* The operand size is the mode's alone; LOCK makes CR0 CR8 on AMD (APM vol. 3 MOV CRn). */
static int exec_read_cr(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	unsigned cr = insn->reg | (insn->prefixes & EMUL_PREFIX_LOCK ? 8 : 0);
	uint64_t value = 0;
	uint16_t unused;
	int err;

	if (!ctx->ops->system)
		return -ENOTSUP;
	err = ctx->ops->system(ctx, EMUL_CR0 + cr, &unused, &value);
	if (err)
		return err;
	emul_reg_write(ctx, insn, insn->rm, value, ctx->mode == EMUL_MODE_64 ? 8 : 4);
	return emul_retire(ctx, insn);
}

static int exec_arithmetic(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	if (insn->args == ARGS_REG_RM)
		return exec_alu_to_reg(ctx, insn);
	return exec_modify(ctx, insn);
}

static int (*const handlers[EMUL_OPS])(struct emul_ctx *, const struct emul_insn *) = {
	[EMUL_ADD... EMUL_CMP] = exec_arithmetic,
	[EMUL_ROL... EMUL_XCHG] = exec_modify,
	[EMUL_MOV] = exec_mov,
	[EMUL_MOVZX] = exec_mov_to_reg,
	[EMUL_MOVSX] = exec_mov_to_reg,
	[EMUL_MOVBE] = exec_movbe,
	[EMUL_CMOV] = exec_mov_to_reg,
	[EMUL_SETCC] = exec_setcc,
	[EMUL_IMUL] = emul_exec_imul,
	[EMUL_MUL] = emul_exec_mul,
	[EMUL_IMUL_ACC] = emul_exec_mul,
	[EMUL_DIV] = emul_exec_div,
	[EMUL_IDIV] = emul_exec_div,
	[EMUL_BSF... EMUL_POPCNT] = exec_scan,
	[EMUL_CMPXCHG] = exec_cmpxchg,
	[EMUL_CMPXCHG_PAIR] = exec_cmpxchg_pair,
	[EMUL_PUSH] = emul_exec_push,
	[EMUL_POP] = emul_exec_pop,
	[EMUL_CALL] = emul_exec_branch,
	[EMUL_JMP] = emul_exec_branch,
	[EMUL_MOVS... EMUL_OUTS] = emul_exec_string,
	[EMUL_STORE_SYSTEM] = exec_store_system,
	[EMUL_LOAD_SYSTEM] = exec_load_system,
	[EMUL_READ_CR] = exec_read_cr,
	[EMUL_XMM_LOAD] = exec_xmm,
	[EMUL_XMM_STORE] = exec_xmm,
	[EMUL_CACHE] = emul_retire,
};

int emul_execute(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	if (!handlers[insn->op])
		return -ENOTSUP;
	return handlers[insn->op](ctx, insn);
}
