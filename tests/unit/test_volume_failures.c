/*
 * Partition tables, files on FAT and both as disks, while each allocation fails in its turn,
 * and each answer of the disk: whoever asked is told the error or gets all of it, nothing
 * between, and nothing is lost.
 */
/* links: drivers/volume/part.c drivers/volume/esp.c drivers/volume/why.c */
/* links: drivers/volume/names.c drivers/volume/partition.c drivers/volume/gpt.c */
/* links: drivers/volume/mbr.c kernel/lib/sort.c tests/unit/fake_turns.c */
/* links: drivers/volume/piece.c drivers/volume/split.c drivers/volume/split_cut.c */
/* links: drivers/volume/fat.c drivers/volume/fat_name.c kernel/io/storage.c */
/* links: kernel/io/storage_claims.c kernel/io/storage_check.c */
/* links: kernel/io/extents.c kernel/lib/size.c kernel/lib/crc32.c tests/unit/fake_blkdev.c */
/* links: tests/unit/fail_malloc.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "drivers/volume/partition.h"
#include "drivers/volume/sources.h"
#include "drivers/volume/split_internal.h"
#include "kernel/io/files.h"
#include "kernel/log/log.h"
#include "kernel/sched/sync.h"
#include "tests/unit/fail_malloc.h"
#include "tests/unit/partition_disk.h"

#define GPT_PARTS 40 /* the list grows twice */

static struct fake_disk nvme0, sata0;
static struct handoff_partition boot;
static char why[STORAGE_WHY_BYTES];
static bool no_worker;

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)level, (void)area, (void)fmt;
}

void mutex_lock(struct mutex *mutex)
{
	(void)mutex;
}

void mutex_unlock(struct mutex *mutex)
{
	(void)mutex;
}

bool mutex_held(struct mutex *mutex)
{
	(void)mutex;
	return true;
}

const struct handoff_partition *files_partition(void)
{
	return &boot;
}

int split_worker_start(void)
{
	return no_worker ? -ENOMEM : 0;
}

void split_worker_wake(struct split *split)
{
	(void)split;
}

void split_worker_forget(struct split *split)
{
	(void)split;
}

/* A FAT12 at `first` of nvme0: the file \bulkhead\disks\web.img is clusters 4, 6 and 5, one
 * sector each; odd.img is a byte too long. */
static void make_fat(uint64_t first)
{
	uint8_t *fs = block_at(&nvme0, first), *entry;
	static const char *const names[] = {"BULKHEAD   ", "DISKS      ", "WEB     IMG",
					    "ODD     IMG"};
	static const uint8_t fat[] = {0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, /* 2, 3: end */
				      0x06, 0xf0, 0xff,			  /* 4: 6; 5: end */
				      0x05, 0xf0, 0xff};		  /* 6: 5; 7: end */

	put16(fs + 11, 512);
	fs[13] = 1;
	put16(fs + 14, 1);
	fs[16] = 1;
	put16(fs + 17, 16);
	put16(fs + 19, 100);
	put16(fs + 22, 1);
	memcpy(fs + 512, fat, sizeof(fat));
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		/* The root, cluster 2, and cluster 3 twice; data begins with sector 3. */
		entry = fs + 512 * (i == 0 ? 2 : i == 1 ? 3 : 4) + (i == 3 ? 32 : 0);
		memcpy(entry, names[i], 11);
		entry[11] = i < 2 ? 0x10 : 0x20;
		put16(entry + 26, i < 3 ? i + 2 : 7);
		put32(entry + 28, i < 2 ? 0 : i == 2 ? 3 * 512 : 1);
	}
}

/* A GPT of 40 partitions, one of which has a file system; an MBR with 20 logical ones. */
static int set_up(void **state)
{
	(void)state;
	storage_register(&part_scheme);
	storage_register(&esp_scheme);
	fake_disk_init(&nvme0, "nvme0", 2 * MIB, 512);
	for (unsigned i = 0; i < GPT_PARTS - 1; i++)
		gpt_entry(&nvme0, 2, i, 100 + i, 100 + i, (uint8_t)(0x50 + i), "x");
	gpt_entry(&nvme0, 2, GPT_PARTS - 1, 1100, 1299, 0x40, "BULKHEAD");
	gpt_finish(&nvme0);
	make_fat(1100);
	boot.kind = HANDOFF_PARTITION_GPT;
	boot.first_lba = 1100;
	for (unsigned i = 0; i < 16; i++)
		boot.signature[i] = (uint8_t)(0x40 + i);

	fake_disk_init(&sata0, "sata0", 1 * MIB, 512);
	put32(sata0.data + 440, 0xdeadbeef);
	mbr_entry(&sata0, 0, 0, 0x05, 100, 1000);
	for (unsigned i = 0; i < 20; i++) {
		mbr_entry(&sata0, 100 + 10 * i, 0, 0x83, 1, 9);
		if (i < 19)
			mbr_entry(&sata0, 100 + 10 * i, 1, 0x05, 10 * (i + 1), 10);
	}
	blkdev_register(&nvme0.dev);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(nvme0.data);
	free(sata0.data);
	return 0;
}

