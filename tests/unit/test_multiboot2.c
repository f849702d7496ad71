/*
 * Multiboot2, and what both versions have of 64-bit ELF files, on kernels that are made here:
 * what their headers may ask for, where they are put, and each tag that they find. Damaged ones
 * are test_multiboot2_broken.c's.
 */
/* links: guests/multiboot/load.c guests/multiboot/image.c guests/multiboot/info.c */
/* links: guests/multiboot/elf.c guests/multiboot/header2.c guests/multiboot/info2.c */
/* links: guests/multiboot/place.c guests/multiboot/check.c */
/* links: guests/boot/boot.c guests/boot/e820.c tests/unit/fake_gmem.c */
#include "tests/unit/multiboot2_image.h"

static void test_start(void **state)
{
	(void)state;
	make_elf();
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_memory_equal(fake.ram + KERNEL_GPA, image + CODE_AT, CODE_BYTES);
	assert_int_equal(fake.ram[KERNEL_GPA + CODE_BYTES], 0);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x10);
	assert_int_equal(entry.regs[RAX], 0x36d76289);
	assert_int_equal(entry.state.regs[REG_CR0] & 0x80000001, 1);
	assert_int_equal(entry.state.regs[REG_EFER], 0);
	fake_gmem_fini(&fake);
}

static void test_information(void **state)
{
	static const uint8_t first[] = "one", second[4097] = {7};
	const struct boot_module module = {{second, sizeof(second)}, "second one"};
	const struct boot_source source = {
		.name = "kernel",
		.cmdline = "a b",
		.initrd = {first, sizeof(first)},
		.modules = &module,
		.module_count = 1,
	};
	const uint32_t *tag;

	(void)state;
	make_elf();
	assert_int_equal(load(5 * GIB, &source), 0);
	assert_string_equal((const char *)(find_tag(1) + 2), "kernel a b");
	assert_string_equal((const char *)(find_tag(2) + 2), "Bulkhead");
	tag = find_tag(3);
	assert_string_equal((const char *)(tag + 4), "initrd");
	assert_int_equal(tag[2] % PAGE_BYTES, 0);
	assert_int_equal(tag[3] - tag[2], sizeof(first));
	assert_memory_equal(fake.ram + tag[2], first, sizeof(first));
	tag += ALIGN_UP(tag[1], 8u) / 4;
	assert_int_equal(tag[0], 3);
	assert_string_equal((const char *)(tag + 4), "second one");
	assert_memory_equal(fake.ram + tag[2], second, sizeof(second));
	tag = find_tag(4);
	assert_int_equal(tag[2], 639);
	assert_int_equal(tag[3], (GMEM_LOW_MAX - MIB) / 1024);
	tag = find_tag(6);
	assert_int_equal(tag[1], 16 + 5 * 24);
	assert_int_equal(tag[2], 24);
	assert_int_equal(tag[3], 0);
	assert_int_equal(tag[4 + 6 * 4 + 1], 1); /* the last begins at 4 GiB */
	assert_int_equal(tag[4 + 6 * 4 + 4], 1);
	assert_null(find_tag(14)); /* no ACPI tables, no framebuffer, not moved */
	assert_null(find_tag(15));
	assert_null(find_tag(8));
	assert_null(find_tag(21));
	fake_gmem_fini(&fake);
}

/* The ACPI root is copied out of the guest's memory, where it was put before. */
static int load_with_rsdp(struct gmem *gm, const struct boot_source *source,
			  struct vcpu_entry *into, char *reason)
{
	memcpy(fake.ram + 0xf0000, "RSD PTR 012345678901234567890123456", 36);
	return load_2(gm, source, into, reason);
}

static void test_acpi(void **state)
{
	const struct boot_source source = {.cmdline = "", .rsdp = 0xf0000};

	(void)state;
	make_elf();
	assert_int_equal(load_image(load_with_rsdp, 16 * MIB, image, sizeof(image), &source),
			 0);
	assert_int_equal(find_tag(14)[1], 8 + 20);
	assert_memory_equal(find_tag(14) + 2, "RSD PTR 0123456789012345678901234567", 20);
	assert_int_equal(find_tag(15)[1], 8 + 36);
	assert_memory_equal(find_tag(15) + 2, fake.ram + 0xf0000, 36);
	fake_gmem_fini(&fake);
}

static void check_sections(const Elf64_Shdr *sections)
{
	assert_int_equal(sections[1].sh_addr, KERNEL_VIRT);
	assert_int_equal(sections[2].sh_addr, 0);
	assert_true(sections[3].sh_addr >= KERNEL_GPA + MEMORY_BYTES);
	assert_memory_equal(fake.ram + sections[3].sh_addr, image + SYMBOLS_AT, SYMBOLS);
}

