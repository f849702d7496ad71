/*
 * Page-table entries of the host's own address spaces (SDM vol. 3A 4.5, APM vol. 2 5.3). The
 * walk is pagetable.c; nested formats are kernel/vmm's.
 */
#include "kernel/mem/hostmap.h"

#define PTE_P	    BIT(0)
#define PTE_W	    BIT(1)
#define PTE_U	    BIT(2)
#define PTE_PWT	    BIT(3) /* with our PAT (hostmap.c): write-combining */
#define PTE_PCD	    BIT(4) /* with PWT: uncached */
#define PTE_A	    BIT(5)
#define PTE_D	    BIT(6)
#define PTE_PS	    BIT(7)
#define PTE_G	    BIT(8)
#define PTE_NX	    BIT(63)

#define PTE_ADDRESS 0x000ffffffffff000ull

/* A and D are set beforehand: nothing reads them, and the walker need not write. */
static uint64_t host_leaf(uint64_t phys, unsigned level, unsigned prot)
{
	uint64_t entry = phys | PTE_P | PTE_A | PTE_D;

	if (level > 1)
		entry |= PTE_PS;
	if (prot & PT_WRITE)
		entry |= PTE_W;
	if (prot & PT_USER)
		entry |= PTE_U;
	if (prot & PT_GLOBAL)
		entry |= PTE_G;
	if (prot & PT_UNCACHED)
		entry |= PTE_PCD | PTE_PWT;
	else if (prot & PT_WRITE_COMBINING)
		entry |= PTE_PWT;
	if (!(prot & PT_EXEC))
		entry |= PTE_NX;
	return entry;
}

/* The leaf alone decides on rights. */
static uint64_t host_table(uint64_t phys)
{
	return phys | PTE_P | PTE_W | PTE_U | PTE_A;
}

static bool host_present(uint64_t entry)
{
	return entry & PTE_P;
}

static bool host_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || entry & PTE_PS;
}

static unsigned host_prot(uint64_t entry, unsigned level)
{
	unsigned prot = PT_READ;

	(void)level;
	if (entry & PTE_W)
		prot |= PT_WRITE;
	if (entry & PTE_U)
		prot |= PT_USER;
	if (entry & PTE_G)
		prot |= PT_GLOBAL;
	if (entry & PTE_PCD)
		prot |= PT_UNCACHED;
	else if (entry & PTE_PWT)
		prot |= PT_WRITE_COMBINING;
	if (!(entry & PTE_NX))
		prot |= PT_EXEC;
	return prot;
}

const struct pt_format pt_format_host = {
	.name = "host",
	.leaf = host_leaf,
	.table = host_table,
	.present = host_present,
	.is_leaf = host_is_leaf,
	.prot = host_prot,
	.address_mask = PTE_ADDRESS,
};
