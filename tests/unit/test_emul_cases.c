/*
 * The emulator case by case, mostly where the build machine's CPU can't be asked: 16- and
 * 32-bit modes, segments, faults. A case is a line of data; test_emul_exec.c has what needs
 * code.
 */
/* links: kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c kernel/vmm/emul/exec.c */
/* links: kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c kernel/vmm/emul/string.c */
/* links: kernel/vmm/emul/muldiv.c kernel/vmm/emul/tables.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/vmm/emul/emul.h"

#define AX	  EMUL_RAX
#define CX	  EMUL_RCX
#define DX	  EMUL_RDX
#define BX	  EMUL_RBX
#define SP	  EMUL_RSP
#define BP	  EMUL_RBP
#define SI	  EMUL_RSI
#define DI	  EMUL_RDI
#define R12	  12

#define START_RIP 0x100u
#define UNTOUCHED 0xa5a5a5a5a5a5a5a5ull /* registers and memory that a case doesn't name */

/* How a case's segments are laid out. In all but FLAT each has a base of its own. */
enum layout {
	REAL,	 /* 16-bit, real mode, limits of 64 KiB */
	VM86,	 /* the same with RFLAGS.VM */
	PROT16,	 /* 16-bit protected mode */
	PROT32,	 /* 32-bit protected mode, 32-bit stack */
	SMALL,	 /* PROT32 with limits of 0xfff */
	DOWN,	 /* PROT32 with data segments that expand down, limit 0xfff */
	RDONLY,	 /* PROT32 with data segments that can't be written */
	CODE,	 /* PROT32 with code segments in all but SS: readable */
	XONLY,	 /* the same, not readable */
	ABSENT,	 /* PROT32 with segments that aren't usable */
	STACK16, /* PROT32 with a 16-bit stack */
	LONG,	 /* 64-bit mode */
	LONG_57, /* with five levels of paging */
};

static const uint64_t bases[] = {
	[EMUL_ES] = 0x1000, [EMUL_CS] = 0x8000, [EMUL_SS] = 0x2000,
	[EMUL_DS] = 0x3000, [EMUL_FS] = 0x4000, [EMUL_GS] = 0x5000,
};

struct reg {
	uint8_t number;
	bool is_set;
	uint64_t value;
};

struct cell {
	uint64_t linear;
	uint64_t value;
	uint8_t bytes;
};

struct test_case {
	const char *name;
	enum layout layout;
	const char *code; /* hexadecimal */
	struct reg before[4];
	struct cell memory;  /* before */
	struct reg after[4]; /* what changed, beside RIP */
	struct cell written; /* after */
	uint64_t rip;	     /* after; 0: behind the instruction */
	uint8_t fault;	     /* a vector, if it is to fault */
};

/* A case in as few lines as can be read. */
/* clang-format off */
#define R(number, value)     {number, true, value}
#define SET(...)	     .before = {__VA_ARGS__}
#define HOLDS(at, value, n)  .memory = {at, value, n}
#define THEN(...)	     .after = {__VA_ARGS__}
#define WRITES(at, value, n) .written = {at, value, n}
#define GOES(to)	     .rip = to
#define FAULTS(name)	     .fault = VECTOR_##name

/* A register of which an instruction changes a part. */
#define LOW8(value)  ((UNTOUCHED & ~0xffull) | (value))
#define HIGH8(value) ((UNTOUCHED & ~0xff00ull) | (value) << 8)
#define LOW16(value) ((UNTOUCHED & ~0xffffull) | (value))

