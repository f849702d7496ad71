/* What the files of this folder share. */
#ifndef GUESTS_CATALOGUE_INTERNAL_H
#define GUESTS_CATALOGUE_INTERNAL_H

#include "guests/catalogue/catalogue.h"

/* Whether all sources of a configuration are there, and none is written from two sides: what
 * guests lack is in `report`. With a plan, what the guests that it starts need is kept open for
 * them. Others are kept from what the last that was `lasting` gives guests to write: see
 * storage_given_away(). 0 or -ENOMEM. */
int catalogue_check_disks(const struct config *config, const struct config_plan *plan,
			  bool lasting, struct config_report *report);
/* The guests that the plan was to start are not. */
void catalogue_forget_disks(const struct config_plan *plan);

/* A plan that is being carried out. `actual` is what there is after each step; it has room for
 * all guests of both ends. */
struct follow {
	const struct config *next;
	const struct cpumask *present;
	const struct actor *actor;
	const struct catalogue_change *waiter; /* or NULL */
	bool undoing; /* it leads back: only who gives that up, too, is heard */
	bool now;     /* guests are switched off, and not asked */
	struct config *actual;
	bool holds; /* it holds back turns: all guests are there before the first starts */
	struct config_report *report; /* or NULL: what has a place in the document goes there */
	char *why;		      /* CONFIG_WHY_MAX bytes */
};

/* Follows all steps. 0, or the error of the first that failed, with `why`: what came before it
 * is done. Sleeps. */
int catalogue_follow(struct follow *follow, const struct config_plan *plan);

/* Holds turns back, for who follows to release. */
void catalogue_hold(struct follow *follow);

/* Gives a guest the configuration that it has in `next`, and the CPUs that it shares there. 0,
 * or an error with `why`. Sleeps while the guest is between two states. */
int catalogue_configure(struct follow *follow, const char *name);

/* As catalogue_get(), with the name of the document that its marks are places of; "": they are
 * of none that anybody could look at. */
struct config *catalogue_get_with_name(char name[CONFIG_NAME_MAX]);

/* Whether it has a VM, or is about to. */
bool catalogue_runs(void *context, const char *name);

#endif
