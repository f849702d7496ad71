/* The boot information that a Multiboot kernel is given (Multiboot 0.6.96, 3.3; Multiboot2 2.0,
 * 3.6), built as one block of bytes that holds every string and table it points to. Pure. */
#ifndef GUESTS_MULTIBOOT_INFO_H
#define GUESTS_MULTIBOOT_INFO_H

#include "guests/acpi/tables.h"
#include "guests/multiboot/image.h"

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
	const struct boot_image *file; /* the kernel's, and its section headers: */
	const struct multiboot_sections *sections;
	uint32_t sections_gpa; /* where their contents are */
	/* Of version 2: */
	const struct acpi_rsdp *rsdp; /* NULL: none */
	bool relocatable;
	uint32_t load_base; /* of such an image */
};

/* Bytes that multiboot_info_build() fills at most. */
size_t multiboot_info_bytes(const struct multiboot_info_params *params);
/* Builds the block for guest-physical address `gpa`, a multiple of MULTIBOOT_INFO_ALIGN; `buf`
 * is zeroed. */
#define MULTIBOOT_INFO_ALIGN 16
void multiboot_info_build(const struct multiboot_info_params *params, void *buf, uint32_t gpa);

/* The same of version 2. Its block may lie anywhere. */
size_t multiboot2_info_bytes(const struct multiboot_info_params *params);
void multiboot2_info_build(const struct multiboot_info_params *params, void *buf);
/* Whether that version's boot information may have a tag of this type. */
bool multiboot2_info_has(uint32_t type);

/* The loader's name, in both versions. */
#define MULTIBOOT_LOADER_NAME "Bulkhead"

#endif
