/*
 * Makes up instructions with registers and memory for them. For test_emul_native.c, which
 * includes it once, runs them, and compares.
 */
#ifndef TESTS_UNIT_EMUL_TRIAL_H
#define TESTS_UNIT_EMUL_TRIAL_H

#include "kernel/vmm/emul/emul.h"
#include "tests/unit/emul_forms.h"
#include "tests/unit/emul_native.h"

#define ARENA_BYTES 2048u

static uint8_t *arena;	   /* what both read and write */
static uint64_t gs_offset; /* of the GS segment in it */
static uint64_t random_state = 0x243f6a8885a308d3ull;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static unsigned below(unsigned limit)
{
	return random64() % limit;
}

/* Numbers that carry, borrow and change sign more often than chance would. */
static uint64_t random_operand(void)
{
	static const uint64_t edges[] = {
		0,	1,	    0x7f,	0x80,	    0xff,      0x7fff,	   0x8000,
		0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, 1ull << 63, UINT64_MAX};

	return below(3) ? random64() : edges[below(ARRAY_SIZE(edges))];
}

/* One trial: a form with everything chosen, the instruction that came of it. */
struct trial {
	uint8_t code[EMUL_INSN_MAX];
	unsigned length;
	struct machine before;
	uint64_t target; /* the memory operand's linear address */
	unsigned imm;
	uint8_t rex;
	bool is_66, is_memory;
};

static void put(struct trial *trial, uint64_t value, unsigned bytes)
{
	assert_true(trial->length + bytes <= EMUL_INSN_MAX);
	memcpy(&trial->code[trial->length], &value, bytes);
	trial->length += bytes;
}

static unsigned operand_bytes(const struct form *form, const struct trial *trial)
{
	if (form->traits & BYTE)
		return 1;
	if (trial->rex & 8)
		return 8;
	if (form->traits & STACK)
		return trial->is_66 ? 2 : 8;
	return trial->is_66 ? 2 : 4;
}

/* ModRM and what follows for a memory operand at trial->target; sets base and index. */
static void put_memory(struct trial *trial, const struct form *form, unsigned reg,
		       uint64_t segment_base, bool is_addr32, unsigned imm_bytes)
{
	uint64_t offset = trial->target - segment_base;
	unsigned kind = below(5), base, index, scale = below(4);
	bool has_index = below(2);
	unsigned displacement_bytes = below(2) ? 4 : 1;
	int64_t displacement;

	if (kind == 0) { /* relative to RIP */
		put(trial, reg << 3 | 5, 1);
		put(trial, offset - ((uintptr_t)native_code + trial->length + 4 + imm_bytes),
		    4);
		return;
	}
	if (kind == 1 && !(trial->rex & 2)) { /* absolute; REX.X would make R12 an index */
		put(trial, reg << 3 | 4, 1);
		put(trial, 0x25, 1);
		put(trial, offset, 4);
		return;
	}
	do { /* not in the way of what the instruction takes from fixed registers */
		base = below(8) | (trial->rex & 1 ? 8 : 0);
		index = below(8) | (trial->rex & 2 ? 8 : 0);
	} while (base == index ||
		 ((form->traits & STACK) && segment_base && base == EMUL_RSP) ||
		 ((trial->rex & 2) && (base & 7) == 4 &&
		  (!has_index || (form->traits & STACK))) ||
		 (has_index && index == EMUL_RSP) ||
		 ((form->traits & (COMPARE | DIVIDE)) &&
		  (base <= EMUL_RBX || index <= EMUL_RBX)) ||
		 ((form->traits & SHIFT) && (base == EMUL_RCX || index == EMUL_RCX)) ||
		 ((form->traits & BITS) && (base == (reg | (trial->rex & 4 ? 8 : 0)) ||
					    index == (reg | (trial->rex & 4 ? 8 : 0)))));
	displacement = displacement_bytes == 1 ? (int8_t)random64() : (int32_t)random64() >> 4;
	if (has_index && (form->traits & STACK) && base == EMUL_RSP)
		has_index = false;
	if (base == EMUL_RSP && (form->traits & STACK)) {
		displacement_bytes = 1;
		displacement = (int8_t)random64();
		trial->target = trial->before.gpr[EMUL_RSP] + displacement;
	} else {
		uint64_t index_part = 0;

		if (has_index)
			index_part = trial->before.gpr[index] << scale;
		trial->before.gpr[base] = offset - displacement - index_part;
		if (is_addr32) /* what is above must not count */
			trial->before.gpr[base] =
				(trial->before.gpr[base] & UINT32_MAX) | random64() << 32;
	}
	put(trial,
	    (displacement_bytes == 1 ? 0x40 : 0x80) | reg << 3 |
		    (has_index || (base & 7) == 4 ? 4 : base & 7),
	    1);
	if (has_index || (base & 7) == 4)
		put(trial, scale << 6 | (has_index ? index & 7 : 4) << 3 | (base & 7), 1);
	put(trial, displacement, displacement_bytes);
}

static void randomise(struct trial *trial)
{
	for (unsigned i = 0; i < 16; i++) {
		trial->before.gpr[i] = random_operand();
		for (unsigned j = 0; j < 16; j++)
			trial->before.xmm[i][j] = random64();
	}
	trial->before.rflags = (random64() & (CF | PF | AF | ZF | SF | OF | DF)) | 0x202;
	for (unsigned i = 0; i < ARENA_BYTES; i += 8) {
		uint64_t value = random_operand();

		memcpy(&arena[i], &value, 8);
	}
}

