/* Sizes as reports show them. */
#ifndef GUESTS_CONSOLE_REPORT_SIZE_H
#define GUESTS_CONSOLE_REPORT_SIZE_H

#include "kernel/lib/types.h"

/* A value as text, to be shown at once. */
struct text {
	char bytes[24];
};
struct text report_size(uint64_t bytes);

#endif
