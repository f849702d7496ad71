/*
 * The VMCB's exit fields in neutral words, on CPUs with and without NRIPS and decode assists:
 * the emulator that runs the whole-machine tests has neither.
 */
/* links: kernel/vmm/svm/exit.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/log/log.h"
#include "kernel/vmm/svm/svm.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vm.h"

#define RIP 0x1000ull

struct svm_features svm_features;
static struct vmcb vmcb;
static struct svm_vcpu sv;
static struct vm vm;
static struct vcpu vcpu;
static unsigned raised;
static uint16_t cs_attributes;
static uint64_t efer;

static void get_segment(struct vcpu *v, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)v;
	(void)seg;
	*out = (struct vcpu_segment){.attributes = cs_attributes};
}

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return reg == REG_EFER ? efer : 0;
}

static const struct vmm_backend backend = {.get_segment = get_segment, .get_reg = get_reg};
const struct vmm_backend *vmm_backend = &backend;

void vcpu_raise(struct vcpu *v, unsigned vector)
{
	(void)v;
	raised = vector;
}

void vcpu_raise_error(struct vcpu *v, unsigned vector, uint32_t error)
{
	(void)v;
	raised = vector | error << 8;
}

static uint64_t fault_address;

void vcpu_raise_page_fault(struct vcpu *v, uint64_t cr2, uint32_t error)
{
	(void)v;
	raised = 14 | error << 8;
	fault_address = cr2;
}

void svm_tcg_let_pass(struct svm_vcpu *v)
{
	v->tcg.passes = true;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)level;
	(void)area;
	(void)fmt;
}

static int setup(void **state)
{
	(void)state;
	memset(&vmcb, 0, sizeof(vmcb));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&sv, 0, sizeof(sv));
	sv.vmcb = &vmcb;
	vcpu.backend = &sv;
	vcpu.vm = &vm;
	vcpu.rip = vmcb.rip = RIP;
	vcpu.rflags = 2;
	svm_features.edx = 0;
	cs_attributes = SEG_ATTR_LONG;
	efer = EFER_LMA;
	raised = 0;
	return 0;
}

static struct vmexit *translate(uint64_t exit_code, uint64_t info_1, uint64_t info_2)
{
	vmcb.exit_code = exit_code;
	vmcb.exit_info_1 = info_1;
	vmcb.exit_info_2 = info_2;
	svm_translate_exit(&vcpu, &vcpu.exit);
	return &vcpu.exit;
}

static void length_only_where_the_cpu_tells(void **state)
{
	(void)state;
	vmcb.next_rip = RIP + 2;
	assert_int_equal(translate(SVM_EXIT_CPUID, 0, 0)->insn_length, 0);
	svm_features.edx = SVM_NRIPS;
	assert_int_equal(translate(SVM_EXIT_CPUID, 0, 0)->insn_length, 2);
	assert_int_equal(vcpu.exit.reason, VMEXIT_CPUID);
	vmcb.next_rip = 0; /* not every exit sets it */
	assert_int_equal(translate(SVM_EXIT_NPF, 0, 0)->insn_length, 0);
	vmcb.next_rip = RIP + 16;
	assert_int_equal(translate(SVM_EXIT_CPUID, 0, 0)->insn_length, 0);
}

static void bytes_only_with_decode_assists(void **state)
{
	struct vmexit *exit;

	(void)state;
	vmcb.insn_bytes_count = 4;
	memcpy(vmcb.insn_bytes, "\x89\x07\x90\x90", 4);
	exit = translate(SVM_EXIT_NPF, NPF_WRITE, 0xfee000b0);
	assert_int_equal(exit->insn_available, 0);
	assert_int_equal(exit->reason, VMEXIT_NESTED_FAULT);
	assert_int_equal(exit->fault.gpa, 0xfee000b0);
	assert_int_equal(exit->fault.access, VMEXIT_WRITE);
	assert_false(exit->fault.during_walk);
	svm_features.edx = SVM_DECODE_ASSIST;
	exit = translate(SVM_EXIT_NPF, NPF_FETCH | NPF_TABLE, 0);
	assert_int_equal(exit->insn_available, 4);
	assert_memory_equal(exit->insn, "\x89\x07\x90\x90", 4);
	assert_int_equal(exit->fault.access, VMEXIT_FETCH);
	assert_true(exit->fault.during_walk);
}

