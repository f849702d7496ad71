/* The disks of a whole configuration, as kernel/io/storage.h finds them on this machine. */
#include <errno.h>
#include <stdlib.h>

#include "guests/catalogue/internal.h"
#include "kernel/io/storage.h"

/* A disk by its position among those of all guests. */
static const struct config_disk *disk_at(const struct config *config, unsigned position,
					 const struct guest_config **guest, unsigned *index)
{
	for (*guest = config->guests; position >= (*guest)->disk_count; (*guest)++)
		position -= (*guest)->disk_count;
	*index = position;
	return &(*guest)->disks[position];
}

static void report_use(const struct config *config, const struct storage_use *uses,
		       unsigned position, struct config_report *report)
{
	const struct storage_use *use = &uses[position];
	const struct guest_config *guest, *other;
	unsigned index, rival;
	const struct config_disk *disk = disk_at(config, position, &guest, &index), *first;
	char place[CONFIG_ON_LINE_MAX];

	if (use->clash < 0) {
		config_report_add(report, disk->source_mark,
				  "guest '%s': disks[%u].source '%.64s' %s", guest->name, index,
				  use->source, use->why);
		return;
	}
	first = disk_at(config, (unsigned)use->clash, &other, &rival);
	config_report_add(
		report, disk->source_mark,
		"guest '%s': disks[%u] and disks[%u] of guest '%s'%s exclude each other: "
		"'%.64s' %s",
		guest->name, index, rival, other->name,
		config_on_line(first->source_mark, place), use->source, use->why);
}

int catalogue_check_disks(const struct config *config, bool lasting,
			  struct config_report *report)
{
	struct storage_use *uses;
	unsigned count = 0, position = 0;
	int err;

	for (uint32_t i = 0; i < config->guest_count; i++)
		count += config->guests[i].disk_count;
	uses = calloc(count + 1, sizeof *uses);
	if (!uses)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];

		for (uint32_t j = 0; j < guest->disk_count; j++, position++) {
			uses[position].source = guest->disks[j].source;
			uses[position].read_only = guest->disks[j].read_only;
		}
	}
	err = lasting ? storage_check(uses, count) : storage_try(uses, count);
	for (position = 0; err && report && position < count; position++)
		if (uses[position].error)
			report_use(config, uses, position, report);
	free(uses);
	return err;
}
