/* A Multiboot kernel's file taken apart and checked, of either version. Reads the file only;
 * knows nothing of the guest. */
#ifndef GUESTS_MULTIBOOT_IMAGE_H
#define GUESTS_MULTIBOOT_IMAGE_H

#include "guests/multiboot/multiboot.h"

#define MULTIBOOT_SEGMENTS_MAX 32

struct multiboot_segment {
	uint32_t gpa;
	uint32_t file_bytes, memory_bytes; /* the rest of the memory is zero */
	const uint8_t *data;
};

/* An ELF file's section headers, for debuggers in the kernel; count 0: none. */
struct multiboot_sections {
	const uint8_t *table;
	uint32_t count, entry_bytes;
	uint32_t names; /* index of the section with their names */
};

/* Where the image may be moved to (Multiboot2 2.0, 3.1.13). */
enum multiboot_preference { MULTIBOOT_ANYWHERE, MULTIBOOT_LOWEST, MULTIBOOT_HIGHEST };
struct multiboot_relocation {
	bool possible;
	uint32_t min, max; /* the image begins at or above, ends at or below */
	uint32_t align;	   /* a power of two, at least a page */
	enum multiboot_preference preference;
};

struct multiboot_image {
	enum multiboot_version version;
	uint32_t entry; /* physical address */
	unsigned segment_count;
	struct multiboot_segment segments[MULTIBOOT_SEGMENTS_MAX];
	struct multiboot_sections sections;
	struct multiboot_relocation relocation;
};

/* After a 0 every segment's data lies in the file, file_bytes <= memory_bytes, and gpa +
 * memory_bytes <= 4 GiB; so do all that multiboot_section() gives. Otherwise -ENOEXEC and the
 * reason. */
int multiboot_image_parse(const struct boot_image *file, enum multiboot_version version,
			  struct multiboot_image *image, char why[BOOT_WHY_BYTES]);

/* ---- for the files of this folder ---- */

/* Copies `bytes` at `offset` of the file; false where the file ends before. */
bool multiboot_copy_out(const struct boot_image *file, uint64_t offset, void *out,
			size_t bytes);

/* Adds a segment, whose data was checked to lie in the file. 0, or -ENOEXEC and the reason. */
int multiboot_add_segment(struct multiboot_image *image, uint64_t gpa, uint64_t memory_bytes,
			  const struct boot_image *data, char why[BOOT_WHY_BYTES]);

/* One segment, described by a header's addresses (3.1.3; Multiboot2 3.1.5). */
struct multiboot_addresses {
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr;
};
int multiboot_parse_flat(const struct boot_image *file, uint64_t header_offset,
			 const struct multiboot_addresses *at, struct multiboot_image *image,
			 char why[BOOT_WHY_BYTES]);

/* Segments, entry and section headers of an ELF file, 32- or 64-bit. */
int multiboot_parse_elf(const struct boot_image *file, struct multiboot_image *image,
			char why[BOOT_WHY_BYTES]);

/*
 * Section `i` of image->sections if it has to be loaded: it has contents, and no address of its
 * own. Returns its bytes, 0 if not; *data are its contents.
 */
uint64_t multiboot_section(const struct boot_image *file,
			   const struct multiboot_sections *sections, unsigned i,
			   const uint8_t **data);
/* Copies the section headers to `to`, those of the loaded sections with the addresses that they
 * have when they lie one after the other from `gpa` on, each at a multiple of
 * MULTIBOOT_SECTION_ALIGN. */
#define MULTIBOOT_SECTION_ALIGN 16
void multiboot_put_sections(const struct boot_image *file,
			    const struct multiboot_sections *sections, uint32_t gpa, void *to);
/* Bytes from `gpa` on that they take. */
uint64_t multiboot_sections_bytes(const struct boot_image *file,
				  const struct multiboot_sections *sections);

/* The header of version 2, and what it asks for. */
bool multiboot2_find(const struct boot_image *file, uint64_t *offset);
int multiboot2_parse(const struct boot_image *file, struct multiboot_image *image,
		     char why[BOOT_WHY_BYTES]);

#endif
