/* The MP configuration table as a guest finds it and reads it: found by its signature, summing
 * to zero, its entries in order, and saying what devices, MADT and DSDT say. */
/* links: guests/mptable/build.c guests/mptable/install.c guests/boot/e820.c */
/* links: tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/acpi/acpi.h"
#include "guests/boot/e820.h"
#include "guests/devices/pm.h"
#include "guests/mptable/mptable.h"
#include "guests/mptable/tables.h"
#include "guests/pci/pci.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/vm.h"
#include "tests/unit/fake_gmem.h"

#define SIGNATURE 0x00800f12u
#define FEATURES  0x178bfbffu

struct built {
	uint8_t *bytes;
	int used;
	const struct mp_header *header;
};

static struct mptable_config config_for(unsigned vcpus)
{
	return (struct mptable_config){MPTABLE_BASE, vcpus, SIGNATURE, FEATURES};
}

static void assert_sums_to_zero(const void *p, size_t bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += ((const uint8_t *)p)[i];
	assert_int_equal(sum, 0);
}

/* As a system looks for it: on paragraphs, by signature and sum. */
static const struct mp_header *find(const uint8_t *bytes, size_t size)
{
	const struct mp_floating_pointer *pointer = (const void *)bytes;

	assert_int_equal(MPTABLE_BASE % 16, 0);
	assert_memory_equal(pointer->signature, "_MP_", 4);
	assert_int_equal(pointer->length, 1);
	assert_int_equal(pointer->spec_rev, 4);
	assert_sums_to_zero(pointer, 16);
	for (unsigned i = 0; i < sizeof(pointer->feature); i++)
		assert_int_equal(pointer->feature[i], 0); /* a table; virtual wire, no IMCR */
	assert_true(pointer->table >= MPTABLE_BASE && pointer->table - MPTABLE_BASE < size);
	return (const void *)(bytes + (pointer->table - MPTABLE_BASE));
}

static struct built build(unsigned vcpus)
{
	const struct mptable_config config = config_for(vcpus);
	struct built built = {.bytes = malloc(MPTABLE_BYTES)};

	memset(built.bytes, 0xee, MPTABLE_BYTES);
	built.used = mptable_build(built.bytes, MPTABLE_BYTES, &config);
	assert_in_range(built.used, 1, MPTABLE_BYTES);
	built.header = find(built.bytes, built.used);
	return built;
}

static size_t entry_bytes(uint8_t type)
{
	assert_in_range(type, MP_PROCESSOR, MP_LOCAL_INTERRUPT);
	return type == MP_PROCESSOR ? 20 : 8;
}

/* The n-th entry of a type, or NULL. */
static const void *entry(const struct built *built, enum mp_entry_type type, unsigned n)
{
	const uint8_t *p = (const uint8_t *)(built->header + 1);

	for (unsigned i = 0; i < built->header->entry_count; i++, p += entry_bytes(*p))
		if (*p == type && n-- == 0)
			return p;
	return NULL;
}

static unsigned count(const struct built *built, enum mp_entry_type type)
{
	unsigned n = 0;

	while (entry(built, type, n))
		n++;
	return n;
}

static void test_header(void **state)
{
	struct built built = build(2);
	const struct mp_header *header = built.header;
	const uint8_t *p = (const uint8_t *)(header + 1), *before = p;

	(void)state;
	assert_memory_equal(header->signature, "PCMP", 4);
	assert_int_equal(header->spec_rev, 4);
	assert_sums_to_zero(header, header->length);
	assert_int_equal(header->local_apic_address, 0xfee00000);
	assert_int_equal(header->oem_table | header->oem_table_size | header->extended_length,
			 0);
	for (unsigned i = 0; i < header->entry_count; i++) {
		assert_true(*before <= *p); /* sorted by type: 4.3 */
		before = p;
		p += entry_bytes(*p);
	}
	assert_ptr_equal(p, (const uint8_t *)header + header->length);
	assert_ptr_equal(p, built.bytes + built.used);
	free(built.bytes);
}

static void test_processors(void **state)
{
	static const unsigned cases[][2] = {{1, 1}, {2, 2}, {64, 64}, {255, 255}, {300, 255}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct built built = build(cases[i][0]);

		assert_int_equal(count(&built, MP_PROCESSOR), cases[i][1]);
		for (unsigned id = 0; id < cases[i][1]; id++) {
			const struct mp_processor *cpu = entry(&built, MP_PROCESSOR, id);

			assert_int_equal(cpu->local_apic_id, id);
			assert_int_equal(cpu->local_apic_version, 0x14);
			assert_int_equal(cpu->flags, id ? 1 : 3); /* the first starts */
			assert_int_equal(cpu->signature, SIGNATURE & 0xfff);
			assert_int_equal(cpu->features, FEATURES);
		}
		free(built.bytes);
	}
}

