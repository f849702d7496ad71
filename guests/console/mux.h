/*
 * The one terminal of the machine: it shows the log and all consoles, and types to one of them
 * at a time. What it shows how is screen.h; the keys are keys.h. Not a driver: the line is a
 * chardev.
 */
#ifndef GUESTS_CONSOLE_MUX_H
#define GUESTS_CONSOLE_MUX_H

#include "kernel/io/chardev.h"

/*
 * Starts the terminal on `line` (NULL: there is none; guests' output is taken and dropped) and
 * the operator's console on it. From here on the log appears there too: sinks that write to the
 * same line are to be detached after this. Once, when threads run and before guests are added;
 * after power_init().
 * 0 or -ENOMEM.
 */
int mux_init(struct chardev *line);

#endif
