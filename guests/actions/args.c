/* Arguments as they are handed on: a document among them is too large for the struct, and lies
 * beside it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/actions/action.h"
#include "guests/config/schema.h"

static const struct config_field *document_field(const struct action *action)
{
	for (uint32_t i = 0; i < action->arguments->count; i++)
		if (action->arguments->fields[i].type == CONFIG_DOCUMENT)
			return &action->arguments->fields[i];
	return NULL;
}

int action_args_keep(const struct action *action, struct action_args *args)
{
	const struct config_field *field = document_field(action);
	struct config_document *document = field ? (void *)(args->bytes + field->offset) : NULL;

	args->text = NULL;
	if (!document || !document->text)
		return 0;
	args->text = malloc(document->length + 1);
	if (!args->text)
		return -ENOMEM;
	memcpy(args->text, document->text, document->length);
	args->text[document->length] = '\0';
	document->text = args->text;
	return 0;
}

int action_args_copy(const struct action *action, struct action_args *to, const void *from)
{
	memset(to, 0, sizeof *to);
	memcpy(to->bytes, from, action->arguments->bytes);
	return action_args_keep(action, to);
}

void action_args_free(struct action_args *args)
{
	free(args->text);
	memset(args, 0, sizeof *args);
}