/* APM vol. 2 fig. 15-2: port 31:16, size bits 6:4, REP 3, STR 2, IN 0; the next RIP always. */
static void port_accesses(void **state)
{
	struct vmexit *exit = translate(SVM_EXIT_IOIO, 0x3fdull << 16 | 1 << 4 | 1, RIP + 1);

	(void)state;
	assert_int_equal(exit->reason, VMEXIT_IO);
	assert_int_equal(exit->io.port, 0x3fd);
	assert_int_equal(exit->io.bytes, 1);
	assert_true(exit->io.in);
	assert_false(exit->io.string);
	assert_int_equal(exit->insn_length, 1);
	exit = translate(SVM_EXIT_IOIO, 0xcf8ull << 16 | 4 << 4 | 1 << 3 | 1 << 2, RIP + 2);
	assert_int_equal(exit->io.bytes, 4);
	assert_false(exit->io.in);
	assert_true(exit->io.string && exit->io.rep);
}

static void interrupted_events_are_kept(void **state)
{
	(void)state;
	vmcb.exit_int_info = EVENT_VALID | 0x31;
	translate(SVM_EXIT_NPF, 0, 0);
	assert_int_equal(vcpu.event.kind, VMEVENT_INTERRUPT);
	assert_int_equal(vcpu.event.vector, 0x31);
	vmcb.exit_int_info =
		EVENT_VALID | EVENT_ERROR_VALID | EVENT_TYPE_EXCEPTION << 8 | 14 | 7ull << 32;
	vmcb.cr2 = 0x1234;
	translate(SVM_EXIT_NPF, 0, 0);
	assert_int_equal(vcpu.event.kind, VMEVENT_EXCEPTION);
	assert_true(vcpu.event.has_error);
	assert_int_equal(vcpu.event.error, 7);
	assert_int_equal(vcpu.event.cr2, 0x1234);
	sv.nmi_blocked = true;
	vmcb.exit_int_info = EVENT_VALID | EVENT_TYPE_NMI << 8 | 2;
	translate(SVM_EXIT_NPF, 0, 0);
	assert_int_equal(vcpu.event.kind, VMEVENT_NMI);
	assert_false(sv.nmi_blocked); /* it was not delivered: it may go in again */
	vcpu.event.kind = VMEVENT_NONE;
	vmcb.exit_int_info = EVENT_VALID | EVENT_TYPE_SOFT << 8 | 0x80;
	translate(SVM_EXIT_NPF, 0, 0);
	assert_int_equal(vcpu.event.kind, VMEVENT_NONE); /* INT 0x80 runs again */
}

/* The guest's memory is not looked at here, with interrupts off: nothing of it is linked. */
static void control_register_writes(void **state)
{
	const struct vmexit *exit;

	(void)state;
	vcpu.regs[R9] = 0xffffffff00000011;
	exit = translate(SVM_EXIT_CR4_WRITE, CR_WRITE_MOV | R9, 0);
	assert_int_equal(exit->reason, VMEXIT_CR_WRITE);
	assert_true(exit->cr.unknown); /* without decode assists the field means nothing */

	svm_features.edx = SVM_DECODE_ASSIST | SVM_NRIPS;
	vmcb.next_rip = RIP + 4;
	exit = translate(SVM_EXIT_CR4_WRITE, CR_WRITE_MOV | R9, 0);
	assert_false(exit->cr.unknown);
	assert_int_equal(exit->cr.cr, 4);
	assert_int_equal(exit->cr.value, 0xffffffff00000011);
	assert_int_equal(exit->insn_length, 4);
	assert_int_equal(translate(SVM_EXIT_CR8_WRITE, CR_WRITE_MOV | R9, 0)->cr.cr, 8);
	assert_int_equal(translate(SVM_EXIT_CR0_WRITE, CR_WRITE_MOV | R9, 0)->cr.cr, 0);
	efer = 0; /* CS.L counts in long mode alone; else the upper half does not */
	exit = translate(SVM_EXIT_CR4_WRITE, CR_WRITE_MOV | R9, 0);
	assert_int_equal(exit->cr.value, 0x11);
	efer = EFER_LMA;
	cs_attributes = SEG_ATTR_DB;
	exit = translate(SVM_EXIT_CR0_SEL, CR_WRITE_MOV | R9, 0);
	assert_int_equal(exit->cr.cr, 0);
	assert_int_equal(exit->cr.value, 0x11);

	exit = translate(SVM_EXIT_CR0_SEL, R9, 0); /* LMSW */
	assert_int_equal(exit->reason, VMEXIT_CR_WRITE);
	assert_true(exit->cr.unknown);
}

