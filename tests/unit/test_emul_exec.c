/*
 * How the emulator treats its caller: errors leave the guest as it was, REP goes on where it
 * stopped, atomic forms stay atomic, string I/O loses nothing. Results are in
 * test_emul_cases.c and test_emul_native.c.
 */
/* links: kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c kernel/vmm/emul/exec.c */
/* links: kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c kernel/vmm/emul/string.c */
/* links: kernel/vmm/emul/tables.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/vmm/emul/emul.h"

#define MEMORY	  0x10000u
#define START_RIP 0xffffffff81000000ull
#define RFLAGS	  0x10046u /* RF, ZF and PF set, so that all changes show */
#define RF	  0x10000u
#define DF	  0x400u

/* The guest, flat in 64-bit mode, and what the emulator did to it. */
static struct guest {
	uint8_t memory[MEMORY];
	uint64_t gpr[EMUL_GPRS];
	uint8_t xmm[16];
	struct emul_ctx ctx;
	unsigned calls;	  /* of those that can fail */
	unsigned fail_at; /* the number of the one that does, or 0 */
	int fail_how;
	unsigned reads, reads_for_write, writes, exchanges, ins, outs;
	uint16_t port;
	uint8_t out[512]; /* what OUTS wrote */
	unsigned out_bytes;
} guest;

static int count_call(void)
{
	return ++guest.calls == guest.fail_at ? guest.fail_how : 0;
}

static int op_read(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
		   enum emul_access access)
{
	int err = count_call();

	assert_ptr_equal(ctx, &guest.ctx);
	assert_true(linear + bytes <= MEMORY);
	if (err)
		return err;
	guest.reads++;
	guest.reads_for_write += access == EMUL_READ_FOR_WRITE;
	memcpy(value, &guest.memory[linear], bytes);
	return 0;
}

static int op_write(struct emul_ctx *ctx, uint64_t linear, const void *value, unsigned bytes)
{
	int err = count_call();

	(void)ctx;
	assert_true(linear + bytes <= MEMORY);
	if (err)
		return err;
	guest.writes++;
	memcpy(&guest.memory[linear], value, bytes);
	return 0;
}

static int op_compare_exchange(struct emul_ctx *ctx, uint64_t linear, const void *expected,
			       const void *desired, unsigned bytes)
{
	guest.exchanges++;
	if (memcmp(&guest.memory[linear], expected, bytes))
		return -EAGAIN;
	return op_write(ctx, linear, desired, bytes);
}

static void op_segment(struct emul_ctx *ctx, enum emul_segment which, struct emul_seg *seg)
{
	(void)ctx;
	assert_true(which >= EMUL_FS);
	*seg = (struct emul_seg){.base = 0x100};
}

static int op_io_in(struct emul_ctx *ctx, uint16_t port, void *value, unsigned bytes)
{
	int err = count_call();

	(void)ctx;
	if (err)
		return err;
	guest.port = port;
	for (unsigned i = 0; i < bytes; i++)
		((uint8_t *)value)[i] = ++guest.ins;
	return 0;
}

static int op_io_out(struct emul_ctx *ctx, uint16_t port, const void *value, unsigned bytes)
{
	int err = count_call();

	(void)ctx;
	if (err)
		return err;
	guest.port = port;
	guest.outs++;
	memcpy(&guest.out[guest.out_bytes], value, bytes);
	guest.out_bytes += bytes;
	return 0;
}

static void op_read_xmm(struct emul_ctx *ctx, unsigned xmm, uint8_t value[16])
{
	(void)ctx, (void)xmm;
	memcpy(value, guest.xmm, 16);
}

static void op_write_xmm(struct emul_ctx *ctx, unsigned xmm, const uint8_t value[16])
{
	(void)ctx, (void)xmm;
	memcpy(guest.xmm, value, 16);
}

static const struct emul_ops all_ops = {
	.read = op_read,
	.write = op_write,
	.compare_exchange = op_compare_exchange,
	.segment = op_segment,
	.io_in = op_io_in,
	.io_out = op_io_out,
	.read_xmm = op_read_xmm,
	.write_xmm = op_write_xmm,
};

