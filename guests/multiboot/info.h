/* The boot information that a Multiboot kernel is given (Multiboot 0.6.96, 3.3), built as one
 * block of bytes that holds every string and table it points to. Pure. */
#ifndef GUESTS_MULTIBOOT_INFO_H
#define GUESTS_MULTIBOOT_INFO_H

#include "guests/boot.h"

#define MULTIBOOT_MODULES_MAX 16

/* Where a module lies in guest memory. */
struct multiboot_place {
	uint32_t start, end;
	const char *string;
};

struct multiboot_info_params {
	uint64_t ram_bytes;
	const char *name, *cmdline; /* joined by a space; name may be NULL */
	unsigned module_count;
	struct multiboot_place modules[MULTIBOOT_MODULES_MAX];
};

/* Bytes that multiboot_info_build() fills. */
size_t multiboot_info_bytes(const struct multiboot_info_params *params);
/* Builds the block for guest-physical address `gpa`; `buf` is zeroed. */
void multiboot_info_build(const struct multiboot_info_params *params, void *buf, uint32_t gpa);

#endif
