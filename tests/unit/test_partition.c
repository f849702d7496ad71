/*
 * Partition tables, good and bad: which partitions there are, what is said of damage, and that
 * hostile tables end.
 */
/* links: drivers/volume/partition.c drivers/volume/gpt.c drivers/volume/mbr.c */
/* links: drivers/volume/piece.c kernel/lib/crc32.c tests/unit/fake_blkdev.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "drivers/volume/partition.h"
#include "tests/unit/partition_disk.h"

#define DISK_BYTES (2 * MIB)

static struct fake_disk disk;
static struct partition_table table;

static int set_up(void **state)
{
	(void)state;
	fake_disk_init(&disk, "nvme0", DISK_BYTES, 512);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	partitions_free(&table);
	free(disk.data);
	return 0;
}

static void read_table(const char *kind, unsigned count, const char *fault)
{
	partitions_free(&table);
	assert_int_equal(partitions_read(&disk.dev, &table), 0);
	if (kind)
		assert_string_equal(table.kind, kind);
	else
		assert_null(table.kind);
	assert_int_equal(table.count, count);
	assert_string_equal(table.fault, fault);
}

static void expect(unsigned i, unsigned number, uint64_t first, uint64_t count,
		   const char *uuid, const char *label)
{
	assert_int_equal(table.at[i].number, number);
	assert_int_equal(table.at[i].offset, first * disk.dev.block_bytes);
	assert_int_equal(table.at[i].bytes, count * disk.dev.block_bytes);
	assert_string_equal(table.at[i].uuid, uuid);
	assert_string_equal(table.at[i].label, label);
}

/* ---- GPT ----------------------------------------------------------------------------------
 */

static void make_gpt(void)
{
	gpt_entry(&disk, 2, 0, 100, 199, 0x10, "data");
	gpt_entry(&disk, 2, 2, 200, 200, 0x40, "0123456789abcdefghijklmnopqrstuvwxyz");
	gpt_entry(&disk, 2, 127, 300, 399, 0x70, "caf\xe9"); /* U+00E9 */
	gpt_finish(&disk);
}

static void expect_gpt(void)
{
	expect(0, 1, 100, 100, "13121110-1514-1716-1819-1a1b1c1d1e1f", "data");
	expect(1, 3, 200, 1, "43424140-4544-4746-4849-4a4b4c4d4e4f",
	       "0123456789abcdefghijklmnopqrstuvwxyz");
	expect(2, 128, 300, 100, "73727170-7574-7776-7879-7a7b7c7d7e7f", "");
}

static void a_gpt_is_read(void **state)
{
	(void)state;
	make_gpt();
	read_table("GPT", 3, "");
	expect_gpt();
}

static void blocks_may_be_of_4_kib(void **state)
{
	(void)state;
	free(disk.data);
	fake_disk_init(&disk, "nvme0", 4 * DISK_BYTES, 4096);
	make_gpt();
	read_table("GPT", 3, "");
	expect_gpt();
}

static void any_damage_to_the_first_leads_to_the_second(void **state)
{
	uint8_t *header = block_at(&disk, 1), *array = block_at(&disk, 2);

	(void)state;
	make_gpt();
	for (unsigned i = 0; i < 92; i++) {
		header[i] ^= 0x10;
		partitions_free(&table);
		assert_int_equal(partitions_read(&disk.dev, &table), 0);
		assert_int_equal(table.count, 3);
		assert_non_null(strstr(table.fault, "the one at its end is used"));
		expect_gpt();
		header[i] ^= 0x10;
	}
	array[127 * 128 + 100] ^= 1;
	read_table("GPT", 3,
		   "the GPT at the disk's start has a wrong checksum over its entries; the one "
		   "at its end is used: repair it, with sgdisk or gdisk");
	expect_gpt();
	array[127 * 128 + 100] ^= 1;
	/* A copy of another place's header is none. */
	gpt_header(&disk, 3, disk_blocks(&disk) - 1, 2);
	memcpy(header, block_at(&disk, 3), 512);
	memset(block_at(&disk, 3), 0, 512);
	read_table("GPT", 3,
		   "the GPT at the disk's start belongs somewhere else on the disk; the one at "
		   "its end is used: repair it, with sgdisk or gdisk");
}

