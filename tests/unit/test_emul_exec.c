/*
 * How the emulator treats its caller: errors leave the guest as it was, atomic forms stay
 * atomic, what isn't emulated is refused. Results are in test_emul_cases.c and
 * test_emul_native.c; strings in test_emul_string.c.
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

#include "tests/unit/emul_guest.h"

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
	"0faf03",     /* imul eax, [rbx] */
	"0f0003",     /* sldt [rbx] */
	"0f0123",     /* smsw [rbx] */
	"0f0103",     /* sgdt [rbx] */
	"8c1b",	      /* mov [rbx], ds */
	"f723",	      /* mul [rbx] */
	"f733",	      /* div [rbx] */
	"f73b",	      /* idiv [rbx] */
	"0fbc03",     /* bsf eax, [rbx] */
	"f30fb803",   /* popcnt eax, [rbx] */
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

static void what_is_not_emulated_says_so(void **state)
{
	static const char *const others[] = {
		"0fa2",	    /* cpuid */
		"f4",	    /* hlt */
		"0fa503",   /* shld [rbx], eax, cl */
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

/* Selectors and the status word are 2 bytes in memory, whatever the operand size says. */
static void system_registers_are_stored(void **state)
{
	static const struct {
		const char *code;
		unsigned bytes;
		unsigned which;
	} cases[] = {
		{"8c03", 2, EMUL_ES},	   {"488c2b", 2, EMUL_GS},    {"0f0003", 2, EMUL_LDTR},
		{"0f000b", 2, EMUL_TR},	   {"0f0123", 2, EMUL_MSW},   {"480f0123", 2, EMUL_MSW},
		{"0f0103", 10, EMUL_GDTR}, {"0f010b", 10, EMUL_IDTR},
	};
	uint8_t expected[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint16_t word = (uint16_t)(0x1100 + cases[i].which);
		uint64_t base = 0xffff800012345000 + cases[i].which;

		reset();
		memset(&guest.memory[guest.gpr[EMUL_RBX]], 0xee, 16);
		memset(expected, 0xee, sizeof expected);
		if (cases[i].which == EMUL_MSW)
			word = (uint16_t)base;
		memcpy(expected, &word, 2);
		memcpy(expected + 2, &base, cases[i].bytes - 2);
		assert_int_equal(execute(cases[i].code), 0);
		assert_memory_equal(&guest.memory[guest.gpr[EMUL_RBX]], expected, 16);
		assert_int_equal(guest.writes, 1);
	}
}

/* A limit with 8 bytes of base, or two bytes of CR0, whatever the operand size says; nothing is
 * loaded where a part cannot be read. */
static void system_registers_are_loaded(void **state)
{
	static const struct {
		const char *code;
		unsigned which, calls;
		bool has_base;
	} cases[] = {
		{"0f0113", EMUL_GDTR, 3, true},	  {"0f011b", EMUL_IDTR, 3, true},
		{"660f0113", EMUL_GDTR, 3, true}, {"0f0133", EMUL_MSW, 2, false},
		{"480f0133", EMUL_MSW, 2, false},
	};
	const uint64_t base = 0xffff800012345000;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned fails = 0; fails <= cases[i].calls; fails++) {
			uint8_t *at;

			reset();
			at = &guest.memory[guest.gpr[EMUL_RBX]];
			memcpy(at, "\x7f\x01", 2);
			memcpy(at + 2, &base, 8);
			guest.fail_at = fails;
			guest.fail_how = -EFAULT;
			assert_int_equal(execute(cases[i].code), fails ? -EFAULT : 0);
			assert_int_equal(guest.loaded, fails ? 0 : cases[i].which);
			assert_int_equal(guest.loaded_word, fails ? 0 : 0x17f);
			assert_int_equal(guest.loaded_base,
					 !fails && cases[i].has_base ? base : 0);
			assert_int_equal(guest.ctx.rip == START_RIP, fails != 0);
		}
	}
	reset(); /* all of the operand must be where one may lie, before any of it is read */
	guest.gpr[EMUL_RBX] = 0x00007ffffffffff8;
	assert_int_equal(execute("0f0113"), -EFAULT);
	assert_int_equal(guest.ctx.fault.vector, VECTOR_GP);
	assert_int_equal(guest.calls, 0);
}

/* Where UMIP is not the CPU's own, those with a register exit as well: selectors with zeroes
 * above them, CR0 as much of it as there is room for (APM vol. 3 SLDT, STR, SMSW, MOV CRn). */
