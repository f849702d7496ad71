/*
 * Which event may go in, and what is asked for where it may not: for every combination of what
 * blocks (SDM vol. 3C 24.4.2, 26.3.1.5). A CPU that takes the manual's liberties is modelled:
 * its NMI window is open while STI blocks, and it refuses an entry that injects an NMI then.
 * What is asked for must exit once the event can go in, and not before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define KERNEL_VMM_VMX_ASM_H /* not that one */
#include "kernel/vmm/vmx/vmcs.h"

static uint64_t fields[0x8000];

static uint64_t vmread(unsigned field)
{
	return fields[field];
}

static void vmwrite(unsigned field, uint64_t value)
{
	fields[field] = value;
}

#include "kernel/vmm/vmx/events.c"

uint32_t vmx_controls[VMX_CONTROL_SETS];
static struct vmx_vcpu mx;
static struct vcpu vcpu = {.backend = &mx};

/* What was asked of the next entry. */
static uint32_t windows(void)
{
	uint32_t asked = mx.windows;

	mx.windows = 0;
	return asked;
}

static int setup(void **state)
{
	(void)state;
	memset(fields, 0, sizeof fields);
	memset(&mx, 0, sizeof mx);
	vmx_controls[VMX_PROC] = PROC_MONITOR_TRAP;
	vcpu.rflags = RFLAGS_IF;
	return 0;
}

/* An event that may not go in has exactly one window. */
static void test_all_that_blocks(void **state)
{
	(void)state;
	for (uint64_t blocked = 0; blocked < 16; blocked++) {
		bool sti = blocked & BLOCKED_BY_STI, ss = blocked & BLOCKED_BY_MOV_SS;
		bool nmi = blocked & BLOCKED_BY_NMI;

		fields[VMCS_GUEST_INTERRUPTIBILITY] = blocked;
		for (unsigned trap = 0; trap < 2; trap++) {
			vmx_controls[VMX_PROC] = trap ? PROC_MONITOR_TRAP : 0;
			assert_int_equal(vmx_can_inject(&vcpu, VMEVENT_INTERRUPT), !sti && !ss);
			assert_int_equal(vmx_can_inject(&vcpu, VMEVENT_NMI),
					 !nmi && !ss && !(sti && trap));
			vmx_request_window(&vcpu, VMEVENT_NMI);
			assert_int_equal(windows(),
					 sti && trap ? PROC_MONITOR_TRAP : PROC_NMI_WINDOW);
			vmx_request_window(&vcpu, VMEVENT_INTERRUPT);
			assert_int_equal(windows(), PROC_INTERRUPT_WINDOW);
		}
		vcpu.rflags = 2;
		assert_false(vmx_can_inject(&vcpu, VMEVENT_INTERRUPT));
		vcpu.rflags = RFLAGS_IF;
	}
}

/* Where there is no monitor trap, the NMI ends the shadow: both at once need not be accepted.
 */
static void test_an_nmi_goes_in_alone(void **state)
{
	(void)state;
	vmx_controls[VMX_PROC] = 0;
	fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKED_BY_STI;
	assert_true(vmx_can_inject(&vcpu, VMEVENT_NMI));
	vmx_inject(&vcpu, &(struct vmevent){.kind = VMEVENT_NMI, .vector = 2});
	assert_int_equal(fields[VMCS_ENTRY_EVENT], 0x80000202);
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_that_blocks, setup),
		cmocka_unit_test_setup(test_an_nmi_goes_in_alone, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
