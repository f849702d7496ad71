/* What guests are told about their memory, for sizes around the hole below 4 GiB. */
/* links: guests/boot/e820.c tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guests/boot/e820.h"
#include "guests/pci/pci.h"
#include "tests/unit/fake_gmem.h"

static const uint64_t sizes[] = {
	2 * MIB,
	4 * MIB,
	16 * MIB,
	512 * MIB,
	GMEM_LOW_MAX - 2 * MIB,
	GMEM_LOW_MAX,
	GMEM_LOW_MAX + 2 * MIB,
	4 * GIB,
	8 * GIB,
	64 * GIB,
};

static uint64_t total(const struct e820_entry *map, unsigned count, uint32_t type)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += map[i].type == type ? map[i].bytes : 0;
	return bytes;
}

static void test_sorted_and_disjoint(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct e820_entry map[E820_ENTRIES_MAX];
		unsigned count = e820_build(map, sizes[s]);

		assert_in_range(count, 3, E820_ENTRIES_MAX);
		for (unsigned i = 0; i < count; i++) {
			assert_true(map[i].bytes > 0);
			if (i)
				assert_true(map[i - 1].base + map[i - 1].bytes <= map[i].base);
		}
	}
}

/* Every byte is accounted for, and every entry is RAM as gmem places it. */
static void test_covers_the_ram(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct e820_entry map[E820_ENTRIES_MAX];
		struct gmem gm = {.bytes = sizes[s]};
		unsigned count = e820_build(map, sizes[s]);

		assert_int_equal(total(map, count, E820_RAM) + total(map, count, E820_RESERVED),
				 sizes[s] + PCI_ECAM_BYTES);
		for (unsigned i = 0; i < count; i++)
			assert_int_equal(gmem_is_ram(&gm, map[i].base, map[i].bytes),
					 map[i].base != PCI_ECAM_BASE);
	}
}

static void test_bios_area_is_reserved(void **state)
{
	struct e820_entry map[E820_ENTRIES_MAX];

	(void)state;
	e820_build(map, 512 * MIB);
	assert_int_equal(map[1].base, 0x9fc00);
	assert_int_equal(map[1].bytes, 0x100000 - 0x9fc00);
	assert_int_equal(map[1].type, E820_RESERVED);
}

static void test_low_ram_end(void **state)
{
	(void)state;
	assert_int_equal(e820_low_ram_end(64 * MIB), 64 * MIB);
	assert_int_equal(e820_low_ram_end(8 * GIB), GMEM_LOW_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted_and_disjoint),
		cmocka_unit_test(test_covers_the_ram),
		cmocka_unit_test(test_bios_area_is_reserved),
		cmocka_unit_test(test_low_ram_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
