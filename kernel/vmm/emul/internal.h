/*
 * What the emulator's own files share: the opcode table's format, operand access, arithmetic.
 * Not for anyone outside this directory.
 */
#ifndef KERNEL_VMM_EMUL_INTERNAL_H
#define KERNEL_VMM_EMUL_INTERNAL_H

#include "kernel/vmm/emul/emul.h"
#include <errno.h>

/* How an instruction names its operands; the destination comes first. Without ModRM, the
 * register operand is the accumulator. */
enum emul_args {
	ARGS_NONE,
	ARGS_RM_REG,
	ARGS_REG_RM,
	ARGS_REG_RM_IMM,
	ARGS_RM_IMM,
	ARGS_RM_ONE, /* shift by one */
	ARGS_RM_CL,
	ARGS_RM,
};

/* Flags of an opcode. */
#define OPCODE_MODRM	0x0001
#define OPCODE_BYTE	0x0002 /* the operand size is one byte */
#define OPCODE_NOT_64	0x0004 /* undefined in 64-bit mode */
#define OPCODE_64	0x0008 /* 64-bit mode's operand size is 8 without REX.W: stack, branches */
#define OPCODE_LOCK	0x0010 /* LOCK may precede it if the destination is memory */
#define OPCODE_PREFIX	0x0020
#define OPCODE_GROUP	0x0040 /* ModRM.reg chooses: `op` is an enum emul_group */
#define OPCODE_SSE	0x0080 /* the prefix chooses: `op` is an enum emul_sse */
#define OPCODE_INVALID	0x0100
#define OPCODE_REGISTER 0x0200 /* ModRM names a register whatever its mod is: MOV CR */
#define OPCODE_ODD	0x0400 /* irregular: refine() in decode.c knows how */
#define OPCODE_MEMORY	0x0c00 /* odd: executed for memory only, another with a register */

/* What follows ModRM and displacement: an immediate. */
#define OPCODE_IMM	 0xf000
#define OPCODE_IMM_B	 0x1000 /* one byte */
#define OPCODE_IMM_W	 0x2000 /* two */
#define OPCODE_IMM_Z	 0x3000 /* the operand size, four at most */
#define OPCODE_IMM_V	 0x4000 /* the operand size */
#define OPCODE_IMM_ADDR	 0x5000 /* the address size: a displacement */
#define OPCODE_IMM_FAR	 0x6000 /* offset of the operand size, selector */
#define OPCODE_IMM_ENTER 0x7000 /* two and one */

struct opcode {
	uint8_t op;   /* enum emul_op, or as the flags say */
	uint8_t args; /* enum emul_args */
	uint16_t flags;
};

enum emul_group {
	GROUP_ALU, /* 80, 81, 83 */
	GROUP_POP,
	GROUP_SHIFT,
	GROUP_UNARY_B, /* F6 */
	GROUP_UNARY,   /* F7 */
	GROUP_INC_B,   /* FE */
	GROUP_INC,     /* FF */
	GROUP_MOV,     /* C6, C7 */
	GROUP_BIT,     /* 0F BA */
	GROUP_PAIR,    /* 0F C7 */
	GROUP_FENCE,   /* 0F AE */
	GROUP_LDTR,    /* 0F 00 */
	GROUP_GDTR,    /* 0F 01 */
	GROUPS,
};

/* Opcodes whose mandatory prefix decides what they move. */
enum emul_sse {
	SSE_0F10,
	SSE_0F11,
	SSE_0F13,
	SSE_0F28,
	SSE_0F29,
	SSE_0F2B,
	SSE_0F6E,
	SSE_0F6F,
	SSE_0F7E,
	SSE_0F7F,
	SSE_0FD6,
	SSE_0FE7,
	SSE_0FF0,
	SSE_0F382A,
	SSE_OPCODES,
};

/* Each move's number of bytes and, above, its kind; 0 is none that we do. */
#define SSE_BYTES   0x1f
#define SSE_OPSIZE  0x1f /* in place of the bytes: as many as the operand size */
#define SSE_STORE   0x20
#define SSE_ALIGNED 0x40

