/*
 * Files on FAT: real file systems, made by mkfs.vfat and mtools, of each kind; and damaged
 * ones. What the extents of a file hold is compared with the file.
 */
/* links: drivers/volume/fat.c drivers/volume/fat_name.c tests/unit/fake_blkdev.c */
/* links: tests/unit/fake_turns.c tests/unit/fail_malloc.c */
#define _GNU_SOURCE /* memmem */
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

#include "drivers/volume/fat.h"
#include "kernel/sched/turns.h"
#include "tests/unit/fail_malloc.h"
#include "tests/unit/fake_blkdev.h"
#include "tests/unit/fake_turns.h"

#define LONG_NAME "A rather long name, with 2.dots and Capitals.image"

/* Which file system is made, by mkfs.vfat's options. */
struct kind {
	unsigned bits, mib;
	const char *options;
};
static const struct kind kinds[] = {
	{12, 2, "-F 12 -s 2"},	 {16, 16, "-F 16 -s 1"},	  {32, 40, "-F 32 -s 1"},
	{32, 280, "-F 32 -s 8"}, {16, 64, "-F 16 -s 16 -S 1024"},
};

static char directory[] = P_tmpdir "/test_fat.XXXXXX";
static struct fake_disk disk;
static char why[STORAGE_WHY_BYTES];
static struct fat_file file;

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...)
{
	char command[512], line[800];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	snprintf(line, sizeof(line),
		 "cd %s && export PATH=$PATH:/usr/sbin:/sbin MTOOLS_SKIP_CHECK=1 && "
		 "(%s) >log 2>&1 || { cat log; exit 1; }",
		 directory, command);
	assert_int_equal(system(line), 0);
}

static void load(const char *name)
{
	char path[64];
	FILE *image;
	long bytes;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	image = fopen(path, "rb");
	assert_non_null(image);
	fseek(image, 0, SEEK_END);
	bytes = ftell(image);
	rewind(image);
	fake_disk_init(&disk, "esp", (uint64_t)bytes, 512);
	assert_int_equal(fread(disk.data, 1, (size_t)bytes, image), bytes);
	fclose(image);
}

/* The file's bytes are `seed`, `seed` + 1 ... in words of four. */
static void write_file(const char *name, size_t bytes, uint32_t seed)
{
	char path[300];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	out = fopen(path, "wb");
	assert_non_null(out);
	for (size_t i = 0; i < bytes; i += 4, seed++)
		fwrite(&seed, 1, MIN(bytes - i, (size_t)4), out);
	fclose(out);
}

static void expect_file(const char *path, size_t bytes, uint32_t seed)
{
	uint64_t from = 0;

	assert_int_equal(fat_find(&disk.dev, path, &file, why), 0);
	assert_int_equal(file.bytes, bytes);
	for (unsigned i = 0; i < file.count; i++) {
		const struct fat_extent *e = &file.extents[i];

		assert_int_equal(e->from, from);
		assert_true(e->bytes > 0 && e->offset + e->bytes <= disk.dev.bytes);
		for (uint64_t at = 0; at + 4 <= e->bytes; at += 4, seed++)
			assert_memory_equal(disk.data + e->offset + at, &seed, 4);
		from += e->bytes;
	}
	assert_int_equal(from, bytes);
	fat_free(&file);
}

static void refuse(const char *path, int error, const char *reason)
{
	assert_int_equal(fat_find(&disk.dev, path, &file, why), error);
	assert_string_equal(why, reason);
	assert_null(file.extents);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	char line[64];

	(void)state;
	snprintf(line, sizeof(line), "rm -r %s", directory);
	return system(line);
}

static void make(const struct kind *kind)
{
	write_file(LONG_NAME, 300 * 1000, 1000);
	write_file("small.img", 512, 5000000);
	write_file("gap", 20 * 1024, 7);
	write_file("late.img", 100 * 1024, 6000000);
	run("rm -f fs && truncate -s %uM fs && mkfs.vfat %s fs", kind->mib, kind->options);
	run("mmd -i fs ::/bulkhead ::/bulkhead/Disks && "
	    "for n in 1 2 3 4 5; do mcopy -i fs gap ::/bulkhead/gap$n; done && "
	    "mcopy -i fs '" LONG_NAME "' ::/bulkhead/disks/ && "
	    "mdel -i fs ::/bulkhead/gap2 ::/bulkhead/gap4");
	if (kind->bits == 32) /* forget where the last file ended, so that gaps are used */
		run("printf '\\377\\377\\377\\377' | dd of=fs bs=1 seek=1004 conv=notrunc");
	run("mcopy -i fs small.img late.img ::/bulkhead/disks");
	/* A folder of more than one cluster. */
	run("mkdir -p many && for n in $(seq 100); do : >many/'an empty file, number '$n; done "
	    "&& mcopy -i fs many/* ::/bulkhead/disks && mcopy -i fs small.img "
	    "::/bulkhead/disks/last");
	load("fs");
}

