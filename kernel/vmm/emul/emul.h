/*
 * The instruction decoder and emulator: runs one guest instruction that touched MMIO (or a
 * string I/O instruction), and tells the length of any instruction for CPUs without NRIPS.
 * It knows no vCPU, page table or device: all that it needs of the guest comes through
 * struct emul_ctx, so the same code runs in host tests. No vector arithmetic, no x87.
 */
#ifndef KERNEL_VMM_EMUL_EMUL_H
#define KERNEL_VMM_EMUL_EMUL_H

#include "kernel/lib/types.h"
#include "kernel/lib/x86.h"

#define EMUL_INSN_MAX 15u  /* bytes; a longer instruction is #GP (SDM vol. 2A 2.3.11) */
#define EMUL_REP_MAX  256u /* iterations of a REP instruction in one emul_execute */

/* Registers as instructions number them (SDM vol. 2A 3.1.1.1). */
enum emul_gpr {
	EMUL_RAX,
	EMUL_RCX,
	EMUL_RDX,
	EMUL_RBX,
	EMUL_RSP,
	EMUL_RBP,
	EMUL_RSI,
	EMUL_RDI, /* R8 to R15 follow as 8 to 15 */
	EMUL_GPRS = 16,
};

enum emul_segment {
	EMUL_ES,
	EMUL_CS,
	EMUL_SS,
	EMUL_DS,
	EMUL_FS,
	EMUL_GS,
};

/* The code segment's default size: CS.L in long mode, else CS.D; real and virtual-8086 are 16.
 */
enum emul_mode {
	EMUL_MODE_16,
	EMUL_MODE_32,
	EMUL_MODE_64,
};

/* A segment register's hidden part. `access` is packed as in a VMCB: descriptor bits 40-47 and,
 * above them, 52-55 (APM vol. 2 15.5.1); VMX's format has the latter at bits 12-15 instead. */
struct emul_seg {
	uint64_t base;
	uint32_t limit; /* bytes - 1, the granularity already applied */
	uint16_t access;
};

#define EMUL_SEG_WRITABLE    BIT(1) /* in data segments; in code segments: readable */
#define EMUL_SEG_EXPAND_DOWN BIT(2) /* in data segments */
#define EMUL_SEG_CODE	     BIT(3)
#define EMUL_SEG_PRESENT     BIT(7)
#define EMUL_SEG_BIG	     BIT(10) /* D/B: 32-bit stack, 4 GiB upper bound of expand-down */

/* System registers as EMUL_STORE_SYSTEM and EMUL_LOAD_SYSTEM ask for them, behind the segment
 * registers' numbers.
 */
enum emul_system {
	EMUL_LDTR = 6,
	EMUL_TR,
	EMUL_MSW, /* CR0 as SMSW reads it */
	EMUL_GDTR,
	EMUL_IDTR,
	EMUL_CR0 = 16, /* CR1 to CR15 follow */
};

/* The exception that the caller is to inject when a call returned -EFAULT. */
struct emul_fault {
	uint8_t vector;
	bool has_error; /* whether an error code is pushed: not in real mode */
	uint32_t error;
	uint64_t address; /* CR2, set by emul_ops on a page fault */
};

/* Why memory is read: a read before a write must find the page writable, as on hardware. */
enum emul_access {
	EMUL_READ,
	EMUL_READ_FOR_WRITE,
};

struct emul_ctx;

/*
 * What the emulator asks of its caller. Addresses are linear, canonical and within their
 * segment; paging is the caller's: it checks the guest's page tables with the rights of the
 * guest's privilege level and sends each page's part to RAM or to the MMIO bus. An access may
 * cross a page; the caller checks both pages before it changes either.
 *
 * `bytes` is 1, 2, 4, 8 or 16, of writes 6 and 10 as well; values are little endian. Each call
 * returns 0 or -EFAULT   having filled ctx->fault: inject it; -EAGAIN   enter the guest again,
 * which will repeat the instruction; another negative errno: passed on. After any error the
 * emulator makes no further change.
 */
struct emul_ops {
	int (*read)(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
		    enum emul_access access);
	int (*write)(struct emul_ctx *ctx, uint64_t linear, const void *value, unsigned bytes);

	/* An atomic read-modify-write's second half, after a read of *expected: writes *desired
	 * if memory still holds *expected, else returns -EAGAIN. MMIO just writes. */
	int (*compare_exchange)(struct emul_ctx *ctx, uint64_t linear, const void *expected,
				const void *desired, unsigned bytes);

	/* Instruction bytes for emul_fetch; `bytes` is 1 to 15 and never crosses a page. */
	int (*fetch)(struct emul_ctx *ctx, uint64_t linear, void *insn, unsigned bytes);

