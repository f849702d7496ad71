/* Between explain.c, which has the action and what the configuration says, and
 * explain_machine.c, which looks at the machine. */
#ifndef GUESTS_ACTIONS_EXPLAIN_H
#define GUESTS_ACTIONS_EXPLAIN_H

#include "guests/actions/action.h"

/* Tells who has what of "memory", "devices", "disks" or "networks", now. False: it is none of
 * these. Thread context. */
bool explain_topic(struct action_call *call, const char *name);
/* The short of it, and which topics there are. */
void explain_summary(struct action_call *call);

#endif
