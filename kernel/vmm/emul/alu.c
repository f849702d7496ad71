/*
 * Integer arithmetic with x86's flags, in plain C. Values only: no registers, no memory.
 */
#include "kernel/vmm/emul/internal.h"

static uint64_t sign_bit(unsigned bytes)
{
	return 1ull << (8 * bytes - 1);
}

static uint64_t flag_if(bool condition, uint64_t flag)
{
	return condition ? flag : 0;
}

/* SF, ZF and PF follow from the result alone. PF: bit n of 0x9669 says that n's bits are even.
 */
static uint64_t result_flags(uint64_t result, unsigned bytes)
{
	return flag_if(result & sign_bit(bytes), RFLAGS_SF) | flag_if(result == 0, RFLAGS_ZF) |
	       flag_if(0x9669 >> ((result ^ result >> 4) & 0xf) & 1, RFLAGS_PF);
}

static uint64_t replace_flags(uint64_t rflags, uint64_t which, uint64_t value)
{
	return (rflags & ~which) | (value & which);
}

/* Carries out of each bit are the majority of both operands and the inverse of the result. */
static uint64_t add(uint64_t a, uint64_t b, uint64_t carry, unsigned bytes, uint64_t *flags)
{
	uint64_t result = (a + b + carry) & emul_mask(bytes);
	uint64_t carries = (a & b) | ((a | b) & ~result);
	uint64_t sign = sign_bit(bytes);

	*flags = result_flags(result, bytes) | flag_if(carries & sign, RFLAGS_CF) |
		 flag_if((a ^ result) & (b ^ result) & sign, RFLAGS_OF) |
		 ((a ^ b ^ result) & RFLAGS_AF);
	return result;
}

static uint64_t subtract(uint64_t a, uint64_t b, uint64_t borrow, unsigned bytes,
			 uint64_t *flags)
{
	uint64_t result = (a - b - borrow) & emul_mask(bytes);
	uint64_t borrows = (~a & b) | (~(a ^ b) & result);
	uint64_t sign = sign_bit(bytes);

	*flags = result_flags(result, bytes) | flag_if(borrows & sign, RFLAGS_CF) |
		 flag_if((a ^ b) & (a ^ result) & sign, RFLAGS_OF) |
		 ((a ^ b ^ result) & RFLAGS_AF);
	return result;
}

/* SHL, SHR and SAR. CF is the last bit shifted out; OF is that of a shift by one. */
static uint64_t shift(enum emul_op op, uint64_t value, unsigned count, unsigned bytes,
		      uint64_t *flags)
{
	unsigned bits = 8 * bytes;
	uint64_t result;
	bool carry, overflow;

	if (op == EMUL_SHR) {
		carry = value >> (count - 1) & 1;
		overflow = value & sign_bit(bytes);
		result = value >> count;
	} else if (op == EMUL_SAR) {
		int64_t extended = emul_sign_extend(value, bytes);

		carry = extended >> (count - 1) & 1;
		overflow = false;
		result = (uint64_t)(extended >> count) & emul_mask(bytes);
	} else {
		carry = count <= bits && (value >> (bits - count) & 1);
		result = value << count & emul_mask(bytes);
		overflow = carry != !!(result & sign_bit(bytes));
	}
	*flags = result_flags(result, bytes) | flag_if(carry, RFLAGS_CF) |
		 flag_if(overflow, RFLAGS_OF);
	return result;
}

/* ROL and ROR; the count modulo the width decides the result, but even 0 of that sets CF. */
static uint64_t rotate(enum emul_op op, uint64_t value, unsigned count, unsigned bytes,
		       uint64_t *flags)
{
	unsigned bits = 8 * bytes;
	unsigned left = (op == EMUL_ROL ? count : bits - count % bits) % bits;
	uint64_t result = value, sign = sign_bit(bytes);
	bool carry, overflow;

	if (left)
		result = (value << left | value >> (bits - left)) & emul_mask(bytes);
	if (op == EMUL_ROL) {
		carry = result & 1;
		overflow = carry != !!(result & sign);
	} else {
		carry = result & sign;
		overflow = carry != !!(result & sign >> 1);
	}
	*flags = flag_if(carry, RFLAGS_CF) | flag_if(overflow, RFLAGS_OF);
	return result;
}

/* RCL and RCR go through CF bit by bit; they are rare, and this is plain. */
static uint64_t rotate_carry(enum emul_op op, uint64_t value, unsigned count, unsigned bytes,
			     uint64_t *flags)
{
	uint64_t sign = sign_bit(bytes);
	bool carry = *flags & RFLAGS_CF, overflow;

	for (count %= 8 * bytes + 1; count; count--) {
		bool out = op == EMUL_RCL ? value & sign : value & 1;

		if (op == EMUL_RCL)
			value = (value << 1 | carry) & emul_mask(bytes);
		else
			value = value >> 1 | (carry ? sign : 0);
		carry = out;
	}
	if (op == EMUL_RCL)
		overflow = carry != !!(value & sign);
	else
		overflow = !!(value & sign) != !!(value & sign >> 1);
	*flags = flag_if(carry, RFLAGS_CF) | flag_if(overflow, RFLAGS_OF);
	return value;
}

