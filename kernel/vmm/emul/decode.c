/*
 * From bytes to struct emul_insn: prefixes, opcode, ModRM, SIB, displacement, immediate
 * (SDM vol. 2A 2.1-2.3). Knows nothing of the guest's state; what opcodes mean is in tables.c.
 */
#include "kernel/vmm/emul/internal.h"
#include <string.h>

struct cursor {
	const uint8_t *at, *end;
	int short_error; /* what running off the end means */
};

/* Which bytes the decoder looks for in a VEX or EVEX prefix. */
#define VEX2	0xc5
#define VEX3	0xc4
#define EVEX	0x62
#define MOD_REG 0xc0 /* ModRM.mod = 3: ModRM.rm is a register */
#define REX_W	0x08
#define REX_R	0x04
#define REX_X	0x02
#define REX_B	0x01

static inline const uint8_t *take(struct cursor *cursor, unsigned bytes)
{
	const uint8_t *at = cursor->at;

	if ((size_t)(cursor->end - at) < bytes)
		return NULL;
	cursor->at += bytes;
	return at;
}

/* A little-endian, sign-extended number of 0 to 8 bytes. */
static int take_signed(struct cursor *cursor, unsigned bytes, int64_t *value)
{
	const uint8_t *at = take(cursor, bytes);
	uint64_t raw = 0;
	int32_t dword;

	if (!at)
		return cursor->short_error;
	if (bytes == sizeof(dword)) { /* the commonest, and worth it */
		memcpy(&dword, at, sizeof(dword));
		*value = dword;
		return 0;
	}
	for (unsigned i = bytes; i > 0; i--)
		raw = raw << 8 | at[i - 1];
	*value = bytes ? emul_sign_extend(raw, bytes) : 0;
	return 0;
}

/* Reads prefixes up to and including the opcode's first byte. */
static int decode_prefixes(struct emul_insn *insn, enum emul_mode mode, struct cursor *cursor)
{
	const uint8_t *at;

	insn->prefixes = 0;
	insn->rex = 0;
	insn->segment = EMUL_NO_REGISTER;
	insn->addr_bytes = mode == EMUL_MODE_16 ? 2 : mode == EMUL_MODE_32 ? 4 : 8;
	for (; (at = take(cursor, 1)); insn->rex = 0) {
		while (mode == EMUL_MODE_64 && (*at & 0xf0) == 0x40) {
			insn->rex = *at;
			at = take(cursor, 1);
			if (!at)
				return cursor->short_error;
		}
		if (!(emul_map_1byte[*at].flags & OPCODE_PREFIX)) {
			insn->opcode = *at;
			return 0;
		}
		switch (*at) {
		case 0x66: insn->prefixes |= EMUL_PREFIX_OPSIZE; break;
		case 0x67: insn->addr_bytes = mode == EMUL_MODE_32 ? 2 : 4; break;
		case 0xf0: insn->prefixes |= EMUL_PREFIX_LOCK; break;
		case 0xf2:
			insn->prefixes &= ~EMUL_PREFIX_REP;
			insn->prefixes |= EMUL_PREFIX_REPNE;
			break;
		case 0xf3:
			insn->prefixes &= ~EMUL_PREFIX_REPNE;
			insn->prefixes |= EMUL_PREFIX_REP;
			break;
		case 0x64: insn->segment = EMUL_FS; break;
		case 0x65: insn->segment = EMUL_GS; break;
		default: /* 26, 2E, 36, 3E: nothing in 64-bit mode */
			if (mode != EMUL_MODE_64)
				insn->segment = *at >> 3 & 3;
		}
	}
	return cursor->short_error;
}

static bool is_vex(const struct emul_insn *insn, enum emul_mode mode,
		   const struct cursor *cursor)
{
	if (insn->opcode != VEX2 && insn->opcode != VEX3 && insn->opcode != EVEX)
		return false;
	/* Elsewhere LES, LDS and BOUND, which take memory only. */
	return mode == EMUL_MODE_64 ||
	       (cursor->at < cursor->end && (*cursor->at & MOD_REG) == MOD_REG);
}

