/*
 * The emulator against the build machine's own CPU, in 64-bit mode: each instruction is run
 * with random operands by both, and registers, flags, memory and XMM must agree.
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
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/vmm/emul/emul.h"
#include "tests/unit/emul_forms.h"
#include "tests/unit/emul_native.h"
#include "tests/unit/emul_trial.h"

#define TRIALS	    1500u
#define ARCH_SET_GS 0x1001

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

static bool cpu_has(enum extension extension)
{
	switch (extension) {
	case MOVBE: return __builtin_cpu_supports("movbe");
	case POPCNT: return __builtin_cpu_supports("popcnt");
	case LZCNT: return __builtin_cpu_supports("lzcnt");
	case BMI: return __builtin_cpu_supports("bmi");
	default: return true;
	}
}

static void forms_agree_with_cpu(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (!cpu_has(forms[i].extension))
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
