/*
 * CPUID policy. What guests see is read from CPU 0 once and masked by the tables below, so that
 * it is the same on every CPU and at any time. MSRs are in msr.c.
 */
#include "kernel/vmm/features.h"

#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

#define ALL		  0xffffffffu

#define LEAF_BASIC_MAX	  0x0du
#define LEAF_EXTENDED	  0x80000000u
#define LEAF_EXTENDED_MAX 0x8000001au

/* Feature bits, as SDM vol. 2A CPUID and APM vol. 3 appendix E number them. Left out: what
 * would need MSRs or state that guests are not given (PMU, speculation control, MPX, PKS, TSX,
 * SGX, XSAVES, SVM, VMX), and MONITOR/MWAIT. */
#define LEAF1_ECX                                                                              \
	(BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ | BIT(12) /* FMA */ | \
	 BIT(13) /* CMPXCHG16B */ | BIT(17) /* PCID */ | BIT(19) | BIT(20) /* SSE4 */ |        \
	 BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ | BIT(25) /* AES */ |                      \
	 BIT(26) /* XSAVE */ | BIT(28) /* AVX */ | BIT(29) /* F16C */ | BIT(30) /* RDRAND */)
#define LEAF1_ECX_GIVEN \
	(BIT(21) /* x2APIC */ | BIT(24) /* TSC deadline */ | BIT(31) /* hypervisor */)
#define LEAF1_ECX_OSXSAVE BIT(27)
#define LEAF1_EDX                                                                         \
	(BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ |       \
	 BIT(4) /* TSC */ | BIT(5) /* MSR */ | BIT(6) /* PAE */ | BIT(7) /* MCE */ |      \
	 BIT(8) /* CMPXCHG8B */ | BIT(9) /* APIC */ | BIT(11) /* SYSENTER */ |            \
	 BIT(13) /* PGE */ | BIT(14) /* MCA */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ | \
	 BIT(17) /* PSE-36 */ | BIT(19) /* CLFLUSH */ | BIT(23) /* MMX */ |               \
	 BIT(24) /* FXSR */ | BIT(25) | BIT(26) /* SSE */)
#define LEAF1_EDX_MTRR BIT(12)
#define FEATURE_APIC   BIT(9) /* of leaf 1, and of AMD's leaf that repeats it */
#define LEAF1_EDX_HTT  BIT(28)
#define LEAF7_EBX                                                                            \
	(BIT(0) /* FSGSBASE */ | BIT(3) /* BMI1 */ | BIT(5) /* AVX2 */ | BIT(7) /* SMEP */ | \
	 BIT(8) /* BMI2 */ | BIT(9) /* ERMS */ | BIT(10) /* INVPCID */ |                     \
	 BIT(18) /* RDSEED */ | BIT(19) /* ADX */ | BIT(20) /* SMAP */ |                     \
	 BIT(23) /* CLFLUSHOPT */ | BIT(24) /* CLWB */ | BIT(29) /* SHA */ | BIT(16) |       \
	 BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31) /* AVX-512 */)
#define LEAF7_EBX_TSC_ADJUST BIT(1)
#define LEAF7_EBX_INVPCID    BIT(10)
#define LEAF7_ECX_RDPID	     BIT(22)
#define LEAFX1_EDX_RDTSCP    BIT(27)
#define LEAF7_ECX_UMIP	     BIT(2)
#define LEAF7_ECX_PKU	     BIT(3)
#define LEAF7_ECX_OSPKE	     BIT(4)
#define LEAF7_ECX                                                                     \
	(BIT(1) | LEAF7_ECX_UMIP | LEAF7_ECX_PKU | BIT(6) | BIT(8) /* GFNI */ |       \
	 BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */ | BIT(11) | BIT(12) | BIT(14) | \
	 BIT(22) /* RDPID */)
