/*
 * RDMSR and WRMSR of guests, by the table in msr_table.h. What is not in it raises #GP and is
 * counted; none of it reaches hardware from here, except what the vCPU's own control structure
 * holds.
 */
#include <errno.h>

#include "kernel/cpu/msr.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vtsc.h"

enum msr_kind {
	MSR_KIND_ABSENT,
	MSR_KIND_FIXED,	   /* reads `value`; writes are ignored (`mask` all ones) or #GP */
	MSR_KIND_STORED,   /* `value` at reset; `mask` are the bits that can be written */
	MSR_KIND_REGISTER, /* in the backend's control structure, as `reg` */
	MSR_KIND_CALL,
};

/* Who has VMX and is neither follows Intel. */
#define BOTH  (INTEL | AMD)
#define INTEL (1u << CPU_VENDOR_INTEL | 1u << CPU_VENDOR_OTHER)
#define AMD   (1u << CPU_VENDOR_AMD)

struct msr_policy {
	uint32_t first, last;
	uint8_t vendors; /* 1 << enum cpu_vendor, of those that have it */
	enum msr_kind kind;
	enum vcpu_reg reg;
	bool canonical; /* of MSR_KIND_REGISTER: an address; otherwise any value */
	bool types;	/* of MSR_KIND_STORED: memory types are in it */
	uint64_t value, mask;
	int (*read)(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
	int (*write)(struct vcpu *vcpu, uint32_t msr, uint64_t value);
};

#define IGNORE_WRITES	    ~0ull
#define MSR_MTRR_FIXED	    0x250u
#define MSR_MTRR_FIXED_LAST 0x26fu
#define MSR_MTRR_DEF_TYPE   0x2ffu
#define MSR_AMD_NAME	    0xc0010030u

/* How many MSRs are storage, as an expression: 1 for each row of that kind, times its MSRs. */
#define MSR(first, last, vendors, what, name, why) +(what) * ((last) - (first) + 1)
#define READS(v)				   0
#define IGNORES(v)				   0
#define KEEPS(v, bits)				   1
#define TYPES(v, bits)				   1
#define REGISTER(r)				   0
#define ADDRESS(r)				   0
#define CALLS(get, set)				   0
#define SETS(set)				   0
#define VANISHES				   0
#define LAPIC					   0
#define ABSENT					   0
enum {
	STORED =
#include "kernel/vmm/msr_table.h"
};
#undef MSR
#undef READS
#undef IGNORES
#undef KEEPS
#undef TYPES
#undef REGISTER
#undef ADDRESS
#undef CALLS
#undef SETS
#undef VANISHES
#undef LAPIC
#undef ABSENT

struct vcpu_msrs {
	uint64_t stored[STORED];
};

static int read_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vtsc_read(vcpu);
	return 0;
}

static int write_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	vtsc_write(vcpu, value);
	return 0;
}

static int read_tsc_adjust(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = atomic_load(&vcpu->tsc_adjust);
	return 0;
}

static int write_tsc_adjust(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	vtsc_set_adjust(vcpu, value);
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
	if (value >> 32 || wrmsr_safe(msr, value))
		return -EPERM;
	vcpu->tsc_aux = value;
	return 0;
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

/* Firmware's: the manuals let software write them, and guests have no use for it. */
static int write_nothing(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)vcpu, (void)msr, (void)value;
	return 0;
}

static int read_top_mem(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu->vm->gmem.low_bytes;
	return 0;
}

static int read_top_mem2(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct gmem *gm = &vcpu->vm->gmem;

	(void)msr;
	*value = GMEM_HIGH_BASE + (gm->bytes - gm->low_bytes);
	return 0;
}

/* Six MSRs of eight characters each; CPUID has them by sixteen. */
static int read_name(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	unsigned part = msr - MSR_AMD_NAME;
	struct cpuid r = features_cpuid(vcpu, 0x80000002 + part / 2, 0);

	*value = part % 2 ? (uint64_t)r.edx << 32 | r.ecx : (uint64_t)r.ebx << 32 | r.eax;
	return 0;
}

