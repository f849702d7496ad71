/* A bzImage taken apart and checked. Reads the file only; knows nothing of the guest. */
#ifndef GUESTS_LINUX_IMAGE_H
#define GUESTS_LINUX_IMAGE_H

#include "guests/boot/boot.h"
#include "guests/linux/params.h"

struct linux_image {
	union { /* as in the file; zeroes where the file's is shorter */
		struct setup_header header;
		uint8_t header_bytes[SETUP_HEADER_BYTES_MAX];
	};
	const uint8_t *code; /* protected-mode code */
	uint64_t code_bytes;
	bool wide; /* it has a 64-bit entry, beside the 32-bit one that all have */
};

/* The longest command line that there is room for, whatever the kernel says. */
#define LINUX_CMDLINE_MAX (508 * KIB)

/* Where things go in the guest's memory. */
struct linux_plan {
	uint64_t kernel, initrd; /* initrd 0: none */
};

/* Everything that the loader relies on is checked here: after a 0, `code` lies in the file, its
 * entry lies in `code`, init_size covers `code`, kernel_alignment is a power of two. Otherwise
 * -ENOEXEC and the reason. */
int linux_image_parse(const struct boot_image *file, struct linux_image *image,
		      char why[BOOT_WHY_BYTES]);

/* Finds room for a kernel and its initrd. After a 0, both lie in RAM above 1 MiB, apart from
 * each other, the kernel with all that it takes until it reads its memory map. -ENOSPC with how
 * much memory that is; -ENOEXEC where no guest has it; -EINVAL: the command line is too long.
 */
int linux_place(const struct linux_image *image, const struct boot_source *source,
		uint64_t ram_bytes, struct linux_plan *plan, char why[BOOT_WHY_BYTES]);

#endif