static const struct test_case cases[] = {
	/* 16-bit addressing, one of each base and index: SDM vol. 2A table 2-1 */
	{"[bx+si]", REAL, "8b00", SET(R(BX, 0x10), R(SI, 0x20)), HOLDS(0x3030, 0x1234, 2),
	 THEN(R(AX, LOW16(0x1234)))},
	{"[bx+di]", REAL, "8b01", SET(R(BX, 0x10), R(DI, 0x20)), HOLDS(0x3030, 0x1234, 2),
	 THEN(R(AX, LOW16(0x1234)))},
	{"[bp+si] is on the stack", REAL, "8b02", SET(R(BP, 0x10), R(SI, 0x20)),
	 HOLDS(0x2030, 0x1234, 2), THEN(R(AX, LOW16(0x1234)))},
	{"[bp+di+d8]", REAL, "884305", SET(R(BP, 0x10), R(DI, 0x20), R(AX, 0x77)),
	 WRITES(0x2035, 0x77, 1)},
	{"[si-d8]", REAL, "8a44f0", SET(R(SI, 0x20)), HOLDS(0x3010, 0x9c, 1),
	 THEN(R(AX, LOW8(0x9c)))},
	{"[di+d16]", REAL, "8a850102", SET(R(DI, 0x20)), HOLDS(0x3221, 0x9c, 1),
	 THEN(R(AX, LOW8(0x9c)))},
	{"[d16]", REAL, "8a2e3412", HOLDS(0x4234, 0x9c, 1), THEN(R(CX, HIGH8(0x9c)))},
	{"[bp+d8]", REAL, "8a4e02", SET(R(BP, 0x20)), HOLDS(0x2022, 0x9c, 1),
	 THEN(R(CX, LOW8(0x9c)))},
	{"[bx]", REAL, "8a0f", SET(R(BX, 0x20)), HOLDS(0x3020, 0x9c, 1),
	 THEN(R(CX, LOW8(0x9c)))},
	{"offsets wrap at 64 KiB", REAL, "8a00", SET(R(BX, 0xfff0), R(SI, 0x20)),
	 HOLDS(0x3010, 0x9c, 1), THEN(R(AX, LOW8(0x9c)))},
	{"upper halves don't count", REAL, "8a07", SET(R(BX, 0xbad0020)),
	 HOLDS(0x3020, 0x9c, 1), THEN(R(AX, LOW8(0x9c)))},

	/* segment overrides and sizes, real mode */
	{"es:", REAL, "268a07", SET(R(BX, 1)), HOLDS(0x1001, 0x9c, 1), THEN(R(AX, LOW8(0x9c)))},
	{"cs:", REAL, "2e8a07", SET(R(BX, 1)), HOLDS(0x8001, 0x9c, 1), THEN(R(AX, LOW8(0x9c)))},
	{"ss:", REAL, "368a07", SET(R(BX, 1)), HOLDS(0x2001, 0x9c, 1), THEN(R(AX, LOW8(0x9c)))},
	{"ds: over bp", REAL, "3e8a4600", SET(R(BP, 1)), HOLDS(0x3001, 0x9c, 1),
	 THEN(R(AX, LOW8(0x9c)))},
	{"fs:", REAL, "648a07", SET(R(BX, 1)), HOLDS(0x4001, 0x9c, 1), THEN(R(AX, LOW8(0x9c)))},
	{"gs:", REAL, "658a07", SET(R(BX, 1)), HOLDS(0x5001, 0x9c, 1), THEN(R(AX, LOW8(0x9c)))},
	{"the last override counts", REAL, "64658a07", SET(R(BX, 1)), HOLDS(0x5001, 0x9c, 1),
	 THEN(R(AX, LOW8(0x9c)))},
	{"moffs16", REAL, "a13412", HOLDS(0x4234, 0xbeef, 2), THEN(R(AX, LOW16(0xbeef)))},
	{"66: 32 bits", REAL, "668907", SET(R(BX, 0x10), R(AX, 0xcafe1234)),
	 WRITES(0x3010, 0xcafe1234, 4)},
	{"67: 32-bit addresses", REAL, "678a4408f0", SET(R(AX, 0x30), R(CX, 1)),
	 HOLDS(0x3021, 0x9c, 1), THEN(R(AX, 0x9c))},
	{"imm16", REAL, "c7073412", SET(R(BX, 0x10)), WRITES(0x3010, 0xa5a51234, 4)},
	{"real mode writes to cs:", REAL, "2e8807", SET(R(BX, 1), R(AX, 0x33)),
	 WRITES(0x8001, 0x33, 1)},
	{"vm86 does, too", VM86, "2e8807", SET(R(BX, 1), R(AX, 0x33)), WRITES(0x8001, 0x33, 1)},
	{"protected mode doesn't", PROT16, "2e8807", SET(R(BX, 1)), FAULTS(GP)},

	/* limits: #SS for the stack, else #GP */
	{"word at 0xffff", REAL, "8b07", SET(R(BX, 0xffff)), FAULTS(GP)},
	{"byte at 0xffff", REAL, "8a07", SET(R(BX, 0xffff)), HOLDS(0x12fff, 0x9c, 1),
	 THEN(R(AX, LOW8(0x9c)))},
	{"word at 0xffff of the stack", REAL, "8b4600", SET(R(BP, 0xffff)), FAULTS(SS)},
	{"32-bit offset above", REAL, "678b03", SET(R(BX, 0x10000)), FAULTS(GP)},
	{"last dword within", SMALL, "8b03", SET(R(BX, 0xffc)), HOLDS(0x3ffc, 0x11223344, 4),
	 THEN(R(AX, 0x11223344))},
	{"dword across the limit", SMALL, "8b03", SET(R(BX, 0xffd)), FAULTS(GP)},
	{"far below 4 GiB", SMALL, "8903", SET(R(BX, 0xfffffffe)), FAULTS(GP)},
	{"stack across the limit", SMALL, "894500", SET(R(BP, 0xffd)), FAULTS(SS)},
	{"expand-down: below", DOWN, "8b03", SET(R(BX, 0xfff)), FAULTS(GP)},
	{"expand-down: above", DOWN, "8b03", SET(R(BX, 0x1000)), HOLDS(0x4000, 0x55667788, 4),
	 THEN(R(AX, 0x55667788))},
	{"crossing 4 GiB", PROT32, "8b03", SET(R(BX, 0xfffffffe)), FAULTS(GP)},
	{"base wraps", PROT32, "8b03", SET(R(BX, 0xffffe000)), HOLDS(0x1000, 0x55667788, 4),
	 THEN(R(AX, 0x55667788))},

	/* segment types */
	{"reading what can't be written", RDONLY, "8b03", SET(R(BX, 8)),
	 HOLDS(0x3008, 0x12345678, 4), THEN(R(AX, 0x12345678))},
	{"writing it", RDONLY, "8903", SET(R(BX, 8)), FAULTS(GP)},
	{"comparing with it", RDONLY, "833b00", SET(R(BX, 8)), HOLDS(0x3008, 1, 4)},
	{"adding to it", RDONLY, "830301", SET(R(BX, 8)), FAULTS(GP)},
	{"exchanging with it", RDONLY, "8703", SET(R(BX, 8)), FAULTS(GP)},
	{"pushing to it", RDONLY, "ff33", SET(R(BX, 8), R(SP, 16)), HOLDS(0x3008, 1, 4),
	 FAULTS(SS)},
	{"reading code", CODE, "8b03", SET(R(BX, 8)), HOLDS(0x3008, 0x12345678, 4),
	 THEN(R(AX, 0x12345678))},
	{"writing code", CODE, "8903", SET(R(BX, 8)), FAULTS(GP)},
	{"reading code that can't be", XONLY, "8b03", SET(R(BX, 8)), FAULTS(GP)},
	{"no segment", ABSENT, "8b03", SET(R(BX, 8)), FAULTS(GP)},
	{"no stack segment", ABSENT, "8b4500", SET(R(BP, 8)), FAULTS(SS)},

	/* 32-bit addressing */
	{"[ebp+eax*4+d8]", PROT32, "8b4c8508", SET(R(BP, 0x100), R(AX, 3)),
	 HOLDS(0x2114, 0x12345678, 4), THEN(R(CX, 0x12345678))},
	{"[d32+eax*8]", PROT32, "8b0cc500020000", SET(R(AX, 2)), HOLDS(0x3210, 0x12345678, 4),
	 THEN(R(CX, 0x12345678))},
	{"[esp]", PROT32, "8b0c24", SET(R(SP, 0x40)), HOLDS(0x2040, 0x12345678, 4),
	 THEN(R(CX, 0x12345678))},
	{"[d32]", PROT32, "8b0d40000000", HOLDS(0x3040, 0x12345678, 4),
	 THEN(R(CX, 0x12345678))},
	{"67: [bx+si]", PROT32, "678b00", SET(R(BX, 0x8010), R(SI, 0x8020)),
	 HOLDS(0x3030, 0x12345678, 4), THEN(R(AX, 0x12345678))},
	{"66: 16 bits", PROT32, "668b03", SET(R(BX, 8)), HOLDS(0x3008, 0x1234, 2),
	 THEN(R(AX, LOW16(0x1234)))},
	{"67 moffs16", PROT32, "67a13000", HOLDS(0x3030, 0x12345678, 4),
	 THEN(R(AX, 0x12345678))},
	{"fs: moffs32", PROT32, "64a230000000", SET(R(AX, 0x41)), WRITES(0x4030, 0x41, 1)},

	/* 64-bit mode */
	{"cs: means nothing", LONG, "2e8b03", SET(R(BX, 0x9000)), HOLDS(0x9000, 0x12345678, 4),
	 THEN(R(AX, 0x12345678))},
	{"fs: has a base", LONG, "648b03", SET(R(BX, 0x10)), HOLDS(0x4010, 0x12345678, 4),
	 THEN(R(AX, 0x12345678))},
	{"gs: stays under ds:", LONG, "653e8b03", SET(R(BX, 0x10)),
	 HOLDS(0x5010, 0x12345678, 4), THEN(R(AX, 0x12345678))},
	{"[rip+d32] and an immediate", LONG, "c605f007000044", WRITES(0x8f7, 0x44, 1)},
	{"[r12]", LONG, "418b0424", SET(R(R12, 0x7000)), HOLDS(0x7000, 0x12345678, 4),
	 THEN(R(AX, 0x12345678))},
	{"[d32], negative", LONG, "8b042500f0ffff", THEN(R(AX, (uint32_t)UNTOUCHED))},
	{"not canonical", LONG, "8b03", SET(R(BX, 0x800000000000)), FAULTS(GP)},
	{"the end isn't canonical", LONG, "488b03", SET(R(BX, 0x7ffffffffffc)), FAULTS(GP)},
	{"not canonical, of the stack", LONG, "8b4500", SET(R(BP, 0x800000000000)), FAULTS(SS)},
	{"r13 isn't the stack", LONG, "418b4500", SET(R(13, 0x800000000000)), FAULTS(GP)},
	{"not canonical with 57 bits", LONG_57, "8b03", SET(R(BX, 0x100000000000000)),
	 FAULTS(GP)},
	{"aligned move, isn't", LONG, "0f2803", SET(R(BX, 0x7008)), FAULTS(GP)},
	{"cmpxchg16b, isn't aligned", LONG, "480fc70b", SET(R(BX, 0x7008)), FAULTS(GP)},
	{"cmpxchg8b, not canonical", LONG, "0fc70b", SET(R(BX, 0x800000000000)), FAULTS(GP)},
	{"cmpxchg16b of the stack, not canonical", LONG, "480fc74d00",
	 SET(R(BP, 0x800000000000)), FAULTS(SS)},
	{"cmpxchg8b to a read-only segment", RDONLY, "0fc70b", SET(R(BX, 8)), FAULTS(GP)},

	/* the stack */
	{"push word", REAL, "ff37", SET(R(BX, 4), R(SP, 0xabc0002)), HOLDS(0x3004, 0x1234, 2),
	 THEN(R(SP, 0xabc0000)), WRITES(0x2000, 0x1234, 2)},
	{"push wraps", REAL, "ff37", SET(R(BX, 4), R(SP, 0xabc0000)), HOLDS(0x3004, 0x1234, 2),
	 THEN(R(SP, 0xabcfffe)), WRITES(0x11ffe, 0x1234, 2)},
	{"push dword", REAL, "66ff37", SET(R(BX, 4), R(SP, 0x10)), HOLDS(0x3004, 0x12345678, 4),
	 THEN(R(SP, 0xc)), WRITES(0x200c, 0x12345678, 4)},
	{"pop word", REAL, "8f4702", SET(R(BX, 4), R(SP, 0xfffe)), HOLDS(0x11ffe, 0x1234, 2),
	 THEN(R(SP, 0)), WRITES(0x3006, 0x1234, 2)},
	{"push, 16-bit stack", STACK16, "ff33", SET(R(BX, 4), R(SP, 0xabc0004)),
	 HOLDS(0x3004, 0x12345678, 4), THEN(R(SP, 0xabc0000)), WRITES(0x2000, 0x12345678, 4)},
	{"push, 32-bit stack", PROT32, "ff33", SET(R(BX, 4), R(SP, 0x1004)),
	 HOLDS(0x3004, 0x12345678, 4), THEN(R(SP, 0x1000)), WRITES(0x3000, 0x12345678, 4)},
	{"pop counts esp after", PROT32, "8f0424", SET(R(SP, 0x1000)),
	 HOLDS(0x3000, 0x12345678, 4), THEN(R(SP, 0x1004)), WRITES(0x3004, 0x12345678, 4)},
	{"call word", REAL, "ff17", SET(R(BX, 4), R(SP, 0x10)), HOLDS(0x3004, 0x1234, 2),
	 THEN(R(SP, 0xe)), WRITES(0x200e, START_RIP + 2, 2), GOES(0x1234)},
	{"call dword", PROT32, "ff13", SET(R(BX, 4), R(SP, 0x10)), HOLDS(0x3004, 0x12345, 4),
	 THEN(R(SP, 0xc)), WRITES(0x200c, START_RIP + 2, 4), GOES(0x12345)},
	{"jmp dword", PROT32, "ff23", SET(R(BX, 4)), HOLDS(0x3004, 0x12345, 4), GOES(0x12345)},
	{"jmp beyond cs", SMALL, "ff23", SET(R(BX, 4)), HOLDS(0x3004, 0x1000, 4), FAULTS(GP)},
	{"call beyond cs", SMALL, "ff13", SET(R(BX, 4), R(SP, 0x10)), HOLDS(0x3004, 0x1000, 4),
	 FAULTS(GP)},
	{"jmp, not canonical", LONG, "ff23", SET(R(BX, 0x7000)),
	 HOLDS(0x7000, 0x800000000000, 8), FAULTS(GP)},
	{"push, not canonical", LONG, "ff33", SET(R(BX, 0x7000), R(SP, 0x800000000008)),
	 HOLDS(0x7000, 1, 8), FAULTS(SS)},

	/* strings: sizes of counters and pointers, segments */
	{"rep stosw, 16-bit", REAL, "f3ab",
	 SET(R(CX, 0xabc0002), R(DI, 0xabc0010), R(AX, 0x4142)),
	 THEN(R(CX, 0xabc0000), R(DI, 0xabc0014)), WRITES(0x1010, 0xa5a5a5a541424142, 8)},
	{"movsb from ds to es", REAL, "a4", SET(R(SI, 0x10), R(DI, 0x20)),
	 HOLDS(0x3010, 0x77, 1), THEN(R(SI, 0x11), R(DI, 0x21)), WRITES(0x1020, 0x77, 1)},
	{"movsb from fs", REAL, "64a4", SET(R(SI, 0x10), R(DI, 0x20)), HOLDS(0x4010, 0x77, 1),
	 THEN(R(SI, 0x11), R(DI, 0x21)), WRITES(0x1020, 0x77, 1)},
	{"si wraps", REAL, "ac", SET(R(SI, 0xffff)), HOLDS(0x12fff, 0x77, 1),
	 THEN(R(SI, 0), R(AX, LOW8(0x77)))},
	{"rep stosd, 32-bit", PROT32, "f3ab", SET(R(CX, 2), R(DI, 0x10), R(AX, 0x41424344)),
	 THEN(R(CX, 0), R(DI, 0x18)), WRITES(0x1010, 0x4142434441424344, 8)},
	{"nothing to repeat", PROT32, "f3ab", SET(R(CX, 0), R(DI, 0xffffffff))},
	{"es isn't writable", RDONLY, "aa", SET(R(DI, 0x10)), FAULTS(GP)},
	{"es can't be overridden", LONG, "64aa", SET(R(DI, 0x7000), R(AX, 0x31)),
	 THEN(R(DI, 0x7001)), WRITES(0x7000, 0x31, 1)},
	{"repne scasb finds", LONG, "f2ae", SET(R(CX, 9), R(DI, 0x7000), R(AX, 0x31)),
	 HOLDS(0x7003, 0x31, 1), THEN(R(CX, 5), R(DI, 0x7004))},
	{"repe cmpsb differs", LONG, "f3a6", SET(R(CX, 9), R(DI, 0x7000), R(SI, 0x7100)),
	 HOLDS(0x7002, 0x31, 1), THEN(R(CX, 6), R(DI, 0x7003), R(SI, 0x7103))},
};
/* clang-format on */