/* VEX and EVEX (SDM vol. 2A 2.3.5 and 2.7): finds the opcode and what follows it. */
static int decode_vex(struct emul_insn *insn, struct cursor *cursor, struct opcode *opcode)
{
	const uint8_t *payload, *byte;
	unsigned map;

	if (insn->rex || insn->prefixes)
		return -EINVAL;
	payload = take(cursor, insn->opcode == VEX2 ? 1 : insn->opcode == VEX3 ? 2 : 3);
	byte = payload ? take(cursor, 1) : NULL;
	if (!byte)
		return cursor->short_error;
	if (insn->opcode == EVEX)
		map = payload[0] & 0x07;
	else
		map = insn->opcode == VEX2 ? 1 : payload[0] & 0x1f;
	opcode->op = EMUL_LENGTH;
	opcode->args = ARGS_NONE;
	opcode->flags = OPCODE_MODRM;
	if (map == 1 && (emul_map_0f[*byte].flags & OPCODE_IMM) == OPCODE_IMM_B)
		opcode->flags |= OPCODE_IMM_B;
	else if (map == 1 && *byte == 0x77) /* VZEROUPPER, VZEROALL */
		opcode->flags = 0;
	else if (map == 3)
		opcode->flags |= OPCODE_IMM_B;
	else if (map == 0 || map == 4 || map > 6 || (map > 3 && insn->opcode != EVEX))
		return -EINVAL;
	insn->prefixes |= EMUL_PREFIX_VEX;
	insn->opcode = EMUL_OPCODE(map, *byte);
	return 0;
}

/* Finds the row of a plain opcode, of which decode_prefixes has read the first byte. */
static int decode_opcode(struct emul_insn *insn, struct cursor *cursor, struct opcode *opcode)
{
	const uint8_t *at;

	if (insn->opcode != 0x0f) {
		*opcode = emul_map_1byte[insn->opcode];
		return 0;
	}
	at = take(cursor, 1);
	if (!at)
		return cursor->short_error;
	if (*at != 0x38 && *at != 0x3a) {
		insn->opcode = EMUL_OPCODE(1, *at);
		*opcode = emul_map_0f[*at];
		return 0;
	}
	insn->opcode = *at == 0x38 ? EMUL_OPCODE(2, 0) : EMUL_OPCODE(3, 0);
	at = take(cursor, 1);
	if (!at)
		return cursor->short_error;
	insn->opcode |= *at;
	*opcode = emul_map_0f38(*at, insn->prefixes);
	if (insn->opcode >= EMUL_OPCODE(3, 0)) {
		opcode->op = EMUL_LENGTH;
		opcode->flags = OPCODE_MODRM | OPCODE_IMM_B;
	}
	return 0;
}

/* 16-bit addressing: SDM vol. 2A table 2-1. */
static int decode_memory16(struct emul_insn *insn, struct cursor *cursor)
{
	static const uint8_t bases[] = {EMUL_RBX, EMUL_RBX, EMUL_RBP, EMUL_RBP,
					EMUL_RSI, EMUL_RDI, EMUL_RBP, EMUL_RBX};
	static const uint8_t indices[] = {EMUL_RSI, EMUL_RDI, EMUL_RSI, EMUL_RDI};
	unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;

	insn->base = bases[rm];
	insn->index = rm < ARRAY_SIZE(indices) ? indices[rm] : EMUL_NO_REGISTER;
	insn->scale = 0;
	if (mod == 0 && rm == 6) {
		insn->base = EMUL_NO_REGISTER;
		mod = 2;
	}
	return take_signed(cursor, mod, &insn->displacement);
}

/* 32- and 64-bit addressing: SDM vol. 2A tables 2-2 and 2-3, 2.2.1.6. */
static int decode_memory(struct emul_insn *insn, enum emul_mode mode, struct cursor *cursor)
{
	unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;
	unsigned high = insn->rex & REX_B ? 8 : 0;
	unsigned displacement_bytes = mod == 2 ? 4 : mod;

	insn->base = rm | high;
	insn->index = EMUL_NO_REGISTER;
	insn->scale = 0;
	if (rm == 4) {
		const uint8_t *sib = take(cursor, 1);

		if (!sib)
			return cursor->short_error;
		insn->index = (*sib >> 3 & 7) | (insn->rex & REX_X ? 8 : 0);
		insn->scale = *sib >> 6;
		if (insn->index == EMUL_RSP)
			insn->index = EMUL_NO_REGISTER;
		insn->base = (*sib & 7) | high;
		if (mod == 0 && (*sib & 7) == 5) {
			insn->base = EMUL_NO_REGISTER;
			displacement_bytes = 4;
		}
	} else if (mod == 0 && rm == 5) {
		insn->base = mode == EMUL_MODE_64 ? EMUL_RIP_RELATIVE : EMUL_NO_REGISTER;
		displacement_bytes = 4;
	}
	return take_signed(cursor, displacement_bytes, &insn->displacement);
}

