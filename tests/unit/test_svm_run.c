/*
 * Guests that run on SVM: the whole core around a VMCB that is checked at every entry as a CPU
 * checks it, with a model of what the CPU does with it. With NRIPS and without, and as QEMU has
 * it.
 */
/* links: kernel/vmm/vcpu.c kernel/vmm/exit.c kernel/vmm/reset.c kernel/vmm/cr.c */
/* links: kernel/vmm/msr.c kernel/vmm/features.c kernel/vmm/insn.c kernel/vmm/vm.c */
/* links: kernel/vmm/descriptor.c kernel/vmm/insn_segment.c */
/* links: kernel/vmm/insn_emulate.c kernel/vmm/insn_system.c */
/* links: kernel/vmm/vmm.c kernel/vmm/bus.c kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c */
/* links: kernel/vmm/vlapic_timer.c kernel/vmm/vpic.c kernel/vmm/vioapic.c kernel/vmm/vpit.c */
/* links: kernel/vmm/svm/svm.c kernel/vmm/svm/exit.c kernel/vmm/svm/maps.c */
/* links: kernel/vmm/svm/tcg.c kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c */
/* links: kernel/vmm/emul/exec.c kernel/vmm/emul/fetch.c kernel/vmm/emul/muldiv.c */
/* links: kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c kernel/vmm/emul/string.c */
/* links: kernel/vmm/emul/tables.c tests/unit/fake_cpu.c tests/unit/fake_machine.c */
/* links: tests/unit/fake_threads.c tests/unit/fake_vmcb.c tests/unit/fake_vmm.c */
/* links: tests/unit/model_guest.c */
/* links: kernel/vmm/vm_create.c kernel/vmm/vcpu_run.c kernel/vmm/vcpu_raise.c */
/* links: kernel/vmm/pc_irqs.c kernel/vmm/vcpu_look.c */
/* links: kernel/vmm/place.c kernel/vmm/vtsc.c kernel/vmm/bus_lock.c */
#include "tests/unit/vcpu_scenarios.h"

#include <errno.h>

#include "kernel/cpu/msr.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/svm/backend.h"
#include "kernel/vmm/svm/svm.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vmm.h"
#include "tests/unit/fake_vmcb.h"

static uint32_t features = SVM_NPT | SVM_NRIPS;
static bool tcg, has_umip;

static int restart(void **state)
{
	(void)state;
	fake_cpu_reset(CPU_VENDOR_AMD);
	fake_machine_reset();
	cpu_features.umip = fake_cpuid_umip = has_umip;
	fake_svm_start(features, tcg);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	fake_svm_stop();
	assert_int_equal(fake_frames_alive, 0);
	return 0;
}

static void tables_changed(struct vm *vm)
{
	fake_svm_tables_changed(vm);
}

static int probe(void)
{
	char why[128] = "";
	int err = svm_backend.probe(why, sizeof why);

	if (err == -ENODEV)
		assert_true(strlen(why) > 10);
	return err;
}

static void machines_that_cannot(void **state)
{
	(void)state;
	fake_cpuid_svm.ebx = 1;
	assert_int_equal(probe(), -ENODEV);
	fake_cpuid_svm.ebx = 2;
	fake_cpuid_svm.edx = SVM_NRIPS;
	assert_int_equal(probe(), -ENODEV);
	wrmsr(MSR_VM_CR, VM_CR_SVMDIS);
	fake_cpuid_svm.edx = SVM_NPT;
	assert_int_equal(probe(), -ENODEV);
	wrmsr(MSR_VM_CR, 0);
	cpu_features.svm = false;
	assert_int_equal(probe(), -ENODEV);
	const struct vmm_backend *backends[] = {&svm_backend};

	vmm_backend = NULL;
	assert_int_equal(vmm_init(backends, 1), -ENODEV);
	assert_int_equal(vmm_init_this_cpu(), -ENODEV);
	cpu_features.svm = true;
	vmm_backend = &svm_backend;
	cpu_features.pages_1g = true;
	assert_int_equal(svm_backend.nested_max_level(), 3);
	cpu_features.pages_1g = false;
	assert_int_equal(svm_backend.nested_max_level(), 2);
}

