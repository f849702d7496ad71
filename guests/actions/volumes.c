/* Volume groups and logical volumes: what kernel/io/volume.h can do. Whatever loses data is
 * done only when an argument says so, which no habit types. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/io/volume.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/size.h"

#define STRIPES_MAX 128

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

static int on_step(void *arg, uint64_t done, uint64_t total, const char *what)
{
	struct action_call *call = arg;

	job_progress(call->job, done, total, "%s", what);
	return job_cancelled(call->job) ? -ECANCELED : 0;
}

static int on_commit(void *arg)
{
	struct action_call *call = arg;

	job_progress(call->job, 0, 0, "writing the group's metadata");
	return job_commit(call->job, "what it writes on the disks counts as a whole")
		       ? 0
		       : -ECANCELED;
}

static struct volume_watch watch_of(struct action_call *call)
{
	job_progress(call->job, 0, 0, "waiting for what others do with volumes");
	return (struct volume_watch){on_step, on_commit, call};
}

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

/* A volume gets its size: a new one, or one that is there. */
static int give_size(struct action_call *call, bool new)
{
	const struct volume_provider *volumes = provider(call);
	const struct volume_args *args = call->args;
	struct volume_watch watch;
	char why[STORAGE_WHY_BYTES];
	uint64_t bytes = args->bytes;
	int err;

	if (!volumes)
		return -ENODEV;
	watch = watch_of(call);
	err = new ? volumes->create(args->volume, &bytes, args->stripes, &watch, why)
		  : volumes->resize(args->volume, &bytes, args->shrink, &watch, why);
	if (err)
		return refuse(call, err, why);
	return say_done(call, new ? EVENT_VOLUME_CREATED : EVENT_VOLUME_RESIZED,
			new ? "is new, with" : "has now", bytes);
}

static int create(struct action_call *call)
{
	return give_size(call, true);
}

/* To make it larger takes nothing from its guest, which is told of; to make it smaller does. */
static int resize(struct action_call *call)
{
	const struct volume_args *args = call->args;
	char uses[CATALOGUE_NAMED_BYTES], size[SIZE_TEXT_BYTES];
	int err, used = find_uses(call, uses);

	if (used < 0)
		return used;
	if (used && args->shrink && !args->anyway) {
		action_say(call,
			   "%s is %s, whose data behind the new end would be lost. If that is "
			   "meant, type: lvresize %s %s shrink anyway",
			   args->volume, uses, args->volume,
			   size_exact_text(args->bytes, size));
		return -EBUSY;
	}
	err = give_size(call, false);
	if (!err && used)
		action_say(call, " It is %s.", uses);
	return err;
}

static int remove_volume(struct action_call *call)
{
	const struct volume_args *args = call->args;
	char why[STORAGE_WHY_BYTES], by[ACTOR_TEXT_BYTES], uses[CATALOGUE_NAMED_BYTES];
	int err, used = find_uses(call, uses);
	struct volume_watch watch;

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
	watch = watch_of(call);
	err = provider(call)->remove(args->volume, &watch, why);
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
	.run = resize,
};

const struct action action_lvremove = {
	.name = "lvremove",
	.help = "take it away, with all that is in it",
	.usage = "Say which: lvremove vg0/web.",
	.role = ROLE_ADMIN,
	.arguments = &remove_arguments,
	.is_job = true,
	.run = remove_volume,
};
