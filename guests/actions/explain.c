/* Who owns what, and why a guest does not run. The sentences are guests/config/explain.c's. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/guest/snapshot.h"
#include "kernel/mem/frames.h"

static const struct config_field fields[] = {
	{.key = "guest",
	 .type = CONFIG_NAME,
	 .offset = offsetof(struct guest_args, guest),
	 .maximum = sizeof(((struct guest_args *)0)->guest),
	 .example = "web",
	 .doc = "Which guest. Without it: the machine."},
};

static const struct config_table arguments = CONFIG_TABLE(fields, struct guest_args, NULL);

static void say_line(void *arg, const char *text)
{
	struct action_call *call = arg;

	action_say(call, "%s%s", call->result->text[0] ? "\n" : "", text);
}

static int explain_guest(struct action_call *call, const struct config *config,
			 const struct config_facts *facts, const char *name)
{
	const struct guest_config *wanted = config_find_guest(config, name);
	struct guest_view *view = malloc(sizeof(*view));
	struct guest *guest = guest_get(name);
	int err = !wanted || !guest ? -ENOENT : view ? 0 : -ENOMEM;

	if (err == -ENOENT) {
		action_say(call, "There is no guest \"%s\".", name);
	} else if (err) {
		action_say(call, "The hypervisor is out of memory.");
	} else {
		guest_get_info(guest, view);
		config_explain_guest(config, wanted, facts, view->reason, say_line, call);
	}
	guest_put(guest);
	free(view);
	return err;
}

static int explain(struct action_call *call)
{
	const struct guest_args *args = call->args;
	struct config *config = catalogue_get();
	struct config_facts facts;
	int err = 0;

	if (!config) {
		action_say(call, "The hypervisor is out of memory, or still starting.");
		return -ENOMEM;
	}
	catalogue_facts(&facts);
	facts.free_bytes = guest_frames_free_bytes();
	if (args->guest[0])
		err = explain_guest(call, config, &facts, args->guest);
	else
		config_explain(config, &facts, say_line, call);
	config_free(config);
	return err;
}

const struct action action_explain = {
	.name = "explain",
	.help = "who owns what, and why a guest does not run",
	.usage = "Say which guest, or none: explain web.",
	.role = ROLE_VIEWER,
	.arguments = &arguments,
	.run = explain,
};
