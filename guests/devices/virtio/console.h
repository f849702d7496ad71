/*
 * A virtio console (virtio 1.2, 5.3): one port, by which a guest prints to its console and is
 * typed to, a buffer at a time where its serial port takes bytes. Neither has it a size, since
 * nobody knows that of the terminal, nor several ports.
 */
#ifndef GUESTS_DEVICES_VIRTIO_CONSOLE_H
#define GUESTS_DEVICES_VIRTIO_CONSOLE_H

struct console;
struct pci_root;
struct virtio_console;
struct board;

/* While its driver runs, the console types to it and not to the serial port. NULL without
 * memory or place on the bus. Before vm_start(). */
struct virtio_console *virtio_console_create(const struct board *board, struct pci_root *root,
					     struct console *console);
/* The VM has stopped. May sleep. NULL is fine. */
void virtio_console_destroy(struct virtio_console *vc);

#endif
