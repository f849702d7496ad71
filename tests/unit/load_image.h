/* How the tests of the boot protocols load an image. */
#ifndef TESTS_UNIT_LOAD_IMAGE_H
#define TESTS_UNIT_LOAD_IMAGE_H

#include <stdlib.h>
#include <string.h>

#include "guests/bios/bios.h"
#include "guests/boot/boot.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_gmem.h"

static struct fake_gmem fake;
static struct vcpu_entry entry;
static char why[BOOT_WHY_BYTES];
static unsigned yields;
static bool fill_low_memory; /* what firmware leaves there is not zero */

void thread_yield(void)
{
	yields++;
}

typedef int (*loader_fn)(struct gmem *gm, const struct boot_source *source,
			 struct vcpu_entry *entry, char *why);

/* Loads `image` into `ram` bytes of `fake`, with all else as in `like`, or nothing else; what
 * the guest would start with is in `entry`. What the loader sees has exactly `bytes` bytes of
 * its own. A refusal must say `why`. */
static inline int load_image(loader_fn loader, uint64_t ram, const void *image, size_t bytes,
			     const struct boot_source *like)
{
	struct boot_source source = like ? *like : (struct boot_source){.cmdline = ""};
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int error;

	memcpy(copy, image, bytes);
	source.kernel = (struct boot_image){copy, bytes};
	fake_gmem_init(&fake, ram);
	if (fill_low_memory)
		memset(fake.ram, 0x77, BIOS_DATA_END);
	memset(&entry, 0xa5, sizeof(entry)); /* the loader sets all of it */
	memset(why, 0, sizeof(why));
	error = loader(&fake.gm, &source, &entry, why);
	free(copy);
	if (error)
		assert_true(why[0] != '\0');
	return error;
}

/* The heap of the loader, whose n-th allocation from now on fails; 0: none. */
static unsigned allocation_fails;
void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return allocation_fails && !--allocation_fails ? NULL : calloc(1, bytes);
}

/* Loads as load_image() into 64 MiB, failing the 1st, the 2nd ... write to the guest's memory
 * until none fails. Returns how many there are. */
static inline unsigned fail_each_write(loader_fn loader, const void *image, size_t bytes,
				       struct boot_source *like)
{
	unsigned n = 0;
	int error;

	do {
		uint8_t *copy = malloc(bytes);

		memcpy(copy, image, bytes);
		like->kernel = (struct boot_image){copy, bytes};
		fake_gmem_init(&fake, 64 * MIB);
		fake.writes_left = ++n;
		error = loader(&fake.gm, like, &entry, why);
		assert_true(error == 0 || (error == -ENOMEM && why[0]));
		fake_gmem_fini(&fake);
		free(copy);
	} while (error);
	return n - 1;
}

/* The same for allocations. */
static inline unsigned fail_each_allocation(loader_fn loader, const void *image, size_t bytes,
					    const struct boot_source *like)
{
	unsigned n = 0;
	int error;

	do {
		allocation_fails = ++n;
		error = load_image(loader, 64 * MIB, image, bytes, like);
		allocation_fails = 0;
		assert_true(error == 0 || error == -ENOMEM);
		fake_gmem_fini(&fake);
	} while (error);
	return n - 1;
}

#endif
