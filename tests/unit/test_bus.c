/* The bus: which device answers which address, cut accesses, and a comparison with a map. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log/log.h"
#include "tests/unit/fake_vmm.h"

static struct bus bus;
static struct vm *vm;

/* A device made of memory, which notes the accesses it saw. */
struct memory {
	uint64_t base;
	uint8_t bytes[64];
	unsigned accesses;
};

static void memory_io(void *device, struct bus_access *access)
{
	struct memory *m = device;

	m->accesses++;
	assert_int_equal(access->addr, m->base + access->offset);
	assert_true(access->offset + access->bytes <= sizeof(m->bytes));
	if (access->write) {
		memcpy(&m->bytes[access->offset], &access->value, access->bytes);
	} else {
		access->value = ~0ull; /* high bits that no one asked for */
		memcpy(&access->value, &m->bytes[access->offset], access->bytes);
	}
}

static int set_up(void **state)
{
	(void)state;
	memset(&bus, 0, sizeof(bus));
	vm = fake_vm_create(1, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_vm_destroy(vm);
	return 0;
}

static void ranges_are_kept_sorted_and_apart(void **state)
{
	static const struct {
		uint64_t base, bytes;
		int result;
	} cases[] = {
		{0x100, 0x10, 0},	{0x80, 0x10, 0},
		{0x200, 1, 0},		{0x110, 0xf0, 0}, /* fits exactly */
		{0x100, 0x10, -EEXIST}, {0x10f, 1, -EEXIST},
		{0xff, 2, -EEXIST},	{0x50, 0x1000, -EEXIST},
		{0x200, 1, -EEXIST},	{0x1ff, 2, -EEXIST},
		{0x300, 0, -EINVAL},	{~0ull, 2, -EINVAL},
		{~0ull, 1, 0},		{0, 0x80, 0},
	};
	struct memory m = {0};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(
			bus_add(&bus, cases[i].base, cases[i].bytes, memory_io, &m, "m"),
			cases[i].result);
	assert_int_equal(bus.count, 6);
	for (unsigned i = 1; i < bus.count; i++)
		assert_true(bus.ranges[i - 1].base + bus.ranges[i - 1].bytes <=
			    bus.ranges[i].base);
}

static void a_full_bus_says_so(void **state)
{
	struct memory m = {0};

	(void)state;
	for (unsigned i = 0; i < BUS_RANGES_MAX; i++)
		assert_int_equal(bus_add(&bus, 16 * i, 8, memory_io, &m, "m"), 0);
	assert_int_equal(bus_add(&bus, 0x10000, 8, memory_io, &m, "m"), -ENOSPC);
	assert_int_equal(fake_read(vm, &bus, 0x10000, 4), 0xffffffff);
}

static void nobody_reads_as_ones(void **state)
{
	(void)state;
	assert_int_equal(fake_read(vm, &bus, 0x80, 1), 0xff);
	assert_int_equal(fake_read(vm, &bus, 0x80, 2), 0xffff);
	assert_int_equal(fake_read(vm, &bus, 0x80, 4), 0xffffffff);
	assert_true(fake_read(vm, &bus, 0x80, 8) == ~0ull);
	fake_write(vm, &bus, ~0ull, 8, 1);
	assert_int_equal(bus.unclaimed, 5);
}

/* Answers for even addresses, in units of 16. */
static bool rest_io(void *device, struct bus_access *access)
{
	struct memory *m = device;

	m->accesses++;
	if (access->addr & 16)
		return false;
	access->value = ~0ull;
	return true;
}

static void the_rest_is_asked_last(void **state)
{
	struct memory m = {.base = 0x1000}, rest = {0};

	(void)state;
	bus_add(&bus, 0x1000, 64, memory_io, &m, "m");
	bus.rest = rest_io;
	bus.rest_device = &rest;
	assert_int_equal(fake_read(vm, &bus, 0x1000, 4), 0);
	assert_int_equal(rest.accesses, 0);
	assert_int_equal(fake_read(vm, &bus, 0x2000, 2), 0xffff); /* it says ~0 of 64 bits */
	assert_int_equal(bus.unclaimed, 0);
	assert_int_equal(fake_read(vm, &bus, 0x2010, 4), 0xffffffff);
	fake_write(vm, &bus, 0x2010, 4, 1);
	assert_int_equal(rest.accesses, 3);
	assert_int_equal(bus.unclaimed, 2);
	assert_int_equal(fake_read(vm, &bus, 0xffe, 4), 0x0000ffff); /* into a range */
	assert_int_equal(rest.accesses, 5);
	assert_int_equal(bus.unclaimed, 4);
	assert_int_equal(fake_read(vm, &bus, 0x103e, 4), 0xffff0000); /* out of it */
	assert_int_equal(rest.accesses, 7);
	assert_int_equal(bus.unclaimed, 4);
}

static char logged[256];

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)level, (void)area;
	va_start(args, fmt);
	vsnprintf(logged, sizeof logged, fmt, args);
	va_end(args);
	fake_log_lines++;
}

