/*
 * The Linux loader on kernels that are made here: a sound one, whose every effect is checked,
 * and damaged ones, which must be refused with a reason and never read beyond their end (the
 * address sanitizer watches: each image is a heap block of exactly its size). Where kernels and
 * initrds go is test_linux_place.c's.
 */
/* links: guests/linux/load.c guests/linux/image.c guests/linux/place.c guests/boot/boot.c */
/* links: guests/boot/e820.c */
/* links: tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/linux_image.h"

static void test_places_everything(void **state)
{
	uint8_t image[IMAGE_BYTES], initrd[5000];
	struct boot_source source = {
		.initrd = {initrd, sizeof(initrd)},
		.cmdline = "console=ttyS0 quiet",
		.rsdp = RSDP,
	};
	const struct boot_params *params;
	uint32_t at;

	(void)state;
	make_image(image);
	memset(initrd, 0x5a, sizeof(initrd));
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), &source), 0);
	assert_memory_equal(fake.ram + PREF_ADDRESS, image + SETUP_BYTES, CODE_BYTES);
	assert_int_equal(entry.rip, PREF_ADDRESS + 0x200);

	params = fake_gmem_at(&fake, entry.regs[RSI], struct boot_params);
	assert_string_equal(fake.ram + params->hdr.cmd_line_ptr, "console=ttyS0 quiet");
	at = params->hdr.ramdisk_image;
	assert_int_equal(at, (64 * MIB - sizeof(initrd)) & ~0xfffull); /* as high as can be */
	assert_int_equal(params->hdr.ramdisk_size, sizeof(initrd));
	assert_memory_equal(fake.ram + at, initrd, sizeof(initrd));
	assert_int_equal(params->acpi_rsdp_addr, RSDP);
	assert_int_equal(params->hdr.type_of_loader, 0xff);
	assert_int_equal(params->hdr.version, 0x020f);
	assert_int_equal(params->e820_entries, 4);
	assert_int_equal(params->e820_table[2].base + params->e820_table[2].bytes, 64 * MIB);
	fake_gmem_fini(&fake);
}

/* Long mode, as its registers say and as the tables in memory say. */
static void test_entry_state(void **state)
{
	static const uint64_t probes[] = {0x7000, 0x20000, PREF_ADDRESS, 3 * GIB, 4 * GIB - 1};
	uint8_t image[IMAGE_BYTES];
	const uint64_t *gdt;

	(void)state;
	make_image(image);
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), NULL), 0);
	assert_int_equal(entry.rflags, 2);
	assert_int_equal(entry.state.regs[REG_CR0] & 0x80000001, 0x80000001);
	assert_int_equal(entry.state.regs[REG_CR4], 0x20);
	assert_int_equal(entry.state.regs[REG_EFER], 0x500);
	assert_true(entry.state.segs[SEG_CS].attributes & SEG_ATTR_LONG);
	assert_int_equal(entry.state.segs[SEG_CS].selector, 0x10);
	assert_int_equal(entry.state.segs[SEG_SS].selector, 0x18);

	gdt = fake_gmem_at(&fake, entry.state.gdtr.base, uint64_t);
	assert_int_equal(entry.state.gdtr.limit, 31);
	for (unsigned i = 2; i < 4; i++) /* attribute bits as struct vcpu_segment has them */
		assert_int_equal((gdt[i] >> 40 & 0xff) | (gdt[i] >> 44 & 0xf00),
				 entry.state.segs[i == 2 ? SEG_CS : SEG_DS].attributes);
	for (unsigned i = 0; i < ARRAY_SIZE(probes); i++) {
		uint64_t table = entry.state.regs[REG_CR3], e = 0;

		for (unsigned shift = 39; shift >= 21; shift -= 9) {
			e = fake_gmem_at(&fake, table, uint64_t)[probes[i] >> shift & 511];
			assert_int_equal(e & 3, 3);
			table = e & ~0xfffull;
		}
		assert_true(e & 0x80);
		assert_int_equal(e & ~(PAGE_2M - 1), probes[i] & ~(PAGE_2M - 1));
	}
	fake_gmem_fini(&fake);
}

