/* The guest's page tables, walked in software: no paging, 32-bit, PAE and 4-level (SDM vol. 3A
 * ch. 4; APM vol. 2 ch. 5). 5-level paging is not offered to guests. */
#include "kernel/vmm/gva.h"

#include <errno.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/vm.h"

#define PKRU_AD	       BIT(0)
#define PKRU_WD	       BIT(1)

#define CR3_PAE	       0xffffffe0ull /* the table of four entries is aligned to its size */
#define LEAF_LOW       0x1fffull     /* flags and PAT of a large page */
#define PAE_RESERVED   0x7ff0000000000000ull /* 62:52 */
#define PDPTE_RESERVED 0x1e6ull		     /* 2:1, 8:5 */

struct walk {
	struct vcpu *vcpu;
	uint64_t cr0, cr4, efer;
	unsigned access;
	bool user;	   /* the access is a user access */
	uint64_t rights;   /* W and U of all levels, ANDed */
	uint64_t nx;	   /* NX of any level */
	uint64_t reserved; /* bits that are reserved in every entry of this paging mode */
	unsigned entry_bytes;
};

static bool read_entry(const struct walk *w, uint64_t gpa, uint64_t *entry)
{
	struct gmem *gm = &w->vcpu->vm->gmem;
	uint32_t half;

	if (likely(w->entry_bytes == 8))
		return !gmem_read64(gm, gpa, entry);
	if (gmem_read(gm, gpa, &half, sizeof half))
		return false;
	*entry = half;
	return true;
}

/* Sets bits as the CPU's locked walk does. A race with the guest's own write just means that
 * the guest walks again. */
static void mark(const struct walk *w, uint64_t gpa, uint64_t entry, uint64_t bits)
{
	if (unlikely((entry & bits) != bits))
		gmem_cmpxchg(&w->vcpu->vm->gmem, gpa, entry, entry | bits, w->entry_bytes);
}

/* `why`: 0 where an entry is not present, PF_PRESENT where rights lack, with PF_RSVD where a
 * reserved bit is set. */
static int refuse(const struct walk *w, uint64_t why, uint32_t *error)
{
	bool fetch_counts = w->cr4 & CR4_SMEP || (w->efer & EFER_NXE && w->cr4 & CR4_PAE);

	*error = (uint32_t)(why | (w->access & GVA_WRITE ? PF_WRITE : 0) |
			    (w->user ? PF_USER : 0) |
			    (w->access & GVA_FETCH && fetch_counts ? PF_FETCH : 0));
	return -EFAULT;
}

/* SDM vol. 3A 4.6.1. */
static bool allowed(const struct walk *w)
{
	bool user_page = w->rights & PTE_U;
	bool writable = w->rights & PTE_W;

	if (w->user) {
		if (!user_page || (w->access & GVA_WRITE && !writable))
			return false;
	} else {
		if (w->access & GVA_WRITE && !writable && w->cr0 & CR0_WP)
			return false;
		if (user_page && w->access & GVA_FETCH && w->cr4 & CR4_SMEP)
			return false;
		if (user_page && !(w->access & GVA_FETCH) && w->cr4 & CR4_SMAP &&
		    (w->access & GVA_SYSTEM || !(w->vcpu->rflags & RFLAGS_AC)))
			return false;
	}
	return !(w->access & GVA_FETCH && w->nx);
}

/* Protection keys (SDM vol. 3A 4.6.2): of data accesses to user pages, in long mode, whoever
 * makes them; of writes by a supervisor only with CR0.WP. PKRU has two bits for each key:
 * access disable, write disable. */
static bool key_allows(const struct walk *w, uint64_t leaf)
{
	uint32_t bits;

	if (likely(!(w->cr4 & CR4_PKE)) || !(w->efer & EFER_LMA) || !(w->rights & PTE_U) ||
	    w->access & GVA_FETCH)
		return true;
	bits = vcpu_get_pkru() >> 2 * (leaf >> PTE_KEY_SHIFT & 0xf);
	if (bits & PKRU_AD)
		return false;
	return !(bits & PKRU_WD && w->access & GVA_WRITE && (w->user || w->cr0 & CR0_WP));
}

/* What every entry of 4-level and PAE paging must leave clear (SDM vol. 3A 4.4.2, 4.5.4; APM
 * vol. 2 5.3, 5.4): addresses that the CPU does not have, NX where EFER.NXE is clear, and with
 * PAE all of 62:52. */
