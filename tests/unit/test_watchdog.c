/*
 * The watchdog, in time that the test moves: it counts while it is to, begins anew when it is
 * served, and ends the VM at its last moment and not before. And the table that tells of it,
 * read and run as an operating system does.
 */
/* links: guests/devices/watchdog.c guests/acpi/build.c guests/acpi/dsdt.asl kernel/vmm/bus.c */
/* links: tests/unit/fake_vmm.c tests/unit/fake_devices.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "guests/acpi/acpi.h"
#include "guests/acpi/tables.h"
#include "guests/devices/watchdog.h"
#include "tests/unit/fake_devices.h"

#define PERIOD_NS (WATCHDOG_PERIOD_MS * NSEC_PER_MSEC)

extern const uint8_t dsdt_aml[];
extern const uint32_t dsdt_aml_bytes;

static struct vm *vm;
static struct watchdog *watchdog;

static int set_up(void **state)
{
	(void)state;
	vm = fake_machine_create();
	watchdog = watchdog_create(&vm->board, false);
	return watchdog ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	watchdog_destroy(watchdog);
	assert_int_equal(fake_timers_armed(), 0);
	fake_vm_destroy(vm);
	return 0;
}

static uint64_t in(uint16_t port)
{
	return fake_read(vm, &vm->pio, port, 4);
}

static void out(uint16_t port, uint64_t value)
{
	fake_write(vm, &vm->pio, port, 4, value);
}

static void start(uint32_t count)
{
	out(WATCHDOG_COUNT_PORT, count);
	out(WATCHDOG_CONTROL_PORT, WATCHDOG_CONTROL_RUN);
}

static void test_it_stands_still_at_first(void **state)
{
	(void)state;
	assert_int_equal(in(WATCHDOG_CONTROL_PORT), 0);
	assert_int_equal(in(WATCHDOG_COUNT_PORT), WATCHDOG_COUNT_RESET);
	assert_int_equal(in(WATCHDOG_REMAINING_PORT), WATCHDOG_COUNT_RESET);
	out(WATCHDOG_RELOAD_PORT, 1);
	assert_int_equal(fake_timers_armed(), 0);
	fake_run_until(100000 * NSEC_PER_SEC);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
}

static void test_it_ends_the_guest(void **state)
{
	(void)state;
	start(35);
	fake_run_until(35 * PERIOD_NS - 1);
	assert_int_equal(in(WATCHDOG_REMAINING_PORT), 1);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	fake_run_until(35 * PERIOD_NS);
	assert_int_equal(in(WATCHDOG_REMAINING_PORT), 0);
	assert_int_equal(fake_stop_kind, VM_STOP_WATCHDOG);
	assert_string_equal(fake_stop_reason, "the guest did not serve its watchdog for 3.5 s");
}

static void test_it_is_served(void **state)
{
	struct watchdog_info info;

	(void)state;
	start(10);
	for (unsigned i = 1; i <= 50; i++) {
		fake_run_until(i * 9 * PERIOD_NS);
		assert_int_equal(in(WATCHDOG_REMAINING_PORT), 1);
		out(i % 2 ? WATCHDOG_RELOAD_PORT : WATCHDOG_CONTROL_PORT, WATCHDOG_CONTROL_RUN);
		assert_int_equal(in(WATCHDOG_REMAINING_PORT), 10);
		assert_int_equal(fake_timers_armed(), 1);
	}
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	watchdog_get_info(watchdog, &info);
	assert_true(info.running);
	assert_int_equal(info.timeout_ns, 10 * PERIOD_NS);
	assert_int_equal(info.reloads, 51); /* its start is one */
	fake_run_until((50 * 9 + 10) * PERIOD_NS);
	assert_int_equal(fake_stop_kind, VM_STOP_WATCHDOG);
}

static void test_it_is_stopped(void **state)
{
	(void)state;
	start(10);
	fake_run_until(10 * PERIOD_NS - 1);
	out(WATCHDOG_CONTROL_PORT, 0);
	assert_int_equal(in(WATCHDOG_CONTROL_PORT), 0);
	fake_run_until(100 * PERIOD_NS);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	out(WATCHDOG_CONTROL_PORT, ~WATCHDOG_CONTROL_RUN); /* other bits are none */
	assert_int_equal(in(WATCHDOG_CONTROL_PORT), 0);
}