/* NMIs stay blocked until the IRET after them has run, which takes a step by TF. */
static void iret_is_stepped_over(void **state)
{
	(void)state;
	sv.nmi_blocked = true;
	vmcb.intercepts[0] = (uint32_t)INTERCEPT_IRET;
	assert_int_equal(translate(SVM_EXIT_IRET, 0, 0)->reason, VMEXIT_VENDOR);
	assert_true(sv.nmi_blocked);
	assert_int_equal(vmcb.intercepts[0], 0);
	assert_true(vcpu.rflags & 1 << 8);
	vmcb.dr6 = 1 << 14;
	assert_int_equal(translate(SVM_EXIT_EXCEPTION + 1, 0, 0)->reason, VMEXIT_NMI_WINDOW);
	assert_false(sv.nmi_blocked);
	assert_int_equal(vmcb.dr6, 0);
	assert_int_equal(raised, 0);
	assert_int_equal(translate(SVM_EXIT_EXCEPTION + 1, 0, 0)->reason, VMEXIT_VENDOR);
	assert_int_equal(raised, 1); /* the guest's own #DB */
}

/* A guest that steps through its handler: its TF is as good, and its #DB stays its own. */
static void iret_that_the_guest_steps_over(void **state)
{
	(void)state;
	sv.nmi_blocked = true;
	vcpu.rflags |= 1 << 8;
	translate(SVM_EXIT_IRET, 0, 0);
	assert_true(sv.nmi_blocked);
	assert_true(vcpu.rflags & 1 << 8);
	vmcb.dr6 |= 1 << 14;
	assert_int_equal(translate(SVM_EXIT_EXCEPTION + 1, 0, 0)->reason, VMEXIT_NMI_WINDOW);
	assert_false(sv.nmi_blocked || sv.stepping_iret);
	assert_int_equal(raised, 1);
	assert_true(vmcb.dr6 & 1 << 14);
}

static void soft_interrupt(void **state)
{
	(void)state;
	assert_int_equal(translate(SVM_EXIT_SWINT, 0, 0)->reason, VMEXIT_SOFT_INTERRUPT);
	assert_true(sv.tcg.passes);
}

/* The step leaves nothing in the guest's DR6, and takes nothing from it; a breakpoint that the
 * IRET meets is the guest's. */
static void breakpoints_of_a_step(void **state)
{
	static const struct {
		uint64_t before, dr7, met, after;
		bool raises;
	} cases[] = {
		{0xffff0ff0, 0x400, 0, 0xffff0ff0, false},
		{0xffff4ff1, 0x401, 0, 0xffff4ff1, false}, /* its own, from before */
		{0xffff0ff0, 0x404, 2, 0xffff0ff2, true},
		{0xffff0ff2, 0x404, 2, 0xffff0ff2, true},  /* once more */
		{0xffff0ff0, 0x480, 8, 0xffff0ff8, true},  /* G3 */
		{0xffff0ff0, 0x404, 1, 0xffff0ff1, false}, /* not enabled */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(state);
		sv.nmi_blocked = true;
		vmcb.dr6 = cases[i].before;
		vmcb.dr7 = cases[i].dr7;
		translate(SVM_EXIT_IRET, 0, 0);
		vmcb.dr6 |= cases[i].met | 1 << 14; /* by the CPU */
		assert_int_equal(translate(SVM_EXIT_EXCEPTION + 1, 0, 0)->reason,
				 VMEXIT_NMI_WINDOW);
		assert_int_equal(vmcb.dr6, cases[i].after);
		assert_int_equal(raised, cases[i].raises ? 1 : 0);
	}
}

/* An IRET that faults ends the step: its handler's frame has no TF of ours, and the exceptions
 * are the guest's own again. */
