/*
 * The virtio transport around a device under test, whose test plays the device's thread itself:
 * counts what the device asks for. Queues are the test's to set up.
 */
#ifndef TESTS_UNIT_FAKE_VIRTIO_H
#define TESTS_UNIT_FAKE_VIRTIO_H

#include "guests/devices/virtio/virtio.h"

extern unsigned fake_wakes;	 /* virtio_wake() */
extern unsigned fake_interrupts; /* those that the driver wanted */
extern const char *fake_broken;	 /* why the device is broken; NULL: it is not */
extern unsigned fake_blocks;	 /* how often the thread waited */
extern void (*fake_wait)(void);	 /* what happens meanwhile */

/* Everything as at the start of a test. */
void fake_virtio_start(void (*wait)(void));

#endif
