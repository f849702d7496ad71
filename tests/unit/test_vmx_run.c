/*
 * Guests that run on VMX: the whole core around a VMCS that is checked at every entry as a CPU
 * checks it, with a model of what the CPU does with it. On CPUs that deliver interrupts
 * themselves and that do not, with and without what is optional.
 */
/* links: kernel/vmm/vcpu.c kernel/vmm/exit.c kernel/vmm/reset.c kernel/vmm/cr.c */
/* links: kernel/vmm/msr.c kernel/vmm/features.c kernel/vmm/insn.c kernel/vmm/vm.c */
/* links: kernel/vmm/vmm.c kernel/vmm/bus.c kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c */
/* links: kernel/vmm/vlapic_timer.c kernel/vmm/vpic.c kernel/vmm/vioapic.c kernel/vmm/vpit.c */
/* links: kernel/vmm/vmx/vmx.c kernel/vmm/vmx/exit.c kernel/vmm/vmx/maps.c */
/* links: kernel/vmm/vmx/apicv.c kernel/vmm/vmx/caps.c kernel/vmm/vmx/setup.c */
/* links: kernel/vmm/vmx/state.c kernel/vmm/vmx/vpid.c */
/* links: kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c */
/* links: kernel/vmm/emul/exec.c kernel/vmm/emul/fetch.c kernel/vmm/emul/muldiv.c */
/* links: kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c kernel/vmm/emul/string.c */
/* links: kernel/vmm/emul/tables.c tests/unit/fake_cpu.c tests/unit/fake_machine.c */
/* links: tests/unit/fake_threads.c tests/unit/fake_vmcs.c tests/unit/fake_vmcs_rules.c */
/* links: tests/unit/fake_vmm.c tests/unit/model_guest.c */
#include "tests/unit/vcpu_scenarios.h"

#include "kernel/vmm/vmx/vmx.h"
#include "tests/unit/fake_vmcs.h"

static struct fake_vmx can;

static int restart(void **state)
{
	(void)state;
	fake_cpu_reset(CPU_VENDOR_INTEL);
	fake_machine_reset();
	fake_vmx_start(&can);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	fake_vmx_stop();
	assert_int_equal(fake_frames_alive, 0);
	return 0;
}

static void tables_changed(struct vm *vm)
{
	fake_vmx_tables_changed(vm);
}

int main(void)
{
	static const struct {
		const char *name;
		struct fake_vmx can;
	} machines[] = {
		{"with all",
		 {.apic = true, .pause_loop = true, .timer = true, .optional = true}},
		{"without APIC virtualization", {.pause_loop = true, .timer = true}},
		{"with what is needed", {0}},
	};
	const struct CMUnitTest tests[] = {SCENARIOS};
	int failed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
		can = machines[i].can;
		failed += cmocka_run_group_tests_name(machines[i].name, tests, NULL, NULL);
	}
	return failed;
}
