/* What is asked of one guest. The guests themselves are guests/guest. */
#include "guests/actions/guests.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "guests/actions/list.h"
#include "guests/config/schema.h"
#include "guests/guest/guest.h"

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
			   "%s: nobody there listens to the power button; `stop %s` switches "
			   "it off.",
			   name, name);
	else if (err == -ENOENT)
		action_say(call, "%s: it was removed meanwhile.", name);
	else
		action_say(call, "%s: that does not go now; `show %s` says how it is.", name,
			   name);
	return err;
}

static int ask(struct action_call *call,
	       int (*request)(struct guest *guest, const struct actor *actor))
{
	const struct guest_args *args = call->args;
	struct guest *guest = guest_get(args->guest);
	char names[GUEST_NAMES_BYTES];
	int err;

	if (!guest) {
		action_say(call, "There is no guest \"%s\". %s", args->guest,
			   guests_named(names));
		return -ENOENT;
	}
	err = request(guest, call->actor);
	guest_put(guest);
	return err ? say_error(call, args->guest, err) : 0;
}

static int start(struct action_call *call)
{
	return ask(call, guest_start);
}

static int press_power(struct action_call *call)
{
	return ask(call, guest_shutdown);
}

static int stop(struct action_call *call)
{
	return ask(call, guest_stop);
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
	.help = "switch it off, now",
	.role = ROLE_OPERATOR,
	.arguments = &action_guest_arguments,
	.run = stop,
};

const struct action action_reset = {
	.name = "reset",
	.help = "press its reset button",
	.role = ROLE_OPERATOR,
	.arguments = &action_guest_arguments,
	.run = press_reset,
};
