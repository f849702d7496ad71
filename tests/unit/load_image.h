/* How the tests of the boot protocols load an image. */
#ifndef TESTS_UNIT_LOAD_IMAGE_H
#define TESTS_UNIT_LOAD_IMAGE_H

#include <stdlib.h>
#include <string.h>

#include "guests/boot.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_gmem.h"

static struct fake_gmem fake;
static struct vcpu_entry entry;
static char why[BOOT_WHY_BYTES];
static unsigned yields;

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
	memset(&entry, 0xa5, sizeof(entry)); /* the loader sets all of it */
	memset(why, 0, sizeof(why));
	error = loader(&fake.gm, &source, &entry, why);
	free(copy);
	if (error)
		assert_true(why[0] != '\0');
	return error;
}

#endif
