/*
 * The VMCS's exit fields in neutral words. The VMCS is an array here: this includes the source,
 * with fakes in place of the instructions of vmx/asm.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#define KERNEL_VMM_VMX_ASM_H /* not that one */
#include "kernel/cpu/control.h"
#include "kernel/vmm/vmx/vmcs.h"

static uint64_t fields[0x8000];
static uint64_t dr6;

static uint64_t vmread(unsigned field)
{
	return fields[field];
}

static void vmwrite(unsigned field, uint64_t value)
{
	fields[field] = value;
}

uint64_t read_dr6(void)
{
	return dr6;
}

void write_dr6(uint64_t value)
{
	dr6 = value;
}

#include "kernel/vmm/vmx/exit.c"

#define RIP 0x1000ull

static struct vmx_vcpu mx;
static struct vm vm;
static struct vcpu vcpu;
static uint16_t cs_attributes;
static uint64_t efer;
static unsigned raised, taken, eoi_vector, advanced;
static char logged[256];

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

/* The real one wraps EIP: test_insn. */
void insn_advance(struct vcpu *v, unsigned bytes)
{
	advanced += bytes;
	v->rip += bytes;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)level;
	(void)area;
	va_start(args, fmt);
	vsnprintf(logged, sizeof logged, fmt, args);
	va_end(args);
}

void trap_take(unsigned vector)
{
	taken = vector;
}

void vmx_get_segment(struct vcpu *v, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)v;
	(void)seg;
	*out = (struct vcpu_segment){.attributes = cs_attributes};
}

uint64_t vmx_get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return reg == REG_CR0 ? 0x80000033 : reg == REG_EFER ? efer : 0;
}

static const struct vmm_backend backend = {.get_reg = vmx_get_reg};
const struct vmm_backend *vmm_backend = &backend;

void vmx_get_state(struct vcpu *v, struct vcpu_state *out)
{
	(void)v;
	memset(out, 0, sizeof *out);
}

void vlapic_eoi_broadcast(struct vlapic *lapic, unsigned vector)
{
	(void)lapic;
	eoi_vector = vector;
}

void *vlapic_page(struct vlapic *lapic)
{
	static uint32_t page[1024] = {[0x3f0 / 4] = 5};

	(void)lapic;
	return page;
}

static uint32_t written_msr;
static uint64_t written_value;

int vlapic_wrmsr(struct vlapic *lapic, uint32_t msr, uint64_t value)
{
	(void)lapic;
	written_msr = msr;
	written_value = value;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(fields, 0, sizeof fields);
	memset(&vcpu, 0, sizeof vcpu);
	memset(&mx, 0, sizeof mx);
	vcpu.vm = &vm;
	vcpu.backend = &mx;
	vcpu.rip = RIP;
	raised = taken = eoi_vector = advanced = 0;
	cs_attributes = SEG_ATTR_LONG;
	efer = EFER_LMA;
	logged[0] = '\0';
	return 0;
}

/* An exit with this reason and qualification; 2 bytes of instruction where that means anything.
 */
static const struct vmexit *exits(uint32_t reason, uint64_t qualification)
{
	fields[VMCS_EXIT_REASON] = reason;
	fields[VMCS_EXIT_QUALIFICATION] = qualification;
	fields[VMCS_EXIT_LENGTH] = 2;
	memset(&vcpu.exit, 0xaa, sizeof vcpu.exit);
	vmx_translate_exit(&vcpu, &vcpu.exit, false);
	return &vcpu.exit;
}

