/* Caches are lists of sectors in the order of writing. The power cut ends the program. */
#include "tools/lvm/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/sched/turns.h"

#define IMAGES_MAX	64
#define EXIT_POWER_CUT	3
#define SEED_LOSES_ALL	0
#define SEED_LOSES_NONE 1

struct sector {
	struct sector *next;
	uint64_t offset;
	uint8_t bytes[LVM_SECTOR_BYTES];
};

struct image {
	struct lvm_disk disk;
	int fd;
	struct sector *first, **end;
};

static struct image images[IMAGES_MAX];
static unsigned image_count;
static struct image_cut power;
static unsigned long writes;

/* There is nobody else. */
void thread_yield(void)
{
}

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	exit(2);
}

/* Puts the cache's sectors on the file, but for those that `lost` says. */
static void empty_cache(struct image *image, unsigned long lost)
{
	struct sector *sector;

	while ((sector = image->first)) {
		bool kept = lost == SEED_LOSES_NONE || (lost > SEED_LOSES_NONE && random() & 1);

		image->first = sector->next;
		if (kept)
			must(pwrite(image->fd, sector->bytes, LVM_SECTOR_BYTES,
				    (off_t)sector->offset) == LVM_SECTOR_BYTES,
			     image->disk.name);
		free(sector);
	}
	image->end = &image->first;
}

static int read_image(struct lvm_disk *disk, uint64_t offset, void *buf, size_t bytes)
{
	struct image *image = container_of(disk, struct image, disk);

	if (pread(image->fd, buf, bytes, (off_t)offset) != (ssize_t)bytes)
		return -EIO;
	for (struct sector *sector = image->first; sector; sector = sector->next)
		if (sector->offset >= offset && sector->offset - offset < bytes)
			memcpy((uint8_t *)buf + (sector->offset - offset), sector->bytes,
			       LVM_SECTOR_BYTES);
	return 0;
}

static noreturn void cut_power(void)
{
	srandom((unsigned)power.lost);
	for (unsigned i = 0; i < image_count; i++)
		empty_cache(&images[i], power.lost);
	exit(EXIT_POWER_CUT);
}

static int write_image(struct lvm_disk *disk, uint64_t offset, const void *buf, size_t bytes)
{
	struct image *image = container_of(disk, struct image, disk);

	for (size_t at = 0; at < bytes; at += LVM_SECTOR_BYTES) {
		struct sector *sector = malloc(sizeof(*sector));

		must(sector, "memory");
		sector->next = NULL;
		sector->offset = offset + at;
		memcpy(sector->bytes, (const uint8_t *)buf + at, LVM_SECTOR_BYTES);
		*image->end = sector;
		image->end = &sector->next;
	}
	if (++writes == power.at_write)
		cut_power();
	return 0;
}

static int flush_image(struct lvm_disk *disk)
{
	empty_cache(container_of(disk, struct image, disk), SEED_LOSES_NONE);
	return 0;
}

struct lvm_disk *image_open(const char *path, uint32_t block_bytes)
{
	struct image *image = &images[image_count++];
	off_t end;

	must(image_count < IMAGES_MAX, "too many images");
	image->fd = open(path, O_RDWR | O_CLOEXEC);
	must(image->fd >= 0, path);
	end = lseek(image->fd, 0, SEEK_END); /* a device has no size of a file */
	must(end >= 0, path);
	image->end = &image->first;
	image->disk = (struct lvm_disk){.name = path,
					.bytes = ALIGN_DOWN((uint64_t)end, block_bytes),
					.block_bytes = block_bytes,
					.read = read_image,
					.write = write_image,
					.flush = flush_image};
	return &image->disk;
}

void image_set_cut(const struct image_cut *cut)
{
	power = *cut;
}

void image_sync(void)
{
	for (unsigned i = 0; i < image_count; i++)
		empty_cache(&images[i], SEED_LOSES_NONE);
}

unsigned long image_writes(void)
{
	return writes;
}