static void files_are_found_on_every_kind(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		make(&kinds[i]);
		expect_file("bulkhead/disks/" LONG_NAME, 300 * 1000, 1000);
		expect_file("BULKHEAD/dISKS/a RATHER long name, with 2.dots AND capitals.IMAGE",
			    300 * 1000, 1000);
		expect_file("bulkhead/disks/small.img", 512, 5000000);
		expect_file("bulkhead/disks/ARATHE~1.IMA", 300 * 1000, 1000);
		expect_file("bulkhead/disks/last", 512, 5000000);
		expect_file("bulkhead/disks/late.img", 100 * 1024, 6000000);
		assert_int_equal(fat_find(&disk.dev, "bulkhead/disks/late.img", &file, why), 0);
		assert_true(file.count > 1); /* the gaps were used */
		fat_free(&file);
		expect_file("bulkhead/disks/an empty file, number 77", 0, 0);
		free(disk.data);
	}
}

static void what_is_not_there_is_said(void **state)
{
	(void)state;
	make(&kinds[0]);
	refuse("bulkhead/disks/web.img", -ENOENT,
	       "is not there: nothing is called 'web.img' in its folder");
	refuse("bulkhead/gap2", -ENOENT,
	       "is not there: nothing is called 'gap2' in its folder");
	refuse("bulkhead/dis/web.img", -ENOENT,
	       "is not there: nothing is called 'dis' in its folder");
	refuse("bulkhead/disks", -EINVAL, "is a folder");
	refuse("bulkhead/gap1/x", -EINVAL, "leads through a file as if it were a folder");
	disk.fail = -EIO;
	refuse("bulkhead/gap1", -EIO, "lies on a partition that cannot be read");
	free(disk.data);
}

/* Once for each piece of memory, on each kind, until nothing fails. */
static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		unsigned failures = 0;
		bool all = false;

		make(&kinds[i]);
		for (unsigned at = 1; !all; at++) {
			int error;

			fail_malloc_at(at);
			error = fat_find(&disk.dev, "bulkhead/disks/late.img", &file, why);
			all = fail_malloc_calls() < at;
			fail_malloc_at(0);
			failures += !all;
			assert_int_equal(error, all ? 0 : -ENOMEM);
			if (!all) {
				assert_string_equal(why, "needs more memory than there is");
				assert_null(file.extents);
				assert_int_equal(file.bytes | file.count, 0);
			}
			fat_free(&file);
		}
		assert_true(failures >= 5); /* window, three names, extents */
		expect_file("bulkhead/disks/late.img", 100 * 1024, 6000000);
		free(disk.data);
	}
}

/* Once for each read: the first sector, folders, the FAT. */
static void every_read_may_fail(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		unsigned failures = 0;
		bool all = false;

		make(&kinds[i]);
		for (unsigned at = 1; !all; at++) {
			int error;

			disk.fail_at = disk.answers + at;
			error = fat_find(&disk.dev, "bulkhead/disks/late.img", &file, why);
			all = disk.answers < disk.fail_at;
			disk.fail_at = 0;
			failures += !all;
			assert_int_equal(error, all ? 0 : -EIO);
			if (!all) {
				assert_string_equal(why, "lies on a partition that cannot be "
							 "read");
				assert_null(file.extents);
				assert_int_equal(file.bytes | file.count, 0);
			}
			fat_free(&file);
		}
		assert_true(failures > 0);
		expect_file("bulkhead/disks/late.img", 100 * 1024, 6000000);
		free(disk.data);
	}
}

