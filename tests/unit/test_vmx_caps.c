/* VMX controls chosen for invented CPUs, the EPT pointer, and segments' access rights. */
/* links: kernel/vmm/vmx/caps.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/vmm/vmx/caps.h"
#include "kernel/vmm/vmx/vmcs.h"

/* A capability MSR: what must be 1, and what may be. */
static uint64_t capability(uint32_t must, uint32_t may)
{
	return (uint64_t)(may | must) << 32 | must;
}

#define ANY UINT32_MAX

static char why[128];

static void adjusts(enum vmx_control_set set, uint64_t msr, uint32_t expected)
{
	uint32_t value = 0;

	assert_int_equal(vmx_adjust(set, msr, &value, why, sizeof why), 0);
	assert_int_equal(value, expected);
}

static void refuses(enum vmx_control_set set, uint64_t msr, const char *sentence)
{
	uint32_t value;

	why[0] = '\0';
	assert_int_equal(vmx_adjust(set, msr, &value, why, sizeof why), -ENODEV);
	assert_string_equal(why, sentence);
}

#define PIN_REQUIRED (uint32_t)(PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI)

static void test_cpu_that_can_all(void **state)
{
	(void)state;
	adjusts(VMX_PIN, capability(0, ANY), PIN_REQUIRED | PIN_PREEMPTION_TIMER);
	adjusts(VMX_PROC2, capability(0, ANY),
		PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED | PROC2_RDTSCP | PROC2_WBINVD |
			PROC2_INVPCID | PROC2_PAUSE_LOOP | PROC2_BUS_LOCK);
}

/* Bits 1, 2 and 4 of the pin-based controls must be 1 on every CPU (SDM vol. 3D A.3.1). */
static void test_control_that_must_be_1(void **state)
{
	(void)state;
	adjusts(VMX_PIN, capability(0x16, PIN_REQUIRED), PIN_REQUIRED | 0x16);
	adjusts(VMX_ENTRY, capability(0x11fb, ANY), 0xd3ff);
}

static void test_optional_control_that_must_be_0(void **state)
{
	uint32_t least = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED;

	(void)state;
	adjusts(VMX_PROC2, capability(0, least), least);
	adjusts(VMX_PROC2, capability(0, least | PROC2_RDTSCP), least | PROC2_RDTSCP);
}

static void test_missing_control_is_named(void **state)
{
	(void)state;
	refuses(VMX_PIN, capability(0, ANY & ~(uint32_t)PIN_VIRTUAL_NMI),
		"the CPU lacks the pin-based control \"virtual NMIs\"");
	refuses(VMX_PROC2, capability(0, ANY & ~(uint32_t)PROC2_UNRESTRICTED),
		"the CPU lacks the secondary processor-based control \"unrestricted guest\"");
	refuses(VMX_PROC2, capability(0, 0),
		"the CPU lacks the secondary processor-based control \"enable EPT\"");
	refuses(VMX_EXIT, capability(0, ANY & ~(uint32_t)EXIT_LOAD_EFER),
		"the CPU lacks the VM-exit control \"load IA32_EFER\"");
}

static void test_control_that_cannot_be_off_is_named(void **state)
{
	(void)state;
	refuses(VMX_PROC, capability(PROC_CR3_LOAD, ANY),
		"the CPU cannot switch off the processor-based control \"CR3-load exiting\"");
	refuses(VMX_EXIT, capability(EXIT_ACKNOWLEDGE, ANY),
		"the CPU cannot switch off the VM-exit control \"acknowledge interrupt on "
		"exit\"");
}

/* Each control that we require or refuse has a name: on a CPU that lacks just that one. */
static void test_all_have_names(void **state)
{
	(void)state;
	for (unsigned set = 0; set < VMX_CONTROL_SETS; set++)
		for (unsigned bit = 0; bit < 32; bit++) {
			uint32_t value;

			why[0] = '\0';
			vmx_adjust(set, capability(0, ANY & ~(1u << bit)), &value, why,
				   sizeof why);
			assert_null(strstr(why, "(null)"));
			vmx_adjust(set, capability(1u << bit, ANY), &value, why, sizeof why);
			assert_null(strstr(why, "(null)"));
		}
}

