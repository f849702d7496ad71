/*
 * Turns overlapping, unsorted ranges into a sorted map by sorting their ends and sweeping
 * over them once. Knows UEFI's numbers for memory types, but calls nothing of UEFI.
 */
#include "boot/memmap.h"

#define PAGE_BYTES 4096ull
#define TYPE_COUNT (HANDOFF_MEM_MMIO + 1)

/* UEFI 2.10, 7.2.1, EFI_MEMORY_TYPE */
static const uint8_t type_of_uefi[] = {
	[0] = HANDOFF_MEM_RESERVED,  /* EfiReservedMemoryType */
	[1] = HANDOFF_MEM_LOADER,    /* EfiLoaderCode */
	[2] = HANDOFF_MEM_LOADER,    /* EfiLoaderData */
	[3] = HANDOFF_MEM_USABLE,    /* EfiBootServicesCode */
	[4] = HANDOFF_MEM_USABLE,    /* EfiBootServicesData */
	[5] = HANDOFF_MEM_RUNTIME,   /* EfiRuntimeServicesCode */
	[6] = HANDOFF_MEM_RUNTIME,   /* EfiRuntimeServicesData */
	[7] = HANDOFF_MEM_USABLE,    /* EfiConventionalMemory */
	[8] = HANDOFF_MEM_RESERVED,  /* EfiUnusableMemory */
	[9] = HANDOFF_MEM_ACPI,	     /* EfiACPIReclaimMemory */
	[10] = HANDOFF_MEM_ACPI_NVS, /* EfiACPIMemoryNVS */
	[11] = HANDOFF_MEM_MMIO,     /* EfiMemoryMappedIO */
	[12] = HANDOFF_MEM_MMIO,     /* EfiMemoryMappedIOPortSpace */
};

#define UEFI_MEMORY_NV	    0x8000ull  /* persistent: somebody's data */
#define UEFI_MEMORY_SP	    0x40000ull /* set aside for a specific purpose */
#define UEFI_MEMORY_RUNTIME (1ull << 63)

enum handoff_mem_type memmap_type(uint32_t uefi_type, uint64_t uefi_attribute)
{
	if (uefi_type >= sizeof(type_of_uefi))
		return HANDOFF_MEM_RESERVED;
	enum handoff_mem_type type = type_of_uefi[uefi_type];
	if (type != HANDOFF_MEM_USABLE && type != HANDOFF_MEM_LOADER)
		return type;
	if (uefi_attribute & UEFI_MEMORY_RUNTIME)
		return HANDOFF_MEM_RUNTIME;
	if (uefi_attribute & (UEFI_MEMORY_NV | UEFI_MEMORY_SP))
		return HANDOFF_MEM_RESERVED;
	return type;
}

int memmap_add(struct memmap *map, uint64_t base, uint64_t bytes, enum handoff_mem_type type)
{
	if (bytes == 0)
		return 0;
	if (base % PAGE_BYTES != 0 || bytes > UINT64_MAX - PAGE_BYTES + 1 - base)
		return -1;
	if (map->capacity - map->count < 2)
		return -1;
	bytes = (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	map->edges[map->count++] = (struct memmap_edge){base, type, 1};
	map->edges[map->count++] = (struct memmap_edge){base + bytes, type, -1};
	return 0;
}

static void sift_down(struct memmap_edge *edges, uint32_t root, uint32_t count)
{
	const struct memmap_edge moving = edges[root];
	uint32_t child;

	while ((child = 2 * root + 1) < count) {
		if (child + 1 < count && edges[child + 1].at > edges[child].at)
			child++;
		if (edges[child].at <= moving.at)
			break;
		edges[root] = edges[child];
		root = child;
	}
	edges[root] = moving;
}

/* Heapsort: in place, without recursion, and no worse for any order the firmware has. */
static void sort_edges(struct memmap_edge *edges, uint32_t count)
{
	for (uint32_t root = count / 2; root-- > 0;)
		sift_down(edges, root, count);
	while (count > 1) {
		count--;
		const struct memmap_edge greatest = edges[0];
		edges[0] = edges[count];
		edges[count] = greatest;
		sift_down(edges, 0, count);
	}
}

static uint32_t greatest_open(const int32_t *open)
{
	uint32_t type = HANDOFF_MEM_MMIO;
	while (type > 0 && open[type] == 0)
		type--;
	return type;
}

uint32_t memmap_settle(struct memmap *map, struct handoff_range *ranges)
{
	int32_t open[TYPE_COUNT] = {0};
	uint32_t written = 0;

	sort_edges(map->edges, map->count);
	for (uint32_t i = 0; i + 1 < map->count; i++) {
		const struct memmap_edge *edge = &map->edges[i];
		const uint64_t end = edge[1].at;
		open[edge->type] += edge->step;
		uint32_t type = greatest_open(open);
		if (type == 0 || end == edge->at)
			continue;

		struct handoff_range *last = written > 0 ? &ranges[written - 1] : 0;
		if (last && last->type == type && last->base + last->bytes == edge->at)
			last->bytes += end - edge->at;
		else
			ranges[written++] =
				(struct handoff_range){edge->at, end - edge->at, type, 0};
	}
	return written;
}

uint64_t memmap_bytes(const struct handoff_range *ranges, uint32_t count,
		      enum handoff_mem_type type)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (ranges[i].type == (uint32_t)type)
			bytes += ranges[i].bytes;
	}
	return bytes;
}