static uint64_t reserved_bits(const struct walk *w)
{
	uint64_t bits = PTE_ADDRESS & ~(BIT(cpu_features.phys_bits) - 1);

	if (!(w->efer & EFER_NXE))
		bits |= PTE_NX;
	return w->efer & EFER_LMA ? bits : bits | PAE_RESERVED;
}

/* What else is reserved by level. A leaf of 4 MiB has bits 39:32 of its address at 20:13
 * (PSE-36; SDM vol. 3A table 4-4): those that the CPU lacks, and 21, are reserved. PS is
 * reserved in a PML4 entry, and in the level below where the CPU has no 1 GiB pages; G is in a
 * PML4 entry on AMD, and ignored in other entries that are no leaves (APM vol. 2 5.3.3). */
static uint64_t reserved_at(const struct walk *w, unsigned level, unsigned shift, bool leaf)
{
	if (level == 1)
		return 0;
	if (!leaf)
		return (level >= 3 ? PTE_PS : 0) |
		       (level == 4 && cpu_features.vendor == CPU_VENDOR_AMD ? PTE_G : 0);
	if (w->entry_bytes == 8)
		return (BIT(shift) - 1) & ~LEAF_LOW;
	return (BIT(22) - 1) & ~(BIT(MIN(MAX(cpu_features.phys_bits, 32u), 40u) - 19) - 1);
}

/*
 * Walks `levels` levels of tables from `table`; index_bits of the address per level. A large
 * page ends the walk at level 2 (and 3 in long mode). 0 with *gpa, or -EFAULT.
 */
static int walk_tables(struct walk *w, uint64_t table, uint64_t gva, unsigned levels,
		       unsigned index_bits, bool large_2, bool large_3, uint64_t *gpa,
		       uint32_t *error)
{
	for (unsigned level = levels;; level--) {
		unsigned shift = 12 + (level - 1) * index_bits;
		uint64_t index = gva >> shift & (BIT(index_bits) - 1);
		uint64_t at = table + index * w->entry_bytes;
		uint64_t entry;
		bool leaf;

		if (!read_entry(w, at, &entry) || !(entry & PTE_P))
			return refuse(w, 0, error);
		w->rights &= entry;
		w->nx |= entry & PTE_NX;
		leaf = level == 1 ||
		       (entry & PTE_PS && ((level == 2 && large_2) || (level == 3 && large_3)));
		if (unlikely(entry & (w->reserved | reserved_at(w, level, shift, leaf))))
			return refuse(w, PF_PRESENT | PF_RSVD, error);
		if (!leaf) {
			mark(w, at, entry, PTE_A);
			table = entry & PTE_ADDRESS;
			continue;
		}
		if (!allowed(w))
			return refuse(w, PF_PRESENT, error);
		if (unlikely(!key_allows(w, entry)))
			return refuse(w, PF_PRESENT | PF_KEY, error);
		mark(w, at, entry, PTE_A | (w->access & GVA_WRITE ? PTE_D : 0));
		*gpa = (entry & PTE_ADDRESS & ~(BIT(shift) - 1)) | (gva & (BIT(shift) - 1));
		if (w->entry_bytes == 4 && level == 2) /* PSE-36: bits 20:13 are 39:32 */
			*gpa |= (entry >> 13 & 0xff) << 32;
		return 0;
	}
}

/* SDM vol. 3A table 4-8. QEMU's TCG, 7.2, itself sets bit 5 as if these entries were accessed.
 */
static uint64_t pdpte_reserved(void)
{
	uint64_t bits = ~(BIT(cpu_features.phys_bits) - 1) | PDPTE_RESERVED;

	return cpu_features.tcg ? bits & ~PTE_A : bits;
}

static uint64_t read_pdpte(struct vcpu *vcpu, uint64_t cr3, unsigned i)
{
	uint64_t entry = 0;

	gmem_read64(&vcpu->vm->gmem, (cr3 & CR3_PAE) + 8 * i, &entry);
	return entry;
}

static bool pdpte_valid(uint64_t entry)
{
	return !(entry & PTE_P) || !(entry & pdpte_reserved());
}

bool gva_pdptes_valid(struct vcpu *vcpu, uint64_t cr3)
{
	for (unsigned i = 0; i < 4; i++)
		if (!pdpte_valid(read_pdpte(vcpu, cr3, i)))
			return false;
	return true;
}

