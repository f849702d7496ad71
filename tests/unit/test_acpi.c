/* The parsers of ACPI tables, on tables made here: what they find, and that damage is survived.
 */
/* links: kernel/io/acpi_parse.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/io/acpi_parse.h"

/* Builds a table in `buf` behind `used`; the sanitizers see any read past its end, as tests
 * hand parsers a copy of exactly the right size. */
struct builder {
	uint8_t buf[1024];
	size_t used;
};

static void put(struct builder *b, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		b->buf[b->used++] = (uint8_t)(value >> 8 * i);
}

static void set(struct builder *b, size_t at, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		b->buf[at + i] = (uint8_t)(value >> 8 * i);
}

typedef void (*parser)(const uint8_t *, size_t, struct acpi_machine *);

static void parse(parser fn, const struct builder *b, size_t bytes, struct acpi_machine *m)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	memcpy(copy, b->buf, bytes);
	fn(copy, bytes, m);
	free(copy);
}

static void put_local_apic(struct builder *b, uint8_t id, uint32_t flags)
{
	put(b, 2, 0x0800);
	put(b, 1, 0);
	put(b, 1, id);
	put(b, 4, flags);
}

static void put_x2apic(struct builder *b, uint32_t id, uint32_t flags)
{
	put(b, 4, 0x1009);
	put(b, 4, id);
	put(b, 4, flags);
	put(b, 4, 0);
}

static void put_override(struct builder *b, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	put(b, 3, 0x0a02);
	put(b, 1, irq);
	put(b, 4, gsi);
	put(b, 2, flags);
}

static struct builder make_madt(void)
{
	struct builder b = {.used = 44};

	put_local_apic(&b, 0, 1);
	put_local_apic(&b, 4, 0); /* disabled */
	put_local_apic(&b, 2, 1);
	put_local_apic(&b, 0xff, 1); /* no CPU can have this ID */
	put(&b, 4, 0x0c01);	     /* I/O APIC */
	put(&b, 4, 0xfec00000);
	put(&b, 4, 24);
	put_override(&b, 0, 2, 0);
	put_override(&b, 9, 9, 0xf);   /* level, low */
	put_override(&b, 200, 9, 0xf); /* no ISA interrupt */
	put(&b, 6, 0x0604);	       /* NMI entry: of no interest */
	put_x2apic(&b, 0x123, 1);
	put_x2apic(&b, 2, 1); /* listed already */
	put_x2apic(&b, 0xffffffff, 1);
	return b;
}

static void madt_lists_cpus_and_interrupts(void **state)
{
	struct builder b = make_madt();
	struct acpi_machine m = {0};

	(void)state;
	parse(acpi_parse_madt, &b, b.used, &m);
	assert_int_equal(m.cpu_count, 3);
	assert_int_equal(m.apic_ids[0], 0);
	assert_int_equal(m.apic_ids[1], 2);
	assert_int_equal(m.apic_ids[2], 0x123);
	assert_int_equal(m.ioapic_count, 1);
	assert_int_equal(m.ioapics[0].phys, 0xfec00000);
	assert_int_equal(m.ioapics[0].gsi_base, 24);
	assert_int_equal(m.isa[0].gsi, 2);
	assert_false(m.isa[0].level);
	assert_int_equal(m.isa[4].gsi, 4);
	assert_true(m.isa[9].level && m.isa[9].active_low);
}

/* Interrupt 15 is the last of ISA's; what is said of 16, the first that is none, changes
 * nothing of all that is known. Trigger and polarity are told apart. */
static void overrides_are_of_isa_interrupts(void **state)
{
	static const struct {
		uint16_t flags;
		bool low, level;
	} cases[] = {
		{0x0, false, false}, /* as the bus has it: high, edge */
		{0x1, false, false},  {0x3, true, false}, {0x2, false, false},
		{0x4, false, false},  {0xc, false, true}, {0x8, false, false},
		{0xd, false, true},   {0x7, true, false}, {0xf, true, true},
		{0x10, false, false}, /* reserved */
	};

	(void)state;
	for (unsigned irq = 0; irq < 256; irq++) {
		struct builder b = {.used = 44};
		struct acpi_machine m, plain;

		memset(&m, 0x5a, sizeof(m));
		m.cpu_count = m.ioapic_count = 0;
		plain = m;
		put_x2apic(&b, 7, 1);
		parse(acpi_parse_madt, &b, b.used, &plain);
		put_override(&b, (uint8_t)irq, 0x77, 0xd);
		parse(acpi_parse_madt, &b, b.used, &m);
		if (irq < ACPI_ISA_IRQS) {
			assert_int_equal(m.isa[irq].gsi, 0x77);
			m.isa[irq] = plain.isa[irq];
		}
		assert_memory_equal(&m, &plain, sizeof(m));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct builder b = {.used = 44};
		struct acpi_machine m = {0};

		put_override(&b, 3, 3, cases[i].flags);
		parse(acpi_parse_madt, &b, b.used, &m);
		assert_int_equal(m.isa[3].active_low, cases[i].low);
		assert_int_equal(m.isa[3].level, cases[i].level);
	}
}

