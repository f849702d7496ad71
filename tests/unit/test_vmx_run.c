/*
 * Guests that run on VMX: the whole core around a VMCS that is checked at every entry as a CPU
 * checks it, with a model of what the CPU does with it. On CPUs that deliver interrupts
 * themselves and that do not, with and without what is optional.
 */
/* links: kernel/vmm/vcpu.c kernel/vmm/exit.c kernel/vmm/reset.c kernel/vmm/cr.c */
/* links: kernel/vmm/msr.c kernel/vmm/features.c kernel/vmm/insn.c kernel/vmm/vm.c */
/* links: kernel/vmm/descriptor.c kernel/vmm/insn_segment.c kernel/vmm/insn_emulate.c */
/* links: kernel/vmm/insn_system.c kernel/vmm/vmm.c kernel/vmm/bus.c kernel/vmm/vlapic.c */
/* links: kernel/vmm/vlapic_ipi.c kernel/vmm/vlapic_timer.c kernel/vmm/vpic.c */
/* links: kernel/vmm/vioapic.c kernel/vmm/vpit.c kernel/vmm/vmx/vmx.c kernel/vmm/vmx/exit.c */
/* links: kernel/vmm/vmx/maps.c kernel/vmm/vmx/apicv.c kernel/vmm/vmx/caps.c */
/* links: kernel/vmm/vmx/setup.c kernel/vmm/vmx/state.c kernel/vmm/vmx/vpid.c */
/* links: kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c kernel/vmm/emul/exec.c */
/* links: kernel/vmm/emul/fetch.c kernel/vmm/emul/muldiv.c kernel/vmm/emul/operand.c */
/* links: kernel/vmm/emul/stack.c kernel/vmm/emul/string.c kernel/vmm/emul/tables.c */
/* links: tests/unit/fake_cpu.c tests/unit/fake_machine.c tests/unit/fake_threads.c */
/* links: tests/unit/fake_vmcs.c tests/unit/fake_vmcs_rules.c tests/unit/fake_vmcs_run.c */
/* links: tests/unit/fake_vmm.c tests/unit/model_guest.c kernel/vmm/vm_create.c */
/* links: kernel/vmm/vcpu_run.c kernel/vmm/vcpu_raise.c kernel/vmm/pc_irqs.c */
/* links: kernel/vmm/vcpu_look.c kernel/vmm/place.c kernel/vmm/vtsc.c kernel/vmm/bus_lock.c */
/* links: kernel/vmm/vmx/events.c */
#include "tests/unit/vcpu_scenarios.h"

#include <errno.h>

#include "kernel/cpu/msr.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/backend.h"
#include "kernel/vmm/vmx/vmcs.h"
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

static int probe(void)
{
	char why[128] = "";
	int err = vmx_backend.probe(why, sizeof why);

	if (err == -ENODEV)
		assert_true(strlen(why) > 10);
	return err;
}

/* One thing missing at a time, of what probing asks for. */
static void machines_that_cannot(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t clear;
	} cases[] = {
		{MSR_VMX_BASIC, VMX_BASIC_TRUE_CONTROLS},
		{MSR_VMX_TRUE_PINBASED, PIN_VIRTUAL_NMI << 32},
		{MSR_VMX_TRUE_PROCBASED, PROC_TPR_SHADOW << 32},
		{MSR_VMX_PROCBASED2, PROC2_UNRESTRICTED << 32},
		{MSR_VMX_TRUE_EXIT, EXIT_LOAD_EFER << 32},
		{MSR_VMX_TRUE_ENTRY, ENTRY_LOAD_PAT << 32},
		{MSR_VMX_EPT_VPID_CAP, EPT_CAP_INVVPID},
		{MSR_FEATURE_CONTROL, FEATURE_CONTROL_VMX},
	};
	uint64_t maps[] = {vmx_msr_bitmap_phys, vmx_msr_bitmap_apic_phys, vmx_io_bitmap_phys};
	unsigned frames = fake_frames_alive;

	(void)state;
	fake_remember();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t old = rdmsr(cases[i].msr);

		wrmsr(cases[i].msr, old & ~cases[i].clear);
		assert_int_equal(probe(), -ENODEV);
		assert_int_equal(vmx_backend.cpu_enable(&fake_cpu->cpu), -EPERM);
		wrmsr(cases[i].msr, old);
	}
	cpu_features.vmx = false;
	assert_int_equal(probe(), -ENODEV);
	cpu_features.vmx = true;
	for (unsigned n = 1; n <= 3; n++) {
		fake_allocations = 0;
		fake_fail_at = n;
		assert_int_equal(probe(), -ENOMEM);
	}
	fake_fail_at = 0;
	fake_forget();
	fake_frames_alive = frames;
	vmx_msr_bitmap_phys = maps[0];
	vmx_msr_bitmap_apic_phys = maps[1];
	vmx_io_bitmap_phys = maps[2];
	wrmsr(MSR_VMX_EPT_VPID_CAP, rdmsr(MSR_VMX_EPT_VPID_CAP) | EPT_CAP_1G);
	assert_int_equal(vmx_backend.nested_max_level(), 3);
	wrmsr(MSR_VMX_EPT_VPID_CAP, rdmsr(MSR_VMX_EPT_VPID_CAP) & ~EPT_CAP_1G);
	assert_int_equal(vmx_backend.nested_max_level(), 2);
}

