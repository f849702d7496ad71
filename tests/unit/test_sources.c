/*
 * disk:, part: and esp: by all their names, over disks with tables made here, and what is said
 * where a name is none or several. Claims on top of it: one partition under two names, and a
 * file of a partition.
 */
/* links: drivers/volume/disk.c drivers/volume/part.c drivers/volume/esp.c */
/* links: drivers/volume/why.c */
/* links: drivers/volume/names.c drivers/volume/partition.c drivers/volume/gpt.c */
/* links: drivers/volume/mbr.c kernel/lib/sort.c tests/unit/fake_turns.c */
/* links: drivers/volume/piece.c drivers/volume/split.c drivers/volume/split_cut.c */
/* links: drivers/volume/fat.c drivers/volume/fat_name.c kernel/io/storage.c */
/* links: kernel/io/storage_claims.c kernel/io/storage_check.c */
/* links: kernel/io/extents.c kernel/lib/size.c kernel/lib/crc32.c tests/unit/fake_blkdev.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "drivers/volume/sources.h"
#include "drivers/volume/split_internal.h"
#include "kernel/io/files.h"
#include "kernel/log/log.h"
#include "kernel/sched/sync.h"
#include "tests/unit/partition_disk.h"

#define DATA  "13121110-1514-1716-1819-1a1b1c1d1e1f"
#define BOOT  "43424140-4544-4746-4849-4a4b4c4d4e4f"
#define TWIN1 "73727170-7574-7776-7879-7a7b7c7d7e7f"
#define TWIN2 "a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf"

static struct fake_disk nvme0, sata0, sata1;
static struct handoff_partition boot;
static char why[STORAGE_WHY_BYTES];
static char logged[256];

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	size_t used = strlen(logged);
	va_list args;

	(void)level;
	(void)area;
	va_start(args, fmt);
	vsnprintf(logged + used, sizeof(logged) - used, fmt, args);
	va_end(args);
	strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
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
	return 0;
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

static int set_up(void **state)
{
	(void)state;
	storage_register(&disk_scheme);
	storage_register(&part_scheme);
	storage_register(&esp_scheme);

	fake_disk_init(&nvme0, "nvme0", 2 * MIB, 512);
	strcpy(nvme0.dev.serial, "S3CR3T");
	strcpy(nvme0.dev.location, "pci:00:03.0");
	strcpy(nvme0.dev.model, "Fast Disk");
	gpt_entry(&nvme0, 2, 0, 100, 1099, 0x10, "data");
	gpt_entry(&nvme0, 2, 1, 1100, 1299, 0x40, "BULKHEAD");
	gpt_entry(&nvme0, 2, 2, 1300, 1309, 0x70, "twin");
	gpt_entry(&nvme0, 2, 3, 1310, 1319, 0xa0, "twin");
	gpt_finish(&nvme0);
	make_fat(1100);

	fake_disk_init(&sata0, "sata0", 1 * MIB, 512);
	strcpy(sata0.dev.serial, "same");
	strcpy(sata0.dev.location, "pci:00:1f.2/port0");
	put32(sata0.data + 440, 0xdeadbeef);
	mbr_entry(&sata0, 0, 0, 0x83, 100, 200);
	fake_disk_init(&sata1, "sata1", 1 * MIB, 512);
	strcpy(sata1.dev.serial, "same");
	strcpy(sata1.dev.location, "pci:00:1f.2/port1");

	assert_null(blkdev_at(0));
	assert_int_equal(storage_parse("disk:S3CR3T", why), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(nvme0.data);
	free(sata0.data);
	free(sata1.data);
	return 0;
}

static void refused(const char *source, int error, const char *reason)
{
	struct blkdev *dev;

	assert_int_equal(storage_open(source, STORAGE_READ_ONLY, "g", &dev, why), error);
	assert_string_equal(why, reason);
}

static void opened(const char *source, struct fake_disk *disk, uint64_t offset, uint64_t bytes)
{
	struct blkdev *dev;
	uint8_t buf[512];

	assert_int_equal(storage_open(source, STORAGE_WRITE, "g", &dev, why), 0);
	assert_int_equal(dev->bytes, bytes);
	memset(disk->data + offset, 0x5a, 512);
	assert_int_equal(blk_read(dev, 0, buf, sizeof(buf)), 0);
	assert_int_equal(buf[511], 0x5a);
	storage_close(dev, "g");
}

static void without_disks_it_says_so(void **state)
{
	(void)state;
	refused("disk:x", -ENOENT, "names no disk: none was found in this machine");
	refused("part:x", -ENOENT, "names no partition: the disks of this machine have none");
	boot.kind = HANDOFF_PARTITION_GPT;
	refused("esp:/disks/web.img", -ENODEV,
		"cannot be used: the boot partition is on none of the disks that have a driver "
		"here (a USB stick has none); copy the file to a partition or volume");
	boot.kind = HANDOFF_PARTITION_UNKNOWN;
	refused("esp:/disks/web.img", -ENODEV,
		"cannot be used: the firmware did not say which partition it booted from");
	blkdev_register(&nvme0.dev);
	blkdev_register(&sata0.dev);
	blkdev_register(&sata1.dev);
}

static void disks_are_named_by_serial_or_place(void **state)
{
	struct blkdev *dev;

	(void)state;
	assert_int_equal(storage_open("disk:S3CR3T", STORAGE_WRITE, "g", &dev, why), 0);
	assert_ptr_equal(dev, &nvme0.dev);
	storage_close(dev, "g");
	assert_int_equal(storage_open("disk:pci:00:1f.2/port1", STORAGE_WRITE, "g", &dev, why),
			 0);
	assert_ptr_equal(dev, &sata1.dev);
	storage_close(dev, "g");
	refused("disk:nvme0", -ENOENT,
		"names no disk; this machine has disk:S3CR3T (nvme0, 2 MiB), "
		"disk:pci:00:1f.2/port0 (sata0, 1 MiB), disk:pci:00:1f.2/port1 (sata1, 1 MiB)");
	refused("disk:same", -EINVAL,
		"is the serial number of several disks; write one of disk:pci:00:1f.2/port0 "
		"(sata0, 1 MiB), disk:pci:00:1f.2/port1 (sata1, 1 MiB)");
	refused("disk:", -EINVAL,
		"names no disk; write its serial number, or its place: 'disk:pci:00:03.0'");
	sata1.dev.gone = true;
	refused("disk:pci:00:1f.2/port1", -ENODEV, "is sata1, which no longer answers");
	sata1.dev.gone = false;
}

static void partitions_are_named_by_uuid_or_label(void **state)
{
	(void)state;
	opened("part:" DATA, &nvme0, 100 * 512, 1000 * 512);
	opened("part:13121110-1514-1716-1819-1A1B1C1D1E1F", &nvme0, 100 * 512, 1000 * 512);
	opened("part:data", &nvme0, 100 * 512, 1000 * 512);
	opened("part:DEADBEEF-01", &sata0, 100 * 512, 200 * 512);
	refused("part:Data", -ENOENT,
		"names no partition; this machine has part:data (500 KiB on nvme0), "
		"part:BULKHEAD (100 KiB on nvme0), part:twin (5 KiB on nvme0), part:twin "
		"(5 KiB on nvme0), part:deadbeef-01 (100 KiB on sata0)");
	refused("part:twin", -EINVAL,
		"is the label of several partitions; write one of part:" TWIN1
		" (5 KiB on nvme0), part:" TWIN2 " (5 KiB on nvme0)");
	refused("part:", -EINVAL,
		"names no partition; write its PARTUUID, as lsblk shows it, or its label");
	/* A second disk that is a copy of the first. */
	memcpy(sata1.data, sata0.data, 512);
	refused("part:deadbeef-01", -EINVAL,
		"names several partitions, of which only one may keep that PARTUUID: "
		"part:deadbeef-01 (100 KiB on sata0), part:deadbeef-01 (100 KiB on sata1)");
	memset(sata1.data, 0, 512);
}

