/*
 * Page-table entries of long mode (SDM vol. 3A 4.5; APM vol. 2 5.3), made and read: the host's
 * own format (pt_host.c) and NPT (kernel/vmm/nested.c) are this and a bit or two. No walking.
 */
#include "kernel/lib/x86.h"
#include "kernel/mem/pagetable.h"

uint64_t pt_long_leaf(uint64_t phys, unsigned level, unsigned prot)
{
	uint64_t entry = phys | PTE_P;

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

uint64_t pt_long_table(uint64_t phys)
{
	return phys | PTE_P | PTE_W | PTE_U;
}

bool pt_long_present(uint64_t entry)
{
	return entry & PTE_P;
}

bool pt_long_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || entry & PTE_PS;
}

unsigned pt_long_prot(uint64_t entry, unsigned level)
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
