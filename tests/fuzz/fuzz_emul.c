/*
 * The decoder and emulator on any bytes in any state: nothing is read beyond what is there, an
 * error changes nothing, and all addresses that reach the caller are legal ones.
 */
/* links: kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c kernel/vmm/emul/exec.c */
/* links: kernel/vmm/emul/fetch.c kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c */
/* links: kernel/vmm/emul/muldiv.c kernel/vmm/emul/string.c kernel/vmm/emul/tables.c */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/vmm/emul/emul.h"

#define REQUIRE(condition)                \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

/* What the fuzzer chooses, ahead of the instruction's bytes. */
struct setup {
	uint8_t mode;
	uint8_t options;
	uint8_t bytes_valid;
	uint8_t fail_at; /* the number of the call that fails */
	uint8_t fail_how;
	uint8_t registers; /* which of the patterns below they hold */
	uint16_t rflags;
	uint64_t seed;
};

#define OPTION_REAL    0x01
#define OPTION_NO_XMM  0x02
#define OPTION_NO_IO   0x04
#define OPTION_LA57    0x08
#define OPTION_SEGMENT 0x10 /* segments are random, not flat */

struct guest {
	const uint8_t *insn;
	size_t insn_bytes;
	uint64_t start; /* RIP */
	uint64_t random;
	unsigned calls, writes;
	unsigned fail_at;
	int fail_how;
	uint8_t options;
	uint8_t xmm[16];
};

static uint64_t next(struct guest *guest)
{
	guest->random = guest->random * 6364136223846793005ull + 1442695040888963407ull;
	return guest->random ^ guest->random >> 29;
}

static int fail(struct guest *guest)
{
	return ++guest->calls == guest->fail_at ? guest->fail_how : 0;
}

static bool is_canonical(const struct emul_ctx *ctx, uint64_t linear)
{
	int64_t sign = (int64_t)linear >> (ctx->linear_bits - 1);

	return sign == 0 || sign == -1;
}

static void check_access(const struct emul_ctx *ctx, uint64_t linear, unsigned bytes)
{
	REQUIRE(bytes <= 16 && (bytes & (bytes - 1)) == 0 && bytes);
	if (ctx->mode == EMUL_MODE_64)
		REQUIRE(is_canonical(ctx, linear) && is_canonical(ctx, linear + bytes - 1));
	else
		REQUIRE(linear <= UINT32_MAX);
}

static int op_read(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
		   enum emul_access access)
{
	struct guest *guest = ctx->opaque;
	uint64_t data[2] = {next(guest), next(guest)};
	int err = fail(guest);

	(void)access;
	check_access(ctx, linear, bytes);
	if (!err)
		memcpy(value, data, bytes);
	return err;
}

static int op_write(struct emul_ctx *ctx, uint64_t linear, const void *value, unsigned bytes)
{
	struct guest *guest = ctx->opaque;
	uint8_t data[16];
	int err = fail(guest);

	check_access(ctx, linear, bytes);
	memcpy(data, value, bytes);
	guest->writes += !err;
	return err;
}

static int op_compare_exchange(struct emul_ctx *ctx, uint64_t linear, const void *expected,
			       const void *desired, unsigned bytes)
{
	uint8_t data[16];

	memcpy(data, expected, bytes);
	return op_write(ctx, linear, desired, bytes);
}

static int op_fetch(struct emul_ctx *ctx, uint64_t linear, void *insn, unsigned bytes)
{
	struct guest *guest = ctx->opaque;
	uint8_t *to = insn;

	REQUIRE(bytes >= 1 && bytes <= EMUL_INSN_MAX);
	REQUIRE(linear / PAGE_BYTES == (linear + bytes - 1) / PAGE_BYTES);
	for (unsigned i = 0; i < bytes; i++) {
		size_t at = ctx->bytes_valid + i;

		to[i] = at < guest->insn_bytes ? guest->insn[at] : 0;
	}
	return 0;
}

static void op_segment(struct emul_ctx *ctx, enum emul_segment which, struct emul_seg *seg)
{
	struct guest *guest = ctx->opaque;

	REQUIRE(which <= EMUL_GS);
	*seg = (struct emul_seg){.limit = UINT32_MAX,
				 .access = which == EMUL_CS ? 0x49b : 0x493};
	if (guest->options & OPTION_SEGMENT) {
		seg->base = next(guest);
		seg->limit = next(guest) >> (next(guest) % 32);
		seg->access = next(guest);
	}
}

static int op_io_in(struct emul_ctx *ctx, uint16_t port, void *value, unsigned bytes)
{
	REQUIRE(bytes == 1 || bytes == 2 || bytes == 4);
	return op_read(ctx, port, value, bytes, EMUL_READ);
}

static int op_io_out(struct emul_ctx *ctx, uint16_t port, const void *value, unsigned bytes)
{
	REQUIRE(bytes == 1 || bytes == 2 || bytes == 4);
	return op_write(ctx, port, value, bytes);
}

static void op_read_xmm(struct emul_ctx *ctx, unsigned xmm, uint8_t value[16])
{
	REQUIRE(xmm < 16);
	memcpy(value, ((struct guest *)ctx->opaque)->xmm, 16);
}

