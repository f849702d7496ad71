/* A line that the operator typed, in words. */
#ifndef GUESTS_CONSOLE_WORDS_H
#define GUESTS_CONSOLE_WORDS_H

#include "kernel/lib/types.h"

#define WORDS_MAX 6

struct words {
	char *at[WORDS_MAX];
	unsigned count;
};

/* Cuts `line`, which is changed; what is more than WORDS_MAX words is left out. */
struct words words_split(char *line);

/* "10GiB", or "10 GiB" in two words, from word `first` on. Returns how many words it was, 0: no
 * size. */
unsigned words_size(const struct words *words, unsigned first, uint64_t *bytes);

#endif
