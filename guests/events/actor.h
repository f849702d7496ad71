/*
 * Who asks: carried with every action into logs, reasons, jobs and events. It says who it was,
 * never what he may do: roles are guests/actions'. Plain and of fixed width; no pointers.
 */
#ifndef GUESTS_EVENTS_ACTOR_H
#define GUESTS_EVENTS_ACTOR_H

#include "kernel/lib/types.h"

#define ACTOR_NAME_BYTES 48
#define ACTOR_TEXT_BYTES 80

enum actor_kind {
	ACTOR_CONSOLE,	/* who sits at the terminal */
	ACTOR_DOCUMENT, /* the boot document */
	ACTOR_API,	/* name: of the token */
	ACTOR_CLUSTER,	/* name: of the node that decided */
	ACTOR_POLICY,	/* name: which one: "on_crash" */
	ACTOR_KINDS
};

/* Zeroed it is the operator at the console. */
struct actor {
	uint32_t kind;		     /* enum actor_kind */
	char name[ACTOR_NAME_BYTES]; /* "" where the kind says it all; NUL-terminated */
};

extern const struct actor actor_console, actor_document;

/* One of `kind`; a longer name is cut, NULL is "". */
struct actor actor_make(enum actor_kind kind, const char *name);

/* The end of a sentence: "by the operator", "by 'ci' over the API". What is not printable comes
 * out as '?', a kind that is none as "by nobody known". Returns `text`. Any context. */
const char *actor_text(const struct actor *actor, char text[ACTOR_TEXT_BYTES]);

#endif
