/*
 * Unpacking kernels: what gzip packed comes back; and whatever is done to a file, it is refused
 * with a reason, never written beyond what it claims, never read beyond its end (the address
 * sanitizer watches: each file is a heap block of its size), and nothing stays allocated.
 */
/* links: guests/boot/gzip.c guests/boot/boot.c tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guests/boot/gzip.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"

#define BYTES (3 * MIB + 5)

static unsigned yields, allocations, allocation_fails;

void thread_yield(void)
{
	yields++;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (allocation_fails && !--allocation_fails)
		return NULL;
	allocations++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	allocations -= p != NULL;
	free(p);
}

static uint8_t *plain; /* BYTES of it: half noise, half patterns */
static struct boot_image packed;
static char why[BOOT_WHY_BYTES];

/* Packs the first `bytes` of `plain`, as `options` say. */
static struct boot_image pack(size_t bytes, const char *options)
{
	char name[] = P_tmpdir "/test_gzip.XXXXXX", command[200];
	struct boot_image file = {0};
	int fd = mkstemp(name);
	uint8_t *data = malloc(BYTES + 10000);
	FILE *pipe;

	assert_true(fd >= 0 && data);
	assert_int_equal(write(fd, plain, bytes), bytes);
	close(fd);
	snprintf(command, sizeof(command), "gzip -c %s %s", options, name);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	file.bytes = fread(data, 1, BYTES + 10000, pipe);
	assert_int_equal(pclose(pipe), 0);
	unlink(name);
	file.data = realloc(data, file.bytes);
	return file;
}

/* As gzip_unpack(), on a copy of exactly these bytes. */
static int unpack(const uint8_t *data, size_t bytes, struct boot_image *out)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);
	unsigned before = allocations;
	int error;

	memcpy(copy, data, bytes);
	why[0] = '\0';
	error = gzip_unpack(&(struct boot_image){copy, bytes}, NULL, out, why);
	free(copy);
	if (error) {
		assert_true(why[0]);
		assert_null(out->data);
		assert_int_equal(allocations, before);
	} else {
		assert_int_equal(allocations, before + 1);
	}
	return error;
}

static void assert_unpacks(const struct boot_image *file, size_t bytes)
{
	struct boot_image out;

	assert_true(gzip_probe(file));
	assert_int_equal(unpack(file->data, file->bytes, &out), 0);
	assert_int_equal(out.bytes, bytes);
	assert_memory_equal(out.data, plain, bytes);
	heap_free((void *)out.data);
}

static void test_lengths(void **state)
{
	/* Around a piece, and the least. */
	static const size_t lengths[] = {0, 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, BYTES};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++)
		for (unsigned level = 1; level <= 9; level += 4) {
			char options[4] = {'-', (char)('0' + level), 0};
			struct boot_image file = pack(lengths[i], options);

			yields = 0;
			assert_unpacks(&file, lengths[i]);
			assert_true(yields >= lengths[i] / (256 * KIB));
			free((void *)file.data);
		}
}

static void test_every_truncation(void **state)
{
	struct boot_image out;

	(void)state;
	for (size_t bytes = 0; bytes < packed.bytes; bytes++)
		assert_int_equal(unpack(packed.data, bytes, &out), -ENOEXEC);
}

/* A bit that is changed is found, but for the few that mean nothing (FTEXT; what fills the last
 * byte), and those of the header that say when and where it was packed. */
static void test_every_byte_counts(void **state)
{
	uint8_t *bad = malloc(packed.bytes);
	unsigned refused = 0, harmless = 0;
	struct boot_image out;

	(void)state;
	memcpy(bad, packed.data, packed.bytes);
	for (size_t at = 0; at < packed.bytes; at++) {
		if (at >= 4 && at < 10) /* MTIME, XFL, OS */
			continue;
		for (unsigned bit = 0; bit < 8; bit += 3) {
			int error;

			bad[at] ^= 1 << bit;
			error = unpack(bad, packed.bytes, &out);
			if (error) {
				assert_int_equal(error, -ENOEXEC);
				refused++;
			} else {
				assert_int_equal(out.bytes, 5000);
				assert_memory_equal(out.data, plain, 5000);
				heap_free((void *)out.data);
				harmless++;
			}
			bad[at] ^= 1 << bit;
		}
	}
	free(bad);
	assert_true(refused > 1000 && harmless < 4);
}

static void test_limits(void **state)
{
	uint8_t *bad = malloc(packed.bytes + 1);
	struct boot_image out;
	uint32_t length = GZIP_BYTES_MAX;

	(void)state;
	memcpy(bad, packed.data, packed.bytes);
	memcpy(bad + packed.bytes - 4, &length, 4);
	assert_int_equal(unpack(bad, packed.bytes, &out), -ENOEXEC);
	assert_non_null(strstr(why, "damaged"));
	length++;
	memcpy(bad + packed.bytes - 4, &length, 4);
	assert_int_equal(unpack(bad, packed.bytes, &out), -ENOEXEC);
	assert_non_null(strstr(why, "gunzip"));
	free(bad);
}

/* Header and trailer are the least that a file has which is taken for gzip'd, and damaged. */
static void test_probe(void **state)
{
	struct boot_image out;

	(void)state;
	assert_false(gzip_probe(&(struct boot_image){packed.data, 17}));
	assert_true(gzip_probe(&(struct boot_image){packed.data, 18}));
	assert_int_equal(unpack(packed.data, 18, &out), -ENOEXEC);
}

/* What follows the stream is not its length: a kernel must not be longer than was packed. */
static void test_trailing_bytes(void **state)
{
	uint32_t lengths[] = {5001, 4999};
	uint8_t *longer = malloc(packed.bytes + 4);
	struct boot_image out;

	(void)state;
	memcpy(longer, packed.data, packed.bytes);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		memcpy(longer + packed.bytes, &lengths[i], 4);
		assert_int_equal(unpack(longer, packed.bytes + 4, &out), -ENOEXEC);
		assert_non_null(strstr(why, "its length is wrong"));
	}
	free(longer);
}

static void test_each_allocation_may_fail(void **state)
{
	struct boot_image out;
	struct boot_image file = pack(BYTES, "-1");
	unsigned n = 0;
	int error;

	(void)state;
	do {
		allocation_fails = ++n;
		error = unpack(file.data, file.bytes, &out);
		allocation_fails = 0;
		assert_true(error == 0 || error == -ENOMEM);
	} while (error);
	heap_free((void *)out.data);
	free((void *)file.data);
	assert_int_equal(n - 1, 3); /* the kernel, zlib's state, its window */
}

static int set_up(void **state)
{
	(void)state;
	plain = malloc(BYTES);
	srand(1);
	for (size_t i = 0; i < BYTES; i++)
		plain[i] = (uint8_t)(i % 4096 < 2048 ? (size_t)rand() : (i >> 5) * 3);
	packed = pack(5000, "-9n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(plain);
	free((void *)packed.data);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_trailing_bytes),
		cmocka_unit_test(test_each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