/* The timer's function is on its way when another vCPU reloads or stops the counter. */
static void test_it_is_served_at_the_last_moment(void **state)
{
	(void)state;
	start(10);
	fake_run_until(5 * PERIOD_NS);
	fake_run_early();
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	out(WATCHDOG_RELOAD_PORT, 0);
	fake_run_until(15 * PERIOD_NS - 1);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	fake_run_until(15 * PERIOD_NS);
	assert_int_equal(fake_stop_kind, VM_STOP_WATCHDOG);
}

static void test_counts(void **state)
{
	static const uint32_t counts[] = {1, WATCHDOG_COUNT_MAX};
	static const uint32_t others[] = {0, WATCHDOG_COUNT_MAX + 1, UINT32_MAX};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		out(WATCHDOG_COUNT_PORT, counts[i]);
		for (unsigned o = 0; o < ARRAY_SIZE(others); o++)
			out(WATCHDOG_COUNT_PORT, others[o]);
		assert_int_equal(in(WATCHDOG_COUNT_PORT), counts[i]);
		tear_down(state);
		set_up(state);
		start(counts[i]);
		fake_run_until(counts[i] * PERIOD_NS - 1);
		assert_int_equal(fake_stop_kind, VM_STOP_NONE);
		fake_run_until(counts[i] * PERIOD_NS);
		assert_int_equal(fake_stop_kind, VM_STOP_WATCHDOG);
	}
}

/* One that runs goes on with another count at once, shorter or longer. */
static void test_another_count_while_it_runs(void **state)
{
	(void)state;
	start(WATCHDOG_COUNT_MAX);
	out(WATCHDOG_COUNT_PORT, 2);
	fake_run_until(PERIOD_NS);
	out(WATCHDOG_COUNT_PORT, 3);
	fake_run_until(4 * PERIOD_NS - 1);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	fake_run_until(4 * PERIOD_NS);
	assert_int_equal(fake_stop_kind, VM_STOP_WATCHDOG);
}

static void test_what_is_no_register(void **state)
{
	(void)state;
	start(10);
	for (unsigned port = WATCHDOG_CONTROL_PORT; port < WATCHDOG_STATUS_PORT + 4; port++)
		for (unsigned bytes = 1; bytes <= 4; bytes *= 2) {
			if (bytes == 4 && port % 4 == 0)
				continue;
			fake_write(vm, &vm->pio, port, bytes, 0x04040404);
			if (port + bytes <= WATCHDOG_STATUS_PORT + 4)
				assert_int_equal(fake_read(vm, &vm->pio, port, bytes),
						 BIT(8 * bytes) - 1);
		}
	assert_int_equal(in(WATCHDOG_CONTROL_PORT), WATCHDOG_CONTROL_RUN);
	assert_int_equal(in(WATCHDOG_COUNT_PORT), 10);
	assert_int_equal(in(WATCHDOG_RELOAD_PORT), 0);
	out(WATCHDOG_REMAINING_PORT, 5); /* read-only */
	assert_int_equal(in(WATCHDOG_REMAINING_PORT), 10);
}

static void test_the_one_before_was_ended(void **state)
{
	(void)state;
	assert_int_equal(in(WATCHDOG_STATUS_PORT), 0);
	watchdog_destroy(watchdog);
	fake_vm_destroy(vm);
	vm = fake_machine_create();
	watchdog = watchdog_create(&vm->board, true);
	out(WATCHDOG_STATUS_PORT, ~WATCHDOG_STATUS_FIRED);
	assert_int_equal(in(WATCHDOG_STATUS_PORT), WATCHDOG_STATUS_FIRED);
	out(WATCHDOG_STATUS_PORT, WATCHDOG_STATUS_FIRED);
	assert_int_equal(in(WATCHDOG_STATUS_PORT), 0);
}

static void test_failure_leaves_nothing(void **state)
{
	struct vm *other = fake_machine_create();

	(void)state;
	fake_heap_left = 0;
	assert_null(watchdog_create(&other->board, false));
	fake_heap_left = FAKE_HEAP_ALL;
	assert_int_equal(bus_add(&other->pio, WATCHDOG_STATUS_PORT + 3, 1, NULL, NULL, "taken"),
			 0);
	assert_null(watchdog_create(&other->board, false));
	fake_vm_destroy(other);
}

/* ---- as an operating system uses it, by its table alone ---------------------------------- */

static uint8_t tables[ACPI_BYTES];

static const struct acpi_wdat *find_wdat(bool present)
{
	const struct acpi_config config = {
		.base = ACPI_BASE,
		.vcpu_count = 1,
		.watchdog = present,
		.dsdt = dsdt_aml,
		.dsdt_bytes = dsdt_aml_bytes,
	};
	int used = acpi_build(tables, sizeof(tables), &config);

	assert_true(used > 0);
	for (int at = 0; at < used; at += 16)
		if (!memcmp(&tables[at], "WDAT", 4))
			return (const struct acpi_wdat *)&tables[at];
	return NULL;
}