#define LEAF7_EDX	   BIT(4) /* FSRM */
#define LEAF7_1_EAX	   (BIT(4) /* AVX-VNNI */ | BIT(5) /* AVX512_BF16 */)
#define LEAFD_1_EAX_XSAVEC BIT(1)
#define LEAFD_1_EAX	   (BIT(0) /* XSAVEOPT */ | BIT(1) /* XSAVEC */ | BIT(2) /* XGETBV(1) */)
#define LEAF6_EAX_ARAT	   BIT(2)
#define LEAFX1_ECX                                                                            \
	(BIT(0) /* LAHF */ | BIT(4) /* AltMovCr8 */ | BIT(5) /* ABM */ | BIT(6) /* SSE4A */ | \
	 BIT(7) /* MisAlignSse */ | BIT(8) /* PREFETCHW */ | BIT(16) /* FMA4 */ |             \
	 BIT(21) /* TBM */)
#define LEAFX1_ECX_CMP_LEGACY BIT(1)
#define LEAFX1_EDX                                                                      \
	(0x0183fbffu /* the bits leaf 1 repeats */ | BIT(11) /* SYSCALL */ |            \
	 BIT(20) /* NX */ | BIT(22) | BIT(25) /* FFXSR */ | BIT(26) /* 1 GiB pages */ | \
	 BIT(27) /* RDTSCP */ | BIT(29) /* long mode */)
#define LEAFX8_EBX (BIT(0) /* CLZERO */ | BIT(2) /* RstrFpErrPtrs */)

struct policy {
	uint32_t leaf, subleaf;
	struct cpuid mask;  /* of the host's value */
	struct cpuid given; /* ORed in */
};

/* Every leaf with something from the host in it. Others read as zero, save the made ones in
 * adjust(). Sorted by leaf, subleaf. */
static const struct policy policies[] = {
	{0x00, 0, {0, ALL, ALL, ALL}, {LEAF_BASIC_MAX, 0, 0, 0}},
	{0x01, 0, {ALL, 0xff00, LEAF1_ECX, LEAF1_EDX}, {0, 0, LEAF1_ECX_GIVEN, LEAF1_EDX_MTRR}},
	{0x02, 0, {ALL, ALL, ALL, ALL}, {0}},
	{0x06, 0, {0}, {LEAF6_EAX_ARAT, 0, 0, 0}},
	{0x07, 0, {0, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX}, {1, LEAF7_EBX_TSC_ADJUST, 0, 0}},
	{0x07, 1, {LEAF7_1_EAX, 0, 0, 0}, {0}},
	{0x0d, 1, {LEAFD_1_EAX, 0, 0, 0}, {0}},
	{LEAF_EXTENDED, 0, {0, ALL, ALL, ALL}, {LEAF_EXTENDED_MAX, 0, 0, 0}},
	{LEAF_EXTENDED + 1, 0, {ALL, ALL, LEAFX1_ECX, LEAFX1_EDX}, {0}},
	{LEAF_EXTENDED + 2, 0, {ALL, ALL, ALL, ALL}, {0}},
	{LEAF_EXTENDED + 3, 0, {ALL, ALL, ALL, ALL}, {0}},
	{LEAF_EXTENDED + 4, 0, {ALL, ALL, ALL, ALL}, {0}},
	{LEAF_EXTENDED + 5, 0, {ALL, ALL, ALL, ALL}, {0}},
	{LEAF_EXTENDED + 6, 0, {ALL, ALL, ALL, ALL}, {0}},
	{LEAF_EXTENDED + 7, 0, {0, 0, 0, BIT(8) /* invariant TSC */}, {0}},
	{LEAF_EXTENDED + 8, 0, {0xffff, LEAFX8_EBX, 0, 0}, {0}},
	{LEAF_EXTENDED + 0x19, 0, {ALL, ALL, ALL, ALL}, {0}},
	{LEAF_EXTENDED + 0x1a, 0, {ALL, 0, 0, 0}, {0}},
};