static void test_plain(void **state)
{
	static const struct {
		uint32_t code;
		enum vmexit_reason reason;
	} cases[] = {
		{VMX_EXIT_CPUID, VMEXIT_CPUID},
		{VMX_EXIT_HLT, VMEXIT_HLT},
		{VMX_EXIT_RDMSR, VMEXIT_RDMSR},
		{VMX_EXIT_WRMSR, VMEXIT_WRMSR},
		{VMX_EXIT_VMCALL, VMEXIT_HYPERCALL},
		{VMX_EXIT_XSETBV, VMEXIT_XSETBV},
		{VMX_EXIT_TPR, VMEXIT_INTERRUPT_WINDOW},
		{VMX_EXIT_TRIPLE_FAULT, VMEXIT_TRIPLE_FAULT},
		{VMX_EXIT_WBINVD, VMEXIT_CACHE},
		{20 /* VMLAUNCH */, VMEXIT_UNDEFINED},
		{VMX_EXIT_EPT_MISCONFIGURATION, VMEXIT_UNKNOWN},
		{14 /* INVLPG, which we do not ask for */, VMEXIT_UNKNOWN},
		{200, VMEXIT_UNKNOWN},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(exits(cases[i].code, 0)->reason, cases[i].reason);
	assert_int_equal(vcpu.exit.raw_code, 200);
	assert_int_equal(exits(VMX_EXIT_CPUID, 0)->insn_length, 2);
	assert_true(mx.launched);
}

static void test_io(void **state)
{
	const struct vmexit *e = exits(VMX_EXIT_IO, 0x03f80008);

	(void)state;
	assert_int_equal(e->reason, VMEXIT_IO);
	assert_int_equal(e->io.port, 0x3f8);
	assert_int_equal(e->io.bytes, 1);
	assert_true(e->io.in && !e->io.string && !e->io.rep);
	e = exits(VMX_EXIT_IO, 0xcf80033);
	assert_int_equal(e->io.bytes, 4);
	assert_true(!e->io.in && e->io.string && e->io.rep);
}

static void test_ept_violation(void **state)
{
	static const struct {
		uint64_t qualification;
		uint8_t access;
		bool walk;
	} cases[] = {
		{0x181, VMEXIT_READ, false},
		{0x182, VMEXIT_WRITE, false},
		{0x184, VMEXIT_FETCH, false},
		{0x083, VMEXIT_WRITE, true}, /* setting an accessed bit reads and writes */
		{0x001, VMEXIT_READ, false}, /* no linear address: PDPTEs, or the like */
	};

	(void)state;
	fields[VMCS_GUEST_PHYSICAL] = 0xfee00080;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vmexit *e = exits(VMX_EXIT_EPT_VIOLATION, cases[i].qualification);

		assert_int_equal(e->reason, VMEXIT_NESTED_FAULT);
		assert_int_equal(e->fault.gpa, 0xfee00080);
		assert_int_equal(e->fault.access, cases[i].access);
		assert_int_equal(e->fault.during_walk, cases[i].walk);
		assert_int_equal(e->insn_length, 0);
	}
}

/* An IRET that faults has unblocked NMIs; they are blocked again until it has run. Not where an
 * event was on its way: then the bit means nothing. */
static void test_iret_that_faults(void **state)
{
	(void)state;
	exits(VMX_EXIT_EPT_VIOLATION, 0x1181);
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], BLOCKED_BY_NMI);
	fields[VMCS_GUEST_INTERRUPTIBILITY] = 0;
	fields[VMCS_IDT_EVENT] = 0x80000030;
	exits(VMX_EXIT_EPT_VIOLATION, 0x1181);
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 0);
}

/* A bus lock may come with any other reason, or alone. */
static void test_bus_locks(void **state)
{
	const struct vmexit *e = exits(VMX_EXIT_BUS_LOCK, 0);

	(void)state;
	assert_int_equal(e->reason, VMEXIT_BUS_LOCK);
	assert_true(e->bus_lock);
	e = exits(VMX_EXIT_CPUID | (uint32_t)VMX_EXIT_BUS_LOCKED, 0);
	assert_int_equal(e->reason, VMEXIT_CPUID);
	assert_true(e->bus_lock);
	assert_false(exits(VMX_EXIT_CPUID, 0)->bus_lock);
}

