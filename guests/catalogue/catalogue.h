/*
 * The catalogue: which guests and networks there are to be, by whatever document or request.
 * Who changes something hands in a whole configuration; it is checked against this machine and
 * all that is there, carried out step by step by its plan, and undone where a step fails. Boot
 * document, console and later the API are callers alike.
 */
#ifndef GUESTS_CATALOGUE_CATALOGUE_H
#define GUESTS_CATALOGUE_CATALOGUE_H

#include "guests/config/explain.h"
#include "guests/events/actor.h"

/*
 * A place where documents are kept across a restart of the machine. One counts at a time: of a
 * machine in a cluster the cluster's, else the boot partition's, else none, and then changes
 * are transient.
 */
struct catalogue_store {
	const char *name; /* "the boot partition" */
	/* 0 once the text is stored; else a negative errno with the rest of a sentence. May
	 * sleep. */
	int (*save)(void *context, const char *text, size_t length, char why[CONFIG_WHY_MAX]);
	void *context;
};

/* What became of a change that was carried out. */
enum catalogue_kept {
	CATALOGUE_TRANSIENT, /* it is in effect, until the machine restarts */
	CATALOGUE_KEPT,	     /* it is stored too */
};

struct catalogue_change {
	const struct config *next;
	/* The document that says so, to be kept as it is; NULL: the one that is there with the
	 * guests, networks and host that differ written anew. */
	const char *text;
	size_t length;
	const char *name; /* of `text`, as messages show it: "bulkhead.yaml" */
	const struct actor *actor;
	bool now; /* guests that have to stop are switched off, and not asked to shut down */
	/* Whether who waits for it has had enough; whether he has had enough of the undo, too;
	 * and how far it is, with the guests that it waits for and what they do: "web
	 * (booting)", or "". NULL: nobody asks. */
	bool (*cancelled)(void *waiter);
	bool (*given_up)(void *waiter);
	void (*progress)(void *waiter, uint32_t steps, uint32_t of, const char *waits_for);
	void *waiter;
	/* Out: */
	/* What is wrong with the document, and what guests of it lack, also where it is carried
	 * out: these wait. */
	struct config_report *report;
	enum catalogue_kept kept;
	char why[CONFIG_WHY_MAX]; /* not done, not undone or not kept: sentences */
};

/*
 * Once, at start-up, before the first change: what the machine has, for all documents to come.
 * `machine` is copied. With no guest and no network; `host` is that of the boot document, or
 * defaults. 0 or -ENOMEM.
 */
int catalogue_init(const struct config_machine *machine, const struct host_config *host);

/* NULL: none. `store` stays the caller's, and is used until another is set. Any thread. */
void catalogue_set_store(const struct catalogue_store *store);

/* A copy of what there is to be, for config_free(); NULL: out of memory, or still
 * starting. Thread context. */
struct config *catalogue_get(void);

/* What configurations are checked against, by catalogue_init(). Fixed. */
const struct config_machine *catalogue_machine(void);

/* What it says of the host; zeros while the machine is still starting. Thread context. */
void catalogue_host(struct host_config *host);

/*
 * Which guests have a source in what there is to be, as one would write it, and do not run: who
 * runs has it open, and needs no word of ours. Their number, with who and where in `text`:
 * "disks[0] of guest 'web' (bulkhead.yaml:7:16)", the place where it is known; many are cut.
 * -ENOMEM, also while the machine still starts. Whoever takes something away asks this first.
 * Thread context.
 */
#define CATALOGUE_NAMED_BYTES 256
int catalogue_named(const char *source, char text[CATALOGUE_NAMED_BYTES]);

/* What the machine has, by catalogue_init(), and what it is like now, but for `free_bytes`. */
void catalogue_facts(struct config_facts *facts);

/* The document that would be kept, NUL-terminated, for free(); NULL: out of memory. */
char *catalogue_text(size_t *length);

/*
 * Whether a configuration could be carried out, as config_check(); and whether all its disks
 * are there, none of them written from two sides: what guests lack is in `report`, too. 0, or
 * -EINVAL; -ENOMEM. Thread context; may sleep.
 */
int catalogue_check(const struct config *next, struct config_report *report);

/* What catalogue_apply() would do now. As config_plan_make(). Thread context. */
int catalogue_plan(const struct config *next, struct config_plan *plan);

/*
 * Carries a configuration out: checks it, stops, deletes, creates, changes and starts by its
 * plan, all or nothing, and keeps it. Guests that have to stop are asked to shut down, those of
 * the highest shutdown.order first, and waited for: see guest_leave(). 0, and `kept`
 * says whether it is stored; -EINVAL, with `report`: the document is wrong, or a guest that
 * runs would have to restart and could not; -EBUSY: another change is under way; -ENODEV: the
 * machine can't run guests; -ECANCELED: `cancelled` was true while it waited; -ENOMEM, or as
 * network_create(), with `why`. After an error all is as it was, or `why` says what is not.
 * Starting is a guest's own matter: one that can't start is there, and failed, or waits for
 * what this machine lacks. Guests that wait are tried again after each change. Thread context;
 * sleeps.
 */
int catalogue_apply(struct catalogue_change *change);

#endif
