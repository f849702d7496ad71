/* What ATA disks say of themselves: words as in ATA8-ACS, and answers that no disk should give.
 */
/* links: drivers/block/ata.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/block/ata.h"

static uint16_t words[ATA_WORDS];
static struct ata_identity identity;

static void put(unsigned word, const char *text, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		uint16_t c = i < strlen(text) ? text[i] : ' ';

		words[word + i / 2] |= i % 2 ? c : c << 8;
	}
}

/* An old disk of 28-bit addresses, without a cache. */
static int set_up(void **state)
{
	(void)state;
	memset(words, 0, sizeof(words));
	put(10, "  BX 1234", 20);
	put(27, "A disk, of a name that has 40 characters", 40);
	words[49] = 0x300;
	words[60] = 0x5678;
	words[61] = 0x0234;
	return 0;
}

static void test_old(void **state)
{
	(void)state;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_string_equal(identity.serial, "BX 1234");
	assert_string_equal(identity.model, "A disk, of a name that has 40 characters");
	assert_int_equal(identity.blocks, 0x02345678);
	assert_int_equal(identity.block_bytes, 512);
	assert_int_equal(identity.physical_block_bytes, 512);
	assert_false(identity.lba48 || identity.flush || identity.flush_ext);
	assert_true(identity.rotational);
}

/* What a command cannot address is not there. */
static void test_no_more_than_can_be_addressed(void **state)
{
	(void)state;
	words[60] = 0xffff;
	words[61] = 0x0fff;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_int_equal(identity.blocks, 0x0fffffff);
	words[60] = 1;
	words[61] = 0x1000;
	assert_int_equal(ata_identify(words, &identity), -ENODEV);
	words[60] = 0;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_int_equal(identity.blocks, 0x10000000);
	words[83] = 0x7400;
	words[102] = 0xffff;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_true(identity.blocks == 0xffff00000000);
	words[102] = 0;
	words[103] = 1;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_true(identity.blocks == 0x1000000000000);
	words[100] = 1;
	assert_int_equal(ata_identify(words, &identity), -ENODEV);
}

static void test_new(void **state)
{
	struct blkdev dev = {0};

	(void)state;
	words[83] = 0x7400;
	words[101] = 1;
	words[102] = 2;
	words[106] = 0x6003; /* eight logical in a physical one */
	words[217] = 1;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_true(identity.lba48 && identity.flush && identity.flush_ext);
	assert_int_equal(identity.blocks, 0x200010000);
	ata_describe(&identity, &dev);
	assert_int_equal(dev.bytes, 0x200010000 * 512);
	assert_int_equal(dev.physical_block_bytes, 4096);
	assert_true(dev.write_cache);
	assert_false(dev.rotational);
}

static void test_dma_mode(void **state)
{
	(void)state;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_int_equal(identity.dma_mode, 0);
	words[63] = 0x0407;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_int_equal(identity.dma_mode, 0x22);
	words[88] = 0x203f;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_int_equal(identity.dma_mode, 0x45);
}

static void test_long_blocks(void **state)
{
	(void)state;
	words[106] = 0x5000;
	words[117] = 2048;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_int_equal(identity.block_bytes, 4096);
	words[117] = 8192;
	assert_int_equal(ata_identify(words, &identity), -ENODEV);
	words[117] = 300;
	assert_int_equal(ata_identify(words, &identity), -ENODEV);
	words[106] = 0x1000; /* not valid */
	assert_int_equal(ata_identify(words, &identity), 0);
}

static void test_unusable(void **state)
{
	(void)state;
	words[49] = 0x200; /* no DMA */
	assert_int_equal(ata_identify(words, &identity), -ENODEV);
	words[49] = 0x300;
	words[60] = words[61] = 0;
	assert_int_equal(ata_identify(words, &identity), -ENODEV);
	words[83] = 0x4400;
	words[103] = 0xffff; /* more bytes than 64 bits count */
	assert_int_equal(ata_identify(words, &identity), -ENODEV);
}

static void test_queues_and_trim(void **state)
{
	(void)state;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_false(identity.ncq || identity.trim || identity.fua);
	assert_int_equal(identity.queue_depth, 1);
	words[75] = 31;
	words[76] = 0x0108;
	words[84] = 0x4040;
	words[169] = 1;
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_true(identity.ncq && identity.trim && identity.fua);
	assert_int_equal(identity.queue_depth, 32);
	words[76] = 0xffff; /* no SATA */
	words[84] = 0xc040; /* not valid */
	assert_int_equal(ata_identify(words, &identity), 0);
	assert_false(identity.ncq || identity.fua);
	assert_int_equal(identity.queue_depth, 1);
}

static void test_what_takes_packets_is_no_disk(void **state)
{
	(void)state;
	words[0] = 0x8580;
	assert_int_equal(ata_identify(words, &identity), -ENODEV);
}

static void test_ranges_are_of_65535_blocks(void **state)
{
	uint64_t ranges[ATA_TRIM_RANGES];

	(void)state;
	ata_trim_ranges(ranges, 0x123456789a, 65536);
	assert_int_equal(ranges[0], 0xffff00123456789a);
	assert_int_equal(ranges[1], 0x0001001234577899);
	assert_int_equal(ranges[2], 0);
	assert_int_equal(ranges[63], 0);
	ata_trim_ranges(ranges, 0, (uint64_t)ATA_TRIM_RANGES * ATA_TRIM_RANGE_BLOCKS_MAX);
	assert_int_equal(ranges[63], (uint64_t)65535 << 48 | 63 * 65535);
}

static void test_errors_in_words(void **state)
{
	bool again;

	(void)state;
	assert_string_equal(ata_error(0x41, 0x40, &again), "uncorrectable data error");
	assert_false(again);
	assert_string_equal(ata_error(0x41, 0x84, &again), "CRC error on the cable");
	assert_true(again);
	assert_string_equal(ata_error(0x61, 0x00, &again), "device fault");
	assert_true(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_queues_and_trim, set_up),
		cmocka_unit_test_setup(test_what_takes_packets_is_no_disk, set_up),
		cmocka_unit_test(test_ranges_are_of_65535_blocks),
		cmocka_unit_test(test_errors_in_words),
		cmocka_unit_test_setup(test_old, set_up),
		cmocka_unit_test_setup(test_no_more_than_can_be_addressed, set_up),
		cmocka_unit_test_setup(test_new, set_up),
		cmocka_unit_test_setup(test_dma_mode, set_up),
		cmocka_unit_test_setup(test_long_blocks, set_up),
		cmocka_unit_test_setup(test_unusable, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
