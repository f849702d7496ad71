/*
 * A metadata text made to have the checksum and the length of another, which whoever writes to
 * one of a group's disks can do: it is not taken for that text.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c */
/* links: drivers/volume/lvm/disk.c drivers/volume/lvm/label.c */
/* links: drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c kernel/lib/crc32.c */
/* links: tests/unit/lvm_image.c kernel/lib/sort.c tests/unit/fake_turns.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "drivers/volume/lvm/scan.h"
#include "tests/unit/lvm_image.h"

#define TEXT_MAX 9000
#define FREE	 "#aaaabbbb\n" /* a comment behind the text */

static uint32_t checksum(const char *text)
{
	return lvm_crc(text, strlen(text) + 1);
}

static void put(char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* The 4 bytes at `at` in `text` that give it the checksum `wanted`: a CRC of texts of one
 * length is linear in each bit. */
static uint32_t solve(char *text, char *at, uint32_t wanted)
{
	uint32_t columns[32], bits[32], value = 0, left, base;

	put(at, 0xffffffff); /* without a NUL, which would end it */
	base = checksum(text);
	for (unsigned i = 0; i < 32; i++) {
		put(at, 0xffffffff ^ 1u << i);
		columns[i] = checksum(text) ^ base;
		bits[i] = 1u << i;
	}
	left = wanted ^ base;
	for (unsigned row = 0; row < 32; row++) { /* columns of all bits: each has a pivot */
		unsigned pivot = row;

		while (!(columns[pivot] >> row & 1))
			assert_true(++pivot < 32);
		for (unsigned i = 0; i < 32; i++) {
			uint32_t column = columns[pivot], bit = bits[pivot];

			if (i != pivot && columns[i] >> row & 1) {
				columns[i] ^= column;
				bits[i] ^= bit;
			}
		}
		if (pivot != row) {
			uint32_t column = columns[row], bit = bits[row];

			columns[row] = columns[pivot], bits[row] = bits[pivot];
			columns[pivot] = column, bits[pivot] = bit;
		}
	}
	for (unsigned row = 0; row < 32; row++)
		if (left >> row & 1)
			value ^= bits[row];
	return 0xffffffff ^ value;
}

static bool is_comment(const char *at)
{
	return !memchr(at, 0, 4) && !memchr(at, '\n', 4);
}

/* Gives the text, which ends with FREE, the checksum. */
static void forge(char *text, uint32_t wanted)
{
	char *at = text + strlen(text) - strlen(FREE) + 1;

	for (char c = 'a';; c++) {
		assert_true(c <= 'z');
		at[4] = c;
		put(at, solve(text, at, wanted));
		if (is_comment(at))
			break;
	}
	assert_int_equal(checksum(text), wanted);
}

static void a_forged_text_is_another_state(void **state)
{
	static char text[TEXT_MAX], forged[TEXT_MAX];
	struct lvm_image a, b;
	struct lvm_disk *disks[] = {&a.disk, &b.disk};
	struct lvm_scan scan;

	(void)state;
	snprintf(text, sizeof(text), "%s" FREE, lvm_image_text);
	snprintf(forged, sizeof(forged), "%s" FREE,
		 lvm_image_edited("\"pv0\", 4", "\"pv0\", 9"));
	forge(forged, checksum(text));
	lvm_image_init(&a, "a", lvm_image_pv0, 2, 512);
	lvm_image_init(&b, "b", lvm_image_pv1, 1, 512);
	for (unsigned round = 0; round < 3; round++) {
		lvm_image_put(&a, 0, 512, round == 1 ? forged : text);
		lvm_image_put(&a, 1, 512, round == 1 ? forged : text);
		lvm_image_put(&b, 0, 512, round == 2 ? forged : text);
		assert_int_equal(lvm_scan(disks, 2, &scan), 0);
		assert_string_equal(scan.vgs->why,
				    round ? "has two states with the number 4, which differ"
					  : "");
		lvm_scan_free(&scan);
	}
	lvm_image_free(&a);
	lvm_image_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forged_text_is_another_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
