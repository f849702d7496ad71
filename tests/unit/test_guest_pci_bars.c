/* A PCI device's BARs as a guest sees them: placed, sized, moved, on top of each other. */
/* links: guests/pci/pci.c guests/pci/access.c guests/pci/function.c guests/pci/bars.c */
/* links: guests/pci/msix.c guests/pci/pins.c guests/devices/reset.c kernel/vmm/bus.c */
/* links: tests/unit/fake_vmm.c tests/unit/fake_devices.c */
#include "kernel/cpu/cpu.h"
#include "tests/unit/fake_pci_device.h"

static void test_placed_as_firmware_would(void **state)
{
	uint64_t high = config(BAR(2), 4) | (uint64_t)config(BAR(3), 4) << 32;

	(void)state;
	assert_int_equal(config(BAR(0), 4), PCI_IO_BASE | 1);
	assert_int_equal(config(BAR(1), 4), PCI_WINDOW_BASE);
	assert_int_equal(high, pci_high_base() | 0xc);
	assert_int_equal(config(BAR(4), 4), PCI_WINDOW_BASE + 16 * KIB);
	assert_int_equal(config(BAR(5), 4), 0);
	assert_int_equal(pci_root_add(root, &second.pci), 0);
	assert_int_equal(second.pci.slot, 2);
	assert_int_equal(get(ecam(2, BAR(0)), 4), (PCI_IO_BASE + 32) | 1);
	assert_int_equal(get(ecam(2, BAR(1)), 4), PCI_WINDOW_BASE + 32 * KIB); /* aligned */
	get(PCI_WINDOW_BASE + 4, 4);
	assert_int_equal(device.accesses, 1);
	get(PCI_WINDOW_BASE + 32 * KIB + 8, 4);
	assert_int_equal(second.accesses, 1);
	assert_int_equal(second.last.offset, 8);
}

static void test_windows_fit_the_addresses(void **state)
{
	static const struct {
		unsigned bits;
		uint64_t base;
	} cases[] = {{36, 32 * GIB}, {39, 256 * GIB}, {40, 512 * GIB}, {52, 512 * GIB}};
	unsigned before = cpu_features.phys_bits;
	struct vm *large = fake_machine_create();

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		cpu_features.phys_bits = cases[i].bits;
		assert_int_equal(pci_high_base(), cases[i].base);
		large->gmem.bytes = cases[i].base - GIB + 2 * MIB; /* RAM would reach it */
		assert_null(pci_root_create(large, reset));
	}
	cpu_features.phys_bits = before;
	fake_vm_destroy(large);
}

static void test_sizing(void **state)
{
	static const struct {
		unsigned bar;
		uint32_t reads;
	} cases[] = {{0, 0xffffffe1}, {1, 0xffffc000}, {2, 0xffff000c},
		     {3, ONES},	      {4, 0xfffff000}, {5, 0}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t before = config(BAR(cases[i].bar), 4);

		configure(BAR(cases[i].bar), 4, ONES);
		assert_int_equal(config(BAR(cases[i].bar), 4), cases[i].reads);
		configure(BAR(cases[i].bar), 4, before);
		assert_int_equal(config(BAR(cases[i].bar), 4), before);
	}
	configure(0x30, 4, ONES); /* no ROM */
	assert_int_equal(config(0x30, 4), 0);
	assert_int_equal(get(PCI_WINDOW_BASE, 8), 0x1122334455667789ull);
}

