/*
 * The emulator against the build machine's own CPU, in 64-bit mode: each instruction is run
 * with random operands by both, and registers, flags, memory and XMM must agree.
 */
/* links: kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c kernel/vmm/emul/exec.c */
/* links: kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c kernel/vmm/emul/string.c */
/* links: kernel/vmm/emul/tables.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/vmm/emul/emul.h"

#define TRIALS	    1500u
#define ARENA_BYTES 2048u
#define ARCH_SET_GS 0x1001

#define CF	    0x001u
#define PF	    0x004u
#define AF	    0x010u
#define ZF	    0x040u
#define SF	    0x080u
#define DF	    0x400u
#define OF	    0x800u

/* The CPU's registers before and after an instruction; native_run knows the offsets. */
struct machine {
	uint64_t gpr[16];
	uint64_t rflags;
	uint64_t host_rsp;
	uint8_t xmm[16][16];
};

_Static_assert(offsetof(struct machine, rflags) == 128, "native_run");
_Static_assert(offsetof(struct machine, host_rsp) == 136, "native_run");
_Static_assert(offsetof(struct machine, xmm) == 144, "native_run");

struct machine native_machine;
uint8_t *native_code;
void native_run(void);	/* loads native_machine, goes to native_code */
void native_exit(void); /* where that must go: stores native_machine, returns from native_run */

__asm__(".text\n"
	"native_run:\n"
	".irp reg, rbx, rbp, r12, r13, r14, r15\n"
	"	push %\\reg\n"
	".endr\n"
	"	lea native_machine(%rip), %rax\n"
	"	mov %rsp, 136(%rax)\n"
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movdqu 144+16*\\n(%rax), %xmm\\n\n"
	".endr\n"
	"	pushq 128(%rax)\n"
	"	popfq\n"
	"	mov 8(%rax), %rcx\n"
	"	mov 16(%rax), %rdx\n"
	"	mov 24(%rax), %rbx\n"
	"	mov 32(%rax), %rsp\n"
	"	mov 40(%rax), %rbp\n"
	"	mov 48(%rax), %rsi\n"
	"	mov 56(%rax), %rdi\n"
	".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	mov 8*\\n(%rax), %r\\n\n"
	".endr\n"
	"	mov (%rax), %rax\n"
	"	jmp *native_code(%rip)\n"
	"native_exit:\n"
	"	mov %rsp, native_machine+32(%rip)\n"
	"	mov native_machine+136(%rip), %rsp\n"
	"	pushfq\n"
	"	popq native_machine+128(%rip)\n"
	"	cld\n"
	"	mov %rax, native_machine(%rip)\n"
	"	lea native_machine(%rip), %rax\n"
	"	mov %rcx, 8(%rax)\n"
	"	mov %rdx, 16(%rax)\n"
	"	mov %rbx, 24(%rax)\n"
	"	mov %rbp, 40(%rax)\n"
	"	mov %rsi, 48(%rax)\n"
	"	mov %rdi, 56(%rax)\n"
	".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	mov %r\\n, 8*\\n(%rax)\n"
	".endr\n"
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movdqu %xmm\\n, 144+16*\\n(%rax)\n"
	".endr\n"
	".irp reg, r15, r14, r13, r12, rbp, rbx\n"
	"	pop %\\reg\n"
	".endr\n"
	"	ret\n");

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

/* An instruction to try: its bytes and which operands it takes. */
struct form {
	const char *name;
	uint8_t prefix; /* a mandatory one, or 0 */
	uint8_t opcode[3];
	uint8_t opcode_bytes;
	int8_t digit; /* in ModRM.reg, or -1: any register */
	uint16_t traits;
	uint16_t undefined; /* flags that the manuals leave open */
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
#define MOVBE	 0x4000
#define ROTATE	 0x8000

#define OP1(name, code, digit, traits, undefined)            \
	{                                                    \
		name, 0, {code}, 1, digit, traits, undefined \
	}
#define OP2(name, code, digit, traits, undefined)                  \
	{                                                          \
		name, 0, {0x0f, code}, 2, digit, traits, undefined \
	}
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
#define BIT_UNDEFINED  (OF | SF | AF | PF)
#define SSE(name, prefix, code, traits)                                         \
	{                                                                       \
		name, prefix, {0x0f, code}, 2, -1, FIXED | MEMORY | (traits), 0 \
	}

/* clang-format off */
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
	{"movbe r, m", 0, {0x0f, 0x38, 0xf0}, 3, -1, MEMORY | MOVBE, 0},
	{"movbe m, r", 0, {0x0f, 0x38, 0xf1}, 3, -1, MEMORY | MOVBE, 0},
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
	{"movntdqa", 0x66, {0x0f, 0x38, 0x2a}, 3, -1, FIXED | MEMORY | ALIGNED, 0},
};
/* clang-format on */

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
		 ((form->traits & COMPARE) && (base <= EMUL_RBX || index <= EMUL_RBX)) ||
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

