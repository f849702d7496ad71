/*
 * A guest's balloon (virtio 1.2, 5.5): memory that it gives up when it is asked to, for other
 * guests, and free pages that it reports, which are forgotten but stay its own.
 */
#ifndef GUESTS_DEVICES_VIRTIO_BALLOON_H
#define GUESTS_DEVICES_VIRTIO_BALLOON_H

#include "kernel/lib/types.h"

struct pci_root;
struct virtio_balloon;
struct board;

#define VIRTIO_BALLOON_LEAST_BYTES (32 * MIB) /* what a guest may be asked to make do with */

struct virtio_balloon_info {
	bool driven;		  /* the guest has a driver for it */
	uint64_t target_bytes;	  /* of memory that the guest is to make do with */
	uint64_t balloon_bytes;	  /* in the balloon now */
	uint64_t away_bytes;	  /* of these, what the guest pool has: whole 2 MiB */
	uint64_t discarded_bytes; /* reported free and forgotten, since the start */
	/* What the guest last said of itself; 0: nothing. */
	uint64_t free_bytes, available_bytes, total_bytes;
	unsigned stats_count; /* how often it said so */
};

/* Memory that the guest cannot do without, as it last said: all of `memory_bytes` that is
 * neither in its balloon nor available to its programs. 0: it says nothing of itself. */
uint64_t virtio_balloon_used(const struct virtio_balloon_info *info, uint64_t memory_bytes);

/* NULL without memory or slots. Before vm_start(); thread context. */
struct virtio_balloon *virtio_balloon_create(const struct board *board, struct pci_root *root);
/* The VM has stopped. May sleep. NULL is fine. */
void virtio_balloon_destroy(struct virtio_balloon *balloon);

/* Asks the guest to make do with `bytes`, rounded up to 2 MiB. What it gets back is reserved
 * first: -ENOMEM where the guest pool has not as much, and nothing changes. -EINVAL: more than
 * all its memory, or less than 32 MiB. -EOPNOTSUPP: it has no driver for this. Thread context.
 */
int virtio_balloon_set(struct virtio_balloon *balloon, uint64_t bytes);

/* Also asks the guest how its memory is, for the next time. Thread context. */
void virtio_balloon_get_info(struct virtio_balloon *balloon, struct virtio_balloon_info *info);

#endif
