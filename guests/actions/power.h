/*
 * Switching the machine off. Its thread stands apart from all other actions, so that nothing
 * that is stuck holds it up. What a machine does to be off is who starts this one's.
 */
#ifndef GUESTS_ACTIONS_POWER_H
#define GUESTS_ACTIONS_POWER_H

#include "guests/events/actor.h"

/* Once, when threads run. `machine_off` powers the machine off or resets it, at once; it comes
 * back only if it cannot. Thread context. 0 or -ENOMEM. */
int power_init(void (*machine_off)(bool reboot));

/* Asks all running guests to shut down, waits up to 10 s for them, and powers the machine off
 * or resets it. Asked a second time, it waits no longer. Returns at once. Thread context, or
 * under spinlocks. */
void power_request(bool reboot, const struct actor *actor);

#endif
