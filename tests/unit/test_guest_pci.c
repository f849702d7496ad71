/*
 * A guest's PCI bus as a guest finds it: both ways into configuration space, what it says and
 * what can be written, function-level reset; and that nonsense does no harm. BARs are
 * test_guest_pci_bars.c's, interrupts test_guest_pci_irq.c's.
 */
/* links: guests/pci/pci.c guests/pci/access.c guests/pci/function.c guests/pci/bars.c */
/* links: guests/pci/msix.c guests/pci/pins.c guests/devices/reset.c kernel/vmm/bus.c */
/* links: tests/unit/fake_vmm.c tests/unit/fake_devices.c */
#include <errno.h>
#include <string.h>

#include "tests/unit/fake_pci_device.h"

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(get(ecam(0, 0x0a), 2), 0x0600); /* a host bridge */
	assert_int_equal(get(ecam(0, 0x3d), 1), 0);	 /* without pin */
	assert_int_equal(config(0, 4), 0x10421af4);
	assert_int_equal(config(8, 4), 0x01800001);
	assert_int_equal(config(0x0e, 1), 0); /* type 0, one function */
	assert_int_equal(config(0x2c, 4), 0x00421af4);
	assert_int_equal(config(0x3d, 1), 1);
	assert_int_equal(config(COMMAND, 2), CMD_IO | CMD_MEMORY);
	assert_int_equal(config(STATUS, 2), STATUS_CAPS);
	for (unsigned offset = 0; offset < 0x40; offset += 4) /* none of this can be written */
		if (offset != COMMAND && offset != 0x0c && offset != 0x3c &&
		    (offset < 0x10 || offset >= 0x28)) {
			uint32_t before = config(offset, 4);

			configure(offset, 4, ~before);
			assert_int_equal(config(offset, 4), before);
		}
}

static void test_who_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(get(ecam(2, 0), 4), ONES);
	assert_int_equal(get(ecam(1, 4096), 4), ONES); /* function 1 */
	assert_int_equal(get(ecam(32, 0), 4), ONES);   /* bus 1 */
	assert_int_equal(get(PCI_ECAM_BASE + PCI_ECAM_BYTES - 4, 4), ONES);
	set(ecam(2, COMMAND), 4, 7);
	out(0xcf8, 4, 0x80001000);
	assert_int_equal(in(0xcfc, 4), ONES);
	out(0xcf8, 4, 0x80000900);
	assert_int_equal(in(0xcfc, 4), ONES);
	out(0xcf8, 4, 0x80010800);
	assert_int_equal(in(0xcfc, 2), 0xffff);
	out(0xcfc, 4, 7);
}

static void test_ecam_widths(void **state)
{
	(void)state;
	assert_int_equal(config(0, 1), 0xf4);
	assert_int_equal(config(1, 1), 0x1a);
	assert_int_equal(config(2, 2), 0x1042);
	assert_int_equal(config(1, 2), 0x421a); /* in bytes */
	assert_int_equal(get(ecam(1, 0), 8), 0x0010000310421af4ull);
	assert_int_equal(get(ecam(1, 256), 4), ONES); /* no extended space */
	assert_int_equal(get(ecam(1, 4092), 4), ONES);
	assert_int_equal(get(ecam(1, 254), 4) & 0xffff0000, 0xffff0000);
	assert_int_equal(get(ecam(1, 0) - 2, 4), 0x1af4ffff); /* over the border of two */
	configure(0x0c, 1, 0x10);
	configure(0x3c, 4, 0x05060708);
	assert_int_equal(config(0x0c, 4), 0x10);
	assert_int_equal(config(0x3c, 4), 0x00000108);
}

