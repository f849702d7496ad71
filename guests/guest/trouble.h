/* Signs that a guest which runs is not well: told, and nothing is done to it. What is the end
 * of a guest comes from the VM itself (worker.c). */
#ifndef GUESTS_GUEST_TROUBLE_H
#define GUESTS_GUEST_TROUBLE_H

struct guest;

/* Looks at one that runs, as watch.c does once a second. Caller holds its lock. */
void trouble_look(struct guest *guest);

#endif
