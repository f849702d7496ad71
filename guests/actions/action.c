/* Roles, and results in the making. How arguments are bound is bind.c's. */
#include "guests/actions/action.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/config/schema.h"

const char *role_name(enum role role)
{
	static const char *const names[] = {"none", "viewer", "operator", "admin"};

	return names[role];
}

/* A file's name, or what was typed on one line, is its own. */
static const char *document_name(const struct config_document *document)
{
	for (size_t i = 0; i < document->length; i++)
		if (document->text[i] < ' ' || document->text[i] > '~')
			return "";
	return document->text ? document->text : "";
}

const char *action_subject(const struct action *action, const void *args)
{
	const struct config_field *about = action->arguments->fields + action->about;

	if (!action->arguments->count)
		return "";
	if (about->type == CONFIG_DOCUMENT)
		return document_name((const void *)((const char *)args + about->offset));
	if (about->type != CONFIG_NAME && about->type != CONFIG_TEXT &&
	    about->type != CONFIG_SOURCE)
		return "";
	return (const char *)args + about->offset;
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

void action_new_line(struct action_call *call)
{
	if (call->result->text[0])
		action_say(call, "\n");
}

void action_say_line(void *call, const char *text)
{
	action_new_line(call);
	action_say(call, "%s", text);
}

bool action_is_full(const struct action_call *call)
{
	return strlen(call->result->text) == ACTION_TEXT_BYTES - 1;
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
