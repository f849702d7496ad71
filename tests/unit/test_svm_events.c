/*
 * Events on SVM that have to wait: an interrupt that was offered and not taken, an NMI behind a
 * shadow or a delivery, and shadows that a CPU forgets. Scenarios for all CPUs are
 * vcpu_events.h's.
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

static void send_41_in_vain(void)
{
	fake_svm_virq_undone = machine->tcg;
	send_41();
}

static void pic_lines_in_vain(void)
{
	fake_svm_virq_undone = machine->tcg;
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
	machine_trace(faults, machine->tcg ? "#13:0 41 a" : "41 #13:0 a");
	again();
	machine_trace(masks, machine->tcg ? "#13:0 a b 41 c" : "41 #13:0 a b c");
	again();
	fake_populate_result = -EFAULT;
	machine_trace(touches, "41 a");
	again();
	if (machine->tcg)
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
	if (!machine->tcg) {
		again();
		fake_on_populate = send_nmi;
		fake_svm_exits_in_shadow = true;
		machine_trace(shadow, "a nmi b");
		fake_svm_exits_in_shadow = false;
	}
	again();
	fake_on_populate = send_nmi;
	model_handler(0x41, handler);
	machine_trace(delivery, machine->tcg ? "a 41 x nmi b" : "a 41 nmi x b");
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

/* Where code may be stale, INT n exits, once: it is let run then, until something else has
 * exited. */
static void soft_interrupts_exit_where_code_may_be_stale(void **state)
{
	for (unsigned count = 1; count <= 2; count++) {
		struct vm *vm = machine_create("guest", count, NULL);
		struct svm_vcpu *sv = vm->vcpus[count - 1]->backend;
		bool exits = machine->tcg && count > 1;

		(void)state;
		assert_int_equal(!!(sv->vmcb->intercepts[0] & INTERCEPT_INTN), exits);
		if (exits) {
			struct vmexit *exit = &vm->vcpus[1]->exit;

			assert_false(svm_tcg_watches(sv));
			sv->vmcb->exit_code = SVM_EXIT_SWINT;
			svm_translate_exit(vm->vcpus[1], exit);
			assert_int_equal(exit->reason, VMEXIT_SOFT_INTERRUPT);
			assert_false(sv->vmcb->intercepts[0] & INTERCEPT_INTN);
			assert_true(svm_tcg_watches(sv));
			svm_tcg_entering(vm->vcpus[1]);
			svm_tcg_exited(vm->vcpus[1]);
			assert_true(sv->vmcb->intercepts[0] & INTERCEPT_INTN);
			assert_false(svm_tcg_watches(sv));
		}
		machine_destroy(vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIO(windows_of_a_step),
		SCENARIO(an_offer_that_is_not_taken),
		SCENARIO(an_offer_before_another),
		SCENARIO(nmi_waits_with_interrupts_off),
		SCENARIO(shadows_that_are_forgotten),
		SCENARIO(a_shadow_that_seems_to_last),
		SCENARIO(soft_interrupts_exit_where_code_may_be_stale),
	};
	int failed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
		machine = &machines[i];
		failed += cmocka_run_group_tests_name(machines[i].name, tests, NULL, NULL);
	}
	return failed;
}
