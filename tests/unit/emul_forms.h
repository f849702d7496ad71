/*
 * The instructions that test_emul_native.c tries, as data: encoding, operands, and what of the
 * outcome is undefined. Add a line to try another.
 */
#ifndef TESTS_UNIT_EMUL_FORMS_H
#define TESTS_UNIT_EMUL_FORMS_H

#include <stdint.h>

/* Flags of RFLAGS. */
#define CF     0x001u
#define PF     0x004u
#define AF     0x010u
#define ZF     0x040u
#define SF     0x080u
#define DF     0x400u
#define OF     0x800u
#define STATUS (CF | PF | AF | ZF | SF | OF)

/* What not every CPU has. */
enum extension { BASE, MOVBE, POPCNT, LZCNT, BMI };

/* An instruction to try: its bytes and which operands it takes. */
struct form {
	const char *name;
	uint8_t prefix; /* a mandatory one, or 0 */
	uint8_t opcode[3];
	uint8_t opcode_bytes;
	int8_t digit; /* in ModRM.reg, or -1: any register */
	uint32_t traits;
	uint16_t undefined; /* flags that the manuals leave open */
	uint8_t extension;  /* enum extension: skipped where the CPU lacks it */
};

#define BYTE	 0x0001 /* the operand is a byte; else 66 and REX.W are tried */
#define LOCK	 0x0002 /* LOCK is tried */
#define MEMORY	 0x0004 /* has no register form */
#define IMM8	 0x0008
#define IMMZ	 0x0010
#define FIXED	 0x0020 /* 66 is not tried */
#define BITS	 0x0040 /* the register numbers a bit near the operand */
#define SHIFT	 0x0080
#define ALIGNED	 0x0100
#define COMPARE	 0x0200 /* RAX, and RDX, often hold what memory holds */
#define STACK	 0x0400
#define TARGET	 0x0800 /* memory holds where to jump to */
#define MOFFS	 0x1000
#define NO_MODRM 0x2000
#define ROTATE	 0x4000
#define DIVIDE	 0x8000 /* RAX and RDX hold a dividend whose quotient fits */
#define NONZERO	 0x10000

/* clang-format off */
#define OP1(name, code, digit, traits, undefined) \
	{name, 0, {code}, 1, digit, traits, undefined, BASE}
#define OP2(name, code, digit, traits, undefined) \
	{name, 0, {0x0f, code}, 2, digit, traits, undefined, BASE}
#define ALU(name, base, number, lock, undefined)                                        \
	OP1(name " rm8, r8", base, -1, BYTE | (lock), undefined),                       \
		OP1(name " rm, r", (base) + 1, -1, lock, undefined),                    \
		OP1(name " r8, rm8", (base) + 2, -1, BYTE, undefined),                  \
		OP1(name " r, rm", (base) + 3, -1, 0, undefined),                       \
		OP1(name " al, i8", (base) + 4, -1, BYTE | NO_MODRM | IMM8, undefined), \
		OP1(name " eax, iz", (base) + 5, -1, NO_MODRM | IMMZ, undefined),       \
		OP1(name " rm8, i8", 0x80, number, BYTE | IMM8 | (lock), undefined),    \
		OP1(name " rm, iz", 0x81, number, IMMZ | (lock), undefined),            \
		OP1(name " rm, i8", 0x83, number, IMM8 | (lock), undefined)
#define SHIFTS(name, number, kind)                                             \
	OP1(name " rm8, i8", 0xc0, number, BYTE | IMM8 | SHIFT | (kind), AF),  \
		OP1(name " rm, i8", 0xc1, number, IMM8 | SHIFT | (kind), AF),  \
		OP1(name " rm8, 1", 0xd0, number, BYTE | SHIFT | (kind), AF),  \
		OP1(name " rm, 1", 0xd1, number, SHIFT | (kind), AF),          \
		OP1(name " rm8, cl", 0xd2, number, BYTE | SHIFT | (kind), AF), \
		OP1(name " rm, cl", 0xd3, number, SHIFT | (kind), AF)
#define CONDITIONAL(n) OP2("cmov" #n, 0x40 + n, -1, 0, 0), OP2("set" #n, 0x90 + n, -1, BYTE, 0)
#define BIT_UNDEFINED (OF | SF | AF | PF)
#define MUL_UNDEFINED (SF | ZF | AF | PF)
#define SSE(name, prefix, code, traits) \
	{name, prefix, {0x0f, code}, 2, -1, FIXED | MEMORY | (traits), 0, BASE}

