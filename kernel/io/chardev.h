/* What a terminal line promises to the console: bytes out without waiting, bytes in. Serial
 * ports are one now. */
#ifndef KERNEL_IO_CHARDEV_H
#define KERNEL_IO_CHARDEV_H

#include "kernel/lib/types.h"

struct chardev {
	/* Sends as many bytes as the line takes at once; returns how many, 0 when it is busy.
	 * Any context. */
	size_t (*try_write)(struct chardev *dev, const char *buf, size_t bytes);
	/* The next byte received, or -1. Any context. */
	int (*getc)(struct chardev *dev);
	/* Has fn called, in interrupt context, after bytes arrived. 0, or a negative errno:
	 * then getc must be polled. */
	int (*on_input)(struct chardev *dev, void (*fn)(void *arg), void *arg);
};

#endif
