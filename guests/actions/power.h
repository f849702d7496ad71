/*
 * Switching the machine off. Its thread stands apart from all other actions, so that nothing
 * that is stuck holds it up. What a machine does to be off is who starts this one's.
 */
#ifndef GUESTS_ACTIONS_POWER_H
#define GUESTS_ACTIONS_POWER_H

#include "guests/actions/leavers.h"
#include "guests/events/actor.h"

/* Once, when threads run. `machine_off` powers the machine off or resets it, at once; it comes
 * back only if it cannot. Thread context. 0 or -ENOMEM. */
int power_init(void (*machine_off)(bool reboot));

/*
 * Shuts the running guests down by their order, each within its shutdown.timeout and all within
 * host.shutdown_timeout, and powers the machine off or resets it. With `now`, or asked a second
 * time, it switches them off. Returns at once. Thread context, or under spinlocks.
 */
void power_request(bool reboot, bool now, const struct actor *actor);

/* Whether a request is under way, and then in `text` for whom it waits. Any context. */
bool power_waits(char text[LEAVERS_TEXT_BYTES]);

/* Gives all guests that are shutting down `ns` more, or with `name` that one, and the machine.
 * -ENOENT: there is none. Thread context. */
int power_wait(const char *name, uint64_t ns);

/* The machine stays on. False: it does not, as it was asked twice, or its guests are being
 * switched off already. Thread context. */
bool power_call_off(void);

#endif
