/* What is asked of one guest. The guests themselves are guests/guest. */
#include "guests/actions/guests.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "guests/actions/list.h"
#include "guests/config/schema.h"
#include "guests/guest/guest.h"
#include "kernel/cpu/clock.h"

static const struct config_field guest_fields[] = {
	{.key = "guest",
	 .type = CONFIG_NAME,
	 .required = true,
	 .offset = offsetof(struct guest_args, guest),
	 .maximum = sizeof(((struct guest_args *)0)->guest),
	 .example = "web",
	 .doc = "Which guest."},
};

const struct config_table action_guest_arguments =
	CONFIG_TABLE(guest_fields, struct guest_args, NULL);

const char *guests_named(char text[GUEST_NAMES_BYTES])
{
	size_t used = (size_t)snprintf(text, GUEST_NAMES_BYTES, "The guests are:");
	bool any = false;

	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		if (used < GUEST_NAMES_BYTES)
			used += (size_t)snprintf(text + used, GUEST_NAMES_BYTES - used, " %s",
						 guest_name(guest));
		any = true;
	}
	if (used < GUEST_NAMES_BYTES)
		snprintf(text + used, GUEST_NAMES_BYTES - used, any ? "." : " none.");
	return text;
}

static int say_error(struct action_call *call, const char *name, int err)
{
	if (err == -EALREADY)
		action_say(call, "%s: nothing to do, it is so already.", name);
	else if (err == -EOPNOTSUPP)
		action_say(call,
			   "%s: nobody there listens to the power button; `stop %s now` "
			   "switches it off.",
			   name, name);
	else if (err == -ENOENT)
		action_say(call, "%s: it was removed meanwhile.", name);
	else
		action_say(call, "%s: that does not go now; `show %s` says how it is.", name,
			   name);
	return err;
}

/* A handle to the guest that is named; NULL, and said so, when there is none. */
static struct guest *find(struct action_call *call, const char *name)
{
	struct guest *guest = guest_get(name);
	char names[GUEST_NAMES_BYTES];

	if (!guest)
		action_say(call, "There is no guest \"%s\". %s", name, guests_named(names));
	return guest;
}

static int ask(struct action_call *call,
	       int (*request)(struct guest *guest, const struct actor *actor))
{
	const struct guest_args *args = call->args;
	struct guest *guest = find(call, args->guest);
	int err;

	if (!guest)
		return -ENOENT;
	err = request(guest, call->actor);
	guest_put(guest);
	return err ? say_error(call, args->guest, err) : 0;
}

/* Who starts one that is shutting down wants it to stay. */
static int start_or_keep(struct guest *guest, const struct actor *actor)
{
	int err = guest_start(guest, actor);
	struct guest_leaving how;

	if (err == -EALREADY && guest_leaving(guest, &how) && how.asked) {
		guest_stay(guest);
		err = 0;
	}
	return err;
}

static int start(struct action_call *call)
{
	return ask(call, start_or_keep);
}

static int press_power(struct action_call *call)
{
	return ask(call, guest_shutdown);
}

static const struct config_field stop_fields[] = {
	{.key = "guest",
	 .type = CONFIG_NAME,
	 .required = true,
	 .offset = offsetof(struct stop_args, guest),
	 .maximum = sizeof(((struct stop_args *)0)->guest),
	 .example = "web",
	 .doc = "Which guest."},
	{.key = "now",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct stop_args, now),
	 .initial = "false",
	 .doc = "Whether it is switched off, and not asked."},
};

const struct config_table action_stop_arguments =
	CONFIG_TABLE(stop_fields, struct stop_args, NULL);

/* What becomes of a guest that was asked, just now or before. */
static void say_leaving(struct action_call *call, struct guest *guest, int err)
{
	const char *name = guest_name(guest);
	struct guest_leaving how;
	uint64_t now_ns = clock_now_ns();

	if (!guest_leaving(guest, &how) || how.stage == GUEST_LEAVE_ENDING)
		return;
	if (how.stage == GUEST_LEAVE_DEAF)
		action_say(call, "%s never listened to its power button: it is switched off.",
			   name);
	else
		action_say(call,
			   "%s %s to shut down (%s), and is switched off in %llu s if it has "
			   "not; `stop %s now` does that at once, `wait 60 s %s` gives it "
			   "longer.",
			   name, err ? "was asked before" : "is asked",
			   guest_leave_name(how.stage),
			   (unsigned long long)((how.due_ns - MIN(now_ns, how.due_ns) +
						 NSEC_PER_SEC - 1) /
						NSEC_PER_SEC),
			   name, name);
}

static int stop(struct action_call *call)
{
	const struct stop_args *args = call->args;
	struct guest *guest = find(call, args->guest);
	int err;

	if (!guest)
		return -ENOENT;
	err = args->now ? guest_stop(guest, call->actor) : guest_leave(guest, call->actor);
	if (!args->now && (!err || err == -EALREADY))
		say_leaving(call, guest, err);
	else if (err)
		say_error(call, args->guest, err);
	guest_put(guest);
	return err;
}

static int press_reset(struct action_call *call)
{
	return ask(call, guest_reset);
}

const struct action action_start = {
	.name = "start",
	.help = "start it",
	.role = ROLE_OPERATOR,
	.arguments = &action_guest_arguments,
	.run = start,
};

const struct action action_shutdown = {
	.name = "shutdown",
	.help = "press its power button: it shuts down if it wants to",
	.role = ROLE_OPERATOR,
	.arguments = &action_guest_arguments,
	.run = press_power,
};

const struct action action_stop = {
	.name = "stop",
	.help = "have it shut down, and switch it off if it takes too long, or now",
	.role = ROLE_OPERATOR,
	.arguments = &action_stop_arguments,
	.run = stop,
};

const struct action action_reset = {
	.name = "reset",
	.help = "press its reset button",
	.role = ROLE_OPERATOR,
	.arguments = &action_guest_arguments,
	.run = press_reset,
};
