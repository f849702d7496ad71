/*
 * What guests/launch/launch.c and guests/launch/devices.c make a VM of, as fakes that always
 * succeed, but for memory, which is counted. Disks are the test's own: virtio_blk_create() and
 * virtio_blk_destroy().
 */
#ifndef TESTS_UNIT_FAKE_GUEST_PARTS_H
#define TESTS_UNIT_FAKE_GUEST_PARTS_H

#include "kernel/vmm/vm.h"

#define FAKE_PARTS_MEMORY (2 * GIB) /* for guests */
extern uint64_t fake_parts_memory_free;

/* The VM of that name; NULL: there is none. */
struct vm *fake_parts_vm(const char *name);

#endif