	/* Called only when needed: outside of 64-bit mode, or for FS and GS. */
	void (*segment)(struct emul_ctx *ctx, enum emul_segment which, struct emul_seg *seg);

	/* String I/O, one element of 1, 2 or 4 bytes a call. Privilege is not checked here:
	 * NULL unless the CPU has done that, which is so on an I/O exit, for the port, size and
	 * direction that it reports. If NULL, INS and OUTS end with -EAGAIN: ask the CPU. */
	int (*io_in)(struct emul_ctx *ctx, uint16_t port, void *value, unsigned bytes);
	int (*io_out)(struct emul_ctx *ctx, uint16_t port, const void *value, unsigned bytes);

	/* A selector, or a table's limit, in `word`; a table's base, or CR0 (for SMSW too) or
	 * another control register, in `base`: enum emul_segment or emul_system. Whether the
	 * guest may read it here is the callee's to know. NULL where they can't be had:
	 * -ENOTSUP then. */
	int (*system)(struct emul_ctx *ctx, unsigned which, uint16_t *word, uint64_t *base);

	/* A segment register but CS, EMUL_LDTR, EMUL_TR, EMUL_MSW (LMSW), EMUL_GDTR or
	 * EMUL_IDTR loaded with `word` (selector, status word, or limit) and `base`. Privilege
	 * and values are the callee's to check: -EFAULT then. NULL where they can't be loaded:
	 * -ENOTSUP then. */
	int (*load_system)(struct emul_ctx *ctx, unsigned which, uint16_t word, uint64_t base);

	/* The guest's XMM registers, 0 to 15. NULL where they can't be had: -ENOTSUP then. */
	void (*read_xmm)(struct emul_ctx *ctx, unsigned xmm, uint8_t value[16]);
	void (*write_xmm)(struct emul_ctx *ctx, unsigned xmm, const uint8_t value[16]);
};

/* A vCPU as the emulator sees it, filled by the caller; only rip, rflags, *gpr, fault and the
 * instruction's bytes are ever changed. One thread at a time. */
struct emul_ctx {
	uint64_t *gpr; /* EMUL_GPRS of them */
	uint64_t rip;
	uint64_t rflags;
	enum emul_mode mode;
	bool protected_mode; /* CR0.PE */
	uint8_t linear_bits; /* 48, or 57 with CR4.LA57; used in 64-bit mode */
	uint8_t bytes_valid; /* how many of `bytes` are known already: by decode assists */
	uint8_t bytes[EMUL_INSN_MAX];
	struct emul_fault fault;
	const struct emul_ops *ops;
	void *opaque; /* the caller's own */
};

/* What an instruction does. The first sixteen are in the order of their opcodes' bits; those up
 * to EMUL_CMPXCHG_PAIR access no memory but their r/m operand. */
enum emul_op {
	EMUL_ADD,
	EMUL_OR,
	EMUL_ADC,
	EMUL_SBB,
	EMUL_AND,
	EMUL_SUB,
	EMUL_XOR,
	EMUL_CMP,
	EMUL_ROL,
	EMUL_ROR,
	EMUL_RCL,
	EMUL_RCR,
	EMUL_SHL,
	EMUL_SHR,
	EMUL_SAL,
	EMUL_SAR,
	EMUL_TEST,
	EMUL_NOT,
	EMUL_NEG,
	EMUL_INC,
	EMUL_DEC,
	EMUL_BT,
	EMUL_BTS,
	EMUL_BTR,
	EMUL_BTC,
	EMUL_XADD,
	EMUL_XCHG,
	EMUL_MOV,
	EMUL_MOVZX,
	EMUL_MOVSX,
	EMUL_MOVBE,
	EMUL_CMOV,
	EMUL_SETCC,
	EMUL_IMUL, /* to a register */
	EMUL_MUL,  /* of the accumulator, and so are the next three */
	EMUL_IMUL_ACC,
	EMUL_DIV,
	EMUL_IDIV,
	EMUL_BSF,
	EMUL_BSR,
	EMUL_TZCNT,
	EMUL_LZCNT,
	EMUL_POPCNT,
	EMUL_CMPXCHG,
	EMUL_CMPXCHG_PAIR, /* CMPXCHG8B, CMPXCHG16B */
	EMUL_PUSH,
	EMUL_POP,
	EMUL_CALL,
	EMUL_JMP,
	EMUL_MOVS,
	EMUL_CMPS,
	EMUL_STOS,
	EMUL_LODS,
	EMUL_SCAS,
	EMUL_INS,
	EMUL_OUTS,
	EMUL_STORE_SYSTEM, /* SLDT, STR, SGDT, SIDT, SMSW, MOV from a segment register */
	EMUL_LOAD_SYSTEM, /* MOV to a segment register, LLDT, LTR, LGDT, LIDT, LMSW; from memory
			   */
	EMUL_READ_CR,	  /* MOV from a control register */
	EMUL_XMM_LOAD,
	EMUL_XMM_STORE,
	EMUL_CACHE,  /* CLFLUSH, CLFLUSHOPT, CLWB: nothing to do, the access was it */
	EMUL_LENGTH, /* known by its length only */
	EMUL_OPS,
};

