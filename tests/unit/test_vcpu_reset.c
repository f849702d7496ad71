/*
 * What RESET and INIT make of every register of a vCPU, from a state in which none has that
 * value (SDM vol. 3A table 9-1; APM vol. 2 table 14-1). What is in the CPU while a vCPU is
 * loaded is set through functions, which note it here.
 */
/* links: kernel/vmm/reset.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/lib/x86.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

#define OLD	  0x5a5a0000ull /* what registers hold before, plus their number */
#define KEPT	  UINT64_MAX
#define SIGNATURE 0x000806f1u
#define CR0_RUNS  0x8005003bull /* PG WP AM NE ET TS MP PE */

static struct vcpu_state now;
static struct vcpu vcpu;
static uint64_t debug[4], xcr0;
static unsigned msrs_reset, lapic_init, lapic_reset;

static void get_state(struct vcpu *v, struct vcpu_state *out)
{
	(void)v;
	*out = now;
}

static void set_state(struct vcpu *v, const struct vcpu_state *in)
{
	(void)v;
	now = *in;
}

static const struct vmm_backend backend = {.get_state = get_state, .set_state = set_state};
const struct vmm_backend *vmm_backend = &backend;

void vcpu_set_debug_addresses(struct vcpu *v, const uint64_t dr[4])
{
	(void)v;
	memcpy(debug, dr, sizeof debug);
}

void vcpu_set_xcr0(struct vcpu *v, uint64_t value)
{
	(void)v;
	xcr0 = value;
}

void features_msrs_reset(struct vcpu_msrs *msrs)
{
	(void)msrs;
	msrs_reset++;
}

struct cpuid features_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	(void)v, (void)leaf, (void)subleaf;
	return (struct cpuid){.eax = SIGNATURE};
}

void vlapic_reset(struct vlapic *lapic, bool init)
{
	(void)lapic;
	*(init ? &lapic_init : &lapic_reset) += 1;
}

static int setup(void **state)
{
	(void)state;
	memset(&vcpu, 0x5a, sizeof vcpu);
	memset(&now, 0x5a, sizeof now);
	for (unsigned i = 0; i < REG_COUNT; i++)
		now.regs[i] = OLD + i;
	for (unsigned i = 0; i < 4; i++)
		debug[i] = OLD + i;
	now.regs[REG_CR0] = CR0_RUNS;
	xcr0 = OLD;
	msrs_reset = lapic_init = lapic_reset = 0;
	return 0;
}

/* The table's columns for RESET and INIT. Where the hardware differs by nothing, both are
 * given. CR0 is looked at apart. FS and GS have their base in the segments. */
static const struct {
	enum vcpu_reg reg;
	uint64_t reset, init;
} registers[] = {
	{REG_CR2, 0, 0},
	{REG_CR3, 0, 0},
	{REG_CR4, 0, 0},
	{REG_EFER, 0, 0},
	{REG_DR6, 0xffff0ff0, 0xffff0ff0},
	{REG_DR7, 0x400, 0x400},
	{REG_STAR, 0, KEPT},
	{REG_LSTAR, 0, KEPT},
	{REG_CSTAR, 0, KEPT},
	{REG_SFMASK, 0, KEPT},
	{REG_KERNEL_GS_BASE, 0, KEPT},
	{REG_FS_BASE, 0, 0},
	{REG_GS_BASE, 0, 0},
	{REG_SYSENTER_CS, 0, KEPT},
	{REG_SYSENTER_ESP, 0, KEPT},
	{REG_SYSENTER_EIP, 0, KEPT},
	{REG_PAT, 0x0007040600070406, KEPT},
};

static void check_segments(void)
{
	for (unsigned i = 0; i < SEG_COUNT; i++) {
		const struct vcpu_segment *s = &now.segs[i];

		assert_int_equal(s->selector, i == SEG_CS ? 0xf000 : 0);
		assert_int_equal(s->base, i == SEG_CS ? 0xffff0000 : 0);
		assert_int_equal(s->limit, 0xffff);
		assert_int_equal(s->attributes, i == SEG_CS	? 0x9b
						: i == SEG_LDTR ? 0x82
						: i == SEG_TR	? 0x8b
								: 0x93);
	}
	assert_int_equal(now.gdtr.base | now.idtr.base, 0);
	assert_int_equal(now.gdtr.limit, 0xffff);
	assert_int_equal(now.idtr.limit, 0xffff);
}

static void check_registers(bool init)
{
	_Static_assert(ARRAY_SIZE(registers) == REG_COUNT - 1, "all but CR0 are listed");
	for (unsigned i = 0; i < ARRAY_SIZE(registers); i++) {
		uint64_t want = init ? registers[i].init : registers[i].reset;

		assert_int_equal(now.regs[registers[i].reg],
				 want == KEPT ? OLD + registers[i].reg : want);
	}
	for (unsigned i = 0; i < GPR_COUNT; i++)
		assert_int_equal(vcpu.regs[i], i == RDX ? SIGNATURE : 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(debug[i], 0);
	assert_int_equal(vcpu.rip, 0xfff0);
	assert_int_equal(vcpu.rflags, 2);
	assert_int_equal(vcpu.event.kind, VMEVENT_NONE);
	assert_int_equal(vcpu.nmis_pending, 0);
	assert_false(vcpu.held);
}

static void test_reset(void **state)
{
	(void)state;
	vcpu_reset(&vcpu, false);
	check_segments();
	check_registers(false);
	assert_int_equal(now.regs[REG_CR0], 0x60000010);
	assert_int_equal(xcr0, 1);
	assert_int_equal(msrs_reset, 1);
	assert_int_equal(lapic_reset, 1);
}

/* CD and NW stay as they are, and so do XCR0 and all MSRs that the table does not name. */
static void test_init(void **state)
{
	static const uint64_t caches[] = {0, CR0_CD, CR0_CD | CR0_NW};

	for (unsigned i = 0; i < ARRAY_SIZE(caches); i++) {
		setup(state);
		now.regs[REG_CR0] |= caches[i];
		vcpu_reset(&vcpu, true);
		check_segments();
		check_registers(true);
		assert_int_equal(now.regs[REG_CR0], 0x10 | caches[i]);
		assert_int_equal(xcr0, OLD);
		assert_int_equal(msrs_reset, 0);
		assert_int_equal(lapic_init, 1);
		assert_int_equal(lapic_reset, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reset, setup),
		cmocka_unit_test_setup(test_init, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