/* As many I/O APICs as there is room for, and one more. */
static void io_apics_beyond_the_last_are_left_out(void **state)
{
	struct builder b = {.used = 44};
	struct acpi_machine m = {0};

	(void)state;
	for (uint32_t i = 0; i <= ACPI_IOAPICS_MAX; i++) {
		put(&b, 4, 0x0c01);
		put(&b, 4, 0xfec00000 + i);
		put(&b, 4, 24 * i);
		m = (struct acpi_machine){0};
		parse(acpi_parse_madt, &b, b.used, &m);
		assert_int_equal(m.ioapic_count, MIN(i + 1, (uint32_t)ACPI_IOAPICS_MAX));
		assert_int_equal(m.ioapics[m.ioapic_count - 1].phys,
				 0xfec00000 + m.ioapic_count - 1);
		assert_int_equal(m.isa[0].gsi, 0);
	}
}

static void madt_cut_anywhere_is_survived(void **state)
{
	struct builder b = make_madt();

	(void)state;
	for (size_t bytes = 0; bytes <= b.used; bytes++) {
		struct acpi_machine m = {0};

		parse(acpi_parse_madt, &b, bytes, &m);
		assert_true(m.cpu_count <= 3);
	}
}

static void madt_with_too_much_is_survived(void **state)
{
	struct builder b = {.used = 44};
	struct acpi_machine m = {0};

	(void)state;
	put_x2apic(&b, 0, 1);
	for (uint32_t i = 0; i < CPU_MAX + 3; i++) {
		set(&b, 44 + 4, 4, i);
		parse(acpi_parse_madt, &b, b.used, &m);
	}
	assert_int_equal(m.cpu_count, CPU_MAX);
	assert_int_equal(m.cpus_ignored, 3);

	/* An entry of length 0 must not be walked for ever. */
	set(&b, 45, 1, 0);
	parse(acpi_parse_madt, &b, b.used, &m);
}

static void fadt_prefers_the_newer_fields(void **state)
{
	struct builder b = {.used = 0};
	struct acpi_machine m = {0};

	(void)state;
	set(&b, 40, 4, 0x7fe0000);
	set(&b, 48, 4, 0xb2);
	set(&b, 52, 1, 0xf1);
	set(&b, 64, 4, 0x604);
	set(&b, 76, 4, 0x608);
	set(&b, 108, 1, 0x32);
	parse(acpi_parse_fadt, &b, 116, &m); /* ACPI 1.0 */
	assert_int_equal(m.dsdt_phys, 0x7fe0000);
	assert_int_equal(m.smi_command_port, 0xb2);
	assert_int_equal(m.acpi_enable, 0xf1);
	assert_int_equal(m.pm1a_control.address, 0x604);
	assert_true(m.pm1a_control.io);
	assert_int_equal(m.pm_timer.address, 0x608);
	assert_false(m.pm_timer_32bit);
	assert_int_equal(m.rtc_century, 0x32);
	assert_int_equal(m.reset.address, 0);

	set(&b, 112, 4, 1 << 8 | 1 << 10);
	set(&b, 116, 1, 1); /* reset register: I/O */
	set(&b, 120, 8, 0xcf9);
	set(&b, 128, 1, 0x0f);
	set(&b, 140, 8, 0x1234567890);
	set(&b, 208, 1, 0); /* PM timer: memory */
	set(&b, 212, 8, 0xfe000008);
	parse(acpi_parse_fadt, &b, 244, &m);
	assert_int_equal(m.dsdt_phys, 0x1234567890);
	assert_int_equal(m.reset.address, 0xcf9);
	assert_true(m.reset.io);
	assert_int_equal(m.reset_value, 0x0f);
	assert_true(m.pm_timer_32bit);
	assert_int_equal(m.pm_timer.address, 0xfe000008);
	assert_false(m.pm_timer.io);
	for (size_t bytes = 0; bytes < 244; bytes++)
		parse(acpi_parse_fadt, &b, bytes, &m);
}