static void op_write_xmm(struct emul_ctx *ctx, unsigned xmm, const uint8_t value[16])
{
	REQUIRE(xmm < 16);
	memcpy(((struct guest *)ctx->opaque)->xmm, value, 16);
}

/* The bytes in a block of just their size, so that the sanitizer sees one read too many. */
static int decode_exactly(struct emul_insn *insn, enum emul_mode mode, const uint8_t *bytes,
			  size_t count)
{
	uint8_t *block = malloc(count ? count : 1);
	int err;

	REQUIRE(block);
	memcpy(block, bytes, count);
	err = emul_decode(insn, mode, block, count);
	free(block);
	return err;
}

static void check_decode(enum emul_mode mode, const uint8_t *bytes, size_t available)
{
	struct emul_insn insn, again;
	int err = decode_exactly(&insn, mode, bytes, available);

	REQUIRE(err == 0 || err == -ENODATA || err == -E2BIG || err == -EINVAL);
	REQUIRE(err != -ENODATA || available < EMUL_INSN_MAX);
	REQUIRE(err != -E2BIG || available >= EMUL_INSN_MAX);
	if (err)
		return;
	REQUIRE(insn.length >= 1 && insn.length <= EMUL_INSN_MAX && insn.length <= available);
	REQUIRE(insn.op < EMUL_OPS && insn.segment <= EMUL_GS);
	REQUIRE(decode_exactly(&again, mode, bytes, insn.length) == 0);
	REQUIRE(again.length == insn.length && again.op == insn.op);
	REQUIRE(decode_exactly(&again, mode, bytes, insn.length - 1) == -ENODATA);
}

static bool is_string(const struct emul_insn *insn)
{
	return insn->op >= EMUL_MOVS && insn->op <= EMUL_OUTS;
}

static void check_result(const struct emul_ctx *before, const struct emul_ctx *after,
			 const struct emul_insn *insn, int err)
{
	const struct guest *guest = after->opaque;
	uint64_t behind = before->rip + insn->length;
	bool is_branch = insn->op == EMUL_CALL || insn->op == EMUL_JMP;

	if (after->mode != EMUL_MODE_64)
		behind &= UINT32_MAX;
	if (err)
		REQUIRE(after->rip == before->rip);
	else if (!is_branch)
		REQUIRE(after->rip == behind || (is_string(insn) && after->rip == before->rip));
	if (is_string(insn) || !err)
		return;
	REQUIRE(guest->writes == 0);
	REQUIRE(after->rflags == before->rflags);
	REQUIRE(!memcmp(after->gpr, before->gpr, EMUL_GPRS * sizeof(*after->gpr)));
}

static void check_execute(const struct setup *setup, const uint8_t *bytes, size_t available)
{
	static const int errors[] = {-EFAULT, -EAGAIN, -EIO, -ENOTSUP};
	struct guest guest = {
		.insn = bytes,
		.insn_bytes = available,
		.random = setup->seed,
		.fail_at = setup->fail_at,
		.fail_how = errors[setup->fail_how % ARRAY_SIZE(errors)],
		.options = setup->options,
	};
	struct emul_ops ops = {
		.read = op_read,
		.write = op_write,
		.compare_exchange = op_compare_exchange,
		.fetch = op_fetch,
		.segment = op_segment,
	};
	uint64_t gpr[EMUL_GPRS], gpr_before[EMUL_GPRS];
	struct emul_insn insn;
	struct emul_ctx before;
	struct emul_ctx ctx = {
		.gpr = gpr,
		.rip = next(&guest) >> (setup->options & OPTION_REAL ? 48 : 17),
		.rflags = setup->rflags | 2,
		.mode = setup->mode % 3,
		.protected_mode =
			setup->mode % 3 == EMUL_MODE_64 || !(setup->options & OPTION_REAL),
		.linear_bits = setup->options & OPTION_LA57 ? 57 : 48,
		.ops = &ops,
		.opaque = &guest,
	};
	int err;

	if (ctx.mode != EMUL_MODE_64)
		ctx.rip &= UINT32_MAX;
	if (!(setup->options & OPTION_NO_IO)) {
		ops.io_in = op_io_in;
		ops.io_out = op_io_out;
	}
	if (!(setup->options & OPTION_NO_XMM)) {
		ops.read_xmm = op_read_xmm;
		ops.write_xmm = op_write_xmm;
	}
	for (unsigned i = 0; i < EMUL_GPRS; i++)
		gpr[i] = next(&guest) >> (setup->registers + 5 * i) % 64;
	ctx.bytes_valid = MIN(available, (size_t)(setup->bytes_valid % EMUL_INSN_MAX));
	memcpy(ctx.bytes, bytes, ctx.bytes_valid);

	if (emul_fetch(&ctx, &insn))
		return;
	before = ctx;
	before.gpr = gpr_before;
	memcpy(gpr_before, gpr, sizeof(gpr));
	err = emul_execute(&ctx, &insn);
	check_result(&before, &ctx, &insn, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct setup setup;

	if (size < sizeof(setup))
		return 0;
	memcpy(&setup, data, sizeof(setup));
	check_decode(setup.mode % 3, data + sizeof(setup), size - sizeof(setup));
	check_execute(&setup, data + sizeof(setup), size - sizeof(setup));
	return 0;
}
