/*
 * CPUID as guests see it: what a leaf lets through of a CPU that has everything, what follows
 * the vCPU and its state, and what is ours. On either vendor's CPU.
 */
/* links: kernel/vmm/features.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/lib/x86.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

#define EXT	  0x80000000u
#define ONES	  0xffffffffu
#define AVX_BYTES 256

struct cpu_features cpu_features;

static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};
static uint64_t cr4, xcr0;
static bool lapic_on;
static uint32_t max_basic, max_extended;
static unsigned undefined;

/* All bits are ones, but where a leaf is a list: three caches, and components of XSAVE that lie
 * one after the other with a hole between them. */
struct cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	static const struct cpuid components[10] = {
		[2] = {AVX_BYTES, 576, 0, 0}, [5] = {64, 1088, 0xfffffffc, 0},
		[6] = {512, 1152, 2, 0},      [7] = {1024, 1664, 2, 0},
		[9] = {8, 2688, 0, 0},
	};

	if (leaf == 0 || leaf == EXT)
		return (struct cpuid){leaf ? max_extended : max_basic, 1, 2, 3};
	if (leaf == 4)
		return subleaf < 3 ? (struct cpuid){0xffffc001 | (subleaf + 1) << 5, 7, 8, 9}
				   : (struct cpuid){0};
	if (leaf == 0x0d && subleaf > 1)
		return subleaf < 10 ? components[subleaf] : (struct cpuid){0};
	return (struct cpuid){ONES, ONES, ONES, ONES};
}

uint64_t vcpu_get_xcr0(void)
{
	return xcr0;
}

bool vlapic_is_enabled(const struct vlapic *lapic)
{
	(void)lapic;
	return lapic_on;
}

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	assert_int_equal(reg, REG_CR4);
	return cr4;
}

static unsigned undefined_in_guests(void)
{
	return undefined;
}

static struct vmm_backend backend = {.get_reg = get_reg,
				     .undefined_in_guests = undefined_in_guests};
const struct vmm_backend *vmm_backend = &backend;

static void start(enum cpu_vendor vendor, uint64_t host_xcr0)
{
	cpu_features = (struct cpu_features){.vendor = vendor,
					     .xsave = host_xcr0,
					     .xcr0_mask = host_xcr0,
					     .pku = host_xcr0 & BIT(9)};
	features_init();
}

static int setup(void **state)
{
	(void)state;
	max_basic = 0x20;
	max_extended = EXT + 0x20;
	undefined = 0;
	backend.emulates_umip = false;
	cr4 = 0;
	xcr0 = 1;
	lapic_on = true;
	vm.vcpu_count = 1;
	vcpu.id = 0;
	start(CPU_VENDOR_INTEL, 7);
	return 0;
}

static struct cpuid ask(uint32_t leaf, uint32_t subleaf)
{
	return features_cpuid(&vcpu, leaf, subleaf);
}

static void assert_leaf(struct cpuid r, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	assert_int_equal(r.eax, eax);
	assert_int_equal(r.ebx, ebx);
	assert_int_equal(r.ecx, ecx);
	assert_int_equal(r.edx, edx);
}

static void leaves_that_there_are(void **state)
{
	(void)state;
	assert_leaf(ask(0, 0), 0x0d, 1, 2, 3);
	assert_leaf(ask(EXT, 0), EXT + 0x1a, 1, 2, 3);
	assert_leaf(ask(0x03, 0), 0, 0, 0, 0);
	assert_leaf(ask(0x06, 0), BIT(2), 0, 0, 0); /* ARAT */
	assert_leaf(ask(0x0a, 0), 0, 0, 0, 0);
	assert_leaf(ask(0x0e, 0), 0, 0, 0, 0);
	assert_leaf(ask(0x7fffffff, 0), 0, 0, 0, 0);
	assert_leaf(ask(EXT + 0x1a, 0), ONES, 0, 0, 0);
	assert_leaf(ask(EXT + 0x1b, 0), 0, 0, 0, 0);
	assert_leaf(ask(EXT + 7, 0), 0, 0, 0, BIT(8));
	assert_leaf(ask(2, 0), ONES, ONES, ONES, ONES);
	start(CPU_VENDOR_AMD, 7);
	assert_leaf(ask(2, 0), 0, 0, 0, 0);
}

/* What this CPU does not have has no value, whatever CPUID answers there. */
static void leaves_beyond_the_cpus_last(void **state)
{
	(void)state;
	max_basic = 6;
	max_extended = EXT + 1;
	start(CPU_VENDOR_INTEL, 7);
	assert_int_equal(ask(7, 0).ebx, BIT(1)); /* TSC_ADJUST is ours */
	assert_leaf(ask(EXT + 2, 0), 0, 0, 0, 0);
	assert_int_equal(ask(EXT + 1, 0).eax, ONES);
	max_basic = 7;
	start(CPU_VENDOR_INTEL, 7);
	assert_true(ask(7, 0).ebx & BIT(0));
}