static void a_disk_that_fails_hides_no_other(void **state)
{
	(void)state;
	logged[0] = '\0';
	nvme0.fail = -EIO;
	opened("part:deadbeef-01", &sata0, 100 * 512, 200 * 512);
	assert_string_equal(logged, "nvme0: its partitions cannot be read\n");
	nvme0.fail = 0;
}

static void one_partition_has_one_owner(void **state)
{
	struct storage_use uses[] = {
		{.source = "part:data", .owner = "a"},
		{.source = "part:" DATA, .owner = "b"},
		{.source = "part:BULKHEAD", .owner = "c"},
		{.source = "disk:S3CR3T", .owner = "d", .read_only = true},
		{.source = "part:deadbeef-01", .owner = "e"},
		{.source = "disk:pci:00:1f.2/port0", .owner = "f"},
	};
	static const int clashes[] = {1, 0, 3, 0, 5, 4}; /* the first that there is */

	(void)state;
	assert_int_equal(storage_check(uses, ARRAY_SIZE(uses)), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(uses); i++)
		assert_int_equal(uses[i].clash, clashes[i]);
}

/* ---- files of the boot partition ----------------------------------------------------------
 */

static void boot_from(enum handoff_partition_kind kind, uint64_t first, const void *signature,
		      size_t bytes)
{
	memset(&boot, 0, sizeof(boot));
	boot.kind = kind;
	boot.first_lba = first;
	memcpy(boot.signature, signature, bytes);
}