static void system_registers_in_registers(void **state)
{
	const uint64_t old = 0x5555555555555555, base = 0xffff800012345000;
	const struct {
		const char *code;
		uint64_t value;
	} cases[] = {
		{"0f00c1", 0x1100 + EMUL_LDTR},
		{"480f00c9", 0x1100 + EMUL_TR},
		{"660f00c1", (old & ~0xffffull) | (0x1100 + EMUL_LDTR)},
		{"0f01e1", (uint32_t)base + EMUL_MSW},
		{"480f01e1", base + EMUL_MSW},
		{"660f01e1", (old & ~0xffffull) | (uint16_t)(base + EMUL_MSW)},
		{"0f20c1", base + EMUL_CR0},
		{"0f20e1", base + EMUL_CR0 + 4},
		{"660f20e1", base + EMUL_CR0 + 4}, /* no operand size but the mode's */
		{"0f2021", base + EMUL_CR0 + 4},   /* a register, whatever mod says */
		{"440f20c1", base + EMUL_CR0 + 8},
		{"f00f20c1", base + EMUL_CR0 + 8}, /* CR8, on AMD */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		reset();
		guest.gpr[EMUL_RCX] = old;
		assert_int_equal(execute(cases[i].code), 0);
		assert_int_equal(guest.gpr[EMUL_RCX], cases[i].value);
		reset();
		guest.gpr[EMUL_RCX] = old;
		guest.fail_at = 1; /* who is not allowed to read it gets nothing */
		guest.fail_how = -EFAULT;
		assert_int_equal(execute(cases[i].code), -EFAULT);
		assert_int_equal(guest.gpr[EMUL_RCX], old);
		assert_int_equal(guest.ctx.rip, START_RIP);
	}
	reset(); /* nor in memory, which is not even looked at */
	guest.fail_at = 1;
	guest.fail_how = -EFAULT;
	assert_int_equal(execute("0f0103"), -EFAULT);
	assert_int_equal(guest.calls, 1);
}

static const char *const not_to_memory[] = {"8cd8",   "0f00c0", "0f01e0", "0f01c1", "0f0003",
					    "0f20c0", "0f0113", "0f01d3", "0f01f3"};

/* MOV from a segment register to another never exits; nor can any be done without a caller who
 * knows the registers. */
static void but_not_to_registers(void **state)
{
	struct emul_ops none = all_ops;

	(void)state;
	none.system = NULL;
	none.load_system = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(not_to_memory); i++) {
		reset();
		guest.ctx.ops = &none;
		assert_int_equal(execute(not_to_memory[i]), -ENOTSUP);
		assert_int_equal(guest.writes, 0);
	}
}

/* #DE has no error code; the operand has been read, nothing has changed. */
static void divisions_fail(void **state)
{
	static const struct {
		const char *code;
		uint64_t high, low, divisor;
		bool fails;
	} cases[] = {
		{"f633", 0, 0x1234, 0, true},	 /* div byte by 0 */
		{"f633", 0, 0x1234, 0x12, true}, /* 256 and more */
		{"f633", 0, 0x1234, 0x13, false},
		{"f733", 7, 0, 7, true}, /* div dword */
		{"f733", 6, 0xffffffff, 7, false},
		{"48f733", 1, 0, 1, true}, /* div qword */
		{"48f733", 0, 5, 0, true},
		{"48f733", 1ull << 63, 5, UINT64_MAX, false},
		{"f63b", 0, 0x80, 1, true},	 /* idiv byte: 128 */
		{"f63b", 0, 0x80, 0xff, false},	 /* -128 */
		{"f63b", 0, 0xff80, 0xff, true}, /* -128 / -1 */
		{"f63b", 0, 0xff80, 0, true},
		{"f73b", 0xffffffff, 0x80000000, 0xffffffff, true},
		{"f73b", 0xffffffff, 0x80000000, 1, false},
		{"48f73b", UINT64_MAX, 1ull << 63, UINT64_MAX, true},
		{"48f73b", UINT64_MAX, 1ull << 63, 1, false},
		{"48f73b", 1ull << 63, 0, 1ull << 63, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		reset();
		guest.gpr[EMUL_RAX] = cases[i].low;
		guest.gpr[EMUL_RDX] = cases[i].high;
		memcpy(&guest.memory[guest.gpr[EMUL_RBX]], &cases[i].divisor, 8);
		assert_int_equal(execute(cases[i].code), cases[i].fails ? -EFAULT : 0);
		assert_int_equal(guest.reads, 1);
		if (!cases[i].fails)
			continue;
		assert_int_equal(guest.ctx.fault.vector, VECTOR_DE);
		assert_false(guest.ctx.fault.has_error);
		assert_int_equal(guest.gpr[EMUL_RAX], cases[i].low);
		assert_int_equal(guest.gpr[EMUL_RDX], cases[i].high);
		assert_int_equal(guest.ctx.rip, START_RIP);
	}
}

/* A scan for nothing leaves the register alone. */
static void scans_find_nothing(void **state)
{
	static const char *const scans[] = {"480fbc03", "480fbd03", "0fbc03"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scans); i++) {
		reset();
		memset(&guest.memory[guest.gpr[EMUL_RBX]], 0, 8);
		guest.gpr[EMUL_RAX] = UINT64_MAX;
		guest.ctx.rflags = 2;
		assert_int_equal(execute(scans[i]), 0);
		assert_int_equal(guest.gpr[EMUL_RAX], UINT64_MAX);
		assert_int_equal(guest.ctx.rflags, 2 | ZF);
	}
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
		assert_int_equal(guest.ctx.fault.vector, VECTOR_GP);
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
		cmocka_unit_test(what_is_not_emulated_says_so),
		cmocka_unit_test(system_registers_are_stored),
		cmocka_unit_test(system_registers_are_loaded),
		cmocka_unit_test(system_registers_in_registers),
		cmocka_unit_test(but_not_to_registers),
		cmocka_unit_test(divisions_fail),
		cmocka_unit_test(scans_find_nothing),
		cmocka_unit_test(aligned_moves_must_be),
		cmocka_unit_test(rip_wraps_outside_of_64_bit_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
