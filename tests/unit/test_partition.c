/*
 * GPTs, good and bad: which partitions there are, what is said of damage, and that hostile
 * tables end. And a partition as a device.
 */
/* links: drivers/volume/partition.c drivers/volume/gpt.c drivers/volume/mbr.c */
/* links: drivers/volume/piece.c kernel/lib/crc32.c tests/unit/fake_blkdev.c */
#include "tests/unit/partition_table.h"

/* ---- GPT ----------------------------------------------------------------------------------
 */

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
		assert_non_null(strstr(table.fault, "its copy at block 4095 is used"));
		expect_gpt();
		header[i] ^= 0x10;
	}
	array[127 * 128 + 100] ^= 1;
	read_table("GPT", 3,
		   "the GPT at the disk's start has a wrong checksum over its entries; its "
		   "copy at block 4095 is used, and Linux sees no partition: repair it, with "
		   "sgdisk or gdisk");
	expect_gpt();
	array[127 * 128 + 100] ^= 1;
	/* A copy of another place's header is none. */
	gpt_header(&disk, 3, disk_blocks(&disk) - 1, 2);
	memcpy(header, block_at(&disk, 3), 512);
	memset(block_at(&disk, 3), 0, 512);
	read_table(
		"GPT", 3,
		"the GPT at the disk's start belongs somewhere else on the disk; its copy at "
		"block 4095 is used, and Linux sees no partition: repair it, with sgdisk or "
		"gdisk");
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
	read_table("GPT", 3,
		   "the disk has grown: the copy of its GPT lies at block 3996, and not in the "
		   "last one, 4095; sgdisk -e moves it");
	block_at(&disk, 2)[0] ^= 1; /* where the copy is, the header tells */
	read_table(
		"GPT", 3,
		"the GPT at the disk's start has a wrong checksum over its entries; its copy "
		"at block 3996 is used, and Linux sees no partition: repair it, with sgdisk "
		"or gdisk");
	block_at(&disk, 1)[0] = 0; /* else the protective MBR does: it has the old size */
	read_table("GPT", 0,
		   "the GPT at the disk's start is not there, and the one at its end is not "
		   "there");
	mbr_entry(&disk, 0, 0, 0xee, 1, (uint32_t)end);
	read_table("GPT", 3,
		   "the GPT at the disk's start is not there; its copy at block 3996 is used, "
		   "and Linux sees no partition: repair it, with sgdisk or gdisk");
}

static void a_disk_that_shrank_has_lost_its_second(void **state)
{
	(void)state;
	make_gpt();
	gpt_header(&disk, 1, disk_blocks(&disk), 2);
	read_table("GPT", 3,
		   "the disk has shrunk: the copy of its GPT would lie at block 4096, and the "
		   "last one is 4095; sgdisk -e makes one there");
}

/* A good table, which is ours to read, and of which Linux says that there is none. */
static void what_linux_does_not_see_is_said(void **state)
{
	static const struct {
		unsigned at;
		uint64_t value;
		const char *why;
	} cases[] = {
		{40, 4095, "its usable blocks end before they begin"}, /* first usable block */
		{40, 4096, "its usable blocks go beyond the disk's end"},
		{48, 4096, "its usable blocks go beyond the disk's end"}, /* last */
		{48, 33, "its usable blocks end before they begin"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t *header = block_at(&disk, 1);

		make_gpt();
		put64(header + cases[i].at, cases[i].value);
		put32(header + 16, 0);
		put32(header + 16, crc32(header, 92));
		partitions_free(&table);
		assert_int_equal(partitions_read(&disk.dev, &table), 0);
		assert_int_equal(table.count, 3);
		assert_non_null(strstr(table.fault, "Linux sees no partition here: "));
		if (!strstr(table.fault, cases[i].why))
			fail_msg("%s", table.fault);
	}
	make_gpt();
	mbr_entry(&disk, 0, 0, 0xee, 2, 100);
	read_table(
		"GPT", 3,
		"Linux sees no partition here: its protective MBR does not begin at block 1");
	mbr_entry(&disk, 0, 3, 0xee, 1, 100); /* another that does is enough */
	read_table("GPT", 3, "");
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
	gpt_entry(&disk, 2, 1, 60, 59, 0x20, "backwards");
	gpt_entry(&disk, 2, 2, 100, blocks, 0x30, "too long");
	gpt_entry(&disk, 2, 3, ~0ull, ~0ull, 0x40, "nowhere");
	gpt_entry(&disk, 2, 4, 34, blocks - 34, 0x50, "all");
	gpt_finish(&disk);
	read_table("GPT", 1,
		   "partition 2, and 2 more, is left out: it does not lie inside the disk");
	expect(0, 5, 34, blocks - 67, "53525150-5554-5756-5859-5a5b5c5d5e5f", "all");
}

/* Linux has these, and so they are had here: on the table, and outside of what is usable. */
static void entries_may_lie_where_they_should_not(void **state)
{
	uint64_t blocks = disk_blocks(&disk);
	static const struct {
		uint64_t first, last;
		bool over;
	} cases[] = {
		{33, 50, true}, /* the last block of the array */
		{0, 0, true},	     {1, 1, true},	  {2, 2, true},
		{0, 4095, true},     {4095, 4095, true}, /* the last is the copy's header */

		{4063, 4063, false}, {4094, 4094, false}, /* the copy's array */
	};

	(void)state;
	assert_int_equal(blocks, 4096);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		gpt_entry(&disk, 2, 0, cases[i].first, cases[i].last, 0x10, "odd");
		gpt_finish(&disk);
		read_table("GPT", 1,
			   cases[i].over
				   ? "partition 1 lies on the partition table itself: who "
				     "writes to it can change that"
				   : "partition 1 lies outside of what the table calls usable");
		expect(0, 1, cases[i].first, cases[i].last - cases[i].first + 1,
		       "13121110-1514-1716-1819-1a1b1c1d1e1f", "odd");
	}
	gpt_entry(&disk, 2, 0, 34, 4062, 0x10, "odd"); /* all that is usable */
	gpt_finish(&disk);
	read_table("GPT", 1, "");
}

