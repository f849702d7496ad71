/* The list of actions, and running one. What they do is in the files by what they are about. */
#include "guests/actions/actions.h"

#include <errno.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/config/schema.h"

static const struct action *const list[] = {
	&action_start,	  &action_shutdown,	 &action_stop,	   &action_reset,
	&action_balloon,  &action_balloon_state, &action_groups,   &action_lvcreate,
	&action_lvresize, &action_lvremove,	 &action_poweroff, &action_reboot,
	&action_wait,	  &action_image,	 &action_explain,  &action_plan,
	&action_apply,	  &action_create,	 &action_delete,   &action_cancel,
};

const struct config_table action_no_arguments = {.bytes = 1};

const struct action *action_at(unsigned index)
{
	return index < ARRAY_SIZE(list) ? list[index] : NULL;
}

const struct action *action_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
		if (!strcmp(list[i]->name, name))
			return list[i];
	return NULL;
}

int action_run(const struct action *action, const struct action_args *args,
	       const struct actor *actor, enum role role, struct action_result *result)
{
	struct action_call call = {.action = action,
				   .args = args->bytes,
				   .actor = actor,
				   .role = role,
				   .result = result};

	action_result_start(result);
	if (role < action->role) {
		action_say(&call, "%s takes the role %s, and this is %s.", action->name,
			   role_name(action->role), role_name(role));
		result->error = -EPERM;
	} else if (action->is_job) {
		result->error = job_start(&call);
	} else {
		result->error = action->run(&call);
	}
	return result->error;
}
