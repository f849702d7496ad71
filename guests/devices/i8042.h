/*
 * A guest's keyboard controller with nothing plugged in: it tests itself, keeps its command
 * byte, and resets the machine. Not a keyboard, not a mouse.
 */
#ifndef GUESTS_DEVICES_I8042_H
#define GUESTS_DEVICES_I8042_H

struct i8042;
struct board;

/* Adds itself to board->pio. NULL when out of memory or when the ports are taken (logged). */
struct i8042 *i8042_create(const struct board *board);
void i8042_destroy(struct i8042 *kbc); /* the VM runs no more */

#endif