static void iret_that_faults(void **state)
{
	static const uint8_t vectors[] = {10, 11, 12, 13, 14, 17};

	for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
		setup(state);
		vmcb.intercept_exceptions = 1 << 1 | 1 << 17 | 1 << 18;
		sv.nmi_blocked = true;
		translate(SVM_EXIT_IRET, 0, 0);
		assert_true(vmcb.intercept_exceptions & 1 << vectors[i]);
		assert_int_equal(
			translate(SVM_EXIT_EXCEPTION + vectors[i], 0x18, 0x7000)->reason,
			VMEXIT_VENDOR);
		assert_int_equal(raised, vectors[i] | 0x1800);
		assert_false(vcpu.rflags & 1 << 8);
		assert_false(sv.nmi_blocked || sv.stepping_iret);
		assert_int_equal(vmcb.intercept_exceptions, 1 << 1 | 1 << 17 | 1 << 18);
	}
	assert_int_equal(fault_address, 0x7000);

	setup(state); /* the guest's own TF stays */
	sv.nmi_blocked = true;
	vcpu.rflags |= 1 << 8;
	translate(SVM_EXIT_IRET, 0, 0);
	translate(SVM_EXIT_EXCEPTION + 13, 0x18, 0);
	assert_true(vcpu.rflags & 1 << 8);

	setup(state); /* in long mode NT is #GP, and no task switch */
	sv.nmi_blocked = true;
	vmcb.efer = EFER_LMA;
	vcpu.rflags |= 1 << 14;
	translate(SVM_EXIT_IRET, 0, 0);
	assert_true(sv.nmi_blocked && sv.stepping_iret);
	vmcb.efer = 0;

	setup(state); /* one that switches tasks would save TF with the old task: no step */
	sv.nmi_blocked = true;
	vcpu.rflags |= 1 << 14;
	translate(SVM_EXIT_IRET, 0, 0);
	assert_false(vcpu.rflags & 1 << 8);
	assert_false(sv.nmi_blocked || sv.stepping_iret);
}

/* It exits before it is made, and may be made once then: the counter counts down to 0. */
static void bus_locks(void **state)
{
	(void)state;
	assert_int_equal(translate(SVM_EXIT_BUS_LOCK, 0, 0)->reason, VMEXIT_BUS_LOCK);
	assert_true(vcpu.exit.bus_lock);
	assert_int_equal(vmcb.bus_lock_counter, 1);
	assert_false(translate(SVM_EXIT_CPUID, 0, 0)->bus_lock);
}

/* UMIP where the CPU has none (APM vol. 2 appendix C). */
static void reads_of_system_registers(void **state)
{
	static const uint64_t codes[] = {0x00, 0x04, 0x66, 0x67, 0x68, 0x69};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
		assert_int_equal(translate(codes[i], 0, 0)->reason, VMEXIT_SYSTEM_READ);
	assert_int_equal(translate(0x02, 0, 0)->reason, VMEXIT_UNKNOWN);
	assert_int_equal(translate(0x6a, 0, 0)->reason, VMEXIT_UNKNOWN); /* a load of IDTR */
}

static void codes_nobody_knows(void **state)
{
	(void)state;
	assert_int_equal(translate(SVM_EXIT_INVALID, 0, 0)->reason, VMEXIT_INVALID_STATE);
	assert_int_equal(translate(SVM_EXIT_INVALID_7_2, 0, 0)->reason, VMEXIT_INVALID_STATE);
	assert_int_equal(translate(0x3ff, 0, 0)->reason, VMEXIT_UNKNOWN);
	assert_int_equal(translate(0x401, 0, 0)->reason, VMEXIT_UNKNOWN);
	assert_int_equal(translate(SVM_EXIT_EXCEPTION + 6, 0, 0)->reason, VMEXIT_UNKNOWN);
	assert_int_equal(translate(SVM_EXIT_SHUTDOWN, 0, 0)->reason, VMEXIT_TRIPLE_FAULT);
	assert_int_equal(translate(SVM_EXIT_VMRUN, 0, 0)->reason, VMEXIT_UNDEFINED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(length_only_where_the_cpu_tells, setup),
		cmocka_unit_test_setup(bytes_only_with_decode_assists, setup),
		cmocka_unit_test_setup(port_accesses, setup),
		cmocka_unit_test_setup(interrupted_events_are_kept, setup),
		cmocka_unit_test_setup(control_register_writes, setup),
		cmocka_unit_test_setup(iret_is_stepped_over, setup),
		cmocka_unit_test_setup(iret_that_the_guest_steps_over, setup),
		cmocka_unit_test_setup(soft_interrupt, setup),
		cmocka_unit_test_setup(breakpoints_of_a_step, setup),
		cmocka_unit_test_setup(iret_that_faults, setup),
		cmocka_unit_test_setup(bus_locks, setup),
		cmocka_unit_test_setup(reads_of_system_registers, setup),
		cmocka_unit_test_setup(codes_nobody_knows, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
