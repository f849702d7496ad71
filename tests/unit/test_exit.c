/*
 * What each exit leads to, by itself: which instruction is skipped, emulated or raises what,
 * and what stops the guest. What comes of it on a whole vCPU is test_svm_run's and
 * test_vmx_run's.
 */
/* links: kernel/vmm/exit.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sched/thread.h"
#include "kernel/vmm/bus_lock.h"
#include "kernel/vmm/cr.h"
#include "kernel/vmm/exit.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/insn.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/task_switch.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vm.h"

static struct vm *vm;
static struct vcpu *vcpu;
static char done[128]; /* what was called, in order */
static char stopped[256];
static int skip_error, msr_error, cr_error, insn_cr_error, task_error, populate_error;
static unsigned cpl;
static bool others_wait;
static struct bus_access access_done;

static void note(const char *what)
{
	strcat(done, what);
}

/* ---- what it calls ------------------------------------------------------------------------
 */

static unsigned get_cpl(struct vcpu *of)
{
	(void)of;
	return cpl;
}

static const struct vmm_backend backend = {.name = "TEST", .cpl = get_cpl};
const struct vmm_backend *vmm_backend = &backend;

void insn_refresh_soft_interrupt(struct vcpu *of)
{
	(void)of;
	note("refresh ");
}

int insn_skip(struct vcpu *of, const struct vmexit *exit)
{
	(void)of, (void)exit;
	note("skip ");
	return skip_error;
}

int insn_emulate(struct vcpu *of, const struct vmexit *exit)
{
	(void)of, (void)exit;
	note("emulate ");
	return 0;
}

int insn_cr_write(struct vcpu *of, struct vmexit *exit)
{
	(void)of;
	exit->cr.cr = 4;
	exit->cr.value = 0x20;
	return insn_cr_error;
}

void insn_dump(struct vcpu *of, char *text, size_t bytes)
{
	(void)of;
	snprintf(text, bytes, "0f 0b");
}

struct vcpu_place vcpu_place(struct vcpu *of)
{
	(void)of;
	return (struct vcpu_place){"0x1234"};
}

struct cpuid features_cpuid(struct vcpu *of, uint32_t leaf, uint32_t subleaf)
{
	(void)of;
	return (struct cpuid){leaf + 1, leaf + 2, subleaf + 1, subleaf + 2};
}

int features_rdmsr(struct vcpu *of, uint32_t msr, uint64_t *value)
{
	(void)of;
	assert_int_equal(msr, 0x10);
	*value = 0x1122334455667788;
	return msr_error;
}

int features_wrmsr(struct vcpu *of, uint32_t msr, uint64_t value)
{
	(void)of;
	assert_int_equal(msr, 0x10);
	assert_int_equal(value, 0x5555666677778888);
	return msr_error;
}

bool features_xcr0_valid(uint64_t xcr0)
{
	return xcr0 == 7;
}

void vcpu_set_xcr0(struct vcpu *of, uint64_t value)
{
	(void)of;
	assert_int_equal(value, 7);
	note("xcr0 ");
}

int cr_write(struct vcpu *of, unsigned cr, uint64_t value)
{
	(void)of;
	assert_int_equal(cr, 4);
	assert_int_equal(value, 0x20);
	note("cr ");
	return cr_error;
}

int task_switch(struct vcpu *of, const struct vmexit *exit)
{
	(void)of;
	assert_int_equal(exit->task.selector, 0x28);
	note("task ");
	return task_error;
}

static void raise(unsigned vector, int error)
{
	char text[16];

	snprintf(text, sizeof(text), error < 0 ? "#%u " : "#%u(%d) ", vector, error);
	note(text);
}

void vcpu_raise(struct vcpu *of, unsigned vector)
{
	(void)of;
	raise(vector, -1);
}

void vcpu_raise_error(struct vcpu *of, unsigned vector, uint32_t error)
{
	(void)of;
	raise(vector, (int)error);
}

void bus_do(struct bus *bus, struct bus_access *access)
{
	assert_ptr_equal(bus, &vm->pio);
	note("bus ");
	access_done = *access;
	if (!access->write)
		access->value = 0xa1a2a3a4a5a6a7a8;
}

int gmem_populate(struct gmem *gm, uint64_t gpa)
{
	assert_ptr_equal(gm, &vm->gmem);
	assert_int_equal(gpa, 0xfee00000);
	return populate_error;
}

void bus_lock_throttle(struct bucket *bucket)
{
	assert_ptr_equal(bucket, &vcpu->bus_locks);
	note("throttle ");
}

bool thread_others_waiting(void)
{
	return others_wait;
}

void thread_yield(void)
{
	note("yield ");
}

void vm_stop(struct vm *of, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	va_list args;

	assert_ptr_equal(of, vm);
	assert_int_equal(kind, VM_STOP_CRASH);
	assert_int_equal(status, 0);
	va_start(args, fmt);
	vsnprintf(stopped, sizeof(stopped), fmt, args);
	va_end(args);
	note("stop ");
}

