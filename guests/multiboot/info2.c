/* Builds the boot information of Multiboot2: a row of tags, each at a multiple of 8 bytes
 * (Multiboot2 2.0, 3.6). What needs a BIOS, EFI or a screen has no tag. */
#include <string.h>

#include "guests/boot/e820.h"
#include "guests/multiboot/info.h"

enum info_type {
	INFO_END = 0,
	INFO_CMDLINE = 1,
	INFO_LOADER_NAME = 2,
	INFO_MODULE = 3,
	INFO_BASIC_MEMORY = 4,
	INFO_MMAP = 6,
	INFO_ELF_SECTIONS = 9,
	INFO_RSDP_OLD = 14,
	INFO_RSDP_NEW = 15,
	INFO_LOAD_BASE = 21,
};

#define TAG_ALIGN	 8
#define RSDP_OLD_BYTES	 20 /* ACPI 1.0's part of the structure */
#define MMAP_ENTRY_BYTES 24
#define MMAP_VERSION	 0

struct start {
	uint32_t total_bytes, reserved;
};

struct tag {
	uint32_t type, bytes; /* bytes: with this, without what aligns the next */
};

struct block { /* what is built so far; buf NULL: only its size counts */
	uint8_t *buf;
	size_t used;
};

static void append(struct block *block, const void *data, size_t bytes)
{
	if (block->buf)
		memcpy(block->buf + block->used, data, bytes);
	block->used += bytes;
}

/* A tag with what it begins with; the caller appends the rest of `bytes`. */
static void begin(struct block *block, enum info_type type, size_t bytes)
{
	block->used = ALIGN_UP(block->used, TAG_ALIGN);
	append(block, &(struct tag){type, (uint32_t)(sizeof(struct tag) + bytes)},
	       sizeof(struct tag));
}

static void put_words(struct block *block, enum info_type type, uint32_t first, uint32_t second,
		      unsigned words)
{
	const uint32_t values[] = {first, second};

	begin(block, type, words * sizeof(values[0]));
	append(block, values, words * sizeof(values[0]));
}

static void put_bytes(struct block *block, enum info_type type, const void *data, size_t bytes)
{
	begin(block, type, bytes);
	append(block, data, bytes);
}

static void put_cmdline(struct block *block, const struct multiboot_info_params *params)
{
	size_t name = params->name ? strlen(params->name) + 1 : 0;
	size_t rest = strlen(params->cmdline) + 1;

	begin(block, INFO_CMDLINE, name + rest);
	if (name) {
		append(block, params->name, name - 1);
		append(block, " ", 1);
	}
	append(block, params->cmdline, rest);
}

static void put_modules(struct block *block, const struct multiboot_info_params *params)
{
	for (unsigned i = 0; i < params->module_count; i++) {
		const struct multiboot_place *module = &params->modules[i];
		size_t bytes = strlen(module->string) + 1;

		begin(block, INFO_MODULE, 2 * sizeof(uint32_t) + bytes);
		append(block, &module->start, sizeof(module->start));
		append(block, &module->end, sizeof(module->end));
		append(block, module->string, bytes);
	}
}

static void put_mmap(struct block *block, uint64_t ram_bytes)
{
	const uint32_t form[] = {MMAP_ENTRY_BYTES, MMAP_VERSION}, reserved = 0;
	struct e820_entry map[E820_ENTRIES_MAX];
	unsigned count = e820_build(map, ram_bytes);

	_Static_assert(sizeof(map[0]) + sizeof(reserved) == MMAP_ENTRY_BYTES, "3.6.8");
	begin(block, INFO_MMAP, sizeof(form) + count * MMAP_ENTRY_BYTES);
	append(block, form, sizeof(form));
	for (unsigned i = 0; i < count; i++) {
		append(block, &map[i], sizeof(map[i]));
		append(block, &reserved, sizeof(reserved));
	}
}

/* As the specification's own multiboot2.h (4.4.1) has it, and loaders: three words. */
static void put_sections(struct block *block, const struct multiboot_info_params *params)
{
	const struct multiboot_sections *sections = params->sections;
	const uint32_t form[] = {sections->count, sections->entry_bytes, sections->names};
	size_t bytes = (size_t)sections->count * sections->entry_bytes;

	if (!sections->count)
		return;
	begin(block, INFO_ELF_SECTIONS, sizeof(form) + bytes);
	append(block, form, sizeof(form));
	if (block->buf)
		multiboot_put_sections(params->file, sections, params->sections_gpa,
				       block->buf + block->used);
	block->used += bytes;
}

static void put_all(struct block *block, const struct multiboot_info_params *params)
{
	uint64_t upper = e820_low_ram_end(params->ram_bytes) - E820_HIGH_RAM;

	block->used = sizeof(struct start);
	put_cmdline(block, params);
	put_bytes(block, INFO_LOADER_NAME, MULTIBOOT_LOADER_NAME,
		  sizeof(MULTIBOOT_LOADER_NAME));
	put_modules(block, params);
	put_words(block, INFO_BASIC_MEMORY, E820_LOW_END / KIB, (uint32_t)(upper / KIB), 2);
	put_mmap(block, params->ram_bytes);
	put_sections(block, params);
	if (params->rsdp) {
		put_bytes(block, INFO_RSDP_OLD, params->rsdp, RSDP_OLD_BYTES);
		put_bytes(block, INFO_RSDP_NEW, params->rsdp, sizeof(*params->rsdp));
	}
	if (params->relocatable)
		put_words(block, INFO_LOAD_BASE, params->load_base, 0, 1);
	begin(block, INFO_END, 0);
}

size_t multiboot2_info_bytes(const struct multiboot_info_params *params)
{
	struct block block = {0};

	put_all(&block, params);
	return block.used;
}

void multiboot2_info_build(const struct multiboot_info_params *params, void *buf)
{
	struct block block = {.buf = buf};
	struct start start = {0};

	put_all(&block, params);
	start.total_bytes = (uint32_t)block.used;
	memcpy(buf, &start, sizeof(start));
}

bool multiboot2_info_has(uint32_t type)
{
	switch (type) {
	case INFO_CMDLINE:
	case INFO_LOADER_NAME:
	case INFO_MODULE:
	case INFO_BASIC_MEMORY:
	case INFO_MMAP:
	case INFO_ELF_SECTIONS:
	case INFO_RSDP_OLD:
	case INFO_RSDP_NEW:
	case INFO_LOAD_BASE: return true;
	default: return false;
	}
}
