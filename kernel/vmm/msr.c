/*
 * MSR policy: one table of what guests may read and write. An MSR that is not in it raises #GP
 * and is counted; none of them reaches hardware from here, except what the vCPU's own control
 * structure holds. Numbers: SDM vol. 4 table 2-2, APM vol. 2 appendix A.
 */
#include <errno.h>

#include "kernel/cpu/msr.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

enum msr_kind {
	MSR_KIND_FIXED,	   /* reads `value`; writes are ignored (`mask` all ones) or #GP */
	MSR_KIND_STORED,   /* plain storage, `value` at reset; bits outside `mask` raise #GP */
	MSR_KIND_REGISTER, /* in the backend's control structure, as `reg` */
	MSR_KIND_CALL,
};

struct msr_policy {
	uint32_t first, last;
	enum msr_kind kind;
	enum vcpu_reg reg;
	bool canonical; /* of MSR_KIND_REGISTER: an address; otherwise any value */
	uint64_t value, mask;
	int (*read)(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
	int (*write)(struct vcpu *vcpu, uint32_t msr, uint64_t value);
};

#define IGNORE_WRITES	~0ull
#define STORED_MAX	48
#define MTRR_DEFAULT_WB 0x806ull /* enabled, fixed ranges off, write-back */
#define MTRR_CAP	0x508ull /* 8 variable ranges, fixed ranges, write-combining */

struct vcpu_msrs {
	uint64_t stored[STORED_MAX];
};

static int read_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vm_tsc(vcpu->vm);
	return 0;
}

static int read_efer(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vmm_backend->get_reg(vcpu, REG_EFER);
	return 0;
}

/* SDM vol. 3A 2.2.1: reserved bits raise #GP, so does changing LME under paging; LMA is the
 * CPU's own and keeps its value. */
static int write_efer(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t old = vmm_backend->get_reg(vcpu, REG_EFER);
	bool paging = vmm_backend->get_reg(vcpu, REG_CR0) & BIT(31);

	(void)msr;
	if (value & ~features_efer_mask() || (paging && (value ^ old) & EFER_LME))
		return -EPERM;
	vmm_backend->set_reg(vcpu, REG_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
	return 0;
}

static int read_tsc_aux(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu->tsc_aux;
	return 0;
}

/* RDTSCP and RDPID read the real one, which is the vCPU's while it is loaded. */
static int write_tsc_aux(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (value >> 32)
		return -EPERM;
	vcpu->tsc_aux = value;
	return wrmsr_safe(msr, value) ? -EPERM : 0;
}

static int write_pat(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	for (unsigned i = 0; i < 64;
	     i += 8) { /* SDM vol. 3A table 11-10: 2 and 3 are reserved */
		unsigned type = value >> i & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return -EPERM;
	}
	vmm_backend->set_reg(vcpu, REG_PAT, value);
	return 0;
}

static int read_pat(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vmm_backend->get_reg(vcpu, REG_PAT);
	return 0;
}

static int read_pvclock(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu->pvclock;
	return 0;
}

static int write_pvclock(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	return pvclock_write_system(vcpu, value);
}

static int write_wall_clock(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	return pvclock_write_wall(vcpu, value);
}

#define REGISTER(number, name, address)                                                        \
	{                                                                                      \
		.first = (number), .last = (number), .kind = MSR_KIND_REGISTER, .reg = (name), \
		.canonical = (address)                                                         \
	}
#define FIXED(number, contents, writes)                                      \
	{                                                                    \
		.first = (number), .last = (number), .kind = MSR_KIND_FIXED, \
		.value = (contents), .mask = (writes)                        \
	}
#define STORED(from, to, contents, bits)                                                     \
	{                                                                                    \
		.first = (from), .last = (to), .kind = MSR_KIND_STORED, .value = (contents), \
		.mask = (bits)                                                               \
	}
#define CALL(number, get, set)                                                             \
	{                                                                                  \
		.first = (number), .last = (number), .kind = MSR_KIND_CALL, .read = (get), \
		.write = (set)                                                             \
	}

/* Sorted by number. */
static const struct msr_policy policies[] = {
	CALL(MSR_TSC, read_tsc, NULL),
	CALL(MSR_KVM_WALL_CLOCK, NULL, write_wall_clock),
	CALL(MSR_KVM_SYSTEM_TIME, read_pvclock, write_pvclock),
	FIXED(0x17, 0, 0),		       /* IA32_PLATFORM_ID */
	FIXED(0x3a, 1, 0),		       /* IA32_FEATURE_CONTROL: locked, VMX off */
	FIXED(0x8b, 0x1000065, IGNORE_WRITES), /* microcode revision; updates do nothing */
	FIXED(0xfe, MTRR_CAP, 0),	       /* IA32_MTRRCAP */
	REGISTER(MSR_SYSENTER_CS, REG_SYSENTER_CS, false),
	REGISTER(MSR_SYSENTER_ESP, REG_SYSENTER_ESP, true),
	REGISTER(MSR_SYSENTER_EIP, REG_SYSENTER_EIP, true),
	FIXED(0x179, 0, 0),		/* IA32_MCG_CAP: no banks */
	STORED(0x17a, 0x17a, 0, 7),	/* IA32_MCG_STATUS */
	STORED(0x1a0, 0x1a0, 1, ~0ull), /* IA32_MISC_ENABLE: fast strings */
	STORED(0x1d9, 0x1d9, 0, 3),	/* IA32_DEBUGCTL: LBR, BTF (no effect) */
	STORED(0x200, 0x20f, 0,
	       0x000fffffffffffffull),	/* variable MTRRs: kept, without effect */
	STORED(0x250, 0x250, 0, ~0ull), /* fixed MTRRs */
	STORED(0x258, 0x259, 0, ~0ull),
	STORED(0x268, 0x26f, 0, ~0ull),
	CALL(MSR_PAT, read_pat, write_pat),
	STORED(0x2ff, 0x2ff, MTRR_DEFAULT_WB, 0xcff), /* IA32_MTRR_DEF_TYPE */
	CALL(MSR_KVM_WALL_CLOCK_NEW, NULL, write_wall_clock),
	CALL(MSR_KVM_SYSTEM_TIME_NEW, read_pvclock, write_pvclock),
	CALL(MSR_EFER, read_efer, write_efer),
	REGISTER(MSR_STAR, REG_STAR, false),
	REGISTER(MSR_LSTAR, REG_LSTAR, true),
	REGISTER(MSR_CSTAR, REG_CSTAR, true),
	REGISTER(MSR_SFMASK, REG_SFMASK, false),
	REGISTER(MSR_FS_BASE, REG_FS_BASE, true),
	REGISTER(MSR_GS_BASE, REG_GS_BASE, true),
	REGISTER(MSR_KERNEL_GS_BASE, REG_KERNEL_GS_BASE, true),
	CALL(MSR_TSC_AUX, read_tsc_aux, write_tsc_aux),
	FIXED(0xc0010010, 0, IGNORE_WRITES), /* SYSCFG */
	STORED(0xc0010015, 0xc0010015, BIT(24),
	       0x7fffffff),		     /* HWCR: the TSC runs at P0's rate */
	FIXED(0xc001001f, 0, IGNORE_WRITES), /* NB_CFG */
	FIXED(0xc0010055, 0, IGNORE_WRITES), /* interrupt pending message: no C1E erratum */
	FIXED(0xc0010058, 0, IGNORE_WRITES), /* MMIO configuration base: off */
	FIXED(0xc0010114, BIT(4), 0),	     /* VM_CR: SVM is off */
	FIXED(0xc0011022, 0, IGNORE_WRITES), /* DC_CFG */
	FIXED(0xc0011029, BIT(1), IGNORE_WRITES), /* DE_CFG: LFENCE is serialising */
	FIXED(0xc001102a, 0, IGNORE_WRITES),	  /* BU_CFG2 */
};

/* Policy and, of storage, its slot. */
static const struct msr_policy *find(uint32_t msr, unsigned *slot)
{
	unsigned next = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(policies) && policies[i].first <= msr; i++) {
		const struct msr_policy *p = &policies[i];

		if (msr <= p->last) {
			*slot = next + (msr - p->first);
			return p;
		}
		if (p->kind == MSR_KIND_STORED)
			next += p->last - p->first + 1;
	}
	return NULL;
}

