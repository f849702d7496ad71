/* Cutting lines, and sizes that people write with or without a space. */
#include "guests/console/words.h"

#include <stdio.h>
#include <string.h>

#include "kernel/lib/size.h"

#define SIZE_WORDS_BYTES 32

struct words words_split(char *line)
{
	struct words words = {0};
	char *rest = NULL;

	for (char *word = strtok_r(line, " ", &rest); word && words.count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		words.at[words.count++] = word;
	return words;
}

unsigned words_size(const struct words *words, unsigned first, uint64_t *bytes)
{
	char text[SIZE_WORDS_BYTES];

	if (first < words->count && size_parse(words->at[first], bytes))
		return 1;
	if (first + 1 >= words->count)
		return 0;
	snprintf(text, sizeof(text), "%.20s %.8s", words->at[first], words->at[first + 1]);
	return size_parse(text, bytes) ? 2 : 0;
}