/* The guest: memory from linear address 0 on, and at the top of 64-bit space. */
static uint8_t memory[0x20000];
static const struct test_case *current;

static uint8_t *memory_at(uint64_t linear, unsigned bytes)
{
	if (linear >= -(uint64_t)0x1000)
		linear += sizeof(memory);
	return linear <= sizeof(memory) - bytes ? &memory[linear] : NULL;
}

static int op_read(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
		   enum emul_access access)
{
	const uint8_t *from = memory_at(linear, bytes);

	(void)ctx, (void)access;
	if (!from)
		return -EIO;
	memcpy(value, from, bytes);
	return 0;
}

static int op_write(struct emul_ctx *ctx, uint64_t linear, const void *value, unsigned bytes)
{
	uint8_t *to = memory_at(linear, bytes);

	(void)ctx;
	if (!to)
		return -EIO;
	memcpy(to, value, bytes);
	return 0;
}

static int op_compare_exchange(struct emul_ctx *ctx, uint64_t linear, const void *expected,
			       const void *desired, unsigned bytes)
{
	(void)expected;
	return op_write(ctx, linear, desired, bytes);
}

static void op_segment(struct emul_ctx *ctx, enum emul_segment which, struct emul_seg *seg)
{
	bool is_code = which == EMUL_CS, is_stack = which == EMUL_SS;
	unsigned type = is_code ? 0xb : 0x3;

	(void)ctx;
	*seg = (struct emul_seg){.base = bases[which], .limit = UINT32_MAX};
	switch (current->layout) {
	case REAL:
	case VM86:
	case PROT16: seg->limit = 0xffff; break;
	case SMALL: seg->limit = 0xfff; break;
	case DOWN:
		if (!is_code) {
			type = 0x7;
			seg->limit = 0xfff;
		}
		break;
	case RDONLY: type = is_code ? 0xb : 0x1; break;
	case CODE: type = is_stack ? 0x3 : 0xb; break;
	case XONLY: type = is_stack ? 0x3 : 0x9; break;
	default: break;
	}
	seg->access = 0x10 | type;
	if (current->layout != ABSENT || is_code)
		seg->access |= EMUL_SEG_PRESENT;
	if (current->layout >= PROT32 && current->layout != STACK16)
		seg->access |= EMUL_SEG_BIG;
}

