/*
 * The guest beside all others: it runs for ever and says a number once in a while, so that
 * a test sees that it still makes progress. It keeps a pattern in its memory and says so
 * if that is ever not what it wrote: nobody else may reach it.
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

#define PERIOD_US 200000
#define WORDS	  (256 * 1024)

static uint32_t pattern[WORDS];

static uint32_t word(uint32_t index, uint32_t round)
{
	return index * 2654435761u ^ round;
}

void test(void)
{
	for (uint32_t round = 0;; round++) {
		uint32_t start = pm_now(), at = round % 64 * (WORDS / 64);

		for (uint32_t i = at; round >= 64 && i < at + WORDS / 64; i++)
			if (pattern[i] != word(i, round - 64))
				give_up("memory at 0x%lx has changed", (uintptr_t)&pattern[i]);
		for (uint32_t i = at; i < at + WORDS / 64; i++)
			pattern[i] = word(i, round);
		print("neighbour %u\n", round);
		sleep_us(PERIOD_US - pm_us_since(start) % PERIOD_US);
	}
}
