/*
 * The ports by which a PC resets itself without a keyboard controller: 0x92 and 0xcf9. The
 * latter is amid PCI's configuration ports, whose owner (guests/pci) passes accesses on.
 */
#ifndef GUESTS_DEVICES_RESET_H
#define GUESTS_DEVICES_RESET_H

struct bus_access;
struct reset;
struct board;

/* The FADT's reset register, and the value that resets: RST_CPU with SYS_RST. */
#define RESET_PORT  0xcf9
#define RESET_VALUE 0x06

/* Adds port 0x92 to board->pio. NULL when out of memory or when it is taken (logged). */
struct reset *reset_create(const struct board *board);
/* A byte is read from or written to port RESET_PORT. As a bus_handler. */
void reset_control_access(void *reset, struct bus_access *access);
void reset_destroy(struct reset *reset); /* the VM runs no more */

#endif