static void test_buses_and_io_apic(void **state)
{
	struct built built = build(1);
	const struct mp_bus *pci = entry(&built, MP_BUS, 0), *isa = entry(&built, MP_BUS, 1);
	const struct mp_io_apic *io_apic = entry(&built, MP_IO_APIC, 0);

	(void)state;
	assert_int_equal(count(&built, MP_BUS), 2);
	assert_int_equal(pci->id, 0); /* the number that configuration space has for it */
	assert_memory_equal(pci->name, "PCI   ", 6);
	assert_int_equal(isa->id, 1);
	assert_memory_equal(isa->name, "ISA   ", 6);
	assert_int_equal(count(&built, MP_IO_APIC), 1);
	assert_int_equal(io_apic->flags, 1);
	assert_int_equal(io_apic->version, 0x11);
	assert_int_equal(io_apic->address, 0xfec00000);
	free(built.bytes);
}

static void test_interrupts(void **state)
{
	struct built built = build(1);
	const struct mp_io_apic *io_apic = entry(&built, MP_IO_APIC, 0);
	uint32_t isa = 0, slots = 0;

	(void)state;
	for (unsigned n = 0; n < count(&built, MP_IO_INTERRUPT); n++) {
		const struct mp_interrupt *interrupt = entry(&built, MP_IO_INTERRUPT, n);
		unsigned irq = interrupt->source_irq;

		assert_int_equal(interrupt->interrupt_type, MP_INT);
		assert_int_equal(interrupt->apic_id, io_apic->id);
		if (interrupt->source_bus == 1) {
			assert_int_equal(interrupt->flags, irq == PM_SCI_GSI ? 0xd : 0);
			assert_int_equal(interrupt->pin, irq == 0 ? 2 : irq);
			isa |= BIT(irq);
		} else {
			assert_int_equal(interrupt->source_bus, 0);
			assert_int_equal(interrupt->flags, 0); /* PCI's: level, active low */
			assert_int_equal(irq & 3, 0);	       /* INTA# */
			assert_int_equal(interrupt->pin, pci_slot_gsi(irq >> 2));
			slots |= BIT(irq >> 2);
		}
	}
	assert_int_equal(isa, 0xfffb); /* all but the cascade */
	assert_int_equal(slots, 0xfffffffe);

	assert_int_equal(count(&built, MP_LOCAL_INTERRUPT), 2);
	for (unsigned lint = 0; lint < 2; lint++) {
		const struct mp_interrupt *line = entry(&built, MP_LOCAL_INTERRUPT, lint);

		assert_int_equal(line->interrupt_type, lint ? MP_NMI : MP_EXTINT);
		assert_int_equal(line->apic_id, 0xff);
		assert_int_equal(line->pin, lint);
	}
	free(built.bytes);
}

/* A buffer of any smaller size is refused, and not written past (the sanitizer watches). */
static void test_every_size(void **state)
{
	struct built built = build(3);
	const struct mptable_config config = config_for(3);

	(void)state;
	for (int bytes = 0; bytes <= built.used; bytes++) {
		void *buf = malloc(bytes ? bytes : 1);
		int used = mptable_build(buf, bytes, &config);

		assert_int_equal(used, bytes < built.used ? -ENOSPC : built.used);
		if (used > 0)
			assert_memory_equal(buf, built.bytes, used);
		free(buf);
	}
	free(built.bytes);
}

/* ---- in a guest ---- */

static bool heap_is_empty;

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return heap_is_empty ? NULL : calloc(1, bytes);
}

void heap_free(void *p)
{
	free(p);
}

struct cpuid features_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	(void)vcpu, (void)subleaf;
	assert_int_equal(leaf, 1);
	return (struct cpuid){.eax = SIGNATURE, .edx = FEATURES};
}

static void test_installed(void **state)
{
	static struct fake_gmem fake;
	static struct vm vm;
	struct built largest = build(VCPU_MAX);
	struct e820_entry map[E820_ENTRIES_MAX];

	(void)state;
	fake_gmem_init(&fake, 16 * MIB);
	vm.gmem = fake.gm;
	vm.vcpu_count = 2;
	heap_is_empty = true;
	assert_int_equal(mptable_install(&vm), -ENOMEM);
	heap_is_empty = false;
	assert_int_equal(mptable_install(&vm), 0);
	assert_sums_to_zero(find(fake.ram + MPTABLE_BASE, MPTABLE_BYTES),
			    find(fake.ram + MPTABLE_BASE, MPTABLE_BYTES)->length);
	free(largest.bytes);

	/* Where systems search, behind the ACPI tables, and reserved. */
	e820_build(map, 16 * MIB);
	assert_true(map[1].type == E820_RESERVED && map[1].base <= MPTABLE_BASE &&
		    map[1].base + map[1].bytes == MIB);
	fake_gmem_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_processors),
		cmocka_unit_test(test_buses_and_io_apic),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_installed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