/* Random traps to compare more than chance would: sets registers that the form looks at. */
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
	if ((form->traits & (MOVBE | IMMZ)) && (trial->rex & 8)) /* else above 15 bytes */
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

static int arena_access(uint64_t linear, unsigned bytes)
{
	return linear >= (uintptr_t)arena && linear + bytes <= (uintptr_t)arena + ARENA_BYTES
		       ? 0
		       : -EIO;
}

static int op_read(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
		   enum emul_access access)
{
	(void)ctx, (void)access;
	if (arena_access(linear, bytes))
		return -EIO;
	memcpy(value, (void *)linear, bytes);
	return 0;
}

static int op_write(struct emul_ctx *ctx, uint64_t linear, const void *value, unsigned bytes)
{
	(void)ctx;
	if (arena_access(linear, bytes))
		return -EIO;
	memcpy((void *)linear, value, bytes);
	return 0;
}

static int op_compare_exchange(struct emul_ctx *ctx, uint64_t linear, const void *expected,
			       const void *desired, unsigned bytes)
{
	if (arena_access(linear, bytes) || memcmp((void *)linear, expected, bytes))
		return -EIO;
	return op_write(ctx, linear, desired, bytes);
}

static void op_segment(struct emul_ctx *ctx, enum emul_segment which, struct emul_seg *seg)
{
	(void)ctx;
	assert_int_equal(which, EMUL_GS);
	*seg = (struct emul_seg){.base = (uintptr_t)arena + gs_offset};
}

static void op_read_xmm(struct emul_ctx *ctx, unsigned xmm, uint8_t value[16])
{
	memcpy(value, ((struct machine *)ctx->opaque)->xmm[xmm], 16);
}

static void op_write_xmm(struct emul_ctx *ctx, unsigned xmm, const uint8_t value[16])
{
	memcpy(((struct machine *)ctx->opaque)->xmm[xmm], value, 16);
}

static const struct emul_ops ops = {
	.read = op_read,
	.write = op_write,
	.compare_exchange = op_compare_exchange,
	.segment = op_segment,
	.read_xmm = op_read_xmm,
	.write_xmm = op_write_xmm,
};

/* Runs the code natively: it ends in a jump to native_exit, as does its landing place. */
static void run_native(const struct trial *trial)
{
	static const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0};
	uint64_t exit = (uintptr_t)native_exit;

	for (unsigned at = trial->length; at <= 64; at += 64 - trial->length) {
		memcpy(&native_code[at], jump, sizeof(jump));
		memcpy(&native_code[at + sizeof(jump)], &exit, sizeof(exit));
	}
	memcpy(native_code, trial->code, trial->length);
	native_machine = trial->before;
	native_run();
}

/* Flags that may differ: a shift's depend on its count. */
static uint64_t undefined_flags(const struct form *form, const struct trial *trial)
{
	unsigned bytes = operand_bytes(form, trial), count = 1;
	uint64_t undefined = form->undefined;

	if (!(form->traits & SHIFT))
		return undefined;
	if (form->traits & IMM8)
		count = trial->imm;
	else if ((form->opcode[0] & 0xfe) == 0xd2)
		count = trial->before.gpr[EMUL_RCX];
	count &= bytes == 8 ? 63 : 31;
	if (count == 0 || (form->traits & ROTATE))
		undefined &= ~AF;
	if (count > 1)
		undefined |= OF;
	if (count >= 8 * bytes && !(form->traits & ROTATE))
		undefined |= CF;
	return undefined;
}

static void explain(const char *name, const struct trial *trial, const char *what)
{
	print_message("%s: %s differs; bytes:", name, what);
	for (unsigned i = 0; i < trial->length; i++)
		print_message(" %02x", trial->code[i]);
	print_message("\n");
}