static int decode_modrm(struct emul_insn *insn, enum emul_mode mode, struct cursor *cursor,
			unsigned flags)
{
	const uint8_t *modrm = take(cursor, 1);
	int err;

	if (!modrm)
		return cursor->short_error;
	insn->modrm = *modrm;
	insn->reg = (*modrm >> 3 & 7) | (insn->rex & REX_R ? 8 : 0);
	if (*modrm >= MOD_REG || (flags & OPCODE_REGISTER)) {
		insn->rm = (*modrm & 7) | (insn->rex & REX_B ? 8 : 0);
		return 0;
	}
	insn->is_memory = true;
	if (insn->addr_bytes == 2)
		err = decode_memory16(insn, cursor);
	else
		err = decode_memory(insn, mode, cursor);
	if (insn->segment == EMUL_NO_REGISTER &&
	    (insn->base == EMUL_RSP || insn->base == EMUL_RBP))
		insn->segment = EMUL_SS;
	return err;
}

static unsigned operand_bytes(const struct emul_insn *insn, enum emul_mode mode, unsigned flags)
{
	bool toggled = insn->prefixes & EMUL_PREFIX_OPSIZE;

	if (flags & OPCODE_BYTE)
		return 1;
	if (insn->rex & REX_W)
		return 8;
	if (mode == EMUL_MODE_64 && (flags & OPCODE_64))
		return toggled ? 2 : 8;
	return toggled == (mode == EMUL_MODE_16) ? 4 : 2;
}

static int decode_immediate(struct emul_insn *insn, struct cursor *cursor, unsigned flags)
{
	unsigned at_most_4 = MIN(insn->op_bytes, (uint8_t)4), bytes;
	int64_t value;
	int err;

	switch (flags & OPCODE_IMM) {
	case OPCODE_IMM_B: bytes = 1; break;
	case OPCODE_IMM_W: bytes = 2; break;
	case OPCODE_IMM_Z: bytes = at_most_4; break;
	case OPCODE_IMM_FAR: bytes = at_most_4 + 2; break;
	case OPCODE_IMM_ENTER: bytes = 3; break;
	case OPCODE_IMM_V: bytes = insn->op_bytes; break;
	default: /* OPCODE_IMM_ADDR */
		insn->is_memory = true;
		insn->base = EMUL_NO_REGISTER;
		insn->index = EMUL_NO_REGISTER;
		return take_signed(cursor, insn->addr_bytes, &insn->displacement);
	}
	err = take_signed(cursor, bytes, &value);
	insn->immediate = (uint64_t)value;
	return err;
}

/* What an SSE opcode moves: by the last of its prefixes, or else by 66. */
static void choose_sse(struct emul_insn *insn, unsigned which)
{
	unsigned prefix = insn->prefixes & EMUL_PREFIX_REPNE	? 3
			  : insn->prefixes & EMUL_PREFIX_REP	? 2
			  : insn->prefixes & EMUL_PREFIX_OPSIZE ? 1
								: 0;
	uint8_t move = emul_sse[which][prefix];

	insn->op = EMUL_LENGTH;
	if (move == 0 || !insn->is_memory)
		return;
	insn->op = move & SSE_STORE ? EMUL_XMM_STORE : EMUL_XMM_LOAD;
	insn->is_aligned = move & SSE_ALIGNED;
	insn->mem_bytes = move & SSE_BYTES;
	if (insn->mem_bytes == SSE_OPSIZE)
		insn->mem_bytes = insn->rex & REX_W ? 8 : 4;
}

/* Whether 0F AE with memory only touches it: CLFLUSH, CLFLUSHOPT (66), CLWB (66, reg 6). */
static bool is_cache_flush(const struct emul_insn *insn)
{
	if (insn->prefixes & (EMUL_PREFIX_REP | EMUL_PREFIX_REPNE))
		return false;
	return (insn->modrm >> 3 & 7) == 7 || (insn->prefixes & EMUL_PREFIX_OPSIZE);
}

/* The irregular: opcodes that mean something else by mode, prefix or ModRM.mod, and r/m
 * operands that aren't of the operand size. */