static void who_a_vcpu_is(void **state)
{
	struct cpuid one = ask(1, 0);

	(void)state;
	assert_int_equal(one.ebx, 0x0001ff00);
	assert_true(one.ecx & BIT(31)); /* there is a hypervisor */
	assert_false(one.ecx & (BIT(3) | BIT(5) | BIT(27)));
	assert_true(one.edx & BIT(9));
	assert_false(one.edx & BIT(28));
	vcpu.id = 5;
	vm.vcpu_count = 8;
	assert_int_equal(ask(1, 0).ebx, 0x0508ff00);
	assert_true(ask(1, 0).edx & BIT(28));
	vm.vcpu_count = 256; /* a byte's room */
	assert_int_equal(ask(1, 0).ebx >> 16 & 0xff, 255);
}

static void what_follows_the_state(void **state)
{
	(void)state;
	start(CPU_VENDOR_AMD, BIT(9) | 7);
	assert_true(ask(EXT + 1, 0).edx & BIT(9));
	lapic_on = false;
	assert_false(ask(1, 0).edx & BIT(9));
	assert_false(ask(EXT + 1, 0).edx & BIT(9));
	cr4 = BIT(18);
	assert_true(ask(1, 0).ecx & BIT(27)); /* OSXSAVE */
	assert_false(ask(7, 0).ecx & BIT(4));
	cr4 = BIT(22);
	assert_false(ask(1, 0).ecx & BIT(27));
	assert_true(ask(7, 0).ecx & BIT(4)); /* OSPKE */
	assert_false(ask(7, 1).ecx & BIT(4));
}

static void structured_features(void **state)
{
	(void)state;
	assert_int_equal(ask(7, 0).eax, 1);
	assert_leaf(ask(7, 1), BIT(4) | BIT(5), 0, 0, 0);
	assert_leaf(ask(7, 2), 0, 0, 0, 0);
	assert_false(ask(7, 0).ecx & BIT(3)); /* PKU, whose state is not switched here */
	start(CPU_VENDOR_INTEL, BIT(9) | 7);
	assert_true(ask(7, 0).ecx & BIT(3));
	assert_true(ask(7, 0).ebx & BIT(10) && ask(7, 0).ecx & BIT(22));
	assert_true(ask(EXT + 1, 0).edx & BIT(27));
	undefined = BACKEND_NO_INVPCID;
	features_init();
	assert_false(ask(7, 0).ebx & BIT(10));
	assert_true(ask(7, 0).ecx & BIT(22));
	undefined = BACKEND_NO_RDTSCP;
	features_init();
	assert_true(ask(7, 0).ebx & BIT(10));
	assert_false(ask(7, 0).ecx & BIT(22)); /* RDPID */
	assert_false(ask(EXT + 1, 0).edx & BIT(27));
}

static void umip_by_exits(void **state)
{
	(void)state;
	max_basic = 6;
	start(CPU_VENDOR_AMD, 7);
	assert_false(ask(7, 0).ecx & BIT(2));
	backend.emulates_umip = true;
	features_init();
	assert_true(ask(7, 0).ecx & BIT(2));
}

/* One package, a core per vCPU. */
static void topology(void **state)
{
	static const struct {
		unsigned count, bits;
	} cases[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {8, 3}, {9, 4}};

	(void)state;
	vcpu.id = 3;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		vm.vcpu_count = cases[i].count;
		assert_leaf(ask(0x0b, 0), 0, 1, 0x100, 3);
		assert_leaf(ask(0x0b, 1), cases[i].bits, cases[i].count, 0x201, 3);
		assert_leaf(ask(0x0b, 2), 0, 0, 2, 3);
	}
	start(CPU_VENDOR_AMD, 7);
	vm.vcpu_count = 5;
	assert_int_equal(ask(EXT + 8, 0).ecx, 4 | 3 << 12);
	assert_true(ask(EXT + 1, 0).ecx & BIT(1));
	vm.vcpu_count = 1;
	assert_int_equal(ask(EXT + 8, 0).ecx, 0);
	assert_false(ask(EXT + 1, 0).ecx & BIT(1));
	start(CPU_VENDOR_INTEL, 7);
	vm.vcpu_count = 5;
	assert_int_equal(ask(EXT + 8, 0).ecx, 0);
	assert_false(ask(EXT + 1, 0).ecx & BIT(1));
}