extern const struct opcode emul_map_1byte[256];
extern const struct opcode emul_map_0f[256];
extern const struct opcode emul_groups[GROUPS][8];
extern const uint8_t emul_sse[SSE_OPCODES][4]; /* by prefix: none, 66, F3, F2 */

/* Opcodes of 0F 38 and of 0F 3A are regular but for a few: looked up by a call. */
struct opcode emul_map_0f38(uint8_t byte, uint8_t prefixes);

#define RFLAGS_STATUS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* The bits of a value of 1 to 8 bytes. */
static inline uint64_t emul_mask(unsigned bytes)
{
	return ~0ull >> (64 - 8 * bytes);
}

static inline int64_t emul_sign_extend(uint64_t value, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;

	return (int64_t)(value << shift) >> shift;
}

/* alu.c: `bytes` is 1, 2, 4 or 8 throughout; operands need not be masked, results are. */
/* EMUL_ADD to EMUL_MOV; `src` of the bit operations is below the operand's number of bits.
 * Flags that the manuals leave undefined are cleared or kept, never random. */
uint64_t emul_alu(enum emul_op op, uint64_t dst, uint64_t src, unsigned bytes,
		  uint64_t *rflags);
/* `code`: the low four bits of Jcc, SETcc and CMOVcc (SDM vol. 2D B.1.4.7). */
bool emul_condition(unsigned code, uint64_t rflags);

/* operand.c */
static inline bool emul_is_canonical(const struct emul_ctx *ctx, uint64_t address)
{
	unsigned shift = 64 - ctx->linear_bits;

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

int emul_raise(struct emul_ctx *ctx, unsigned vector);
uint64_t emul_reg_read(const struct emul_ctx *ctx, const struct emul_insn *insn, unsigned reg,
		       unsigned bytes);
void emul_reg_write(struct emul_ctx *ctx, const struct emul_insn *insn, unsigned reg,
		    uint64_t value, unsigned bytes);
/* Replaces a pointer or counter register's low `bytes`, as an address size says. */
void emul_reg_advance(uint64_t *reg, uint64_t value, unsigned bytes);
/* The memory operand's offset in its segment. */
uint64_t emul_effective(const struct emul_ctx *ctx, const struct emul_insn *insn);
/* Checks the segment and its limits, or that the address is canonical. */
int emul_linear_checked(struct emul_ctx *ctx, unsigned segment, uint64_t offset, unsigned bytes,
			bool is_write, uint64_t *linear);

/* The same; flat addresses, which nearly all are, don't need the call. */
static inline int emul_linear(struct emul_ctx *ctx, unsigned segment, uint64_t offset,
			      unsigned bytes, bool is_write, uint64_t *linear)
{
	if (ctx->mode == EMUL_MODE_64 && segment < EMUL_FS && emul_is_canonical(ctx, offset) &&
	    emul_is_canonical(ctx, offset + bytes - 1)) {
		*linear = offset;
		return 0;
	}
	return emul_linear_checked(ctx, segment, offset, bytes, is_write, linear);
}

int emul_load(struct emul_ctx *ctx, unsigned segment, uint64_t offset, uint64_t *value,
	      unsigned bytes);
int emul_store(struct emul_ctx *ctx, unsigned segment, uint64_t offset, uint64_t value,
	       unsigned bytes);
/* As emul_read_rm(). */
int emul_write_rm(struct emul_ctx *ctx, const struct emul_insn *insn, uint64_t value,
		  unsigned bytes);
/* The instruction is done: RIP goes on, RFLAGS.RF goes off. Returns 0. */
int emul_retire(struct emul_ctx *ctx, const struct emul_insn *insn);

/* string.c, stack.c, muldiv.c: handlers of emul_execute. */
int emul_exec_string(struct emul_ctx *ctx, const struct emul_insn *insn);
int emul_exec_push(struct emul_ctx *ctx, const struct emul_insn *insn);
int emul_exec_pop(struct emul_ctx *ctx, const struct emul_insn *insn);
int emul_exec_branch(struct emul_ctx *ctx, const struct emul_insn *insn);
int emul_exec_imul(struct emul_ctx *ctx, const struct emul_insn *insn);
int emul_exec_mul(struct emul_ctx *ctx, const struct emul_insn *insn);
int emul_exec_div(struct emul_ctx *ctx, const struct emul_insn *insn);

#endif
