/*
 * The machine's PCI on functions that are played: what is found, how large its BARs are, its
 * capabilities, and memory that is short. Interrupts are test_pci_irq.c's; how configuration
 * space is reached, test_pci_config.c's.
 */
/* links: drivers/bus/pci.c drivers/bus/pci_scan.c drivers/bus/pci_irq.c */
#include "tests/unit/pci_machine.h"

static void test_functions_are_found(void **state)
{
	struct machine_function described;

	(void)state;
	assert_non_null(at(0, 0, 0));
	assert_non_null(at(0, 1, 0));
	assert_non_null(at(0, 3, 5));
	assert_null(at(0, 4, 1));
	assert_string_equal(at(5, 0, 0)->name, "pci:05:00.0");
	assert_string_equal(at(0x90, 31, 7)->name, "pci:0001:90:1f.7");
	assert_null(pci_at(8));
	assert_true(pci_describe(7, &described));
	assert_string_equal(described.name, pci_at(7)->name);
	assert_int_equal(described.device_id, pci_at(7)->device_id);
	assert_int_equal(described.class_code, pci_at(7)->class_code);
	assert_null(described.driver);
	assert_false(pci_describe(8, &described));
	assert_int_equal(at(0, 3, 0)->class_code, 0x020000);
	assert_int_equal(at(0, 3, 0)->device_id, 0x100e);
	assert_int_equal(at(0, 4, 0)->subsystem_id, 0x1234);
}

static void test_bars_have_sizes_and_stay_where_they_are(void **state)
{
	const struct pci_device *d = at(0, 3, 0);

	(void)state;
	assert_int_equal(d->bars[0].address, 0xfebc0000);
	assert_int_equal(d->bars[0].bytes, 0x20000);
	assert_false(d->bars[0].io);
	assert_int_equal(d->bars[1].address, 0xc000);
	assert_int_equal(d->bars[1].bytes, 0x40);
	assert_true(d->bars[1].io);
	assert_int_equal(d->bars[2].address, 0x800000000);
	assert_int_equal(d->bars[2].bytes, 0x10000);
	assert_int_equal(d->bars[3].bytes, 0);
	assert_int_equal(d->bars[4].bytes, 0);
	assert_int_equal(pci_read(d, 0x10, 4), 0xfebc0000);
	assert_int_equal(pci_read(d, 0x1c, 4), 8);
	for (unsigned i = 0; i < function_count; i++)
		assert_false(functions[i].decoding_while_sizing);
	assert_int_equal(at(0, 0, 0)->bars[0].bytes, 0);
}

/* What firmware left running could write into a guest. */
static void test_disks_and_networks_may_not_write_to_memory_yet(void **state)
{
	(void)state;
	assert_int_equal(pci_read(at(0, 3, 0), 4, 2), 3);
	assert_int_equal(pci_read(at(0, 3, 5), 4, 2), 4);
	assert_int_equal(pci_read(at(0, 0, 0), 4, 2), 7);
}

static void test_lists_of_capabilities_end(void **state)
{
	const struct pci_device *d = at(0, 3, 0);
	struct function *f = function_of(d);

	(void)state;
	assert_int_equal(pci_capability(d, 5, 0), 0);
	put(f, 6, 2, 0x10);
	put(f, 0x34, 1, 0x50);
	put(f, 0x50, 2, 0x6009);
	put(f, 0x60, 2, 0x7005);
	put(f, 0x70, 2, 0x0009);
	assert_int_equal(pci_capability(d, 9, 0), 0x50);
	assert_int_equal(pci_capability(d, 9, 0x50), 0x70);
	assert_int_equal(pci_capability(d, 9, 0x70), 0);
	assert_int_equal(pci_capability(d, 5, 0), 0x60);
	put(f, 0x71, 1, 0x50); /* a loop */
	assert_int_equal(pci_capability(d, 0x11, 0), 0);
	f->gone = true; /* reads as ones */
	assert_int_equal(pci_capability(d, 0x11, 0), 0);
	f->gone = false;
	put(f, 6, 2, 0);
}

/* A function whose memory is not there is said to be missing, and the rest is found. */
static void test_a_scan_in_which_everything_fails_once(void **state)
{
	unsigned whole = 0, found, failures = 0;

	(void)state;
	for (unsigned at = 1; !whole; at++) {
		struct list list;

		list_init(&list);
		errors = calls = allocated = 0;
		fail_at = at;
		pci_scan_segment(&segments[0], &list);
		whole = calls < at;
		fail_at = found = 0;
		list_for_each_safe(d, &list, struct pci_device, link)
		{
			found++;
			free(d);
		}
		assert_int_equal(found, allocated);
		assert_int_equal(errors, !whole);
		failures += !whole;
		if (whole)
			assert_int_equal(found, failures);
		else if (at == 3) /* function 0, so nobody asks for its others */
			assert_string_equal(line, "no memory for function 3.0 of bus 0");
	}
	assert_int_equal(failures, 6);
}

static unsigned offered, taken;

static bool match_all(const struct pci_device *d)
{
	(void)d;
	offered++;
	return true;
}

static int refuse(struct pci_device *d)
{
	(void)d;
	return -ENODEV;
}

static int accept(struct pci_device *d)
{
	taken++;
	return d->bus ? 0 : -ENOMEM;
}

static void test_a_function_goes_to_the_first_driver_that_takes_it(void **state)
{
	static const struct pci_driver first = {"first", match_all, refuse},
				       second = {"second", match_all, accept};
	const struct pci_driver *const drivers[] = {&first, &second};

	(void)state;
	pci_probe(drivers, 2);
	assert_int_equal(offered, 16);
	assert_int_equal(taken, 8);
	assert_ptr_equal(at(5, 0, 0)->driver, &second);
	assert_null(at(0, 3, 0)->driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions_are_found),
		cmocka_unit_test(test_bars_have_sizes_and_stay_where_they_are),
		cmocka_unit_test(test_disks_and_networks_may_not_write_to_memory_yet),
		cmocka_unit_test(test_lists_of_capabilities_end),
		cmocka_unit_test(test_a_scan_in_which_everything_fails_once),
		cmocka_unit_test(test_a_function_goes_to_the_first_driver_that_takes_it),
	};
	static struct cpu others[2] = {{.apic_id = 7}, {.apic_id = 300}};

	cpu_boot.apic_id = 3;
	cpus[0] = &cpu_boot;
	cpus[1] = &others[0];
	cpus[2] = &others[1];
	return cmocka_run_group_tests(tests, start, NULL);
}
