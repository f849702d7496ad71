/*
 * What has to be done to come from one configuration to another while guests run: as data, in
 * an order that is safe to follow, and as sentences. Decides nothing about whether the other is
 * good (config_check), and does nothing: guests/catalogue follows the steps.
 */
#ifndef GUESTS_CONFIG_PLAN_H
#define GUESTS_CONFIG_PLAN_H

#include "guests/config/config.h"
#include "guests/config/diff.h"

/* What becomes of a guest, a network or the host. */
enum config_fate {
	CONFIG_FATE_CREATED,
	CONFIG_FATE_CHANGED,   /* without a restart */
	CONFIG_FATE_RESTARTED, /* a guest that runs; a network that is made anew */
	CONFIG_FATE_DELETED,
};

/* One guest, network or the host. Names are those of the newer configuration or, of what is
 * deleted, of the older. */
struct config_item {
	enum config_part part;
	enum config_fate fate;
	char name[CONFIG_GUEST_NAME_MAX]; /* "" for the host */
	bool runs;			  /* a guest: now */
	bool waits;  /* a guest to be deleted: now, as it lacks something; for who follows */
	bool starts; /* a guest: at the end of the plan, by it */
	/* A guest that runs: how long it has to shut down, if it has to stop; 0: it is switched
	 * off. */
	uint32_t shutdown_seconds;
	uint32_t first, reasons; /* of the plan's differences */
};

/* Whatever gives something back comes before whatever takes it. */
enum config_step_kind {
	CONFIG_STEP_STOP_GUEST,	    /* and wait until all it had is given back */
	CONFIG_STEP_DELETE_GUEST,   /* it does not run */
	CONFIG_STEP_DELETE_NETWORK, /* nobody is plugged into it */
	CONFIG_STEP_CREATE_NETWORK,
	CONFIG_STEP_CHANGE_GUEST, /* it has its new configuration, and CPUs that it shares */
	CONFIG_STEP_CREATE_GUEST, /* and start it, if its configuration says autostart */
	CONFIG_STEP_START_GUEST,  /* one that was stopped by an earlier step */
	CONFIG_STEP_CHANGE_HOST,  /* what it changes waits for the machine's next start */
};

struct config_step {
	enum config_step_kind kind;
	char name[CONFIG_GUEST_NAME_MAX];
};

/* Nothing differs: no item and no step. */
struct config_plan {
	struct config_item *items; /* the host, networks, guests: in the order of documents */
	struct config_step *steps;
	struct config_difference *differences;
	uint32_t item_count, step_count, difference_count;
	uint32_t item_room, step_room, difference_room;
};

/* Which guests run: true for one that has, or is about to have, a VM. */
typedef bool (*config_runs_fn)(void *context, const char *name);

/*
 * Both configurations were checked by themselves. `present` are the machine's CPUs; empty: not
 * known, and then it is not told which CPUs shared guests gain and lose. 0, or -ENOMEM. `plan`
 * is to be given to config_plan_free in every case. Any thread.
 */
int config_plan_make(struct config_plan *plan, const struct config *now,
		     const struct config *next, const struct cpumask *present,
		     config_runs_fn runs, void *context);

void config_plan_free(struct config_plan *plan);

#define CONFIG_PLAN_LINE_MAX 384

/* Calls `line` with each line of the plan in words; the reasons of an item are indented. What
 * does nothing is one line too. */
void config_plan_say(const struct config_plan *plan, void (*line)(void *arg, const char *text),
		     void *arg);

#endif