static struct cpuid values[ARRAY_SIZE(policies)]; /* host value masked, per policy */
static uint8_t basic_index[LEAF_BASIC_MAX + 1];	  /* first policy of a leaf, plus 1 */
static uint8_t extended_index[LEAF_EXTENDED_MAX - LEAF_EXTENDED + 1];

#define XCR0_COMPONENTS 10
static struct {
	uint64_t mask; /* bits of XCR0 that guests may set */
	struct cpuid component[XCR0_COMPONENTS];
} xsave;

static struct cpuid masked(const struct policy *p, struct cpuid host)
{
	return (struct cpuid){
		.eax = (host.eax & p->mask.eax) | p->given.eax,
		.ebx = (host.ebx & p->mask.ebx) | p->given.ebx,
		.ecx = (host.ecx & p->mask.ecx) | p->given.ecx,
		.edx = (host.edx & p->mask.edx) | p->given.edx,
	};
}

static void xsave_init(void)
{
	uint64_t host = cpu_features.xcr0_mask;

	xsave.mask = host & (XCR0_X87 | XCR0_SSE | XCR0_AVX);
	xsave.mask |= cpu_features.pku ? XCR0_PKRU : 0;
	if ((host & XCR0_AVX512) == XCR0_AVX512)
		xsave.mask |= XCR0_AVX512;
	for (unsigned i = 2; i < XCR0_COMPONENTS; i++)
		if (xsave.mask >> i & 1)
			xsave.component[i] = cpuid(0x0d, i);
}

/* What guests could not use, though the CPU has it, and the other way round. */
static void amend(const struct policy *p, struct cpuid *host)
{
	unsigned undefined =
		vmm_backend->undefined_in_guests ? vmm_backend->undefined_in_guests() : 0;

	if (p->leaf == 0x07 && p->subleaf == 0) {
		if (vmm_backend->emulates_umip)
			host->ecx |= LEAF7_ECX_UMIP;
		if (!cpu_features.pku)
			host->ecx &= ~(uint32_t)LEAF7_ECX_PKU;
		if (undefined & BACKEND_NO_INVPCID)
			host->ebx &= ~(uint32_t)LEAF7_EBX_INVPCID;
		if (undefined & BACKEND_NO_RDTSCP)
			host->ecx &= ~(uint32_t)LEAF7_ECX_RDPID;
	}
	if (p->leaf == LEAF_EXTENDED + 1 && undefined & BACKEND_NO_RDTSCP)
		host->edx &= ~(uint32_t)LEAFX1_EDX_RDTSCP;
}

void features_init(void)
{
	uint32_t max_basic = cpuid(0, 0).eax, max_extended = cpuid(LEAF_EXTENDED, 0).eax;

	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++) {
		const struct policy *p = &policies[i];
		bool extended = p->leaf & LEAF_EXTENDED;
		struct cpuid host = {0};
		uint8_t *index = extended ? &extended_index[p->leaf - LEAF_EXTENDED]
					  : &basic_index[p->leaf];

		if (p->leaf <= (extended ? max_extended : max_basic))
			host = cpuid(p->leaf, p->subleaf);
		if (p->leaf == 0x02 && cpu_features.vendor != CPU_VENDOR_INTEL)
			host = (struct cpuid){0};
		amend(p, &host);
		values[i] = masked(p, host);
		if (!*index)
			*index = (uint8_t)(i + 1);
	}
	if (cpu_features.xsave)
		xsave_init();
}

static struct cpuid lookup(uint32_t leaf, uint32_t subleaf)
{
	unsigned at = 0;

	if (leaf <= LEAF_BASIC_MAX)
		at = basic_index[leaf];
	else if (leaf >= LEAF_EXTENDED && leaf <= LEAF_EXTENDED_MAX)
		at = extended_index[leaf - LEAF_EXTENDED];
	if (!at--)
		return (struct cpuid){0};
	if (leaf == 0x07 && subleaf)
		return subleaf == 1 ? values[at + 1] : (struct cpuid){0};
	return values[at];
}

/* Bytes of the XSAVE area for a value of XCR0: legacy region and header, and each component
 * where the standard format has it (SDM vol. 1 13.4.2). */
