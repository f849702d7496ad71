/* The list, roles, and results in the making. How arguments are bound is bind.c's. */
#include "guests/actions/action.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/config/schema.h"

static const struct action *const list[] = {
	&action_start,	  &action_shutdown,	 &action_stop,	   &action_reset,
	&action_balloon,  &action_balloon_state, &action_groups,   &action_lvcreate,
	&action_lvresize, &action_lvremove,	 &action_poweroff, &action_reboot,
	&action_plan,	  &action_apply,	 &action_create,   &action_delete,
	&action_cancel,
};

const struct config_table action_no_arguments = {.bytes = 1};

const char *role_name(enum role role)
{
	static const char *const names[] = {"none", "viewer", "operator", "admin"};

	return names[role];
}

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

const char *action_subject(const struct action *action, const void *args)
{
	const struct config_field *first = action->arguments->fields;

	if (!action->arguments->count ||
	    (first->type != CONFIG_NAME && first->type != CONFIG_TEXT))
		return "";
	return (const char *)args + first->offset;
}

void action_result_start(struct action_result *result)
{
	result->error = 0;
	result->value_count = 0;
	result->job = 0;
	result->text[0] = '\0';
}

void action_say(struct action_call *call, const char *fmt, ...)
{
	static const char cut[] = "...";
	char *text = call->result->text;
	size_t used = strlen(text), room = ACTION_TEXT_BYTES - used;
	va_list args;
	int bytes;

	va_start(args, fmt);
	bytes = vsnprintf(text + used, room, fmt, args);
	va_end(args);
	if (bytes >= 0 && (size_t)bytes >= room)
		memcpy(text + ACTION_TEXT_BYTES - sizeof cut, cut, sizeof cut);
	for (char *c = text + used; *c; c++)
		if ((*c < ' ' && *c != '\n') || *c > '~')
			*c = '?';
}

void action_value(struct action_call *call, const char *name, uint64_t number)
{
	struct action_result *result = call->result;
	struct action_value *value = &result->values[result->value_count];

	if (result->value_count == ACTION_VALUES_MAX)
		return;
	result->value_count++;
	snprintf(value->name, sizeof value->name, "%s", name);
	value->number = number;
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