/* A guest that goes on and on where nothing is: said once, not at every access, and with where
 * it is, in the words of its mode. */
static void many_to_nobody_are_logged_once(void **state)
{
	(void)state;
	fake_log_lines = 0;
	for (unsigned i = 1; i < BUS_UNCLAIMED_MANY; i++)
		fake_write(vm, &bus, 0x1000 + i % 7, 1, 0);
	assert_int_equal(fake_log_lines, 0);
	assert_int_equal(fake_read(vm, &bus, 0x80, 2), 0xffff);
	assert_int_equal(fake_log_lines, 1);
	assert_non_null(strstr(logged, "now 0x80 on vCPU 0 (place "));
	for (unsigned i = 0; i < BUS_UNCLAIMED_MANY; i++)
		fake_write(vm, &bus, 0x1000, 1, 0);
	assert_int_equal(fake_log_lines, 1);
	assert_int_equal(bus.unclaimed, 2 * BUS_UNCLAIMED_MANY);
}

static void an_access_over_a_border_is_cut(void **state)
{
	struct memory low = {.base = 0x1000}, high = {.base = 0x1040};

	(void)state;
	bus_add(&bus, 0x1000, 64, memory_io, &low, "low");
	bus_add(&bus, 0x1040, 64, memory_io, &high, "high");
	fake_write(vm, &bus, 0x103e, 4, 0x44332211);
	assert_int_equal(low.bytes[62] | low.bytes[63] << 8, 0x2211);
	assert_int_equal(high.bytes[0] | high.bytes[1] << 8, 0x4433);
	assert_int_equal(low.accesses + high.accesses, 4);
	assert_int_equal(fake_read(vm, &bus, 0x103e, 4), 0x44332211);
	assert_int_equal(bus.unclaimed, 0);

	/* Over the last range's end, and onto the first one's start, half is nobody's. */
	high.bytes[63] = 0x5a;
	assert_int_equal(fake_read(vm, &bus, 0x107f, 2), 0xff5a);
	low.bytes[0] = 0xa5;
	assert_int_equal(fake_read(vm, &bus, 0xfff, 2), 0xa5ff);
	assert_int_equal(bus.unclaimed, 2);
}

static void wide_accesses_become_bytes(void **state)
{
	struct memory m = {.base = 0x40};
	struct bus_access access = {.addr = 0x48, .offset = 8, .bytes = 4, .write = true};

	(void)state;
	access.value = 0xddccbbaa;
	bus_bytewise(memory_io, &m, &access);
	assert_int_equal(m.accesses, 4);
	assert_int_equal(m.bytes[8], 0xaa);
	assert_int_equal(m.bytes[11], 0xdd);
	access.write = false;
	access.value = 0;
	bus_bytewise(memory_io, &m, &access);
	assert_int_equal(access.value, 0xddccbbaa);
}

/* Random ranges and accesses; a plain array of bytes says what each should read. */
static void random_accesses_agree_with_a_map(void **state)
{
	static struct memory devices[BUS_RANGES_MAX];
	static int owner[4096];
	uint64_t seed = 42;
	unsigned count = 0;

	(void)state;
	memset(devices, 0, sizeof(devices));
	memset(owner, -1, sizeof(owner));
	for (unsigned n = 0; n < 400 && count < BUS_RANGES_MAX; n++) {
		unsigned base = fake_random(&seed) % 4000, bytes = 1 + fake_random(&seed) % 40;
		bool taken = false;

		for (unsigned i = base; i < base + bytes; i++)
			taken |= owner[i] >= 0;
		devices[count].base = base;
		assert_int_equal(bus_add(&bus, base, bytes, memory_io, &devices[count], "d"),
				 taken ? -EEXIST : 0);
		if (taken)
			continue;
		for (unsigned i = base; i < base + bytes; i++)
			owner[i] = count;
		count++;
	}
	for (unsigned n = 0; n < 20000; n++) {
		unsigned addr = fake_random(&seed) % 4080, bytes = 1u << fake_random(&seed) % 4;
		uint64_t value = fake_random(&seed), expected = 0;

		if (n & 1) {
			fake_write(vm, &bus, addr, bytes, value);
			continue;
		}
		for (unsigned i = 0; i < bytes; i++) {
			int who = owner[addr + i];
			uint64_t byte =
				who < 0 ? 0xff
					: devices[who].bytes[addr + i - devices[who].base];

			expected |= byte << 8 * i;
		}
		assert_true(fake_read(vm, &bus, addr, bytes) == expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ranges_are_kept_sorted_and_apart, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_full_bus_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_reads_as_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_rest_is_asked_last, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_to_nobody_are_logged_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_access_over_a_border_is_cut, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(wide_accesses_become_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(random_accesses_agree_with_a_map, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