static uint32_t xsave_bytes(uint64_t xcr0)
{
	uint32_t bytes = 512 + 64;

	for (unsigned i = 2; i < XCR0_COMPONENTS; i++)
		if (xcr0 >> i & 1)
			bytes = MAX(bytes, xsave.component[i].ebx + xsave.component[i].eax);
	return bytes;
}

/* The same of the compacted format (13.4.3): one after the other, some on 64-byte boundaries.
 */
static uint32_t xsave_compacted_bytes(uint64_t xcr0)
{
	uint32_t bytes = 512 + 64;

	for (unsigned i = 2; i < XCR0_COMPONENTS; i++) {
		const struct cpuid *c = &xsave.component[i];

		if (!(xcr0 >> i & 1))
			continue;
		bytes = (c->ecx & BIT(1) ? (uint32_t)ALIGN_UP(bytes, 64) : bytes) + c->eax;
	}
	return bytes;
}

static struct cpuid xsave_leaf(uint32_t subleaf)
{
	struct cpuid r = {0};

	if (!xsave.mask)
		return r;
	if (subleaf == 0)
		return (struct cpuid){.eax = (uint32_t)xsave.mask,
				      .ebx = xsave_bytes(vcpu_get_xcr0()),
				      .ecx = xsave_bytes(xsave.mask),
				      .edx = (uint32_t)(xsave.mask >> 32)};
	if (subleaf == 1) {
		r = lookup(0x0d, 1);
		if (r.eax & LEAFD_1_EAX_XSAVEC)
			r.ebx = xsave_compacted_bytes(vcpu_get_xcr0());
		return r;
	}
	if (subleaf < XCR0_COMPONENTS)
		r = xsave.component[subleaf];
	r.ecx &= BIT(1); /* aligned in the compacted format; user state */
	return r;
}

/* Bits needed for `count` different numbers. */
static unsigned width(unsigned count)
{
	unsigned bits = 0;

	while (1u << bits < count)
		bits++;
	return bits;
}

/* One package, a core per vCPU, a thread per core (SDM vol. 3A 8.9.1). */
static struct cpuid topology_leaf(const struct vcpu *vcpu, uint32_t subleaf)
{
	unsigned count = vcpu->vm->vcpu_count;
	struct cpuid r = {.ecx = subleaf & 0xff, .edx = vcpu->id};

	if (subleaf == 0) {
		r.ebx = 1;
		r.ecx |= 1 << 8; /* level type SMT */
	} else if (subleaf == 1) {
		r.eax = width(count);
		r.ebx = count;
		r.ecx |= 2 << 8; /* level type core */
	}
	return r;
}

static struct cpuid cache_leaf(const struct vcpu *vcpu, uint32_t subleaf)
{
	struct cpuid r;
	unsigned count = vcpu->vm->vcpu_count;
	unsigned level;

	if (cpu_features.vendor != CPU_VENDOR_INTEL || subleaf > 8)
		return (struct cpuid){0};
	r = cpuid(4, subleaf);
	level = r.eax >> 5 & 7;
	if (!(r.eax & 0x1f))
		return r;
	r.eax &= 0x3ff; /* the maximum IDs that share it, and in the package, are ours: */
	r.eax |= level >= 3 ? ((1u << width(count)) - 1) << 14 : 0;
	r.eax |= ((1u << width(count)) - 1) << 26;
	return r;
}

/* KVM's leaves (Linux, Documentation/virt/kvm/x86/cpuid.rst): what makes Linux take the
 * paravirtual clock, and x2APIC without interrupt remapping. */
static struct cpuid kvm_leaf(uint32_t leaf)
{
	struct cpuid r = {0};

	if (leaf == 0x40000000) {
		r.eax = 0x40000001;
		memcpy(&r.ebx, "KVMK", 4);
		memcpy(&r.ecx, "VMKV", 4);
		memcpy(&r.edx, "M\0\0\0", 4);
	} else if (leaf == 0x40000001) {
		r.eax = PVCLOCK_CPUID_FEATURES;
	}
	return r;
}

