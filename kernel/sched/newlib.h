/* What the scheduler needs of newlib: its state of each thread. Host builds have another header
 * of this name, in tests/unit/cpu. */
#ifndef KERNEL_SCHED_NEWLIB_H
#define KERNEL_SCHED_NEWLIB_H

#include <reent.h>

#endif