/* Of what is allocated at start-up, and is not given back, the n-th is missing. */
static void start_up_without_memory(void **state)
{
	void *sc = fake_cpu->cpu.backend;
	uint64_t msrpm = svm_msrpm_phys, iopm = svm_iopm_phys;
	unsigned frames = fake_frames_alive;

	(void)state;
	fake_remember();
	for (unsigned n = 1; n <= 2; n++) {
		fake_allocations = 0;
		fake_fail_at = n;
		assert_int_equal(svm_maps_init(), -ENOMEM);
	}
	for (unsigned n = 1; n <= 3; n++) {
		fake_allocations = 0;
		fake_fail_at = n;
		assert_int_equal(svm_backend.cpu_enable(&fake_cpu->cpu), -ENOMEM);
	}
	fake_fail_at = 0;
	wrmsr(MSR_VM_CR, VM_CR_SVMDIS); /* on this CPU alone */
	assert_int_equal(svm_backend.cpu_enable(&fake_cpu->cpu), -EPERM);
	assert_ptr_equal(fake_cpu->cpu.backend, sc);
	fake_forget();
	fake_frames_alive = frames;
	svm_msrpm_phys = msrpm;
	svm_iopm_phys = iopm;
}

/* ASIDs run out, all are flushed, and nobody finds what is not its own (the fake looks). */
static void asids_run_out(void **state)
{
	static const struct model_insn script[] = {
		X2APIC, DO(M_STI), DO(M_HLT), NOTE('b'), {.op = M_JUMP, .a = 2}};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	for (unsigned i = 0; i < 3 * fake_svm_asids; i++) {
		tables_changed(vm);
		vm->gmem.flush(vm->gmem.flush_arg);
		fake_cpu_use(i % 3 / 2);
		models[0].trace[0] = '\0';
		send_41_later();
		assert_string_equal(models[0].trace, "41 b");
	}
	assert_true(fake_svm_flushes >= 2 && fake_svm_flushes <= 6);
	vm_stop(vm, VM_STOP_REQUEST, 0, "enough");
	fake_threads_run();
	machine_destroy(vm);
}

static unsigned flushes_left;

static void after_some(void)
{
	if (flushes_left)
		flushes_left--;
	else
		let_others_run();
}

/* While one vCPU sleeps, another uses ASIDs up: what the first has is then not its own. */
static void asids_of_an_older_generation(void **state)
{
	static const struct model_insn zero[] = {X2APIC,
						 WRMSR(0x830, 1ull << 32 | 0x4608),
						 HOST(let_others_run),
						 NOTE('a'),
						 HOST(let_others_run),
						 NOTE('b'),
						 END};
	static const struct model_insn one[] = {{.op = M_MOV_CR, .a = 4, .b = 0x80},
						HOST(after_some),
						{.op = M_MOV_CR, .a = 4, .b = 0},
						{.op = M_JUMP, .a = 3}};
	struct vm *vm = machine_create("guest", 2, NULL);

	(void)state;
	flushes_left = fake_svm_asids / 2;
	model_script(zero);
	model_ap_script(8, one);
	machine_run(vm);
	assert_string_equal(models[0].trace, "a b");
	assert_true(fake_svm_flushes >= 1);
	machine_destroy(vm);
}

/* No window is opened while the IRET of an NMI is stepped over: the handler of what comes in
 * would find our TF in its frame. A new state ends the step, and its intercepts. */
static void windows_of_a_step(void **state)
{
	struct vm *vm = machine_create("guest", 1, NULL);
	struct vcpu *vcpu = vm->vcpus[0];
	struct svm_vcpu *sv = vcpu->backend;
	uint32_t as_ever = sv->vmcb->intercept_exceptions;
	struct vcpu_state reset;

	(void)state;
	sv->stepping_iret = true;
	sv->vmcb->intercept_exceptions |= BIT(13);
	svm_backend.request_window(vcpu, VMEVENT_INTERRUPT);
	assert_false(sv->vmcb->vintr & VINTR_IRQ);
	assert_false(svm_backend.can_inject(vcpu, VMEVENT_INTERRUPT));
	svm_backend.get_state(vcpu, &reset);
	svm_backend.set_state(vcpu, &reset);
	assert_int_equal(sv->vmcb->intercept_exceptions, as_ever);
	svm_backend.request_window(vcpu, VMEVENT_INTERRUPT);
	assert_true(sv->vmcb->vintr & VINTR_IRQ);
	machine_destroy(vm);
}