static void op_read_xmm(struct emul_ctx *ctx, unsigned xmm, uint8_t value[16])
{
	(void)ctx, (void)xmm;
	memset(value, 0, 16);
}

static void op_write_xmm(struct emul_ctx *ctx, unsigned xmm, const uint8_t value[16])
{
	(void)ctx, (void)xmm, (void)value;
}

static const struct emul_ops ops = {
	.read = op_read,
	.write = op_write,
	.compare_exchange = op_compare_exchange,
	.segment = op_segment,
	.read_xmm = op_read_xmm,
	.write_xmm = op_write_xmm,
};

static enum emul_mode mode_of(enum layout layout)
{
	return layout >= LONG ? EMUL_MODE_64 : layout >= PROT32 ? EMUL_MODE_32 : EMUL_MODE_16;
}

static unsigned parse_code(const char *hex, uint8_t code[EMUL_INSN_MAX])
{
	unsigned count = 0;

	for (; *hex; hex += 2)
		assert_int_equal(sscanf(hex, "%2hhx", &code[count++]), 1);
	return count;
}

static void set_registers(uint64_t gpr[EMUL_GPRS], const struct reg regs[4])
{
	for (unsigned i = 0; i < 4; i++) {
		if (regs[i].is_set)
			gpr[regs[i].number] = regs[i].value;
	}
}