/* Of caches, those of level 3 are shared by all. */
static void caches(void **state)
{
	(void)state;
	vm.vcpu_count = 5;
	for (unsigned i = 0; i < 3; i++)
		assert_leaf(ask(4, i), 1u | (i + 1) << 5 | (i == 2 ? 7u << 14 : 0) | 7u << 26,
			    7, 8, 9);
	assert_leaf(ask(4, 3), 0, 0, 0, 0);
	start(CPU_VENDOR_AMD, 7);
	assert_leaf(ask(4, 0), 0, 0, 0, 0);
}

static void xsave_areas(void **state)
{
	(void)state;
	assert_leaf(ask(0x0d, 0), 7, 576, 576 + AVX_BYTES, 0);
	xcr0 = 7;
	assert_leaf(ask(0x0d, 0), 7, 576 + AVX_BYTES, 576 + AVX_BYTES, 0);
	assert_leaf(ask(0x0d, 2), AVX_BYTES, 576, 0, 0);
	assert_leaf(ask(0x0d, 5), 0, 0, 0, 0); /* not offered */
	assert_leaf(ask(0x0d, 10), 0, 0, 0, 0);

	start(CPU_VENDOR_INTEL, BIT(9) | 0xe7);
	xcr0 = 0xe7;
	assert_leaf(ask(0x0d, 0), 0x2e7, 2688, 2696, 0);
	/* Compacted: 576 + 256, 64, 512 on a boundary, 1024 on one. */
	assert_leaf(ask(0x0d, 1), 7, 576 + 256 + 64 + 512 + 1024, 0, 0);
	xcr0 = 0x201;
	assert_int_equal(ask(0x0d, 0).ebx, 2696);
	assert_int_equal(ask(0x0d, 1).ebx, 576 + 8);
	assert_int_equal(ask(0x0d, 5).ecx, 0);
	assert_int_equal(ask(0x0d, 6).ecx, 2);

	start(CPU_VENDOR_INTEL, 0x67); /* of AVX-512 only a part */
	assert_int_equal(ask(0x0d, 0).eax, 7);
}

static void as_kvm(void **state)
{
	struct cpuid r = ask(0x40000000, 0);
	char name[13] = "";

	(void)state;
	memcpy(name, &r.ebx, 4);
	memcpy(name + 4, &r.ecx, 4);
	memcpy(name + 8, &r.edx, 4);
	assert_string_equal(name, "KVMKVMKVM");
	assert_int_equal(r.eax, 0x40000001);
	assert_leaf(ask(0x40000001, 0), PVCLOCK_CPUID_FEATURES, 0, 0, 0);
	assert_leaf(ask(0x40000002, 0), 0, 0, 0, 0);
	assert_leaf(ask(0x400000ff, 0), 0, 0, 0, 0);
}

static void what_may_be_set(void **state)
{
	(void)state;
	assert_int_equal(features_cr4_mask(),
			 0x7ff | BIT(11) | BIT(16) | BIT(17) | BIT(18) | BIT(20) | BIT(21));
	assert_int_equal(features_efer_mask(), 0xd01 | BIT(14) | BIT(11));
	assert_true(features_xcr0_valid(1) && features_xcr0_valid(3) && features_xcr0_valid(7));
	assert_false(features_xcr0_valid(0) || features_xcr0_valid(5) ||
		     features_xcr0_valid(2));
	assert_false(features_xcr0_valid(0xe7));
	start(CPU_VENDOR_INTEL, BIT(9) | 0xe7);
	assert_true(features_xcr0_valid(0xe7) && features_xcr0_valid(0x201));
	assert_false(features_xcr0_valid(0x67) || features_xcr0_valid(0xe3));
	assert_true(features_cr4_mask() & BIT(22));
	max_basic = 0;
	max_extended = EXT;
	start(CPU_VENDOR_INTEL, 0);
	assert_int_equal(features_cr4_mask(), 0x7ff);
	assert_int_equal(features_efer_mask(), 0x501);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(leaves_that_there_are, setup),
		cmocka_unit_test_setup(leaves_beyond_the_cpus_last, setup),
		cmocka_unit_test_setup(who_a_vcpu_is, setup),
		cmocka_unit_test_setup(what_follows_the_state, setup),
		cmocka_unit_test_setup(structured_features, setup),
		cmocka_unit_test_setup(umip_by_exits, setup),
		cmocka_unit_test_setup(topology, setup),
		cmocka_unit_test_setup(caches, setup),
		cmocka_unit_test_setup(xsave_areas, setup),
		cmocka_unit_test_setup(as_kvm, setup),
		cmocka_unit_test_setup(what_may_be_set, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