/* An array of `entries`, with partitions in the first, and in the last of each piece that is
 * read at once. */
static void make_large(uint32_t entries, unsigned count)
{
	uint8_t *header;
	uint64_t blocks;

	free(disk.data);
	fake_disk_init(&disk, "nvme0", 16 * MIB, 512);
	blocks = disk_blocks(&disk);
	for (unsigned i = 0; i < count; i++)
		gpt_entry(&disk, 2, i ? 512 * i - 1 : 0, 20000 + i, 20000 + i, (uint8_t)i, "x");
	gpt_finish(&disk);
	header = block_at(&disk, 1);
	put64(header + 40, 19000);
	put32(header + 80, entries);
	put32(header + 88, crc32(block_at(&disk, 2), entries * 128ul));
	put32(header + 16, 0);
	put32(header + 16, crc32(header, 92));
	memset(block_at(&disk, blocks - 1), 0, 512);
}

static void arrays_may_be_as_large_as_linux_takes_them(void **state)
{
	(void)state;
	make_large(4096, 8);
	read_table("GPT", 8, "");
	expect(7, 3584, 20007, 1, "0a090807-0c0b-0e0d-0f10-111213141516", "x");
	block_at(&disk, 2)[4095 * 128 + 100] ^= 1; /* in the last piece: nothing counts */
	read_table("GPT", 0,
		   "the GPT at the disk's start has a wrong checksum over its entries, and the "
		   "one at its end is not there");
	make_large(32768, 64);
	read_table("GPT", 64, "");
	make_large(32769, 64);
	read_table("GPT", 0,
		   "the GPT at the disk's start has more than 4 MiB of entries, and the one at "
		   "its end is not there");
}

static void a_table_has_an_end(void **state)
{
	(void)state;
	make_large(4096, 1);
	for (unsigned i = 0; i < PARTITIONS_MAX; i++)
		gpt_entry(&disk, 2, i, 20000 + i, 20000 + i, 1, "");
	put32(block_at(&disk, 1) + 88, crc32(block_at(&disk, 2), 4096 * 128));
	put32(block_at(&disk, 1) + 16, 0);
	put32(block_at(&disk, 1) + 16, crc32(block_at(&disk, 1), 92));
	read_table("GPT", PARTITIONS_MAX, "");
	gpt_entry(&disk, 2, PARTITIONS_MAX, 30000, 30000, 1, "");
	put32(block_at(&disk, 1) + 88, crc32(block_at(&disk, 2), 4096 * 128));
	put32(block_at(&disk, 1) + 16, 0);
	put32(block_at(&disk, 1) + 16, crc32(block_at(&disk, 1), 92));
	read_table("GPT", PARTITIONS_MAX,
		   "it has more than 1024 partitions; the others are left out");
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
		T(a_disk_that_shrank_has_lost_its_second),
		T(what_linux_does_not_see_is_said),
		T(two_bad_tables_are_no_partitions),
		T(entries_that_lie_outside_are_left_out),
		T(entries_may_lie_where_they_should_not),
		T(arrays_may_be_as_large_as_linux_takes_them),
		T(a_table_has_an_end),
		T(sizes_that_make_no_sense_are_refused),
		T(a_partition_becomes_a_device),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
