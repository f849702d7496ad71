/*
 * Strings in parts: REP goes on where it stopped, for a fault or for its bound; string I/O
 * loses nothing and asks for permission. What they compute is in test_emul_native.c.
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
	assert_int_equal(guest.ctx.fault.vector, VECTOR_GP);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rep_is_bounded_and_goes_on),
		cmocka_unit_test(rep_of_just_the_bound_is_done),
		cmocka_unit_test(rep_stops_at_a_fault),
		cmocka_unit_test(string_io_moves_data),
		cmocka_unit_test(ins_loses_nothing),
		cmocka_unit_test(string_io_needs_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
