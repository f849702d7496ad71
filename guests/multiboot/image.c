/* Reading Multiboot headers with distrust. Structures are copied out of the file before they
 * are looked at: it may lie at any address. The tags of version 2 are header2.c's, ELF is
 * elf.c's. */
#include "guests/multiboot/image.h"

#include <errno.h>
#include <string.h>

#define HEADER_MAGIC	   0x1badb002u
#define HEADER_SEARCH	   8192ull /* bytes of the file that may hold the header (3.1) */
#define HEADER_ALIGN	   4
#define FLAG_VIDEO	   BIT(2) /* a wish: there is no screen */
#define FLAG_ADDRESSES	   BIT(16)
#define FLAGS_REQUIREMENTS 0xffffu
#define FLAGS_KNOWN	   (BIT(0) | BIT(1) | FLAG_VIDEO) /* page-aligned modules, memory map */

struct header { /* 3.1.1; the addresses count with FLAG_ADDRESSES only */
	uint32_t magic, flags, checksum;
	struct multiboot_addresses at;
	uint32_t entry_addr;
};
_Static_assert(sizeof(struct header) == 32, "Multiboot 3.1.1");
#define HEADER_BYTES_MIN 12

bool multiboot_copy_out(const struct boot_image *file, uint64_t offset, void *out, size_t bytes)
{
	if (offset > file->bytes || bytes > file->bytes - offset)
		return false;
	memcpy(out, file->data + offset, bytes);
	return true;
}

/* Finds the header; what of its addresses the file is too short for is zero. */
static bool find_header(const struct boot_image *file, struct header *header, uint64_t *offset)
{
	uint64_t end = MIN(file->bytes, HEADER_SEARCH);

	for (uint64_t at = 0; at + HEADER_BYTES_MIN <= end; at += HEADER_ALIGN) {
		memset(header, 0, sizeof(*header));
		multiboot_copy_out(file, at, header, HEADER_BYTES_MIN);
		if (header->magic != HEADER_MAGIC ||
		    header->magic + header->flags + header->checksum)
			continue;
		multiboot_copy_out(file, at, header, sizeof(*header));
		*offset = at;
		return true;
	}
	return false;
}

bool multiboot_probe(const struct boot_image *kernel, enum multiboot_version version)
{
	struct header header;
	uint64_t offset;

	return version == MULTIBOOT_1 ? find_header(kernel, &header, &offset)
				      : multiboot2_find(kernel, &offset);
}

int multiboot_add_segment(struct multiboot_image *image, uint64_t gpa, uint64_t memory_bytes,
			  const struct boot_image *data, char why[BOOT_WHY_BYTES])
{
	if (data->bytes > memory_bytes)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's segment at 0x%llx is longer in the file than "
				   "in memory",
				   (unsigned long long)gpa);
	if (gpa > 4 * GIB || memory_bytes > 4 * GIB - gpa || memory_bytes > UINT32_MAX)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's segment at 0x%llx ends above 4 GiB",
				   (unsigned long long)gpa);
	if (image->segment_count == MULTIBOOT_SEGMENTS_MAX)
		return boot_refuse(why, -ENOEXEC, "the kernel has more than %u segments",
				   MULTIBOOT_SEGMENTS_MAX);
	image->segments[image->segment_count++] = (struct multiboot_segment){
		.gpa = (uint32_t)gpa,
		.file_bytes = (uint32_t)data->bytes,
		.memory_bytes = (uint32_t)memory_bytes,
		.data = data->data,
	};
	return 0;
}

int multiboot_parse_flat(const struct boot_image *file, uint64_t header_offset,
			 const struct multiboot_addresses *at, struct multiboot_image *image,
			 char why[BOOT_WHY_BYTES])
{
	uint64_t start, bytes, memory;

	if (at->load_addr > at->header_addr || at->header_addr - at->load_addr > header_offset)
		return boot_refuse(why, -ENOEXEC,
				   "the Multiboot header's load address lies before the file");
	start = header_offset - (at->header_addr - at->load_addr);
	bytes = file->bytes - start;
	if (at->load_end_addr) {
		if (at->load_end_addr < at->load_addr ||
		    at->load_end_addr - at->load_addr > bytes)
			return boot_refuse(
				why, -ENOEXEC,
				"the Multiboot header's load_end_addr lies outside of the "
				"file");
		bytes = at->load_end_addr - at->load_addr;
	}
	memory = bytes;
	if (at->bss_end_addr) {
		if (at->bss_end_addr < at->load_addr ||
		    at->bss_end_addr - at->load_addr < bytes)
			return boot_refuse(why, -ENOEXEC,
					   "the Multiboot header's bss_end_addr lies before "
					   "the end of the data");
		memory = at->bss_end_addr - at->load_addr;
	}
	return multiboot_add_segment(image, at->load_addr, memory,
				     &(struct boot_image){file->data + start, bytes}, why);
}

static int parse_header(const struct boot_image *file, struct multiboot_image *image, char *why)
{
	struct header header;
	uint64_t offset;

	if (!find_header(file, &header, &offset))
		return boot_refuse(why, -ENOEXEC,
				   "there is no Multiboot header in the kernel's first 8 KiB");
	if (header.flags & FLAGS_REQUIREMENTS & ~FLAGS_KNOWN)
		return boot_refuse(
			why, -ENOEXEC,
			"the kernel asks for Multiboot features that don't exist (flags 0x%x)",
			header.flags);
	if (!(header.flags & FLAG_ADDRESSES))
		return multiboot_parse_elf(file, image, why);
	if (file->bytes - offset < sizeof(header))
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's file ends inside its Multiboot header");
	image->entry = header.entry_addr;
	return multiboot_parse_flat(file, offset, &header.at, image, why);
}

int multiboot_image_parse(const struct boot_image *file, enum multiboot_version version,
			  struct multiboot_image *image, char why[BOOT_WHY_BYTES])
{
	int error;

	memset(image, 0, sizeof(*image));
	image->version = version;
	error = version == MULTIBOOT_1 ? parse_header(file, image, why)
				       : multiboot2_parse(file, image, why);
	if (!error && !image->segment_count)
		return boot_refuse(why, -ENOEXEC, "the kernel has no segment to load");
	return error;
}
