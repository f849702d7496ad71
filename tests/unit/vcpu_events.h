/* Scenarios of vcpu_scenarios.h: interrupts, NMIs, exceptions, and what they wait for. */
#ifndef TESTS_UNIT_VCPU_EVENTS_H
#define TESTS_UNIT_VCPU_EVENTS_H

#include "tests/unit/vcpu_script.h"

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

#endif