static void mcfg_and_hpet(void **state)
{
	struct builder b = {.used = 44};
	struct acpi_machine m = {0};

	(void)state;
	put(&b, 8, 0xe0000000);
	put(&b, 4, 0xff000000);
	put(&b, 4, 0);
	put(&b, 8, 0xd0000000); /* last bus below the first: ignored */
	put(&b, 4, 0x00010000);
	put(&b, 4, 0);
	parse(acpi_parse_mcfg, &b, 43, &m);
	parse(acpi_parse_mcfg, &b, 59, &m);
	assert_int_equal(m.segment_count, 0);
	parse(acpi_parse_mcfg, &b, b.used, &m);
	assert_int_equal(m.segment_count, 1);
	assert_int_equal(m.segments[0].phys, 0xe0000000);
	assert_int_equal(m.segments[0].bus_first, 0);
	assert_int_equal(m.segments[0].bus_last, 255);

	set(&b, 40, 1, 0);
	set(&b, 44, 8, 0xfed00000);
	parse(acpi_parse_hpet, &b, 51, &m);
	assert_int_equal(m.hpet_phys, 0);
	parse(acpi_parse_hpet, &b, 52, &m);
	assert_int_equal(m.hpet_phys, 0xfed00000);
}

static void s5_is_found_in_aml(void **state)
{
	static const struct {
		const char *aml;
		size_t bytes;
		bool known;
		uint8_t a, b;
	} cases[] = {
#define AML(text) text, sizeof(text) - 1
		{AML("\x08_S5_\x12\x06\x04\x0a\x05\x0a\x06\x00\x00"), true, 5, 6},
		{AML("xx\x08\\_S5_\x12\x06\x04\x00\x01\x00\x00"), true, 0, 1},
		{AML("\x08_S5_\x12\x47\x00\x04\x0a\x07\x0a\x07"), true, 7, 7},
		{AML("\x08_S5_\x12\x02\x01\x0a\x03"), true, 3, 3},
		{AML("\x08_S5_\x12\x06\x04\x0a\x08\x0a\x06"), false, 0, 0}, /* three bits */
		{AML("z_S5_\x12\x06\x04\x0a\x05\x0a\x06"), false, 0, 0},    /* a reference */
		{AML("\x08_S5_\x11\x06\x04\x0a\x05\x0a\x06"), false, 0, 0}, /* a buffer */
		{AML("z_S5_\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05"), true, 5, 5},
		{AML("\x08_S5_\x12\x06\x04\x0a"), false, 0, 0},
		{AML("\x08_S5_\x12"), false, 0, 0},
		{AML("\x08_S5_"), false, 0, 0},
		{AML(""), false, 0, 0},
#undef AML
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct acpi_machine m = {0};
		struct builder b = {.used = cases[i].bytes};

		memcpy(b.buf, cases[i].aml, cases[i].bytes);
		parse(acpi_parse_s5, &b, b.used, &m);
		assert_int_equal(m.s5_known, cases[i].known);
		assert_int_equal(m.s5_type_a, cases[i].a);
		assert_int_equal(m.s5_type_b, cases[i].b);
	}
}

static void checksum(void **state)
{
	static const uint8_t good[] = {1, 2, 253}, bad[] = {1, 2, 254};

	(void)state;
	assert_true(acpi_checksum_ok(good, sizeof(good)));
	assert_false(acpi_checksum_ok(bad, sizeof(bad)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(madt_lists_cpus_and_interrupts),
		cmocka_unit_test(madt_cut_anywhere_is_survived),
		cmocka_unit_test(madt_with_too_much_is_survived),
		cmocka_unit_test(fadt_prefers_the_newer_fields),
		cmocka_unit_test(overrides_are_of_isa_interrupts),
		cmocka_unit_test(io_apics_beyond_the_last_are_left_out),
		cmocka_unit_test(mcfg_and_hpet),
		cmocka_unit_test(s5_is_found_in_aml),
		cmocka_unit_test(checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