/* All or nothing: a CPU that lacks one of them delivers no interrupts itself. */
static void test_apic_controls(void **state)
{
	static const uint32_t bits[VMX_CONTROL_SETS] = {[VMX_PIN] = 1u << 7,
							[VMX_PROC2] =
								1u << 4 | 1u << 8 | 1u << 9,
							[VMX_EXIT] = 1u << 15};
	uint64_t capabilities[VMX_CONTROL_SETS];
	uint32_t controls[VMX_CONTROL_SETS];

	(void)state;
	for (unsigned i = 0; i < VMX_CONTROL_SETS; i++)
		capabilities[i] = capability(0, bits[i]);
	vmx_apic_controls(capabilities, controls);
	assert_memory_equal(controls, bits, sizeof bits);
	for (unsigned i = 0; i < VMX_CONTROL_SETS; i++)
		for (unsigned bit = 0; bit < 32; bit++) {
			if (!(bits[i] >> bit & 1))
				continue;
			capabilities[i] = capability(0, bits[i] & ~(1u << bit));
			vmx_apic_controls(capabilities, controls);
			capabilities[i] = capability(0, bits[i]);
			for (unsigned k = 0; k < VMX_CONTROL_SETS; k++)
				assert_int_equal(controls[k], 0);
		}
}

/* 5 is what Intel's CPUs have had for long; the first models are left alone. */
static void test_preemption_timer(void **state)
{
	(void)state;
	assert_int_equal(vmx_timer_shift(0x7004c1e5, 6, 0x55), 5);
	assert_int_equal(vmx_timer_shift(0x7004c1e0, 6, 0x55), 0);
	assert_int_equal(vmx_timer_shift(0x7004c1e5, 6, 0x25), -1);
	assert_int_equal(vmx_timer_shift(0x7004c1e5, 15, 0x25), 5);
	assert_int_equal(vmx_timer_value(1000, 360, 5), 20);
	assert_int_equal(vmx_timer_value(1000, 999, 5), 0);
	assert_int_equal(vmx_timer_value(1000, 1000, 0), 0);
	assert_int_equal(vmx_timer_value(1000, 2000, 0), 0);
	assert_int_equal(vmx_timer_value(UINT64_MAX - 1, 0, 5), UINT32_MAX);
}

static void test_basic(void **state)
{
	(void)state;
	assert_int_equal(vmx_check_basic(1024ull << 32 | BIT(55) | 4, why, sizeof why), 0);
	assert_int_equal(vmx_check_basic(4096ull << 32 | BIT(55) | 4, why, sizeof why), 0);
	assert_int_equal(vmx_check_basic(4097ull << 32 | BIT(55), why, sizeof why), -ENODEV);
	assert_int_equal(vmx_check_basic(1024ull << 32, why, sizeof why), -ENODEV);
	assert_non_null(strstr(why, "0x48d"));
}

static void test_ept_capabilities(void **state)
{
	/* Bochs' corei5_arrandale_m520, which has no 1 GiB pages. */
	const uint64_t arrandale = 0xf0106114141ull;

	(void)state;
	assert_int_equal(vmx_check_ept(arrandale, why, sizeof why), 0);
	assert_int_equal(vmx_check_ept(arrandale & ~BIT(14), why, sizeof why), -ENODEV);
	assert_string_equal(why, "the CPU's EPT lacks tables in write-back memory");
	assert_int_equal(vmx_check_ept(arrandale & ~BIT(41), why, sizeof why), -ENODEV);
	assert_string_equal(why, "the CPU's EPT lacks single-context INVVPID");
}

/* SDM vol. 3C table 24-8: memory type 6 is write-back, bits 5:3 the walk's length less 1. */
static void test_ept_pointer(void **state)
{
	(void)state;
	assert_int_equal(vmx_eptp(0x123456000), 0x12345601e);
}

static void test_segment_rights(void **state)
{
	static const struct {
		uint16_t attributes;
		uint32_t rights;
	} cases[] = {
		{0x09b, 0x09b},	  /* real mode's code */
		{0xa9b, 0xa09b},  /* 64-bit code: G and L */
		{0xc93, 0xc093},  /* flat data: G and D/B */
		{0x08b, 0x08b},	  /* a busy TSS */
		{0x000, 0x10000}, /* null */
		{0x060, 0x10060}, /* SS null at CPL 3: the CPL is kept */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(vmx_rights(cases[i].attributes), cases[i].rights);
		assert_int_equal(vmx_attributes(cases[i].rights), cases[i].attributes);
	}
	assert_int_equal(vmx_attributes(0x1c093), 0xc13); /* unusable: not present */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_that_can_all),
		cmocka_unit_test(test_control_that_must_be_1),
		cmocka_unit_test(test_optional_control_that_must_be_0),
		cmocka_unit_test(test_missing_control_is_named),
		cmocka_unit_test(test_control_that_cannot_be_off_is_named),
		cmocka_unit_test(test_all_have_names),
		cmocka_unit_test(test_apic_controls),
		cmocka_unit_test(test_preemption_timer),
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_ept_capabilities),
		cmocka_unit_test(test_ept_pointer),
		cmocka_unit_test(test_segment_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
