/* MSRs as guests find them: each kind of the table, at its edges; what the backend, the lapic
 * and the clock have is asked of them. */
/* links: kernel/vmm/msr.c kernel/vmm/bus.c tests/unit/fake_cpu.c tests/unit/fake_vmm.c */
/* links: tests/unit/model_guest.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vtsc.h"
#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_vmm.h"

static uint64_t regs[REG_COUNT], wall, lapic_value;
static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return regs[reg];
}

static void set_reg(struct vcpu *v, enum vcpu_reg reg, uint64_t value)
{
	(void)v;
	regs[reg] = value;
}

static const struct vmm_backend backend = {.get_reg = get_reg, .set_reg = set_reg};
const struct vmm_backend *vmm_backend = &backend;

uint64_t features_efer_mask(void)
{
	return EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
}

struct cpuid features_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	(void)v, (void)leaf, (void)subleaf;
	return (struct cpuid){0};
}

void vtsc_write(struct vcpu *v, uint64_t tsc)
{
	v->tsc_adjust = tsc;
}

void vtsc_set_adjust(struct vcpu *v, uint64_t adjust)
{
	v->tsc_adjust = adjust;
}

bool vlapic_owns_msr(uint32_t msr)
{
	return msr >> 8 == 8;
}

int vlapic_rdmsr(struct vlapic *lapic, uint32_t msr, uint64_t *value)
{
	(void)lapic, (void)msr;
	*value = lapic_value;
	return 0;
}

int vlapic_wrmsr(struct vlapic *lapic, uint32_t msr, uint64_t value)
{
	(void)lapic, (void)msr;
	lapic_value = value;
	return 0;
}

int pvclock_write_wall(struct vcpu *v, uint64_t gpa)
{
	(void)v;
	wall = gpa;
	return gpa & 1 ? -EPERM : 0;
}

int pvclock_write_system(struct vcpu *v, uint64_t value)
{
	v->pvclock = value;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	fake_cpu_reset(CPU_VENDOR_AMD);
	memset(regs, 0, sizeof regs);
	vcpu.counters.msr_unknown_reads = vcpu.counters.msr_unknown_writes = 0;
	cpu_features.vendor = CPU_VENDOR_INTEL;
	vcpu.msrs = features_msrs_create(NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	heap_free(vcpu.msrs);
	return 0;
}

static uint64_t get(uint32_t msr)
{
	uint64_t value = 0xdead;

	assert_int_equal(features_rdmsr(&vcpu, msr, &value), 0);
	return value;
}

static void takes(uint32_t msr, uint64_t value)
{
	assert_int_equal(features_wrmsr(&vcpu, msr, value), 0);
}

static void refuses(uint32_t msr, uint64_t value)
{
	assert_int_equal(features_wrmsr(&vcpu, msr, value), -EPERM);
}

static void unknown_ones(void **state)
{
	static const uint32_t none[] = {0x2, 0x12345, 0xc0000200, 0xffffffff};
	uint64_t value;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(features_rdmsr(&vcpu, none[i], &value), -EPERM);
		refuses(none[i], 0);
	}
	assert_int_equal(vcpu.counters.msr_unknown_reads, ARRAY_SIZE(none));
	assert_int_equal(vcpu.counters.msr_unknown_writes, ARRAY_SIZE(none));
	/* The wall clock's is there to be written only. */
	assert_int_equal(features_rdmsr(&vcpu, MSR_KVM_WALL_CLOCK, &value), -EPERM);
}

static void fixed_ones(void **state)
{
	(void)state;
	assert_int_equal(get(0x3a), 1); /* IA32_FEATURE_CONTROL */
	refuses(0x3a, 5);
	assert_int_equal(get(0xfe), 0x508); /* IA32_MTRRCAP */
	takes(0x8b, 7);			    /* microcode: ignored */
	assert_int_equal(get(0x8b), 1ull << 32);
	cpu_features.vendor = CPU_VENDOR_AMD; /* which has no such control */
	refuses(0x3a, 1);
}

/* What the MTRR `msr` can hold: a type and an address of its own. */
static uint64_t range(uint32_t msr)
{
	return (uint64_t)msr << 12 | (msr % 2 ? 0x800 : 6);
}

