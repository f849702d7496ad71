/*
 * Interrupts of PCI functions that are played: MSI-X, MSI, the pin, and each step that may
 * fail.
 */
/* links: drivers/bus/pci.c drivers/bus/pci_scan.c drivers/bus/pci_irq.c */
#include "tests/unit/pci_machine.h"

/* A function is set up once; here, several times. */
static int set_up_anew(struct pci_device *d, unsigned wanted)
{
	free(d->irqs);
	d->irqs = NULL;
	return pci_irq_setup(d, wanted);
}

static void test_msix_is_masked_until_connected(void **state)
{
	struct pci_device *d = (struct pci_device *)(uintptr_t)at(0, 3, 0);
	struct function *f = function_of(d);

	(void)state;
	put(f, 6, 2, 0x10);
	put(f, 0x34, 1, 0x50);
	put(f, 0x50, 4, 0x00030011); /* MSI-X, four entries */
	put(f, 0x54, 4, 0x00002000); /* in BAR 0 */
	assert_int_equal(set_up_anew(d, 9), 4);
	assert_true(pci_irq_is_message(d));
	assert_int_equal(mapped_phys, 0xfebc2000);
	assert_int_equal(pci_read(d, 0x52, 2), 0x8003);
	assert_int_equal(pci_read(d, 4, 2) & 0x400, 0x400); /* the pin is off */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(table[4 * i + 3], 1);
	assert_int_equal(pci_irq_connect(d, 1, 1, handler, &handled), 0);
	assert_int_equal(table[4], 0xfee07000);
	assert_int_equal(table[5], 0);
	assert_int_equal(table[6], 0x47);
	assert_int_equal(table[7], 0);
	vector_handler(0x47, vector_arg);
	assert_true(handled);
	pci_irq_connect(d, 2, 2, handler, &handled); /* an APIC ID that no message reaches */
	assert_int_equal(table[8], 0xfee03000);

	put(f, 0x54, 4, 0x00020000); /* beyond the BAR: no MSI-X, and no MSI, and no line */
	warnings = 0;
	assert_int_equal(set_up_anew(d, 1), -ENODEV);
	assert_int_equal(warnings, 2);
	put(f, 6, 2, 0);
}

static void test_msi(void **state)
{
	struct pci_device *d = (struct pci_device *)(uintptr_t)at(0, 3, 0);
	struct function *f = function_of(d);

	(void)state;
	put(f, 6, 2, 0x10);
	put(f, 0x34, 1, 0x50);
	put(f, 0x50, 4, 0x01b60005); /* 64 bits, eight messages, four on */
	assert_int_equal(set_up_anew(d, 4), 1);
	assert_int_equal(pci_irq_connect(d, 0, 1, handler, &handled), 0);
	assert_int_equal(pci_read(d, 0x54, 4), 0xfee07000);
	assert_int_equal(pci_read(d, 0x58, 4), 0);
	assert_int_equal(pci_read(d, 0x5c, 2), 0x47);
	assert_int_equal(pci_read(d, 0x52, 2), 0x0187); /* one */

	put(f, 0x50, 4, 0x00000005); /* 32 bits */
	assert_int_equal(set_up_anew(d, 1), 1);
	assert_int_equal(pci_irq_connect(d, 0, 1, handler, &handled), 0);
	assert_int_equal(pci_read(d, 0x58, 2), 0x47);
	assert_int_equal(pci_read(d, 0x52, 2), 1);
	put(f, 6, 2, 0);
}

static void test_the_pin(void **state)
{
	struct pci_device *d = (struct pci_device *)(uintptr_t)at(0, 3, 0);
	struct function *f = function_of(d);

	(void)state;
	acpi_machine.isa[11] = (struct acpi_isa_irq){.gsi = 11};
	acpi_machine.isa[10] = (struct acpi_isa_irq){.gsi = 26, .level = true};
	put(f, 0x3c, 2, 0x010b);
	assert_int_equal(set_up_anew(d, 4), 1);
	assert_false(pci_irq_is_message(d));
	assert_int_equal(pci_irq_connect(d, 0, 1, handler, &handled), 0);
	assert_int_equal(pin_gsi, 11);
	assert_int_equal(pin_mode, IRQ_LEVEL_LOW);
	assert_int_equal(pci_read(d, 4, 2) & 0x400, 0);
	put(f, 0x3c, 2, 0x010a);
	assert_int_equal(set_up_anew(d, 1), 1);
	assert_int_equal(pci_irq_connect(d, 0, 1, handler, &handled), 0);
	assert_int_equal(pin_gsi, 26);
	assert_int_equal(pin_mode, IRQ_LEVEL_HIGH);
	put(f, 0x3c, 2, 0x01ff); /* routed nowhere */
	assert_int_equal(set_up_anew(d, 1), -ENODEV);
	put(f, 0x3c, 2, 0x000b); /* no pin */
	assert_int_equal(set_up_anew(d, 1), -ENODEV);
}

enum { MSIX, MSI, PIN };

static void offer_irqs(struct function *f, unsigned kind)
{
	put(f, 6, 2, kind == PIN ? 0 : 0x10);
	put(f, 0x34, 1, 0x50);
	put(f, 0x50, 4, kind == MSIX ? 0x00030011 : 0x00000005);
	put(f, 0x54, 4, kind == MSIX ? 0x2000 : 0);
	put(f, 0x3c, 2, 0x010b);
}

/* No memory is not taken for no interrupts; the reason is said once, nothing is left, and the
 * next time it works. */
static void test_an_interrupt_whose_every_step_fails_once(void **state)
{
	struct pci_device *d = (struct pci_device *)(uintptr_t)at(0, 3, 0);

	(void)state;
	for (unsigned kind = MSIX; kind <= PIN; kind++) {
		unsigned setups = 0, connects = 0;
		bool whole = false;

		offer_irqs(function_of(d), kind);
		for (unsigned n = 1; !whole; n++) {
			int err;

			free(d->irqs);
			d->irqs = NULL;
			errors = warnings = calls = allocated = mapped = 0;
			fail_at = n;
			err = pci_irq_setup(d, 1);
			if (err < 0) {
				setups++;
				assert_int_equal(err, -ENOMEM);
				assert_int_equal(allocated | mapped | warnings, 0);
				assert_int_equal(errors, 1);
				assert_string_equal(line, "pci:00:03.0: no memory for its "
							  "interrupts");
				assert_null(d->irqs);
				continue;
			}
			assert_int_equal(err, 1);
			err = pci_irq_connect(d, 0, 1, handler, &handled);
			whole = calls < n;
			connects += err < 0;
			assert_int_equal(err < 0, !whole);
			if (err < 0) /* once more, as it was set up */
				assert_int_equal(pci_irq_connect(d, 0, 1, handler, &handled),
						 0);
		}
		fail_at = 0;
		assert_int_equal(setups, kind == MSIX ? 2 : 1);
		assert_int_equal(connects, 1);
	}
	put(function_of(d), 6, 2, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_msix_is_masked_until_connected),
		cmocka_unit_test(test_msi),
		cmocka_unit_test(test_the_pin),
		cmocka_unit_test(test_an_interrupt_whose_every_step_fails_once),
	};
	static struct cpu others[2] = {{.apic_id = 7}, {.apic_id = 300}};

	cpu_boot.apic_id = 3;
	cpus[0] = &cpu_boot;
	cpus[1] = &others[0];
	cpus[2] = &others[1];
	return cmocka_run_group_tests(tests, start, NULL);
}
