/* What lies below 1 MiB in a guest that has not started, beside what E820 and the ACPI tables
 * say of the same memory; and each write that fails fails the whole. The code itself is run by
 * tests/guest/bios.c. */
/* links: guests/bios/bios.c guests/boot/e820.c tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "guests/acpi/acpi.h"
#include "guests/bios/bios.h"
#include "guests/boot/e820.h"
#include "tests/unit/fake_gmem.h"

static struct fake_gmem fake;

static uint16_t word(uint64_t gpa)
{
	uint16_t value;

	memcpy(&value, fake.ram + gpa, sizeof(value));
	return value;
}

static void test_data_areas(void **state)
{
	struct e820_entry map[E820_ENTRIES_MAX];

	(void)state;
	fake_gmem_init(&fake, 16 * MIB);
	assert_int_equal(bios_install(&fake.gm), 0);
	e820_build(map, 16 * MIB);
	assert_int_equal(word(0x40e), 0x9fc0);
	assert_int_equal(word(0x413), 639);
	assert_int_equal(word(0x40e) * 16ull, map[0].bytes);
	assert_int_equal(word(0x413) * 1024ull, map[0].bytes);
	assert_int_equal(map[1].type, E820_RESERVED);
	assert_int_equal(fake.ram[0x9fc00], 1);
	assert_int_equal(word(0x400), 0x3f8);
	assert_int_equal(word(0x402), 0x2f8);
	assert_int_equal(word(0x404), 0);
	fake_gmem_fini(&fake);
}

/* All vectors lead to one place, which lies in the BIOS area behind the ACPI tables. */
static void test_vectors(void **state)
{
	(void)state;
	fake_gmem_init(&fake, 16 * MIB);
	assert_int_equal(bios_install(&fake.gm), 0);
	for (unsigned i = 0; i < 256; i++) {
		uint64_t at = word(4 * i) + word(4 * i + 2) * 16ull;

		assert_in_range(at, BIOS_CODE, BIOS_END - 1);
		assert_int_not_equal(fake.ram[at], 0);
	}
	assert_true(ACPI_BASE + ACPI_BYTES <= BIOS_CODE);
	assert_int_equal(fake.written_low, 0);
	assert_int_equal(fake.written_high, MIB);
	for (uint64_t gpa = 0x500; gpa < BIOS_CODE; gpa++)
		assert_true(fake.ram[gpa] == 0 || gpa == BIOS_EBDA);
	fake_gmem_fini(&fake);
}

static void test_each_write_may_fail(void **state)
{
	unsigned n = 0;
	int error;

	(void)state;
	do {
		fake_gmem_init(&fake, 16 * MIB);
		fake.writes_left = ++n;
		error = bios_install(&fake.gm);
		assert_true(error == 0 || error == -ENOMEM);
		fake_gmem_fini(&fake);
	} while (error);
	assert_in_range(n, 4, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_areas),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_each_write_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
