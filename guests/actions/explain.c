/* Who owns what, and why a guest does not run. The sentences are guests/config/explain.c's. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "guests/actions/explain.h"
#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/guest/snapshot.h"
#include "kernel/io/network.h"
#include "kernel/mem/frames.h"

static const struct config_field fields[] = {
	{.key = "guest",
	 .type = CONFIG_NAME,
	 .offset = offsetof(struct guest_args, guest),
	 .maximum = sizeof(((struct guest_args *)0)->guest),
	 .example = "web",
	 .doc = "Which guest; or memory, devices, disks or networks of the machine. Without "
		"it: "
		"all of the configuration."},
};

static const struct config_table arguments = CONFIG_TABLE(fields, struct guest_args, NULL);

struct lacking {
	struct action_call *call;
	const struct guest_config *guest;
};

static void tell_waiting(struct action_call *call, struct guest *guest)
{
	if (guest_state(guest) == GUEST_WAITING)
		action_say(call,
			   "\nit waits for that, and is tried again when volumes or the "
			   "configuration change, when memory comes free, and by `start %s`",
			   guest_name(guest));
}

static void tell_lack(void *arg, const struct network_info *info)
{
	struct lacking *lacking = arg;

	for (uint32_t i = 0; i < lacking->guest->nic_count; i++) {
		if (strcmp(lacking->guest->nics[i].network, info->name) != 0 || !info->lacks ||
		    !info->lacks[0])
			continue;
		action_say(lacking->call,
			   "\nnics[%u] reaches the guests of '%s' only: the network %s",
			   (unsigned)i, info->name, info->lacks);
	}
}

/* Networks that are not what the configuration says. */
static void tell_lacks(struct action_call *call, const struct guest_config *guest)
{
	struct lacking lacking = {call, guest};
	const struct network_visitor visitor = {.network = tell_lack, .arg = &lacking};

	network_visit(&visitor);
}

static int explain_guest(struct action_call *call, const struct config *config,
			 const struct config_facts *facts, const char *name)
{
	const struct guest_config *wanted = config_find_guest(config, name);
	struct guest_view *view = malloc(sizeof(*view));
	struct guest *guest = guest_get(name);
	int err = !wanted || !guest ? -ENOENT : view ? 0 : -ENOMEM;

	if (err == -ENOENT && explain_topic(call, name)) {
		err = 0;
	} else if (err == -ENOENT) {
		action_say(call, "There is no guest \"%s\".", name);
	} else if (err) {
		action_say(call, "The hypervisor is out of memory.");
	} else {
		guest_get_info(guest, view);
		config_explain_guest(config, wanted, facts, view->reason, action_say_line,
				     call);
		tell_waiting(call, guest);
		tell_lacks(call, wanted);
	}
	guest_put(guest);
	free(view);
	return err;
}

static void tell_all(struct action_call *call, const struct config *config,
		     const struct config_facts *facts)
{
	config_explain(config, facts, action_say_line, call);
	explain_summary(call);
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
		tell_all(call, config, &facts);
	config_free(config);
	return err;
}

const struct action action_explain = {
	.name = "explain",
	.help = "who owns what, and why a guest does not run",
	.usage = "Say which guest, or memory, devices, disks or networks, or nothing: explain "
		 "web.",
	.role = ROLE_VIEWER,
	.arguments = &arguments,
	.run = explain,
};
