/* How much of its memory a guest makes do with, and how that is. The balloon itself is
 * guests/devices/virtio. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/config/config.h"
#include "guests/config/schema.h"
#include "guests/devices/virtio/balloon.h"
#include "guests/events/event.h"
#include "guests/guest/snapshot.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/size.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"

/* A guest says how its memory is when it is asked, a little later. */
#define ANSWER_TRIES 20
#define ANSWER_NS    (50 * NSEC_PER_MSEC)

/* What programs in it need from one moment to the next, beside what is in use now. */
#define SPARE_LEAST_BYTES (16 * MIB)
#define SPARE_SHARE	  32

#define WHICH                                                                          \
	"Say which guest, and how much memory it is to make do with: balloon web 256 " \
	"MiB."

struct balloon_args {
	char guest[CONFIG_GUEST_NAME_MAX];
	uint64_t bytes;
	bool anyway;
};

static const struct config_field fields[] = {
	{.key = "guest",
	 .type = CONFIG_NAME,
	 .required = true,
	 .offset = offsetof(struct balloon_args, guest),
	 .maximum = CONFIG_GUEST_NAME_MAX,
	 .example = "web",
	 .doc = "Which guest."},
	{.key = "size",
	 .type = CONFIG_SIZE,
	 .required = true,
	 .offset = offsetof(struct balloon_args, bytes),
	 .maximum = UINT64_MAX,
	 .multiple = 1,
	 .example = "256 MiB",
	 .doc = "How much of its memory it is to make do with."},
	{.key = "anyway",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct balloon_args, anyway),
	 .initial = "false",
	 .doc = "Whether also if it says that it uses more, and may end programs."},
};

static const struct config_table arguments = CONFIG_TABLE(fields, struct balloon_args, NULL);

/* Fills `info` with what the guest says of itself now; or said, where it does not answer. */
static void ask(struct action_call *call, struct guest *guest, struct guest_view *info)
{
	uint32_t before;

	guest_get_info(guest, info);
	before = info->balloon.stats;
	for (unsigned i = 0; i < ANSWER_TRIES && info->balloon.driven &&
			     info->balloon.stats == before && !job_cancelled(call->job);
	     i++) {
		job_progress(call->job, i, ANSWER_TRIES, "waiting for its answer");
		thread_block_until(clock_now_ns() + ANSWER_NS);
		guest_get_info(guest, info);
	}
}

/* Whether it can make do with `bytes`, by what it says of itself. A guest that cannot ends its
 * programs, or itself. */
static bool can_make_do(struct action_call *call, struct guest *guest, struct guest_view *info,
			uint64_t bytes)
{
	char size[SIZE_TEXT_BYTES], in_use[SIZE_TEXT_BYTES], least[SIZE_TEXT_BYTES];
	uint64_t used, needs;

	ask(call, guest, info);
	used = guest_state(guest) == GUEST_RUNNING ? info->balloon.stat_used_bytes : 0;
	needs = ALIGN_UP(used + MAX(SPARE_LEAST_BYTES, info->memory_bytes / SPARE_SHARE), MIB);
	needs = MIN(needs, info->memory_bytes);
	if (!used || bytes >= needs ||
	    bytes >= info->balloon.target_bytes) /* which gives it memory back */
		return true;
	action_say(call,
		   "%s says that %s of its memory are in use: with less than %s it may have "
		   "to end programs. Have it use less, or insist: balloon %s %s anyway",
		   info->name, size_text(used, in_use), size_text(needs, least), info->name,
		   size_text(bytes, size));
	action_value(call, "used_bytes", used);
	action_value(call, "least_bytes", needs);
	return false;
}

static int say_error(struct action_call *call, struct guest *guest, struct guest_view *info,
		     int err)
{
	char all[SIZE_TEXT_BYTES], left[SIZE_TEXT_BYTES];

	guest_get_info(guest, info);
	switch (err) {
	case -EINVAL:
		action_say(call, "%s: write a size from 32 MiB to %s, which is what it has.",
			   info->name, size_text(info->memory_bytes, all));
		break;
	case -EOPNOTSUPP:
		action_say(call, "%s: no driver in it listens; Linux' is virtio_balloon.",
			   info->name);
		break;
	case -ENOMEM:
		action_say(call,
			   "%s: %s are left for guests, which is less than it would get back; "
			   "stop another, or ask for less.",
			   info->name, size_text(guest_frames_free_bytes(), left));
		break;
	default: action_say(call, "%s: it does not run.", info->name);
	}
	return err;
}

