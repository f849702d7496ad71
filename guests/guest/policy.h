/*
 * Whether a guest that ended starts again, and when: on_crash, on_reboot, on_poweroff and the
 * limit of its configuration, alone. Pure; whoever calls it has the clock.
 */
#ifndef GUESTS_GUEST_POLICY_H
#define GUESTS_GUEST_POLICY_H

#include "guests/config/config.h"
#include "kernel/vmm/vm.h"

/* Restarts of a guest by a policy, within the limit's window. Zeroed: none. */
struct policy_history {
	unsigned restarts;
	uint64_t window_ns; /* when it began: with an end; 0: never */
};

enum policy_verdict {
	POLICY_STAYS,	 /* its configuration wants it so */
	POLICY_RESTARTS, /* counted in the history */
	POLICY_LIMIT,	 /* it would, but has done so too often */
};
enum policy_verdict policy_decide(const struct guest_config *config, enum vm_stop_kind kind,
				  struct policy_history *history, uint64_t now_ns);

/* When a guest that started then may be started again by a policy or a reset, whatever the
 * limit allows: what ends and begins costs all CPUs a little. */
uint64_t policy_due_ns(uint64_t started_ns);

/* The field of the configuration that decides after such an end: "on_crash"; NULL: none. */
const char *policy_name(enum vm_stop_kind kind);

#endif