static void a_file_is_a_disk(void **state)
{
	uint8_t guid[16], buf[3 * 512];
	struct blkdev *dev, *other;
	const uint8_t *data = block_at(&nvme0, 1100 + 3 - 2); /* of cluster 0 */

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		guid[i] = (uint8_t)(0x40 + i);
	boot_from(HANDOFF_PARTITION_GPT, 1100, guid, 16);
	assert_int_equal(storage_open("esp:/Disks/web.img", STORAGE_WRITE, "g", &dev, why), 0);
	assert_string_equal(dev->name, "esp:/Disks/web.img");
	assert_int_equal(dev->bytes, sizeof(buf));
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(1 + i / 512);
	assert_int_equal(blk_write(dev, 0, buf, sizeof(buf)), 0);
	assert_int_equal(data[4 * 512], 1);
	assert_int_equal(data[6 * 512], 2);
	assert_int_equal(data[5 * 512], 3);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(blk_read(dev, 512, buf, 1024), 0);
	assert_int_equal(buf[0], 2);
	assert_int_equal(buf[1023], 3);
	/* Its sectors, and so the partition and the disk, are taken. */
	assert_int_equal(storage_open("part:BULKHEAD", STORAGE_READ_ONLY, "h", &other, why),
			 -EBUSY);
	assert_int_equal(storage_open("disk:S3CR3T", STORAGE_READ_ONLY, "h", &other, why),
			 -EBUSY);
	assert_int_equal(storage_open("part:data", STORAGE_WRITE, "h", &other, why), 0);
	storage_close(other, "h");
	storage_close(dev, "g");

	refused("esp:/disks/nothing", -ENOENT,
		"is not there: nothing is called 'nothing' in its folder");
	refused("esp:/disks/odd.img", -EINVAL,
		"is 1 bytes long; a disk has a multiple of 512: `truncate -s` makes it one");
}

static void a_copy_of_the_boot_partition_is_not_it(void **state)
{
	static const uint8_t signature[4] = {0xef, 0xbe, 0xad, 0xde};
	struct blkdev *dev;

	(void)state;
	memcpy(block_at(&sata0, 100), block_at(&nvme0, 1100), 100 * 512);
	boot_from(HANDOFF_PARTITION_MBR, 100, signature, 4);
	assert_int_equal(storage_open("esp:/disks/web.img", STORAGE_READ_ONLY, "g", &dev, why),
			 0);
	storage_close(dev, "g");
	memcpy(sata1.data, sata0.data, 512);
	refused("esp:/disks/web.img", -ENODEV,
		"cannot be used: there are 2 copies of the boot partition; remove all disks "
		"but "
		"one of them");
	memset(sata1.data, 0, 512);
	boot.first_lba = 101;
	assert_int_equal(storage_open("esp:/disks/web.img", STORAGE_READ_ONLY, "g", &dev, why),
			 -ENODEV);
	boot.first_lba = 100;
	boot.kind = HANDOFF_PARTITION_GPT;
	assert_int_equal(storage_open("esp:/disks/web.img", STORAGE_READ_ONLY, "g", &dev, why),
			 -ENODEV);
}