/* Fresh: each register points at its own 256 bytes of memory, which aren't zero. */
static void reset(void)
{
	guest = (struct guest){
		.ctx = {.gpr = guest.gpr,
			.rip = START_RIP,
			.rflags = RFLAGS,
			.mode = EMUL_MODE_64,
			.protected_mode = true,
			.linear_bits = 48,
			.ops = &all_ops},
	};
	for (unsigned i = 0; i < MEMORY; i++)
		guest.memory[i] = i % 251;
	for (unsigned i = 0; i < EMUL_GPRS; i++)
		guest.gpr[i] = 0x1000 + 0x100 * i;
	memset(guest.xmm, 0x77, sizeof(guest.xmm));
}

static struct emul_insn decode(const char *hex)
{
	struct emul_insn insn;
	uint8_t code[EMUL_INSN_MAX];
	unsigned count = 0;

	for (; hex[2 * count]; count++)
		assert_int_equal(sscanf(&hex[2 * count], "%2hhx", &code[count]), 1);
	assert_int_equal(emul_decode(&insn, guest.ctx.mode, code, count), 0);
	assert_int_equal(insn.length, count);
	return insn;
}

static int execute(const char *hex)
{
	struct emul_insn insn = decode(hex);

	return emul_execute(&guest.ctx, &insn);
}

/* One of each kind, with memory. */
static const char *const kinds[] = {
	"8903",	      /* mov [rbx], eax */
	"8b03",	      /* mov eax, [rbx] */
	"c60312",     /* mov byte [rbx], 0x12 */
	"0fb603",     /* movzx eax, [rbx] */
	"486303",     /* movsxd rax, [rbx] */
	"0f440b",     /* cmovz ecx, [rbx] */
	"0f9403",     /* setz [rbx] */
	"0f38f003",   /* movbe eax, [rbx] */
	"0f38f103",   /* movbe [rbx], eax */
	"0103",	      /* add [rbx], eax */
	"0303",	      /* add eax, [rbx] */
	"833b01",     /* cmp [rbx], 1 */
	"8503",	      /* test [rbx], eax */
	"f713",	      /* not [rbx] */
	"ff03",	      /* inc [rbx] */
	"c12303",     /* shl [rbx], 3 */
	"d31b",	      /* rcr [rbx], cl */
	"0fba2b05",   /* bts [rbx], 5 */
	"f0480fab33", /* lock bts [rbx], rsi */
	"f00103",     /* lock add [rbx], eax */
	"8703",	      /* xchg [rbx], eax */
	"f00fc103",   /* lock xadd [rbx], eax */
	"0fc103",     /* xadd [rbx], eax */
	"0fb10b",     /* cmpxchg [rbx], ecx */
	"f0480fb10b", /* lock cmpxchg [rbx], rcx */
	"0fc70b",     /* cmpxchg8b [rbx] */
	"f0480fc70b", /* lock cmpxchg16b [rbx] */
	"ff33",	      /* push [rbx] */
	"8f03",	      /* pop [rbx] */
	"8f442408",   /* pop [rsp + 8] */
	"ff5424f8",   /* call [rsp - 8] */
	"ff23",	      /* jmp [rbx] */
	"0f1003",     /* movups xmm0, [rbx] */
	"660f7f03",   /* movdqa [rbx], xmm0 */
	"a4",	      "a6", "aa", "ac", "ae", "6c", "6e",
};

/* Memory that CALL and JMP read holds an address to go to. */
static void reset_for_branches(void)
{
	reset();
	memset(&guest.memory[guest.gpr[EMUL_RSP] - 8], 0x12, 6);
	memset(&guest.memory[guest.gpr[EMUL_RSP] - 2], 0, 2);
	memset(&guest.memory[guest.gpr[EMUL_RBX]], 0x12, 6);
	memset(&guest.memory[guest.gpr[EMUL_RBX] + 6], 0, 2);
}

