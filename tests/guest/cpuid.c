/*
 * CPUID policy. A guest must see one sane CPU: the same answers at every call and on every vCPU
 * (save where the architecture has them differ), nothing that the guest cannot have, and sizes
 * and IDs that agree with each other; operating systems choose their code by it at start, and
 * trust it ever after.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define ROUNDS 20

/* Leaves with subleaves are asked for subleaf 0 to 7. */
static const uint32_t leaves[] = {
	0,	    1,		2,	    4,		5,	    6,		7,
	0xa,	    0xb,	0xd,	    0x40000000, 0x40000001, 0x80000000, 0x80000001,
	0x80000002, 0x80000003, 0x80000004, 0x80000005, 0x80000006, 0x80000007, 0x80000008,
	0x8000000a, 0x8000001d, 0x8000001e, 0xc0000000,
};
#define SUBLEAVES 8
#define AMD_ECX	  0x444d4163 /* "cAMD", the end of "AuthenticAMD" */

static struct cpuid first[ARRAY_SIZE(leaves)][SUBLEAVES];
static volatile unsigned differences, differs_at;

static bool equal(struct cpuid a, struct cpuid b)
{
	return a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
}

/* What differs between vCPUs by definition is taken out: APIC IDs. */
static struct cpuid ask(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r = cpuid(leaf, subleaf);

	if (leaf == 1)
		r.ebx &= 0xffffff;
	if (leaf == 0xb)
		r.edx = 0;
	if (leaf == 0x8000001e)
		r = (struct cpuid){0};
	return r;
}

static void compare(uint64_t rounds)
{
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
			for (unsigned sub = 0; sub < SUBLEAVES; sub++)
				if (!equal(ask(leaves[i], sub), first[i][sub])) {
					differences++;
					differs_at = leaves[i];
				}
}

static void test_stable(unsigned cpus)
{
	for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
		for (unsigned sub = 0; sub < SUBLEAVES; sub++)
			first[i][sub] = ask(leaves[i], sub);
	compare(ROUNDS);
	check(!differences, "stable over calls", "%u differences, leaf 0x%x", differences,
	      differs_at);
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, compare, 1);
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 2000);
	check(!differences, "same on all vCPUs", "%u differences, leaf 0x%x", differences,
	      differs_at);
}

static void test_hypervisor(void)
{
	struct cpuid id = cpuid(0x40000000, 0);
	uint32_t features = cpuid(0x40000001, 0).eax;

	check(cpuid(1, 0).ecx >> 31, "hypervisor bit", "clear");
	if (!hypervisor_is_ours()) {
		skip("policy", "this is another hypervisor");
		return;
	}
	check(id.eax >= 0x40000001, "paravirtual leaves", "the highest is 0x%x", id.eax);
	check(features & BIT(3), "clock at new MSRs", "features 0x%x", features);
	check(features & BIT(24), "clock is stable", "features 0x%x", features);
}

/* Bits that no guest may see: it has no such thing. */
static void test_hidden(void)
{
	static const struct {
		const char *name;
		uint32_t leaf, subleaf, reg, bits;
	} hidden[] = {
		{"no MONITOR", 1, 0, 2, BIT(3)},
		{"no VMX", 1, 0, 2, BIT(5)},
		{"no SMX", 1, 0, 2, BIT(6)},
		{"no PDCM", 1, 0, 2, BIT(15)},
		{"no debug store", 1, 0, 3, BIT(21)},
		{"no SVM", 0x80000001, 0, 2, BIT(2)},
		{"no AMD PMU", 0x80000001, 0, 2, BIT(23) | BIT(24) | BIT(28)},
		{"no IBS", 0x80000001, 0, 2, BIT(10)},
		{"no MONITORX", 0x80000001, 0, 2, BIT(29)},
		{"no PMU", 0xa, 0, 0, 0xff},
		{"no SVM revision", 0x8000000a, 0, 0, 0xff},
		{"no SGX", 7, 0, 1, BIT(2)},
		{"no TSX", 7, 0, 1, BIT(4) | BIT(11)},
		{"no XSAVES", 0xd, 1, 0, BIT(3)},
		{"no unknown leaf", 0xc0000000, 0, 0, ~0u},
	};

	if (!hypervisor_is_ours())
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++) {
		struct cpuid r = cpuid(hidden[i].leaf, hidden[i].subleaf);
		uint32_t got = (&r.eax)[hidden[i].reg] & hidden[i].bits;

		check(!got, hidden[i].name, "leaf 0x%x has 0x%x", hidden[i].leaf, got);
	}
}

