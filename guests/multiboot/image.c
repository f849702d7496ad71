/* Reading Multiboot headers and ELF32 program headers with distrust. Structures are copied out
 * of the file before they are looked at: it may lie at any address. */
#include "guests/multiboot/image.h"

#include <errno.h>
#include <string.h>

#include "guests/multiboot/multiboot.h"

#define HEADER_MAGIC	   0x1badb002u
#define HEADER_SEARCH	   8192ull /* bytes of the file that may hold the header (3.1) */
#define HEADER_ALIGN	   4
#define FLAG_VIDEO	   BIT(2) /* a wish: there is no screen */
#define FLAG_ADDRESSES	   BIT(16)
#define FLAGS_REQUIREMENTS 0xffffu
#define FLAGS_KNOWN	   (BIT(0) | BIT(1) | FLAG_VIDEO) /* page-aligned modules, memory map */

struct header { /* 3.1.1; the addresses count with FLAG_ADDRESSES only */
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};
#define HEADER_BYTES_MIN 12

struct elf32_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version, entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf32_header) == 52, "ELF-32");

struct elf32_segment {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};
_Static_assert(sizeof(struct elf32_segment) == 32, "ELF-32");

#define ELF_CLASS	4 /* index in ident */
#define ELF_CLASS_32	1
#define ELF_DATA	5
#define ELF_DATA_LITTLE 1
#define ELF_TYPE_EXEC	2
#define ELF_PT_LOAD	1

/* Copies `bytes` at `offset` of the file; false where the file ends before. */
static bool copy_out(const struct boot_image *file, uint64_t offset, void *out, size_t bytes)
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
		copy_out(file, at, header, HEADER_BYTES_MIN);
		if (header->magic != HEADER_MAGIC ||
		    header->magic + header->flags + header->checksum)
			continue;
		copy_out(file, at, header, sizeof(*header));
		*offset = at;
		return true;
	}
	return false;
}

bool multiboot_probe(const struct boot_image *kernel)
{
	struct header header;
	uint64_t offset;

	return find_header(kernel, &header, &offset);
}

/* A segment of the file at `offset`; the caller has checked that it lies in the file. */
static int add_segment(struct multiboot_image *image, const struct multiboot_segment *segment,
		       char *why)
{
	if (segment->file_bytes > segment->memory_bytes)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's segment at 0x%x is longer in the file than in "
				   "memory",
				   segment->gpa);
	if ((uint64_t)segment->gpa + segment->memory_bytes > 4 * GIB)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's segment at 0x%x ends above 4 GiB",
				   segment->gpa);
	if (image->segment_count == MULTIBOOT_SEGMENTS_MAX)
		return boot_refuse(why, -ENOEXEC, "the kernel has more than %u segments",
				   MULTIBOOT_SEGMENTS_MAX);
	image->segments[image->segment_count++] = *segment;
	return 0;
}

/* One segment, described by the header's addresses (3.1.3). */
static int parse_flat(const struct boot_image *file, const struct header *header,
		      uint64_t header_offset, struct multiboot_image *image, char *why)
{
	uint64_t start, bytes, memory;

	if (file->bytes - header_offset < sizeof(*header))
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's file ends inside its Multiboot header");
	if (header->load_addr > header->header_addr ||
	    header->header_addr - header->load_addr > header_offset)
		return boot_refuse(why, -ENOEXEC,
				   "the Multiboot header's load address lies before the file");
	start = header_offset - (header->header_addr - header->load_addr);
	bytes = file->bytes - start;
	if (header->load_end_addr) {
		if (header->load_end_addr < header->load_addr ||
		    header->load_end_addr - header->load_addr > bytes)
			return boot_refuse(
				why, -ENOEXEC,
				"the Multiboot header's load_end_addr lies outside of the "
				"file");
		bytes = header->load_end_addr - header->load_addr;
	}
	if (bytes > UINT32_MAX)
		return boot_refuse(why, -ENOEXEC, "the kernel's file is larger than 4 GiB");
	memory = bytes;
	if (header->bss_end_addr) {
		if (header->bss_end_addr < header->load_addr ||
		    header->bss_end_addr - header->load_addr < bytes)
			return boot_refuse(why, -ENOEXEC,
					   "the Multiboot header's bss_end_addr lies before "
					   "the end of the data");
		memory = header->bss_end_addr - header->load_addr;
	}
	image->entry = header->entry_addr;
	return add_segment(image,
			   &(struct multiboot_segment){
				   .gpa = header->load_addr,
				   .file_bytes = bytes,
				   .memory_bytes = memory,
				   .data = file->data + start,
			   },
			   why);
}