static void refine(struct emul_insn *insn, enum emul_mode mode, struct opcode *opcode)
{
	switch (insn->op) {
	case EMUL_MOVZX:
	case EMUL_MOVSX:
		insn->mem_bytes = insn->opcode & 1 ? 2 : 1;
		if (insn->opcode == 0x63) {
			insn->mem_bytes = MIN(insn->op_bytes, (uint8_t)4);
			if (mode != EMUL_MODE_64)
				insn->op = EMUL_LENGTH; /* ARPL */
		}
		break;
	case EMUL_BSF: /* where CPUs lack TZCNT and LZCNT, they differ from these for 0 alone */
		if (insn->prefixes & EMUL_PREFIX_REP)
			insn->op = EMUL_TZCNT;
		break;
	case EMUL_BSR:
		if (insn->prefixes & EMUL_PREFIX_REP)
			insn->op = EMUL_LZCNT;
		break;
	case EMUL_POPCNT:
		if (!(insn->prefixes & EMUL_PREFIX_REP))
			insn->op = EMUL_LENGTH;
		break;
	case EMUL_CMPXCHG_PAIR: insn->mem_bytes = insn->rex & REX_W ? 16 : 8; break;
	case EMUL_CACHE:
		insn->mem_bytes = 1;
		if (!is_cache_flush(insn))
			insn->op = EMUL_LENGTH;
		break;
	case EMUL_LENGTH: /* EXTRQ and INSERTQ share VMREAD's opcode, and have two immediates */
		if (insn->opcode == EMUL_OPCODE(1, 0x78) &&
		    (insn->prefixes & (EMUL_PREFIX_OPSIZE | EMUL_PREFIX_REPNE)))
			opcode->flags |= OPCODE_IMM_W;
		break;
	}
	if ((opcode->flags & OPCODE_MEMORY) == OPCODE_MEMORY && !insn->is_memory)
		insn->op = EMUL_LENGTH;
}

/* A group's row in place of the opcode's; the flags of both count. */
static int choose_row(const struct emul_insn *insn, struct opcode *opcode)
{
	const struct opcode *row = &emul_groups[opcode->op][insn->modrm >> 3 & 7];

	if (row->flags & OPCODE_INVALID)
		return -EINVAL;
	opcode->op = row->op;
	opcode->flags |= row->flags;
	if (row->args != ARGS_NONE)
		opcode->args = row->args;
	return 0;
}

/* LOCK may stand where memory is modified, and before MOV CR, where it is AMD's way to CR8. */
static bool may_lock(const struct emul_insn *insn, unsigned flags)
{
	return (flags & OPCODE_LOCK) && (insn->is_memory || (flags & OPCODE_REGISTER));
}

/* All that follows the opcode, whose row is known. */
static int decode_rest(struct emul_insn *insn, enum emul_mode mode, struct cursor *cursor,
		       struct opcode *opcode)
{
	int err = 0;

	insn->modrm = 0;
	insn->reg = EMUL_RAX;
	insn->rm = EMUL_RAX;
	insn->is_memory = false;
	insn->is_aligned = false;
	insn->displacement = 0;
	insn->immediate = 0;
	if (opcode->flags & OPCODE_MODRM)
		err = decode_modrm(insn, mode, cursor, opcode->flags);
	if (!err && (opcode->flags & OPCODE_GROUP))
		err = choose_row(insn, opcode);
	if (err)
		return err;

	if (insn->segment == EMUL_NO_REGISTER)
		insn->segment = EMUL_DS;
	insn->op = opcode->op;
	insn->args = opcode->args;
	insn->op_bytes = operand_bytes(insn, mode, opcode->flags);
	insn->mem_bytes = insn->op_bytes;
	if (opcode->flags & OPCODE_SSE)
		choose_sse(insn, opcode->op);
	if (opcode->flags & OPCODE_ODD)
		refine(insn, mode, opcode);
	if (opcode->flags & OPCODE_IMM)
		err = decode_immediate(insn, cursor, opcode->flags);
	if (!err && (insn->prefixes & EMUL_PREFIX_LOCK) && !may_lock(insn, opcode->flags))
		err = -EINVAL;
	return err;
}

int emul_decode(struct emul_insn *insn, enum emul_mode mode, const uint8_t *bytes,
		unsigned available)
{
	struct cursor cursor = {
		.at = bytes,
		.end = bytes + MIN(available, EMUL_INSN_MAX),
		.short_error = available < EMUL_INSN_MAX ? -ENODATA : -E2BIG,
	};
	struct opcode opcode;
	int err = decode_prefixes(insn, mode, &cursor);

	if (err)
		return err;
	if (is_vex(insn, mode, &cursor))
		err = decode_vex(insn, &cursor, &opcode);
	else
		err = decode_opcode(insn, &cursor, &opcode);
	if (err)
		return err;
	if ((opcode.flags & OPCODE_INVALID) ||
	    ((opcode.flags & OPCODE_NOT_64) && mode == EMUL_MODE_64))
		return -EINVAL;
	err = decode_rest(insn, mode, &cursor, &opcode);
	insn->length = cursor.at - bytes;
	return err;
}
