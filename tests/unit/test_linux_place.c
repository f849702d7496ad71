/*
 * Where the Linux loader puts kernels and initrds, and what it refuses: the last size of memory
 * that is too small, the first that is enough, and what it says of both.
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

/* A kernel that can be moved is not moved down: it would go up again by itself, to where there
 * is no memory. */
static void test_small_memory(void **state)
{
	uint8_t image[IMAGE_BYTES];
	struct setup_header *header = (void *)(image + SETUP_HEADER_OFFSET);

	(void)state;
	for (unsigned relocatable = 0; relocatable < 2; relocatable++) {
		make_image(image);
		header->relocatable_kernel = (uint8_t)relocatable;
		assert_int_equal(load_bytes(18 * MIB, image, sizeof(image), NULL), 0);
		assert_int_equal(entry.rip, PREF_ADDRESS + 0x200);
		fake_gmem_fini(&fake);
		for (uint64_t ram = 2 * MIB; ram < 18 * MIB; ram += 2 * MIB) {
			assert_int_equal(load_bytes(ram, image, sizeof(image), NULL), -ENOSPC);
			assert_non_null(strstr(why, "2048 KiB at 0x1000000"));
			assert_non_null(strstr(why, "18 MiB at the least"));
			assert_int_equal(fake.written_high, 0);
			fake_gmem_fini(&fake);
		}
	}
	/* It wants to lie where no guest has memory. */
	header->pref_address = GMEM_LOW_MAX + PAGE_2M;
	assert_int_equal(load_bytes(8 * GIB, image, sizeof(image), NULL), -ENOEXEC);
	fake_gmem_fini(&fake);
	header->pref_address = GMEM_LOW_MAX;
	assert_int_equal(load_bytes(8 * GIB, image, sizeof(image), NULL), -ENOSPC);
	assert_non_null(strstr(why, "up to 0xc0000000"));
	fake_gmem_fini(&fake);
	header->pref_address = GMEM_LOW_MAX - INIT_SIZE;
	assert_int_equal(load_bytes(8 * GIB, image, sizeof(image), NULL), 0);
	fake_gmem_fini(&fake);
}

/* Below 1 MiB, or amid the alignment it asks for, a kernel that can be moved is; another is
 * refused. */
static void test_preferred_address(void **state)
{
	uint8_t image[IMAGE_BYTES];
	struct setup_header *header = (void *)(image + SETUP_HEADER_OFFSET);

	(void)state;
	make_image(image);
	header->pref_address = 0x10000;
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), NULL), 0);
	assert_int_equal(entry.rip, 2 * MIB + 0x200);
	fake_gmem_fini(&fake);
	header->pref_address = 5 * MIB;
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), NULL), 0);
	assert_int_equal(entry.rip, 6 * MIB + 0x200);
	fake_gmem_fini(&fake);
	header->relocatable_kernel = 0;
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), NULL), 0);
	assert_int_equal(entry.rip, 5 * MIB + 0x200);
	fake_gmem_fini(&fake);
	header->pref_address = MIB - 1;
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), NULL), -ENOEXEC);
	fake_gmem_fini(&fake);
	header->pref_address = MIB;
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), NULL), 0);
	fake_gmem_fini(&fake);
}

/* What some distributions' kernels ask for (all: 16 MiB preferred, 2 MiB aligned, movable), and
 * the first guest in steps of 2 MiB that such a kernel can start in, alone and with an initrd.
 */
static const struct {
	uint32_t init_size;
	unsigned initrd_mib;
	uint64_t least;
} real_headers[] = {
	{0x3378000, 0, 68 * MIB},			     /* Debian 12, cloud, 6.1 */
	{0x3378000, 12, 80 * MIB}, {0x3600000, 0, 70 * MIB}, /* sizes on a border */
	{0x3600000, 12, 82 * MIB}, {0x3601000, 0, 72 * MIB},
	{0x3c00000, 0, 76 * MIB}, /* the size of a 7.2 */
	{0x3c00000, 1, 78 * MIB},
};