/* What depends on the vCPU or its state. */
static void adjust(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, struct cpuid *r)
{
	unsigned count = vcpu->vm->vcpu_count;

	switch (leaf) {
	case 0x01:
		if (!vlapic_is_enabled(vcpu->lapic))
			r->edx &= ~(uint32_t)FEATURE_APIC;
		r->ebx |= (uint32_t)(vcpu->id & 0xff) << 24;
		r->ebx |= (uint32_t)MIN(count, 255u) << 16;
		if (count > 1)
			r->edx |= LEAF1_EDX_HTT;
		if (vmm_backend->get_reg(vcpu, REG_CR4) & BIT(18))
			r->ecx |= LEAF1_ECX_OSXSAVE;
		break;
	case 0x07:
		if (subleaf == 0 && vmm_backend->get_reg(vcpu, REG_CR4) & BIT(22))
			r->ecx |= LEAF7_ECX_OSPKE;
		break;
	case LEAF_EXTENDED + 1:
		if (!vlapic_is_enabled(vcpu->lapic))
			r->edx &= ~(uint32_t)FEATURE_APIC;
		if (count > 1 && cpu_features.vendor == CPU_VENDOR_AMD)
			r->ecx |= LEAFX1_ECX_CMP_LEGACY;
		break;
	case LEAF_EXTENDED + 8:
		if (cpu_features.vendor == CPU_VENDOR_AMD)
			r->ecx = (count - 1) | width(count) << 12;
		break;
	}
}

struct cpuid features_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	switch (leaf) {
	case 0x04: return cache_leaf(vcpu, subleaf);
	case 0x0b: return topology_leaf(vcpu, subleaf);
	case 0x0d: return xsave_leaf(subleaf);
	case 0x40000000 ... 0x400000ff: return kvm_leaf(leaf);
	}
	r = lookup(leaf, subleaf);
	adjust(vcpu, leaf, subleaf, &r);
	return r;
}

/* SDM vol. 3A 2.6, and 13.3 of vol. 1 for which XCR0 bits go together. */
bool features_xcr0_valid(uint64_t xcr0)
{
	if (!(xcr0 & XCR0_X87) || xcr0 & ~xsave.mask)
		return false;
	if (xcr0 & XCR0_AVX && !(xcr0 & XCR0_SSE))
		return false;
	if (xcr0 & XCR0_AVX512)
		return (xcr0 & XCR0_AVX512) == XCR0_AVX512 && xcr0 & XCR0_AVX;
	return true;
}

uint64_t features_cr4_mask(void)
{
	/* VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT */
	uint64_t mask = 0x7ff;
	struct cpuid leaf1 = lookup(1, 0), leaf7 = lookup(7, 0);

	mask |= leaf7.ecx & LEAF7_ECX_UMIP ? BIT(11) : 0;
	mask |= leaf7.ebx & BIT(0) ? BIT(16) : 0;	 /* FSGSBASE */
	mask |= leaf1.ecx & BIT(17) ? BIT(17) : 0;	 /* PCIDE */
	mask |= leaf1.ecx & BIT(26) ? BIT(18) : 0;	 /* OSXSAVE */
	mask |= leaf7.ebx & BIT(7) ? BIT(20) : 0;	 /* SMEP */
	mask |= leaf7.ebx & BIT(20) ? BIT(21) : 0;	 /* SMAP */
	mask |= leaf7.ecx & LEAF7_ECX_PKU ? BIT(22) : 0; /* PKE */
	return mask;
}

uint64_t features_efer_mask(void)
{
	uint32_t edx = lookup(LEAF_EXTENDED + 1, 0).edx;

	return EFER_SCE | EFER_LME | EFER_LMA | (edx & BIT(20) ? EFER_NXE : 0) |
	       (edx & BIT(25) ? BIT(14) : 0); /* FFXSR */
}