/* A file of some MiB arrives whole, with others' turns between its pieces. */
static void test_large_initrd(void **state)
{
	uint8_t image[IMAGE_BYTES];
	const size_t bytes = 5 * MIB + 1;
	uint8_t *initrd = malloc(bytes);
	struct boot_source source = {.initrd = {initrd, bytes}, .cmdline = ""};
	const struct boot_params *params;

	(void)state;
	make_image(image);
	for (size_t i = 0; i < bytes; i++)
		initrd[i] = (uint8_t)(i * 7 + (i >> 16));
	yields = 0;
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), &source), 0);
	params = fake_gmem_at(&fake, entry.regs[RSI], struct boot_params);
	assert_memory_equal(fake.ram + params->hdr.ramdisk_image, initrd, bytes);
	assert_in_range(yields, 3, 10);
	fake_gmem_fini(&fake);
	free(initrd);
}

static void test_command_line_limit(void **state)
{
	char line[2049];
	struct boot_source source = {.cmdline = line};
	uint8_t image[IMAGE_BYTES];

	(void)state;
	make_image(image);
	memset(line, 'x', sizeof(line));
	line[2048] = '\0';
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), &source), -EINVAL);
	fake_gmem_fini(&fake);
	line[2047] = '\0';
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), &source), 0);
	fake_gmem_fini(&fake);
}

static void test_old_protocol_gets_no_rsdp(void **state)
{
	struct boot_source source = {.cmdline = "", .rsdp = RSDP};
	uint8_t image[IMAGE_BYTES];

	(void)state;
	make_image(image);
	((struct setup_header *)(image + SETUP_HEADER_OFFSET))->version = 0x020d;
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), &source), 0);
	assert_int_equal(
		fake_gmem_at(&fake, entry.regs[RSI], struct boot_params)->acpi_rsdp_addr, 0);
	fake_gmem_fini(&fake);
}

/* A kernel without a 64-bit entry, or of a protocol that had none, is entered by the 32-bit
 * protocol: at its first byte, paging off. */
static void test_32_bit_entry(void **state)
{
	static const struct {
		uint16_t version, xloadflags;
		bool wide;
	} cases[] = {
		{0x020f, SETUP_XLF_KERNEL_64, true},
		{0x020f, 0, false},
		{0x020c, SETUP_XLF_KERNEL_64, true},
		{0x020c, 4, false},
		{0x020b, SETUP_XLF_KERNEL_64, false}, /* means nothing yet */
		{0x020a, 0, false},
	};
	uint8_t image[IMAGE_BYTES];
	struct setup_header *header = (void *)(image + SETUP_HEADER_OFFSET);

	(void)state;
	make_image(image);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint64_t *gdt;

		header->version = cases[i].version;
		header->xloadflags = cases[i].xloadflags;
		assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), NULL), 0);
		assert_int_equal(entry.rip, PREF_ADDRESS + (cases[i].wide ? 0x200 : 0));
		assert_int_equal(entry.state.regs[REG_CR0] & 0x80000001,
				 cases[i].wide ? 0x80000001 : 1);
		assert_int_equal(entry.state.regs[REG_EFER], cases[i].wide ? 0x500 : 0);
		assert_int_equal(!!(entry.state.segs[SEG_CS].attributes & SEG_ATTR_LONG),
				 cases[i].wide);
		assert_int_equal(!!(entry.state.segs[SEG_CS].attributes & SEG_ATTR_DB),
				 !cases[i].wide);
		assert_int_equal(entry.state.segs[SEG_CS].selector, 0x10);
		assert_int_equal(entry.state.segs[SEG_DS].selector, 0x18);
		gdt = fake_gmem_at(&fake, entry.state.gdtr.base, uint64_t);
		assert_int_equal((gdt[2] >> 40 & 0xff) | (gdt[2] >> 44 & 0xf00),
				 entry.state.segs[SEG_CS].attributes);
		assert_int_equal(entry.regs[RBP] | entry.regs[RDI] | entry.regs[RBX], 0);
		assert_int_equal(entry.regs[RSI], 0x7000);
		fake_gmem_fini(&fake);
	}
}