static void errors_change_nothing(void **state)
{
	static const int errors[] = {-EFAULT, -EAGAIN, -EIO};
	static struct guest before;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned calls;

		reset_for_branches();
		assert_int_equal(execute(kinds[i]), 0);
		assert_int_equal(guest.ctx.rflags & RF, 0);
		calls = guest.calls;
		assert_true(calls > 0);
		for (unsigned n = 1; n <= calls; n++) {
			reset_for_branches();
			guest.fail_at = n;
			guest.fail_how = errors[n % ARRAY_SIZE(errors)];
			before = guest;
			assert_int_equal(execute(kinds[i]), guest.fail_how);
			assert_memory_equal(guest.memory, before.memory, MEMORY);
			assert_memory_equal(guest.gpr, before.gpr, sizeof(guest.gpr));
			assert_memory_equal(guest.xmm, before.xmm, sizeof(guest.xmm));
			assert_int_equal(guest.ctx.rip, START_RIP);
			assert_int_equal(guest.ctx.rflags, RFLAGS);
		}
	}
}

/* LOCK, and XCHG without it, go through compare_exchange; losing the race is -EAGAIN. */
static int lose_race(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
		     enum emul_access access)
{
	int err = op_read(ctx, linear, value, bytes, access);

	guest.memory[linear] ^= 1; /* as another vCPU would */
	return err;
}

static void atomic_forms_are_atomic(void **state)
{
	static const char *const forms[] = {"f00103",	"8703",	      "f0ff03",	     "f00fc103",
					    "f00fb10b", "f0480fc70b", "f0480fba2b05"};
	struct emul_ops racing = all_ops;

	(void)state;
	racing.read = lose_race;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		reset();
		assert_int_equal(execute(forms[i]), 0);
		assert_int_equal(guest.exchanges, 1);
		assert_int_equal(guest.reads_for_write, 1);

		reset();
		guest.ctx.ops = &racing;
		assert_int_equal(execute(forms[i]), -EAGAIN);
		assert_int_equal(guest.writes, 0);
		assert_int_equal(guest.ctx.rip, START_RIP);
	}
}