#define MSR(from, to, cpus, what, name, why) \
	{.first = (from), .last = (to), .vendors = (cpus), what},
#define READS(v)	.kind = MSR_KIND_FIXED, .value = (v)
#define IGNORES(v)	.kind = MSR_KIND_FIXED, .value = (v), .mask = IGNORE_WRITES
#define KEEPS(v, bits)	.kind = MSR_KIND_STORED, .value = (v), .mask = (bits)
#define TYPES(v, bits)	.kind = MSR_KIND_STORED, .value = (v), .mask = (bits), .types = true
#define REGISTER(r)	.kind = MSR_KIND_REGISTER, .reg = (r)
#define ADDRESS(r)	.kind = MSR_KIND_REGISTER, .reg = (r), .canonical = true
#define CALLS(get, set) .kind = MSR_KIND_CALL, .read = (get), .write = (set)
#define SETS(set)	.kind = MSR_KIND_CALL, .write = (set)
#define VANISHES	.kind = MSR_KIND_CALL, .write = write_nothing
#define LAPIC		.kind = MSR_KIND_ABSENT /* asked before: vlapic_owns_msr() */
#define ABSENT		.kind = MSR_KIND_ABSENT
static const struct msr_policy policies[] = {
#include "kernel/vmm/msr_table.h"
};

/* Policy and, of storage, its slot. */
static const struct msr_policy *find(uint32_t msr, unsigned *slot)
{
	unsigned next = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(policies) && policies[i].first <= msr; i++) {
		const struct msr_policy *p = &policies[i];

		if (msr <= p->last && p->vendors >> cpu_features.vendor & 1) {
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

/* Counts an MSR that does not exist; a vCPU that insists is logged, once for reads and once for
 * writes. -EPERM. */
static int unknown(struct vcpu *vcpu, _Atomic uint64_t *counter, uint32_t msr)
{
	if (atomic_fetch_add(counter, 1) + 1 == BUS_UNCLAIMED_MANY)
		log_warn(vcpu->vm->name,
			 "vCPU %u has accessed MSRs that do not exist %u times so far, now "
			 "0x%x (%s): `show` counts on",
			 vcpu->id, BUS_UNCLAIMED_MANY, msr, vcpu_place(vcpu).text);
	return -EPERM;
}

/* SDM vol. 3A table 11-8: 2, 3 and from 7 on are reserved. */
static bool is_memory_type(unsigned type)
{
	return type <= 6 && type != 2 && type != 3;
}

/* Fixed ranges are eight types; a PHYSBASE (even) and DEF_TYPE have one, bits 11:8 of the
 * former and 10:0 of a PHYSMASK (odd) are reserved, and so are addresses that the CPU lacks
 * (SDM vol. 3A 11.11.2). */
static bool types_valid(uint32_t msr, uint64_t value)
{
	if (msr >= MSR_MTRR_FIXED && msr <= MSR_MTRR_FIXED_LAST) {
		for (unsigned i = 0; i < 64; i += 8)
			if (!is_memory_type(value >> i & 0xff))
				return false;
		return true;
	}
	if (msr == MSR_MTRR_DEF_TYPE)
		return is_memory_type(value & 0xff);
	if (value >> cpu_features.phys_bits)
		return false;
	return msr % 2 ? !(value & 0x7ff) : !(value & 0xf00) && is_memory_type(value & 0xff);
}

static int store(struct vcpu *vcpu, const struct msr_policy *p, uint32_t msr, uint64_t value,
		 unsigned slot)
{
	if (value & ~p->mask & ~p->value || (p->types && !types_valid(msr, value)))
		return -EPERM;
	vcpu->msrs->stored[slot] = (value & p->mask) | (p->value & ~p->mask);
	return 0;
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
		case MSR_KIND_ABSENT: break;
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
		case MSR_KIND_ABSENT: break;
		case MSR_KIND_FIXED: return p->mask == IGNORE_WRITES ? 0 : -EPERM;
		case MSR_KIND_STORED: return store(vcpu, p, msr, value, slot);
		case MSR_KIND_REGISTER:
			if (p->canonical && !gva_is_canonical(value))
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
