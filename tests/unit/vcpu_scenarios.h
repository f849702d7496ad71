/*
 * What a guest must see whatever it runs on: in which order events come, which instruction they
 * come before, and whose registers are in the CPU. Each program that includes this has a
 * backend and a `restart()` that makes the machine anew. Traces: letters are instructions that
 * ran, numbers interrupts, #n exceptions, in the order that the guest saw.
 */
#ifndef TESTS_UNIT_VCPU_SCENARIOS_H
#define TESTS_UNIT_VCPU_SCENARIOS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vpic.h"
#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_threads.h"
#include "tests/unit/fake_vmm.h"

static int restart(void **state);
static int finish(void **state);
static void tables_changed(struct vm *vm); /* nested ones: what CPUs have of them is old */

#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, restart, finish)

#define NOTE(c)                        \
	{                              \
		.op = M_NOTE, .a = (c) \
	}
#define HOST(f)                           \
	{                                 \
		.op = M_HOST, .call = (f) \
	}
#define END                 \
	{                   \
		.op = M_END \
	}
#define DO(o)             \
	{                 \
		.op = (o) \
	}
#define WRMSR(msr, value)                               \
	{                                               \
		.op = M_WRMSR, .a = (msr), .b = (value) \
	}
#define X2APIC WRMSR(0x1b, 0xfee00d00), WRMSR(0x80f, 0x1ff)

static struct vcpu *boot_vcpu(void)
{
	return models[0].vcpu;
}

/* From another CPU. */
static void interrupt(unsigned vector)
{
	struct vlapic_message m = {.dest = 0, .vector = (uint8_t)vector};
	unsigned here = fake_cpu->cpu.index;

	fake_cpu_use(1 - here);
	if (vlapic_deliver(boot_vcpu()->vm, &m) != 1)
		model_fail("the interrupt was not taken");
	fake_cpu_use(here);
}

static void send_41(void)
{
	interrupt(0x41);
}

static void send_41_and_61(void)
{
	interrupt(0x41);
	interrupt(0x61);
}

static void send_nmi(void)
{
	vcpu_post(boot_vcpu(), VCPU_REQ_NMI);
}

static bool nmi_sent;

static void send_nmi_once(void)
{
	if (!nmi_sent)
		send_nmi();
	nmi_sent = true;
}

static void send_nmi_and_41(void)
{
	send_nmi();
	interrupt(0x41);
}

/* ---- interrupts ---- */

static void interrupts_wait_for_if(void **state)
{
	static const struct model_insn script[] = {X2APIC,    NOTE('a'), HOST(send_41),
						   NOTE('b'), DO(M_STI), NOTE('c'),
						   NOTE('d'), END};

	(void)state;
	machine_trace(script, "a b c 41 d");
}

static void interrupts_come_at_once(void **state)
{
	static const struct model_insn script[] = {X2APIC,	  DO(M_STI), NOTE('a'),
						   HOST(send_41), NOTE('b'), END};

	(void)state;
	machine_trace(script, "a 41 b");
}

static void interrupts_wait_for_mov_ss(void **state)
{
	static const struct model_insn script[] = {
		X2APIC,	       DO(M_STI),    DO(M_CLI), HOST(send_41), DO(M_STI), NOTE('a'),
		HOST(send_41), DO(M_MOV_SS), NOTE('b'), NOTE('c'),     END};

	(void)state;
	machine_trace(script, "a 41 41 b c");
}

/* The one of the higher class first; the other when that one's handler has ended. */
static void interrupts_by_priority(void **state)
{
	static const struct model_insn script[] = {
		X2APIC, DO(M_STI), NOTE('a'), HOST(send_41_and_61), NOTE('b'), NOTE('c'), END};

	(void)state;
	machine_trace(script, "a 61 41 b c");
}

/* CR8 holds back what is of its class or below, and lets it in when it falls. */
static void cr8_holds_back(void **state)
{
	static const struct model_insn script[] = {X2APIC,
						   DO(M_STI),
						   {.op = M_MOV_CR, .a = 8, .b = 5},
						   HOST(send_41_and_61),
						   NOTE('a'),
						   {.op = M_MOV_CR, .a = 8, .b = 4},
						   NOTE('b'),
						   {.op = M_MOV_CR, .a = 8, .b = 3},
						   NOTE('c'),
						   END};

	(void)state;
	machine_trace(script, "61 a b 41 c");
}