/* ---- tests --------------------------------------------------------------------------------
 */

static int fresh(void **state)
{
	(void)state;
	vm = calloc(1, sizeof(*vm));
	vcpu = calloc(1, sizeof(*vcpu));
	vcpu->vm = vm;
	vcpu->id = 3;
	skip_error = msr_error = cr_error = insn_cr_error = task_error = populate_error = 0;
	cpl = 0;
	others_wait = false;
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(vcpu);
	free(vm);
	return 0;
}

/* What vcpu->exit, of this reason, leads to. */
static void demand(enum vmexit_reason reason, const char *wanted)
{
	const uint64_t before = vcpu->counters.exits[reason];

	done[0] = stopped[0] = 0;
	vcpu->exit.reason = reason;
	exit_handle(vcpu);
	assert_string_equal(done, wanted);
	assert_int_equal(vcpu->counters.exits[reason], before + 1);
}

static void each_reason_has_its_answer(void **state)
{
	(void)state;
	demand(VMEXIT_HOST_INTERRUPT, "");
	demand(VMEXIT_INTERRUPT_WINDOW, "");
	demand(VMEXIT_NMI_WINDOW, "");
	demand(VMEXIT_VENDOR, "");
	demand(VMEXIT_SOFT_INTERRUPT, "refresh ");
	demand(VMEXIT_CACHE, "skip ");
	demand(VMEXIT_SYSTEM_READ, "emulate ");
	demand(VMEXIT_MONITOR, "#6 ");
	demand(VMEXIT_UNDEFINED, "#6 ");
	demand(VMEXIT_RDPMC, "#13(0) ");
	demand(VMEXIT_HYPERCALL, "skip ");
	assert_int_equal(vcpu->regs[RAX], (uint64_t)-1000); /* KVM_ENOSYS */
	demand(VMEXIT_HLT, "skip ");
	assert_int_equal(vcpu->state, VCPU_HALTED);
	assert_int_equal(vcpu->counters.halts, 1);
	demand(VMEXIT_PAUSE, "skip ");
	others_wait = true;
	demand(VMEXIT_PAUSE, "skip yield ");
	vcpu->exit.bus_lock = true;
	demand(VMEXIT_BUS_LOCK, "throttle ");
	demand(VMEXIT_CACHE, "skip throttle ");
}

static void what_ends_the_guest_is_told(void **state)
{
	static const enum vmexit_reason reasons[] = {VMEXIT_UNKNOWN, VMEXIT_INIT,
						     VMEXIT_INVALID_STATE};
	char wanted[128];

	(void)state;
	vcpu->exit.raw_code = 0x7f;
	vcpu->exit.raw_info[0] = 1;
	vcpu->exit.raw_info[1] = 2;
	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
		demand(reasons[i], "stop ");
		snprintf(wanted, sizeof(wanted),
			 "vCPU 3: %s exit, TEST code 0x7f info 0x1 0x2, 0x1234: 0f 0b",
			 vmexit_name(reasons[i]));
		assert_string_equal(stopped, wanted);
	}
	demand(VMEXIT_TRIPLE_FAULT, "stop ");
	assert_string_equal(stopped, "vCPU 3: triple fault at 0x1234");
	skip_error = -EFAULT;
	demand(VMEXIT_CACHE, "skip stop ");
	assert_string_equal(stopped, "vCPU 3: the instruction at 0x1234 that caused a cache "
				     "exit cannot be read");
	assert_string_equal(vmexit_name(VMEXIT_REASONS - 1), "vendor");
	assert_string_equal(vmexit_name(VMEXIT_REASONS), "?");
}

static void a_task_is_switched_or_the_guest_ends(void **state)
{
	(void)state;
	vcpu->exit.task.selector = 0x28;
	demand(VMEXIT_TASK_SWITCH, "task ");
	task_error = -EFAULT;
	demand(VMEXIT_TASK_SWITCH, "task stop ");
	assert_non_null(strstr(stopped, "task_switch exit"));
}

static void control_registers(void **state)
{
	(void)state;
	vcpu->exit.cr.cr = 4;
	vcpu->exit.cr.value = 0x20;
	demand(VMEXIT_CR_WRITE, "cr skip ");
	cr_error = -EINVAL;
	demand(VMEXIT_CR_WRITE, "cr #13(0) ");
	cr_error = 0;
	vcpu->exit.cr.unknown = true; /* the instruction says which */
	vcpu->exit.cr.cr = 0;
	demand(VMEXIT_CR_WRITE, "cr skip ");
	insn_cr_error = -EAGAIN; /* something was raised, or the guest must run first */
	demand(VMEXIT_CR_WRITE, "");
	insn_cr_error = -EFAULT;
	demand(VMEXIT_CR_WRITE, "stop ");
	assert_non_null(strstr(stopped, "cr_write exit"));
}

