/*
 * A guest that gives its CPU away by nothing that it does: between two lines it counts by
 * RDTSC, which does not exit, without PAUSE and with interrupts off. Two of these on one CPU
 * share it only if their slices are ended from outside.
 */
#include "tests/guest/lib/test.h"

#define ROUNDS	    20
#define ROUND_TICKS 20000000ull /* a few slices at the rates of emulators */

void test(void)
{
	for (unsigned round = 1; round <= ROUNDS; round++) {
		uint64_t end = rdtsc() + ROUND_TICKS;

		while (rdtsc() < end)
			;
		print("round %u\n", round);
	}
	reached("the end");
}
