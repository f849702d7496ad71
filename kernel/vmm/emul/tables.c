/*
 * The opcode maps: what follows each opcode, and what it does if it is one that is emulated.
 * Data only (SDM vol. 2D appendix A; APM vol. 3 appendix A); decode.c reads it.
 */
#include "kernel/vmm/emul/internal.h"

#define M   OPCODE_MODRM
#define B   OPCODE_BYTE
#define LK  OPCODE_LOCK
#define N64 OPCODE_NOT_64
#define D64 OPCODE_64
#define IB  OPCODE_IMM_B
#define IW  OPCODE_IMM_W
#define IZ  OPCODE_IMM_Z
#define IV  OPCODE_IMM_V
#define ODD OPCODE_ODD

/* A row of the tables to a line, as the manuals print them. */
/* clang-format off */

/* Rows: an emulated opcode, one known by length, one that doesn't exist, and so on. */
#define DO(operation, operands, what) \
	{.op = EMUL_##operation, .args = ARGS_##operands, .flags = (what)}
#define LENGTH(what) DO(LENGTH, NONE, what)
#define NONE         LENGTH(OPCODE_INVALID)
#define PREFIX       LENGTH(OPCODE_PREFIX)
#define GROUP(which, operands, what) \
	{.op = GROUP_##which, .args = ARGS_##operands, .flags = M | OPCODE_GROUP | (what)}
#define SSE(which) {.op = SSE_##which, .args = ARGS_NONE, .flags = M | OPCODE_SSE}

/* The six forms of an operation of arithmetic; CMP may not be locked, hence `lock`. */
#define ALU(first, operation, lock)                                \
	[(first) + 0] = DO(operation, RM_REG, M | B | (lock)),     \
	[(first) + 1] = DO(operation, RM_REG, M | (lock)),         \
	[(first) + 2] = DO(operation, REG_RM, M | B),              \
	[(first) + 3] = DO(operation, REG_RM, M),                  \
	[(first) + 4] = DO(operation, RM_IMM, B | IB),            \
	[(first) + 5] = DO(operation, RM_IMM, IZ)

const struct opcode emul_map_1byte[256] = {
	ALU(0x00, ADD, LK), [0x06] = LENGTH(N64), [0x07] = LENGTH(N64),
	ALU(0x08, OR, LK),  [0x0e] = LENGTH(N64), [0x0f] = LENGTH(0),
	ALU(0x10, ADC, LK), [0x16] = LENGTH(N64), [0x17] = LENGTH(N64),
	ALU(0x18, SBB, LK), [0x1e] = LENGTH(N64), [0x1f] = LENGTH(N64),
	ALU(0x20, AND, LK), [0x26] = PREFIX,      [0x27] = LENGTH(N64),
	ALU(0x28, SUB, LK), [0x2e] = PREFIX,      [0x2f] = LENGTH(N64),
	ALU(0x30, XOR, LK), [0x36] = PREFIX,      [0x37] = LENGTH(N64),
	ALU(0x38, CMP, 0),  [0x3e] = PREFIX,      [0x3f] = LENGTH(N64),

	[0x40 ... 0x4f] = LENGTH(N64), /* INC, DEC; in 64-bit mode REX */
	[0x50 ... 0x5f] = LENGTH(D64), /* PUSH, POP */
	[0x60 ... 0x61] = LENGTH(N64),
	[0x62] = LENGTH(M | N64),      /* BOUND or EVEX */
	[0x63] = DO(MOVSX, REG_RM, M | ODD), /* MOVSXD; outside of 64-bit mode ARPL */
	[0x64 ... 0x67] = PREFIX,
	[0x68] = LENGTH(IZ | D64),
	[0x69] = DO(IMUL, REG_RM_IMM, M | IZ),
	[0x6a] = LENGTH(IB | D64),
	[0x6b] = DO(IMUL, REG_RM_IMM, M | IB),
	[0x6c] = DO(INS, NONE, B),
	[0x6d] = DO(INS, NONE, 0),
	[0x6e] = DO(OUTS, NONE, B),
	[0x6f] = DO(OUTS, NONE, 0),
	[0x70 ... 0x7f] = LENGTH(IB),

	[0x80] = GROUP(ALU, RM_IMM, B | IB),
	[0x81] = GROUP(ALU, RM_IMM, IZ),
	[0x82] = GROUP(ALU, RM_IMM, B | IB | N64),
	[0x83] = GROUP(ALU, RM_IMM, IB),
	[0x84] = DO(TEST, RM_REG, M | B),
	[0x85] = DO(TEST, RM_REG, M),
	[0x86] = DO(XCHG, RM_REG, M | B | LK),
	[0x87] = DO(XCHG, RM_REG, M | LK),
	[0x88] = DO(MOV, RM_REG, M | B),
	[0x89] = DO(MOV, RM_REG, M),
	[0x8a] = DO(MOV, REG_RM, M | B),
	[0x8b] = DO(MOV, REG_RM, M),
	[0x8c] = DO(STORE_SYSTEM, RM, M | OPCODE_MEMORY),
	[0x8d] = LENGTH(M),
	[0x8e] = DO(LOAD_SYSTEM, RM, M | OPCODE_MEMORY),
	[0x8f] = GROUP(POP, RM, D64),

	[0x90 ... 0x99] = LENGTH(0),
	[0x9a] = LENGTH(OPCODE_IMM_FAR | N64),
	[0x9b ... 0x9f] = LENGTH(0),
	[0xa0] = DO(MOV, REG_RM, B | OPCODE_IMM_ADDR),
	[0xa1] = DO(MOV, REG_RM, OPCODE_IMM_ADDR),
	[0xa2] = DO(MOV, RM_REG, B | OPCODE_IMM_ADDR),
	[0xa3] = DO(MOV, RM_REG, OPCODE_IMM_ADDR),
	[0xa4] = DO(MOVS, NONE, B),
	[0xa5] = DO(MOVS, NONE, 0),
	[0xa6] = DO(CMPS, NONE, B),
	[0xa7] = DO(CMPS, NONE, 0),
	[0xa8] = DO(TEST, RM_IMM, B | IB),
	[0xa9] = DO(TEST, RM_IMM, IZ),
	[0xaa] = DO(STOS, NONE, B),
	[0xab] = DO(STOS, NONE, 0),
	[0xac] = DO(LODS, NONE, B),
	[0xad] = DO(LODS, NONE, 0),
	[0xae] = DO(SCAS, NONE, B),
	[0xaf] = DO(SCAS, NONE, 0),
	[0xb0 ... 0xb7] = LENGTH(B | IB),
	[0xb8 ... 0xbf] = LENGTH(IV),

	[0xc0] = GROUP(SHIFT, RM_IMM, B | IB),
	[0xc1] = GROUP(SHIFT, RM_IMM, IB),
	[0xc2] = LENGTH(IW | D64),
	[0xc3] = LENGTH(D64),
	[0xc4 ... 0xc5] = LENGTH(M | N64), /* LES, LDS or VEX */
	[0xc6] = GROUP(MOV, RM_IMM, B | IB),
	[0xc7] = GROUP(MOV, RM_IMM, IZ),
	[0xc8] = LENGTH(OPCODE_IMM_ENTER | D64),
	[0xc9] = LENGTH(D64),
	[0xca] = LENGTH(IW),
	[0xcb ... 0xcc] = LENGTH(0),
	[0xcd] = LENGTH(IB),
	[0xce] = LENGTH(N64),
	[0xcf] = LENGTH(0),

	[0xd0] = GROUP(SHIFT, RM_ONE, B),
	[0xd1] = GROUP(SHIFT, RM_ONE, 0),
	[0xd2] = GROUP(SHIFT, RM_CL, B),
	[0xd3] = GROUP(SHIFT, RM_CL, 0),
	[0xd4 ... 0xd5] = LENGTH(IB | N64),
	[0xd6] = LENGTH(N64),
	[0xd7] = LENGTH(0),
	[0xd8 ... 0xdf] = LENGTH(M), /* x87 */

	[0xe0 ... 0xe3] = LENGTH(IB),
	[0xe4] = LENGTH(B | IB), /* IN, OUT */
	[0xe5] = LENGTH(IB),
	[0xe6] = LENGTH(B | IB),
	[0xe7] = LENGTH(IB),
	[0xe8 ... 0xe9] = LENGTH(IZ | D64),
	[0xea] = LENGTH(OPCODE_IMM_FAR | N64),
	[0xeb] = LENGTH(IB),
	[0xec] = LENGTH(B), /* IN, OUT */
	[0xed] = LENGTH(0),
	[0xee] = LENGTH(B),
	[0xef] = LENGTH(0),

	[0xf0] = PREFIX,
	[0xf1] = LENGTH(0),
	[0xf2 ... 0xf3] = PREFIX,
	[0xf4 ... 0xf5] = LENGTH(0),
	[0xf6] = GROUP(UNARY_B, RM, B),
	[0xf7] = GROUP(UNARY, RM, 0),
	[0xf8 ... 0xfd] = LENGTH(0),
	[0xfe] = GROUP(INC_B, RM, B),
	[0xff] = GROUP(INC, RM, 0),
};

const struct opcode emul_map_0f[256] = {
	[0x00] = GROUP(LDTR, RM, 0),
	[0x01] = GROUP(GDTR, RM, 0),
	[0x02 ... 0x03] = LENGTH(M),
	[0x04] = NONE,
	[0x05 ... 0x09] = LENGTH(0), /* SYSCALL, CLTS, SYSRET, INVD, WBINVD */
	[0x0a] = NONE,
	[0x0b] = LENGTH(0),
	[0x0c] = NONE,
	[0x0d] = LENGTH(M),
	[0x0e] = LENGTH(0),
	[0x0f] = LENGTH(M | IB), /* 3DNow!: the opcode comes last */

	[0x10] = SSE(0F10),
	[0x11] = SSE(0F11),
	[0x12] = LENGTH(M),
	[0x13] = SSE(0F13),
	[0x14 ... 0x1f] = LENGTH(M),
	[0x20] = DO(READ_CR, NONE, M | LK | OPCODE_REGISTER), /* MOV CR, DR; LOCK: CR8 on AMD */
	[0x21 ... 0x23] = LENGTH(M | LK | OPCODE_REGISTER),
	[0x24 ... 0x27] = NONE,
	[0x28] = SSE(0F28),
	[0x29] = SSE(0F29),
	[0x2a] = LENGTH(M),
	[0x2b] = SSE(0F2B),
	[0x2c ... 0x2f] = LENGTH(M),
	[0x30 ... 0x35] = LENGTH(0), /* WRMSR, RDTSC, RDMSR, RDPMC, SYSENTER, SYSEXIT */
	[0x36] = NONE,
	[0x37] = LENGTH(0), /* GETSEC */
	[0x38] = LENGTH(0), /* the other maps: decode.c */
	[0x39] = NONE,
	[0x3a] = LENGTH(0),
	[0x3b ... 0x3f] = NONE,
	[0x40 ... 0x4f] = DO(CMOV, REG_RM, M),
	[0x50 ... 0x6d] = LENGTH(M),
	[0x6e] = SSE(0F6E),
	[0x6f] = SSE(0F6F),
	[0x70 ... 0x73] = LENGTH(M | IB),
	[0x74 ... 0x76] = LENGTH(M),
	[0x77] = LENGTH(0),
	[0x78] = LENGTH(M | ODD), /* VMREAD, EXTRQ, INSERTQ */
	[0x79] = LENGTH(M),       /* VMWRITE */
	[0x7a ... 0x7b] = NONE,
	[0x7c ... 0x7d] = LENGTH(M),
	[0x7e] = SSE(0F7E),
	[0x7f] = SSE(0F7F),

	[0x80 ... 0x8f] = LENGTH(IZ | D64), /* Jcc */
	[0x90 ... 0x9f] = DO(SETCC, RM, M | B),
	[0xa0 ... 0xa1] = LENGTH(D64),
	[0xa2] = LENGTH(0), /* CPUID */
	[0xa3] = DO(BT, RM_REG, M),
	[0xa4] = LENGTH(M | IB),
	[0xa5] = LENGTH(M),
	[0xa6 ... 0xa7] = NONE,
	[0xa8 ... 0xa9] = LENGTH(D64),
	[0xaa] = LENGTH(0), /* RSM */
	[0xab] = DO(BTS, RM_REG, M | LK),
	[0xac] = LENGTH(M | IB),
	[0xad] = LENGTH(M),
	[0xae] = GROUP(FENCE, RM, 0),
	[0xaf] = DO(IMUL, REG_RM, M),

	[0xb0] = DO(CMPXCHG, RM_REG, M | B | LK),
	[0xb1] = DO(CMPXCHG, RM_REG, M | LK),
	[0xb2] = LENGTH(M),
	[0xb3] = DO(BTR, RM_REG, M | LK),
	[0xb4 ... 0xb5] = LENGTH(M),
	[0xb6 ... 0xb7] = DO(MOVZX, REG_RM, M | ODD),
	[0xb8] = DO(POPCNT, REG_RM, M | ODD),
	[0xb9] = LENGTH(M),
	[0xba] = GROUP(BIT, RM_IMM, IB),
	[0xbb] = DO(BTC, RM_REG, M | LK),
	[0xbc] = DO(BSF, REG_RM, M | ODD),
	[0xbd] = DO(BSR, REG_RM, M | ODD),
	[0xbe ... 0xbf] = DO(MOVSX, REG_RM, M | ODD),

	[0xc0] = DO(XADD, RM_REG, M | B | LK),
	[0xc1] = DO(XADD, RM_REG, M | LK),
	[0xc2] = LENGTH(M | IB),
	[0xc3] = DO(MOV, RM_REG, M | OPCODE_MEMORY), /* MOVNTI */
	[0xc4 ... 0xc6] = LENGTH(M | IB),
	[0xc7] = GROUP(PAIR, RM, 0),
	[0xc8 ... 0xcf] = LENGTH(0), /* BSWAP */
	[0xd0 ... 0xd5] = LENGTH(M),
	[0xd6] = SSE(0FD6),
	[0xd7 ... 0xe6] = LENGTH(M),
	[0xe7] = SSE(0FE7),
	[0xe8 ... 0xef] = LENGTH(M),
	[0xf0] = SSE(0FF0),
	[0xf1 ... 0xff] = LENGTH(M),
};

/* A row's flags add to those of the opcode. */
const struct opcode emul_groups[GROUPS][8] = {
	[GROUP_ALU] = {
		DO(ADD, NONE, LK), DO(OR, NONE, LK), DO(ADC, NONE, LK), DO(SBB, NONE, LK),
		DO(AND, NONE, LK), DO(SUB, NONE, LK), DO(XOR, NONE, LK), DO(CMP, NONE, 0),
	},
	[GROUP_POP] = {
		DO(POP, NONE, 0), NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	},
	[GROUP_SHIFT] = {
		DO(ROL, NONE, 0), DO(ROR, NONE, 0), DO(RCL, NONE, 0), DO(RCR, NONE, 0),
		DO(SHL, NONE, 0), DO(SHR, NONE, 0), DO(SAL, NONE, 0), DO(SAR, NONE, 0),
	},
	[GROUP_UNARY_B] = {
		DO(TEST, RM_IMM, IB), DO(TEST, RM_IMM, IB), DO(NOT, NONE, LK), DO(NEG, NONE, LK),
		DO(MUL, NONE, 0), DO(IMUL_ACC, NONE, 0), DO(DIV, NONE, 0), DO(IDIV, NONE, 0),
	},
	[GROUP_UNARY] = {
		DO(TEST, RM_IMM, IZ), DO(TEST, RM_IMM, IZ), DO(NOT, NONE, LK), DO(NEG, NONE, LK),
		DO(MUL, NONE, 0), DO(IMUL_ACC, NONE, 0), DO(DIV, NONE, 0), DO(IDIV, NONE, 0),
	},
	[GROUP_INC_B] = {
		DO(INC, NONE, LK), DO(DEC, NONE, LK), NONE, NONE, NONE, NONE, NONE, NONE,
	},
	[GROUP_INC] = { /* 3 and 5 are the far forms of those before them */
		DO(INC, NONE, LK), DO(DEC, NONE, LK), DO(CALL, NONE, D64), LENGTH(0),
		DO(JMP, NONE, D64), LENGTH(0), DO(PUSH, NONE, D64), NONE,
	},
	[GROUP_MOV] = { /* the last: XABORT and XBEGIN */
		DO(MOV, NONE, 0), NONE, NONE, NONE, NONE, NONE, NONE, LENGTH(0),
	},
	[GROUP_BIT] = {
		NONE, NONE, NONE, NONE,
		DO(BT, NONE, 0), DO(BTS, NONE, LK), DO(BTR, NONE, LK), DO(BTC, NONE, LK),
	},
	[GROUP_PAIR] = {
		LENGTH(0), DO(CMPXCHG_PAIR, NONE, LK | OPCODE_MEMORY), LENGTH(0), LENGTH(0),
		LENGTH(0), LENGTH(0), LENGTH(0), LENGTH(0),
	},
	[GROUP_FENCE] = { /* FXSAVE ...; the prefix makes 6 and 7 CLWB, CLFLUSH, CLFLUSHOPT */
		LENGTH(0), LENGTH(0), LENGTH(0), LENGTH(0), LENGTH(0), LENGTH(0),
		DO(CACHE, NONE, OPCODE_MEMORY), DO(CACHE, NONE, OPCODE_MEMORY),
	},
	[GROUP_LDTR] = { /* SLDT, STR, LLDT, LTR; VERR, VERW by length */
		DO(STORE_SYSTEM, NONE, 0), DO(STORE_SYSTEM, NONE, 0),
		DO(LOAD_SYSTEM, NONE, OPCODE_MEMORY), DO(LOAD_SYSTEM, NONE, OPCODE_MEMORY),
		LENGTH(0), LENGTH(0), LENGTH(0), LENGTH(0),
	},
	[GROUP_GDTR] = { /* SGDT, SIDT, LGDT, LIDT, SMSW, LMSW, INVLPG; with a register most are
			  * VMCALL to TLBSYNC */
		DO(STORE_SYSTEM, NONE, OPCODE_MEMORY), DO(STORE_SYSTEM, NONE, OPCODE_MEMORY),
		DO(LOAD_SYSTEM, NONE, OPCODE_MEMORY), DO(LOAD_SYSTEM, NONE, OPCODE_MEMORY),
		DO(STORE_SYSTEM, NONE, 0), LENGTH(0),
		DO(LOAD_SYSTEM, NONE, OPCODE_MEMORY), LENGTH(0),
	},
};

#define ST SSE_STORE
#define AL SSE_ALIGNED

const uint8_t emul_sse[SSE_OPCODES][4] = {
	/*                 none          66               F3       F2 */
	[SSE_0F10]   = {        16,           16,         4,      8 }, /* MOVUPS PD SS SD */
	[SSE_0F11]   = {   ST | 16,      ST | 16,    ST | 4, ST | 8 },
	[SSE_0F13]   = {   ST |  8,      ST |  8,         0,      0 }, /* MOVLPS MOVLPD */
	[SSE_0F28]   = {   AL | 16,      AL | 16,         0,      0 }, /* MOVAPS MOVAPD */
	[SSE_0F29]   = { ST|AL | 16, ST|AL | 16,          0,      0 },
	[SSE_0F2B]   = { ST|AL | 16, ST|AL | 16,          0,      0 }, /* MOVNTPS MOVNTPD */
	[SSE_0F6E]   = {         0,  SSE_OPSIZE,          0,      0 }, /* MOVD MOVQ */
	[SSE_0F6F]   = {         0,      AL | 16,        16,      0 }, /* MOVDQA MOVDQU */
	[SSE_0F7E]   = {         0, ST | SSE_OPSIZE,      8,      0 }, /* MOVD MOVQ */
	[SSE_0F7F]   = {         0, ST|AL | 16,     ST | 16,      0 },
	[SSE_0FD6]   = {         0,      ST |  8,         0,      0 }, /* MOVQ */
	[SSE_0FE7]   = {         0, ST|AL | 16,           0,      0 }, /* MOVNTDQ */
	[SSE_0FF0]   = {         0,           0,          0,     16 }, /* LDDQU */
	[SSE_0F382A] = {         0,      AL | 16,         0,      0 }, /* MOVNTDQA */
};
/* clang-format on */

struct opcode emul_map_0f38(uint8_t byte, uint8_t prefixes)
{
	static const struct opcode movntdqa = SSE(0F382A);
	static const struct opcode load = DO(MOVBE, REG_RM, M | OPCODE_MEMORY);
	static const struct opcode store = DO(MOVBE, RM_REG, M | OPCODE_MEMORY);
	static const struct opcode other = LENGTH(M);

	if (byte == 0x2a)
		return movntdqa;
	if (prefixes & (EMUL_PREFIX_REP | EMUL_PREFIX_REPNE)) /* CRC32 */
		return other;
	return byte == 0xf0 ? load : byte == 0xf1 ? store : other;
}
