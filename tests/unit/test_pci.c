/* The machine's PCI on functions that are played: what is found, how large its BARs are, its
 * capabilities, its interrupts. Not how configuration space is reached. */
/* links: drivers/bus/pci.c drivers/bus/pci_scan.c drivers/bus/pci_irq.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/bus/pci.h"
#include "drivers/bus/pci_internal.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"

/* ---- the machine ---- */

static struct function {
	uint16_t segment;
	uint8_t bus, device, function;
	uint8_t space[256];
	uint32_t sizes[6]; /* bits of each BAR that can be set */
	bool decoding_while_sizing, gone;
} functions[16];
static unsigned function_count;
static struct pci_segment segments[3];

static struct function *find(const struct pci_device *d)
{
	for (unsigned i = 0; i < function_count; i++) {
		struct function *f = &functions[i];

		if (f->segment == d->segment && f->bus == d->bus && f->device == d->device &&
		    f->function == d->function && !f->gone)
			return f;
	}
	return NULL;
}

uint32_t pci_read(const struct pci_device *d, unsigned offset, unsigned bytes)
{
	const struct function *f = find(d);
	uint32_t value = UINT32_MAX;

	assert_int_equal(offset % bytes, 0);
	if (f && offset + bytes <= sizeof(f->space)) {
		value = 0;
		memcpy(&value, f->space + offset, bytes);
	}
	return bytes == 4 ? value : value & ((1u << 8 * bytes) - 1);
}

void pci_write(const struct pci_device *d, unsigned offset, unsigned bytes, uint32_t value)
{
	struct function *f = find(d);

	assert_int_equal(offset % bytes, 0);
	if (!f)
		return;
	if (offset >= 0x10 && offset < 0x28 && (f->space[14] & 0x7f) == 0) {
		uint32_t mask = f->sizes[(offset - 0x10) / 4], low = f->space[offset] & 0xf;

		f->decoding_while_sizing |= f->space[4] & 3;
		value = (value & mask) | (low & ~mask);
	}
	memcpy(f->space + offset, &value, bytes);
}

void pci_config_init(void)
{
}

const struct pci_segment *pci_config_segment(unsigned index)
{
	return index < 3 && segments[index].bus_last ? &segments[index] : NULL;
}

static void put(struct function *f, unsigned offset, unsigned bytes, uint32_t value)
{
	memcpy(f->space + offset, &value, bytes);
}

static struct function *add(uint8_t bus, uint8_t device, uint8_t function, uint32_t class)
{
	struct function *f = &functions[function_count++];

	f->bus = bus;
	f->device = device;
	f->function = function;
	put(f, 0, 4, 0x100e8086);
	put(f, 8, 4, class << 8 | 3);
	return f;
}

static void bar(struct function *f, unsigned index, uint32_t value, uint32_t mask)
{
	put(f, 0x10 + 4 * index, 4, value);
	f->sizes[index] = mask;
}

/* ---- the kernel ---- */

static unsigned warnings;
static trap_handler vector_handler;
static void *vector_arg;
static uint32_t pin_gsi = UINT32_MAX;
static enum irq_mode pin_mode;
static uint32_t table[4 * 4];
static uint64_t mapped_phys;

struct acpi_machine acpi_machine;
struct cpu *cpus[CPU_MAX];
struct cpu cpu_boot;

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)area, (void)fmt;
	warnings += level == LOG_WARN;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return calloc(1, bytes);
}

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	(void)bytes;
	assert_true(prot & PT_UNCACHED);
	mapped_phys = phys;
	return table;
}

void vmap_free(void *virt)
{
	(void)virt;
}

int trap_alloc_vector(trap_handler handler, void *arg)
{
	vector_handler = handler;
	vector_arg = arg;
	return 0x47;
}

int irq_connect(uint32_t gsi, enum irq_mode mode, irq_handler handler, void *arg)
{
	(void)handler, (void)arg;
	pin_gsi = gsi;
	pin_mode = mode;
	return 0;
}

static bool handled;

static bool handler(void *arg)
{
	assert_ptr_equal(arg, &handled);
	return handled = true;
}

/* ---- tests ---- */

static const struct pci_device *at(uint8_t bus, uint8_t device, uint8_t function)
{
	const struct pci_device *d;

	for (unsigned i = 0; (d = pci_at(i)); i++)
		if (d->bus == bus && d->device == device && d->function == function)
			return d;
	return NULL;
}

/* The list stays: one machine for all tests, that has everything. */
static int start(void **state)
{
	struct function *f;

	(void)state;
	segments[0] = (struct pci_segment){.bus_last = 0x7f};
	segments[1] = (struct pci_segment){.number = 1, .bus_first = 0x80, .bus_last = 0xff};

	f = add(0, 0, 0, 0x060000); /* host bridge: its BAR is left alone */
	bar(f, 0, 0xd0000000, 0xf0000000);
	put(f, 4, 2, 7);
	f = add(0, 1, 0, 0x060400); /* bridge */
	put(f, 14, 1, 1);
	f = add(0, 3, 0, 0x020000);
	put(f, 4, 2, 7);
	put(f, 14, 1, 0x80);
	bar(f, 0, 0xfebc0000, 0xfffe0000);
	bar(f, 1, 0xc001, 0xffc0);
	bar(f, 2, 0x0000000c, 0xffff0000); /* 64 bits, prefetchable, above 4 GiB */
	bar(f, 3, 0x00000008, 0xffffffff);
	f = add(0, 3, 5, 0x0c0300);
	put(f, 4, 2, 4);
	f = add(0, 4, 0, 0x010802);
	put(f, 0x2c, 4, 0x12345678);
	f = add(0, 4, 1, 0x010802); /* not there: function 0 has no others */
	f = add(5, 0, 0, 0x010601); /* behind a bridge */
	f = add(0x90, 31, 7, 0x010802);
	f->segment = 1;
	f = add(0x90, 31, 0, 0x010802);
	f->segment = 1;
	put(f, 14, 1, 0x80);
	pci_init();
	return 0;
}

static void test_functions_are_found(void **state)
{
	(void)state;
	assert_non_null(at(0, 0, 0));
	assert_non_null(at(0, 1, 0));
	assert_non_null(at(0, 3, 5));
	assert_null(at(0, 4, 1));
	assert_string_equal(at(5, 0, 0)->name, "pci:05:00.0");
	assert_string_equal(at(0x90, 31, 7)->name, "pci:0001:90:1f.7");
	assert_null(pci_at(8));
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

static struct function *function_of(const struct pci_device *d)
{
	return find(d);
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
		cmocka_unit_test(test_msix_is_masked_until_connected),
		cmocka_unit_test(test_msi),
		cmocka_unit_test(test_the_pin),
		cmocka_unit_test(test_a_function_goes_to_the_first_driver_that_takes_it),
	};
	static struct cpu others[2] = {{.apic_id = 7}, {.apic_id = 300}};

	cpu_boot.apic_id = 3;
	cpus[0] = &cpu_boot;
	cpus[1] = &others[0];
	cpus[2] = &others[1];
	return cmocka_run_group_tests(tests, start, NULL);
}
