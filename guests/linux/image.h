/* A bzImage taken apart and checked. Reads the file only; knows nothing of the guest. */
#ifndef GUESTS_LINUX_IMAGE_H
#define GUESTS_LINUX_IMAGE_H

#include "guests/boot.h"
#include "guests/linux/params.h"

struct linux_image {
	union { /* as in the file; zeroes where the file's is shorter */
		struct setup_header header;
		uint8_t header_bytes[SETUP_HEADER_BYTES_MAX];
	};
	const uint8_t *code; /* protected-mode code */
	uint64_t code_bytes;
};

/* Everything that the loader relies on is checked here: after a 0, `code` lies in the file, the
 * 64-bit entry lies in `code`, init_size covers `code`, kernel_alignment is a power of two of
 * at least a page. Otherwise -ENOEXEC and the reason. */
int linux_image_parse(const struct boot_image *file, struct linux_image *image,
		      char why[BOOT_WHY_BYTES]);

#endif
