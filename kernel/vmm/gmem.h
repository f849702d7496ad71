/*
 * A guest's RAM: frames reserved when the guest is created, zeroed and mapped into its nested
 * tables 2 MiB at a time at first touch, and reachable for us only through the guest's own
 * address space (struct aspace), as user pages under SMAP. Not devices' memory: that is bus.h.
 */
#ifndef KERNEL_VMM_GMEM_H
#define KERNEL_VMM_GMEM_H

#include <errno.h>

#include "kernel/lib/lock.h"
#include "kernel/mem/hostmap.h"
#include "kernel/mem/pagetable.h"

/* RAM lies at [0, GMEM_LOW_MAX) and, what is more, from 4 GiB on. The hole holds PCI windows,
 * ECAM, I/O APIC and local APIC. */
#define GMEM_LOW_MAX   (3 * GIB)
#define GMEM_HIGH_BASE (4 * GIB)

struct gmem_block {
	uint64_t gpa, hpa; /* multiples of 2 MiB << order */
	uint8_t order;	   /* 2^order blocks of 2 MiB */
	bool broken;	   /* some of it was given back once: it stays in entries of 2 MiB */
	bool split;	   /* its 2 MiB blocks are of their own for the guest pool */
};

#define GMEM_GIVE_MAX 64	 /* chunks that are given away with one flush */
#define GMEM_AWAY     UINT32_MAX /* in gmem.frames: in the guest pool */

struct gmem {
	uint64_t bytes, low_bytes; /* of RAM, and below GMEM_LOW_MAX; multiples of 2 MiB */
	struct gmem_block *blocks; /* sorted by GPA, covering all RAM */
	unsigned block_count;
	_Atomic uint64_t
		*claimed; /* a bit per 2 MiB of RAM: somebody is populating it, or has */
	_Atomic uint64_t *populated; /* the same: it is zeroed and mapped */
	_Atomic uint32_t *pins;	     /* per 2 MiB: what gmem_pin() has not given back */
	/* Per 2 MiB: where it lies, in units of 2 MiB, where that is not as its block says: 0,
	 * or GMEM_AWAY. Changed while it is claimed and not populated. */
	_Atomic uint32_t *frames;
	uint32_t *kept; /* frames for what comes back; gmem_keep() */
	unsigned kept_count;
	_Atomic uint64_t populated_bytes, away_bytes;
	uint64_t scrap; /* 2 MiB that stand in the window for what is away; 0: none yet */
	_Atomic uint64_t staging; /* a bit per place in the window's hole: gmem_zero_frame() */
	struct spinlock lock;	  /* nested, as.window: changes to them; kept */
	struct pagetable nested;
	struct pt_pages pages;	    /* for nested: frees nothing before gmem_fini() */
	struct pt_pages host_pages; /* where they really come from */
	uint64_t *retired; /* tables that 1 GiB leaves replaced, at most one per block */
	unsigned retired_count;
	struct aspace as;
	struct mem_account *account;
	/* The VM's: returns when no CPU has a translation any more that was taken out of
	 * `nested` or changed in the window. Thread context, interrupts on, no spinlock held.
	 */
	void (*flush)(void *arg);
	void *flush_arg;
};

/* Reserves `bytes` of the guest pool. 0, -ENOMEM (nothing stays taken). Thread context. */
int gmem_init(struct gmem *gm, uint64_t bytes, struct mem_account *account);
void gmem_fini(struct gmem *gm); /* no vCPU and no thread may use it any more */

/* True when all of [gpa, gpa + bytes) is RAM. bytes > 0; overflow is no. */
bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes);

/* Makes the 2 MiB around `gpa` present: zeroed, in the nested tables and in the window.
 * 0 when it is (or was), -EFAULT when gpa is not RAM, -ENOMEM. Any thread of the guest. */
int gmem_populate(struct gmem *gm, uint64_t gpa);

/*
 * Copies between our memory and the guest's. On a thread whose aspace is the guest's. 0, or
 * -EFAULT with nothing copied where part of the range is not RAM. The guest may change the
 * bytes at any moment: copy once, check the copy.
 */
int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes);
int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes);