/* An event whose delivery faulted comes when the page is there, and once. */
static void delivery_that_faults(void **state)
{
	static const struct model_insn script[] = {
		X2APIC,	   DO(M_STI),	  {.op = M_NEXT_DELIVERY_FAULTS, .a = 0x7000},
		NOTE('a'), HOST(send_41), NOTE('b'),
		END};

	(void)state;
	machine_trace(script, "a 41 b");
	assert_int_equal(fake_populates, 1);
}

static void nmi_delivery_that_faults(void **state)
{
	static const struct model_insn script[] = {{.op = M_NEXT_DELIVERY_FAULTS, .a = 0x7000},
						   NOTE('a'),
						   HOST(send_nmi),
						   NOTE('b'),
						   HOST(send_nmi),
						   NOTE('c'),
						   END};

	(void)state;
	machine_trace(script, "a nmi b nmi c");
	assert_int_equal(fake_populates, 1);
}

static void exception_delivery_that_faults(void **state)
{
	static const struct model_insn script[] = {
		{.op = M_NEXT_DELIVERY_FAULTS, .a = 0x7000}, WRMSR(0x12345, 0), NOTE('b'), END};

	(void)state;
	machine_trace(script, "#13:0 b");
	assert_int_equal(fake_populates, 1);
}

/* ---- NMIs ---- */

static void nmi_whatever_if_says(void **state)
{
	static const struct model_insn script[] = {NOTE('a'), HOST(send_nmi), NOTE('b'), END};

	(void)state;
	machine_trace(script, "a nmi b");
}

/* One that comes while one is handled waits for its IRET, and for what IRET returns to. */
static void nmi_while_one_is_handled(void **state)
{
	static const struct model_insn handler[] = {NOTE('<'), HOST(send_nmi_once), NOTE('>'),
						    DO(M_IRET)};
	static const struct model_insn script[] = {NOTE('a'), HOST(send_nmi), NOTE('b'),
						   NOTE('c'), END};

	(void)state;
	model_handler(2, handler);
	nmi_sent = false;
	machine_trace(script, "a nmi < > nmi < > b c");
}

static void nmi_before_an_interrupt(void **state)
{
	static const struct model_insn script[] = {
		X2APIC, DO(M_STI), NOTE('a'), HOST(send_nmi_and_41), NOTE('b'), NOTE('c'), END};

	(void)state;
	/* The NMI's handler runs with IF clear: the interrupt follows its IRET. */
	machine_trace(script, "a nmi 41 b c");
}

static void nmi_waits_for_the_shadow(void **state)
{
	static const struct model_insn script[] = {
		X2APIC, HOST(send_nmi_and_41), DO(M_STI), NOTE('a'), NOTE('b'), END};

	(void)state;
	machine_trace(script, "nmi a 41 b");
}

/* An interrupt whose delivery was interrupted goes in first, the NMI behind it. */
static void nmi_behind_an_interrupted_delivery(void **state)
{
	static const struct model_insn script[] = {
		X2APIC,	   DO(M_STI),	  {.op = M_NEXT_DELIVERY_FAULTS, .a = 0x7000},
		NOTE('a'), HOST(send_41), NOTE('b'),
		END};

	(void)state;
	fake_on_populate = send_nmi;
	machine_trace(script, "a 41 nmi b");
}

/* What comes to the host while a guest runs: the guest sees nothing of it. */
static void events_of_the_host(void **state)
{
	static const struct model_insn script[] = {
		DO(M_HOST_NMI), NOTE('a'), DO(M_INTERRUPT), NOTE('b'), DO(M_MACHINE_CHECK),
		NOTE('c'),	END};

	(void)state;
	machine_trace(script, "a b c");
	assert_int_equal(fake_cpu->machine_checks, 1);
}

/* #DB and #AC exit, so that a guest cannot raise them for ever, and go on to the guest. */
static void exceptions_that_exit(void **state)
{
	static const struct model_insn skips[] = {DO(M_SKIP_IRET)};
	static const struct model_insn script[] = {{.op = M_RAISE, .a = 1},
						   NOTE('a'),
						   {.op = M_RAISE, .a = 17},
						   NOTE('b'),
						   {.op = M_RAISE, .a = 13, .b = 0x50},
						   NOTE('c'),
						   END};

	(void)state;
	model_handler(1, skips);
	machine_trace(script, "#1 a #17:0 b #13:50 c");
}

static void raise_page_fault(void)
{
	struct vcpu *vcpu = boot_vcpu();

	if (!vmm_backend->can_inject(vcpu, VMEVENT_EXCEPTION))
		model_fail("an exception is never held back");
	vcpu_raise_page_fault(vcpu, 0x7ff8, 2);
	fake_cpu->cr2 = 0xbad; /* ours: the CPU is shared with the host */
	models[0].host_interrupt = true;
}

