/*
 * The one list of what can be asked. Who asks (the console, later the API and the cluster) is a
 * caller among others. What is only shown is not here but in views and reports.
 */
#ifndef GUESTS_ACTIONS_ACTIONS_H
#define GUESTS_ACTIONS_ACTIONS_H

#include "guests/actions/action.h"

/* NULL when there is none. Any context. */
const struct action *action_find(const char *name);
/* The actions in the order of the list; NULL behind the last. Any context. */
const struct action *action_at(unsigned index);

/*
 * Runs it for `actor`, who has `role`: 0 or a negative errno, which is also the result's. For a
 * job, 0 says that it runs: result->job is its number, and its end is in job.h. -EPERM: the
 * role is not enough. `args` is copied where it is needed longer. Thread context; sleeps only
 * as the action does.
 */
int action_run(const struct action *action, const struct action_args *args,
	       const struct actor *actor, enum role role, struct action_result *result);

#endif
