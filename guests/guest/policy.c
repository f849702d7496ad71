/* See policy.h. */
#include "guests/guest/policy.h"

#include "kernel/cpu/clock.h"

#define RESTART_LEAST_NS (100 * NSEC_PER_MSEC)

/* Whether one more restart is within the limit; it is counted then. */
static bool may_restart(const struct config_restart_limit *limit, struct policy_history *h,
			uint64_t now_ns)
{
	if (!limit->count)
		return true;
	if (!h->window_ns || now_ns - h->window_ns > limit->seconds * NSEC_PER_SEC)
		*h = (struct policy_history){.window_ns = now_ns};
	if (h->restarts == limit->count)
		return false;
	h->restarts++;
	return true;
}

static bool wants_restart(const struct guest_config *config, enum vm_stop_kind kind)
{
	if (vm_stop_is_crash(kind))
		return config->on_crash == CONFIG_POLICY_RESTART;
	switch (kind) {
	case VM_STOP_RESET: return config->on_reboot == CONFIG_POLICY_RESTART;
	case VM_STOP_POWEROFF: return config->on_poweroff == CONFIG_POLICY_RESTART;
	default: return false;
	}
}

enum policy_verdict policy_decide(const struct guest_config *config, enum vm_stop_kind kind,
				  struct policy_history *history, uint64_t now_ns)
{
	if (!wants_restart(config, kind))
		return POLICY_STAYS;
	return may_restart(&config->restart_limit, history, now_ns) ? POLICY_RESTARTS
								    : POLICY_LIMIT;
}

uint64_t policy_due_ns(uint64_t started_ns)
{
	return started_ns + RESTART_LEAST_NS;
}

const char *policy_name(enum vm_stop_kind kind)
{
	if (vm_stop_is_crash(kind))
		return "on_crash";
	switch (kind) {
	case VM_STOP_RESET: return "on_reboot";
	case VM_STOP_POWEROFF: return "on_poweroff";
	default: return NULL;
	}
}