/* Both ways from the same start; complains and returns false if they end differently. */
static bool agree(const char *name, const struct trial *trial, uint64_t undefined,
		  uint64_t expected_rip)
{
	static uint8_t start[ARENA_BYTES], native_end[ARENA_BYTES];
	struct machine machine = trial->before;
	struct emul_ctx ctx = {
		.gpr = machine.gpr,
		.rip = (uintptr_t)native_code,
		.rflags = machine.rflags,
		.mode = EMUL_MODE_64,
		.protected_mode = true,
		.linear_bits = 48,
		.ops = &ops,
		.opaque = &machine,
	};
	struct emul_insn insn;
	const char *what = NULL;

	memcpy(start, arena, ARENA_BYTES);
	run_native(trial);
	memcpy(native_end, arena, ARENA_BYTES);
	memcpy(arena, start, ARENA_BYTES);

	if (emul_decode(&insn, EMUL_MODE_64, trial->code, trial->length) ||
	    insn.length != trial->length)
		what = "decoding";
	else if (emul_execute(&ctx, &insn))
		what = "result";
	else if (ctx.rip != expected_rip)
		what = "RIP";
	else if (memcmp(machine.gpr, native_machine.gpr, sizeof(machine.gpr)))
		what = "a register";
	else if ((ctx.rflags ^ native_machine.rflags) & ~undefined)
		what = "RFLAGS";
	else if (memcmp(machine.xmm, native_machine.xmm, sizeof(machine.xmm)))
		what = "XMM";
	else if (memcmp(arena, native_end, ARENA_BYTES))
		what = "memory";
	if (what)
		explain(name, trial, what);
	return !what;
}

static bool has_movbe(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_MOVBE);
}

static void forms_agree_with_cpu(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if ((forms[i].traits & MOVBE) && !has_movbe())
			continue;
		for (unsigned n = 0, bad = 0; n < TRIALS && bad < 3; n++) {
			struct trial trial;
			uint64_t rip;

			make_trial(&forms[i], &trial);
			rip = (uintptr_t)native_code + trial.length;
			if (forms[i].traits & TARGET)
				rip = (uintptr_t)native_code + 64;
			if (!agree(forms[i].name, &trial, undefined_flags(&forms[i], &trial),
				   rip))
				bad++, wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* MOVS, CMPS, STOS, LODS and SCAS with each prefix, either direction, 32-bit addresses too. */
static void strings_agree_with_cpu(void **state)
{
	static const uint8_t opcodes[] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};
	static const uint8_t repeats[] = {0, 0xf2, 0xf3};
	unsigned wrong = 0;

	(void)state;
	for (unsigned n = 0; n < 30 * TRIALS; n++) {
		struct trial trial = {0};
		uint64_t *gpr = trial.before.gpr, *counter = &gpr[EMUL_RCX];
		bool is_addr32 = below(4) == 0;
		uint8_t repeat = repeats[n % 3];

		randomise(&trial);
		if (below(2)) /* let comparisons last */
			memset(arena, gpr[EMUL_RAX] = random64() & 1 ? 0 : UINT64_MAX,
			       ARENA_BYTES);
		if (below(2))
			arena[ARENA_BYTES / 2 + below(64)] = 0x55;
		gpr[EMUL_RSI] = (uintptr_t)arena + ARENA_BYTES / 2 + below(64);
		gpr[EMUL_RDI] = (uintptr_t)arena + ARENA_BYTES / 2 + below(64);
		*counter = below(40);
		if (is_addr32) {
			*counter |= random64() << 32;
			gpr[EMUL_RSI] |= random64() << 32;
			gpr[EMUL_RDI] |= random64() << 32;
			put(&trial, 0x67, 1);
		}
		if (repeat)
			put(&trial, repeat, 1);
		if (below(3) == 0)
			put(&trial, 0x66, 1);
		if (below(3) == 0)
			put(&trial, 0x48, 1);
		put(&trial, opcodes[below(ARRAY_SIZE(opcodes))] | below(2), 1);
		if (repeat && is_addr32 && (uint32_t)*counter == 0)
			continue; /* vendors differ in the upper half of RCX */
		if (!agree("string", &trial, 0, (uintptr_t)native_code + trial.length) &&
		    ++wrong > 5)
			break;
	}
	assert_int_equal(wrong, 0);
}

static int map_memory(void **state)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;

	(void)state;
	arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
	native_code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
	if (arena == MAP_FAILED || native_code == MAP_FAILED)
		return -1;
	gs_offset = 24;
	return syscall(SYS_arch_prctl, ARCH_SET_GS, arena + gs_offset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_agree_with_cpu),
		cmocka_unit_test(strings_agree_with_cpu),
	};

	return cmocka_run_group_tests(tests, map_memory, NULL);
}
