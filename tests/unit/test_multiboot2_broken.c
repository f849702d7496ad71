/*
 * Multiboot2 kernels that are damaged, are refused with a reason and never read beyond their
 * end; and where a header may be.
 */
/* links: guests/multiboot/load.c guests/multiboot/image.c guests/multiboot/info.c */
/* links: guests/multiboot/elf.c guests/multiboot/header2.c guests/multiboot/info2.c */
/* links: guests/multiboot/place.c guests/multiboot/check.c */
/* links: guests/boot/boot.c guests/boot/e820.c tests/unit/fake_gmem.c */
#include "tests/unit/multiboot2_image.h"

#define EHDR(field) offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define PHDR(field) \
	sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, field), sizeof(((Elf64_Phdr *)0)->field)
#define HEAD(word) HEADER_AT + 4 * (word), 4

static const struct {
	unsigned offset, bytes;
	uint64_t value;
	const char *why;
} damages[] = {
	{HEAD(0), 0, "no Multiboot2 header"},
	{HEAD(3), 0, "no Multiboot2 header"},
	{EHDR(e_type), ET_DYN, NULL},
	{EHDR(e_type), ET_REL, "executable"},
	{EHDR(e_phentsize), 32, "not 56"},
	{EHDR(e_phoff), UINT64_MAX, "program headers"},
	{EHDR(e_phoff), IMAGE_BYTES - 55, "program headers"},
	{EHDR(e_phnum), 0xffff, "program headers"},
	{EHDR(e_phnum), 0, "in none of its segments"},
	{EHDR(e_entry), UINT64_MAX, "in none of its segments"},
	{EHDR(e_entry), KERNEL_GPA, NULL}, /* already physical */
	{EHDR(e_entry), 4 * GIB, "in none of its segments"},
	{EHDR(e_entry), 4 * GIB - 1, NULL},
	{EHDR(e_shnum), 0, NULL},
	{EHDR(e_shnum), 0xffff, NULL},
	{EHDR(e_shoff), UINT64_MAX, NULL},
	{EHDR(e_shentsize), 40, NULL},
	{EHDR(e_shstrndx), 4, NULL},
	{PHDR(p_offset), UINT64_MAX, "outside of its file"},
	{PHDR(p_filesz), UINT64_MAX, "outside of its file"},
	{PHDR(p_filesz), IMAGE_BYTES - CODE_AT + 1, "outside of its file"},
	{PHDR(p_memsz), CODE_BYTES - 1, "longer in the file"},
	{PHDR(p_memsz), UINT64_MAX, "above 4 GiB"},
	{PHDR(p_memsz), 4 * GIB, "above 4 GiB"},
	{PHDR(p_paddr), 4 * GIB - MEMORY_BYTES + 1, "above 4 GiB"},
	{PHDR(p_paddr), 4 * GIB - MEMORY_BYTES, "up to 0xc0000000"},
	{PHDR(p_paddr), UINT64_MAX, "above 4 GiB"},
	{PHDR(p_paddr), 0xf0000, "reserved"},
};

static void test_damage(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(damages); i++) {
		int error;

		make_elf();
		memcpy(image + damages[i].offset, &damages[i].value, damages[i].bytes);
		error = load(16 * MIB, NULL);
		if (!damages[i].why != !error || (error && !strstr(why, damages[i].why)))
			fail_msg("%u: error %d, \"%s\"", i, error, why);
		assert_true(!error || !fake.written_high);
		fake_gmem_fini(&fake);
	}
}

static void test_other_headers(void **state)
{
	uint32_t *header = (uint32_t *)(image + HEADER_AT);

	(void)state;
	make_elf();
	header[1] = 4; /* MIPS */
	header[3] -= 4;
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	assert_non_null(strstr(why, "architecture 4"));
	fake_gmem_fini(&fake);
	header[1] = 0;
	header[2] = IMAGE_BYTES - HEADER_AT + 1;
	header[3] = -(MAGIC + header[2]);
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	assert_non_null(strstr(why, "inside its Multiboot2 header"));
	fake_gmem_fini(&fake);
	header[2] = 15;
	header[3] = -(MAGIC + header[2]);
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	fake_gmem_fini(&fake);
	header[2] = 16; /* no tag, not even an end */
	header[3] = -(MAGIC + header[2]);
	assert_int_equal(load(16 * MIB, NULL), 0);
	fake_gmem_fini(&fake);
}

static void test_truncation_and_random_damage(void **state)
{
	unsigned loaded = 0, rounds = 20000;

	(void)state;
	make_elf();
	for (size_t bytes = 0; bytes < CODE_AT + CODE_BYTES; bytes++) {
		assert_int_equal(load_image(load_2, 16 * MIB, image, bytes, NULL), -ENOEXEC);
		fake_gmem_fini(&fake);
	}
	srand(1);
	for (unsigned round = 0; round < rounds; round++) {
		make_elf();
		PUT_HEADER({10, 0, 24, {0, 0xffffffff, 0x1000, round % 3}});
		for (int n = rand() % 4; n >= 0; n--)
			image[(unsigned)rand() % 2 ? (unsigned)rand() % 120
						   : HEADER_AT + 16 + (unsigned)rand() % 32] =
				(uint8_t)rand();
		loaded += !load(16 * MIB, NULL);
		fake_gmem_fini(&fake);
	}
	assert_in_range(loaded, rounds / 20, rounds * 19 / 20); /* both ways were tried */
}

static void test_each_step_may_fail(void **state)
{
	static const uint8_t data[100];
	struct boot_source source = {.cmdline = "", .initrd = {data, sizeof(data)}};

	(void)state;
	make_elf();
	assert_int_equal(fail_each_write(load_2, image, sizeof(image), &source), 4);
	assert_int_equal(fail_each_allocation(load_2, image, sizeof(image), &source), 2);
	source.rsdp = 64 * MIB; /* not RAM */
	assert_int_equal(load(64 * MIB, &source), -EFAULT);
	fake_gmem_fini(&fake);
}

/* The header is at a multiple of 8 bytes, and whole within 32 KiB (3.1.1). */
static void test_where_a_header_is(void **state)
{
	static const uint32_t header[] = {MAGIC, 0, 16, -(MAGIC + 16)};
	static const struct {
		size_t at;
		bool found;
	} places[] = {{0, true},  {8, true},	      {4, false},
		      {2, false}, {32768 - 16, true}, {32768 - 8, false}};
	uint8_t *file = calloc(1, 33000);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		memset(file, 0, 33000);
		memcpy(file + places[i].at, header, sizeof(header));
		assert_int_equal(
			multiboot_probe(&(struct boot_image){file, 33000}, MULTIBOOT_2),
			places[i].found);
	}
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_a_header_is),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_other_headers),
		cmocka_unit_test(test_truncation_and_random_damage),
		cmocka_unit_test(test_each_step_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