static void test_moving(void **state)
{
	uint64_t to = PCI_WINDOW_BASE + 1 * MIB, high = pci_high_base() + 7 * GIB;

	(void)state;
	configure(BAR(1), 4, to + 0x123); /* the low bits are not writable */
	assert_int_equal(get(PCI_WINDOW_BASE, 4), ONES);
	assert_int_equal(get(to + 16 * KIB, 4), ONES);
	assert_int_equal(device.accesses, 0);
	set(to + 16 * KIB - 2, 2, 0xabcd);
	assert_int_equal(device.bar, 1);
	assert_int_equal(device.last.offset, 16 * KIB - 2);
	assert_int_equal(device.last.value, 0xabcd);

	configure(BAR(3), 4, high >> 32);
	configure(BAR(2), 4, (uint32_t)high);
	assert_int_equal(get(high + 8, 4), 0x5566778a);
	assert_int_equal(device.bar, 2);
	assert_int_equal(get(pci_high_base(), 4), ONES);
	configure(BAR(3), 4, 0); /* one of 64 bits may lie below 4 GiB as well */
	configure(BAR(2), 4, PCI_WINDOW_BASE + 64 * MIB);
	assert_int_equal(get(PCI_WINDOW_BASE + 64 * MIB, 1), 0x8a);

	configure(BAR(0), 4, PCI_IO_BASE + 0x100);
	assert_int_equal(in(PCI_IO_BASE + 0x104, 2), 0x7788);
	assert_int_equal(device.last.offset, 4);
	assert_int_equal(in(PCI_IO_BASE, 2), 0xffff);
}

static void test_decoding_is_enabled_by_kind(void **state)
{
	(void)state;
	configure(COMMAND, 2, CMD_IO);
	assert_int_equal(get(PCI_WINDOW_BASE, 4), ONES);
	assert_int_equal(get(msix_base(), 4), ONES);
	assert_int_equal(in(PCI_IO_BASE, 4), 0x55667788);
	configure(COMMAND, 2, CMD_MEMORY);
	assert_int_equal(get(PCI_WINDOW_BASE, 4), 0x55667789);
	assert_int_equal(in(PCI_IO_BASE, 4), ONES);
	configure(COMMAND, 2, 0xffff);
	assert_int_equal(config(COMMAND, 2), 0x547);
}

/* Over RAM, the local APIC, ECAM, ports of other devices: nothing but the windows is PCI's. */
static void test_bars_anywhere(void **state)
{
	static const uint32_t places[] = {0,	      0x1000,	  0x7fff0000, 0xe0000000,
					  0xfee00000, 0xfec00000, 0xbfffc000, 0xffffc000};
	uint64_t bridge = get(ecam(0, 0), 4);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		configure(BAR(1), 4, places[i]);
		get(places[i], 4);
		set(places[i] + 8, 4, 0);
	}
	configure(BAR(2), 4, ONES);
	configure(BAR(3), 4, ONES);
	get(UINT64_MAX - 7, 8);
	for (unsigned port = 0; port < 0x100; port += 32) {
		configure(BAR(0), 4, port);
		in(port, 4);
	}
	assert_int_equal(device.accesses, 0);
	assert_int_equal(get(ecam(0, 0), 4), bridge);
}

static void test_overlapping_and_straddling(void **state)
{
	(void)state;
	configure(BAR(1), 4, PCI_WINDOW_BASE);
	configure(BAR(4), 4, PCI_WINDOW_BASE); /* one of them answers */
	assert_int_equal(get(PCI_WINDOW_BASE, 4), 0x55667789);
	configure(BAR(4), 4, PCI_WINDOW_BASE + 16 * KIB);
	assert_int_equal(get(PCI_WINDOW_BASE + 16 * KIB - 1, 4), 0xffffff89); /* MSI-X: ones */
	assert_int_equal(device.accesses, 2);
	assert_int_equal(device.last.bytes, 1);
	configure(BAR(1), 4, PCI_WINDOW_BASE + PCI_WINDOW_BYTES - 16 * KIB);
	assert_int_equal(get(PCI_WINDOW_BASE + PCI_WINDOW_BYTES - 2, 4), 0x1b368989); /* ECAM */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_placed_as_firmware_would),
		TEST(test_windows_fit_the_addresses),
		TEST(test_sizing),
		TEST(test_moving),
		TEST(test_decoding_is_enabled_by_kind),
		TEST(test_bars_anywhere),
		TEST(test_overlapping_and_straddling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