/* One naturally aligned 8-byte entry (page tables), read or compare-exchanged atomically.
 * gmem_cmpxchg: 0, -EFAULT, or -EAGAIN when the entry no longer held `expected`. `bytes` 1, 2,
 * 4, 8 */
int gmem_read64(struct gmem *gm, uint64_t gpa, uint64_t *value);
int gmem_cmpxchg(struct gmem *gm, uint64_t gpa, uint64_t expected, uint64_t desired,
		 unsigned bytes);

/*
 * A short way for the exit path: where the byte at `gpa` is in the window of the running guest,
 * or NULL unless it is populated RAM below GMEM_LOW_MAX. To be read or written, at most to the
 * end of its 4 KiB page, between user_access_begin() and user_access_end().
 */
static inline void *gmem_window(const struct gmem *gm, uint64_t gpa)
{
	uint64_t chunk = gpa / PAGE_2M;

	if (unlikely(gpa >= gm->low_bytes ||
		     !(atomic_load_explicit(&gm->populated[chunk / 64], memory_order_acquire) >>
			       chunk % 64 &
		       1)))
		return NULL;
	return (void *)(GUEST_WINDOW_BASE + gpa);
}

/* Index of the 2 MiB of RAM around `gpa`: below bytes / 2 MiB, the hole left out; or
 * UINT64_MAX. */
uint64_t gmem_chunk(const struct gmem *gm, uint64_t gpa);
/* Where the 2 MiB of RAM of that index begin. */
static inline uint64_t gmem_chunk_gpa(uint64_t chunk)
{
	uint64_t offset = chunk * PAGE_2M;

	return offset < GMEM_LOW_MAX ? offset : offset - GMEM_LOW_MAX + GMEM_HIGH_BASE;
}

/*
 * Giving memory back, for the balloon. All on one thread of the guest's, in its address space.
 *
 * gmem_discard: forgets what is in those 2 MiB of [gpa, gpa + bytes) that lie in it whole, are
 * populated and not pinned: a next touch finds zeroes. They stay reserved, at the same place.
 * Returns their bytes. The guest may use them again only after gm->flush(): a CPU that still
 * has their translation would write what the next touch by another zeroes.
 *
 * gmem_give_away_all: the 2 MiB around each of `count` addresses, all of them RAM and none
 * twice, go to the guest pool, for other guests, once no CPU can reach them any more: one flush
 * for all (GMEM_GIVE_MAX at most). What is pinned or is just being populated, or finds no
 * memory for scrap, stays. Returns how many went, or were away. Touched before
 * gmem_take_back(), they come back by themselves, if the pool has any, with one flush each.
 * gmem_give_away: one; 0, -EFAULT, -EBUSY where it stays.
 *
 * gmem_take_back: they are reserved again. 0, or -ENOMEM.
 *
 * gmem_keep: takes as many bytes out of the pool as are missing for `bytes` to come back
 * without fail; 0, or -ENOMEM with nothing taken. Any thread, one at a time.
 */
uint64_t gmem_discard(struct gmem *gm, uint64_t gpa, uint64_t bytes);
unsigned gmem_give_away_all(struct gmem *gm, const uint64_t *gpas, unsigned count);
static inline int gmem_give_away(struct gmem *gm, uint64_t gpa)
{
	if (gmem_chunk(gm, gpa) == UINT64_MAX)
		return -EFAULT;
	return gmem_give_away_all(gm, &gpa, 1) ? 0 : -EBUSY;
}
int gmem_take_back(struct gmem *gm, uint64_t gpa);
int gmem_keep(struct gmem *gm, uint64_t bytes);

/*
 * For DMA: the physical address of RAM at `gpa`, pinned: it stays this guest's, and where it
 * is, until gmem_unpin(), whatever the guest gives back meanwhile. *bytes is shortened to what
 * is contiguous, never beyond a chunk of 2 MiB. 0, -EFAULT, -ENOMEM; on a thread whose aspace
 * is the guest's.
 */
int gmem_pin(struct gmem *gm, uint64_t gpa, uint64_t *hpa, uint64_t *bytes);
/* `gpa` as it was pinned. Any context. */
void gmem_unpin(struct gmem *gm, uint64_t gpa);

#endif
