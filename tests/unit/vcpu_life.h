/* Scenarios of vcpu_scenarios.h: switching, starting and stopping, and the VM around it. */
#ifndef TESTS_UNIT_VCPU_LIFE_H
#define TESTS_UNIT_VCPU_LIFE_H

#include "kernel/vmm/vcpu_look.h"
#include "tests/unit/vcpu_script.h"

static void tables_changed(struct vm *vm); /* nested ones: what CPUs have of them is old */

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
	vcpu_post_nmi(vm->vcpus[0]);
	vm->vcpus[0]->in_guest = false;
	models[0].vcpu = vm->vcpus[0];
	assert_false(fake_threads_pending());
	interrupt(0x41); /* this wakes */
	fake_threads_run();
	assert_string_equal(models[0].trace, "a nmi 41 b");
	machine_destroy(vm);
}

static void ask(void)
{
	vcpu_look_ask(boot_vcpu());
}

static void ask_later(void)
{
	fake_now_ns += VCPU_LOOK_OFF_NS;
	ask();
}

static void expect_off(void)
{
	assert_int_equal(vcpu_look_off_ns(boot_vcpu()), VCPU_LOOK_OFF_NS);
}

static void expect_on(void)
{
	assert_false(boot_vcpu()->look.off);
}

/* A look comes with the next exit; with one of its own where the last one looked bad; and in
 * HLT, too. */
static void interrupts_that_stay_off_are_seen(void **state)
{
	static const struct model_insn script[] = {X2APIC,	    DO(M_CLI),
						   HOST(send_41),   HOST(ask),
						   HOST(expect_on), /* none yet */
						   DO(M_CPUID),	    HOST(ask_later),
						   NOTE('a'),	    HOST(expect_off),
						   DO(M_STI),	    NOTE('b'),
						   HOST(ask_later), NOTE('c'),
						   HOST(expect_on), HOST(ask),
						   DO(M_CLI),	    DO(M_HLT),
						   NOTE('d'),	    END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	assert_string_equal(models[0].trace, "a b 41 c");
	assert_int_equal(vm->vcpus[0]->state, VCPU_HALTED);
	ask();
	fake_threads_run();
	ask_later();
	fake_threads_run();
	expect_off();
	vm_stop(vm, VM_STOP_REQUEST, 0, "enough");
	fake_threads_run();
	assert_string_equal(models[0].trace, "a b 41 c");
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
	irqchip_set(&vm->board.irqs, 20, true); /* the I/O APIC alone has it */
	irqchip_set(&vm->board.irqs, 20, false);
	irqchip_set(&vm->board.irqs, 0, true);
	irqchip_set(&vm->board.irqs, 0, false);
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

/* ---- NMIs that are sent at once ---- */

static void send_three_nmis_once(void)
{
	for (unsigned i = 0; !nmi_sent && i < 3; i++)
		send_nmi();
	nmi_sent = true;
}

/* A CPU keeps one beside the one it handles; where it is handling none, it begins with the
 * first at once and keeps one more (SDM vol. 3A 6.7.1). */
static void nmis_that_merge(void **state)
{
	static const struct model_insn handler[] = {HOST(send_three_nmis_once), NOTE('>'),
						    DO(M_IRET)};
	static const struct model_insn handled[] = {HOST(send_nmi), NOTE('b'), END};
	static const struct model_insn idle[] = {NOTE('a'), HOST(send_three_nmis_once),
						 NOTE('b'), END};

	(void)state;
	model_handler(2, handler);
	nmi_sent = false;
	machine_trace(handled, "nmi > nmi > b");
	finish(NULL);
	restart(NULL);
	nmi_sent = false;
	machine_trace(idle, "a nmi nmi b");
}

#endif
