/* Sizes and times as the reports show them. */
#ifndef GUESTS_CONSOLE_TEXT_H
#define GUESTS_CONSOLE_TEXT_H

#include "kernel/lib/size.h"

/* A value as text, to be shown at once. */
struct text {
	char bytes[SIZE_TEXT_BYTES];
};

/* As size_column_text() has it. */
struct text text_size(uint64_t bytes);
/* A number that was typed: digits alone, which fit. */
bool text_number(const char *typed, uint64_t *number);
/* "1.234 s", "2 min 03 s", "26 h 05 min". */
struct text text_time(uint64_t ns);

#endif
