/*
 * Guests that run on SVM: the whole core around a VMCB that is checked at every entry as a CPU
 * checks it, with a model of what the CPU does with it. Events that have to wait are
 * test_svm_events'.
 */
/* links: kernel/vmm/vcpu.c kernel/vmm/exit.c kernel/vmm/reset.c kernel/vmm/cr.c */
/* links: kernel/vmm/msr.c kernel/vmm/features.c kernel/vmm/insn.c kernel/vmm/vm.c */
/* links: kernel/vmm/descriptor.c kernel/vmm/insn_segment.c kernel/vmm/insn_emulate.c */
/* links: kernel/vmm/insn_system.c kernel/vmm/vmm.c kernel/vmm/bus.c kernel/vmm/vlapic.c */
/* links: kernel/vmm/vlapic_ipi.c kernel/vmm/vlapic_timer.c kernel/vmm/vpic.c */
/* links: kernel/vmm/vioapic.c kernel/vmm/vpit.c kernel/vmm/svm/svm.c kernel/vmm/svm/exit.c */
/* links: kernel/vmm/svm/maps.c kernel/vmm/svm/tcg.c kernel/vmm/emul/alu.c */
/* links: kernel/vmm/emul/decode.c kernel/vmm/emul/exec.c kernel/vmm/emul/fetch.c */
/* links: kernel/vmm/emul/muldiv.c kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c */
/* links: kernel/vmm/emul/string.c kernel/vmm/emul/tables.c tests/unit/fake_cpu.c */
/* links: tests/unit/fake_machine.c tests/unit/fake_threads.c tests/unit/fake_vmcb.c */
/* links: tests/unit/fake_vmm.c tests/unit/model_guest.c kernel/vmm/vm_create.c */
/* links: kernel/vmm/vcpu_run.c kernel/vmm/vcpu_raise.c kernel/vmm/pc_irqs.c */
/* links: kernel/vmm/vcpu_look.c kernel/vmm/place.c kernel/vmm/vtsc.c kernel/vmm/bus_lock.c */
#include "tests/unit/svm_machines.h"
#include "tests/unit/vcpu_scenarios.h"

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
	if (machine->features & SVM_NRIPS) {
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
	assert_int_equal(vm->vcpus[0]->counters.exits[VMEXIT_CR_WRITE], machine->tcg);
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

/* Only loops of PAUSE exit, where the CPU can tell them. */
static void pause_filter(void **state)
{
	struct vm *vm = machine_create("guest", 1, NULL);
	const struct vmcb *vmcb = svm_of(vm->vcpus[0])->vmcb;

	(void)state;
	svm_backend.intercept_pause(vm->vcpus[0], true);
	assert_int_equal(vmcb->pause_filter_count,
			 machine->features & SVM_PAUSE_FILTER ? 3000 : 0);
	assert_true(vmcb->intercepts[0] & INTERCEPT_PAUSE);
	svm_backend.intercept_pause(vm->vcpus[0], false);
	assert_false(vmcb->intercepts[0] & INTERCEPT_PAUSE);
	machine_destroy(vm);
}

/* Only where that CPU is an emulator's. */
static void the_shunned_cpu(void **state)
{
	(void)state;
	assert_int_equal(svm_backend.shuns_cpu(0), machine->tcg);
	assert_false(svm_backend.shuns_cpu(1));
	cpu_count = 1;
	assert_false(svm_backend.shuns_cpu(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIOS,
		SCENARIO(machines_that_cannot),
		SCENARIO(start_up_without_memory),
		SCENARIO(asids_run_out),
		SCENARIO(asids_of_an_older_generation),
		SCENARIO(umip_by_exits),
		SCENARIO(tables_of_descriptors),
		SCENARIO(error_codes_by_mode),
		SCENARIO(states_that_vmrun_refuses),
		SCENARIO(an_instruction_that_cannot_be_read),
		SCENARIO(cr8_is_the_guests_own),
		SCENARIO(xsetbv_without_an_exit),
		SCENARIO(pause_filter),
		SCENARIO(the_shunned_cpu),
	};
	int failed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
		machine = &machines[i];
		failed += cmocka_run_group_tests_name(machines[i].name, tests, NULL, NULL);
	}
	return failed;
}
