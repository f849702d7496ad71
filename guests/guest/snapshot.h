/* How a guest is, at one moment, for whoever shows it. Reads only. */
#ifndef GUESTS_GUEST_SNAPSHOT_H
#define GUESTS_GUEST_SNAPSHOT_H

#include "guests/guest/guest.h"
#include "guests/views/guest.h"

/* Fills a view, about 90 KiB: not for a stack. Of a guest that ended: how it was at its end.
 * Thread context. */
void guest_get_info(struct guest *guest, struct guest_view *view);

/* The VM is about to go: keeps how it was. Caller holds the guest's lock. */
void snapshot_keep(struct guest *guest);

#endif