static void test_task_switches(void **state)
{
	const struct vmexit *e = exits(VMX_EXIT_TASK_SWITCH, 0x80000038); /* JMP */

	(void)state;
	assert_int_equal(e->reason, VMEXIT_TASK_SWITCH);
	assert_int_equal(e->task.selector, 0x38);
	assert_int_equal(e->task.source, TASK_JMP);
	assert_int_equal(e->insn_length, 2);
	assert_int_equal(exits(VMX_EXIT_TASK_SWITCH, 0x38)->task.source, TASK_CALL);

	fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKED_BY_NMI; /* IRET unblocks NMIs */
	assert_int_equal(exits(VMX_EXIT_TASK_SWITCH, 0x40000038)->task.source, TASK_IRET);
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 0);

	fields[VMCS_IDT_EVENT] = 0x80000b0d; /* #GP with an error code, through a gate */
	fields[VMCS_IDT_EVENT_ERROR] = 0x18;
	e = exits(VMX_EXIT_TASK_SWITCH, 0xc0000038);
	assert_int_equal(e->task.source, TASK_GATE);
	assert_int_equal(e->insn_length, 0);
	assert_int_equal(vcpu.event.kind, VMEVENT_EXCEPTION);
	assert_int_equal(vcpu.event.error, 0x18);

	fields[VMCS_IDT_EVENT] =
		0x80000202; /* an NMI blocks others, though it was no IDT entry */
	exits(VMX_EXIT_TASK_SWITCH, 0xc0000038);
	assert_int_equal(vcpu.event.kind, VMEVENT_NMI);
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], BLOCKED_BY_NMI);

	fields[VMCS_IDT_EVENT] = 0x80000480; /* INT 0x80: RIP moves behind it */
	e = exits(VMX_EXIT_TASK_SWITCH, 0xc0000038);
	assert_int_equal(e->insn_length, 2);
	assert_int_equal(vcpu.event.kind, VMEVENT_NONE);
}

static void test_control_registers(void **state)
{
	const struct vmexit *e;

	(void)state;
	vcpu.regs[RBX] = 0x1234567890;
	e = exits(VMX_EXIT_CR, 0x304); /* MOV CR4, RBX */
	assert_int_equal(e->reason, VMEXIT_CR_WRITE);
	assert_int_equal(e->cr.cr, 4);
	assert_int_equal(e->cr.value, 0x1234567890);
	efer = 0; /* CS.L counts in long mode alone */
	assert_int_equal(exits(VMX_EXIT_CR, 0x304)->cr.value, 0x34567890);
	efer = EFER_LMA;
	cs_attributes = SEG_ATTR_DB;
	assert_int_equal(exits(VMX_EXIT_CR, 0x304)->cr.value, 0x34567890);
	e = exits(VMX_EXIT_CR, 0xfff80030); /* LMSW: 4 bits count, PE stays */
	assert_int_equal(e->cr.cr, 0);
	assert_int_equal(e->cr.value, 0x80000039);
	assert_int_equal(exits(VMX_EXIT_CR, 0x318)->reason, VMEXIT_UNKNOWN); /* MOV from CR8 */
}

static void test_interrupted_events(void **state)
{
	(void)state;
	fields[VMCS_IDT_EVENT] = 0x80000030; /* interrupt 0x30 */
	exits(VMX_EXIT_EPT_VIOLATION, 0x181);
	assert_int_equal(vcpu.event.kind, VMEVENT_INTERRUPT);
	assert_int_equal(vcpu.event.vector, 0x30);

	fields[VMCS_IDT_EVENT] = 0x80000b0e; /* #PF with an error code */
	fields[VMCS_IDT_EVENT_ERROR] = 6;
	mx.cr2 = 0x7000;
	exits(VMX_EXIT_EPT_VIOLATION, 0x181);
	assert_int_equal(vcpu.event.kind, VMEVENT_EXCEPTION);
	assert_true(vcpu.event.has_error);
	assert_int_equal(vcpu.event.error, 6);
	assert_int_equal(vcpu.event.cr2, 0x7000);

	fields[VMCS_IDT_EVENT] = 0x80000202; /* NMI: goes in only while NMIs are not blocked */
	fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKED_BY_NMI;
	exits(VMX_EXIT_EPT_VIOLATION, 0x181);
	assert_int_equal(vcpu.event.kind, VMEVENT_NMI);
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 0);

	vcpu.event.kind = VMEVENT_NONE;
	fields[VMCS_IDT_EVENT] = 0x80000480; /* INT 0x80 runs again by itself */
	exits(VMX_EXIT_EPT_VIOLATION, 0x181);
	assert_int_equal(vcpu.event.kind, VMEVENT_NONE);
}