static void short_of_memory(struct fake_disk *disk, unsigned count)
{
	struct partition_table table;
	unsigned failures = 0;

	for (unsigned at = 1;; at++, failures++) {
		int error;
		bool all;

		fail_malloc_at(at);
		error = partitions_read(&disk->dev, &table);
		all = fail_malloc_calls() < at;
		fail_malloc_at(0);
		if (all) {
			assert_int_equal(error, 0);
			assert_int_equal(table.count, count);
			partitions_free(&table);
			break;
		}
		assert_int_equal(error, -ENOMEM);
		assert_null(table.at);
		assert_int_equal(table.count | !!table.kind, 0);
	}
	assert_true(failures >= 4);
}

static void tables_while_memory_is_short(void **state)
{
	(void)state;
	short_of_memory(&nvme0, GPT_PARTS);
	short_of_memory(&sata0, 20);
}

/* What of a GPT can't be read has a copy, which is as good; of an MBR there is nothing else. */
static void tables_that_cannot_be_read(void **state)
{
	struct partition_table table;

	(void)state;
	for (unsigned at = 1; at <= 3; at++) { /* the MBR, the header, the array */
		nvme0.fail_at = nvme0.answers + at;
		assert_int_equal(partitions_read(&nvme0.dev, &table), at == 1 ? -EIO : 0);
		assert_int_equal(table.count, at == 1 ? 0 : GPT_PARTS);
		if (at > 1)
			assert_non_null(strstr(table.fault, "start cannot be read; its copy"));
		assert_int_equal(nvme0.answers >= nvme0.fail_at, 1);
		partitions_free(&table);
	}
	nvme0.fail_at = 0;
	for (unsigned at = 1; at <= 21; at++) {
		sata0.fail_at = sata0.answers + at;
		assert_int_equal(partitions_read(&sata0.dev, &table), -EIO);
		assert_null(table.at);
		assert_int_equal(table.count, 0);
	}
	sata0.fail_at = 0;
	assert_int_equal(partitions_read(&sata0.dev, &table), 0);
	assert_int_equal(table.count, 20);
	partitions_free(&table);
}

/* The error says what is missing, whatever lacks the memory. */
static unsigned open_short_of_memory(const char *source, uint64_t bytes)
{
	struct blkdev *dev;
	unsigned failures = 0;

	for (unsigned at = 1;; at++, failures++) {
		int error;
		bool all;

		fail_malloc_at(at);
		error = storage_open(source, STORAGE_WRITE, "g", &dev, why);
		all = fail_malloc_calls() < at;
		fail_malloc_at(0);
		if (all) {
			assert_int_equal(error, 0);
			assert_int_equal(dev->bytes, bytes);
			storage_close(dev, "g");
			break;
		}
		if (error != -ENOMEM)
			fail_msg("call %u: %d, %s", at, error, why);
		assert_non_null(strstr(why, "memory"));
	}
	return failures;
}

static void sources_while_memory_is_short(void **state)
{
	struct blkdev *dev;

	(void)state;
	assert_true(open_short_of_memory("part:BULKHEAD", 200 * 512) >= 4);
	assert_true(open_short_of_memory("esp:/disks/web.img", 3 * 512) >= 8);
	no_worker = true;
	assert_int_equal(storage_open("esp:/disks/web.img", STORAGE_WRITE, "g", &dev, why),
			 -ENOMEM);
	no_worker = false;
}

static void sources_on_disks_that_fail(void **state)
{
	struct blkdev *dev;
	unsigned failures = 0;

	(void)state;
	for (unsigned at = 1;; at++) {
		int error;

		nvme0.fail_at = nvme0.answers + at;
		error = storage_open("esp:/disks/web.img", STORAGE_WRITE, "g", &dev, why);
		if (!error)
			storage_close(dev, "g"); /* by the GPT's copy */
		else
			assert_true(why[0] && error < 0);
		if (nvme0.answers < nvme0.fail_at) {
			assert_int_equal(error, 0);
			break;
		}
		failures += error != 0;
	}
	nvme0.fail_at = 0;
	assert_true(failures >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_while_memory_is_short),
		cmocka_unit_test(tables_that_cannot_be_read),
		cmocka_unit_test(sources_while_memory_is_short),
		cmocka_unit_test(sources_on_disks_that_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