/* What went wrong, or NULL. */
static const char *run_case(const struct test_case *test)
{
	static uint8_t expected[sizeof(memory)];
	uint64_t gpr[EMUL_GPRS], wanted[EMUL_GPRS], wanted_rip;
	struct emul_insn insn;
	uint8_t code[EMUL_INSN_MAX];
	unsigned length = parse_code(test->code, code);
	struct emul_ctx ctx = {
		.gpr = gpr,
		.rip = START_RIP,
		.rflags = test->layout == VM86 ? 0x20002 : 2,
		.mode = mode_of(test->layout),
		.protected_mode = test->layout != REAL,
		.linear_bits = test->layout == LONG_57 ? 57 : 48,
		.ops = &ops,
	};
	int err;

	current = test;
	memset(gpr, UNTOUCHED & 0xff, sizeof(gpr));
	memset(memory, UNTOUCHED & 0xff, sizeof(memory));
	if (test->memory.bytes)
		memcpy(&memory[test->memory.linear], &test->memory.value, test->memory.bytes);
	set_registers(gpr, test->before);
	memcpy(wanted, gpr, sizeof(gpr));
	memcpy(expected, memory, sizeof(memory));
	if (emul_decode(&insn, ctx.mode, code, length) || insn.length != length)
		return "decoding";
	err = emul_execute(&ctx, &insn);

	wanted_rip = test->rip ? test->rip : START_RIP + (test->fault ? 0 : length);
	if (test->fault) {
		if (err != -EFAULT || ctx.fault.vector != test->fault || ctx.fault.error)
			return "fault";
		if (ctx.fault.has_error != ctx.protected_mode)
			return "error code";
	} else {
		if (err)
			return "error";
		set_registers(wanted, test->after);
		memcpy(&expected[test->written.linear], &test->written.value,
		       test->written.bytes);
	}
	if (ctx.rip != wanted_rip)
		return "RIP";
	if (memcmp(gpr, wanted, sizeof(gpr)))
		return "registers";
	return memcmp(memory, expected, sizeof(memory)) ? "memory" : NULL;
}

static void every_case(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *what = run_case(&cases[i]);

		if (what) {
			print_message("%s (%s): %s\n", cases[i].name, cases[i].code, what);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