static void page_fault_with_cr2(void **state)
{
	static const struct model_insn handler[] = {{.op = M_CR2, .a = 0x7ff8}, DO(M_IRET)};
	static const struct model_insn script[] = {HOST(raise_page_fault), NOTE('a'), END};

	(void)state;
	model_handler(14, handler);
	machine_trace(script, "#14:2 a");
}

/* What comes while an exit interrupts the shadow of STI waits for its end (the models look). */
static void events_in_an_interrupted_shadow(void **state)
{
	static const struct model_insn script[] = {
		X2APIC,
		DO(M_STI),
		{.op = M_TOUCH, .a = 0x5000, .b = VMEXIT_READ},
		NOTE('a'),
		END};

	(void)state;
	fake_on_populate = send_nmi_and_41;
	machine_trace(script, "nmi 41 a");
}

static void make_busy(void)
{
	models[0].host_interrupt = true;
}

static void send_41_to_a_busy_cpu(void)
{
	interrupt(0x41);
	fake_on_irq_disable = make_busy;
}

/* A host interrupt comes when the guest enters with one of its own. */
static void entry_that_ends_at_once(void **state)
{
	static const struct model_insn script[] = {
		X2APIC, DO(M_STI), NOTE('a'), HOST(send_41_to_a_busy_cpu), NOTE('b'), END};

	(void)state;
	machine_trace(script, "a 41 b");
}

/* A step over MOV SS and what follows is one: an exit in between changes nothing of it. */
static void exit_in_a_stepped_shadow(void **state)
{
	static const struct model_insn script[] = {
		DO(M_SET_TF),
		DO(M_MOV_SS),
		{.op = M_TOUCH, .a = 0x5000, .b = VMEXIT_READ},
		NOTE('a'),
		END};

	(void)state;
	machine_trace(script, "#1 a");
}

/* ---- HLT ---- */

static void send_41_later(void)
{
	interrupt(0x41);
	fake_threads_run();
}

static void halt_ends_by_interrupt(void **state)
{
	static const struct model_insn script[] = {X2APIC,    DO(M_STI), NOTE('a'),
						   DO(M_HLT), NOTE('b'), END};
	struct vm *vm = machine_create("guest", 1, NULL);
	struct vcpu *vcpu = vm->vcpus[0];

	(void)state;
	model_script(script);
	machine_run(vm);
	assert_int_equal(vcpu->state, VCPU_HALTED);
	assert_int_equal(vcpu->counters.halts, 1);
	assert_string_equal(models[0].trace, "a");
	vcpu_kick(vcpu); /* nothing there: it sleeps on */
	fake_threads_run();
	assert_int_equal(vcpu->state, VCPU_HALTED);
	send_41_later();
	assert_string_equal(models[0].trace, "a 41 b");
	assert_int_equal(vcpu->counters.injected[VMEVENT_INTERRUPT],
			 !vlapic_by_hardware(vcpu->lapic));
	machine_destroy(vm);
}

