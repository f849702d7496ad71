/* ELF files that Multiboot kernels are, 32- or 64-bit: segments, the entry, section headers.
 * Everything is copied out of the file, made wide, and checked. */
#include <errno.h>
#include <string.h>

#include "guests/multiboot/image.h"

struct elf32_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version, entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf32_header) == 52, "ELF-32");

struct elf64_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf64_header) == 64, "ELF-64");

struct elf32_segment {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};
_Static_assert(sizeof(struct elf32_segment) == 32, "ELF-32");

struct elf64_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf64_segment) == 56, "ELF-64");

struct elf32_section {
	uint32_t name, type, flags, addr, offset, size, link, info, addralign, entsize;
};
_Static_assert(sizeof(struct elf32_section) == 40, "ELF-32");

struct elf64_section {
	uint32_t name, type;
	uint64_t flags, addr, offset, size;
	uint32_t link, info;
	uint64_t addralign, entsize;
};
_Static_assert(sizeof(struct elf64_section) == 64, "ELF-64");

#define ELF_CLASS	4 /* index in ident */
#define ELF_CLASS_32	1
#define ELF_CLASS_64	2
#define ELF_DATA	5
#define ELF_DATA_LITTLE 1
#define ELF_TYPE_EXEC	2
#define ELF_TYPE_DYN	3 /* position-independent: for Multiboot2 kernels that can be moved */
#define ELF_PT_LOAD	1
#define ELF_SHT_NULL	0
#define ELF_SHT_NOBITS	8

/* What is read of a file's header, whichever class it is of. */
struct header {
	bool wide;
	uint16_t type;
	uint64_t entry, phoff, shoff;
	uint16_t phentsize, phnum, shentsize, shnum, shstrndx;
};

#define COPY_HEADER(from)                      \
	((struct header){                      \
		.type = (from).type,           \
		.entry = (from).entry,         \
		.phoff = (from).phoff,         \
		.shoff = (from).shoff,         \
		.phentsize = (from).phentsize, \
		.phnum = (from).phnum,         \
		.shentsize = (from).shentsize, \
		.shnum = (from).shnum,         \
		.shstrndx = (from).shstrndx,   \
	})

/* Version 1 knows no kernel that can be moved. */
static bool is_executable(uint16_t type, enum multiboot_version version)
{
	return type == ELF_TYPE_EXEC || (type == ELF_TYPE_DYN && version == MULTIBOOT_2);
}

static int read_header(const struct boot_image *file, enum multiboot_version version,
		       struct header *header, char *why)
{
	struct elf32_header narrow = {0};
	struct elf64_header wide = {0};

	multiboot_copy_out(file, 0, &narrow,
			   sizeof(narrow)); /* a shorter file fails the checks */
	multiboot_copy_out(file, 0, &wide, sizeof(wide));
	if (memcmp(narrow.ident, "\177ELF", 4) != 0)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel has a Multiboot header without addresses, but "
				   "is not an ELF file");
	*header = COPY_HEADER(narrow);
	if (narrow.ident[ELF_CLASS] == ELF_CLASS_64) {
		*header = COPY_HEADER(wide);
		header->wide = true;
	} else if (narrow.ident[ELF_CLASS] != ELF_CLASS_32) {
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's ELF file is neither 32- nor 64-bit");
	}
	if (narrow.ident[ELF_DATA] != ELF_DATA_LITTLE || !is_executable(header->type, version))
		return boot_refuse(why, -ENOEXEC,
				   "the kernel is not a little-endian ELF executable");
	return 0;
}

/* Whether a table of `count` entries at `offset` lies in the file. */
static bool in_file(const struct boot_image *file, uint64_t offset, unsigned count,
		    size_t bytes)
{
	return offset <= file->bytes && count * (uint64_t)bytes <= file->bytes - offset;
}

static void read_segment(const struct boot_image *file, const struct header *header, unsigned i,
			 struct elf64_segment *segment)
{
	struct elf32_segment narrow;

	if (header->wide) {
		multiboot_copy_out(file, header->phoff + i * sizeof(*segment), segment,
				   sizeof(*segment));
		return;
	}
	multiboot_copy_out(file, header->phoff + i * sizeof(narrow), &narrow, sizeof(narrow));
	*segment = (struct elf64_segment){
		.type = narrow.type,
		.offset = narrow.offset,
		.vaddr = narrow.vaddr,
		.paddr = narrow.paddr,
		.filesz = narrow.filesz,
		.memsz = narrow.memsz,
	};
}

static int add_segments(const struct boot_image *file, const struct header *header,
			struct multiboot_image *image, char *why)
{
	uint64_t entry = header->entry;

