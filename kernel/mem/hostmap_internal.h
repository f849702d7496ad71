/* The vmap area's inside: between vmap.c and hostmap.c only. The public face is hostmap.h. */
#ifndef KERNEL_MEM_HOSTMAP_INTERNAL_H
#define KERNEL_MEM_HOSTMAP_INTERNAL_H

#include "kernel/mem/pagetable.h"

/* Makes the area's top-level table, so that its PML4 entry never changes. */
int vmap_init(struct pagetable *kernel_pt);

/* pt_pages.free for the kernel's tables: a CPU may hold them in its paging-structure caches, so
 * they wait for the next flush. Caller holds the vmap lock, or runs alone. */
void vmap_retire_table(void *arg, void *table, uint64_t phys);

#endif
