/*
 * Page-table entries of the host's own address spaces: long mode's, with A and D set
 * beforehand, as nothing reads them, and the walker need not write. The walk is pagetable.c;
 * nested formats are kernel/vmm's.
 */
#include "kernel/lib/x86.h"
#include "kernel/mem/hostmap.h"

static uint64_t host_leaf(uint64_t phys, unsigned level, unsigned prot)
{
	return pt_long_leaf(phys, level, prot) | PTE_A | PTE_D;
}

static uint64_t host_table(uint64_t phys)
{
	return pt_long_table(phys) | PTE_A;
}

const struct pt_format pt_format_host = {
	.name = "host",
	.leaf = host_leaf,
	.table = host_table,
	.present = pt_long_present,
	.is_leaf = pt_long_is_leaf,
	.prot = pt_long_prot,
	.address_mask = PTE_ADDRESS,
};
