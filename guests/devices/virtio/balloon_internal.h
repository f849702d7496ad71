/* What balloon.c (the device) and balloon_pages.c (which pages are in it) share. Nobody else
 * includes this. */
#ifndef GUESTS_DEVICES_VIRTIO_BALLOON_INTERNAL_H
#define GUESTS_DEVICES_VIRTIO_BALLOON_INTERNAL_H

#include "guests/devices/virtio/balloon.h"
#include "guests/devices/virtio/virtio.h"
#include "kernel/lib/bucket.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/gmem.h"

struct balloon_config { /* 5.5.4 */
	uint32_t num_pages, actual, free_page_hint_id, poison;
};
_Static_assert(sizeof(struct balloon_config) == 16, "virtio 1.2, 5.5.4");

/* Those of 5.5.6.3 that somebody reads. */
enum { STAT_FREE = 4, STAT_TOTAL = 5, STAT_AVAILABLE = 6 };

/* `lock` guards target and config; all below is the device's thread's, or atomic. */
struct virtio_balloon {
	struct virtio virtio; /* first */
	struct gmem *gm;
	struct mutex lock;
	uint64_t target_bytes;
	struct balloon_config config;

	uint64_t *pages;  /* a bit per page of RAM: it is in the balloon */
	uint16_t *filled; /* per chunk: how many of its pages are */
	uint64_t *due;	  /* a bit per chunk: all are, and it is to go to the pool */
	unsigned due_count;
	struct bucket calls;
	struct timer limit; /* when `calls` allows the next */
	_Atomic uint64_t page_count, discarded_bytes, stats[STAT_AVAILABLE + 1];
	unsigned budget; /* pieces left of this turn */
	struct virtq_chain chain;
	bool held; /* `chain` names pages, is not done, and waits: for memory or a turn; */
	unsigned held_by;  /* it is this queue's, INFLATE or DEFLATE, */
	uint32_t chain_at; /* and so many bytes of it are done */
	bool stats_held;   /* we have the buffer for statistics, */
	uint16_t stats_id, stats_descriptors;
	_Atomic bool stats_wanted;    /* and are to give it back, so that it comes filled */
	_Atomic unsigned stats_count; /* how often they came */
	bool logged;
	struct timer retry;
};

/* What is kept of pages, empty. 0 or -ENOMEM; fini accepts what init left half done. */
int balloon_pages_init(struct virtio_balloon *balloon, struct mem_account *account);
void balloon_pages_fini(struct virtio_balloon *balloon);
/* No page is in the balloon any more. */
void balloon_pages_forget(struct virtio_balloon *balloon);

/* A page goes in, or comes out and is there. On the device's thread, as the two below. 0;
 * -EINVAL where there is no such page; -ENOMEM where it can't come back now. */
int balloon_inflate_page(struct virtio_balloon *balloon, uint32_t pfn);
int balloon_deflate_page(struct virtio_balloon *balloon, uint32_t pfn);

/* Whether all CPUs may be interrupted now; else the timer wakes us when they may. */
bool balloon_may_call(struct virtio_balloon *balloon);
/* Gives the pool as many chunks that are due as one call of all CPUs serves. */
void balloon_give_due(struct virtio_balloon *balloon);

#endif
