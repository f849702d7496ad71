/* How a PCI device interrupts a guest: MSI-X with its masks, and pins that are shared. */
/* links: guests/pci/pci.c guests/pci/access.c guests/pci/function.c guests/pci/bars.c */
/* links: guests/pci/msix.c guests/pci/pins.c guests/devices/reset.c kernel/vmm/bus.c */
/* links: tests/unit/fake_vmm.c tests/unit/fake_devices.c */
#include "kernel/vmm/vpic.h"
#include "tests/unit/fake_pci_device.h"

static void assert_sent(unsigned number, unsigned vector)
{
	assert_true(fake_message_count > number);
	assert_int_equal(fake_messages[number].address, 0xfee00000 + (vector << 12));
	assert_int_equal(fake_messages[number].data, 0x40 + vector);
}

static void test_msix_table(void **state)
{
	uint64_t table = msix_base();
	unsigned capability = find_capability(MSIX_ID);

	(void)state;
	assert_int_equal(config(capability + 2, 2), VECTORS - 1);
	assert_int_equal(config(capability + 4, 4), 4);
	assert_int_equal(config(capability + 8, 4), PBA | 4);
	for (unsigned i = 0; i < VECTORS; i++) {
		assert_int_equal(get(table + 16 * i, 8), 0);
		assert_int_equal(get(table + 16 * i + 8, 8), BIT(32)); /* masked */
	}
	set(table + 4, 4, 0x11111111);
	set(table, 4, 0xfee01000);
	set(table + 8, 8, 0xfffffffe00004321ull);
	assert_int_equal(get(table, 8), 0x11111111fee01000ull);
	assert_int_equal(get(table + 8, 4), 0x4321);
	assert_int_equal(get(table + 12, 4), 0);

	set(table, 2, 0); /* neither doubleword nor quadword */
	set(table + 1, 4, 0);
	set(table + 4, 8, 0);
	assert_int_equal(get(table, 8), 0x11111111fee01000ull);
	assert_int_equal(get(table, 2), 0xffff);
	assert_int_equal(get(table + 2, 4), ONES);
	set(table + 16 * VECTORS, 8, ONES); /* beyond it */
	assert_int_equal(get(table + 16 * VECTORS, 8), 0);
	assert_int_equal(get(table + 4088, 8), 0);
	set(table + PBA, 8, ONES);
	assert_int_equal(get(table + PBA, 8), 0);
	assert_int_equal(device.accesses, 0);
}

static void test_msix_messages(void **state)
{
	(void)state;
	pci_msix_send(&device.pci, 0); /* off: nothing at all */
	assert_false(pci_msix_enabled(&device.pci));
	msix_on();
	assert_true(pci_msix_enabled(&device.pci));
	assert_int_equal(fake_message_count, 0);
	pci_msix_send(&device.pci, 3);
	assert_int_equal(fake_message_count, 1);
	assert_sent(0, 3);
	pci_msix_send(&device.pci, VECTORS);
	pci_msix_send(&device.pci, 0xffff);
	assert_int_equal(fake_message_count, 1);
	assert_int_equal(device.pci.messages, 1);
	configure(find_capability(MSIX_ID) + 2, 2, 0);
	pci_msix_send(&device.pci, 3);
	configure(find_capability(MSIX_ID) + 2, 2, MSIX_ENABLE);
	assert_int_equal(fake_message_count, 1);
}