static void test_ports(void **state)
{
	(void)state;
	out(0xcf8, 4, 0xffffffff);
	assert_int_equal(in(0xcf8, 4), 0x80fffffc);
	out(0xcf8, 4, 0x80000803);
	assert_int_equal(in(0xcf8, 4), 0x80000800);
	assert_int_equal(in(0xcfc, 4), 0x10421af4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(in(0xcfc + i, 1), 0x10421af4 >> 8 * i & 0xff);
	assert_int_equal(in(0xcfc, 2), 0x1af4);
	assert_int_equal(in(0xcfe, 2), 0x1042);
	assert_int_equal(in(0xcfd, 2), 0x421a);
	assert_int_equal(in(0xcfe, 4), 0xffff1042); /* beyond it nobody answers */

	out(0xcf8, 1, 0); /* not a doubleword: not CONFIG_ADDRESS */
	out(0xcf8, 2, 0);
	out(0xcfa, 2, 0);
	out(0xcfb, 1, 1); /* as Linux probes for mechanism 2 */
	out(0xcf9, 4, 0);
	assert_int_equal(in(0xcf8, 4), 0x80000800);
	assert_int_equal(in(0xcf8, 1), 0xff);
	assert_int_equal(in(0xcfa, 2), 0xffff);
	out(0xcfb, 2, 0xffff); /* over the border between the two registers */
	assert_int_equal(in(0xcf8, 4), 0x80000800);

	out(0xcf8, 4, 0x8000080c);
	out(0xcfc, 1, 0x20);
	assert_int_equal(config(0x0c, 1), 0x20);
	out(0xcf8, 4, 0x80000804);
	out(0xcfd, 1, CMD_INTX_OFF >> 8);
	assert_int_equal(config(COMMAND, 2), CMD_IO | CMD_MEMORY | CMD_INTX_OFF);
	out(0xcf8, 4, 0x00000804); /* not enabled */
	assert_int_equal(in(0xcfc, 4), ONES);
	out(0xcfc, 4, 0);
	assert_int_equal(config(COMMAND, 2), CMD_IO | CMD_MEMORY | CMD_INTX_OFF);
}

static void test_reset_register(void **state)
{
	(void)state;
	out(0xcf8, 4, 0x80000600);
	out(0xcf9, 2, 0x0606);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	out(0xcf9, 1, 2);
	assert_int_equal(in(0xcf9, 1), 2);
	assert_int_equal(in(0xcf8, 4), 0x80000600);
	out(0xcf9, 1, 6);
	assert_int_equal(fake_stop_kind, VM_STOP_RESET);
}

static void test_capabilities(void **state)
{
	const uint8_t body[] = {1, 2, 3}, mask[] = {0, 0xf0, 0};
	int at = pci_add_capability(&device.pci, 0x09, body, mask, sizeof(body));
	uint8_t large[200] = {0};

	(void)state;
	assert_true(at > 0 && at % 4 == 0);
	assert_int_equal(find_capability(0x09), at);
	assert_int_equal(config(at + 2, 2), 0x0201);
	configure(at, 4, ONES);
	assert_int_equal(config(at, 4), 0x02010009 | 0xf0000000u);
	assert_int_equal(config(at + 4, 1), 3);
	assert_true(find_capability(MSIX_ID));
	assert_true(find_capability(AF_ID));
	assert_int_equal(pci_add_capability(&device.pci, 9, large, NULL, 200), -ENOSPC);
	assert_false(find_capability(0x05));
}

static void test_hooks(void **state)
{
	(void)state;
	configure(COMMAND, 2, 0);
	assert_int_equal(device.config_writes, 0);
	configure(0x80, 4, 0);
	assert_int_equal(device.config_writes, 1);
	assert_int_equal(config(0, 4), 0x10421af4);
	assert_int_equal(device.config_reads, 0);
	assert_int_equal(config(252, 4), 1);
	assert_int_equal(config(252, 4), 2);
}

static void test_function_level_reset(void **state)
{
	unsigned af = find_capability(AF_ID);

	(void)state;
	assert_int_equal(config(af + 2, 2), 0x0306);
	assert_int_equal(config(af + 4, 2), 0);
	msix_on();
	configure(0x3c, 1, 5);
	configure(find_capability(MSIX_ID) + 2, 2, MSIX_ENABLE | MSIX_MASK);
	pci_msix_send(&device.pci, 1);
	pci_set_pin(&device.pci, true);
	configure(af + 4, 1, 0xfe);
	assert_int_equal(device.resets, 0);
	configure(af + 4, 1, 1);
	assert_int_equal(device.resets, 1);
	assert_int_equal(config(af + 4, 1), 0);
	assert_int_equal(config(COMMAND, 4), STATUS_CAPS << 16);
	assert_int_equal(config(BAR(0), 4), 1);
	assert_int_equal(config(BAR(1), 4), 0);
	assert_int_equal(config(BAR(2), 4), 0xc);
	assert_int_equal(config(0x3c, 2), 0x0100);
	assert_false(pci_msix_enabled(&device.pci));
	assert_int_equal(device.pci.msix_pending, 0);
	assert_int_equal(get(PCI_WINDOW_BASE, 4), ONES);
	assert_false(fake_irq_level[17]);
	assert_int_equal(config(0, 4), 0x10421af4);
	configure(BAR(4), 4, PCI_WINDOW_BASE); /* the guest sets it up again */
	configure(COMMAND, 2, CMD_MEMORY);
	assert_int_equal(get(PCI_WINDOW_BASE + 8, 8), BIT(32));
}

static void test_full(void **state)
{
	static struct device devices[PCI_SLOTS];
	unsigned count = 0;

	(void)state;
	for (; count < PCI_SLOTS; count++) {
		devices[count] = (struct device){.pci = model};
		memset(devices[count].pci.bars, 0, sizeof(model.bars));
		devices[count].pci.msix_vectors = 0;
		if (pci_root_add(root, &devices[count].pci))
			break;
	}
	assert_int_equal(count, 30);
	pci_root_remove(&devices[count].pci); /* was never there */
	assert_int_equal(get(ecam(31, 0), 4), 0x10421af4);
	pci_root_remove(&devices[29].pci);
	assert_int_equal(get(ecam(31, 0), 4), ONES);
	second.pci.bars[1].bytes = PCI_WINDOW_BYTES; /* larger than what is left */
	assert_int_equal(pci_root_add(root, &second.pci), -ENOSPC);
	assert_int_equal(get(ecam(31, 0), 4), ONES);
	for (unsigned i = 0; i < 29; i++)
		pci_root_remove(&devices[i].pci);
}

/* Random accesses of all widths around everything: nothing breaks (the sanitizers watch), and
 * what is read-only stays. */
static void test_nonsense(void **state)
{
	uint64_t seed = 1, windows[] = {PCI_ECAM_BASE, PCI_WINDOW_BASE, pci_high_base(),
					PCI_ECAM_BASE + 32 * KIB};

	(void)state;
	for (unsigned i = 0; i < 400000; i++) {
		uint64_t a = fake_random(&seed), value = fake_random(&seed);
		unsigned bytes = 1 << (a >> 60) % 4;

		if (a & 1)
			value &= 0x7; /* enables, small bits */
		if (a & 2)
			value = ALIGN_DOWN(PCI_WINDOW_BASE + value % MIB, PAGE_BYTES);
		if ((a >> 8) % 8 == 0) {
			unsigned port = (a & 4 ? 0xcf8 : PCI_IO_BASE) + (a >> 16) % 10;

			bytes = MIN(bytes, 4u);
			if (a & 8)
				in(port, bytes);
			else
				out(port, bytes, value);
		} else if (a & 8) {
			get(windows[(a >> 5) % 4] + (a >> 16) % 5000, bytes);
		} else {
			set(windows[(a >> 5) % 4] + (a >> 16) % 5000, bytes, value);
		}
		if (i % 1024 == 0) { /* once more in order */
			configure(COMMAND, 2, CMD_MEMORY);
			configure(BAR(4), 4, PCI_WINDOW_BASE);
			msix_on();
		}
		if (i % 16 == 0)
			pci_msix_send(&device.pci, value % (VECTORS + 2));
		if (i % 32 == 0)
			pci_set_pin(&device.pci, value & 1);
	}
	assert_true(device.accesses > 100);
	assert_true(device.resets > 0);
	assert_true(fake_message_count > 100);
	assert_int_equal(config(0, 4), 0x10421af4);
	assert_int_equal(config(8, 4), 0x01800001);
	assert_int_equal(config(BAR(1), 2) & 0x3fff, 0);
	assert_int_equal(get(ecam(0, 0x0a), 2), 0x0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity), TEST(test_who_is_not_there),     TEST(test_ecam_widths),
		TEST(test_ports),    TEST(test_reset_register),	      TEST(test_capabilities),
		TEST(test_hooks),    TEST(test_function_level_reset), TEST(test_full),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
