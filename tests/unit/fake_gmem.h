/*
 * A guest's RAM on the build machine, and the heap that loaders use. Not the real gmem: nothing
 * is populated or paged, but what is RAM and what is not is as gmem.h says. It lies in the
 * window's place, so there is one at a time, whatever `struct gmem` the code under test has.
 */
#ifndef TESTS_UNIT_FAKE_GMEM_H
#define TESTS_UNIT_FAKE_GMEM_H

#include "kernel/vmm/gmem.h"

struct fake_gmem {
	struct gmem gm; /* first: given to the code under test */
	uint8_t *ram;	/* address space from 0 to the end of RAM, holes included */
	uint64_t ram_end;
	uint64_t written_low, written_high; /* GPA range that was written so far */
	unsigned pinned;		    /* by gmem_pin() and not given back */
	unsigned pins_left;   /* 0: any number; else the last one that succeeds is 1 */
	unsigned writes_left; /* of gmem_write(): the same */
};

void fake_gmem_init(struct fake_gmem *fake, uint64_t bytes);
void fake_gmem_fini(struct fake_gmem *fake);

/* The bytes at `gpa`, which the test knows to be RAM. */
#define fake_gmem_at(fake, gpa, type) ((const type *)((fake)->ram + (gpa)))
/* The same, for a guest that writes. */
#define fake_gmem_put(fake, gpa, type) ((type *)((fake)->ram + (gpa)))

#endif