static void paths_lead_into_the_folder_of_disks(void **state)
{
	static const char *const wrong[] = {"esp:/disks/", "esp:/disks//x", "esp:/disks/../x",
					    "esp:/disks/x/", "esp:/disks/.x"};

	(void)state;
	assert_int_equal(storage_parse("esp:/disks/x", why), 0);
	assert_int_equal(storage_parse("esp:/DISKS/folder/x.img", why), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(storage_parse(wrong[i], why), -EINVAL);
	assert_int_equal(storage_parse("esp:/samples/web.img", why), -EINVAL);
	assert_string_equal(why, "is read into memory at boot; put disks in "
				 "\\bulkhead\\disks\\ and write 'esp:/disks/web.img'");
}

/* ---- listing ------------------------------------------------------------------------------
 */

static char list[1024];

static void note(void *arg, const struct storage_volume *volume)
{
	size_t used = strlen(list);

	(void)arg;
	snprintf(list + used, sizeof(list) - used, "%s | %s | %llu | %s\n", volume->source,
		 volume->about, (unsigned long long)volume->bytes, volume->owner);
}

static void all_are_listed_with_their_owners(void **state)
{
	struct blkdev *dev;

	(void)state;
	assert_int_equal(storage_open("part:data", STORAGE_WRITE, "web", &dev, why), 0);
	storage_list(note, NULL);
	storage_close(dev, "web");
	assert_string_equal(
		list, "disk:S3CR3T | nvme0, Fast Disk at pci:00:03.0 | 2097152 | web\n"
		      "disk:pci:00:1f.2/port0 | sata0, disk at pci:00:1f.2/port0 | 1048576 | \n"
		      "disk:pci:00:1f.2/port1 | sata1, disk at pci:00:1f.2/port1 | 1048576 | \n"
		      "part:" DATA " | 'data', number 1 of nvme0 | 512000 | web\n"
		      "part:" BOOT " | 'BULKHEAD', number 2 of nvme0 | 102400 | \n"
		      "part:" TWIN1 " | 'twin', number 3 of nvme0 | 5120 | \n"
		      "part:" TWIN2 " | 'twin', number 4 of nvme0 | 5120 | \n"
		      "part:deadbeef-01 | number 1 of sata0 | 102400 | \n");
}

static void tables_are_logged(void **state)
{
	(void)state;
	logged[0] = '\0';
	block_at(&nvme0, 1)[0] = 0;
	part_log();
	assert_string_equal(logged,
			    "nvme0: GPT with 4 partitions\n"
			    "nvme0: the GPT at the disk's start is not there; its copy at "
			    "block 4095 is used, and Linux sees no partition: repair it, with "
			    "sgdisk or gdisk\n"
			    "sata0: MBR with 1 partition\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_disks_it_says_so), /* registers them: the first */
		cmocka_unit_test(disks_are_named_by_serial_or_place),
		cmocka_unit_test(partitions_are_named_by_uuid_or_label),
		cmocka_unit_test(a_disk_that_fails_hides_no_other),
		cmocka_unit_test(one_partition_has_one_owner),
		cmocka_unit_test(a_file_is_a_disk),
		cmocka_unit_test(a_copy_of_the_boot_partition_is_not_it),
		cmocka_unit_test(paths_lead_into_the_folder_of_disks),
		cmocka_unit_test(all_are_listed_with_their_owners),
		cmocka_unit_test(tables_are_logged),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
