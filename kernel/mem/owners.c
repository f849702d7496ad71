/* See owners.h. Empty in builds without checks. */
#include "kernel/mem/owners.h"

#ifdef CHECKS

#include <stdatomic.h>

#include "kernel/lib/checks.h"

#if __STDC_HOSTED__ /* tests' frames lie anywhere, but close together; some say where */
static _Atomic(const void *) all[1 << 20];
static _Atomic(const void *) *owner_of = all;
static uint64_t frames = 1 << 20;
#define INDEX(at) (owner_of == all ? (at) % frames : (at))
#else
static _Atomic(const void *) *owner_of;
static uint64_t frames;
#define INDEX(at) (at)
#endif

void owners_init(void *owners, uint64_t end)
{
	owner_of = owners;
	frames = end / PAGE_2M;
}

/* Every frame from `before` to `after`; complains of the first that is not as it should be. */
static void change(uint64_t phys, uint64_t bytes, const void *before, const void *after,
		   const char *wrong)
{
	for (uint64_t at = phys / PAGE_2M; at <= (phys + bytes - 1) / PAGE_2M; at++) {
		const void *found = before;

		if (INDEX(at) >= frames) {
			check_failed("frame %#llx is not the guest pool's",
				     (unsigned long long)(at * PAGE_2M));
			return;
		}
		if (!atomic_compare_exchange_strong(&owner_of[INDEX(at)], &found, after)) {
			check_failed("frame %#llx %s: it is %p's and not %p's",
				     (unsigned long long)(at * PAGE_2M), wrong, found, before);
			return;
		}
	}
}

void owners_take(uint64_t phys, uint64_t bytes, const void *owner)
{
	change(phys, bytes, NULL, owner, "is another's already");
}

void owners_check(uint64_t phys, uint64_t bytes, const void *owner)
{
	change(phys, bytes, owner, owner, "is not its own");
}

void owners_give(uint64_t phys, uint64_t bytes, const void *owner)
{
	change(phys, bytes, owner, NULL, "is not its own");
}

void owners_free(uint64_t phys, uint64_t bytes)
{
	change(phys, bytes, NULL, NULL, "still has an owner");
}

#endif
