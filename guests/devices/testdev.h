/*
 * Ports for bare-metal test programs, as QEMU has them: debug exit at 0xf4, and a fw_cfg that
 * tells memory size and CPU count. Present only where the configuration asks for debug exit.
 */
#ifndef GUESTS_DEVICES_TESTDEV_H
#define GUESTS_DEVICES_TESTDEV_H

struct testdev;
struct board;

/* Adds itself to board->pio. NULL when out of memory or when the ports are taken (logged). */
struct testdev *testdev_create(const struct board *board);
void testdev_destroy(struct testdev *testdev); /* the VM runs no more */

#endif
