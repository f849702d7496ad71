/*
 * Images written to volumes: how a disk of a guest is filled on a machine without another
 * Linux. Copying itself is kernel/io/copy's.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/io/copy.h"
#include "kernel/io/storage.h"
#include "kernel/lib/size.h"

#define OWNER	     "image write" /* no guest's name, as it has a blank */
#define SOURCE_BYTES 200

struct image_args {
	uint32_t verb;
	char file[SOURCE_BYTES], volume[SOURCE_BYTES];
	bool destroy, anyway;
};
_Static_assert(sizeof(struct image_args) <= sizeof(struct action_args), "arguments fit");

static const struct config_choice verbs[] = {{"write", 1}, {NULL, 0}};

static const struct config_field fields[] = {
	{.key = "verb",
	 .type = CONFIG_CHOICE,
	 .required = true,
	 .offset = offsetof(struct image_args, verb),
	 .choices = verbs,
	 .example = "write",
	 .doc = "What is done with it."},
	{.key = "file",
	 .type = CONFIG_SOURCE,
	 .required = true,
	 .offset = offsetof(struct image_args, file),
	 .maximum = SOURCE_BYTES,
	 .example = "\"esp:/disks/web.img\"",
	 .doc = "The image, as the source of a disk is named."},
	{.key = "volume",
	 .type = CONFIG_SOURCE,
	 .required = true,
	 .offset = offsetof(struct image_args, volume),
	 .maximum = SOURCE_BYTES,
	 .example = "\"lvm:vg0/web\"",
	 .doc = "What it is written to, named in the same way."},
	{.key = "destroy",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct image_args, destroy),
	 .initial = "false",
	 .doc = "Whether what the volume holds may be lost."},
	{.key = "anyway",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct image_args, anyway),
	 .initial = "false",
	 .doc = "Whether also where a guest that does not run has it as its disk."},
};

static const struct config_table arguments = CONFIG_TABLE(fields, struct image_args, NULL);

static int open_source(struct action_call *call, const char *source, unsigned how,
		       struct blkdev **dev)
{
	char why[STORAGE_WHY_BYTES];
	int err = storage_open(source, how, OWNER, dev, why);

	if (err)
		action_say(call, "%s %s.", source, why);
	return err;
}

/* Which guests that do not run have the volume as a disk: by its name; or, however they name
 * it, by what lies in it. 0: none; -ENOMEM. */
static int find_users(struct action_call *call, struct blkdev *volume,
		      char text[CATALOGUE_NAMED_BYTES])
{
	const struct image_args *args = call->args;
	int named = catalogue_named(args->volume, text);

	if (named || !storage_given_away(volume, 0, volume->bytes))
		return named;
	snprintf(text, CATALOGUE_NAMED_BYTES,
		 "at least in part a guest's disk by another name (see `explain disks`)");
	return 1;
}

/* What takes a word: a volume with something in it, or one that a guest, which does not run,
 * has as its disk. 0, or an error that is said. */
static int may_destroy(struct action_call *call, struct blkdev *volume)
{
	const struct image_args *args = call->args;
	char uses[CATALOGUE_NAMED_BYTES];
	int used = args->anyway ? 0 : find_users(call, volume, uses);
	int full = args->destroy ? 0 : copy_holds_data(volume);

	if (used < 0 || full < 0) {
		action_say(call, "%s could not be looked at: %s.", args->volume,
			   strerror(used < 0 ? -used : -full));
		return used < 0 ? used : full;
	}
	if (!used && !full)
		return 0;
	action_say(call, "All that is in %s would be lost", args->volume);
	if (used)
		action_say(call, ", and it is %s", uses);
	action_say(call, ". If that is meant, type: image write %s %s destroy%s", args->file,
		   args->volume, used ? " anyway" : "");
	return used ? -EBUSY : -EINVAL;
}

struct writing {
	struct action_call *call;
	uint64_t bytes;
};

static int step(void *arg, uint64_t done)
{
	const struct writing *writing = arg;
	struct action_call *call = writing->call;
	const struct image_args *args = call->args;

	job_progress(call->job, done, writing->bytes, "writing to %s", args->volume);
	return job_cancelled(call->job) ? -ECANCELED : 0;
}

static int say_failed(struct action_call *call, const struct copy_progress *progress, int err)
{
	const struct image_args *args = call->args;
	const char *what = progress->failed ? progress->failed->name : args->volume;
	char at[SIZE_TEXT_BYTES];

	if (err == -ECANCELED)
		action_say(call, "Cancelled. ");
	else if (err == -ENOMEM)
		action_say(call, "There is no memory for it. ");
	else
		action_say(call, "%s failed at %s: %s. ", what, size_text(progress->at, at),
			   strerror(-err));
	if (progress->touched)
		action_say(call,
			   "%s holds no file system now; write it once more, or what it is to "
			   "have.",
			   args->volume);
	else
		action_say(call, "%s is as it was.", args->volume);
	return err;
}

static int copy(struct action_call *call, struct blkdev *image, struct blkdev *volume)
{
	const struct image_args *args = call->args;
	struct writing writing = {call, image->bytes};
	struct copy_progress progress = {.step = step, .arg = &writing};
	char size[SIZE_TEXT_BYTES], room[SIZE_TEXT_BYTES], by[ACTOR_TEXT_BYTES];
	int err = copy_image(image, volume, &progress);

	size_text(image->bytes, size);
	if (err == -ENOSPC && !progress.failed) {
		action_say(call, "%s has %s, and %s only %s: make it larger (lvresize).",
			   args->file, size, args->volume, size_text(volume->bytes, room));
		return err;
	}
	if (err)
		return say_failed(call, &progress, err);
	action_say(call, "%s is written to %s: %s, of which %s were not there already.",
		   args->file, args->volume, size, size_text(progress.written, room));
	action_value(call, "bytes", image->bytes);
	action_value(call, "written", progress.written);
	event_post(EVENT_VOLUME_WRITTEN, args->volume, "%s is written to %s, %s", args->file,
		   args->volume, actor_text(call->actor, by));
	return 0;
}

static int run(struct action_call *call)
{
	const struct image_args *args = call->args;
	struct blkdev *image, *volume;
	int err = open_source(call, args->file, STORAGE_READ_ONLY, &image);

	if (err)
		return err;
	err = open_source(call, args->volume, STORAGE_WRITE, &volume);
	if (!err) {
		err = may_destroy(call, volume);
		if (!err)
			err = copy(call, image, volume);
		storage_close(volume, OWNER);
	}
	storage_close(image, OWNER);
	return err;
}

const struct action action_image = {
	.name = "image",
	.help = "write a disk's image to a volume or partition",
	.usage = "Say what is written where: image write esp:/disks/web.img lvm:vg0/web. What "
		 "is "
		 "in the volume is lost.",
	.role = ROLE_ADMIN,
	.arguments = &arguments,
	.about = 2,
	.is_job = true,
	.run = run,
};
