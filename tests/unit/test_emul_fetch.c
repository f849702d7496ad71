/*
 * Bringing instructions to the decoder, page by page, and what the decoder says of bytes that
 * aren't one. Lengths of those that are: test_emul_length.c.
 */
/* links: kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c kernel/vmm/emul/fetch.c */
/* links: kernel/vmm/emul/operand.c kernel/vmm/emul/tables.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/vmm/emul/emul.h"

static unsigned parse(const char *hex, uint8_t code[16])
{
	unsigned count = 0;

	memset(code, 0x90, 16);
	for (; hex[2 * count]; count++)
		assert_int_equal(sscanf(&hex[2 * count], "%2hhx", &code[count]), 1);
	return count;
}

static void illegal_instructions(void **state)
{
	static const struct {
		enum emul_mode mode;
		const char *code;
		int err;
	} cases[] = {
		/* LOCK: only where memory is modified */
		{EMUL_MODE_64, "f08903", -EINVAL},
		{EMUL_MODE_64, "f00303", -EINVAL},
		{EMUL_MODE_64, "f001c3", -EINVAL},
		{EMUL_MODE_64, "f03903", -EINVAL},
		{EMUL_MODE_64, "f0833b01", -EINVAL},
		{EMUL_MODE_64, "f00fa303", -EINVAL},
		{EMUL_MODE_64, "f00fba2301", -EINVAL},
		{EMUL_MODE_64, "f0d103", -EINVAL},
		{EMUL_MODE_64, "f0ff33", -EINVAL},
		{EMUL_MODE_64, "f0a4", -EINVAL},
		{EMUL_MODE_64, "f0f60301", -EINVAL},
		{EMUL_MODE_64, "f00fa2", -EINVAL},
		{EMUL_MODE_64, "f0f613", 0},
		{EMUL_MODE_64, "f08703", 0},
		{EMUL_MODE_64, "f00fc70b", 0},
		{EMUL_MODE_32, "f00f20c0", 0}, /* CR8 on AMD */
		/* not in 64-bit mode */
		{EMUL_MODE_64, "06", -EINVAL},
		{EMUL_MODE_64, "60", -EINVAL},
		{EMUL_MODE_64, "820301", -EINVAL},
		{EMUL_MODE_64, "9a112233445566", -EINVAL},
		{EMUL_MODE_64, "d400", -EINVAL},
		{EMUL_MODE_64, "ea112233445566", -EINVAL},
		{EMUL_MODE_32, "06", 0},
		{EMUL_MODE_32, "820301", 0},
		{EMUL_MODE_32, "40", 0},
		/* holes in the groups and maps */
		{EMUL_MODE_64, "8f0b", -EINVAL},
		{EMUL_MODE_64, "c60b01", -EINVAL},
		{EMUL_MODE_64, "fe13", -EINVAL},
		{EMUL_MODE_64, "ff3b", -EINVAL},
		{EMUL_MODE_64, "0fba0301", -EINVAL},
		{EMUL_MODE_64, "0f04", -EINVAL},
		{EMUL_MODE_64, "0f3f", -EINVAL},
		/* VEX after what it excludes, or to no map */
		{EMUL_MODE_64, "66c5f877", -EINVAL},
		{EMUL_MODE_64, "48c5f877", -EINVAL},
		{EMUL_MODE_64, "f0c5f877", -EINVAL},
		{EMUL_MODE_64, "c4e4791000", -EINVAL},
		{EMUL_MODE_64, "c5f877", 0},
		/* as long as can be, and longer */
		{EMUL_MODE_64, "666666666666666666666666668b03", 0},
		{EMUL_MODE_64, "66666666666666666666666666668b03", -E2BIG},
		{EMUL_MODE_64, "66666666666666666666666666666666", -E2BIG},
		{EMUL_MODE_64, "66666666666666666666666681042500", -E2BIG},
	};
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct emul_insn insn;
		uint8_t code[16];
		unsigned count = parse(cases[i].code, code);
		int err = emul_decode(&insn, cases[i].mode, code, count);

		if (err != cases[i].err || (!err && insn.length != count)) {
			print_message("%s: %d\n", cases[i].code, err);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* What a caller that checks an exit's instruction looks at. */
static void opcodes_are_told(void **state)
{
	static const struct {
		const char *code;
		unsigned opcode, modrm, op_bytes;
	} cases[] = {
		{"0fa2", EMUL_OPCODE(1, 0xa2), 0, 4},	     /* cpuid */
		{"f30f01d9", EMUL_OPCODE(1, 0x01), 0xd9, 4}, /* vmmcall, prefixed */
		{"0f01d1", EMUL_OPCODE(1, 0x01), 0xd1, 4},   /* xsetbv */
		{"f4", EMUL_OPCODE(0, 0xf4), 0, 4},	     /* hlt */
		{"660f30", EMUL_OPCODE(1, 0x30), 0, 2},	     /* wrmsr */
		{"48660f30", EMUL_OPCODE(1, 0x30), 0, 2},    /* REX is void before a prefix */
		{"66480f30", EMUL_OPCODE(1, 0x30), 0, 8},
		{"ec", EMUL_OPCODE(0, 0xec), 0, 1},	     /* in al, dx */
		{"66e564", EMUL_OPCODE(0, 0xe5), 0, 2},	     /* in ax, 0x64 */
		{"440f22c0", EMUL_OPCODE(1, 0x22), 0xc0, 4}, /* mov cr8, rax */
		{"0f2203", EMUL_OPCODE(1, 0x22), 0x03, 4},   /* mov cr0, rbx: mod is ignored */
		{"0f38f003", EMUL_OPCODE(2, 0xf0), 0x03, 4},
		{"660f3a0fc308", EMUL_OPCODE(3, 0x0f), 0xc3, 2},
		{"cd80", EMUL_OPCODE(0, 0xcd), 0, 4},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct emul_insn insn;
		uint8_t code[16];
		unsigned count = parse(cases[i].code, code);

		assert_int_equal(emul_decode(&insn, EMUL_MODE_64, code, 15), 0);
		assert_int_equal(insn.length, count);
		assert_int_equal(insn.opcode, cases[i].opcode);
		assert_int_equal(insn.modrm, cases[i].modrm);
		assert_int_equal(insn.op_bytes, cases[i].op_bytes);
	}
}

/* A guest whose code is at one linear address, and what was fetched of it. */
static struct {
	uint8_t code[16];
	uint64_t linear; /* of code[0] */
	uint64_t fails_from;
	struct emul_seg cs;
	unsigned fetches;
	uint64_t last;
	unsigned last_bytes;
} guest;

static int op_fetch(struct emul_ctx *ctx, uint64_t linear, void *insn, unsigned bytes)
{
	guest.fetches++;
	guest.last = linear;
	guest.last_bytes = bytes;
	assert_true(linear >= guest.linear && linear + bytes <= guest.linear + EMUL_INSN_MAX);
	assert_int_equal(linear / PAGE_BYTES, (linear + bytes - 1) / PAGE_BYTES);
	if (linear >= guest.fails_from) {
		ctx->fault = (struct emul_fault){.vector = VECTOR_PF,
						 .has_error = true,
						 .error = 0x10,
						 .address = linear};
		return -EFAULT;
	}
	memcpy(insn, &guest.code[linear - guest.linear], bytes);
	return 0;
}

static void op_segment(struct emul_ctx *ctx, enum emul_segment which, struct emul_seg *seg)
{
	(void)ctx;
	assert_int_equal(which, EMUL_CS);
	*seg = guest.cs;
}

static const struct emul_ops ops = {.fetch = op_fetch, .segment = op_segment};

static struct emul_ctx start(const char *hex, uint64_t rip, enum emul_mode mode)
{
	memset(&guest, 0, sizeof(guest));
	parse(hex, guest.code);
	guest.linear = rip;
	guest.fails_from = UINT64_MAX;
	guest.cs.limit = UINT32_MAX;
	return (struct emul_ctx){.rip = rip,
				 .mode = mode,
				 .protected_mode = true,
				 .linear_bits = 48,
				 .ops = &ops};
}

static void the_next_page_waits(void **state)
{
	struct emul_ctx ctx = start("8b8010000000", 0x401ffa, EMUL_MODE_64);
	struct emul_insn insn;

	(void)state;
	guest.fails_from = 0x402000;
	assert_int_equal(emul_fetch(&ctx, &insn), 0); /* ends with the page */
	assert_int_equal(insn.length, 6);
	assert_int_equal(guest.fetches, 1);
	assert_int_equal(ctx.bytes_valid, 6);
	assert_memory_equal(ctx.bytes, guest.code, 6);

	ctx = start("8b8010000000", 0x401ffb, EMUL_MODE_64);
	guest.fails_from = 0x402000;
	assert_int_equal(emul_fetch(&ctx, &insn), -EFAULT); /* its last byte is beyond */
	assert_int_equal(ctx.fault.vector, VECTOR_PF);
	assert_int_equal(ctx.fault.address, 0x402000);
	assert_int_equal(ctx.bytes_valid, 5);

	guest.fails_from = UINT64_MAX; /* and goes on once it is there */
	assert_int_equal(emul_fetch(&ctx, &insn), 0);
	assert_int_equal(insn.length, 6);
	assert_int_equal(guest.last, 0x402000);
	assert_int_equal(guest.last_bytes, 10);
	assert_int_equal(ctx.bytes_valid, EMUL_INSN_MAX);
}

static void known_bytes_are_not_fetched(void **state)
{
	struct emul_ctx ctx = start("8b8010000000", 0x401000, EMUL_MODE_64);
	struct emul_insn insn;

	(void)state;
	memcpy(ctx.bytes, guest.code, EMUL_INSN_MAX);
	ctx.bytes_valid = EMUL_INSN_MAX;
	assert_int_equal(emul_fetch(&ctx, &insn), 0);
	assert_int_equal(insn.length, 6);
	assert_int_equal(guest.fetches, 0);

	ctx.bytes_valid = 3; /* too few of them */
	assert_int_equal(emul_fetch(&ctx, &insn), 0);
	assert_int_equal(guest.fetches, 1);
	assert_int_equal(guest.last, 0x401003);
	assert_int_equal(guest.last_bytes, 12);
}

static void illegal_bytes_become_faults(void **state)
{
	struct emul_ctx ctx = start("f08903", 0x401000, EMUL_MODE_64);
	struct emul_insn insn;

	(void)state;
	assert_int_equal(emul_fetch(&ctx, &insn), -EFAULT);
	assert_int_equal(ctx.fault.vector, VECTOR_UD);
	assert_false(ctx.fault.has_error);

	ctx = start("6666666666666666666666666666668b", 0x401000, EMUL_MODE_64);
	assert_int_equal(emul_fetch(&ctx, &insn), -EFAULT);
	assert_int_equal(ctx.fault.vector, VECTOR_GP);
	assert_true(ctx.fault.has_error);
	assert_int_equal(ctx.fault.error, 0);
}

static void code_has_limits(void **state)
{
	struct emul_ctx ctx = start("8b03", 0x800000000000, EMUL_MODE_64);
	struct emul_insn insn;

	(void)state;
	assert_int_equal(emul_fetch(&ctx, &insn), -EFAULT);
	assert_int_equal(ctx.fault.vector, VECTOR_GP);
	assert_int_equal(guest.fetches, 0);

	ctx = start("8b03", 0x1234, EMUL_MODE_16); /* ends with the segment */
	guest.cs = (struct emul_seg){.base = 0xffff0000, .limit = 0x1235};
	guest.linear += 0xffff0000;
	assert_int_equal(emul_fetch(&ctx, &insn), 0);
	assert_int_equal(insn.length, 2);
	assert_int_equal(guest.last, 0xffff1234);
	assert_int_equal(guest.last_bytes, 2);

	ctx = start("8b03", 0x1234, EMUL_MODE_32); /* its second byte is beyond */
	guest.cs.limit = 0x1234;
	assert_int_equal(emul_fetch(&ctx, &insn), -EFAULT);
	assert_int_equal(ctx.fault.vector, VECTOR_GP);
	assert_int_equal(guest.fetches, 1);
	assert_int_equal(guest.last_bytes, 1);

	ctx = start("8b03", 0x1234, EMUL_MODE_16);
	guest.cs.limit = 0xff;
	ctx.protected_mode = false;
	assert_int_equal(emul_fetch(&ctx, &insn), -EFAULT);
	assert_int_equal(guest.fetches, 0);
	assert_false(ctx.fault.has_error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(illegal_instructions),
		cmocka_unit_test(opcodes_are_told),
		cmocka_unit_test(the_next_page_waits),
		cmocka_unit_test(known_bytes_are_not_fetched),
		cmocka_unit_test(illegal_bytes_become_faults),
		cmocka_unit_test(code_has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