/* Each is its own place, and has its bits. */
static void stored_ones(void **state)
{
	(void)state;
	for (uint32_t msr = 0x200; msr <= 0x20f; msr++)
		takes(msr, range(msr));
	takes(0x250, 0x0606060606060606);
	refuses(0x250, 0x0606060206060606); /* there is no type 2 */
	takes(0x258, 0x0500000000000000);
	takes(0x259, 0x0400000000000000);
	refuses(0x259, 0x0700000000000000);
	takes(0x2ff, 0xc06);
	refuses(0x2ff, 0xc02);
	refuses(0x2ff, 0x1006);
	takes(0x200, BIT(cpu_features.phys_bits) - 0x1000);
	refuses(0x200, BIT(cpu_features.phys_bits));
	refuses(0x200, 0x100); /* reserved in a base, */
	refuses(0x201, 0x400); /* and in a mask */
	takes(0x17a, 7);
	refuses(0x17a, 8);
	for (uint32_t msr = 0x201; msr <= 0x20f; msr++)
		assert_int_equal(get(msr), range(msr));
	assert_int_equal(get(0x200), BIT(cpu_features.phys_bits) - 0x1000);
	assert_int_equal(get(0x250), 0x0606060606060606);
	assert_int_equal(get(0x258), 0x0500000000000000);
	assert_int_equal(get(0x259), 0x0400000000000000);
	assert_int_equal(get(0x2ff), 0xc06);
	assert_int_equal(get(0x17a), 7);
	features_msrs_reset(vcpu.msrs);
	assert_int_equal(get(0x2ff), 0x806);
	assert_int_equal(get(0x250), 0);
	assert_int_equal(get(0x200), 0);
}

/* Addresses must be canonical: 0x00007fff... and 0xffff8000... are the edges. */
static void registers(void **state)
{
	(void)state;
	takes(MSR_LSTAR, 0x00007fffffffffff);
	assert_int_equal(regs[REG_LSTAR], 0x00007fffffffffff);
	assert_int_equal(get(MSR_LSTAR), 0x00007fffffffffff);
	refuses(MSR_LSTAR, 0x0000800000000000);
	takes(MSR_LSTAR, 0xffff800000000000);
	refuses(MSR_LSTAR, 0xffff7fffffffffff);
	assert_int_equal(regs[REG_LSTAR], 0xffff800000000000);
	takes(MSR_STAR, 0x0000800000000000); /* no address */
	assert_int_equal(get(MSR_STAR), 0x0000800000000000);
}

static void efer(void **state)
{
	(void)state;
	takes(MSR_EFER, EFER_LME | EFER_LMA); /* LMA is the CPU's */
	assert_int_equal(get(MSR_EFER), EFER_LME);
	refuses(MSR_EFER, BIT(1));
	refuses(MSR_EFER, EFER_SVME);
	regs[REG_CR0] = BIT(31);
	regs[REG_EFER] = EFER_LME | EFER_LMA;
	refuses(MSR_EFER, 0); /* LME under paging */
	takes(MSR_EFER, EFER_LME | EFER_NXE);
	assert_int_equal(get(MSR_EFER), EFER_LME | EFER_LMA | EFER_NXE);
}

static void pat(void **state)
{
	(void)state;
	takes(MSR_PAT, 0x0007040601050007);
	assert_int_equal(get(MSR_PAT), 0x0007040601050007);
	refuses(MSR_PAT, 0x0007040602050007);
	refuses(MSR_PAT, 0x0307040600050007);
	refuses(MSR_PAT, 8);
	assert_int_equal(get(MSR_PAT), 0x0007040601050007);
}

/* RDTSCP reads the CPU's own. */
static void tsc_aux(void **state)
{
	(void)state;
	takes(MSR_TSC_AUX, 0xffffffff);
	refuses(MSR_TSC_AUX, 0x100000000);
	assert_int_equal(get(MSR_TSC_AUX), 0xffffffff);
	assert_int_equal(rdmsr(MSR_TSC_AUX), 0xffffffff);
}

/* One that the CPU does not take changes nothing, nor what is loaded with the vCPU later. */
static void tsc_aux_of_a_cpu_without(void **state)
{
	(void)state;
	takes(MSR_TSC_AUX, 5);
	fake_cpu->msr_count = 0;
	refuses(MSR_TSC_AUX, 6);
	assert_int_equal(vcpu.tsc_aux, 5);
	fake_cpu_reset(CPU_VENDOR_AMD);
}

static void those_of_others(void **state)
{
	(void)state;
	takes(0x80b, 77);
	assert_int_equal(get(0x802), 77);
	takes(MSR_KVM_SYSTEM_TIME, 0x5001);
	assert_int_equal(get(MSR_KVM_SYSTEM_TIME_NEW), 0x5001);
	takes(MSR_KVM_WALL_CLOCK_NEW, 0x6000);
	assert_int_equal(wall, 0x6000);
	refuses(MSR_KVM_WALL_CLOCK, 0x6001);
	vm.tsc_offset = 1ull << 60;
	assert_true(get(MSR_TSC) >> 60 == 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_ones),
		TEST(fixed_ones),
		TEST(stored_ones),
		TEST(registers),
		TEST(efer),
		TEST(pat),
		TEST(tsc_aux),
		TEST(those_of_others),
		TEST(tsc_aux_of_a_cpu_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