	for (unsigned i = 0; i < header->phnum; i++) {
		struct elf64_segment ph;
		int error;

		read_segment(file, header, i, &ph);
		if (ph.type != ELF_PT_LOAD || !ph.memsz)
			continue;
		if (!in_file(file, ph.offset, 1, ph.filesz))
			return boot_refuse(why, -ENOEXEC,
					   "the kernel's segment at 0x%llx lies outside of its "
					   "file",
					   (unsigned long long)ph.paddr);
		error = multiboot_add_segment(
			image, ph.paddr, ph.memsz,
			&(struct boot_image){file->data + ph.offset, ph.filesz}, why);
		if (error)
			return error;
		/* The entry is a virtual address, paging is off: translate. */
		if (header->entry >= ph.vaddr && header->entry - ph.vaddr < ph.memsz)
			entry = header->entry - ph.vaddr + ph.paddr;
	}
	if (entry >= 4 * GIB)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's entry point 0x%llx is in none of its segments",
				   (unsigned long long)entry);
	image->entry = (uint32_t)entry;
	return 0;
}

static void read_section(const struct multiboot_sections *sections, unsigned i,
			 struct elf64_section *section)
{
	const uint8_t *at = sections->table + i * sections->entry_bytes;
	struct elf32_section narrow;

	if (sections->entry_bytes == sizeof(*section)) {
		memcpy(section, at, sizeof(*section));
		return;
	}
	memcpy(&narrow, at, sizeof(narrow));
	*section = (struct elf64_section){
		.type = narrow.type,
		.addr = narrow.addr,
		.offset = narrow.offset,
		.size = narrow.size,
	};
}

/* Section headers help debuggers alone: a kernel whose headers are damaged has none. */
static void find_sections(const struct boot_image *file, const struct header *header,
			  struct multiboot_sections *sections)
{
	size_t bytes =
		header->wide ? sizeof(struct elf64_section) : sizeof(struct elf32_section);
	struct elf64_section section;

	if (header->shentsize != bytes || header->shstrndx >= header->shnum ||
	    !in_file(file, header->shoff, header->shnum, bytes))
		return;
	*sections = (struct multiboot_sections){
		.table = file->data + header->shoff,
		.count = header->shnum,
		.entry_bytes = (uint32_t)bytes,
		.names = header->shstrndx,
	};
	for (unsigned i = 0; i < sections->count; i++) {
		read_section(sections, i, &section);
		if (section.type != ELF_SHT_NULL && section.type != ELF_SHT_NOBITS &&
		    !in_file(file, section.offset, 1, section.size))
			sections->count = 0;
	}
}

int multiboot_parse_elf(const struct boot_image *file, struct multiboot_image *image,
			char why[BOOT_WHY_BYTES])
{
	struct header header = {0};
	size_t bytes;
	int error = read_header(file, image->version, &header, why);

	if (error)
		return error;
	bytes = header.wide ? sizeof(struct elf64_segment) : sizeof(struct elf32_segment);
	if (header.phentsize != bytes)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's ELF program headers are %u bytes long, not "
				   "%zu",
				   header.phentsize, bytes);
	if (!in_file(file, header.phoff, header.phnum, bytes))
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's file ends inside its ELF program headers");
	error = add_segments(file, &header, image, why);
	if (!error)
		find_sections(file, &header, &image->sections);
	return error;
}

uint64_t multiboot_section(const struct boot_image *file,
			   const struct multiboot_sections *sections, unsigned i,
			   const uint8_t **data)
{
	struct elf64_section section;

	read_section(sections, i, &section);
	if (section.type == ELF_SHT_NULL || section.type == ELF_SHT_NOBITS || section.addr)
		return 0;
	*data = file->data + section.offset;
	return section.size;
}

uint64_t multiboot_sections_bytes(const struct boot_image *file,
				  const struct multiboot_sections *sections)
{
	uint64_t bytes = 0;
	const uint8_t *data;

	for (unsigned i = 0; i < sections->count; i++)
		bytes += ALIGN_UP(multiboot_section(file, sections, i, &data),
				  MULTIBOOT_SECTION_ALIGN);
	return bytes;
}

void multiboot_put_sections(const struct boot_image *file,
			    const struct multiboot_sections *sections, uint32_t gpa, void *to)
{
	bool wide = sections->entry_bytes == sizeof(struct elf64_section);

	memcpy(to, sections->table, sections->count * (size_t)sections->entry_bytes);
	for (unsigned i = 0; i < sections->count; i++) {
		const uint8_t *data;
		uint64_t bytes = multiboot_section(file, sections, i, &data), addr = gpa;
		uint8_t *entry = (uint8_t *)to + i * sections->entry_bytes;

		if (!bytes)
			continue;
		if (wide)
			memcpy(entry + offsetof(struct elf64_section, addr), &addr,
			       sizeof(addr));
		else
			memcpy(entry + offsetof(struct elf32_section, addr), &gpa, sizeof(gpa));
		gpa += ALIGN_UP(bytes, MULTIBOOT_SECTION_ALIGN);
	}
}
