/*
 * A kernel that is tried once (boot/choose.c) says that it has come up, so that the next start
 * keeps it.
 */
#ifndef KERNEL_IO_CAME_UP_H
#define KERNEL_IO_CAME_UP_H

/* Once this kernel has shown that it can stay. Where no kernel is tried, or the boot partition
 * has no driver here, it does nothing. Thread context; sleeps. */
void came_up(void);

#endif
