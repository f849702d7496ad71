/*
 * An action: what can be asked of guests or the machine, its arguments, and what comes of it.
 * Actions know nothing of who asks, print nothing, and carry an actor into logs and reasons.
 * The list of them, and running one, is actions.h. This header includes nothing of the VMM: the
 * network's side may see it.
 */
#ifndef GUESTS_ACTIONS_ACTION_H
#define GUESTS_ACTIONS_ACTION_H

#include "guests/config/report.h"
#include "guests/events/actor.h"
#include "kernel/lib/types.h"

#define ACTION_SUBJECT_BYTES  128
#define ACTION_TEXT_BYTES     4096
#define ACTION_SYNOPSIS_BYTES 96
#define ACTION_VALUES_MAX     8

/* What one may do; each may also do what those before it may. */
enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN };
const char *role_name(enum role role);

/*
 * Arguments, as the action's table says; large enough for any. A document among them, of which
 * there is one at most, lies in `text`. All zero, they are none; what was bound is for
 * action_args_free().
 */
struct action_args {
	_Alignas(8) char bytes[512];
	char *text; /* of malloc(), or NULL */
};

struct action_value {
	char name[24];
	uint64_t number;
};

/* What came of it. Too large for a stack that is deep already. */
struct action_result {
	int32_t error; /* 0, or a negative errno; then `text` says why and what to do */
	uint32_t value_count;
	uint64_t
		job; /* number of the job that goes on with it, which has the result; 0: none */
	struct action_value values[ACTION_VALUES_MAX];
	char text[ACTION_TEXT_BYTES]; /* sentences, '\n' between lines and none at the end */
};

/* A request as an action's function sees it. */
struct action_call {
	const struct action *action;
	const void *args; /* struct of the action's table */
	const struct actor *actor;
	enum role role;
	struct job *job; /* NULL: it is a quick one */
	struct action_result *result;
};

struct config_table;

struct action {
	const char *name;  /* "lvcreate" */
	const char *help;  /* one line, for a list */
	const char *usage; /* a sentence for who types it wrongly; NULL: made of the table */
	enum role role;
	/* One argument, if it is a text, names what the action is about: the first, or .about.
	 */
	const struct config_table *arguments;
	unsigned about;
	/* What the same word with the first argument alone means; NULL: itself. */
	const struct action *alone;
	bool whole_line;       /* typed, all behind its name is its first argument, but for a
				  flag at the end */
	bool is_job;	       /* it may wait: run on a thread of its own */
	const char *no_cancel; /* of a job: the rest of a sentence why it cannot be stopped */
	/* Fills call->result with action_say() and action_value(); returns its error. A quick
	 * one does not wait for disks or guests. Thread context. */
	int (*run)(struct action_call *call);
};

/* ---- arguments ----------------------------------------------------------------------------
 */

/* Fills `args`, whatever is in it, from a document, YAML or JSON; of 0 bytes: no arguments. 0;
 * -EINVAL with what is wrong in `report`; -ENOMEM. After an error nothing is to be freed.
 * Thread context. */
int action_bind(const struct action *action, const char *document, size_t bytes,
		struct action_args *args, struct config_report *report);

/*
 * The same from words, with blanks between them, in the order of the table. A size may be two
 * words; a bool of the table is set by its key as a word, behind the required ones. `line` is
 * changed. As action_bind(); -EINVAL with an empty `report` where no word is there and one is
 * required.
 */
int action_bind_words(const struct action *action, char *line, struct action_args *args,
		      struct config_report *report);

/* A document among them, which lies where it was written, gets a place of its own. 0 or
 * -ENOMEM. Thread context. */
int action_args_keep(const struct action *action, struct action_args *args);
/* The same arguments once more. 0 or -ENOMEM. Thread context. */
int action_args_copy(const struct action *action, struct action_args *to, const void *from);
/* They are all zero then. Thread context. */
void action_args_free(struct action_args *args);

/* What `line` asks for: the action, or where only its first argument is given, action->alone.
 * `line` is not changed. */
const struct action *action_for_words(const struct action *action, const char *line);

/* "GUEST SIZE [anyway]". Returns `text`. */
const char *action_synopsis(const struct action *action, char text[ACTION_SYNOPSIS_BYTES]);

/* What the action is about, from its arguments; "" when that is nothing. */
const char *action_subject(const struct action *action, const void *args);

/* ---- for actions ---------------------------------------------------------------------------
 */

void action_result_start(struct action_result *result);
/* Adds to the text; what has no room is cut and ends in "...". Control bytes but '\n' come out
 * as '?'. */
void action_say(struct action_call *call, const char *fmt, ...) printf_like(2, 3);
/* Ends the line before, if there is one. */
void action_new_line(struct action_call *call);
/* A line of its own, for who says lines to anyone: `call` is a struct action_call. */
void action_say_line(void *call, const char *text);
/* Nothing more has room in the text: whatever is said is cut. */
bool action_is_full(const struct action_call *call);
void action_value(struct action_call *call, const char *name, uint64_t number);

#endif