static const struct form forms[] = {
	ALU("add", 0x00, 0, LOCK, 0), ALU("or", 0x08, 1, LOCK, AF),
	ALU("adc", 0x10, 2, LOCK, 0), ALU("sbb", 0x18, 3, LOCK, 0),
	ALU("and", 0x20, 4, LOCK, AF), ALU("sub", 0x28, 5, LOCK, 0),
	ALU("xor", 0x30, 6, LOCK, AF), ALU("cmp", 0x38, 7, 0, 0),
	SHIFTS("rol", 0, ROTATE), SHIFTS("ror", 1, ROTATE), SHIFTS("rcl", 2, ROTATE),
	SHIFTS("rcr", 3, ROTATE), SHIFTS("shl", 4, 0), SHIFTS("shr", 5, 0),
	SHIFTS("sal", 6, 0), SHIFTS("sar", 7, 0),
	OP1("movsxd", 0x63, -1, 0, 0),
	OP1("test rm8, r8", 0x84, -1, BYTE, AF), OP1("test rm, r", 0x85, -1, 0, AF),
	OP1("test al, i8", 0xa8, -1, BYTE | NO_MODRM | IMM8, AF),
	OP1("test eax, iz", 0xa9, -1, NO_MODRM | IMMZ, AF),
	OP1("test rm8, i8", 0xf6, 0, BYTE | IMM8, AF), OP1("test rm, iz", 0xf7, 0, IMMZ, AF),
	OP1("test rm8, i8 (1)", 0xf6, 1, BYTE | IMM8, AF), OP1("test rm, iz (1)", 0xf7, 1, IMMZ, AF),
	OP1("not rm8", 0xf6, 2, BYTE | LOCK, 0), OP1("not rm", 0xf7, 2, LOCK, 0),
	OP1("neg rm8", 0xf6, 3, BYTE | LOCK, 0), OP1("neg rm", 0xf7, 3, LOCK, 0),
	OP1("inc rm8", 0xfe, 0, BYTE | LOCK, 0), OP1("inc rm", 0xff, 0, LOCK, 0),
	OP1("dec rm8", 0xfe, 1, BYTE | LOCK, 0), OP1("dec rm", 0xff, 1, LOCK, 0),
	OP1("xchg rm8, r8", 0x86, -1, BYTE | LOCK, 0), OP1("xchg rm, r", 0x87, -1, LOCK, 0),
	OP1("mov rm8, r8", 0x88, -1, BYTE, 0), OP1("mov rm, r", 0x89, -1, 0, 0),
	OP1("mov r8, rm8", 0x8a, -1, BYTE, 0), OP1("mov r, rm", 0x8b, -1, 0, 0),
	OP1("mov al, moffs", 0xa0, -1, BYTE | MOFFS | NO_MODRM, 0),
	OP1("mov eax, moffs", 0xa1, -1, MOFFS | NO_MODRM, 0),
	OP1("mov moffs, al", 0xa2, -1, BYTE | MOFFS | NO_MODRM, 0),
	OP1("mov moffs, eax", 0xa3, -1, MOFFS | NO_MODRM, 0),
	OP1("mov rm8, i8", 0xc6, 0, BYTE | IMM8, 0), OP1("mov rm, iz", 0xc7, 0, IMMZ, 0),
	OP1("pop rm", 0x8f, 0, STACK, 0), OP1("push rm", 0xff, 6, STACK, 0),
	OP1("call rm", 0xff, 2, STACK | TARGET | MEMORY | FIXED, 0),
	OP1("jmp rm", 0xff, 4, TARGET | MEMORY | FIXED, 0),
	CONDITIONAL(0), CONDITIONAL(1), CONDITIONAL(2), CONDITIONAL(3),
	CONDITIONAL(4), CONDITIONAL(5), CONDITIONAL(6), CONDITIONAL(7),
	CONDITIONAL(8), CONDITIONAL(9), CONDITIONAL(10), CONDITIONAL(11),
	CONDITIONAL(12), CONDITIONAL(13), CONDITIONAL(14), CONDITIONAL(15),
	OP2("bt rm, r", 0xa3, -1, BITS, BIT_UNDEFINED),
	OP2("bts rm, r", 0xab, -1, BITS | LOCK, BIT_UNDEFINED),
	OP2("btr rm, r", 0xb3, -1, BITS | LOCK, BIT_UNDEFINED),
	OP2("btc rm, r", 0xbb, -1, BITS | LOCK, BIT_UNDEFINED),
	OP2("bt rm, i8", 0xba, 4, IMM8, BIT_UNDEFINED),
	OP2("bts rm, i8", 0xba, 5, IMM8 | LOCK, BIT_UNDEFINED),
	OP2("btr rm, i8", 0xba, 6, IMM8 | LOCK, BIT_UNDEFINED),
	OP2("btc rm, i8", 0xba, 7, IMM8 | LOCK, BIT_UNDEFINED),
	OP2("cmpxchg rm8, r8", 0xb0, -1, BYTE | LOCK | COMPARE, 0),
	/* Vendors differ in the upper half of a 32-bit register that isn't exchanged. */
	OP2("cmpxchg rm, r", 0xb1, -1, LOCK | COMPARE | MEMORY, 0),
	OP2("cmpxchg8b/16b", 0xc7, 1, LOCK | COMPARE | MEMORY | FIXED | ALIGNED, 0),
	OP2("xadd rm8, r8", 0xc0, -1, BYTE | LOCK, 0), OP2("xadd rm, r", 0xc1, -1, LOCK, 0),
	OP2("movzx r, rm8", 0xb6, -1, 0, 0), OP2("movzx r, rm16", 0xb7, -1, 0, 0),
	OP2("movsx r, rm8", 0xbe, -1, 0, 0), OP2("movsx r, rm16", 0xbf, -1, 0, 0),
	OP2("movnti", 0xc3, -1, MEMORY | FIXED, 0),
	OP2("clflush", 0xae, 7, MEMORY | FIXED, 0),
	{"movbe r, m", 0, {0x0f, 0x38, 0xf0}, 3, -1, MEMORY, 0, MOVBE},
	{"movbe m, r", 0, {0x0f, 0x38, 0xf1}, 3, -1, MEMORY, 0, MOVBE},
	OP2("imul r, rm", 0xaf, -1, 0, MUL_UNDEFINED),
	OP1("imul r, rm, iz", 0x69, -1, IMMZ, MUL_UNDEFINED),
	OP1("imul r, rm, i8", 0x6b, -1, IMM8, MUL_UNDEFINED),
	OP1("mul rm8", 0xf6, 4, BYTE, MUL_UNDEFINED), OP1("mul rm", 0xf7, 4, 0, MUL_UNDEFINED),
	OP1("imul rm8", 0xf6, 5, BYTE, MUL_UNDEFINED), OP1("imul rm", 0xf7, 5, 0, MUL_UNDEFINED),
	OP1("div rm8", 0xf6, 6, BYTE | MEMORY | DIVIDE, STATUS),
	OP1("div rm", 0xf7, 6, MEMORY | DIVIDE, STATUS),
	OP1("idiv rm8", 0xf6, 7, BYTE | MEMORY | DIVIDE, STATUS),
	OP1("idiv rm", 0xf7, 7, MEMORY | DIVIDE, STATUS),
	OP2("bsf", 0xbc, -1, MEMORY | NONZERO, STATUS & ~ZF),
	OP2("bsr", 0xbd, -1, MEMORY | NONZERO, STATUS & ~ZF),
	{"tzcnt", 0xf3, {0x0f, 0xbc}, 2, -1, 0, OF | SF | PF | AF, BMI},
	{"lzcnt", 0xf3, {0x0f, 0xbd}, 2, -1, 0, OF | SF | PF | AF, LZCNT},
	{"popcnt", 0xf3, {0x0f, 0xb8}, 2, -1, 0, 0, POPCNT},
	SSE("movups x, m", 0, 0x10, 0), SSE("movupd x, m", 0x66, 0x10, 0),
	SSE("movss x, m", 0xf3, 0x10, 0), SSE("movsd x, m", 0xf2, 0x10, 0),
	SSE("movups m, x", 0, 0x11, 0), SSE("movupd m, x", 0x66, 0x11, 0),
	SSE("movss m, x", 0xf3, 0x11, 0), SSE("movsd m, x", 0xf2, 0x11, 0),
	SSE("movlps m, x", 0, 0x13, 0), SSE("movlpd m, x", 0x66, 0x13, 0),
	SSE("movaps x, m", 0, 0x28, ALIGNED), SSE("movapd x, m", 0x66, 0x28, ALIGNED),
	SSE("movaps m, x", 0, 0x29, ALIGNED), SSE("movapd m, x", 0x66, 0x29, ALIGNED),
	SSE("movntps", 0, 0x2b, ALIGNED), SSE("movntpd", 0x66, 0x2b, ALIGNED),
	SSE("movd x, m", 0x66, 0x6e, 0), SSE("movd m, x", 0x66, 0x7e, 0),
	SSE("movq x, m", 0xf3, 0x7e, 0), SSE("movq m, x", 0x66, 0xd6, 0),
	SSE("movdqa x, m", 0x66, 0x6f, ALIGNED), SSE("movdqu x, m", 0xf3, 0x6f, 0),
	SSE("movdqa m, x", 0x66, 0x7f, ALIGNED), SSE("movdqu m, x", 0xf3, 0x7f, 0),
	SSE("movntdq", 0x66, 0xe7, ALIGNED), SSE("lddqu", 0xf2, 0xf0, 0),
	{"movntdqa", 0x66, {0x0f, 0x38, 0x2a}, 3, -1, FIXED | MEMORY | ALIGNED, 0, BASE},
};
/* clang-format on */

#endif
