/* Actors in words. See actor.h. */
#include "guests/events/actor.h"

#include <stdio.h>
#include <string.h>

const struct actor actor_console = {.kind = ACTOR_CONSOLE};
const struct actor actor_document = {.kind = ACTOR_DOCUMENT};

struct actor actor_make(enum actor_kind kind, const char *name)
{
	struct actor actor = {.kind = kind};

	if (name)
		snprintf(actor.name, sizeof actor.name, "%s", name);
	return actor;
}

const char *actor_text(const struct actor *actor, char text[ACTOR_TEXT_BYTES])
{
	/* Without a name, and around one. */
	static const struct {
		const char *plain, *before, *behind;
	} words[ACTOR_KINDS] = {
		[ACTOR_CONSOLE] = {"by the operator", "by the operator '", "'"},
		[ACTOR_DOCUMENT] = {"by the document", "by the document '", "'"},
		[ACTOR_API] = {"over the API", "by '", "' over the API"},
		[ACTOR_CLUSTER] = {"by the cluster", "by the cluster's node '", "'"},
		[ACTOR_POLICY] = {"by its policy", "by its policy '", "'"},
	};
	int name_bytes = (int)strnlen(actor->name, ACTOR_NAME_BYTES - 1);

	if (actor->kind >= ACTOR_KINDS)
		snprintf(text, ACTOR_TEXT_BYTES, "by nobody known");
	else if (!name_bytes)
		snprintf(text, ACTOR_TEXT_BYTES, "%s", words[actor->kind].plain);
	else
		snprintf(text, ACTOR_TEXT_BYTES, "%s%.*s%s", words[actor->kind].before,
			 name_bytes, actor->name, words[actor->kind].behind);
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return text;
}
