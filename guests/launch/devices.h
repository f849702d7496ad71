/*
 * What a guest's configuration plugs in: its virtio devices on the PCI root, and what is behind
 * them. Legacy devices of the PC are guests/chipset.
 */
#ifndef GUESTS_LAUNCH_DEVICES_H
#define GUESTS_LAUNCH_DEVICES_H

#include "guests/boot/boot.h"
#include "guests/config/config.h"

struct blkdev;
struct console;
struct devices;
struct guest_view;
struct pci_root;
struct board;

/*
 * Creates the devices that the configuration names, for the guest of that name; `disks` are
 * open and behind its disks, in their order. 0; or a negative errno with a sentence in `why`,
 * and nothing is left. Before vm_start(); thread context; may sleep.
 */
int devices_create(const struct guest_config *config, struct blkdev *const disks[],
		   const struct board *board, struct pci_root *root, struct console *console,
		   struct devices **devices, char why[BOOT_WHY_BYTES]);
/* The VM has stopped. Waits for requests under way. NULL is fine. */
void devices_destroy(struct devices *devices);

/* As virtio_balloon_set(). */
int devices_set_memory(const struct devices *devices, uint64_t bytes);
/* How often limits of its disks and NICs made something wait so far. Any context. */
uint64_t devices_throttled(const struct devices *devices);
/* Fills what the view has of devices; its memory_bytes is filled. Thread context. */
void devices_get_view(const struct devices *devices, struct guest_view *view);

#endif