/* The opcode's map above its byte: 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A; EVEX has 5 and 6. */
#define EMUL_OPCODE(map, byte) ((map) << 8 | (byte))

#define EMUL_PREFIX_LOCK       0x01
#define EMUL_PREFIX_REP	       0x02 /* F3 */
#define EMUL_PREFIX_REPNE      0x04 /* F2 */
#define EMUL_PREFIX_OPSIZE     0x08 /* 66 */
#define EMUL_PREFIX_VEX	       0x10 /* VEX or EVEX: length only */

#define EMUL_NO_REGISTER       0xff
#define EMUL_RIP_RELATIVE      0xfe /* as `base` */

/* A decoded instruction. It holds nothing of the guest's state and may be kept for as long as
 * the bytes at its address are the same. */
struct emul_insn {
	uint8_t length; /* bytes, 1 to 15 */
	uint8_t op;	/* enum emul_op */
	uint8_t args;	/* enum emul_args, private */
	uint8_t prefixes;
	uint8_t rex;   /* 0, or 0x40 to 0x4f */
	uint8_t modrm; /* 0 if there is none */
	uint16_t opcode;
	uint8_t op_bytes;   /* operand size: 1, 2, 4, 8 */
	uint8_t mem_bytes;  /* size of the r/m operand if it isn't op_bytes: MOVZX, SSE... */
	uint8_t addr_bytes; /* 2, 4, 8 */
	uint8_t segment;    /* of the memory operand: enum emul_segment */
	uint8_t reg;	    /* ModRM.reg with REX.R */
	uint8_t rm;	    /* the register that ModRM.rm names, unless is_memory */
	bool is_memory;	    /* the r/m operand is memory */
	bool is_aligned;    /* #GP unless the memory operand is 16-byte aligned */
	uint8_t base, index, scale; /* if is_memory; scale is a shift count, 0 to 3 */
	int64_t displacement;
	uint64_t immediate; /* sign-extended */
};

/*
 * Decodes the instruction at `bytes`, of which `available` may be read. Works for all legal
 * instructions; those that emul_execute doesn't do have op EMUL_LENGTH and a valid opcode,
 * modrm and length. Where vendors differ (66 with a near branch in 64-bit mode) AMD's way is
 * taken.
 *   -ENODATA  more bytes are needed;
 *   -E2BIG    longer than 15 bytes: #GP;
 *   -EINVAL   no such instruction in this mode, or LOCK where it may not stand: #UD.
 */
int emul_decode(struct emul_insn *insn, enum emul_mode mode, const uint8_t *bytes,
		unsigned available);

/*
 * Fetches the instruction at ctx->rip (after the ctx->bytes_valid bytes that are known already)
 * and decodes it. ctx->bytes and bytes_valid then hold the bytes, for the log too. The next
 * page is read only if the instruction reaches into it. Illegal instructions and ones that are
 * too long become -EFAULT with #UD or #GP in ctx->fault; else returns what ops->fetch returns.
 */
int emul_fetch(struct emul_ctx *ctx, struct emul_insn *insn);

/* Reads the r/m operand, a register or memory; `bytes` is 1, 2, 4 or 8. 0, or -EFAULT with
 * ctx->fault. May sleep if `ops` may. */
int emul_read_rm(struct emul_ctx *ctx, const struct emul_insn *insn, uint64_t *value,
		 unsigned bytes);

/*
 * Executes a decoded instruction and moves ctx->rip behind it. A REP instruction that did
 * EMUL_REP_MAX iterations and has more to do returns 0 with ctx->rip unmoved: enter the guest
 * again, or call again. May sleep if `ops` may.
 *   -EFAULT   ctx->fault is to be injected;
 *   -EAGAIN   nothing was done: enter the guest again;
 *   -ENOTSUP  an instruction that isn't emulated: stop the guest, with ctx->bytes in the log.
 * After an error the registers are as before the instruction, or, of a REP instruction, as
 * after the last iteration that was completed. Data breakpoints, alignment checks (CR0.AM) and
 * the trap of RFLAGS.TF are the caller's.
 */
int emul_execute(struct emul_ctx *ctx, const struct emul_insn *insn);

#endif