/* Parameters of the first sector that make no sense, or no FAT. */
static void other_file_systems_are_refused(void **state)
{
	static const struct {
		unsigned at, bytes;
		uint32_t value;
	} changes[] = {
		{11, 2, 0}, {11, 2, 511},    {11, 2, 8192},   {13, 1, 0},    {13, 1, 3},
		{14, 2, 0}, {16, 1, 0},	     {19, 2, 0xffff}, {19, 2, 4100}, {17, 2, 0xffff},
		{22, 2, 0}, {22, 2, 0xffff}, {22, 2, 1},
	};
	uint8_t sector[512];

	(void)state;
	make(&kinds[0]);
	memcpy(sector, disk.data, sizeof(sector));
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		memcpy(disk.data + changes[i].at, &changes[i].value, changes[i].bytes);
		assert_int_equal(fat_find(&disk.dev, "bulkhead/gap1", &file, why), -EINVAL);
		memcpy(disk.data, sector, sizeof(sector));
	}
	expect_file("bulkhead/gap1", 20 * 1024, 7);
	memset(disk.data, 0, sizeof(sector));
	refuse("bulkhead/gap1", -EINVAL, "lies on a partition that is not FAT");
	free(disk.data);
}

/* A system that knows no long names leaves them behind, in front of another file. */
static void an_orphaned_long_name_is_nobodys(void **state)
{
	uint8_t *at;

	(void)state;
	make(&kinds[0]);
	at = memmem(disk.data, disk.dev.bytes, "ARATHE~1IMA", 11);
	assert_non_null(at);
	memcpy(at, "OTHER   IMG", 11);
	refuse("bulkhead/disks/" LONG_NAME, -ENOENT,
	       "is not there: nothing is called '" LONG_NAME "' in its folder");
	expect_file("bulkhead/disks/other.img", 300 * 1000, 1000);
	free(disk.data);
}

/* In a FAT of 32 bits, every entry that is in use leads to cluster `to`. */
static void point_all_to(uint32_t to)
{
	uint32_t *fat = (uint32_t *)(disk.data + 32 * 512);

	for (unsigned i = 3; i < 1000; i++)
		if (fat[i])
			fat[i] = to;
}

static void damage_has_an_end(void **state)
{
	(void)state;
	make(&kinds[2]);
	expect_file("bulkhead/disks/late.img", 100 * 1024, 6000000);
	point_all_to(0x0ffffff7); /* a bad cluster */
	refuse("bulkhead/gap1", -EINVAL, "is damaged: it is shorter than its folder says");
	point_all_to(3); /* round and round */
	assert_int_equal(fat_find(&disk.dev, "bulkhead/disks/nothing", &file, why), -ENOENT);
	if (fat_find(&disk.dev, "bulkhead/gap1", &file, why) == 0)
		assert_int_equal(file.bytes, 20 * 1024);
	fat_free(&file);
	free(disk.data);
}

/* A folder that goes round: as many entries are looked at as a folder may have, and others have
 * their turn meanwhile; nothing more is read from the disk. */
static void work_is_bounded_and_gives_way(void **state)
{
	const unsigned entries = 65536,
		       steps = 32 / 4 + 255 / 4; /* copying and comparing one */
	uint32_t *fat;
	unsigned reads;

	(void)state;
	make(&kinds[2]);
	fat = (uint32_t *)(disk.data + 32 * 512);
	fat[2] = 2; /* the root's cluster leads to itself, full of other names */
	for (unsigned i = 0; i < 16; i++)
		memcpy(disk.data + 32 * 512 + 2 * *(uint32_t *)(disk.data + 36) * 512 + 32 * i,
		       "SOMETHINELS\x20", 12);
	fake_turns = 0;
	reads = disk.submits;
	assert_int_equal(fat_find(&disk.dev, "bulkhead/x", &file, why), -ENOENT);
	assert_true(fake_turns >= (uint64_t)entries * steps / TURNS_STEPS);
	assert_true(fake_turns <= 2ull * entries * steps / TURNS_STEPS);
	assert_true(disk.submits - reads <= 2 * entries);
	free(disk.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_found_on_every_kind),
		cmocka_unit_test(what_is_not_there_is_said),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_read_may_fail),
		cmocka_unit_test(other_file_systems_are_refused),
		cmocka_unit_test(an_orphaned_long_name_is_nobodys),
		cmocka_unit_test(damage_has_an_end),
		cmocka_unit_test(work_is_bounded_and_gives_way),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
