/*
 * A guest's disk: a virtio block device (virtio 1.2, 5.2) on a block device of the machine.
 * What a source is, and who may have it, is kernel/io/storage's.
 */
#ifndef GUESTS_DEVICES_VIRTIO_BLK_H
#define GUESTS_DEVICES_VIRTIO_BLK_H

#include "guests/config/config.h"
#include "kernel/lib/types.h"

struct blkdev;
struct pci_root;
struct virtio_blk;
struct board;

/* Since the device was created; read by anyone. */
struct virtio_blk_info {
	uint64_t reads, writes, flushes, discards, zeroes, errors; /* requests that are done */
	uint64_t bytes_read, bytes_written;
	uint64_t kicks, interrupts; /* from and to the driver */
	uint64_t throttled;	    /* times that a limit made a request wait */
};

/*
 * Puts a disk on the guest's bus, as `config` says. `dev` stays open until virtio_blk_destroy()
 * returned. NULL: no memory, or no slot. Before vm_start(); thread context.
 */
struct virtio_blk *virtio_blk_create(const struct board *board, struct pci_root *root,
				     const struct config_disk *config, struct blkdev *dev);
/* The VM has stopped. Waits for what is under way; may sleep. NULL is fine. */
void virtio_blk_destroy(struct virtio_blk *blk);

void virtio_blk_get_info(const struct virtio_blk *blk, struct virtio_blk_info *info);

#endif