/* Each where it belongs, and whoever asks sees it there. */
static void tables_of_descriptors(void **state)
{
	struct vm *vm = machine_create("guest", 1, NULL);
	const struct vmcb *vmcb = svm_of(vm->vcpus[0])->vmcb;
	struct vcpu_state got;

	(void)state;
	svm_backend.set_table(vm->vcpus[0], false, 0xffff800000001000, 0x7f);
	svm_backend.set_table(vm->vcpus[0], true, 0x2000, 0xfff);
	assert_true(vmcb->gdtr.base == 0xffff800000001000 && vmcb->gdtr.limit == 0x7f);
	assert_true(vmcb->idtr.base == 0x2000 && vmcb->idtr.limit == 0xfff);
	svm_backend.get_state(vm->vcpus[0], &got);
	assert_true(got.gdtr.base == 0xffff800000001000 && got.gdtr.limit == 0x7f);
	assert_true(got.idtr.base == 0x2000 && got.idtr.limit == 0xfff);
	machine_destroy(vm);
}

/* Real mode pushes none (SDM vol. 3A 20.1.4). */
static void error_codes_by_mode(void **state)
{
	struct vm *vm = machine_create("guest", 1, NULL);
	struct vcpu *vcpu = vm->vcpus[0];

	(void)state;
	for (unsigned pe = 0; pe < 2; pe++) {
		svm_backend.set_reg(vcpu, REG_CR0, CR0_ET | pe);
		vcpu->event.kind = VMEVENT_NONE;
		vcpu_raise_error(vcpu, VECTOR_GP, 0x18);
		assert_int_equal(vcpu->event.vector, VECTOR_GP);
		assert_int_equal(vcpu->event.has_error, pe);
	}
	vcpu->event.kind = VMEVENT_NONE;
	machine_destroy(vm);
}

/* CR4.UMIP on a CPU without it: the guest sees the bit, the VMCB must not have it, and what it
 * is about exits for as long as it is set. On a CPU that has it nothing exits. */
static void umip_by_exits(void **state)
{
	static const struct model_insn script[] = {
		{.op = M_MOV_CR, .a = 4, .b = 0xa0 | BIT(11)}, NOTE('a'), END};
	const uint32_t reads = BIT(0) | BIT(4), tables = 0xf << 6;

	(void)state;
	for (unsigned native = 0; native < 2; native++) {
		struct vm *vm;
		struct vcpu *vcpu;
		const struct vmcb *vmcb;

		finish(NULL);
		has_umip = native;
		restart(NULL);
		vm = machine_create("guest", 1, NULL);
		vcpu = vm->vcpus[0];
		vmcb = ((struct svm_vcpu *)vcpu->backend)->vmcb;
		assert_true(features_cpuid(vcpu, 7, 0).ecx & BIT(2));
		assert_true(features_cr4_mask() & BIT(11));
		model_script(script);
		machine_run(vm);
		assert_string_equal(models[0].trace, "a");
		assert_int_equal(svm_backend.get_reg(vcpu, REG_CR4), 0xa0 | BIT(11));
		assert_int_equal(vmcb->cr4, native ? 0xa0 | BIT(11) : 0xa0);
		assert_int_equal(vmcb->intercept_cr & reads, native ? 0 : reads);
		assert_int_equal(vmcb->intercepts[0] & tables, native ? 0 : tables);
		assert_true(vmcb->intercept_cr & BIT(16 + 4)); /* writes, as ever */
		svm_backend.set_reg(vcpu, REG_CR4, 0xa0);
		assert_int_equal(svm_backend.get_reg(vcpu, REG_CR4), 0xa0);
		assert_int_equal(vmcb->intercept_cr & reads, 0);
		assert_int_equal(vmcb->intercepts[0] & tables, 0);
		machine_destroy(vm);
	}
	finish(NULL);
	has_umip = false;
	restart(NULL);
}

