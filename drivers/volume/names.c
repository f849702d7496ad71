/* The forms of sources. */
#include "drivers/volume/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "drivers/volume/partition.h"
#include "kernel/lib/size.h"

#define DISKS_FOLDER  "/disks/"
#define RAM_BYTES_MAX (1ull << 40)

int names_disk(const char *text, char why[STORAGE_WHY_BYTES])
{
	if (text[0] && strlen(text) < BLKDEV_SERIAL_MAX)
		return 0;
	snprintf(why, STORAGE_WHY_BYTES,
		 "names no disk; write its serial number, or its place: 'disk:pci:00:03.0'");
	return -EINVAL;
}

int names_part(const char *text, char why[STORAGE_WHY_BYTES])
{
	if (text[0] && strlen(text) < PARTITION_LABEL_BYTES)
		return 0;
	snprintf(why, STORAGE_WHY_BYTES,
		 "names no partition; write its PARTUUID, as lsblk shows it, or its label");
	return -EINVAL;
}

int names_lvm(const char *text, char why[STORAGE_WHY_BYTES])
{
	const char *slash = strchr(text, '/');

	if (slash && slash != text && slash[1] && !strchr(slash + 1, '/') &&
	    (size_t)(slash - text) < NAMES_LVM_BYTES && strlen(slash + 1) < NAMES_LVM_BYTES)
		return 0;
	snprintf(why, STORAGE_WHY_BYTES,
		 "names no logical volume; write its group and its name: 'lvm:vg0/web'");
	return -EINVAL;
}

int names_esp(const char *text, char why[STORAGE_WHY_BYTES])
{
	const char *name = text + strlen(DISKS_FOLDER);

	if (strncasecmp(text, DISKS_FOLDER, strlen(DISKS_FOLDER)) != 0 || !*name) {
		snprintf(why, STORAGE_WHY_BYTES,
			 "is read into memory at boot; put disks in \\bulkhead\\disks\\ and "
			 "write 'esp:/disks/web.img'");
		return -EINVAL;
	}
	for (; *name; name += strcspn(name, "/"), name += *name == '/') {
		size_t length = strcspn(name, "/");

		if (!length || name[0] == '.' || (name[length] && !name[length + 1])) {
			snprintf(why, STORAGE_WHY_BYTES,
				 "has an empty name, or one that begins with a dot, in its "
				 "path");
			return -EINVAL;
		}
	}
	return 0;
}

int names_ram(const char *text, char why[STORAGE_WHY_BYTES])
{
	uint64_t bytes;

	if (size_parse(text, &bytes) && bytes && bytes <= RAM_BYTES_MAX)
		return 0;
	snprintf(why, STORAGE_WHY_BYTES,
		 "has no size; write 'ram:64 MiB', from 1 KiB to 1 TiB");
	return -EINVAL;
}