static void a_disk_that_grew_has_its_second_further_in(void **state)
{
	uint64_t blocks = disk_blocks(&disk), end = blocks - 100;

	(void)state;
	make_gpt();
	memcpy(block_at(&disk, end - 32), block_at(&disk, 2), ARRAY_BYTES);
	gpt_header(&disk, end, 1, end - 32);
	gpt_header(&disk, 1, end, 2);
	memset(block_at(&disk, blocks - 1), 0, 512);
	read_table("GPT", 3, "");
	block_at(&disk, 2)[0] ^= 1;
	read_table("GPT", 3,
		   "the GPT at the disk's start has a wrong checksum over its entries; the one "
		   "at its end is used: repair it, with sgdisk or gdisk");
}

static void two_bad_tables_are_no_partitions(void **state)
{
	(void)state;
	make_gpt();
	block_at(&disk, 1)[0] = 0;
	block_at(&disk, disk_blocks(&disk) - 1)[50] ^= 1;
	read_table("GPT", 0,
		   "the GPT at the disk's start is not there, and the one at its end has a "
		   "wrong checksum in its header");
	disk.fail = -EIO;
	assert_int_equal(partitions_read(&disk.dev, &table), -EIO);
}

static void entries_that_lie_outside_are_left_out(void **state)
{
	uint64_t blocks = disk_blocks(&disk);

	(void)state;
	gpt_entry(&disk, 2, 0, 33, 50, 0x10, "over the table");
	gpt_entry(&disk, 2, 1, 60, 59, 0x20, "backwards");
	gpt_entry(&disk, 2, 2, 100, blocks, 0x30, "too long");
	gpt_entry(&disk, 2, 3, ~0ull, ~0ull, 0x40, "nowhere");
	gpt_entry(&disk, 2, 4, 34, blocks - 34, 0x50, "all");
	gpt_finish(&disk);
	read_table("GPT", 1,
		   "partition 4 is left out: it lies outside of the disk's usable part");
	expect(0, 5, 34, blocks - 67, "53525150-5554-5756-5859-5a5b5c5d5e5f", "all");
}

/* Each changes a good header, whose checksum is then made right again. */
static void sizes_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		unsigned at;
		uint32_t value;
	} changes[] = {
		{8, 0x9999},  {12, 91},	    {12, 513},	    {12, ~0u}, {80, 0},
		{80, ~0u},    {80, 100000}, {84, 0},	    {84, 127}, {84, 132},
		{84, 0x8000}, {72, ~0u},    {72, 4096 - 1}, {76, ~0u}, {24, 2},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		uint8_t *header = block_at(&disk, 1);
		uint32_t size;

		make_gpt();
		memset(block_at(&disk, disk_blocks(&disk) - 1), 0, 512);
		put32(header + changes[i].at, changes[i].value);
		put32(header + 16, 0);
		memcpy(&size, header + 12, 4);
		put32(header + 16, crc32(header, MIN(size, 512u)));
		partitions_free(&table);
		assert_int_equal(partitions_read(&disk.dev, &table), 0);
		assert_int_equal(table.count, 0);
		assert_non_null(strstr(table.fault, "and the one at its end is not there"));
	}
}

/* ---- MBR ----------------------------------------------------------------------------------
 */

static void an_mbr_is_read(void **state)
{
	(void)state;
	put32(disk.data + 440, 0x1a2b3c4d);
	mbr_entry(&disk, 0, 0, 0x83, 63, 100);
	disk.data[446] = 0x80;
	mbr_entry(&disk, 0, 1, 0x0f, 1000, 2000); /* extended */
	mbr_entry(&disk, 0, 3, 0x8e, 200, 300);
	mbr_entry(&disk, 1000, 0, 0x83, 10, 20);
	mbr_entry(&disk, 1000, 1, 0x05, 500, 100);
	mbr_entry(&disk, 1000, 2, 0x83, 1, 1); /* does not count there */
	mbr_entry(&disk, 1500, 0, 0x83, 1, 50);
	mbr_entry(&disk, 1500, 1, 0x05, 200, 100);
	mbr_entry(&disk, 1200, 0, 0x82, 5, 6);
	read_table("MBR", 5, "");
	expect(0, 1, 63, 100, "1a2b3c4d-01", "");
	expect(1, 4, 200, 300, "1a2b3c4d-04", "");
	expect(2, 5, 1010, 20, "1a2b3c4d-05", "");
	expect(3, 6, 1501, 50, "1a2b3c4d-06", "");
	expect(4, 7, 1205, 6, "1a2b3c4d-07", "");
}