static void test_debug_exceptions(void **state)
{
	(void)state;
	dr6 = 0xffff0ff1;
	fields[VMCS_GUEST_DR7] = DR7_GD | 0x400;
	fields[VMCS_EXIT_EVENT] = 0x80000301;
	assert_int_equal(exits(VMX_EXIT_EXCEPTION, BIT(14) | BIT(1))->reason, VMEXIT_VENDOR);
	assert_int_equal(raised, 1);
	assert_int_equal(dr6, 0xffff4ff2);
	assert_int_equal(fields[VMCS_GUEST_DR7], 0x400);
	assert_int_equal(vcpu.rip, RIP);

	fields[VMCS_EXIT_EVENT] = 0x80000501; /* INT1 is a trap: RIP behind it */
	exits(VMX_EXIT_EXCEPTION, 0);
	assert_int_equal(vcpu.rip, RIP + 2);
	assert_int_equal(advanced, 2);

	fields[VMCS_EXIT_EVENT] = 0x80000b11; /* #AC */
	exits(VMX_EXIT_EXCEPTION, 0);
	assert_int_equal(raised, 17);
}

/* So has one that raises an intercepted exception. */
static void test_iret_that_raises(void **state)
{
	(void)state;
	fields[VMCS_EXIT_EVENT] = 0x80001b11;
	exits(VMX_EXIT_EXCEPTION, 0);
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], BLOCKED_BY_NMI);
	fields[VMCS_GUEST_INTERRUPTIBILITY] = 0;
	fields[VMCS_IDT_EVENT] = 0x80000030;
	exits(VMX_EXIT_EXCEPTION, 0);
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 0);
	fields[VMCS_EXIT_EVENT] = 0x80000306; /* nobody asked for this one */
	assert_int_equal(exits(VMX_EXIT_EXCEPTION, 0)->reason, VMEXIT_UNKNOWN);
}

static void test_interrupts(void **state)
{
	(void)state;
	assert_int_equal(exits(VMX_EXIT_INTERRUPT, 0)->reason, VMEXIT_HOST_INTERRUPT);
	assert_int_equal(taken, 0); /* it is pending */
	fields[VMCS_EXIT_EVENT] = 0x800000f2;
	exits(VMX_EXIT_INTERRUPT, 0);
	assert_int_equal(taken, 0xf2);
	assert_int_equal(exits(VMX_EXIT_EOI, 0x41)->reason, VMEXIT_VENDOR);
	assert_int_equal(eoi_vector, 0x41);
	exits(VMX_EXIT_APIC_WRITE, 0x3f0);
	assert_int_equal(written_msr, 0x83f);
	assert_int_equal(written_value, 5);
}

static void refused(const char *why)
{
	assert_int_equal(vcpu.exit.reason, VMEXIT_INVALID_STATE);
	assert_non_null(strstr(logged, why));
	assert_false(mx.launched);
}

static void test_failed_entries(void **state)
{
	(void)state;
	fields[VMCS_INSTRUCTION_ERROR] = 7;
	vmx_translate_exit(&vcpu, &vcpu.exit, true);
	refused("refused: invalid control fields");
	exits(0x80000021, 0);
	refused("refused: invalid guest state");
	exits(0x80000021, 2);
	refused("refused: reserved bits in a page-directory-pointer entry");
	exits(0x80000022, 1);
	refused("refused: loading of MSRs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plain, setup),
		cmocka_unit_test_setup(test_io, setup),
		cmocka_unit_test_setup(test_ept_violation, setup),
		cmocka_unit_test_setup(test_iret_that_faults, setup),
		cmocka_unit_test_setup(test_bus_locks, setup),
		cmocka_unit_test_setup(test_task_switches, setup),
		cmocka_unit_test_setup(test_control_registers, setup),
		cmocka_unit_test_setup(test_interrupted_events, setup),
		cmocka_unit_test_setup(test_debug_exceptions, setup),
		cmocka_unit_test_setup(test_iret_that_raises, setup),
		cmocka_unit_test_setup(test_interrupts, setup),
		cmocka_unit_test_setup(test_failed_entries, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
