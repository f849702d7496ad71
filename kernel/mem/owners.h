/*
 * Whose each 2 MiB frame of the guest pool is, in builds with checks (kernel/lib/checks.h):
 * taken by one owner when the pool gives it, looked at before it is mapped, given back before
 * the pool has it. Elsewhere it is nothing. An owner is an address: a guest's memory, a RAM
 * disk.
 */
#ifndef KERNEL_MEM_OWNERS_H
#define KERNEL_MEM_OWNERS_H

#include "kernel/lib/types.h"

#ifdef CHECKS

/* Start-up: room for all frames below `end`, one pointer each, zeroed. On the build machine
 * there is room from the start. */
void owners_init(void *owners, uint64_t end);

/* [phys, phys + bytes), every frame that it touches. Any context; several may call at once. */
void owners_take(uint64_t phys, uint64_t bytes, const void *owner);
void owners_check(uint64_t phys, uint64_t bytes, const void *owner);
void owners_give(uint64_t phys, uint64_t bytes, const void *owner);
void owners_free(uint64_t phys, uint64_t bytes); /* the pool has it, or gets it: nobody's */

#else

#define owners_init(owners, end)	 ((void)(owners), (void)(end))
#define owners_take(phys, bytes, owner)	 ((void)0)
#define owners_check(phys, bytes, owner) ((void)0)
#define owners_give(phys, bytes, owner)	 ((void)0)
#define owners_free(phys, bytes)	 ((void)0)

#endif
#endif