/* Only what is written is read for writing: reading needs no right to write. */
static void reads_say_what_for(void **state)
{
	static const struct {
		const char *code;
		unsigned reads, for_write, writes;
	} forms[] = {
		{"8b03", 1, 0, 0},     {"8903", 0, 0, 1}, {"0103", 1, 1, 1},
		{"3903", 1, 0, 0},     {"8503", 1, 0, 0}, {"0fba2301", 1, 0, 0},
		{"0fba2b01", 1, 1, 1}, {"ff33", 1, 0, 1}, {"0fb10b", 1, 1, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		reset();
		assert_int_equal(execute(forms[i].code), 0);
		assert_int_equal(guest.reads, forms[i].reads);
		assert_int_equal(guest.reads_for_write, forms[i].for_write);
		assert_int_equal(guest.writes, forms[i].writes);
	}
}

static void rep_is_bounded_and_goes_on(void **state)
{
	const unsigned count = 2 * EMUL_REP_MAX + 7;

	(void)state;
	reset();
	guest.gpr[EMUL_RCX] = count;
	guest.gpr[EMUL_RDI] = 0x4000;
	guest.gpr[EMUL_RAX] = 0xee;
	for (unsigned left = count; left > EMUL_REP_MAX; left -= EMUL_REP_MAX) {
		guest.ctx.rflags &= ~(uint64_t)RF;
		assert_int_equal(execute("f3aa"), 0);
		assert_int_equal(guest.ctx.rip, START_RIP);
		assert_int_equal(guest.gpr[EMUL_RCX], left - EMUL_REP_MAX);
		assert_true(guest.ctx.rflags & RF);
	}
	assert_int_equal(execute("f3aa"), 0);
	assert_int_equal(guest.ctx.rip, START_RIP + 2);
	assert_int_equal(guest.gpr[EMUL_RCX], 0);
	assert_int_equal(guest.gpr[EMUL_RDI], 0x4000 + count);
	assert_int_equal(guest.ctx.rflags & RF, 0);
	assert_int_equal(guest.memory[0x4000 + count - 1], 0xee);
	assert_int_equal(guest.memory[0x4000 + count], (0x4000 + count) % 251);
}

/* A count that ends just at the bound is done, not to be continued. */
static void rep_of_just_the_bound_is_done(void **state)
{
	(void)state;
	reset();
	guest.gpr[EMUL_RCX] = EMUL_REP_MAX;
	assert_int_equal(execute("f3aa"), 0);
	assert_int_equal(guest.ctx.rip, START_RIP + 2);
	assert_int_equal(guest.gpr[EMUL_RCX], 0);
}

static void rep_stops_at_a_fault(void **state)
{
	(void)state;
	reset();
	guest.gpr[EMUL_RCX] = 10;
	guest.fail_at = 8; /* the fourth iteration's write */
	guest.fail_how = -EFAULT;
	assert_int_equal(execute("f3a5"), -EFAULT);
	assert_int_equal(guest.ctx.rip, START_RIP);
	assert_int_equal(guest.gpr[EMUL_RCX], 7);
	assert_int_equal(guest.gpr[EMUL_RSI], 0x1600 + 12);
	assert_int_equal(guest.gpr[EMUL_RDI], 0x1700 + 12);
	assert_int_equal(guest.writes, 3);
}

static void string_io_moves_data(void **state)
{
	(void)state;
	reset();
	guest.gpr[EMUL_RCX] = 5;
	guest.gpr[EMUL_RDX] = 0xabc001f0;
	assert_int_equal(execute("f3666d"), 0); /* rep insw */
	assert_int_equal(guest.port, 0x1f0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(guest.memory[0x1700 + i], i + 1);
	assert_int_equal(guest.gpr[EMUL_RDI], 0x170a);
	assert_int_equal(guest.gpr[EMUL_RCX], 0);

	reset();
	guest.gpr[EMUL_RCX] = 3;
	guest.ctx.rflags |= DF;
	assert_int_equal(execute("f3486f"), 0); /* rep outsd; REX.W doesn't widen a port */
	assert_int_equal(guest.outs, 3);
	assert_int_equal(guest.out_bytes, 12);
	assert_memory_equal(guest.out, &guest.memory[0x1600], 4);
	assert_memory_equal(guest.out + 8, &guest.memory[0x1600 - 8], 4);
	assert_int_equal(guest.gpr[EMUL_RSI], 0x1600 - 12);

	reset();
	assert_int_equal(execute("646e"), 0); /* outsb from fs */
	assert_int_equal(guest.out[0], guest.memory[0x1700]);
}

static int refuse_read(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
		       enum emul_access access)
{
	(void)ctx, (void)linear, (void)value, (void)bytes;
	return access == EMUL_READ_FOR_WRITE ? -EFAULT : 0;
}

static int refuse_write(struct emul_ctx *ctx, uint64_t linear, const void *value,
			unsigned bytes)
{
	(void)ctx, (void)linear, (void)value, (void)bytes;
	return -EFAULT;
}

/* A port is read only when the datum has a place to go to. */
static void ins_loses_nothing(void **state)
{
	struct emul_ops read_only = all_ops;

	(void)state;
	read_only.read = refuse_read;
	read_only.write = refuse_write;
	reset();
	guest.ctx.ops = &read_only;
	assert_int_equal(execute("6c"), -EFAULT);
	assert_int_equal(guest.ins, 0);
	reset();
	guest.gpr[EMUL_RDI] = 1ull << 60;
	assert_int_equal(execute("6c"), -EFAULT);
	assert_int_equal(guest.ctx.fault.vector, EMUL_VECTOR_GP);
	assert_int_equal(guest.ins, 0);
}

/* Without the CPU's word that the port is allowed, the CPU is asked. */
static void string_io_needs_permission(void **state)
{
	struct emul_ops ops = all_ops;

	(void)state;
	ops.io_in = NULL;
	ops.io_out = NULL;
	reset();
	guest.ctx.ops = &ops;
	assert_int_equal(execute("f36c"), -EAGAIN);
	assert_int_equal(execute("f36e"), -EAGAIN);
	assert_int_equal(guest.calls, 0);
	assert_int_equal(guest.ctx.rip, START_RIP);
}

static void what_is_not_emulated_says_so(void **state)
{
	static const char *const others[] = {
		"0fa2",	    /* cpuid */
		"f4",	    /* hlt */
		"f7f3",	    /* div ebx */
		"0f6f03",   /* movq mm0, [rbx] */
		"0f1203",   /* movlps xmm0, [rbx] */
		"c5f86f03", /* a VEX form */
		"ff1b",	    /* call far [rbx] */
		"0fae03",   /* fxsave [rbx] */
		"d903",	    /* fld [rbx] */
		"0fc7f0",   /* rdrand eax */
	};
	struct emul_ops no_xmm = all_ops;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		reset();
		assert_int_equal(execute(others[i]), -ENOTSUP);
		assert_int_equal(guest.calls, 0);
		assert_int_equal(guest.ctx.rip, START_RIP);
		assert_int_equal(guest.ctx.rflags, RFLAGS);
	}
	reset();
	no_xmm.read_xmm = NULL;
	no_xmm.write_xmm = NULL;
	guest.ctx.ops = &no_xmm;
	assert_int_equal(execute("0f1003"), -ENOTSUP);
	assert_int_equal(execute("0f1103"), -ENOTSUP);
}

static void aligned_moves_must_be(void **state)
{
	static const char *const aligned[] = {"0f2803",	  "660f2803",  "0f2903",   "660f2903",
					      "0f2b03",	  "660f2b03",  "660f6f03", "660f7f03",
					      "660fe703", "660f382a03"};
	static const char *const others[] = {"0f1003",	 "660f1003", "0f1103",	 "660f1103",
					     "f30f6f03", "f30f7f03", "f20ff003", "f30f7e03"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(aligned); i++) {
		reset();
		assert_int_equal(execute(aligned[i]), 0);
		reset();
		guest.gpr[EMUL_RBX] += 8;
		assert_int_equal(execute(aligned[i]), -EFAULT);
		assert_int_equal(guest.ctx.fault.vector, EMUL_VECTOR_GP);
		assert_int_equal(guest.calls, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		reset();
		guest.gpr[EMUL_RBX] += 8;
		assert_int_equal(execute(others[i]), 0);
	}
}

/* RIP keeps to its width when the instruction is the last below 4 GiB. */
static void rip_wraps_outside_of_64_bit_mode(void **state)
{
	(void)state;
	reset();
	guest.ctx.rip = UINT32_MAX - 1;
	assert_int_equal(execute("d1eb"), 0); /* shr ebx, 1: no memory */
	assert_int_equal(guest.ctx.rip, 0x100000000);
	reset();
	guest.ctx.mode = EMUL_MODE_32;
	guest.ctx.rip = UINT32_MAX - 1;
	assert_int_equal(execute("d1eb"), 0);
	assert_int_equal(guest.ctx.rip, 0);
	assert_int_equal(guest.gpr[EMUL_RBX], 0x980);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_change_nothing),
		cmocka_unit_test(atomic_forms_are_atomic),
		cmocka_unit_test(reads_say_what_for),
		cmocka_unit_test(rep_is_bounded_and_goes_on),
		cmocka_unit_test(rep_of_just_the_bound_is_done),
		cmocka_unit_test(rep_stops_at_a_fault),
		cmocka_unit_test(string_io_moves_data),
		cmocka_unit_test(ins_loses_nothing),
		cmocka_unit_test(string_io_needs_permission),
		cmocka_unit_test(what_is_not_emulated_says_so),
		cmocka_unit_test(aligned_moves_must_be),
		cmocka_unit_test(rip_wraps_outside_of_64_bit_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
