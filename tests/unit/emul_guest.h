/*
 * A small guest for tests of the emulator, flat in 64-bit mode, that counts what is done to it
 * and can make any call fail. Included once by each test, after cmocka.h.
 */
#ifndef TESTS_UNIT_EMUL_GUEST_H
#define TESTS_UNIT_EMUL_GUEST_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/vmm/emul/emul.h"

#define MEMORY	  0x10000u
#define START_RIP 0xffffffff81000000ull
#define RFLAGS	  0x10046u /* RF, ZF and PF set, so that all changes show */
#define RF	  0x10000u
#define ZF	  0x40u
#define DF	  0x400u

/* The guest, and what the emulator did to it. */
static struct guest {
	uint8_t memory[MEMORY];
	uint64_t gpr[EMUL_GPRS];
	uint8_t xmm[16];
	struct emul_ctx ctx;
	unsigned calls;	  /* of those that can fail */
	unsigned fail_at; /* the number of the one that does, or 0 */
	int fail_how;
	unsigned reads, reads_for_write, writes, exchanges, ins, outs;
	unsigned loaded; /* by load_system() */
	uint16_t loaded_word;
	uint64_t loaded_base;
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

static int op_system(struct emul_ctx *ctx, unsigned which, uint16_t *word, uint64_t *base)
{
	int err = count_call();

	(void)ctx;
	*word = (uint16_t)(0x1100 + which);
	*base = 0xffff800012345000 + which;
	return err;
}

static int op_load_system(struct emul_ctx *ctx, unsigned which, uint16_t word, uint64_t base)
{
	int err = count_call();

	(void)ctx;
	if (err)
		return err;
	guest.loaded = which;
	guest.loaded_word = word;
	guest.loaded_base = base;
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
	.system = op_system,
	.load_system = op_load_system,
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

#endif
