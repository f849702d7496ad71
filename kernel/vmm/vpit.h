/* A guest's 8254 at ports 0x40-0x43 and the speaker gate 0x61; channel 0 drives line 0.
 * Guarded by its own lock, in which vm->irq_lock nests. */
#ifndef KERNEL_VMM_VPIT_H
#define KERNEL_VMM_VPIT_H

#include "kernel/lib/types.h"

struct board;
struct vpit;

struct vpit *
vpit_create(const struct board *board); /* adds itself to its ports; NULL on failure */
void vpit_destroy(struct vpit *pit);

#endif
