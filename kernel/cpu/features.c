/*
 * What the CPU offers, and the control-register bits that every CPU runs with. What guests see
 * of it is kernel/vmm/features; paging's bits (SMEP, SMAP, PGE) are set with the page tables.
 */
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"

struct cpu_features cpu_features;

static enum cpu_vendor read_vendor(uint32_t *max_leaf)
{
	struct cpuid id = cpuid(0, 0);
	char name[12];

	*max_leaf = id.eax;
	memcpy(name, &id.ebx, 4);
	memcpy(name + 4, &id.edx, 4);
	memcpy(name + 8, &id.ecx, 4);
	if (memcmp(name, "GenuineIntel", 12) == 0)
		return CPU_VENDOR_INTEL;
	if (memcmp(name, "AuthenticAMD", 12) == 0 || memcmp(name, "HygonGenuine", 12) == 0)
		return CPU_VENDOR_AMD;
	return CPU_VENDOR_OTHER;
}

static void read_brand(char brand[49])
{
	char raw[49] = "";
	const char *start = raw;

	for (uint32_t i = 0; i < 3; i++) {
		struct cpuid id = cpuid(0x80000002 + i, 0);

		memcpy(raw + 16 * i, &id, 16);
	}
	while (*start == ' ')
		start++;
	strcpy(brand, start);
}

/* Leaf 1, EAX: SDM vol. 2A, CPUID, figure 3-6. */
static void read_model(struct cpu_features *f, uint32_t eax)
{
	f->stepping = eax & 0xf;
	f->model = eax >> 4 & 0xf;
	f->family = eax >> 8 & 0xf;
	if (f->family == 6 || f->family == 15)
		f->model |= eax >> 12 & 0xf0;
	if (f->family == 15)
		f->family += eax >> 20 & 0xff;
}

/* What a hypervisor says in its first leaf: "TCGTCGTCGTCG". */
static bool emulated_by_tcg(void)
{
	struct cpuid id = cpuid(0x40000000, 0);

	return id.ebx == 0x54474354 && id.ecx == 0x43544743 && id.edx == 0x47435447;
}

static void read_basic(struct cpu_features *f, uint32_t max_leaf)
{
	struct cpuid id = cpuid(1, 0);

	read_model(f, id.eax);
	f->vmx = id.ecx & BIT(5);
	f->pcid = id.ecx & BIT(17);
	f->x2apic = id.ecx & BIT(21);
	f->tsc_deadline = id.ecx & BIT(24);
	f->xsave = id.ecx & BIT(26);
	f->rdrand = id.ecx & BIT(30);
	f->tcg = id.ecx & BIT(31) && emulated_by_tcg();
	if (max_leaf >= 7) {
		id = cpuid(7, 0);
		f->fsgsbase = id.ebx & BIT(0);
		f->smep = id.ebx & BIT(7);
		f->erms = id.ebx & BIT(9);
		f->rdseed = id.ebx & BIT(18);
		f->smap = id.ebx & BIT(20);
		f->umip = id.ecx & BIT(2);
		f->pku = id.ecx & BIT(3);
		f->rdpid = id.ecx & BIT(22);
		f->invpcid = id.ebx & BIT(10);
	}
	if (f->xsave && max_leaf >= 0xd) {
		id = cpuid(0xd, 0);
		f->xcr0_mask = (uint64_t)id.edx << 32 | id.eax;
		f->xsave_bytes_max = id.ecx;
	}
	/* PKRU is saved with the rest by XSAVE or not at all. */
	f->pku = f->pku && f->xcr0_mask & XCR0_PKRU;
}

static void read_extended(struct cpu_features *f)
{
	uint32_t max_leaf = cpuid(0x80000000, 0).eax;
	struct cpuid id = cpuid(0x80000001, 0);

	f->svm = id.ecx & BIT(2);
	f->nx = id.edx & BIT(20);
	f->pages_1g = id.edx & BIT(26);
	f->rdtscp = id.edx & BIT(27);
	if (max_leaf >= 0x80000004)
		read_brand(f->brand);
	if (max_leaf >= 0x80000007)
		f->invariant_tsc = cpuid(0x80000007, 0).edx & BIT(8);
	f->phys_bits = max_leaf >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
}

static void read_features(struct cpu_features *f)
{
	uint32_t max_leaf;

	memset(f, 0, sizeof(*f));
	f->vendor = read_vendor(&max_leaf);
	read_basic(f, max_leaf);
	read_extended(f);
}

void cpu_features_init(void)
{
	read_features(&cpu_features);
}

void cpu_features_enable(void)
{
	uint64_t cr0, cr4;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr0 &= ~(CR0_EM | CR0_TS | CR0_AM | CR0_NW | CR0_CD);
	cr0 |= CR0_MP | CR0_NE | CR0_WP;
	cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
	/* PKRU is a guest's while its vCPU is loaded, and the window to its RAM is of user
	 * pages: with PKE it would have a say in what we may reach (SDM vol. 3A 4.6.2). */
	cr4 &= ~(CR4_PKE | CR4_PKS);
	if (cpu_features.umip)
		cr4 |= CR4_UMIP;
	if (cpu_features.xsave)
		cr4 |= CR4_OSXSAVE;
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

const char *cpu_features_missing(void)
{
	static const struct {
		size_t offset;
		const char *name;
	} flags[] = {
#define FLAG(field) {offsetof(struct cpu_features, field), #field}
		FLAG(nx),   FLAG(smep),	  FLAG(smap),	FLAG(umip),	    FLAG(pages_1g),
		FLAG(pcid), FLAG(x2apic), FLAG(xsave),	FLAG(tsc_deadline), FLAG(invariant_tsc),
		FLAG(svm),  FLAG(vmx),	  FLAG(rdrand), FLAG(rdseed),	    FLAG(fsgsbase),
		FLAG(erms), FLAG(pku),	  FLAG(rdpid),	FLAG(invpcid),	    FLAG(rdtscp),
#undef FLAG
	};
	struct cpu_features mine;

	read_features(&mine);
	if (mine.vendor != cpu_features.vendor)
		return "the vendor";
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		const bool *here = (const bool *)((const char *)&mine + flags[i].offset);
		const bool *first =
			(const bool *)((const char *)&cpu_features + flags[i].offset);

		if (*first && !*here)
			return flags[i].name;
	}
	if (cpu_features.xcr0_mask & ~mine.xcr0_mask)
		return "part of XCR0";
	return mine.phys_bits < cpu_features.phys_bits ? "physical address bits" : NULL;
}