/* Runs an action of the table; returns what a read of it says. */
static uint32_t run(const struct acpi_wdat *wdat, unsigned action, uint32_t argument)
{
	const struct acpi_wdat_entry *entry = (const struct acpi_wdat_entry *)(wdat + 1);
	uint32_t result = 0xdead;
	unsigned found = 0;

	for (unsigned i = 0; i < wdat->entries; i++, entry++) {
		if (entry->action != action)
			continue;
		found++;
		assert_int_equal(entry->port.space, ACPI_SPACE_IO);
		assert_int_equal(entry->port.access_size, ACPI_ACCESS_DWORD);
		switch (entry->instruction) {
		case WDAT_READ_VALUE:
			result = (in((uint16_t)entry->port.address) & entry->mask) ==
				 entry->value;
			break;
		case WDAT_READ_COUNTDOWN:
			result = in((uint16_t)entry->port.address) & entry->mask;
			break;
		case WDAT_WRITE_VALUE:
			out((uint16_t)entry->port.address, entry->value & entry->mask);
			break;
		case WDAT_WRITE_COUNTDOWN:
			out((uint16_t)entry->port.address, argument & entry->mask);
			break;
		default: fail();
		}
	}
	assert_int_equal(found, 1);
	return result;
}

static void test_by_its_table(void **state)
{
	const struct acpi_wdat *wdat = find_wdat(true);

	(void)state;
	assert_non_null(wdat);
	assert_int_equal(wdat->header.length, 68 + wdat->entries * 24);
	assert_int_equal(wdat->header_bytes, 32);
	assert_int_equal(wdat->pci_segment, 0xff); /* Linux takes nothing else for "none" */
	assert_int_equal(wdat->pci_bus & wdat->pci_device & wdat->pci_function, 0xff);
	assert_int_equal(wdat->flags, 1);
	assert_int_equal(wdat->timer_period_ms, WATCHDOG_PERIOD_MS);
	assert_int_equal(wdat->min_count, 1);
	assert_int_equal(wdat->max_count, WATCHDOG_COUNT_MAX);

	assert_false(run(wdat, WDAT_GET_RUNNING_STATE, 0));
	assert_true(run(wdat, WDAT_GET_STOPPED_STATE, 0));
	run(wdat, WDAT_SET_COUNTDOWN, 20);
	assert_int_equal(run(wdat, WDAT_GET_COUNTDOWN, 0), 20);
	run(wdat, WDAT_SET_RUNNING_STATE, 0);
	assert_true(run(wdat, WDAT_GET_RUNNING_STATE, 0));
	assert_false(run(wdat, WDAT_GET_STOPPED_STATE, 0));
	fake_run_until(15 * PERIOD_NS);
	assert_int_equal(run(wdat, WDAT_GET_CURRENT_COUNTDOWN, 0), 5);
	run(wdat, WDAT_RESET, 0);
	fake_run_until(34 * PERIOD_NS);
	run(wdat, WDAT_SET_STOPPED_STATE, 0);
	fake_run_until(100 * PERIOD_NS);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	run(wdat, WDAT_SET_RUNNING_STATE, 0);
	fake_run_until(120 * PERIOD_NS);
	assert_int_equal(fake_stop_kind, VM_STOP_WATCHDOG);
}

static void test_by_its_table_how_it_was(void **state)
{
	const struct acpi_wdat *wdat = find_wdat(true);

	assert_false(run(wdat, WDAT_GET_STATUS, 0));
	tear_down(state);
	vm = fake_machine_create();
	watchdog = watchdog_create(&vm->board, true);
	assert_true(run(wdat, WDAT_GET_STATUS, 0));
	run(wdat, WDAT_SET_STATUS, 0);
	assert_false(run(wdat, WDAT_GET_STATUS, 0));
}

static void test_no_table_without_one(void **state)
{
	(void)state;
	assert_null(find_wdat(false));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_stands_still_at_first),
		TEST(test_it_ends_the_guest),
		TEST(test_it_is_served),
		TEST(test_it_is_stopped),
		TEST(test_it_is_served_at_the_last_moment),
		TEST(test_counts),
		TEST(test_another_count_while_it_runs),
		TEST(test_what_is_no_register),
		TEST(test_the_one_before_was_ended),
		TEST(test_failure_leaves_nothing),
		TEST(test_by_its_table),
		TEST(test_by_its_table_how_it_was),
		TEST(test_no_table_without_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
