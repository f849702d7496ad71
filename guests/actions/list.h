/* The actions themselves, by what they are about. Private to guests/actions. */
#ifndef GUESTS_ACTIONS_LIST_H
#define GUESTS_ACTIONS_LIST_H

#include "guests/actions/action.h"

extern const struct action action_start, action_shutdown, action_stop, action_reset;
extern const struct action action_balloon, action_balloon_state;
extern const struct action action_groups, action_lvcreate, action_lvresize, action_lvremove;
extern const struct action action_image;
extern const struct action action_poweroff, action_reboot, action_wait;
extern const struct action action_explain;
extern const struct action action_plan, action_apply, action_create, action_delete;
extern const struct action action_cancel;

/* Arguments of what is asked of one guest, and those of what takes none. */
extern const struct config_table action_guest_arguments, action_no_arguments;
struct guest_args {
	char guest[32];
};

/* The same of what stops it: it is asked to shut down, or switched off now. */
extern const struct config_table action_stop_arguments;
struct stop_args {
	char guest[32];
	bool now;
};

#endif