uint64_t gva_pdpte(struct vcpu *vcpu, uint64_t cr3, unsigned i)
{
	uint64_t entry = read_pdpte(vcpu, cr3, i);

	return pdpte_valid(entry) ? entry : 0;
}

static int walk_pae(struct walk *w, uint64_t cr3, uint64_t gva, uint64_t *gpa, uint32_t *error)
{
	uint64_t pdpte;

	if (!read_entry(w, (cr3 & CR3_PAE) + (gva >> 30 & 3) * 8, &pdpte) || !(pdpte & PTE_P))
		return refuse(w, 0, error);
	if (unlikely(pdpte & pdpte_reserved()))
		return refuse(w, PF_PRESENT | PF_RSVD, error);
	return walk_tables(w, pdpte & PTE_ADDRESS, gva, 2, 9, true, false, gpa, error);
}

int gva_translate(struct vcpu *vcpu, uint64_t gva, unsigned access, uint64_t *gpa,
		  uint32_t *error)
{
	const struct vmm_backend *b = vmm_backend;
	struct walk w = {
		.vcpu = vcpu,
		.cr0 = b->get_reg(vcpu, REG_CR0),
		.access = access,
		.rights = PTE_W | PTE_U,
		.entry_bytes = 8,
	};
	uint64_t cr3;

	if (!(w.cr0 & CR0_PG)) {
		*gpa = gva & 0xffffffff;
		return 0;
	}
	w.cr4 = b->get_reg(vcpu, REG_CR4);
	w.efer = b->get_reg(vcpu, REG_EFER);
	w.user = b->cpl(vcpu) == 3 && !(access & GVA_SYSTEM);
	cr3 = b->get_reg(vcpu, REG_CR3);
	w.reserved = w.cr4 & CR4_PAE ? reserved_bits(&w) : 0;
	if (likely(w.efer & EFER_LMA))
		return walk_tables(&w, cr3 & PTE_ADDRESS, gva, 4, 9, true,
				   cpu_features.pages_1g, gpa, error);
	if (w.cr4 & CR4_PAE)
		return walk_pae(&w, cr3, gva & 0xffffffff, gpa, error);
	w.entry_bytes = 4;
	return walk_tables(&w, cr3 & 0xfffff000, gva & 0xffffffff, 2, 10, w.cr4 & CR4_PSE,
			   false, gpa, error);
}

/* The entry for `gva` at the level that translates from bit `shift`; 0 where it can't be had.
 */
static inline uint64_t entry_at(const struct gmem *gm, uint64_t table, uint64_t gva,
				unsigned shift)
{
	const volatile uint64_t *entry =
		gmem_window(gm, (table & PTE_ADDRESS) + (gva >> shift & 0x1ff) * 8);

	return likely(entry) ? *entry : 0;
}

static uint64_t walk_executed(const struct gmem *gm, uint64_t cr3, uint64_t gva)
{
	uint64_t entry = entry_at(gm, cr3, gva, 39);

	for (unsigned shift = 30; likely(entry & PTE_P); shift -= 9) {
		entry = entry_at(gm, entry, gva, shift);
		if (shift == 12 || entry & PTE_PS)
			return entry & PTE_P ? (entry & PTE_ADDRESS & ~(BIT(shift) - 1)) |
						       (gva & (BIT(shift) - 1))
					     : UINT64_MAX;
	}
	return UINT64_MAX;
}

const uint8_t *gva_executed(struct vcpu *vcpu, uint64_t gva)
{
	const struct gmem *gm = &vcpu->vm->gmem;
	uint64_t gpa;

	if (unlikely(!(vmm_backend->get_reg(vcpu, REG_EFER) & EFER_LMA)))
		return NULL;
	user_access_begin();
	gpa = walk_executed(gm, vmm_backend->get_reg(vcpu, REG_CR3), gva);
	user_access_end();
	return gmem_window(gm, gpa);
}

unsigned gva_fetch(struct vcpu *vcpu, uint64_t gva, uint8_t *buf, unsigned bytes)
{
	unsigned done = 0;

	while (done < bytes) {
		uint64_t at = gva + done, gpa = 0;
		unsigned part = (unsigned)MIN(bytes - done, PAGE_BYTES - at % PAGE_BYTES);
		uint32_t error;

		if (gva_translate(vcpu, at, GVA_FETCH, &gpa, &error) ||
		    gmem_read(&vcpu->vm->gmem, gpa, buf + done, part))
			break;
		done += part;
	}
	return done;
}