void features_msrs_reset(struct vcpu_msrs *msrs)
{
	unsigned slot = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++)
		if (policies[i].kind == MSR_KIND_STORED)
			for (uint32_t n = policies[i].first; n <= policies[i].last; n++)
				msrs->stored[slot++] = policies[i].value;
}

struct vcpu_msrs *features_msrs_create(struct mem_account *account)
{
	struct vcpu_msrs *msrs = heap_zalloc(sizeof *msrs, account);

	if (msrs)
		features_msrs_reset(msrs);
	return msrs;
}

static bool canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Counts an MSR that does not exist; a vCPU that insists is logged, once for reads and once for
 * writes. -EPERM. */
static int unknown(struct vcpu *vcpu, _Atomic uint64_t *counter, uint32_t msr)
{
	if (atomic_fetch_add(counter, 1) + 1 == BUS_UNCLAIMED_MANY)
		log_warn(vcpu->vm->name,
			 "vCPU %u has accessed MSRs that do not exist %u times so far, now "
			 "0x%x (RIP 0x%llx): `show` counts on",
			 vcpu->id, BUS_UNCLAIMED_MANY, msr, (unsigned long long)vcpu->rip);
	return -EPERM;
}

int features_rdmsr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct msr_policy *p;
	unsigned slot;

	if (vlapic_owns_msr(msr))
		return vlapic_rdmsr(vcpu->lapic, msr, value);
	p = find(msr, &slot);
	if (p) {
		switch (p->kind) {
		case MSR_KIND_FIXED: *value = p->value; return 0;
		case MSR_KIND_STORED: *value = vcpu->msrs->stored[slot]; return 0;
		case MSR_KIND_REGISTER: *value = vmm_backend->get_reg(vcpu, p->reg); return 0;
		case MSR_KIND_CALL:
			if (p->read)
				return p->read(vcpu, msr, value);
		}
	}
	return unknown(vcpu, &vcpu->counters.msr_unknown_reads, msr);
}

int features_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	const struct msr_policy *p;
	unsigned slot;

	if (vlapic_owns_msr(msr))
		return vlapic_wrmsr(vcpu->lapic, msr, value);
	p = find(msr, &slot);
	if (p) {
		switch (p->kind) {
		case MSR_KIND_FIXED: return p->mask == IGNORE_WRITES ? 0 : -EPERM;
		case MSR_KIND_STORED:
			if (value & ~p->mask)
				return -EPERM;
			vcpu->msrs->stored[slot] = value;
			return 0;
		case MSR_KIND_REGISTER:
			if (p->canonical && !canonical(value))
				return -EPERM;
			vmm_backend->set_reg(vcpu, p->reg, value);
			return 0;
		case MSR_KIND_CALL:
			if (p->write)
				return p->write(vcpu, msr, value);
		}
	}
	return unknown(vcpu, &vcpu->counters.msr_unknown_writes, msr);
}
