/* Volume groups and logical volumes: what kernel/io/volume.h can do. Whatever loses data is
 * done only when an argument says so, which no habit types. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/io/volume.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/size.h"

#define STRIPES_MAX 128
#define NO_CANCEL   "what it changes on the disks is changed as a whole"

struct volume_args {
	char volume[VOLUME_NAME_BYTES];
	uint64_t bytes;
	uint32_t stripes;
	bool shrink, destroy, anyway;
};
_Static_assert(sizeof(struct volume_args) <= sizeof(struct action_args), "arguments fit");

#define VOLUME_FIELD                                                                          \
	{                                                                                     \
		.key = "volume", .type = CONFIG_TEXT, .required = true,                       \
		.offset = offsetof(struct volume_args, volume), .maximum = VOLUME_NAME_BYTES, \
		.example = "vg0/web", .doc = "Group and logical volume.",                     \
	}
#define SIZE_FIELD                                                           \
	{                                                                    \
		.key = "size", .type = CONFIG_SIZE, .required = true,        \
		.offset = offsetof(struct volume_args, bytes), .minimum = 1, \
		.maximum = UINT64_MAX, .multiple = 1, .example = "10 GiB",   \
		.doc = "Its size then; rounded up to whole extents.",        \
	}

#define ANYWAY_FIELD                                                                       \
	{                                                                                  \
		.key = "anyway", .type = CONFIG_BOOL,                                      \
		.offset = offsetof(struct volume_args, anyway), .initial = "false",        \
		.doc = "Whether also where a guest that does not run has it as its disk.", \
	}

static const struct config_field create_fields[] = {
	VOLUME_FIELD,
	SIZE_FIELD,
	{.key = "stripes",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct volume_args, stripes),
	 .minimum = 1,
	 .maximum = STRIPES_MAX,
	 .initial = "1",
	 .doc = "On how many disks at once."},
};

static const struct config_field resize_fields[] = {
	VOLUME_FIELD,
	SIZE_FIELD,
	{.key = "shrink",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct volume_args, shrink),
	 .initial = "false",
	 .doc = "Whether it may lose what is behind a smaller end."},
	ANYWAY_FIELD,
};

static const struct config_field remove_fields[] = {
	VOLUME_FIELD,
	{.key = "destroy",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct volume_args, destroy),
	 .initial = "false",
	 .doc = "Whether all that is in it may be lost; nothing is removed without it."},
	ANYWAY_FIELD,
};

static const struct config_table create_arguments =
	CONFIG_TABLE(create_fields, struct volume_args, NULL);
static const struct config_table resize_arguments =
	CONFIG_TABLE(resize_fields, struct volume_args, NULL);
static const struct config_table remove_arguments =
	CONFIG_TABLE(remove_fields, struct volume_args, NULL);

static const struct volume_provider *provider(struct action_call *call)
{
	const struct volume_provider *found = volume_provider();

	if (!found)
		action_say(call, "This machine has no volume groups.");
	return found;
}

/* ---- groups --------------------------------------------------------------------------------
 */

struct visit {
	struct action_call *call;
	unsigned groups, strays;
};

static void next_line(struct visit *visit)
{
	if (visit->groups + visit->strays)
		action_say(visit->call, "\n");
}

static void say_group(void *arg, const struct volume_group *group)
{
	char all[SIZE_TEXT_BYTES], rest[SIZE_TEXT_BYTES];
	struct visit *visit = arg;

	next_line(visit);
	visit->groups++;
	action_say(visit->call, "%-16s %s on %u disk%s, %s free, %u volume%s", group->name,
		   size_text(group->bytes, all), group->disks, plural(group->disks),
		   size_text(group->free_bytes, rest), group->volumes, plural(group->volumes));
	if (*group->why)
		action_say(visit->call, "\n  %s %s.", group->name, group->why);
}

static void say_stray(void *arg, const struct volume_stray *stray)
{
	char size[SIZE_TEXT_BYTES];
	struct visit *visit = arg;

	next_line(visit);
	visit->strays++;
	action_say(visit->call, "%-16s a physical volume of %s, of %s%s\n  %s %s.", stray->disk,
		   size_text(stray->bytes, size),
		   *stray->group ? "the group " : "no group that is known", stray->group,
		   stray->disk, stray->why);
}

static int show_groups(struct action_call *call)
{
	struct visit visit = {.call = call};

	if (!provider(call))
		return 0;
	provider(call)->groups(say_group, &visit);
	provider(call)->strays(say_stray, &visit);
	if (!visit.groups)
		action_say(call, "%sNo disk of this machine has a volume group of LVM2's%s.",
			   visit.strays ? "\n" : "", visit.strays ? " that can be used" : "");
	action_value(call, "groups", visit.groups);
	action_value(call, "strays", visit.strays);
	return 0;
}

const struct action action_groups = {
	.name = "groups",
	.help = "volume groups of the disks",
	.role = ROLE_VIEWER,
	.arguments = &action_no_arguments,
	.is_job = true, /* a change of volumes that waits for a disk has them locked */
	.no_cancel = "it waits for a change that another makes",
	.run = show_groups,
};

