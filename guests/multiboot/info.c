/* Builds the Multiboot information block: structure, memory map, module list, section headers,
 * strings. That of version 2 is info2.c's. */
#include "guests/multiboot/info.h"

#include <string.h>

#include "guests/boot/e820.h"

enum info_flags { /* 3.3: which fields are valid */
		  INFO_MEMORY = BIT(0),
		  INFO_CMDLINE = BIT(2),
		  INFO_MODULES = BIT(3),
		  INFO_ELF_SECTIONS = BIT(5),
		  INFO_MMAP = BIT(6),
		  INFO_LOADER_NAME = BIT(9),
};

struct info {
	uint32_t flags;
	uint32_t mem_lower, mem_upper; /* KiB from 0 and from 1 MiB */
	uint32_t boot_device, cmdline, mods_count, mods_addr;
	struct {
		uint32_t count, entry_bytes, addr, names;
	} sections; /* with INFO_ELF_SECTIONS */
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table,
		boot_loader_name, apm_table;
};
_Static_assert(offsetof(struct info, mmap_addr) == 48, "Multiboot 3.3");
_Static_assert(offsetof(struct info, boot_loader_name) == 64, "Multiboot 3.3");

struct module {
	uint32_t start, end, string, reserved;
};

struct mmap_entry {
	uint32_t size; /* of what follows */
	struct e820_entry entry;
} __attribute__((packed));
_Static_assert(sizeof(struct mmap_entry) == 24, "Multiboot 3.3");

static const char loader_name[] = MULTIBOOT_LOADER_NAME;

struct block { /* what is built so far */
	uint8_t *buf;
	uint32_t gpa, used;
};

static uint32_t append(struct block *block, const void *data, size_t bytes)
{
	uint32_t gpa = block->gpa + block->used;

	memcpy(block->buf + block->used, data, bytes);
	block->used += bytes;
	return gpa;
}

static uint32_t append_string(struct block *block, const char *string)
{
	return append(block, string, strlen(string) + 1);
}

size_t multiboot_info_bytes(const struct multiboot_info_params *params)
{
	size_t bytes = sizeof(struct info) + E820_ENTRIES_MAX * sizeof(struct mmap_entry) +
		       params->module_count * sizeof(struct module) + sizeof(loader_name) +
		       strlen(params->cmdline) + 1 +
		       (size_t)params->sections->count * params->sections->entry_bytes +
		       2 * sizeof(uint64_t) /* alignment */;

	if (params->name)
		bytes += strlen(params->name) + 1;
	for (unsigned i = 0; i < params->module_count; i++)
		bytes += strlen(params->modules[i].string) + 1;
	return bytes;
}

static void put_mmap(struct block *block, struct info *info, uint64_t ram_bytes)
{
	struct e820_entry map[E820_ENTRIES_MAX];
	unsigned count = e820_build(map, ram_bytes);

	info->mmap_addr = block->gpa + block->used;
	for (unsigned i = 0; i < count; i++)
		append(block, &(struct mmap_entry){sizeof(map[i]), map[i]},
		       sizeof(struct mmap_entry));
	info->mmap_length = count * sizeof(struct mmap_entry);
}

static void put_modules(struct block *block, struct info *info,
			const struct multiboot_info_params *params)
{
	struct module list[MULTIBOOT_MODULES_MAX] = {0};

	for (unsigned i = 0; i < params->module_count; i++) {
		list[i].start = params->modules[i].start;
		list[i].end = params->modules[i].end;
		list[i].string = append_string(block, params->modules[i].string);
	}
	block->used = ALIGN_UP(block->used, sizeof(uint32_t));
	info->mods_addr = append(block, list, params->module_count * sizeof(list[0]));
	info->mods_count = params->module_count;
}

static void put_sections(struct block *block, struct info *info,
			 const struct multiboot_info_params *params)
{
	const struct multiboot_sections *sections = params->sections;

	if (!sections->count)
		return;
	block->used = ALIGN_UP(block->used, sizeof(uint64_t));
	info->flags |= INFO_ELF_SECTIONS;
	info->sections.count = sections->count;
	info->sections.entry_bytes = sections->entry_bytes;
	info->sections.names = sections->names;
	info->sections.addr = block->gpa + block->used;
	multiboot_put_sections(params->file, sections, params->sections_gpa,
			       block->buf + block->used);
	block->used += sections->count * sections->entry_bytes;
}

void multiboot_info_build(const struct multiboot_info_params *params, void *buf, uint32_t gpa)
{
	struct block block = {buf, gpa, sizeof(struct info)};
	struct info info = {
		.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP |
			 INFO_LOADER_NAME,
		.mem_lower = E820_LOW_END / KIB,
		.mem_upper = (e820_low_ram_end(params->ram_bytes) - E820_HIGH_RAM) / KIB,
	};

	put_mmap(&block, &info, params->ram_bytes);
	info.boot_loader_name = append(&block, loader_name, sizeof(loader_name));
	info.cmdline = block.gpa + block.used;
	if (params->name) {
		append(&block, params->name, strlen(params->name));
		append(&block, " ", 1);
	}
	append_string(&block, params->cmdline);
	put_modules(&block, &info, params);
	put_sections(&block, &info, params);
	memcpy(buf, &info, sizeof(info));
}