/* Of CPUs that differ from CPU 0, or where VMXON fails, none runs guests. */
static void cpus_that_cannot(void **state)
{
	uint64_t proc2 = rdmsr(MSR_VMX_PROCBASED2);
	unsigned frames = fake_frames_alive;

	(void)state;
	fake_remember();
	/* It has VMX on already: VMXON fails. */
	assert_int_equal(vmx_backend.cpu_enable(&fake_cpu->cpu), -EPERM);
	wrmsr(MSR_VMX_PROCBASED2, proc2 ^ PROC2_RDTSCP << 32);
	assert_int_equal(vmx_backend.cpu_enable(&fake_cpu->cpu), -EPERM);
	wrmsr(MSR_VMX_PROCBASED2, proc2);
	for (unsigned n = 1; n <= 2; n++) {
		fake_allocations = 0;
		fake_fail_at = n;
		assert_int_equal(vmx_backend.cpu_enable(&fake_cpu->cpu), -ENOMEM);
	}
	fake_fail_at = 0;
	/* Firmware left the choice to us: VMX is chosen, and locked. */
	void *vc = fake_cpu->cpu.backend;

	fake_cpu->vmx_on = false;
	fake_cpu->cr4 &= ~BIT(13);
	wrmsr(MSR_FEATURE_CONTROL, 0);
	assert_int_equal(vmx_backend.cpu_enable(&fake_cpu->cpu), 0);
	assert_int_equal(rdmsr(MSR_FEATURE_CONTROL), 5);
	assert_true(fake_cpu->cr4 & BIT(13));
	fake_cpu->cpu.backend = vc;
	fake_forget();
	fake_frames_alive = frames;
}

static void states_that_an_entry_refuses(void **state)
{
	static const struct model_insn script[] = {NOTE('a'), END};
	static const struct {
		uint32_t reason;
		uint64_t qualification;
		uint32_t error;
	} cases[] = {{0x80000021, 0, 0}, {0x80000021, 2, 0}, {0x80000021, 3, 0},
		     {0x80000021, 4, 0}, {0x80000022, 1, 0}, {0, 0, 4},
		     {0, 0, 5},		 {0, 0, 7},	     {0, 0, 8},
		     {0, 0, 26},	 {0, 0, 99}};

	(void)state;
	finish(NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_vmx_refuse_reason_next = cases[i].reason;
		fake_vmx_refuse_qualification = cases[i].qualification;
		fake_vmx_refuse_error_next = cases[i].error;
		ends(script, VM_STOP_CRASH, "invalid_state exit, VMX");
	}
	fake_vmx_refuse_reason_next = fake_vmx_refuse_error_next = 0;
	restart(NULL);
}

/* A machine check during the entry is the machine's; the guest enters again. */
static void machine_check_at_entry(void **state)
{
	static const struct model_insn script[] = {NOTE('a'), END};

	(void)state;
	fake_vmx_refuse_reason = 0x80000029;
	machine_trace(script, "a");
	assert_int_equal(fake_cpu->machine_checks, 1);
}

static void send_level_41(void)
{
	struct vlapic_message m = {.dest = 0, .vector = 0x41, .level_triggered = true};

	fake_cpu_use(1);
	vlapic_deliver(boot_vcpu()->vm, &m);
	fake_cpu_use(0);
}