/* ---- changes -------------------------------------------------------------------------------
 */

static int refuse(struct action_call *call, int err, const char *why)
{
	const struct volume_args *args = call->args;

	action_say(call, "%s %s.", args->volume, why);
	return err;
}

/* Who has it as a disk and does not run; who runs has it open, and the provider refuses. The
 * number of its uses, or -ENOMEM, which is said. */
static int find_uses(struct action_call *call, char uses[CATALOGUE_NAMED_BYTES])
{
	const struct volume_args *args = call->args;
	char source[sizeof "lvm:" + VOLUME_NAME_BYTES];
	int count;

	snprintf(source, sizeof source, "lvm:%s", args->volume);
	count = catalogue_named(source, uses);
	if (count < 0)
		action_say(call, "The hypervisor is out of memory, or still starting.");
	return count;
}

/* "vg0/web is new, with 10 GiB." */
static int say_done(struct action_call *call, enum event_kind kind, const char *what,
		    uint64_t bytes)
{
	const struct volume_args *args = call->args;
	char size[SIZE_TEXT_BYTES], by[ACTOR_TEXT_BYTES];

	size_text(bytes, size);
	action_say(call, "%s %s %s.", args->volume, what, size);
	action_value(call, "bytes", bytes);
	event_post(kind, args->volume, "%s %s %s, %s", args->volume, what, size,
		   actor_text(call->actor, by));
	return 0;
}

static int create(struct action_call *call)
{
	const struct volume_args *args = call->args;
	char why[STORAGE_WHY_BYTES];
	uint64_t bytes = args->bytes;
	int err;

	if (!provider(call))
		return -ENODEV;
	err = provider(call)->create(args->volume, &bytes, args->stripes, why);
	return err ? refuse(call, err, why)
		   : say_done(call, EVENT_VOLUME_CREATED, "is new, with", bytes);
}

/* To make it larger takes nothing from its guest, which is told of; to make it smaller does. */
static int resize(struct action_call *call)
{
	const struct volume_args *args = call->args;
	char why[STORAGE_WHY_BYTES], uses[CATALOGUE_NAMED_BYTES], size[SIZE_TEXT_BYTES];
	uint64_t bytes = args->bytes;
	int err, used = find_uses(call, uses);

	if (used < 0)
		return used;
	if (used && args->shrink && !args->anyway) {
		action_say(call,
			   "%s is %s, whose data behind the new end would be lost. If that is "
			   "meant, type: lvresize %s %s shrink anyway",
			   args->volume, uses, args->volume, size_exact_text(bytes, size));
		return -EBUSY;
	}
	if (!provider(call))
		return -ENODEV;
	err = provider(call)->resize(args->volume, &bytes, args->shrink, why);
	if (err)
		return refuse(call, err, why);
	say_done(call, EVENT_VOLUME_RESIZED, "has now", bytes);
	if (used)
		action_say(call, " It is %s.", uses);
	return 0;
}

static int remove_volume(struct action_call *call)
{
	const struct volume_args *args = call->args;
	char why[STORAGE_WHY_BYTES], by[ACTOR_TEXT_BYTES], uses[CATALOGUE_NAMED_BYTES];
	int err, used = find_uses(call, uses);

	if (used < 0)
		return used;
	if (!args->destroy || (used && !args->anyway)) {
		action_say(call, "All that is in %s would be lost", args->volume);
		if (used)
			action_say(call, ", and it is %s, which could not start without it",
				   uses);
		action_say(call, ". If that is meant, type: lvremove %s destroy%s",
			   args->volume, used ? " anyway" : "");
		return args->destroy ? -EBUSY : -EINVAL;
	}
	if (!provider(call))
		return -ENODEV;
	err = provider(call)->remove(args->volume, why);
	if (err)
		return refuse(call, err, why);
	action_say(call, "%s is removed.", args->volume);
	event_post(EVENT_VOLUME_REMOVED, args->volume, "%s is removed, %s", args->volume,
		   actor_text(call->actor, by));
	return 0;
}

const struct action action_lvcreate = {
	.name = "lvcreate",
	.help = "make a logical volume",
	.usage = "Say which and how large: lvcreate vg0/web 10 GiB. A number behind it is on "
		 "how many disks at once.",
	.role = ROLE_ADMIN,
	.arguments = &create_arguments,
	.is_job = true,
	.no_cancel = NO_CANCEL,
	.run = create,
};

const struct action action_lvresize = {
	.name = "lvresize",
	.help = "make it larger, or smaller with `shrink` behind it",
	.usage = "Say which and how large: lvresize vg0/web 20 GiB. If it is to be smaller, "
		 "add: shrink.",
	.role = ROLE_ADMIN,
	.arguments = &resize_arguments,
	.is_job = true,
	.no_cancel = NO_CANCEL,
	.run = resize,
};

const struct action action_lvremove = {
	.name = "lvremove",
	.help = "take it away, with all that is in it",
	.usage = "Say which: lvremove vg0/web.",
	.role = ROLE_ADMIN,
	.arguments = &remove_arguments,
	.is_job = true,
	.no_cancel = NO_CANCEL,
	.run = remove_volume,
};
