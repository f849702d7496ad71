/* In place of kernel/sched/newlib.h on the build machine, whose C library has its own state. */
#ifndef TESTS_UNIT_CPU_NEWLIB_H
#define TESTS_UNIT_CPU_NEWLIB_H

#include <stddef.h>

struct _reent {
	int unused;
};
#define _REENT_INIT_PTR(reent) ((reent)->unused = 0)

size_t strlcpy(char *to, const char *from, size_t room);

#endif
