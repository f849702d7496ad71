/* See sources.h. Who may have what is kernel/io/storage's to say. */
#include "guests/launch/sources.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/io/storage.h"

static int open_one(struct sources *sources, const struct config_disk *disk, unsigned index,
		    char why[BOOT_WHY_BYTES])
{
	unsigned how = (disk->read_only ? STORAGE_READ_ONLY : STORAGE_WRITE) |
		       (disk->physical_volume ? STORAGE_WHOLE : 0);
	char reason[STORAGE_WHY_BYTES];
	int err =
		storage_open(disk->source, how, sources->owner, &sources->devs[index], reason);

	if (!err)
		return 0;
	if (err != -EBUSY && err != -ENOMEM)
		err = -ENODEV;
	return boot_refuse(why, err, "disks[%u].source '%s' %s", index, disk->source, reason);
}

int sources_open(const struct guest_config *config, const _Atomic bool *given_up,
		 struct sources *sources, char why[BOOT_WHY_BYTES])
{
	int err = 0;

	memset(sources, 0, sizeof *sources);
	memcpy(sources->owner, config->name, sizeof sources->owner);
	for (unsigned i = 0; !err && i < config->disk_count; i++) {
		err = open_one(sources, &config->disks[i], i, why);
		if (!err && atomic_load(given_up)) /* it may have taken long */
			err = boot_refuse(why, -ECANCELED, "given up");
	}
	if (err)
		sources_close(sources);
	return err;
}

void sources_close(struct sources *sources)
{
	for (unsigned i = 0; i < CONFIG_DISKS_MAX; i++)
		if (sources->devs[i])
			storage_close(sources->devs[i], sources->owner);
	memset(sources, 0, sizeof *sources);
}
