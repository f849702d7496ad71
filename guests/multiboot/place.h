/* Where a Multiboot kernel and what it is given go in a guest's memory. Pure: reads the files,
 * knows the size of the RAM, touches no guest. */
#ifndef GUESTS_MULTIBOOT_PLACE_H
#define GUESTS_MULTIBOOT_PLACE_H

#include "guests/multiboot/info.h"

struct multiboot_plan {
	uint64_t ram_end;      /* of RAM below 4 GiB */
	uint64_t above, below; /* free from here on: behind the kernel; from 1 MiB, up to it */
	uint64_t kernel, needed;   /* the kernel's begin, or 1 MiB; bytes of all that follows */
	uint64_t lowest_end;	   /* where the kernel would end with the least memory */
	uint64_t info, info_bytes; /* boot information */
	struct multiboot_info_params params;
	const struct boot_image *images[MULTIBOOT_MODULES_MAX];
};

/*
 * Fills `plan`; an image that can be moved, and has to be, is moved. After a 0 everything lies
 * in RAM, outside of the BIOS area, and nothing overlaps but segments of the kernel. -ENOSPC
 * with how much memory it takes; -ENOEXEC, -EINVAL. `source` and `image` must outlive the plan.
 */
int multiboot_place(const struct boot_source *source, uint64_t ram_bytes,
		    struct multiboot_image *image, struct multiboot_plan *plan,
		    char why[BOOT_WHY_BYTES]);

#endif