static void test_topology(unsigned cpus)
{
	struct cpuid one = cpuid(1, 0), smt = cpuid(0xb, 0), core = cpuid(0xb, 1);

	check(one.ebx >> 24 == apic_id(), "initial APIC ID", "%u, APIC %u", one.ebx >> 24,
	      apic_id());
	if (!hypervisor_is_ours())
		return;
	check((one.ebx >> 16 & 0xff) == cpus, "logical CPUs", "%u", one.ebx >> 16 & 0xff);
	check(!(one.edx & BIT(28)) == (cpus == 1), "HTT", "EDX 0x%x", one.edx);
	check((smt.ecx >> 8 & 0xff) == 1 && (core.ecx >> 8 & 0xff) == 2, "levels",
	      "types %u, %u", smt.ecx >> 8 & 0xff, core.ecx >> 8 & 0xff);
	check(smt.edx == apic_id() && core.edx == apic_id(), "x2APIC ID", "%u, %u", smt.edx,
	      core.edx);
	check((core.ebx & 0xffff) == cpus, "CPUs in the package", "%u", core.ebx & 0xffff);
	check(1u << (core.eax & 31) >= cpus && 1u << (core.eax & 31) < 2 * cpus, "shift",
	      "%u for %u CPUs", core.eax & 31, cpus);
	if (cpuid(0, 0).ecx == AMD_ECX)
		check((cpuid(0x80000008, 0).ecx & 0xff) + 1 == cpus, "AMD's core count", "0x%x",
		      cpuid(0x80000008, 0).ecx);
}

static void xsetbv(uint64_t value)
{
	asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void test_xsave(void)
{
	struct cpuid d = cpuid(0xd, 0);
	uint32_t bytes = 576;

	if (!(cpuid(1, 0).ecx & BIT(26))) {
		check(!(cpuid(1, 0).ecx & (BIT(27) | BIT(28))), "no XSAVE, no AVX", "0x%x",
		      cpuid(1, 0).ecx);
		return;
	}
	check(!(cpuid(1, 0).ecx & BIT(27)), "OSXSAVE off", "set with CR4.OSXSAVE clear");
	write_cr4(read_cr4() | CR4_OSXSAVE);
	check(cpuid(1, 0).ecx & BIT(27), "OSXSAVE on", "clear with CR4.OSXSAVE set");
	check((d.eax & 3) == 3, "x87 and SSE", "XCR0 mask 0x%x", d.eax);

	xsetbv(1);
	check(cpuid(0xd, 0).ebx == 576, "size for x87", "%u", cpuid(0xd, 0).ebx);
	for (unsigned i = 2; i < 32; i++) {
		struct cpuid part = cpuid(0xd, i);

		if (!(d.eax >> i & 1))
			check(!part.eax && !part.ebx, "absent component", "%u has %u bytes", i,
			      part.eax);
		else if (part.ebx + part.eax > bytes)
			bytes = part.ebx + part.eax;
	}
	xsetbv(d.eax);
	check(cpuid(0xd, 0).ebx == bytes, "size for all", "%u, parts end at %u",
	      cpuid(0xd, 0).ebx, bytes);
	check(d.ecx == bytes, "largest size", "%u, parts end at %u", d.ecx, bytes);
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
}

void test(void)
{
	unsigned cpus = smp_start();

	test_stable(cpus);
	test_hypervisor();
	test_hidden();
	test_topology(cpus);
	test_xsave();
}