/* A dividend whose quotient fits: quotient times divisor, and a remainder of its sign. */
static void arrange_division(const struct form *form, struct trial *trial, unsigned bytes)
{
	unsigned bits = 8 * bytes, spare = 64 - bits;
	uint64_t *gpr = trial->before.gpr, divisor = 0, quotient = random_operand();
	__int128 dividend;

	memcpy(&divisor, (void *)trial->target, bytes);
	if (divisor == 0)
		divisor = 3;
	memcpy((void *)trial->target, &divisor, bytes);
	if (form->digit == 6) {
		quotient = quotient << spare >> spare;
		dividend = (__int128)((unsigned __int128)quotient * divisor +
				      random64() % divisor);
	} else {
		__int128 d = (int64_t)(divisor << spare) >> spare;
		__int128 q = (int64_t)(quotient << spare) >> spare;
		__int128 r = random64() % (uint64_t)(d < 0 ? -d : d);

		dividend = q * d < 0 ? q * d - r : q * d + r;
	}
	if (bytes == 1) {
		gpr[EMUL_RAX] = (gpr[EMUL_RAX] & ~0xffffull) | (uint16_t)dividend;
		return;
	}
	gpr[EMUL_RAX] = (uint64_t)dividend;
	gpr[EMUL_RDX] = (uint64_t)(dividend >> bits);
}

/* Sets the registers and memory that the form looks at, so that all of its ways are tried. */
static void arrange(const struct form *form, struct trial *trial, unsigned reg)
{
	unsigned bytes = operand_bytes(form, trial);
	uint64_t *gpr = trial->before.gpr;

	if (form->traits & BITS) {
		unsigned full = reg | (trial->rex & 4 ? 8 : 0);

		if (trial->is_memory)
			gpr[full] = (uint64_t)(int64_t)((int)below(4096) - 2048);
		if (bytes < 8) /* only as many bits as the operand's count */
			gpr[full] = bytes == 2 ? (gpr[full] & 0xffff) | random64() << 16
					       : (gpr[full] & UINT32_MAX) | random64() << 32;
	}
	if ((form->traits & COMPARE) && trial->is_memory && below(2)) {
		bool is_pair = form->digit == 1;
		unsigned part = is_pair ? (trial->rex & 8 ? 8 : 4) : bytes;

		memcpy(&gpr[EMUL_RAX], (void *)trial->target, part);
		if (is_pair)
			memcpy(&gpr[EMUL_RDX], (void *)(trial->target + part), part);
	}
	if (form->traits & NONZERO)
		((uint8_t *)trial->target)[below(bytes)] |= 1 << below(8);
	if (form->traits & DIVIDE)
		arrange_division(form, trial, bytes);
	if (form->traits & TARGET) {
		uint64_t landing = (uintptr_t)native_code + 64;

		memcpy((void *)trial->target, &landing, 8);
	}
}

static void make_trial(const struct form *form, struct trial *trial)
{
	bool is_addr32 = below(8) == 0, is_gs = below(8) == 0, is_lock = false;
	bool has_rex;
	unsigned reg = form->digit >= 0 ? (unsigned)form->digit : below(8), imm_bytes;
	uint64_t segment_base = is_gs ? (uintptr_t)arena + gs_offset : 0;

	memset(trial, 0, sizeof(*trial));
	randomise(trial);
	trial->is_memory = (form->traits & MEMORY) || below(4);
	if (form->traits & NO_MODRM)
		trial->is_memory = form->traits & MOFFS;
	trial->is_66 = !(form->traits & (FIXED | BYTE)) && below(4) == 0;
	has_rex = below(2);
	trial->rex = has_rex ? 0x40 | below(16) : 0;
	if (form->digit >= 0) /* REX.R isn't part of a number */
		trial->rex &= ~4;
	if ((form->extension == MOVBE || (form->traits & IMMZ)) &&
	    (trial->rex & 8)) /* else above 15 bytes */
		trial->is_66 = false;
	is_lock = (form->traits & LOCK) && trial->is_memory && below(3) == 0;
	trial->target = (uintptr_t)arena + ARENA_BYTES / 2 + below(256);
	if (form->traits & ALIGNED)
		trial->target &= ~15ull;
	if (form->traits & STACK)
		trial->before.gpr[EMUL_RSP] = (uintptr_t)arena + ARENA_BYTES / 2 + below(256);

	if (is_gs)
		put(trial, 0x65, 1);
	if (is_addr32)
		put(trial, 0x67, 1);
	if (is_lock)
		put(trial, 0xf0, 1);
	if (trial->is_66)
		put(trial, 0x66, 1);
	if (form->prefix)
		put(trial, form->prefix, 1);
	if (has_rex)
		put(trial, trial->rex, 1);
	for (unsigned i = 0; i < form->opcode_bytes; i++)
		put(trial, form->opcode[i], 1);

	imm_bytes = form->traits & IMM8 ? 1 : 0;
	if (form->traits & IMMZ)
		imm_bytes = operand_bytes(form, trial) == 2 ? 2 : 4;
	if (form->traits & MOFFS)
		put(trial, trial->target - segment_base, is_addr32 ? 4 : 8);
	else if (trial->is_memory)
		put_memory(trial, form, reg, segment_base, is_addr32, imm_bytes);
	else if (!(form->traits & NO_MODRM))
		put(trial, 0xc0 | reg << 3 | below(8), 1);
	trial->imm = random_operand();
	put(trial, trial->imm, imm_bytes);
	arrange(form, trial, reg);
}

#endif