static void xcr0_is_for_the_kernel(void **state)
{
	(void)state;
	vcpu->regs[RAX] = 7;
	demand(VMEXIT_XSETBV, "xcr0 skip ");
	vcpu->regs[RCX] = 1ull << 32; /* ECX counts */
	demand(VMEXIT_XSETBV, "xcr0 skip ");
	vcpu->regs[RCX] = 1;
	demand(VMEXIT_XSETBV, "#13(0) ");
	vcpu->regs[RCX] = 0;
	cpl = 1;
	demand(VMEXIT_XSETBV, "#13(0) ");
	cpl = 0;
	vcpu->regs[RAX] = 6;
	demand(VMEXIT_XSETBV, "#13(0) ");
	vcpu->regs[RAX] = 7;
	vcpu->regs[RDX] = 1;
	demand(VMEXIT_XSETBV, "#13(0) ");
}

static void registers_of_the_model(void **state)
{
	(void)state;
	vcpu->regs[RCX] = 0xffffffff00000010;
	demand(VMEXIT_RDMSR, "skip ");
	assert_int_equal(vcpu->regs[RAX], 0x55667788);
	assert_int_equal(vcpu->regs[RDX], 0x11223344);
	vcpu->regs[RAX] = 0x1111222277778888;
	vcpu->regs[RDX] = 0x3333444455556666;
	demand(VMEXIT_WRMSR, "skip ");
	msr_error = -EINVAL;
	demand(VMEXIT_WRMSR, "#13(0) ");
	demand(VMEXIT_RDMSR, "#13(0) ");
	assert_int_equal(vcpu->regs[RAX], 0x1111222277778888);
	vcpu->regs[RAX] = 0xffffffff00000007;
	vcpu->regs[RCX] = 0xffffffff00000009;
	demand(VMEXIT_CPUID, "skip ");
	assert_int_equal(vcpu->regs[RAX], 8);
	assert_int_equal(vcpu->regs[RBX], 9);
	assert_int_equal(vcpu->regs[RCX], 10);
	assert_int_equal(vcpu->regs[RDX], 11);
}

/* 8 and 16 bits leave the rest of RAX, 32 clear its upper half. */
static void ports(void **state)
{
	static const struct {
		uint8_t bytes;
		uint64_t in, out;
	} sizes[] = {{1, 0x11223344556677a8, 0x88},
		     {2, 0x112233445566a7a8, 0x7788},
		     {4, 0xa5a6a7a8, 0x55667788}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		vcpu->exit.io.port = 0x3f8;
		vcpu->exit.io.bytes = sizes[i].bytes;
		for (unsigned in = 0; in < 2; in++) {
			vcpu->exit.io.in = in;
			vcpu->regs[RAX] = 0x1122334455667788;
			demand(VMEXIT_IO, "skip bus ");
			assert_int_equal(access_done.addr, 0x3f8);
			assert_int_equal(access_done.bytes, sizes[i].bytes);
			assert_int_equal(access_done.write, !in);
			assert_int_equal(access_done.value, in ? 0 : sizes[i].out);
			assert_int_equal(vcpu->regs[RAX],
					 in ? sizes[i].in : 0x1122334455667788);
		}
	}
	vcpu->exit.io.string = true;
	demand(VMEXIT_IO, "emulate ");
}

static void what_is_no_memory(void **state)
{
	(void)state;
	vcpu->exit.fault.gpa = 0xfee00000;
	demand(VMEXIT_NESTED_FAULT, "");
	assert_int_equal(vcpu->counters.pages_populated, 1);
	populate_error = -ENOENT;
	demand(VMEXIT_NESTED_FAULT, "emulate ");
	assert_int_equal(vcpu->counters.mmio_emulated, 1);
	vcpu->event = (struct vmevent){.kind = VMEVENT_EXCEPTION, .vector = 14};
	demand(VMEXIT_NESTED_FAULT, "stop ");
	assert_string_equal(stopped, "vCPU 3: delivering vector 14 touches 0xfee00000, which "
				     "is not RAM (0x1234)");
	vcpu->exit.fault.access = VMEXIT_FETCH | VMEXIT_READ;
	demand(VMEXIT_NESTED_FAULT, "stop ");
	assert_string_equal(stopped,
			    "vCPU 3: executes at 0xfee00000, which is not RAM (0x1234)");
	vcpu->exit.fault.during_walk = true;
	demand(VMEXIT_NESTED_FAULT, "stop ");
	assert_string_equal(stopped,
			    "vCPU 3: page tables at 0xfee00000, which is not RAM (0x1234)");
	populate_error = -ENOMEM;
	demand(VMEXIT_NESTED_FAULT, "stop ");
	assert_non_null(strstr(stopped, "no memory is left"));
	assert_int_equal(vcpu->counters.pages_populated, 1);
	assert_int_equal(vcpu->counters.mmio_emulated, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
		TEST(each_reason_has_its_answer),
		TEST(what_ends_the_guest_is_told),
		TEST(a_task_is_switched_or_the_guest_ends),
		TEST(control_registers),
		TEST(xcr0_is_for_the_kernel),
		TEST(registers_of_the_model),
		TEST(ports),
		TEST(what_is_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
