/*
 * The list of guests, for who makes and ends them (request.c, control.c); all others have the
 * handles of guest.h. A guest is in the list with one reference from registry_add() to
 * registry_drop(): at first for all to find, then, removed, only for the control thread.
 */
#ifndef GUESTS_GUEST_REGISTRY_H
#define GUESTS_GUEST_REGISTRY_H

#include "guests/guest/guest.h"

/* `dead` is told, from any thread, that registry_take_dead() has something. Once. */
void registry_init(void (*dead)(void));

/* Lists the guest, with the next generation, and a reference for the caller. -EEXIST (the
 * name), -ENOSPC. */
int registry_add(struct guest *guest);
/* Its name is free, and who looks does not find it. False: it was removed before. */
bool registry_remove(struct guest *guest);
bool registry_removed(const struct guest *guest);
/* It leaves the list, and with the last reference it is dead. */
void registry_drop(struct guest *guest);
/* As guest_next(), but with those that were removed and are still there. */
struct guest *registry_next(struct guest *after);
/* A guest to which nobody refers any more, to be freed; NULL: there is none. */
struct guest *registry_take_dead(void);

#endif
