/*
 * Guests as who asks something of them sees them (guests/guest): some names, how each is, and
 * what was asked. Not a life of their own: the test says what becomes of them.
 */
#ifndef TESTS_UNIT_FAKE_GUESTS_H
#define TESTS_UNIT_FAKE_GUESTS_H

#include "guests/guest/snapshot.h"

#define FAKE_GUESTS 3

struct guest {
	struct guest_view info; /* what guest_get_info() says */
	enum guest_state state;
	bool listens; /* to its power button */
	struct guest_leaving leaving;
	uint32_t timeout_seconds; /* until it is due, once it is asked */
	bool answers;		  /* says anew how its memory is when it is looked at again */
	int refusal;		  /* what requests come to; 0: they are done */
	const char *asked;	  /* the last that was asked of it; NULL: nothing */
	struct actor by;
	uint64_t memory_asked;
	unsigned references;
};
extern struct guest fake_guests[FAKE_GUESTS];
extern unsigned fake_guests_count;

/* So many guests of 512 MiB that run, listen, and say that half of it is in use: alpha, beta,
 * gamma. All handles must have been put. */
void fake_guests_reset(unsigned count);
unsigned fake_guests_held(void); /* handles that were not put */

#endif
