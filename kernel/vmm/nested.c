/* Entries of NPT and EPT, made and read. No walking here and no hardware: host tests run it. */
#include "kernel/vmm/nested.h"

#define ADDRESS_MASK 0x000ffffffffff000ull /* bits 51:12 */
#define LARGE_PAGE   BIT(7)		   /* PS: a leaf at level 2 or 3 */

/* APM vol. 2 5.3.3, fig. 5-17 to 5-24. */
#define NPT_P	BIT(0)
#define NPT_RW	BIT(1)
#define NPT_US	BIT(2)
#define NPT_PWT BIT(3)
#define NPT_PCD BIT(4)
#define NPT_NX	BIT(63)

static uint64_t npt_leaf(uint64_t phys, unsigned level, unsigned prot)
{
	uint64_t entry = phys | NPT_P | NPT_US;

	if (prot & PT_WRITE)
		entry |= NPT_RW;
	if (!(prot & PT_EXEC))
		entry |= NPT_NX;
	if (prot & PT_UNCACHED)
		entry |= NPT_PCD | NPT_PWT;
	return level > 1 ? entry | LARGE_PAGE : entry;
}

static uint64_t npt_table(uint64_t phys)
{
	return phys | NPT_P | NPT_RW | NPT_US;
}

static bool npt_present(uint64_t entry)
{
	return entry & NPT_P;
}

static bool is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & LARGE_PAGE);
}

static unsigned npt_prot(uint64_t entry, unsigned level)
{
	(void)level;
	return PT_READ | (entry & NPT_RW ? PT_WRITE : 0) | (entry & NPT_NX ? 0 : PT_EXEC) |
	       (entry & NPT_PCD ? PT_UNCACHED : 0);
}

const struct pt_format pt_format_npt = {
	.name = "NPT",
	.leaf = npt_leaf,
	.table = npt_table,
	.present = npt_present,
	.is_leaf = is_leaf,
	.prot = npt_prot,
	.address_mask = ADDRESS_MASK,
};

#define EPT_READ       BIT(0)
#define EPT_WRITE      BIT(1)
#define EPT_EXEC       BIT(2)
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
	return level > 1 ? entry | LARGE_PAGE : entry;
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
	.is_leaf = is_leaf,
	.prot = ept_prot,
	.address_mask = ADDRESS_MASK,
};