/* Shifts and rotates by a masked count; none of them touches a flag if that is 0. */
static uint64_t shift_or_rotate(enum emul_op op, uint64_t value, uint64_t src, unsigned bytes,
				uint64_t *rflags)
{
	unsigned count = src & (bytes == 8 ? 63 : 31);
	uint64_t flags = *rflags;

	if (count == 0)
		return value;
	if (op >= EMUL_SHL) {
		value = shift(op, value, count, bytes, &flags);
		*rflags = replace_flags(*rflags, RFLAGS_STATUS, flags);
		return value;
	}
	if (op >= EMUL_RCL)
		value = rotate_carry(op, value, count, bytes, &flags);
	else
		value = rotate(op, value, count, bytes, &flags);
	*rflags = replace_flags(*rflags, RFLAGS_CF | RFLAGS_OF, flags);
	return value;
}

/* BT and its kin set CF and, as CPUs do though manuals don't promise it, nothing else. */
static uint64_t bit(enum emul_op op, uint64_t value, uint64_t src, uint64_t *rflags)
{
	uint64_t which = 1ull << src;

	*rflags = replace_flags(*rflags, RFLAGS_CF, flag_if(value & which, RFLAGS_CF));
	switch (op) {
	case EMUL_BTS: return value | which;
	case EMUL_BTR: return value & ~which;
	case EMUL_BTC: return value ^ which;
	default: return value;
	}
}

uint64_t emul_alu(enum emul_op op, uint64_t dst, uint64_t src, unsigned bytes, uint64_t *rflags)
{
	uint64_t which = RFLAGS_STATUS, flags, result;

	dst &= emul_mask(bytes);
	src &= emul_mask(bytes);
	switch (op) {
	case EMUL_MOV:
	case EMUL_XCHG: return src;
	case EMUL_NOT: return ~dst & emul_mask(bytes);
	case EMUL_BT:
	case EMUL_BTS:
	case EMUL_BTR:
	case EMUL_BTC: return bit(op, dst, src, rflags);
	case EMUL_ROL:
	case EMUL_ROR:
	case EMUL_RCL:
	case EMUL_RCR:
	case EMUL_SHL:
	case EMUL_SHR:
	case EMUL_SAL:
	case EMUL_SAR: return shift_or_rotate(op, dst, src, bytes, rflags);
	case EMUL_ADD:
	case EMUL_XADD: result = add(dst, src, 0, bytes, &flags); break;
	case EMUL_ADC: result = add(dst, src, *rflags & RFLAGS_CF, bytes, &flags); break;
	case EMUL_SUB:
	case EMUL_CMP: result = subtract(dst, src, 0, bytes, &flags); break;
	case EMUL_SBB: result = subtract(dst, src, *rflags & RFLAGS_CF, bytes, &flags); break;
	case EMUL_NEG: result = subtract(0, dst, 0, bytes, &flags); break;
	case EMUL_INC:
		result = add(dst, 1, 0, bytes, &flags);
		which &= ~RFLAGS_CF;
		break;
	case EMUL_DEC:
		result = subtract(dst, 1, 0, bytes, &flags);
		which &= ~RFLAGS_CF;
		break;
	case EMUL_OR:
		result = dst | src;
		flags = result_flags(result, bytes);
		break;
	case EMUL_XOR:
		result = dst ^ src;
		flags = result_flags(result, bytes);
		break;
	default: /* EMUL_AND, EMUL_TEST */
		result = dst & src;
		flags = result_flags(result, bytes);
		break;
	}
	*rflags = replace_flags(*rflags, which, flags);
	return result;
}

bool emul_condition(unsigned code, uint64_t rflags)
{
	bool less = !(rflags & RFLAGS_SF) != !(rflags & RFLAGS_OF);
	bool met;

	switch (code >> 1 & 7) {
	case 0: met = rflags & RFLAGS_OF; break;
	case 1: met = rflags & RFLAGS_CF; break;
	case 2: met = rflags & RFLAGS_ZF; break;
	case 3: met = rflags & (RFLAGS_CF | RFLAGS_ZF); break;
	case 4: met = rflags & RFLAGS_SF; break;
	case 5: met = rflags & RFLAGS_PF; break;
	case 6: met = less; break;
	default: met = less || (rflags & RFLAGS_ZF); break;
	}
	return met != (code & 1);
}
