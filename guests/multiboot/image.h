/* A Multiboot kernel's file taken apart and checked. Reads the file only; knows nothing of the
 * guest. */
#ifndef GUESTS_MULTIBOOT_IMAGE_H
#define GUESTS_MULTIBOOT_IMAGE_H

#include "guests/boot.h"

#define MULTIBOOT_SEGMENTS_MAX 32

struct multiboot_segment {
	uint32_t gpa;
	uint32_t file_bytes, memory_bytes; /* the rest of the memory is zero */
	const uint8_t *data;
};

struct multiboot_image {
	uint32_t entry; /* physical address */
	unsigned segment_count;
	struct multiboot_segment segments[MULTIBOOT_SEGMENTS_MAX];
};

/* After a 0 every segment's data lies in the file, file_bytes <= memory_bytes, and gpa +
 * memory_bytes <= 4 GiB. Otherwise -ENOEXEC and the reason. */
int multiboot_image_parse(const struct boot_image *file, struct multiboot_image *image,
			  char why[BOOT_WHY_BYTES]);

#endif
