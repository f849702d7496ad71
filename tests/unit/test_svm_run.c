/*
 * Guests that run on SVM: the whole core around a VMCB that is checked at every entry as a CPU
 * checks it, with a model of what the CPU does with it. With NRIPS and without, and as QEMU has
 * it.
 */
/* links: kernel/vmm/vcpu.c kernel/vmm/exit.c kernel/vmm/reset.c kernel/vmm/cr.c */
/* links: kernel/vmm/msr.c kernel/vmm/features.c kernel/vmm/insn.c kernel/vmm/vm.c */
/* links: kernel/vmm/vmm.c kernel/vmm/bus.c kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c */
/* links: kernel/vmm/vlapic_timer.c kernel/vmm/vpic.c kernel/vmm/vioapic.c kernel/vmm/vpit.c */
/* links: kernel/vmm/svm/svm.c kernel/vmm/svm/exit.c kernel/vmm/svm/maps.c */
/* links: kernel/vmm/svm/tcg.c kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c */
/* links: kernel/vmm/emul/exec.c kernel/vmm/emul/fetch.c kernel/vmm/emul/muldiv.c */
/* links: kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c kernel/vmm/emul/string.c */
/* links: kernel/vmm/emul/tables.c tests/unit/fake_cpu.c tests/unit/fake_machine.c */
/* links: tests/unit/fake_threads.c tests/unit/fake_vmcb.c tests/unit/fake_vmm.c */
/* links: tests/unit/model_guest.c */
#include "tests/unit/vcpu_scenarios.h"

#include "kernel/vmm/svm/svm.h"
#include "tests/unit/fake_vmcb.h"

static uint32_t features = SVM_NPT | SVM_NRIPS;
static bool tcg;

static int restart(void **state)
{
	(void)state;
	fake_cpu_reset(CPU_VENDOR_AMD);
	fake_machine_reset();
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
	const struct CMUnitTest tests[] = {SCENARIOS};
	int failed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
		features = machines[i].features;
		tcg = machines[i].tcg;
		failed += cmocka_run_group_tests_name(machines[i].name, tests, NULL, NULL);
	}
	return failed;
}
