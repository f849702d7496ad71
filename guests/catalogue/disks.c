/* The disks of a whole configuration, as kernel/io/storage.h finds them on this machine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	int lacks = (int)(guest - config->guests);
	char place[CONFIG_ON_LINE_MAX];

	if (use->clash < 0) {
		config_report_lack(report, lacks, disk->source_mark,
				   "guest '%s': disks[%u].source '%.64s' %s", guest->name,
				   index, use->source, use->why);
		return;
	}
	first = disk_at(config, (unsigned)use->clash, &other, &rival);
	config_report_lack(
		report, lacks, disk->source_mark,
		"guest '%s': disks[%u] and disks[%u] of guest '%s'%s exclude each other: "
		"'%.64s' %s",
		guest->name, index, rival, other->name,
		config_on_line(first->source_mark, place), use->source, use->why);
}

static bool is_to_start(const struct config_plan *plan, const char *name)
{
	for (uint32_t i = 0; plan && i < plan->item_count; i++)
		if (plan->items[i].part == CONFIG_PART_GUEST && plan->items[i].starts &&
		    strcmp(plan->items[i].name, name) == 0)
			return true;
	return false;
}

/* `lacking`: bits of guests that can't start for what else they lack. Nothing is kept for them:
 * a RAM disk would take the memory of those that can. */
static unsigned fill(const struct config *config, const struct config_plan *plan,
		     uint64_t lacking, struct storage_use *uses)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];
		bool starts = is_to_start(plan, guest->name) && !(lacking >> i & 1);

		for (uint32_t j = 0; j < guest->disk_count; j++)
			uses[count++] = (struct storage_use){
				.source = guest->disks[j].source,
				.owner = guest->name,
				.read_only = guest->disks[j].read_only,
				.starts = starts,
			};
	}
	return count;
}

int catalogue_check_disks(const struct config *config, const struct config_plan *plan,
			  bool lasting, struct config_report *report)
{
	struct storage_use *uses;
	unsigned count = 0;
	int err;

	for (uint32_t i = 0; i < config->guest_count; i++)
		count += config->guests[i].disk_count;
	uses = calloc(count + 1, sizeof *uses);
	if (!uses)
		return -ENOMEM;
	fill(config, plan, report ? report->lacking : 0, uses);
	err = lasting ? storage_check(uses, count) : storage_try(uses, count);
	for (unsigned i = 0; !err && report && i < count; i++)
		if (uses[i].error)
			report_use(config, uses, i, report);
	free(uses);
	return err;
}

void catalogue_forget_disks(const struct config_plan *plan)
{
	for (uint32_t i = 0; i < plan->item_count; i++)
		if (plan->items[i].part == CONFIG_PART_GUEST && plan->items[i].starts)
			storage_forget(plan->items[i].name);
}
