/* How the tests of the boot protocols load an image. */
#ifndef TESTS_UNIT_LOAD_IMAGE_H
#define TESTS_UNIT_LOAD_IMAGE_H

#include <stdlib.h>
#include <string.h>

#include "guests/boot.h"
#include "tests/unit/fake_gmem.h"

typedef int (*loader_fn)(struct gmem *gm, const struct boot_source *source,
			 struct vcpu_entry *entry, char *why);

/* Loads `image` into `ram` bytes, with all else as in `like`, or nothing else. What the loader
 * sees has exactly `bytes` bytes of its own. A refusal must say why. */
static inline int load_image(loader_fn loader, struct fake_gmem *fake, uint64_t ram,
			     const void *image, size_t bytes, const struct boot_source *like,
			     struct vcpu_entry *entry, char *why)
{
	struct boot_source source = like ? *like : (struct boot_source){.cmdline = ""};
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int error;

	memcpy(copy, image, bytes);
	source.kernel = (struct boot_image){copy, bytes};
	fake_gmem_init(fake, ram);
	memset(why, 0, BOOT_WHY_BYTES);
	error = loader(&fake->gm, &source, entry, why);
	free(copy);
	if (error)
		assert_true(why[0] != '\0');
	return error;
}

#endif
