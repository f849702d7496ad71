/* Entries of NPT and EPT, made and read. No walking here and no hardware: host tests run it. */
#include "kernel/vmm/nested.h"

#include "kernel/lib/x86.h"

#define HOST_ONLY ((unsigned)(PT_GLOBAL | PT_WRITE_COMBINING)) /* no nested format has it */

/* Walked as user accesses, whoever makes them. */
static uint64_t npt_leaf(uint64_t phys, unsigned level, unsigned prot)
{
	return pt_long_leaf(phys, level, (prot & ~HOST_ONLY) | PT_USER);
}

static unsigned npt_prot(uint64_t entry, unsigned level)
{
	return pt_long_prot(entry, level) & ~(unsigned)PT_USER;
}

const struct pt_format pt_format_npt = {
	.name = "NPT",
	.leaf = npt_leaf,
	.table = pt_long_table,
	.present = pt_long_present,
	.is_leaf = pt_long_is_leaf,
	.prot = npt_prot,
	.address_mask = PTE_ADDRESS,
};

#define EPT_READ       BIT(0)
#define EPT_WRITE      BIT(1)
#define EPT_EXEC       BIT(2)
#define EPT_LARGE      BIT(7) /* where long mode has PS */
#define EPT_TYPE_SHIFT 3
#define EPT_TYPE_MASK  (7ull << EPT_TYPE_SHIFT)
#define MEMORY_TYPE_UC 0ull /* SDM vol. 3A table 11-2 */
#define MEMORY_TYPE_WB 6ull

static uint64_t ept_leaf(uint64_t phys, unsigned level, unsigned prot)
{
	uint64_t type = prot & PT_UNCACHED ? MEMORY_TYPE_UC : MEMORY_TYPE_WB;
	uint64_t entry = phys | type << EPT_TYPE_SHIFT;

	if (prot & PT_READ)
		entry |= EPT_READ;
	if (prot & PT_WRITE)
		entry |= EPT_READ | EPT_WRITE; /* write without read is a misconfiguration */
	if (prot & PT_EXEC)
		entry |= EPT_EXEC;
	return level > 1 ? entry | EPT_LARGE : entry;
}

static uint64_t ept_table(uint64_t phys)
{
	return phys | EPT_READ | EPT_WRITE | EPT_EXEC;
}

static bool ept_present(uint64_t entry)
{
	return entry & (EPT_READ | EPT_WRITE | EPT_EXEC);
}

static unsigned ept_prot(uint64_t entry, unsigned level)
{
	bool cached = (entry & EPT_TYPE_MASK) >> EPT_TYPE_SHIFT == MEMORY_TYPE_WB;

	(void)level;
	return (entry & EPT_READ ? PT_READ : 0) | (entry & EPT_WRITE ? PT_WRITE : 0) |
	       (entry & EPT_EXEC ? PT_EXEC : 0) | (cached ? 0 : PT_UNCACHED);
}

const struct pt_format pt_format_ept = {
	.name = "EPT",
	.leaf = ept_leaf,
	.table = ept_table,
	.present = ept_present,
	.is_leaf = pt_long_is_leaf,
	.prot = ept_prot,
	.address_mask = PTE_ADDRESS,
};