static void test_real_headers(void **state)
{
	uint8_t image[IMAGE_BYTES], *initrd = calloc(1, 12 * MIB);
	struct setup_header *header = (void *)(image + SETUP_HEADER_OFFSET);

	(void)state;
	make_image(image);
	for (unsigned i = 0; i < ARRAY_SIZE(real_headers); i++) {
		uint64_t least = real_headers[i].least;
		struct boot_source source = {
			.cmdline = "", .initrd = {initrd, real_headers[i].initrd_mib * MIB}};
		char words[40];

		header->init_size = real_headers[i].init_size;
		snprintf(words, sizeof(words), "%u MiB at the least", (unsigned)(least / MIB));
		for (uint64_t ram = 2 * MIB; ram <= least + 8 * MIB; ram += 2 * MIB) {
			int error = load_bytes(ram, image, sizeof(image), &source);

			assert_int_equal(error, ram < least ? -ENOSPC : 0);
			assert_true(!error || strstr(why, words));
			fake_gmem_fini(&fake);
		}
	}
	free(initrd);
}

/* Where the initrd is put in a guest of 5 GiB. */
static uint64_t initrd_at(const uint8_t image[IMAGE_BYTES], const struct boot_source *source)
{
	uint64_t at;

	assert_int_equal(load_bytes(5 * GIB, image, IMAGE_BYTES, source), 0);
	at = fake_gmem_at(&fake, entry.regs[RSI], struct boot_params)->hdr.ramdisk_image;
	fake_gmem_fini(&fake);
	return at;
}

static void test_initrd_limits(void **state)
{
	uint8_t image[IMAGE_BYTES];
	struct setup_header *header = (void *)(image + SETUP_HEADER_OFFSET);
	uint8_t *initrd = calloc(1, 48 * MIB);
	struct boot_source source = {.initrd = {initrd, 4 * MIB}, .cmdline = ""};
	const struct boot_params *params;

	(void)state;
	make_image(image);
	header->initrd_addr_max = 32 * MIB - 1;
	assert_int_equal(load_bytes(5 * GIB, image, sizeof(image), &source), 0);
	params = fake_gmem_at(&fake, entry.regs[RSI], struct boot_params);
	assert_int_equal(params->hdr.ramdisk_image, 28 * MIB);
	assert_int_equal(params->e820_entries, 5);
	fake_gmem_fini(&fake);

	/* From the kernel's end at 18 MiB to the limit it just fits; then only below it. */
	header->initrd_addr_max = 22 * MIB - 1;
	assert_int_equal(initrd_at(image, &source), 18 * MIB);
	header->initrd_addr_max = 22 * MIB - 2;
	assert_int_equal(initrd_at(image, &source), 12 * MIB);
	header->initrd_addr_max = 16 * MIB - 1;
	assert_int_equal(initrd_at(image, &source), 12 * MIB);
	header->initrd_addr_max = 5 * MIB - 1;
	assert_int_equal(initrd_at(image, &source), MIB);
	header->initrd_addr_max = 5 * MIB - 2;
	assert_int_equal(load_bytes(5 * GIB, image, sizeof(image), &source), -ENOSPC);
	assert_non_null(strstr(why, "make it smaller"));
	fake_gmem_fini(&fake);

	header->initrd_addr_max = 0xffffffff;
	source.initrd.bytes = 48 * MIB;
	assert_int_equal(load_bytes(64 * MIB, image, sizeof(image), &source), -ENOSPC);
	assert_non_null(strstr(why, "initrd"));
	fake_gmem_fini(&fake);
	assert_int_equal(load_bytes(66 * MIB, image, sizeof(image), &source), 0);
	fake_gmem_fini(&fake);
	free(initrd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_memory),
		cmocka_unit_test(test_preferred_address),
		cmocka_unit_test(test_real_headers),
		cmocka_unit_test(test_initrd_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