static void self_ipis_and_ends_of_interrupt(void **state)
{
	static const struct model_insn script[] = {
		X2APIC,	   DO(M_STI),		WRMSR(0x83f, 0x45), NOTE('a'), WRMSR(0x83f, 5),
		NOTE('b'), HOST(send_level_41), NOTE('c'),	    END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	machine_run(vm);
	assert_string_equal(models[0].trace, "45 a b 41 c");
	/* The illegal vector and the level-triggered end are the lapic's matter. */
	assert_int_equal(vm->vcpus[0]->counters.exits[VMEXIT_VENDOR], can.apic ? 2 : 0);
	machine_destroy(vm);
}

/* INT1 goes on behind itself. INT3 and INTO would too, and are delivered as such. */
static void icebp(void **state)
{
	static const struct model_insn handler[] = {DO(M_IRET)};
	static const struct model_insn script[] = {DO(M_ICEBP), NOTE('a'), END};

	(void)state;
	model_handler(1, handler);
	machine_trace(script, "#1 a");
}

/* Each where it belongs, and whoever asks sees it there. */
static void load_tables(void)
{
	struct vcpu *vcpu = boot_vcpu();
	struct vcpu_state got;

	vmx_backend.set_table(vcpu, false, 0xffff800000001000, 0x7f);
	vmx_backend.set_table(vcpu, true, 0x2000, 0xfff);
	assert_true(vmread(VMCS_GUEST_GDTR_BASE) == 0xffff800000001000);
	assert_int_equal(vmread(VMCS_GUEST_GDTR_LIMIT), 0x7f);
	assert_int_equal(vmread(VMCS_GUEST_IDTR_BASE), 0x2000);
	assert_int_equal(vmread(VMCS_GUEST_IDTR_LIMIT), 0xfff);
	vmx_backend.get_state(vcpu, &got);
	assert_true(got.gdtr.base == 0xffff800000001000 && got.gdtr.limit == 0x7f);
	assert_true(got.idtr.base == 0x2000 && got.idtr.limit == 0xfff);
}

static void tables_of_descriptors(void **state)
{
	static const struct model_insn script[] = {HOST(load_tables), NOTE('a'), END};

	(void)state;
	machine_trace(script, "a");
}

static void raise_bp(void)
{
	boot_vcpu()->event =
		(struct vmevent){.kind = VMEVENT_EXCEPTION, .vector = 3, .insn_length = 1};
	models[0].host_interrupt = true;
}

static void breakpoint_by_event(void **state)
{
	static const struct model_insn script[] = {HOST(raise_bp), NOTE('a'), END};

	(void)state;
	machine_trace(script, "#3 a");
	assert_int_equal(fake_vmx_entry_length, 1);
}

/* Slices end by the CPU's own timer, where it has one: at once where the time is over, and then
 * others have a turn. */
static void set_slice(void)
{
	fake_cpu->cpu.slice_end_tsc = fake_rdtsc() + 1000000;
	fake_vmx_timer_insns = 3;
	models[0].host_interrupt = true;
}

static void slices(void **state)
{
	static const struct model_insn script[] = {HOST(set_slice), NOTE('a'), NOTE('b'),
						   NOTE('c'),	    NOTE('d'), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	assert_int_equal(vmx_backend.ends_slices(), can.timer);
	model_script(script);
	machine_run(vm);
	assert_string_equal(models[0].trace, "a b c d");
	assert_int_equal(vm->vcpus[0]->counters.exits[VMEXIT_SLICE], can.timer);
	assert_int_equal(fake_threads_yields, can.timer);
	machine_destroy(vm);
}

static void end_slice(void)
{
	fake_cpu->cpu.slice_end_tsc = 1;
	models[0].host_interrupt = true;
}

static void no_more_slices(void)
{
	fake_cpu->cpu.slice_end_tsc = UINT64_MAX;
}

static void slice_that_is_over(void **state)
{
	static const struct model_insn script[] = {HOST(end_slice), NOTE('a'), END};
	struct vm *vm = machine_create("guest", 1, NULL);

	(void)state;
	model_script(script);
	fake_threads_on_yield = no_more_slices;
	machine_run(vm);
	fake_threads_on_yield = NULL;
	assert_string_equal(models[0].trace, "a");
	assert_int_equal(vm->vcpus[0]->counters.exits[VMEXIT_SLICE], can.timer);
	machine_destroy(vm);
}

/* All 65535 are given, each once; then there are none. */
static void vpids(void **state)
{
	static uint8_t seen_vpid[65536];
	unsigned count = 0;
	uint16_t vpid;

	(void)state;
	memset(seen_vpid, 0, sizeof seen_vpid);
	while ((vpid = vmx_vpid_alloc()) != 0) {
		assert_int_equal(seen_vpid[vpid]++, 0);
		count++;
	}
	assert_int_equal(count, 65535);
	assert_null(machine_create("guest", 1, NULL)); /* and no vCPU goes without */
	for (unsigned i = 1; i < 65536; i++)
		vmx_vpid_free((uint16_t)i);
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
	const struct CMUnitTest tests[] = {
		SCENARIOS,
		SCENARIO(machines_that_cannot),
		SCENARIO(cpus_that_cannot),
		SCENARIO(states_that_an_entry_refuses),
		SCENARIO(machine_check_at_entry),
		SCENARIO(self_ipis_and_ends_of_interrupt),
		SCENARIO(icebp),
		SCENARIO(tables_of_descriptors),
		SCENARIO(breakpoint_by_event),
		SCENARIO(slices),
		SCENARIO(slice_that_is_over),
		SCENARIO(vpids),
	};
	int failed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
		can = machines[i].can;
		failed += cmocka_run_group_tests_name(machines[i].name, tests, NULL, NULL);
	}
	return failed;
}
