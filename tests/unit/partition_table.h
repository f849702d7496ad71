/*
 * A disk in memory whose partition table is read, and what should be found there. For the tests
 * of GPT (test_partition.c) and of MBR (test_partition_mbr.c).
 */
#ifndef TESTS_UNIT_PARTITION_TABLE_H
#define TESTS_UNIT_PARTITION_TABLE_H

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

static inline int set_up(void **state)
{
	(void)state;
	fake_disk_init(&disk, "nvme0", DISK_BYTES, 512);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	partitions_free(&table);
	free(disk.data);
	return 0;
}

static inline void read_table(const char *kind, unsigned count, const char *fault)
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

static inline void expect(unsigned i, unsigned number, uint64_t first, uint64_t count,
			  const char *uuid, const char *label)
{
	assert_int_equal(table.at[i].number, number);
	assert_int_equal(table.at[i].offset, first * disk.dev.block_bytes);
	assert_int_equal(table.at[i].bytes, count * disk.dev.block_bytes);
	assert_string_equal(table.at[i].uuid, uuid);
	assert_string_equal(table.at[i].label, label);
}

static inline void make_gpt(void)
{
	gpt_entry(&disk, 2, 0, 100, 199, 0x10, "data");
	gpt_entry(&disk, 2, 2, 200, 200, 0x40, "0123456789abcdefghijklmnopqrstuvwxyz");
	gpt_entry(&disk, 2, 127, 300, 399, 0x70, "caf\xe9"); /* U+00E9 */
	gpt_finish(&disk);
}

#endif