/* Section headers arrive, with the contents of those that have no place of their own. */
static void test_sections(void **state)
{
	const uint32_t *tag, *info;
	uint32_t header[3] = {0x1badb002, 0, -0x1badb002u};
	Elf64_Shdr sections[4];

	(void)state;
	make_elf();
	assert_int_equal(load(16 * MIB, NULL), 0);
	tag = find_tag(9);
	assert_int_equal(tag[2], 4);
	assert_int_equal(tag[3], 64);
	assert_int_equal(tag[4], 3);
	assert_int_equal(tag[1], 20 + sizeof(sections));
	memcpy(sections, tag + 5, sizeof(sections));
	check_sections(sections);
	fake_gmem_fini(&fake);

	/* Version 1 has them too, by reference. */
	memcpy(image + CODE_AT, header, sizeof(header));
	assert_int_equal(load_image(load_1, 16 * MIB, image, sizeof(image), NULL), 0);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x10);
	info = fake_gmem_at(&fake, entry.regs[RBX], uint32_t);
	assert_true(info[0] & BIT(5));
	assert_int_equal(info[7], 4);
	assert_int_equal(info[8], 64);
	assert_int_equal(info[10], 3);
	memcpy(sections, fake.ram + info[9], sizeof(sections));
	check_sections(sections);
	fake_gmem_fini(&fake);

	/* A kernel whose headers are damaged starts without. */
	((Elf64_Shdr *)(image + SECTIONS_AT))[3].sh_size = IMAGE_BYTES - SYMBOLS_AT;
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_non_null(find_tag(9));
	fake_gmem_fini(&fake);
	((Elf64_Shdr *)(image + SECTIONS_AT))[3].sh_size++;
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_null(find_tag(9));
	fake_gmem_fini(&fake);
}

/* Where a kernel that can be moved goes in 16 MiB: its first byte; 0: it is refused with `why`.
 */
static const struct {
	uint32_t min, max, align, preference;
	uint64_t base;
	const char *why;
} moves[] = {
	{0, 0xffffffff, 0x1000, 0, KERNEL_GPA, NULL}, /* it may stay */
	{0, 0xffffffff, 0x1000, 1, MIB, NULL},
	{0, 0xffffffff, 0x1000, 2, 16 * MIB - MEMORY_BYTES, NULL},
	{0, 0xffffffff, 2 * MIB, 2, 14 * MIB, NULL},
	{0, 0xffffffff, 8 * MIB, 0, 8 * MIB, NULL}, /* is not aligned as it asks */
	{6 * MIB, 0xffffffff, 1, 0, 6 * MIB, NULL},
	{6 * MIB + 1, 0xffffffff, 1, 1, 6 * MIB + PAGE_BYTES, NULL},
	{0, 3 * MIB, 0x1000, 0, MIB, NULL},
	{0, 3 * MIB, 0x1000, 2, 3 * MIB - MEMORY_BYTES, NULL},
	{0, MIB + MEMORY_BYTES, 0x1000, 2, MIB, NULL},
	{0, MIB + MEMORY_BYTES - 1, 0x1000, 2, 0, "does not fit between"},
	{16 * MIB - MEMORY_BYTES, 0xffffffff, 0x1000, 1, 16 * MIB - MEMORY_BYTES, NULL},
	{16 * MIB, 0xffffffff, 0x1000, 1, 0, "18 MiB at the least"},
	{0xffffffff, 0xffffffff, 0x1000, 1, 0, "does not fit between"},
	{0, 0xffffffff, 0, 0, 0, "alignment"},
	{0, 0xffffffff, 0x3000, 0, 0, "alignment"},
	{0, 0xffffffff, 0x80000000, 0, 0, "2050 MiB at the least"},
	{0, 0xffffffff, 0x1000, 3, 0, "preference"},
};

