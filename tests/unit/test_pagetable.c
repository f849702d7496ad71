/*
 * The page-table walk, in the host's format and in a made-up one whose bits are all elsewhere.
 * The nested formats are tried with the same model in their own test.
 */
/* links: kernel/mem/pt_long.c */
/* links: kernel/mem/pagetable.c kernel/mem/pt_host.c */
#include "tests/unit/pagetable_model.h"

#include "kernel/mem/hostmap.h"

/* Leaf: bit 62; table: bit 61; protection in bits 0 to 7, inverted; no present bit as such. */
static uint64_t odd_leaf(uint64_t phys, unsigned level, unsigned prot)
{
	(void)level;
	return BIT(62) | phys | (~prot & 0xff);
}

static uint64_t odd_table(uint64_t phys)
{
	return BIT(61) | phys;
}

static bool odd_present(uint64_t entry)
{
	return entry & (BIT(61) | BIT(62));
}

static bool odd_is_leaf(uint64_t entry, unsigned level)
{
	(void)level;
	return entry & BIT(62);
}

static unsigned odd_prot(uint64_t entry, unsigned level)
{
	(void)level;
	return ~(unsigned)entry & 0xff;
}

static const struct pt_format odd_format = {
	.name = "odd",
	.leaf = odd_leaf,
	.table = odd_table,
	.present = odd_present,
	.is_leaf = odd_is_leaf,
	.prot = odd_prot,
	.address_mask = 0x0000fffffffff000ull,
};

static const unsigned prots[] = {
	PT_READ,
	PT_READ | PT_WRITE,
	PT_READ | PT_EXEC,
	PT_READ | PT_WRITE | PT_USER,
	PT_READ | PT_WRITE | PT_UNCACHED,
	PT_READ | PT_WRITE | PT_WRITE_COMBINING,
	PT_READ | PT_WRITE | PT_GLOBAL,
};

static void test_random_host(void **state)
{
	(void)state;
	srand(5);
	model_run(&pt_format_host, 2, prots, ARRAY_SIZE(prots), 300);
	model_run(&pt_format_host, 3, prots, ARRAY_SIZE(prots), 600);
}

static void test_random_odd(void **state)
{
	(void)state;
	srand(6);
	model_run(&odd_format, 3, prots, ARRAY_SIZE(prots), 600);
}

static void test_leaf_sizes(void **state)
{
	(void)state;
	model_leaf_sizes(&pt_format_host, PT_READ | PT_WRITE);
	model_leaf_sizes(&odd_format, PT_READ | PT_WRITE);
}

static void test_out_of_memory(void **state)
{
	(void)state;
	model_out_of_memory(&pt_format_host, PT_READ);
	model_out_of_memory(&odd_format, PT_READ);
}

/* The host's bits as the manual has them: SDM vol. 3A table 4-20. */
static void test_host_entries(void **state)
{
	(void)state;
	assert_int_equal(pt_format_host.leaf(0x1234000, 1, PT_READ | PT_EXEC), 0x1234061);
	assert_int_equal(pt_format_host.leaf(0x1200000, 2, PT_READ | PT_WRITE | PT_GLOBAL),
			 BIT(63) | 0x12001e3);
	assert_int_equal(pt_format_host.leaf(0x1000, 1, PT_READ | PT_WRITE | PT_UNCACHED),
			 BIT(63) | 0x107b);
	assert_int_equal(pt_format_host.leaf(0x1000, 1, PT_READ | PT_USER), BIT(63) | 0x1065);
	assert_int_equal(pt_format_host.leaf(0x1000, 1, PT_READ | PT_WRITE_COMBINING | PT_EXEC),
			 0x1069);
	assert_int_equal(pt_format_host.table(0x5000), 0x5027);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_host),  cmocka_unit_test(test_random_odd),
		cmocka_unit_test(test_leaf_sizes),   cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_host_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