static int check_elf(const struct elf32_header *elf, char *why)
{
	if (memcmp(elf->ident, "\177ELF", 4) != 0)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel has a Multiboot header without addresses, but "
				   "is not an ELF file");
	if (elf->ident[ELF_CLASS] != ELF_CLASS_32)
		return boot_refuse(why, -ENOEXEC,
				   "Multiboot takes 32-bit ELF only; convert this one with "
				   "objcopy -O elf32-i386");
	if (elf->ident[ELF_DATA] != ELF_DATA_LITTLE || elf->type != ELF_TYPE_EXEC)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel is not a little-endian ELF executable");
	if (elf->phentsize != sizeof(struct elf32_segment))
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's ELF program headers are %u bytes long, not 32",
				   elf->phentsize);
	return 0;
}

static int parse_elf(const struct boot_image *file, struct multiboot_image *image, char *why)
{
	struct elf32_header elf = {0};
	struct elf32_segment ph;
	int error;

	copy_out(file, 0, &elf, sizeof(elf)); /* a shorter file fails the check */
	error = check_elf(&elf, why);
	if (error)
		return error;
	image->entry = elf.entry;
	for (unsigned i = 0; i < elf.phnum; i++) {
		if (!copy_out(file, (uint64_t)elf.phoff + i * sizeof(ph), &ph, sizeof(ph)))
			return boot_refuse(why, -ENOEXEC,
					   "the kernel's file ends inside its ELF program "
					   "headers");
		if (ph.type != ELF_PT_LOAD || !ph.memsz)
			continue;
		if (ph.offset > file->bytes || ph.filesz > file->bytes - ph.offset)
			return boot_refuse(why, -ENOEXEC,
					   "the kernel's segment at 0x%x lies outside of its "
					   "file",
					   ph.paddr);
		error = add_segment(image,
				    &(struct multiboot_segment){
					    .gpa = ph.paddr,
					    .file_bytes = ph.filesz,
					    .memory_bytes = ph.memsz,
					    .data = file->data + ph.offset,
				    },
				    why);
		if (error)
			return error;
		/* The entry is a virtual address, paging is off: translate. */
		if (elf.entry >= ph.vaddr && elf.entry - ph.vaddr < ph.memsz)
			image->entry = elf.entry - ph.vaddr + ph.paddr;
	}
	return 0;
}

int multiboot_image_parse(const struct boot_image *file, struct multiboot_image *image,
			  char why[BOOT_WHY_BYTES])
{
	struct header header;
	uint64_t offset;
	int error;

	memset(image, 0, sizeof(*image));
	if (!find_header(file, &header, &offset))
		return boot_refuse(why, -ENOEXEC,
				   "there is no Multiboot header in the kernel's first 8 KiB");
	if (header.flags & FLAGS_REQUIREMENTS & ~FLAGS_KNOWN)
		return boot_refuse(
			why, -ENOEXEC,
			"the kernel asks for Multiboot features that don't exist (flags 0x%x)",
			header.flags);
	if (header.flags & FLAG_ADDRESSES)
		error = parse_flat(file, &header, offset, image, why);
	else
		error = parse_elf(file, image, why);
	if (!error && !image->segment_count)
		return boot_refuse(why, -ENOEXEC, "the kernel has no segment to load");
	return error;
}
