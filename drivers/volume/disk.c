/* `disk:`: a whole disk as its driver registered it, by its serial number or its place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/volume/names.h"
#include "drivers/volume/sources.h"
#include "drivers/volume/why.h"
#include "kernel/lib/size.h"

static bool is_named(const struct blkdev *disk, const char *text)
{
	return !strcmp(disk->location, text) || !strcmp(disk->serial, text);
}

static struct blkdev *find(const char *text, unsigned *count)
{
	struct blkdev *disk, *found = NULL;

	*count = 0;
	for (unsigned i = 0; (disk = blkdev_at(i)); i++) {
		if (!is_named(disk, text))
			continue;
		found = disk;
		++*count;
	}
	return found;
}

/* What names this disk and no other. */
static const char *name_of(const struct blkdev *disk)
{
	unsigned count;

	find(disk->serial, &count);
	return disk->serial[0] && count == 1 ? disk->serial : disk->location;
}

/* Lists all disks, or those that `text` names, by the name that is good. */
static void add_choices(char why[STORAGE_WHY_BYTES], const char *text)
{
	const char *joint = "";
	struct blkdev *disk;
	char size[SIZE_TEXT_BYTES];

	for (unsigned i = 0; (disk = blkdev_at(i)); i++) {
		if (text && !is_named(disk, text))
			continue;
		why_add(why, "%s disk:%s (%s, %s)", joint,
			text ? disk->location : name_of(disk), disk->name,
			size_text(disk->bytes, size));
		joint = ",";
	}
}

static int open_disk(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	unsigned count;
	struct blkdev *disk = find(text, &count);

	why[0] = '\0';
	if (!blkdev_at(0)) {
		why_add(why, "names no disk: none was found in this machine");
		return -ENOENT;
	}
	if (!disk) {
		why_add(why, "names no disk; this machine has");
		add_choices(why, NULL);
		return -ENOENT;
	}
	if (count > 1) {
		why_add(why, "is the serial number of several disks; write one of");
		add_choices(why, text);
		return -EINVAL;
	}
	if (disk->gone) {
		why_add(why, "is %s, which no longer answers", disk->name);
		return -ENODEV;
	}
	*dev = disk;
	return 0;
}

static void list_disks(storage_visit visit, void *arg)
{
	struct blkdev *disk;

	for (unsigned i = 0; (disk = blkdev_at(i)); i++) {
		struct storage_volume volume = {.bytes = disk->bytes, .disk = disk};

		snprintf(volume.source, sizeof(volume.source), "disk:%s", name_of(disk));
		snprintf(volume.about, sizeof(volume.about), "%s, %.40s at %s%s", disk->name,
			 disk->model[0] ? disk->model : "disk", disk->location,
			 disk->gone ? ", gone" : "");
		visit(arg, &volume);
	}
}

const struct storage_scheme disk_scheme = {
	.scheme = "disk",
	.open = open_disk,
	.parse = names_disk,
	.list = list_disks,
	.plain = true,
};