/* The n-th write to the guest's memory, and the n-th allocation, fail: an error, with a reason,
 * and nothing stays allocated (the sanitizer watches). */
static void test_each_step_may_fail(void **state)
{
	uint8_t image[IMAGE_BYTES], initrd[5000] = {0};
	struct boot_source source = {.initrd = {initrd, sizeof(initrd)}, .cmdline = "x"};
	unsigned writes, allocations;

	(void)state;
	make_image(image);
	writes = fail_each_write(linux_load, image, sizeof(image), &source);
	allocations = fail_each_allocation(linux_load, image, sizeof(image), &source);
	assert_in_range(writes, 9, 20);
	assert_int_equal(allocations, 2);
}

#define FIELD(name)                                                \
	SETUP_HEADER_OFFSET + offsetof(struct setup_header, name), \
		sizeof(((struct setup_header *)0)->name)

static const struct {
	unsigned offset, bytes;
	uint64_t value;
	const char *why;
} damages[] = {
	{FIELD(boot_flag), 0, "not a Linux kernel"},
	{FIELD(header), 0x54726448, "not a Linux kernel"},
	{FIELD(version), 0x0209, "2.09"},
	{FIELD(version), 0x0203, "BIOS"}, /* memdisk */
	{FIELD(version), 0, "0.00"},
	{FIELD(jump_bytes), 0x20, "setup header"},
	{FIELD(jump_bytes), 0x65, "setup header"},
	{FIELD(setup_sects), 255, "setup code"},
	{FIELD(setup_sects), 4, "cut short"},
	{FIELD(setup_sects), 0, "cut short"}, /* stands for 4 */
	{FIELD(syssize), CODE_BYTES / 16 + 1, "cut short"},
	{FIELD(syssize), 0xffffffff, "cut short"},
	{FIELD(syssize), 0, "no code at its entry"},
	{FIELD(syssize), 0x20, "no code at its entry"},
	{FIELD(payload_offset), 0xffffffff, "payload"},
	{FIELD(payload_offset), CODE_BYTES, "payload"},
	{FIELD(payload_length), CODE_BYTES - 0x2ff, "payload"},
	{FIELD(payload_length), 0xffffffff, "payload"},
	{FIELD(loadflags), 0, "zImage"},
	{FIELD(kernel_alignment), 0, "alignment"},
	{FIELD(kernel_alignment), 0x300000, "alignment"},
	{FIELD(init_size), CODE_BYTES - 1, "less memory"},
	{FIELD(init_size), 0, "less memory"},
};

static void test_each_damage_is_named(void **state)
{
	uint8_t image[IMAGE_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(damages); i++) {
		make_image(image);
		memcpy(image + damages[i].offset, &damages[i].value, damages[i].bytes);
		assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), NULL), -ENOEXEC);
		if (!strstr(why, damages[i].why))
			fail_msg("damage %u: \"%s\" does not say \"%s\"", i, why,
				 damages[i].why);
		assert_int_equal(fake.written_high, 0); /* refused before anything changed */
		fake_gmem_fini(&fake);
	}
}