static int set(struct action_call *call, struct guest *guest, struct guest_view *info)
{
	const struct balloon_args *args = call->args;
	char size[SIZE_TEXT_BYTES], by[ACTOR_TEXT_BYTES];
	int err;

	if (!args->anyway && args->bytes >= VIRTIO_BALLOON_LEAST_BYTES &&
	    !can_make_do(call, guest, info, args->bytes))
		return -EBUSY;
	if (job_cancelled(call->job)) {
		action_say(call, "%s was not asked.", args->guest);
		return -ECANCELED;
	}
	err = guest_set_memory(guest, args->bytes);
	if (err)
		return say_error(call, guest, info, err);
	action_say(call, "%s is asked; `balloon %s` says how far it is.", args->guest,
		   args->guest);
	event_post(EVENT_GUEST_MEMORY, args->guest, "is to make do with %s, %s",
		   size_text(args->bytes, size), actor_text(call->actor, by));
	return 0;
}

static int show(struct action_call *call, struct guest *guest, struct guest_view *info)
{
	const struct guest_balloon_view *balloon = &info->balloon;
	char all[SIZE_TEXT_BYTES], target[SIZE_TEXT_BYTES], in[SIZE_TEXT_BYTES],
		away[SIZE_TEXT_BYTES], forgotten[SIZE_TEXT_BYTES];

	ask(call, guest, info);
	if (guest_state(guest) != GUEST_RUNNING) {
		action_say(call, "%s: it does not run.", info->name);
		return 0;
	}
	action_say(call,
		   "%s has %s and is to make do with %s. %s are in its balloon, %s of these "
		   "with the pool for guests. It reported %s as free so far.",
		   info->name, size_text(info->memory_bytes, all),
		   size_text(balloon->target_bytes, target),
		   size_text(balloon->inflated_bytes, in), size_text(balloon->away_bytes, away),
		   size_text(balloon->discarded_bytes, forgotten));
	if (!balloon->driven)
		action_say(call, "\nIt has no driver for its balloon.");
	else if (balloon->stat_total_bytes)
		action_say(call, "\nIt says that of %s, %s are available.",
			   size_text(balloon->stat_total_bytes, all),
			   size_text(balloon->stat_available_bytes, in));
	action_value(call, "memory_bytes", info->memory_bytes);
	action_value(call, "target_bytes", balloon->target_bytes);
	action_value(call, "balloon_bytes", balloon->inflated_bytes);
	action_value(call, "away_bytes", balloon->away_bytes);
	action_value(call, "reported_bytes", balloon->discarded_bytes);
	action_value(call, "total_bytes", balloon->stat_total_bytes);
	action_value(call, "available_bytes", balloon->stat_available_bytes);
	return 0;
}

static int with_guest(struct action_call *call,
		      int (*fn)(struct action_call *call, struct guest *guest,
				struct guest_view *info))
{
	const char *name = action_subject(call->action, call->args);
	struct guest *guest = guest_get(name);
	struct guest_view *info = malloc(sizeof *info); /* too large for a stack */
	int err = -ENOENT;

	if (!guest) {
		action_say(call, WHICH);
	} else if (!info) {
		action_say(call, "The hypervisor is out of memory.");
		err = -ENOMEM;
	} else {
		err = fn(call, guest, info);
	}
	free(info);
	guest_put(guest);
	return err;
}

static int run_set(struct action_call *call)
{
	return with_guest(call, set);
}

static int run_show(struct action_call *call)
{
	return with_guest(call, show);
}

const struct action action_balloon_state = {
	.name = "balloon-state",
	.help = "how much of its memory it makes do with",
	.usage = WHICH,
	.role = ROLE_VIEWER,
	.arguments = &action_guest_arguments,
	.is_job = true,
	.run = run_show,
};

const struct action action_balloon = {
	.name = "balloon",
	.help = "have a guest make do with less memory, or give it back",
	.usage = "That is no size; write one such as 256 MiB.",
	.role = ROLE_OPERATOR,
	.arguments = &arguments,
	.alone = &action_balloon_state,
	.is_job = true,
	.run = run_set,
};
