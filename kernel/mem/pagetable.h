/*
 * Four-level page tables in any format whose entries are 64 bits wide: the host's own, NPT,
 * EPT. A format says how an entry is made; the walk is here, once. Knows no TLB: callers
 * flush what they must.
 */
#ifndef KERNEL_MEM_PAGETABLE_H
#define KERNEL_MEM_PAGETABLE_H

#include "kernel/lib/types.h"

enum pt_prot {
	PT_READ = 1,
	PT_WRITE = 2,
	PT_EXEC = 4,
	PT_USER = 8,	  /* host format only */
	PT_UNCACHED = 16, /* memory type UC */
	PT_GLOBAL = 32,	  /* host format only */
	PT_WRITE_COMBINING = 64,
};

/* Level 1 = PTE (4 KiB), 2 = PDE (2 MiB), 3 = PDPTE (1 GiB), 4 = PML4E. */
struct pt_format {
	const char *name;
	uint64_t (*leaf)(uint64_t phys, unsigned level, unsigned prot);
	uint64_t (*table)(uint64_t phys); /* entry that points to a lower table */
	bool (*present)(uint64_t entry);
	bool (*is_leaf)(uint64_t entry, unsigned level);
	unsigned (*prot)(uint64_t entry,
			 unsigned level); /* leaf's protection as enum pt_prot */
	uint64_t address_mask;		  /* physical address bits of an entry */
};

/* Where tables come from. alloc returns a zeroed, page-aligned table and its physical address.
 */
struct pt_pages {
	void *(*alloc)(void *arg, uint64_t *phys);
	void (*free)(void *arg, void *table, uint64_t phys);
	void *(*at)(void *arg, uint64_t phys); /* physical address of a table to pointer */
	void *arg;
};

struct pagetable {
	const struct pt_format *format;
	const struct pt_pages *pages;
	uint64_t *root;
	uint64_t root_phys;
	unsigned max_leaf_level; /* 2, or 3 where the CPU has 1 GiB pages */
};

/* Entries as long mode has them (pt_long.c), which the host's own format and NPT are made of
 * (SDM vol. 3A 4.5; APM vol. 2 5.3 and 15.25.5). PT_READ goes without saying; UC and WC are the
 * indices of our PAT (hostmap.c). Pure. */
uint64_t pt_long_leaf(uint64_t phys, unsigned level, unsigned prot);
uint64_t pt_long_table(uint64_t phys); /* the leaf alone decides on rights */
bool pt_long_present(uint64_t entry);
bool pt_long_is_leaf(uint64_t entry, unsigned level); /* EPT has it at the same place */
unsigned pt_long_prot(uint64_t entry, unsigned level);

int pagetable_init(struct pagetable *pt, const struct pt_format *, const struct pt_pages *,
		   unsigned max_leaf_level); /* 0 or -ENOMEM */
void pagetable_fini(struct pagetable *pt);   /* frees every table, not what leaves point to */

/*
 * Maps [virt, virt + bytes) to [phys, ...) with the largest leaves that fit. All 4 KiB aligned.
 * What was mapped there is replaced; a large leaf in the way is split. When a replaced table
 * becomes unused it is freed. Returns 0 or -ENOMEM (then what was mapped so far stays).
 */
int pagetable_map(struct pagetable *pt, uint64_t virt, uint64_t phys, uint64_t bytes,
		  unsigned prot);
int pagetable_unmap(struct pagetable *pt, uint64_t virt, uint64_t bytes);

/* Looks one address up. Returns the leaf's level 1..3 with *phys (of the very byte) and *prot,
 * or 0 where nothing is mapped. */
unsigned pagetable_lookup(const struct pagetable *pt, uint64_t virt, uint64_t *phys,
			  unsigned *prot);

#endif