/* The last of each that is good, beside the first in `damages`. */
static const struct {
	unsigned offset, bytes;
	uint64_t value;
} limits[] = {
	{FIELD(version), 0x020a},
	{FIELD(jump_bytes), 0x66},
	{FIELD(syssize), CODE_BYTES / 16},
	{FIELD(syssize), 0x21}, /* one unit at the 64-bit entry; the payload is moved */
	{FIELD(payload_offset), 0x300},
	{FIELD(payload_length), CODE_BYTES - 0x300},
	{FIELD(kernel_alignment), 1},
	{FIELD(init_size), CODE_BYTES},
	{FIELD(cmdline_size), 0},
};

static void test_the_last_that_is_good(void **state)
{
	uint8_t image[IMAGE_BYTES];
	struct setup_header *header = (void *)(image + SETUP_HEADER_OFFSET);
	const unsigned header_end = SETUP_HEADER_OFFSET + 0x11 + 0x6a;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		make_image(image);
		if (limits[i].value == 0x21)
			header->payload_offset = header->payload_length = 0;
		memcpy(image + limits[i].offset, &limits[i].value, limits[i].bytes);
		if (load_bytes(64 * MIB, image, sizeof(image), NULL))
			fail_msg("limit %u: \"%s\"", i, why);
		fake_gmem_fini(&fake);
	}
	make_image(image);
	assert_int_equal(load_bytes(64 * MIB, image, header_end - 1, NULL), -ENOEXEC);
	assert_non_null(strstr(why, "inside its setup header"));
	fake_gmem_fini(&fake);
	assert_int_equal(load_bytes(64 * MIB, image, header_end, NULL), -ENOEXEC);
	assert_non_null(strstr(why, "inside its setup code"));
	fake_gmem_fini(&fake);
}

static void test_every_truncation_is_refused(void **state)
{
	uint8_t image[IMAGE_BYTES];

	(void)state;
	make_image(image);
	for (size_t bytes = 0; bytes <= IMAGE_BYTES - 16; bytes++) {
		assert_int_equal(load_bytes(64 * MIB, image, bytes, NULL), -ENOEXEC);
		fake_gmem_fini(&fake);
	}
}

/* Whatever the header says: refused, or loaded inside RAM. */
static void test_random_damage(void **state)
{
	uint8_t image[IMAGE_BYTES], initrd[100] = {0};
	struct boot_source source = {.initrd = {initrd, sizeof(initrd)}, .cmdline = "a"};
	unsigned loaded = 0, rounds = 20000;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < rounds; round++) {
		make_image(image);
		for (int n = rand() % 4; n >= 0; n--)
			image[SETUP_HEADER_OFFSET + rand() % 0x80] = rand();
		if (!load_bytes(64 * MIB, image, sizeof(image), &source)) {
			assert_true(gmem_is_ram(&fake.gm, entry.rip, 1));
			assert_true(entry.rip >= MIB);
			loaded++;
		}
		fake_gmem_fini(&fake);
	}
	assert_in_range(loaded, rounds / 20, rounds * 19 / 20); /* both ways were tried */
}

/* Debian's kernel, where `make samples` has fetched it. */
static void test_real_kernel(void **state)
{
	FILE *file = fopen("build/samples/vmlinuz", "rb");
	uint8_t *image = malloc(64 * MIB);
	size_t bytes;

	(void)state;
	if (!file) {
		free(image);
		skip();
	}
	bytes = fread(image, 1, 64 * MIB, file);
	fclose(file);
	assert_int_equal(load_bytes(256 * MIB, image, bytes, NULL), 0);
	assert_int_equal(entry.rip, 0x1000200);
	fake_gmem_fini(&fake);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places_everything),
		cmocka_unit_test(test_entry_state),
		cmocka_unit_test(test_32_bit_entry),
		cmocka_unit_test(test_each_step_may_fail),
		cmocka_unit_test(test_large_initrd),
		cmocka_unit_test(test_command_line_limit),
		cmocka_unit_test(test_old_protocol_gets_no_rsdp),
		cmocka_unit_test(test_each_damage_is_named),
		cmocka_unit_test(test_the_last_that_is_good),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_real_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
