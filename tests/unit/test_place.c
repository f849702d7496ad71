/* How messages say where a vCPU is, in each mode. */
/* links: kernel/vmm/place.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/vmm/place.h"

static uint64_t cr0, efer;
static struct vcpu_segment cs;

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return reg == REG_CR0 ? cr0 : reg == REG_EFER ? efer : 0;
}

static void get_segment(struct vcpu *v, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)v, (void)seg;
	*out = cs;
}

static const struct vmm_backend backend = {.get_reg = get_reg, .get_segment = get_segment};
const struct vmm_backend *vmm_backend = &backend;

static void test_modes(void **state)
{
	struct vcpu vcpu = {.rip = 0xfff0, .rflags = 2};

	(void)state;
	cs = (struct vcpu_segment){.selector = 0xf000, .base = 0xffff0000, .attributes = 0x9b};
	assert_string_equal(vcpu_place(&vcpu).text, "CS:IP f000:fff0 (linear 0xfffffff0)");
	cs.base = 0xf0000;
	assert_string_equal(vcpu_place(&vcpu).text, "CS:IP f000:fff0 (linear 0xffff0)");
	cr0 = 1;
	cs = (struct vcpu_segment){.selector = 8, .base = 0x1000, .attributes = 0xc9b};
	assert_string_equal(vcpu_place(&vcpu).text, "CS:EIP 0008:0000fff0 (linear 0x10ff0)");
	vcpu.rflags |= 1 << 17; /* virtual-8086 mode */
	assert_string_equal(vcpu_place(&vcpu).text, "CS:IP 0008:fff0 (linear 0x10ff0)");
	vcpu.rflags = 2;
	efer = EFER_LMA;
	assert_string_equal(vcpu_place(&vcpu).text, "CS:EIP 0008:0000fff0 (linear 0x10ff0)");
	cs.attributes = 0xa9b;
	vcpu.rip = UINT64_MAX;
	assert_string_equal(vcpu_place(&vcpu).text, "RIP 0xffffffffffffffff");
	cs = (struct vcpu_segment){.selector = 0xffff, .base = UINT32_MAX, .attributes = 0xc9b};
	vcpu.rip = UINT32_MAX; /* the longest */
	assert_string_equal(vcpu_place(&vcpu).text, "CS:EIP ffff:ffffffff (linear 0xfffffffe)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_modes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
