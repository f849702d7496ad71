/*
 * Checks the kernel's ELF headers and says which part of the file goes where.
 * Everything read here is untrusted; nothing here touches the firmware.
 */
#include "boot/elf.h"
#include <stdbool.h>
#include <stddef.h>

#define PAGE_BYTES	 4096ull
#define LARGE_PAGE_BYTES (2ull << 20)

#define ET_EXEC		 2
#define EM_X86_64	 62
#define PT_LOAD		 1u
#define PT_DYNAMIC	 2u
#define PT_INTERP	 3u

struct elf_header {
	uint8_t magic[4];
	uint8_t class, data, ident_version, abi, abi_version, pad[7];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_program_header {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

_Static_assert(sizeof(struct elf_header) == 64, "gABI: Elf64_Ehdr");
_Static_assert(sizeof(struct elf_program_header) == 56, "gABI: Elf64_Phdr");

static const char *check_header(const struct elf_header *header, uint64_t head_bytes)
{
	if (head_bytes < sizeof(*header))
		return "it is too short to be an ELF file";
	if (header->magic[0] != 0x7f || header->magic[1] != 'E' || header->magic[2] != 'L' ||
	    header->magic[3] != 'F')
		return "it is not an ELF file";
	if (header->class != 2 || header->data != 1)
		return "it is not a 64-bit little-endian ELF file";
	if (header->ident_version != 1 || header->version != 1)
		return "its ELF version is not 1";
	if (header->machine != EM_X86_64)
		return "it is not built for x86-64";
	if (header->type != ET_EXEC)
		return "it is not a statically linked executable";
	if (header->phentsize != sizeof(struct elf_program_header))
		return "its program headers have an unknown size";
	if (header->phnum == 0)
		return "it has no program headers";
	/* Aligned, so that the caller's page-aligned buffer may be read in place. */
	if (header->phoff % 8 != 0 || header->phoff > head_bytes ||
	    header->phnum > (head_bytes - header->phoff) / sizeof(struct elf_program_header))
		return "its program headers lie outside the first 4 KiB of the file";
	return NULL;
}

static const char *check_segment(const struct elf_program_header *load, uint64_t file_bytes)
{
	if (load->offset > file_bytes || load->filesz > file_bytes - load->offset)
		return "a segment reaches past the end of the file, which was cut short";
	if (load->filesz > load->memsz)
		return "a segment is larger in the file than in memory";
	if (load->vaddr < ELF_KERNEL_BASE)
		return "a segment is linked below 0xffffffff80000000";
	if (load->vaddr % PAGE_BYTES != 0)
		return "a segment does not begin on a 4 KiB boundary";
	if (load->memsz > UINT64_MAX - PAGE_BYTES + 1 - load->vaddr)
		return "a segment reaches past the end of the address space";
	if (load->align & (load->align - 1))
		return "a segment's alignment is not a power of two";
	if (load->align > LARGE_PAGE_BYTES)
		return "a segment's alignment is more than 2 MiB";
	if (load->align > 1 && (load->vaddr - load->offset) % load->align != 0)
		return "a segment's address and file offset disagree about its alignment";
	if (load->flags & ~(ELF_FLAG_R | ELF_FLAG_W | ELF_FLAG_X) ||
	    !(load->flags & ELF_FLAG_R))
		return "a segment has unknown permissions, or may not be read";
	if ((load->flags & ELF_FLAG_W) && (load->flags & ELF_FLAG_X))
		return "a segment is both writable and executable";
	return NULL;
}

static bool overlaps(const struct elf_segment *a, const struct elf_segment *b)
{
	return a->virt < b->virt + b->bytes && b->virt < a->virt + a->bytes;
}

static const char *add_segment(struct elf_kernel *kernel, const struct elf_program_header *load)
{
	if (kernel->segment_count == HANDOFF_SEGMENTS_MAX)
		return "it has too many segments";
	struct elf_segment *segment = &kernel->segments[kernel->segment_count];
	*segment = (struct elf_segment){
		.virt = load->vaddr,
		.bytes = (load->memsz + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1),
		.file_offset = load->offset,
		.file_bytes = load->filesz,
		.flags = load->flags,
	};
	for (uint32_t i = 0; i < kernel->segment_count; i++) {
		if (overlaps(segment, &kernel->segments[i]))
			return "two of its segments overlap";
	}
	kernel->segment_count++;
	return NULL;
}

static bool entry_is_executable(const struct elf_kernel *kernel)
{
	for (uint32_t i = 0; i < kernel->segment_count; i++) {
		const struct elf_segment *segment = &kernel->segments[i];
		if ((segment->flags & ELF_FLAG_X) && kernel->entry >= segment->virt &&
		    kernel->entry - segment->virt < segment->file_bytes)
			return true;
	}
	return false;
}

static void find_span(struct elf_kernel *kernel)
{
	uint64_t low = UINT64_MAX, high = 0;
	for (uint32_t i = 0; i < kernel->segment_count; i++) {
		const struct elf_segment *segment = &kernel->segments[i];
		if (segment->virt < low)
			low = segment->virt;
		if (segment->virt + segment->bytes > high)
			high = segment->virt + segment->bytes;
	}
	kernel->virt = low;
	kernel->bytes = high - low;
}

const char *elf_check(const void *head, uint64_t head_bytes, uint64_t file_bytes,
		      struct elf_kernel *kernel)
{
	const struct elf_header *header = head;
	const char *wrong = check_header(header, head_bytes);
	if (wrong)
		return wrong;

	*kernel = (struct elf_kernel){.entry = header->entry};
	const struct elf_program_header *program =
		(const void *)((const uint8_t *)head + header->phoff);
	for (uint16_t i = 0; i < header->phnum; i++) {
		if (program[i].type == PT_DYNAMIC || program[i].type == PT_INTERP)
			return "it is dynamically linked";
		if (program[i].type != PT_LOAD || program[i].memsz == 0)
			continue;
		wrong = check_segment(&program[i], file_bytes);
		if (!wrong)
			wrong = add_segment(kernel, &program[i]);
		if (wrong)
			return wrong;
	}
	if (!entry_is_executable(kernel))
		return "its entry point is not inside an executable segment";
	find_span(kernel);
	return NULL;
}