static void test_moving(void **state)
{
	static const uint8_t data[100] = {9};
	struct boot_source source = {.cmdline = "", .initrd = {data, sizeof(data)}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(moves); i++) {
		int error;

		make_elf();
		PUT_HEADER({10,
			    0,
			    24,
			    {moves[i].min, moves[i].max, moves[i].align, moves[i].preference}});
		if (!moves[i].base) /* what it is given would only add to it */
			source.initrd.bytes = 0;
		error = load(16 * MIB, &source);
		source.initrd.bytes = sizeof(data);
		if (!moves[i].base != (error != 0))
			fail_msg("%u: error %d, %s", i, error, why);
		if (error) {
			if (!strstr(why, moves[i].why))
				fail_msg("%u: \"%s\"", i, why);
		} else {
			assert_memory_equal(fake.ram + moves[i].base, image + CODE_AT,
					    CODE_BYTES);
			assert_int_equal(entry.rip, moves[i].base + 0x10);
			assert_int_equal(find_tag(21)[2], moves[i].base);
			assert_true(find_tag(3)[3] <= moves[i].base ||
				    find_tag(3)[2] >= moves[i].base + MEMORY_BYTES);
		}
		fake_gmem_fini(&fake);
	}
}

/* One tag of the header, and what becomes of it: NULL, it starts. */
static const struct {
	struct tag tag;
	const char *why;
} asked[] = {
	{{1, 0, 16, {4, 6}}, NULL},
	{{1, 0, 20, {1, 2, 9}}, NULL},
	{{1, 0, 24, {3, 14, 15, 21}}, NULL},
	{{1, 0, 16, {4, 8}}, "type 8"}, /* a framebuffer */
	{{1, 1, 16, {4, 8}}, NULL},
	{{1, 0, 12, {0}}, "type 0"},
	{{1, 0, 12, {7}}, "type 7"},
	{{1, 0, 12, {12}}, "type 12"},
	{{1, 0, 8, {0}}, NULL},
	{{2, 0, 24, {0}}, "no entry"},
	{{2, 0, 20, {0}}, "20 bytes long"},
	{{3, 0, 12, {KERNEL_GPA}}, NULL},
	{{3, 0, 8, {0}}, "8 bytes long"},
	{{4, 0, 12, {2}}, NULL},
	{{4, 0, 12, {1}}, "screen"},
	{{4, 1, 12, {1}}, NULL},
	{{5, 0, 20, {0}}, "framebuffer"},
	{{5, 1, 20, {0}}, NULL},
	{{6, 0, 8, {0}}, NULL},
	{{7, 0, 8, {0}}, "EFI"},
	{{7, 1, 8, {0}}, NULL},
	{{8, 0, 12, {0}}, NULL},
	{{9, 0, 12, {0}}, NULL},
	{{11, 0, 8, {0}}, "tag 11"},
	{{11, 1, 8, {0}}, NULL},
	{{6, 0, 7, {0}}, "7 bytes long"},
	{{6, 0, 0, {0}}, "0 bytes long"},
};

static void test_wishes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		int error;

		make_elf();
		PUT_HEADER(asked[i].tag);
		error = load(16 * MIB, NULL);
		if (!asked[i].why != !error || (error && !strstr(why, asked[i].why)))
			fail_msg("%u: error %d, \"%s\"", i, error, why);
		if (!error && asked[i].tag.type == 3)
			assert_int_equal(entry.rip, KERNEL_GPA);
		fake_gmem_fini(&fake);
	}
}

/* Addresses instead of ELF: from the header on, and from the file's beginning. */
static void test_flat(void **state)
{
	(void)state;
	make_elf();
	image[0] = 0; /* no ELF file any more */
	PUT_HEADER({2, 0, 24, {KERNEL_GPA, KERNEL_GPA, 0, KERNEL_GPA + MEMORY_BYTES}},
		   {3, 0, 12, {KERNEL_GPA + 0x40}});
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_memory_equal(fake.ram + KERNEL_GPA, image + HEADER_AT, IMAGE_BYTES - HEADER_AT);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x40);
	fake_gmem_fini(&fake);
	PUT_HEADER({2, 0, 24, {KERNEL_GPA + HEADER_AT, 0xffffffff, 0, 0}},
		   {3, 0, 12, {KERNEL_GPA}});
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_memory_equal(fake.ram + KERNEL_GPA, image, IMAGE_BYTES);
	fake_gmem_fini(&fake);
	PUT_HEADER({2, 0, 24, {HEADER_AT - 1, 0xffffffff, 0, 0}}, {3, 0, 12, {KERNEL_GPA}});
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	fake_gmem_fini(&fake);
	PUT_HEADER({3, 0, 12, {KERNEL_GPA}});
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	assert_non_null(strstr(why, "not an ELF file"));
	fake_gmem_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),  cmocka_unit_test(test_information),
		cmocka_unit_test(test_acpi),   cmocka_unit_test(test_sections),
		cmocka_unit_test(test_moving), cmocka_unit_test(test_wishes),
		cmocka_unit_test(test_flat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