/* Two come before the first is looked at. */
static void halt_ends_by_two(void **state)
{
	static const struct model_insn script[] = {X2APIC,    DO(M_STI), NOTE('a'),
						   DO(M_HLT), NOTE('b'), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	interrupt(0x41);
	interrupt(0x61);
	fake_threads_run();
	assert_string_equal(models[0].trace, "a 61 41 b");
	machine_destroy(vm);
}

/* Whoever delivered in x2APIC mode, once the lapic was disabled and is on again, it goes on. */
static void lapic_off_and_on(void **state)
{
	static const struct model_insn script[] = {X2APIC,
						   DO(M_STI),
						   HOST(send_41),
						   NOTE('a'),
						   DO(M_CLI),
						   HOST(send_41),
						   WRMSR(0x1b, 0xfee00100),
						   DO(M_STI),
						   NOTE('b'),
						   WRMSR(0x1b, 0xfee00900),
						   X2APIC,
						   HOST(send_41),
						   NOTE('c'),
						   END};

	(void)state;
	machine_trace(script, "41 a b 41 c"); /* what waited went with the lapic */
}

/* STI; HLT: the shadow ends with HLT, so what waits comes at once. */
static void halt_behind_sti(void **state)
{
	static const struct model_insn script[] = {X2APIC,    HOST(send_41), DO(M_STI),
						   DO(M_HLT), NOTE('b'),     END};

	(void)state;
	machine_trace(script, "41 b");
}

static void halt_with_if_clear(void **state)
{
	static const struct model_insn script[] = {X2APIC, NOTE('a'), DO(M_HLT), NOTE('b'),
						   END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	send_41_later();
	assert_string_equal(models[0].trace, "a");
	send_nmi();
	fake_threads_run();
	assert_string_equal(models[0].trace, "a nmi b");
	machine_destroy(vm);
}

/* The trap behind a stepped HLT ends it. */
static void halt_that_is_stepped(void **state)
{
	static const struct model_insn script[] = {DO(M_SET_TF), DO(M_HLT), NOTE('b'), END};

	(void)state;
	machine_trace(script, "#1 b");
}

/* Where the instruction is emulated the trap is ours to raise, else the CPU's. */
static void steps(void **state)
{
	static const struct model_insn script[] = {DO(M_SET_TF), {.op = M_CPUID}, NOTE('b'),
						   DO(M_SET_TF), NOTE('c'),	  NOTE('d'),
						   END};

	(void)state;
	machine_trace(script, "#1 b c #1 d");
}

/* ---- the 8259s ---- */

static void pic_lines(void)
{
	struct vm *vm = boot_vcpu()->vm;

	vm_irq_line(vm, 1, true);
	vm_irq_line(vm, 4, true);
}

/* ExtINT by LINT0, which firmware leaves so; the second one comes by the window, since an end
 * of interrupt that the PIC makes itself causes no exit. */
static void extint_from_the_pic(void **state)
{
	static const struct model_insn handler[] = {DO(M_IRET)};
	static const struct model_insn script[] = {
		{.op = M_OUT, .a = 0x20, .b = 0x11, .bytes = 1},
		{.op = M_OUT, .a = 0x21, .b = 0x20, .bytes = 1},
		{.op = M_OUT, .a = 0x21, .b = 0x04, .bytes = 1},
		{.op = M_OUT, .a = 0x21, .b = 0x03, .bytes = 1}, /* auto EOI */
		{.op = M_OUT, .a = 0x21, .b = 0x00, .bytes = 1},
		DO(M_STI),
		NOTE('a'),
		HOST(pic_lines),
		NOTE('b'),
		NOTE('c'),
		END};

	(void)state;
	model_handler(0x21, handler);
	model_handler(0x24, handler);
	machine_trace(script, "a 21 24 b c");
}

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
	ends(stack, VM_STOP_CRASH, "delivering vector 65 touches 0xd0000000");
	fake_populate_next = 0;
	restart(NULL);
}

/* ---- switching ---- */

static void let_others_run(void)
{
	fake_cpu->cpu.need_resched = true;
	models[0].host_interrupt = models[1].host_interrupt = true;
}

/* Two vCPUs take turns on one CPU; each finds its own registers, whatever the other set. */
static void registers_are_switched(void **state)
{
	static const struct model_insn zero[] = {
		{.op = M_FPU, .a = 0},
		{.op = M_XSETBV, .a = 7},
		{.op = M_SET_FPU, .a = 0x1000},
		{.op = M_XSETBV, .a = 3},
		{.op = M_SET_DR, .a = 0x100},
		WRMSR(0xc0000103, 7),
		{.op = M_MSR_BECOMES, .a = 0xc0000082, .b = 0x8200},
		{.op = M_MSR_BECOMES, .a = 0xc0000102, .b = 0x10200},
		X2APIC,
		WRMSR(0x830, 1ull << 32 | 0x4500), /* INIT to vCPU 1 */
		WRMSR(0x830, 1ull << 32 | 0x4608), /* SIPI */
		HOST(let_others_run),
		NOTE('a'),
		{.op = M_FPU, .a = 0x1000},
		{.op = M_DR, .a = 0x100},
		{.op = M_XCR0, .a = 3},
		{.op = M_TSC_AUX, .a = 7},
		{.op = M_MSR_IS, .a = 0xc0000082, .b = 0x8200},
		{.op = M_MSR_IS, .a = 0xc0000102, .b = 0x10200},
		HOST(let_others_run),
		NOTE('b'),
		{.op = M_FPU, .a = 0x1000},
		{.op = M_DR, .a = 0x100},
		{.op = M_XCR0, .a = 3},
		END};
	static const struct model_insn one[] = {
		{.op = M_DR, .a = 0},
		{.op = M_XCR0, .a = 1},
		{.op = M_TSC_AUX, .a = 0},
		{.op = M_MSR_IS, .a = 0xc0000082, .b = 0},
		{.op = M_SET_DR, .a = 0x300},
		{.op = M_SET_FPU, .a = 0x2000},
		{.op = M_MSR_BECOMES, .a = 0xc0000082, .b = 0x9999},
		{.op = M_MSR_BECOMES, .a = 0xc0000102, .b = 0x8888},
		WRMSR(0xc0000103, 9),
		NOTE('x'),
		HOST(let_others_run),
		{.op = M_FPU, .a = 0x2000},
		{.op = M_DR, .a = 0x300},
		{.op = M_XCR0, .a = 1},
		{.op = M_TSC_AUX, .a = 9},
		NOTE('y'),
		HOST(let_others_run),
		{.op = M_JUMP, .a = 1},
	};
	struct vm *vm = machine_create("guest", 2, NULL);

	(void)state;
	model_script(zero);
	model_ap_script(8, one);
	machine_run(vm);
	assert_string_equal(models[0].trace, "a b");
	assert_string_equal(models[1].trace, "x y");
	assert_true(fake_threads_yields >= 2);
	assert_int_equal(vm->stop.kind, VM_STOP_POWEROFF);
	/* What is in the CPU is none of a guest's. */
	assert_null(fake_cpu->cpu.loaded);
	assert_int_equal(fake_cpu->xcr0, FAKE_XCR0);
	machine_destroy(vm);
}

/* A vCPU comes to another CPU and back. */
static void vcpu_moves_between_cpus(void **state)
{
	static const struct model_insn script[] = {X2APIC,
						   {.op = M_XSETBV, .a = 7},
						   {.op = M_SET_FPU, .a = 0x55},
						   DO(M_STI),
						   NOTE('a'),
						   DO(M_HLT),
						   {.op = M_FPU, .a = 0x55},
						   NOTE('b'),
						   DO(M_HLT),
						   {.op = M_FPU, .a = 0x55},
						   END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	for (unsigned i = 0; i < 2; i++) {
		fake_cpu->fpu[0] = fake_cpu->fpu[1] = 0xbad;
		fake_cpu_use(1 - i);
		send_41_later();
		assert_int_equal(vm->vcpus[0]->cpu, 1 - i);
	}
	assert_string_equal(models[0].trace, "a 41 b 41");
	assert_int_equal(vm->stop.kind, VM_STOP_POWEROFF);
	machine_destroy(vm);
}

/* ---- starting and stopping ---- */

static void ap_starts_by_init_and_sipi(void **state)
{
	static const struct model_insn zero[] = {
		X2APIC,
		WRMSR(0x830, 1ull << 32 | 0x4608), /* SIPI before INIT: waits already */
		NOTE('a'),
		HOST(let_others_run),
		NOTE('b'),
		WRMSR(0x830, 1ull << 32 | 0x4609), /* to one that runs: ignored */
		HOST(let_others_run),
		WRMSR(0x830, 1ull << 32 | 0x4500),
		HOST(let_others_run),
		WRMSR(0x830, 1ull << 32 | 0x460a),
		HOST(let_others_run),
		NOTE('c'),
		END};
	static const struct model_insn eight[] = {
		NOTE('8'), HOST(let_others_run), {.op = M_JUMP, .a = 1}};
	static const struct model_insn nine[] = {NOTE('9'), END};
	static const struct model_insn ten[] = {NOTE('A'), DO(M_HLT), END};
	struct vm *vm = machine_create("guest", 2, NULL);

	(void)state;
	model_script(zero);
	model_ap_script(8, eight);
	model_ap_script(9, nine);
	model_ap_script(10, ten);
	machine_run(vm);
	assert_string_equal(models[0].trace, "a b c");
	assert_string_equal(models[1].trace, "8 A");
	assert_int_equal(fake_stopped, 1);
	machine_destroy(vm);
}

/* INIT ends what an older SIPI would have started. */
static void sipi_before_init_is_void(void **state)
{
	static const struct model_insn zero[] = {X2APIC,
						 WRMSR(0x830, 1ull << 32 | 0x4608),
						 WRMSR(0x830, 1ull << 32 | 0x4500),
						 HOST(let_others_run),
						 NOTE('a'),
						 END};
	static const struct model_insn eight[] = {NOTE('8'), END};
	struct vm *vm = machine_create("guest", 2, NULL);

	(void)state;
	model_script(zero);
	model_ap_script(8, eight);
	machine_run(vm);
	assert_string_equal(models[0].trace, "a");
	assert_string_equal(models[1].trace, "");
	machine_destroy(vm);
}

static void init_to_the_boot_processor(void **state)
{
	static const struct model_insn script[] = {X2APIC, WRMSR(0x830, 0x4500), NOTE('a'),
						   END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	assert_int_equal(vm->stop.kind, VM_STOP_RESET);
	assert_string_equal(models[0].trace, "");
	machine_destroy(vm);
}

static struct vm *stopping_vm;

static void stop_it(void)
{
	vm_stop(stopping_vm, VM_STOP_REQUEST, 0, "enough");
}

/* The request comes when interrupts are off already, and the vCPU is about to enter. */
static void request_at_the_last_moment(void **state)
{
	static const struct model_insn script[] = {NOTE('a'), NOTE('b'), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	stopping_vm = vm;
	model_script(script);
	fake_on_irq_disable = stop_it;
	machine_run(vm);
	assert_string_equal(models[0].trace, "");
	assert_int_equal(models[0].entries, 0);
	assert_int_equal(vm->stop.kind, VM_STOP_REQUEST);
	machine_destroy(vm);
}

static void resched_now(void)
{
	fake_cpu->cpu.need_resched = true;
}

static void slice_over_at_the_last_moment(void **state)
{
	static const struct model_insn script[] = {NOTE('a'), END};

	(void)state;
	fake_on_irq_disable = resched_now;
	machine_trace(script, "a");
	assert_int_equal(fake_threads_yields, 1);
}

/* A request made while in_guest still seemed set was only kicked: it is found before sleep. */
static void request_after_the_exit(void **state)
{
	static const struct model_insn script[] = {X2APIC,    DO(M_STI), NOTE('a'),
						   DO(M_HLT), NOTE('b'), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	vm->vcpus[0]->in_guest = true; /* as the poster saw it */
	models[0].vcpu = NULL;	       /* and its kick finds nobody */
	vcpu_post(vm->vcpus[0], VCPU_REQ_NMI);
	vm->vcpus[0]->in_guest = false;
	models[0].vcpu = vm->vcpus[0];
	assert_false(fake_threads_pending());
	interrupt(0x41); /* this wakes */
	fake_threads_run();
	assert_string_equal(models[0].trace, "a nmi 41 b");
	machine_destroy(vm);
}

static void pause_gives_way(void **state)
{
	static const struct model_insn script[] = {DO(M_PAUSE), NOTE('a'), END};

	(void)state;
	fake_threads_waiting = true;
	machine_trace(script, "a");
	assert_int_equal(fake_threads_yields, 1);
}

static void pinned_vcpus_spin_as_they_like(void **state)
{
	static const struct model_insn script[] = {DO(M_PAUSE), NOTE('a'), END};
	static const uint16_t pin[] = {1};
	struct vm *vm = machine_create("guest", 1, pin);

	(void)state;
	fake_threads_waiting = true;
	model_script(script);
	machine_run(vm);
	assert_string_equal(models[0].trace, "a");
	assert_int_equal(vm->vcpus[0]->counters.exits[VMEXIT_PAUSE], 0);
	assert_int_equal(fake_threads_yields, 0);
	machine_destroy(vm);
}

/* ---- the double fault ---- */

/* SDM vol. 3A tables 6-4 and 6-5: of benign (b), contributory (c) and page faults (p), which
 * pairs are handled one after the other and which become a double fault. */
static const struct {
	uint8_t vector;
	char class;
} exceptions[] = {{0, 'c'},  {1, 'b'},	{3, 'b'},  {4, 'b'},  {5, 'b'},	 {6, 'b'},
		  {7, 'b'},  {9, 'b'},	{10, 'c'}, {11, 'c'}, {12, 'c'}, {13, 'c'},
		  {14, 'p'}, {16, 'b'}, {17, 'b'}, {18, 'b'}, {19, 'b'}};

static void expect_event(const char *what, uint64_t value, uint64_t expected, unsigned first,
			 unsigned second)
{
	if (value != expected)
		model_fail("%s of #%u after #%u is 0x%llx", what, second, first,
			   (unsigned long long)value);
}

static void raise_pair(struct vcpu *vcpu, unsigned i, unsigned k)
{
	unsigned first = exceptions[i].vector, second = exceptions[k].vector;
	bool doubled = (exceptions[i].class == 'c' && exceptions[k].class == 'c') ||
		       (exceptions[i].class == 'p' && exceptions[k].class != 'b');

	vcpu->event.kind = VMEVENT_NONE;
	vcpu_raise(vcpu, first);
	if (second == 14)
		vcpu_raise_page_fault(vcpu, 0x1234, 5);
	else
		vcpu_raise_error(vcpu, second, 5);
	expect_event("kind", vcpu->event.kind, VMEVENT_EXCEPTION, first, second);
	expect_event("vector", vcpu->event.vector, doubled ? 8 : second, first, second);
	expect_event("has_error", vcpu->event.has_error, true, first, second);
	expect_event("error", vcpu->event.error, doubled ? 0 : 5, first, second);
	if (!doubled && second == 14)
		expect_event("CR2", vcpu->event.cr2, 0x1234, first, second);
}

static void raise_pairs(void)
{
	struct vcpu *vcpu = boot_vcpu();

	for (unsigned i = 0; i < ARRAY_SIZE(exceptions); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(exceptions); k++)
			raise_pair(vcpu, i, k);
	/* After an interrupt there is no double fault. */
	vcpu->event = (struct vmevent){.kind = VMEVENT_INTERRUPT, .vector = 13};
	vcpu_raise_error(vcpu, 13, 0);
	expect_event("vector", vcpu->event.vector, 13, 0, 13);
	/* An interrupt's vector is no exception's, even if it is 8. */
	vcpu->event = (struct vmevent){.kind = VMEVENT_INTERRUPT, .vector = 8};
	vcpu_raise_error(vcpu, 13, 0);
	expect_event("kind", vcpu->vm->stop.kind, VM_STOP_NONE, 8, 13);
	/* Any after a double fault ends the guest. */
	vcpu->event = (struct vmevent){.kind = VMEVENT_EXCEPTION, .vector = 8};
	vcpu_raise(vcpu, 6);
	models[0].host_interrupt = true;
}

static void double_faults(void **state)
{
	static const struct model_insn script[] = {HOST(raise_pairs), NOTE('a'), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	assert_int_equal(vm->stop.kind, VM_STOP_CRASH);
	assert_non_null(strstr(vm->stop.reason, "triple fault"));
	assert_string_equal(models[0].trace, "");
	machine_destroy(vm);
}

static void fault_twice(void)
{
	struct vcpu *vcpu = boot_vcpu();

	vcpu_raise_error(vcpu, 13, 0x10);
	vcpu_raise_error(vcpu, 11, 0x20);
	models[0].host_interrupt = true;
}

static void double_fault_is_delivered(void **state)
{
	static const struct model_insn handler[] = {DO(M_IRET)};
	static const struct model_insn script[] = {HOST(fault_twice), NOTE('a'), END};

	(void)state;
	model_handler(8, handler);
	machine_trace(script, "#8:0 a");
}

/* ---- the VM around them ---- */

static void check_fxsave(void)
{
	if (fake_cpu->fpu[0] != 0x55 || fake_cpu->fpu[1] != 0x56)
		model_fail("the x87 or SSE state is another's");
}

/* Without XSAVE, the 512 bytes of FXSAVE are all there is. */
static void registers_without_xsave(void **state)
{
	static const struct model_insn script[] = {X2APIC,    {.op = M_SET_FPU, .a = 0x55},
						   DO(M_STI), NOTE('a'),
						   DO(M_HLT), NOTE('b'),
						   END};
	struct vm *vm;

	(void)state;
	cpu_features.xsave = false;
	vm = machine_create("guest", 1, NULL);
	model_script(script);
	machine_run(vm);
	fake_cpu->fpu[0] = fake_cpu->fpu[1] = 0xbad;
	fake_on_irq_disable = check_fxsave;
	send_41_later();
	assert_string_equal(models[0].trace, "a 41 b");
	machine_destroy(vm);
}

/* Once the tables have changed no CPU enters with an old translation (the fakes look). */
static void nested_flush(void **state)
{
	static const struct model_insn script[] = {X2APIC,    DO(M_STI), NOTE('a'),
						   DO(M_HLT), NOTE('b'), END};
	struct vm *vm = machine_create("guest", 1, NULL);
	uint64_t cr3[FAKE_CPUS];

	(void)state;
	model_script(script);
	machine_run(vm);
	for (unsigned i = 0; i < FAKE_CPUS; i++) {
		cr3[i] = fake_cpus[i].cr3;
		fake_cpus[i].cr3_loads = 0;
	}
	tables_changed(vm);
	vm->gmem.flush(vm->gmem.flush_arg);
	for (unsigned i = 0; i < FAKE_CPUS; i++) {
		assert_int_equal(fake_cpus[i].cr3, cr3[i]);
		assert_int_equal(fake_cpus[i].cr3_loads, 1);
	}
	send_41_later();
	assert_string_equal(models[0].trace, "a 41 b");
	machine_destroy(vm);
}

static void interrupt_lines(void **state)
{
	static const struct model_insn script[] = {DO(M_STI), DO(M_HLT), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	vm_irq_line(vm, 20, true); /* the I/O APIC alone has it */
	vm_irq_line(vm, 20, false);
	vm_irq_line(vm, 0, true);
	vm_irq_line(vm, 0, false);
	assert_string_equal(vm_stop_name(VM_STOP_POWEROFF), "powered off");
	assert_string_equal(vmexit_name(VMEXIT_HLT), "hlt");
	assert_string_equal(vmexit_name(VMEXIT_REASONS), "?");
	vm_stop(vm, VM_STOP_REQUEST, 3, "enough");
	vm_stop(vm, VM_STOP_CRASH, 4, "too late"); /* the first reason counts */
	fake_threads_run();
	assert_int_equal(vm->stop.kind, VM_STOP_REQUEST);
	assert_int_equal(vm->stop.status, 3);
	assert_string_equal(vm->stop.reason, "enough");
	assert_int_equal(fake_stopped, 1);
	machine_destroy(vm);
}

/* ---- memory that runs out ---- */

/* The n-th allocation fails, for each n until none does: nothing is left behind. */
static void creation_that_fails(void **state)
{
	unsigned frames = fake_frames_alive, threads = fake_threads_alive();
	struct vm *vm = NULL;

	(void)state;
	for (unsigned n = 1; !vm; n++) {
		fake_allocations = 0;
		fake_fail_at = n;
		vm = machine_create("guest", 2, NULL);
		assert_int_equal(vm != NULL, fake_allocations < n);
		if (vm)
			break;
		assert_int_equal(fake_frames_alive, frames);
		assert_int_equal(fake_threads_alive(), threads);
		assert_true(n < 100);
	}
	fake_fail_at = 0;
	machine_destroy(vm);
	assert_int_equal(fake_frames_alive, frames);
	fake_threads_refused = true;
	assert_null(machine_create("guest", 2, NULL));
	fake_threads_refused = false;
	assert_int_equal(fake_frames_alive, frames);
}

#define SCENARIOS                                                                             \
	SCENARIO(interrupts_wait_for_if), SCENARIO(interrupts_come_at_once),                  \
		SCENARIO(interrupts_wait_for_mov_ss), SCENARIO(interrupts_by_priority),       \
		SCENARIO(cr8_holds_back), SCENARIO(delivery_that_faults),                     \
		SCENARIO(nmi_delivery_that_faults), SCENARIO(exception_delivery_that_faults), \
		SCENARIO(nmi_whatever_if_says), SCENARIO(nmi_while_one_is_handled),           \
		SCENARIO(nmi_before_an_interrupt), SCENARIO(nmi_waits_for_the_shadow),        \
		SCENARIO(nmi_behind_an_interrupted_delivery), SCENARIO(events_of_the_host),   \
		SCENARIO(exceptions_that_exit), SCENARIO(exit_in_a_stepped_shadow),           \
		SCENARIO(page_fault_with_cr2), SCENARIO(events_in_an_interrupted_shadow),     \
		SCENARIO(entry_that_ends_at_once), SCENARIO(halt_ends_by_two),                \
		SCENARIO(lapic_off_and_on), SCENARIO(halt_ends_by_interrupt),                 \
		SCENARIO(halt_behind_sti), SCENARIO(halt_with_if_clear),                      \
		SCENARIO(halt_that_is_stepped), SCENARIO(steps),                              \
		SCENARIO(extint_from_the_pic), SCENARIO(instructions_are_finished),           \
		SCENARIO(port_reads_by_width), SCENARIO(instructions_that_fault),             \
		SCENARIO(control_registers_by_exit), SCENARIO(string_io_is_emulated),         \
		SCENARIO(memory_that_is_not_there_yet), SCENARIO(devices_are_emulated),       \
		SCENARIO(what_ends_a_guest), SCENARIO(memory_that_ends_a_guest),              \
		SCENARIO(registers_are_switched), SCENARIO(vcpu_moves_between_cpus),          \
		SCENARIO(ap_starts_by_init_and_sipi), SCENARIO(sipi_before_init_is_void),     \
		SCENARIO(init_to_the_boot_processor), SCENARIO(request_at_the_last_moment),   \
		SCENARIO(slice_over_at_the_last_moment), SCENARIO(request_after_the_exit),    \
		SCENARIO(pause_gives_way), SCENARIO(pinned_vcpus_spin_as_they_like),          \
		SCENARIO(double_faults), SCENARIO(double_fault_is_delivered),                 \
		SCENARIO(registers_without_xsave), SCENARIO(nested_flush),                    \
		SCENARIO(interrupt_lines), SCENARIO(creation_that_fails)

#endif