static void test_msix_masks(void **state)
{
	unsigned control = find_capability(MSIX_ID) + 2;
	uint64_t table = msix_base(), pba = table + PBA;

	(void)state;
	msix_on();
	set(table + 16 * 2 + 12, 4, 1); /* one vector */
	pci_msix_send(&device.pci, 2);
	pci_msix_send(&device.pci, 2);
	assert_int_equal(fake_message_count, 0);
	assert_int_equal(get(pba, 8), BIT(2));
	assert_int_equal(get(pba, 4), BIT(2));
	assert_int_equal(get(pba + 4, 4), 0);
	set(table + 16 * 2, 4, 0xfee0f000); /* the message is what the entry says in the end */
	assert_int_equal(fake_message_count, 0);
	set(table + 16 * 2, 4, 0xfee02000);
	set(table + 16 * 2 + 12, 4, 0);
	assert_int_equal(fake_message_count, 1); /* once, however often it was sent */
	assert_sent(0, 2);
	assert_int_equal(get(pba, 8), 0);

	configure(control, 2, MSIX_ENABLE | MSIX_MASK); /* all */
	set(table + 16 * 4 + 12, 4, 1);
	pci_msix_send(&device.pci, 1);
	pci_msix_send(&device.pci, 4);
	assert_int_equal(get(pba, 8), BIT(1) | BIT(4));
	assert_int_equal(fake_message_count, 1);
	configure(control + 1, 1, MSIX_ENABLE >> 8);
	assert_int_equal(fake_message_count, 2);
	assert_sent(1, 1);
	assert_int_equal(get(pba, 8), BIT(4));

	configure(COMMAND, 2, CMD_MEMORY); /* it may not write to memory */
	pci_msix_send(&device.pci, 0);
	assert_int_equal(fake_message_count, 2);
	configure(COMMAND, 2, CMD_MEMORY | CMD_MASTER);
	assert_int_equal(fake_message_count, 3);
	assert_sent(2, 0);
}

static void test_pins(void **state)
{
	(void)state;
	pci_set_pin(&device.pci, true);
	assert_true(fake_irq_level[17]);
	assert_int_equal(config(STATUS, 2), STATUS_CAPS | STATUS_INTX);
	configure(COMMAND, 2, CMD_INTX_OFF);
	assert_false(fake_irq_level[17]);
	assert_int_equal(config(STATUS, 2), STATUS_CAPS | STATUS_INTX);
	configure(COMMAND, 2, 0);
	assert_true(fake_irq_level[17]);
	msix_on();
	assert_false(fake_irq_level[17]);
	assert_int_equal(config(STATUS, 2), STATUS_CAPS);
	configure(find_capability(MSIX_ID) + 2, 2, 0);
	assert_true(fake_irq_level[17]);
	pci_set_pin(&device.pci, false);
	assert_false(fake_irq_level[17]);
	assert_int_equal(fake_irq_rises[17], 3);
}

/* As firmware would: the 8259 pair's IRQ that the wire is soldered to. The bridge has no pin.
 */
static void test_interrupt_lines(void **state)
{
	(void)state;
	assert_int_equal(config(0x3c, 2), 0x0105);
	assert_int_equal(pci_root_add(root, &second.pci), 0);
	assert_int_equal(get(ecam(2, 0x3c), 2), 0x010a);
	assert_int_equal(get(ecam(0, 0x3c), 2), 0x00ff);
	for (unsigned slot = 1; slot < PCI_SLOTS; slot++)
		assert_true(pci_slot_gsi(slot) >= VPIC_ISA_LINES &&
			    pci_slot_gsi(slot) < VPIC_SOURCES);
}

static void test_pins_are_shared(void **state)
{
	struct device others[8];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) { /* slots 2 to 9 */
		others[i] = (struct device){.pci = model};
		assert_int_equal(pci_root_add(root, &others[i].pci), 0);
		assert_int_equal(pci_slot_gsi(others[i].pci.slot), 16 + (2 + i) % 8);
	}
	pci_set_pin(&device.pci, true);
	pci_set_pin(&others[7].pci, true); /* slot 9, of the same wire as slot 1 */
	pci_set_pin(&others[7].pci, true);
	assert_int_equal(fake_irq_rises[17], 1);
	pci_set_pin(&device.pci, false);
	assert_true(fake_irq_level[17]);
	pci_set_pin(&others[7].pci, false);
	assert_false(fake_irq_level[17]);
	pci_set_pin(&others[6].pci, true);
	assert_false(fake_irq_level[17]);
	assert_true(fake_irq_level[16]);
	pci_root_remove(&others[6].pci); /* what is gone asserts nothing */
	assert_false(fake_irq_level[16]);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		pci_root_remove(&others[i].pci);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_msix_table), TEST(test_msix_messages),   TEST(test_msix_masks),
		TEST(test_pins),       TEST(test_pins_are_shared), TEST(test_interrupt_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
