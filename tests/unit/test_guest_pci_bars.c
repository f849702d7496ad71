/* A PCI device's BARs as a guest sees them: placed, sized, moved to wherever nothing else is,
 * on top of each other. */
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
		assert_null(pci_root_create(&large->board, reset_control_access, reset));
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

/* Where no other device is (RAM's addresses never come to the bus), outside of the windows too:
 * so a system that believes nobody about them may place BARs. */
static void test_bars_anywhere(void **state)
{
	static const uint32_t places[] = {0x10000000, 0x7fff0000, 0xbfffc000, 0xe0100000,
					  0xfec04000, 0xfee04000, 0xffffc000};
	static const uint64_t high[] = {0x100000000, 0x7fffff0000, 0xfffffffffff0000};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		configure(BAR(1), 4, places[i]);
		assert_int_equal(get(places[i] + 8, 4), 0x55667789);
		assert_int_equal(get(places[i] + 16 * KIB - 4, 4), 0x55667789);
		set(places[i] + 8, 4, 0);
		assert_int_equal(get(PCI_WINDOW_BASE, 4), ONES);
	}
	assert_int_equal(device.accesses, 3 * ARRAY_SIZE(places));
	for (unsigned i = 0; i < ARRAY_SIZE(high); i++) {
		configure(BAR(3), 4, high[i] >> 32);
		configure(BAR(2), 4, (uint32_t)high[i]);
		assert_int_equal(get(high[i], 2), 0x778a);
	}
	configure(BAR(0), 4, 0xff00);
	assert_int_equal(in(0xff1c, 4), 0x55667788);
	configure(BAR(0), 4, 0x1000);
	assert_int_equal(in(0xff1c, 4), ONES);
	assert_int_equal(in(0x1000, 1), 0x88);
}

/* Over ECAM, ports of other devices, and beyond all addresses: they are not the bus's. */
static void test_bars_over_other_things(void **state)
{
	uint64_t bridge = get(ecam(0, 0), 4), unclaimed;

	(void)state;
	for (uint64_t at = PCI_ECAM_BASE; at < PCI_ECAM_BASE + PCI_ECAM_BYTES; at += 16 * KIB) {
		configure(BAR(1), 4, at);
		get(at, 4);
	}
	assert_int_equal(get(ecam(0, 0), 4), bridge);
	configure(BAR(0), 4, 0x80); /* port 0x92 is in it, and answers */
	assert_int_equal(in(0x92, 1), 2);
	configure(BAR(0), 4, 0xce0);
	configure(0x3c, 1, 0x77);
	out(0xcf8, 4, 0x8000083c);
	assert_int_equal(in(0xcfc, 1), 0x77);
	assert_int_equal(device.accesses, 0);
	assert_int_equal(in(0xce1, 1), 0x88); /* but its neighbours are */
	assert_int_equal(device.accesses, 1);

	configure(BAR(2), 4, ONES); /* the last 64 KiB that there are */
	configure(BAR(3), 4, ONES);
	assert_int_equal(get(UINT64_MAX - 7, 8), 0x112233445566778aull);
	configure(COMMAND, 2, 0);
	unclaimed = vm->mmio.unclaimed;
	assert_int_equal(get(UINT64_MAX, 1), 0xff); /* what does not decode is nowhere */
	assert_int_equal(vm->mmio.unclaimed, unclaimed + 1);
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
	configure(BAR(1), 4, PCI_WINDOW_BASE); /* from nobody's into a BAR, and out of it */
	assert_int_equal(get(PCI_WINDOW_BASE - 2, 4), 0x8989ffff);
	set(PCI_WINDOW_BASE - 2, 4, 0x11223344);
	assert_int_equal(device.last.offset, 1);
	assert_int_equal(device.last.value, 0x11);
	configure(BAR(0), 4, 0x1000);
	assert_int_equal(in(0x0fff, 2), 0x88ff);
	assert_int_equal(in(0x101e, 4), 0xffff8888);
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
		TEST(test_bars_over_other_things),
		TEST(test_overlapping_and_straddling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
