/*
 * MBRs and their chains, good and bad: which partitions there are, what is said of damage, that
 * hostile chains end, and what is no table at all.
 */
/* links: drivers/volume/partition.c drivers/volume/gpt.c drivers/volume/mbr.c */
/* links: drivers/volume/piece.c kernel/lib/crc32.c tests/unit/fake_blkdev.c */
#include "tests/unit/partition_table.h"

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
	mbr_entry(&disk, 1000, 2, 0x83, 1, 2000);  /* garbage: longer than its part */
	mbr_entry(&disk, 1000, 3, 0x83, 1990, 11); /* and so is this */
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
	read_table("MBR", 251, "the chain of logical partitions is damaged after number 255");
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

static void partitions_that_go_beyond_the_disk_are_cut(void **state)
{
	(void)state;
	mbr_entry(&disk, 0, 0, 0x83, 63, 4034);
	mbr_entry(&disk, 0, 1, 0x83, ~0u, ~0u);
	mbr_entry(&disk, 0, 2, 0x83, 4095, 2);
	mbr_entry(&disk, 0, 3, 0x83, 1, 4095);
	read_table(
		"MBR", 3,
		"partition 1 is cut off at the disk's end; partition 2 is left out: it begins "
		"beyond the disk's end; partition 3 is cut off at the disk's end");
	expect(0, 1, 63, 4033, "00000000-01", "");
	expect(1, 3, 4095, 1, "00000000-03", "");
	expect(2, 4, 1, 4095, "00000000-04", "");
	mbr_entry(&disk, 0, 0, 0x83, 63, 4033);
	mbr_entry(&disk, 0, 1, 0x83, 4095, 1);
	mbr_entry(&disk, 0, 2, 0x83, 4096, 1);
	read_table("MBR", 3, "partition 3 is left out: it begins beyond the disk's end");
}

/* As in the image of a hybrid ISO: the whole image, of no type, and the boot partition in it.
 */
static void a_partition_may_begin_with_the_table(void **state)
{
	(void)state;
	mbr_entry(&disk, 0, 0, 0, 0, 4000);
	mbr_entry(&disk, 0, 1, 0xef, 600, 100);
	read_table("MBR", 2,
		   "partition 1 begins with the partition table itself: who writes to it can "
		   "change that");
	expect(0, 1, 0, 4000, "00000000-01", "");
	expect(1, 2, 600, 100, "00000000-02", "");
}

/* What Linux 6.1 made of these very tables. */
static void odd_chains_are_read_as_linux_reads_them(void **state)
{
	(void)state;
	mbr_entry(&disk, 0, 0, 0x05, 1000, 2000);
	mbr_entry(&disk, 0, 1, 0x83, 3000, 100);
	mbr_entry(&disk, 0, 2, 0x0f, 3500, 500); /* a second chain */
	mbr_entry(&disk, 1000, 0, 0x83, 10, 20);
	mbr_entry(&disk, 1000, 1, 0x05, 500, 100);
	mbr_entry(&disk, 1000, 2, 0x83, 1, 1);
	mbr_entry(&disk, 1000, 3, 0x83, 1, 100000);
	mbr_entry(&disk, 1500, 0, 0, 5, 6);	   /* of no type */
	mbr_entry(&disk, 3500, 0, 0x05, 100, 100); /* the link first */
	mbr_entry(&disk, 3500, 1, 0x82, 3, 4);
	mbr_entry(&disk, 3600, 0, 0x83, 1, 2);
	disk.data[512 * 3600 + 446] = 0x7f; /* nobody looks at their status */
	read_table("MBR", 6, "");
	expect(0, 2, 3000, 100, "00000000-02", "");
	expect(1, 5, 1010, 20, "00000000-05", "");
	expect(2, 6, 1001, 1, "00000000-06", "");
	expect(3, 7, 1505, 6, "00000000-07", "");
	expect(4, 8, 3503, 4, "00000000-08", "");
	expect(5, 9, 3601, 2, "00000000-09", "");
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
	/* Both bytes of the signature count, of a protective MBR too. */
	for (unsigned i = 0; i < 2; i++) {
		memset(disk.data, 0, 512);
		mbr_entry(&disk, 0, 0, 0x83, 63, 100);
		disk.data[510 + i] ^= 1;
		read_table(NULL, 0, "");
		make_gpt();
		disk.data[510 + i] ^= 1;
		read_table(NULL, 0, "");
	}
	/* A disk with a GPT but no protective MBR was given another purpose. */
	memset(disk.data, 0, 512);
	make_gpt();
	memset(disk.data, 0, 512);
	read_table(NULL, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(an_mbr_is_read),
		T(a_chain_that_goes_round_ends),
		T(a_chain_has_an_end),
		T(a_chain_may_lead_nowhere),
		T(partitions_that_go_beyond_the_disk_are_cut),
		T(a_partition_may_begin_with_the_table),
		T(odd_chains_are_read_as_linux_reads_them),
		T(other_blocks_are_no_table),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