static void a_chain_that_goes_round_ends(void **state)
{
	(void)state;
	mbr_entry(&disk, 0, 0, 0x05, 1000, 2000);
	mbr_entry(&disk, 1000, 0, 0x83, 10, 20);
	mbr_entry(&disk, 1000, 1, 0x05, 500, 100);
	mbr_entry(&disk, 1500, 0, 0x83, 10, 20);
	mbr_entry(&disk, 1500, 1, 0x05, 0, 100); /* back to the first */
	read_table("MBR", 2, "the chain of logical partitions is damaged after number 6");
}

static void a_chain_has_an_end(void **state)
{
	(void)state;
	mbr_entry(&disk, 0, 0, 0x05, 1000, 2000);
	for (unsigned i = 0; i < 1000; i++) {
		mbr_entry(&disk, 1000 + i, 0, 0x83, 1, 1);
		mbr_entry(&disk, 1000 + i, 1, 0x05, i + 1, 1);
	}
	read_table("MBR", 64, "the chain of logical partitions is damaged after number 68");
}

static void a_chain_may_lead_nowhere(void **state)
{
	(void)state;
	mbr_entry(&disk, 0, 0, 0x05, 1000, 2000);
	mbr_entry(&disk, 1000, 1, 0x05, ~0u, 100);
	read_table("MBR", 0, "the chain of logical partitions is damaged after number 4");
	mbr_entry(&disk, 1000, 1, 0x05, 300, 100); /* a block without a table */
	read_table("MBR", 0, "the chain of logical partitions is damaged after number 4");
}

static void partitions_outside_of_the_disk_are_left_out(void **state)
{
	(void)state;
	mbr_entry(&disk, 0, 0, 0x83, 63, 100000);
	mbr_entry(&disk, 0, 1, 0x83, ~0u, ~0u);
	mbr_entry(&disk, 0, 2, 0x83, 0, 10);
	mbr_entry(&disk, 0, 3, 0x83, 1, 4095);
	read_table("MBR", 1, "partition 3 is left out: it does not lie inside the disk");
	expect(0, 4, 1, 4095, "00000000-04", "");
}

static void other_blocks_are_no_table(void **state)
{
	(void)state;
	read_table(NULL, 0, "");
	mbr_entry(&disk, 0, 0, 0x83, 63, 100);
	disk.data[510] = 0;
	read_table(NULL, 0, "");
	mbr_entry(&disk, 0, 0, 0x83, 63, 100);
	disk.data[446 + 16] = 0x20; /* code of a boot sector, not a status */
	read_table(NULL, 0, "");
	/* A disk with a GPT but no protective MBR was given another purpose. */
	make_gpt();
	memset(disk.data, 0, 512);
	read_table(NULL, 0, "");
}

static void a_partition_becomes_a_device(void **state)
{
	uint8_t buf[512] = {9};
	struct blkdev *dev;

	(void)state;
	make_gpt();
	read_table("GPT", 3, "");
	assert_int_equal(partition_open(&disk.dev, &table.at[1], &dev), 0);
	assert_string_equal(dev->name, "nvme0p3");
	assert_int_equal(dev->bytes, 512);
	assert_int_equal(blk_write(dev, 0, buf, sizeof(buf)), 0);
	assert_int_equal(block_at(&disk, 200)[0], 9);
	dev->ops->close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_gpt_is_read),
		T(blocks_may_be_of_4_kib),
		T(any_damage_to_the_first_leads_to_the_second),
		T(a_disk_that_grew_has_its_second_further_in),
		T(two_bad_tables_are_no_partitions),
		T(entries_that_lie_outside_are_left_out),
		T(sizes_that_make_no_sense_are_refused),
		T(an_mbr_is_read),
		T(a_chain_that_goes_round_ends),
		T(a_chain_has_an_end),
		T(a_chain_may_lead_nowhere),
		T(partitions_outside_of_the_disk_are_left_out),
		T(other_blocks_are_no_table),
		T(a_partition_becomes_a_device),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
