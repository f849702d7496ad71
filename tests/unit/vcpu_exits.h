/* Scenarios of vcpu_scenarios.h: instructions that exit, and exits that end the guest. */
#ifndef TESTS_UNIT_VCPU_EXITS_H
#define TESTS_UNIT_VCPU_EXITS_H

#include "tests/unit/vcpu_script.h"

/* ---- exits ---- */

static void instructions_are_finished(void **state)
{
	static const struct model_insn script[] = {{.op = M_CPUID, .a = 0x40000000},
						   NOTE('a'),
						   DO(M_VMCALL),
						   NOTE('b'),
						   DO(M_WBINVD),
						   NOTE('c'),
						   {.op = M_OUT, .a = 0x80, .b = 1, .bytes = 1},
						   NOTE('d'),
						   {.op = M_IN, .a = 0x81, .bytes = 1},
						   NOTE('e'),
						   {.op = M_RDMSR, .a = 0x10},
						   NOTE('f'),
						   DO(M_PAUSE),
						   NOTE('g'),
						   END};

	(void)state;
	machine_trace(script, "a b c d e f g");
}

static uint64_t seen;

static void see_rax(void)
{
	seen = boot_vcpu()->regs[RAX];
}

/* IN writes as many bytes as it reads; of 4, the upper half is cleared. */
static void port_reads_by_width(void **state)
{
	static const struct {
		unsigned bytes;
		uint64_t rax;
	} cases[] = {{1, 0x11223344556677ff}, {2, 0x112233445566ffff}, {4, 0x00000000ffffffff}};

	(void)state;
	finish(NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct model_insn script[] = {
			{.op = M_IN, .a = 0x81, .bytes = cases[i].bytes}, HOST(see_rax), END};

		restart(NULL);
		machine_trace(script, "");
		assert_int_equal(seen, cases[i].rax);
		finish(NULL);
	}
	restart(NULL);
}

static void instructions_that_fault(void **state)
{
	static const struct model_insn script[] = {WRMSR(0x12345, 0),
						   NOTE('a'),
						   {.op = M_RDMSR, .a = 0x12345},
						   NOTE('b'),
						   DO(M_UNDEFINED),
						   NOTE('c'),
						   DO(M_MONITOR),
						   NOTE('d'),
						   {.op = M_XSETBV, .a = 6},
						   NOTE('e'),
						   {.op = M_XSETBV, .a = 3, .b = 1},
						   NOTE('f'),
						   {.op = M_MOV_CR, .a = 4, .b = BIT(30)},
						   NOTE('g'),
						   END};

	(void)state;
	machine_trace(script, "#13:0 a #13:0 b #6 c #6 d #13:0 e #13:0 f #13:0 g");
}

/* XSETBV is for CPL 0, whoever looks at that. */
static void xsetbv_from_user_code(void **state)
{
	static const struct model_insn script[] = {
		{.op = M_XSETBV, .a = 7}, NOTE('a'), {.op = M_XCR0, .a = 1}, END};
	struct vm *vm = machine_create("guest", 1, NULL);
	struct vcpu_entry entry = model_entry();

	(void)state;
	entry.state.segs[SEG_CS].attributes |= 3 << 5;
	entry.state.segs[SEG_SS].attributes |= 3 << 5;
	model_script(script);
	fake_threads_run();
	vm_start(vm, &entry);
	fake_threads_run();
	assert_string_equal(models[0].trace, "#13:0 a");
	assert_int_equal(vm->stop.kind, VM_STOP_POWEROFF);
	machine_destroy(vm);
}

static void control_registers_by_exit(void **state)
{
	static const struct model_insn script[] = {
		{.op = M_MOV_CR, .a = 4, .b = 0xa0 | BIT(18)},
		NOTE('a'),
		{.op = M_MOV_CR, .a = 0, .b = 0xe0000011},
		NOTE('b'),
		{.op = M_LMSW, .a = 0xf},
		NOTE('c'),
		HOST(see_rax),
		END};

	(void)state;
	machine_trace(script, "a b c");
}

static void string_io_is_emulated(void **state)
{
	static const struct model_insn script[] = {DO(M_INS), NOTE('a'), END};

	(void)state;
	machine_trace(script, "a");
}

static void memory_that_is_not_there_yet(void **state)
{
	static const struct model_insn script[] = {
		{.op = M_TOUCH, .a = 0x5000, .b = VMEXIT_WRITE}, NOTE('a'), END};

	(void)state;
	machine_trace(script, "a");
	assert_int_equal(fake_populates, 1);
}

static void devices_are_emulated(void **state)
{
	static const struct model_insn script[] = {
		{.op = M_TOUCH, .a = 0xd0000000, .b = VMEXIT_WRITE}, NOTE('a'), END};

	(void)state;
	fake_populate_result = -14; /* EFAULT */
	machine_trace(script, "a");
}

/* ---- what ends a guest ---- */

static void ends(const struct model_insn *script, enum vm_stop_kind kind, const char *reason)
{
	struct vm *vm;

	restart(NULL);
	model_script(script);
	vm = machine_create("guest", 1, NULL);
	machine_run(vm);
	assert_int_equal(vm->stop.kind, kind);
	if (!strstr(vm->stop.reason, reason))
		fail_msg("\"%s\" instead of \"%s\"", vm->stop.reason, reason);
	assert_int_equal(fake_stopped, 1);
	machine_destroy(vm);
	finish(NULL);
}

static void what_ends_a_guest(void **state)
{
	static const struct model_insn triple[] = {DO(M_SHUTDOWN), END};
	static const struct model_insn strange[] = {DO(M_STRANGE), END};
	static const struct model_insn init[] = {DO(M_INIT), NOTE('a'), END};

	(void)state;
	finish(NULL);
	ends(triple, VM_STOP_CRASH, "triple fault at RIP 0x100000");
	ends(strange, VM_STOP_CRASH, "unknown exit");
	ends(init, VM_STOP_CRASH, "init exit");
	restart(NULL);
}

static void memory_that_ends_a_guest(void **state)
{
	static const struct {
		int result;
		uint64_t access;
		const char *reason;
	} cases[] = {
		{-12, VMEXIT_READ, "no memory is left"},
		{-14, VMEXIT_READ | MODEL_WALK, "page tables at 0xd0000000"},
		{-14, VMEXIT_FETCH, "executes at 0xd0000000"},
	};
	static const struct model_insn stack[] = {
		X2APIC,	   DO(M_STI),	  {.op = M_NEXT_DELIVERY_FAULTS, .a = 0xd0000000},
		NOTE('a'), HOST(send_41), END};

	(void)state;
	finish(NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct model_insn script[] = {
			{.op = M_TOUCH, .a = 0xd0000000, .b = cases[i].access}, END};

		fake_populate_next = cases[i].result;
		ends(script, VM_STOP_CRASH, cases[i].reason);
	}
	fake_populate_next = -14;
	ends(stack, VM_STOP_CRASH,
	     "delivering vector 65 touches 0xd0000000, which is not RAM (RIP 0x");
	fake_populate_next = 0;
	restart(NULL);
}

#endif
