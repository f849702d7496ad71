/*
 * Multiplication and division, whose results and dividends are twice as wide as the operand.
 * Compilers read device registers with them, too. Flags that the manuals leave undefined stay.
 */
#include "kernel/vmm/emul/internal.h"

typedef __int128 int128;
typedef unsigned __int128 uint128;

static void set_overflow(struct emul_ctx *ctx, bool overflow)
{
	ctx->rflags &= ~(RFLAGS_CF | RFLAGS_OF);
	if (overflow)
		ctx->rflags |= RFLAGS_CF | RFLAGS_OF;
}

/* The accumulator's two halves: AH and AL, or DX and AX, by width. */
static uint128 read_pair(const struct emul_ctx *ctx, unsigned bytes)
{
	uint64_t low = ctx->gpr[EMUL_RAX] & emul_mask(bytes);
	uint64_t high = ctx->gpr[EMUL_RDX] & emul_mask(bytes);

	if (bytes == 1)
		return ctx->gpr[EMUL_RAX] & UINT16_MAX;
	return (uint128)high << (8 * bytes) | low;
}

static void write_pair(struct emul_ctx *ctx, const struct emul_insn *insn, uint64_t high,
		       uint64_t low)
{
	unsigned bytes = insn->op_bytes;

	if (bytes == 1) {
		low = (high & 0xff) << 8 | (low & 0xff);
		emul_reg_write(ctx, insn, EMUL_RAX, low, 2);
	} else {
		emul_reg_write(ctx, insn, EMUL_RAX, low, bytes);
		emul_reg_write(ctx, insn, EMUL_RDX, high, bytes);
	}
}

/* IMUL to a register: by the register itself, or by an immediate. */
int emul_exec_imul(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	unsigned bytes = insn->op_bytes;
	uint64_t value, other = insn->immediate;
	int128 product;
	int err = emul_read_rm(ctx, insn, &value, bytes);

	if (err)
		return err;
	if (insn->args == ARGS_REG_RM)
		other = emul_reg_read(ctx, insn, insn->reg, bytes);
	product = (int128)emul_sign_extend(value, bytes) * emul_sign_extend(other, bytes);
	set_overflow(ctx, product != emul_sign_extend((uint64_t)product, bytes));
	emul_reg_write(ctx, insn, insn->reg, (uint64_t)product, bytes);
	return emul_retire(ctx, insn);
}

/* MUL and IMUL of the accumulator. */
int emul_exec_mul(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	unsigned bytes = insn->op_bytes;
	uint64_t value, accumulator = ctx->gpr[EMUL_RAX] & emul_mask(bytes), low;
	uint128 product;
	int err = emul_read_rm(ctx, insn, &value, bytes);

	if (err)
		return err;
	if (insn->op == EMUL_MUL) {
		product = (uint128)accumulator * value;
		low = (uint64_t)product & emul_mask(bytes);
		set_overflow(ctx, product != low);
	} else {
		int128 wide = (int128)emul_sign_extend(accumulator, bytes) *
			      emul_sign_extend(value, bytes);

		product = (uint128)wide;
		low = (uint64_t)product;
		set_overflow(ctx, wide != emul_sign_extend(low, bytes));
	}
	write_pair(ctx, insn, (uint64_t)(product >> (8 * bytes)), low);
	return emul_retire(ctx, insn);
}

/* Schoolbook division bit by bit where the CPU's own, in C, doesn't reach; false if the
 * quotient has more than 64 bits. The remainder is what stays of `high`. */
static bool divide(uint128 dividend, uint64_t divisor, uint64_t *quotient, uint64_t *remainder)
{
	uint64_t high = (uint64_t)(dividend >> 64), low = (uint64_t)dividend;

	if (high >= divisor)
		return false;
	if (high == 0) {
		*quotient = low / divisor;
		*remainder = low % divisor;
		return true;
	}
	for (unsigned i = 0; i < 64; i++) {
		bool carry = high >> 63;

		high = high << 1 | low >> 63;
		low <<= 1;
		if (carry || high >= divisor) {
			high -= divisor;
			low |= 1;
		}
	}
	*quotient = low;
	*remainder = high;
	return true;
}

static int exec_div_unsigned(struct emul_ctx *ctx, const struct emul_insn *insn,
			     uint64_t divisor)
{
	uint64_t quotient, remainder;

	if (!divide(read_pair(ctx, insn->op_bytes), divisor, &quotient, &remainder) ||
	    quotient > emul_mask(insn->op_bytes))
		return emul_raise(ctx, VECTOR_DE);
	write_pair(ctx, insn, remainder, quotient);
	return emul_retire(ctx, insn);
}

/* Divides magnitudes; the remainder has the dividend's sign (SDM vol. 2A IDIV). */
static int exec_div_signed(struct emul_ctx *ctx, const struct emul_insn *insn, uint64_t value)
{
	unsigned bytes = insn->op_bytes, unused_bits = 128 - 16 * bytes;
	uint128 dividend = read_pair(ctx, bytes);
	uint64_t divisor = (uint64_t)emul_sign_extend(value, bytes), quotient, remainder;
	bool is_negative = (int128)(dividend << unused_bits) < 0;
	bool is_divisor_negative = (int64_t)divisor < 0;
	uint64_t limit = emul_mask(bytes) >> 1; /* the largest magnitude, but for -2^n */

	dividend = (uint128)((int128)(dividend << unused_bits) >> unused_bits);
	if (is_negative)
		dividend = -dividend;
	if (is_divisor_negative)
		divisor = -divisor;
	if (is_negative != is_divisor_negative)
		limit++;
	if (!divide(dividend, divisor, &quotient, &remainder) || quotient > limit)
		return emul_raise(ctx, VECTOR_DE);
	write_pair(ctx, insn, is_negative ? -remainder : remainder,
		   is_negative != is_divisor_negative ? -quotient : quotient);
	return emul_retire(ctx, insn);
}

int emul_exec_div(struct emul_ctx *ctx, const struct emul_insn *insn)
{
	uint64_t divisor;
	int err = emul_read_rm(ctx, insn, &divisor, insn->op_bytes);

	if (err)
		return err;
	if (insn->op == EMUL_DIV)
		return exec_div_unsigned(ctx, insn, divisor);
	return exec_div_signed(ctx, insn, divisor);
}