static void states_that_vmrun_refuses(void **state)
{
	static const struct model_insn script[] = {NOTE('a'), END};
	static const uint64_t codes[] = {SVM_EXIT_INVALID, SVM_EXIT_INVALID_7_2};

	(void)state;
	finish(NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
		fake_svm_refuse_next = codes[i];
		ends(script, VM_STOP_CRASH, "invalid_state exit, SVM");
	}
	fake_svm_refuse_next = 0;
	restart(NULL);
}

/* Where the CPU does not tell an instruction's length, and it cannot be read. */
static void an_instruction_that_cannot_be_read(void **state)
{
	static const struct model_insn script[] = {{.op = M_CPUID}, NOTE('a'), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_unreadable = true;
	model_script(script);
	machine_run(vm);
	if (features & SVM_NRIPS) {
		assert_int_equal(vm->stop.kind, VM_STOP_POWEROFF);
	} else {
		assert_int_equal(vm->stop.kind, VM_STOP_CRASH);
		assert_non_null(strstr(vm->stop.reason, "cpuid exit cannot be read"));
	}
	machine_destroy(vm);
}

/* The guest has CR8 to itself, but QEMU's TCG cannot be let to have it. */
static void cr8_is_the_guests_own(void **state)
{
	static const struct model_insn script[] = {
		{.op = M_MOV_CR, .a = 8, .b = 5}, NOTE('a'), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	assert_string_equal(models[0].trace, "a");
	assert_int_equal(vlapic_get_cr8(vm->vcpus[0]->lapic), 5);
	assert_int_equal(vm->vcpus[0]->counters.exits[VMEXIT_CR_WRITE], tcg);
	machine_destroy(vm);
}

/* QEMU 7.2 does not intercept XSETBV: what the guest has set is its own all the same. */
static void xsetbv_without_an_exit(void **state)
{
	static const struct model_insn script[] = {X2APIC,
						   {.op = M_XSETBV, .a = 7},
						   {.op = M_SET_FPU, .a = 0x70},
						   DO(M_STI),
						   NOTE('a'),
						   DO(M_HLT),
						   {.op = M_XCR0, .a = 7},
						   {.op = M_FPU, .a = 0x70},
						   END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	fake_svm_no_xsetbv_exit = true;
	model_script(script);
	machine_run(vm);
	assert_int_equal(vm->vcpus[0]->xcr0, 7);
	assert_int_equal(vm->vcpus[0]->counters.exits[VMEXIT_XSETBV], 0);
	fake_cpu->fpu[0] = fake_cpu->fpu[1] = fake_cpu->fpu[2] = 0xbad;
	send_41_later();
	assert_int_equal(vm->stop.kind, VM_STOP_POWEROFF);
	machine_destroy(vm);
}

static void send_41_in_vain(void)
{
	fake_svm_virq_undone = tcg;
	send_41();
}

static void pic_lines_in_vain(void)
{
	fake_svm_virq_undone = tcg;
	pic_lines();
}

/* Behind the one that is held the next of the 8259's follows its IRET, as ever. */
static void an_offer_before_another(void **state)
{
	static const struct model_insn handler[] = {DO(M_IRET)};
	static const struct model_insn script[] = {
		{.op = M_OUT, .a = 0x20, .b = 0x11, .bytes = 1},
		{.op = M_OUT, .a = 0x21, .b = 0x20, .bytes = 1},
		{.op = M_OUT, .a = 0x21, .b = 0x04, .bytes = 1},
		{.op = M_OUT, .a = 0x21, .b = 0x03, .bytes = 1}, /* auto EOI */
		{.op = M_OUT, .a = 0x21, .b = 0x00, .bytes = 1},
		DO(M_STI),
		HOST(pic_lines_in_vain),
		DO(M_WBINVD),
		NOTE('b'),
		NOTE('c'),
		END};

	(void)state;
	model_handler(0x21, handler);
	model_handler(0x24, handler);
	machine_trace(script, "21 24 b c");
}

static void again(void)
{
	finish(NULL);
	restart(NULL);
}

/* An interrupt that was offered and not taken is not lost by what the guest does meanwhile, and
 * comes when it may: its vector is in service already, and would hold others back for ever. */
static void an_offer_that_is_not_taken(void **state)
{
	static const struct model_insn faults[] = {
		X2APIC, DO(M_STI), HOST(send_41_in_vain), WRMSR(0x12345, 0), NOTE('a'), END};
	static const struct model_insn masks[] = {
		X2APIC,	   DO(M_STI),	 HOST(send_41_in_vain),
		DO(M_CLI), DO(M_WBINVD), WRMSR(0x12345, 0),
		NOTE('a'), DO(M_STI),	 NOTE('b'),
		NOTE('c'), END};
	static const struct model_insn touches[] = {
		X2APIC,
		DO(M_STI),
		HOST(send_41_in_vain),
		{.op = M_TOUCH, .a = 0xd0000000, .b = VMEXIT_WRITE},
		NOTE('a'),
		END};
	static const struct model_insn halts[] = {X2APIC,    DO(M_STI), HOST(send_41_in_vain),
						  DO(M_HLT), NOTE('a'), END};
	static const struct model_insn more[] = {X2APIC,       DO(M_STI), HOST(send_41_in_vain),
						 DO(M_WBINVD), NOTE('a'), HOST(send_nmi_and_41),
						 NOTE('b'),    END};

	(void)state;
	machine_trace(faults, tcg ? "#13:0 41 a" : "41 #13:0 a");
	again();
	machine_trace(masks, tcg ? "#13:0 a b 41 c" : "41 #13:0 a b c");
	again();
	fake_populate_result = -EFAULT;
	machine_trace(touches, "41 a");
	again();
	if (tcg)
		machine_trace(halts, "41 a");
	again();
	machine_trace(more, "41 a nmi 41 b");
}

/* The instruction faults once more, as one does that touches two chunks. */
static void send_nmi_and_fault_again(void)
{
	fake_on_populate = NULL;
	fake_populates = 0;
	send_nmi();
}

/* An NMI that has to wait comes behind what it waits for, interrupts on or off: behind the
 * instruction in a shadow, however often it exits, and before the first of the handler whose
 * event goes in first. On a CPU that exits in a shadow it comes with the next exit. */
static void nmi_waits_with_interrupts_off(void **state)
{
	static const struct model_insn shadow[] = {
		X2APIC,	   DO(M_MOV_SS), {.op = M_TOUCH, .a = 0x400000, .b = VMEXIT_READ},
		NOTE('a'), DO(M_WBINVD), NOTE('b'),
		END};
	static const struct model_insn handler[] = {NOTE('x'), DO(M_WBINVD), DO(M_IRET)};
	static const struct model_insn delivery[] = {
		X2APIC,	   DO(M_STI),	  {.op = M_NEXT_DELIVERY_FAULTS, .a = 0x7000},
		NOTE('a'), HOST(send_41), NOTE('b'),
		END};

	(void)state;
	fake_on_populate = send_nmi;
	machine_trace(shadow, "nmi a b");
	again();
	fake_on_populate = send_nmi_and_fault_again;
	machine_trace(shadow, "nmi a b");
	assert_int_equal(fake_populates, 1);
	if (!tcg) {
		again();
		fake_on_populate = send_nmi;
		fake_svm_exits_in_shadow = true;
		machine_trace(shadow, "a nmi b");
		fake_svm_exits_in_shadow = false;
	}
	again();
	fake_on_populate = send_nmi;
	model_handler(0x41, handler);
	machine_trace(delivery, tcg ? "a 41 x nmi b" : "a 41 nmi x b");
}

/* Host interrupts exit within a shadow on QEMU, which then forgets it. What waits must not come
 * in between all the same: HLT would sleep with nothing to wake it. */
static void shadows_that_are_forgotten(void **state)
{
	static const struct model_insn halts[] = {X2APIC,    HOST(send_41), DO(M_STI),
						  DO(M_HLT), NOTE('a'),	    END};
	static const struct model_insn runs[] = {X2APIC,    HOST(send_41), DO(M_STI),
						 NOTE('a'), NOTE('b'),	   END};
	static const struct model_insn faults[] = {
		X2APIC,	   DO(M_STI), NOTE('a'), DO(M_MOV_SS), {.op = M_TOUCH, .a = 0x5000},
		NOTE('b'), END};
	static const unsigned interrupts[] = {0, 1, 2, 63};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(interrupts); i++) {
		again();
		fake_svm_shadow_interrupts = interrupts[i];
		machine_trace(halts, "41 a");
		again();
		fake_svm_shadow_interrupts = interrupts[i];
		machine_trace(runs, "a 41 b");
	}
	again();
	fake_on_populate = send_41;
	machine_trace(faults, "a 41 b");
	assert_int_equal(fake_timers_armed(), 0);
}

/* What jumps to itself behind STI looks as if it had not run yet. */
static void a_shadow_that_seems_to_last(void **state)
{
	static const struct model_insn handler[] = {END};
	static const struct model_insn script[] = {
		X2APIC, HOST(send_41), DO(M_STI), {.op = M_JUMP}, END};

	(void)state;
	model_handler(0x41, handler);
	fake_svm_shadow_interrupts = 1;
	machine_trace(script, "41");
	assert_true(models[0].entries < 80);
}

/* Only loops of PAUSE exit, where the CPU can tell them. */
static void pause_filter(void **state)
{
	struct vm *vm = machine_create("guest", 1, NULL);
	const struct vmcb *vmcb = svm_of(vm->vcpus[0])->vmcb;

	(void)state;
	svm_backend.intercept_pause(vm->vcpus[0], true);
	assert_int_equal(vmcb->pause_filter_count, features & SVM_PAUSE_FILTER ? 3000 : 0);
	assert_true(vmcb->intercepts[0] & INTERCEPT_PAUSE);
	svm_backend.intercept_pause(vm->vcpus[0], false);
	assert_false(vmcb->intercepts[0] & INTERCEPT_PAUSE);
	machine_destroy(vm);
}

/* Only where that CPU is an emulator's. */
static void the_shunned_cpu(void **state)
{
	(void)state;
	assert_int_equal(svm_backend.shuns_cpu(0), tcg);
	assert_false(svm_backend.shuns_cpu(1));
	cpu_count = 1;
	assert_false(svm_backend.shuns_cpu(0));
}

int main(void)
{
	static const struct {
		const char *name;
		uint32_t features;
		bool tcg;
	} machines[] = {
		{"with NRIPS", SVM_NPT | SVM_NRIPS | SVM_PAUSE_FILTER | SVM_DECODE_ASSIST,
		 false},
		{"without NRIPS", SVM_NPT, false},
		{"as QEMU", SVM_NPT, true},
	};
	const struct CMUnitTest tests[] = {
		SCENARIOS,
		SCENARIO(machines_that_cannot),
		SCENARIO(start_up_without_memory),
		SCENARIO(asids_run_out),
		SCENARIO(asids_of_an_older_generation),
		SCENARIO(umip_by_exits),
		SCENARIO(windows_of_a_step),
		SCENARIO(tables_of_descriptors),
		SCENARIO(error_codes_by_mode),
		SCENARIO(states_that_vmrun_refuses),
		SCENARIO(an_instruction_that_cannot_be_read),
		SCENARIO(cr8_is_the_guests_own),
		SCENARIO(xsetbv_without_an_exit),
		SCENARIO(an_offer_that_is_not_taken),
		SCENARIO(an_offer_before_another),
		SCENARIO(nmi_waits_with_interrupts_off),
		SCENARIO(shadows_that_are_forgotten),
		SCENARIO(a_shadow_that_seems_to_last),
		SCENARIO(pause_filter),
		SCENARIO(the_shunned_cpu),
	};
	int failed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
		features = machines[i].features;
		tcg = machines[i].tcg;
		failed += cmocka_run_group_tests_name(machines[i].name, tests, NULL, NULL);
	}
	return failed;
}
