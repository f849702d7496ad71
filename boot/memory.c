/*
 * Gets UEFI's memory map in whatever size it has. What becomes of it is memmap.c's.
 */
#include "boot/memory.h"
#include "boot/pages.h"
#include "boot/say.h"

/*
 * Descriptors to spare. Taking the room for the map makes a few itself, and so may what
 * drivers do on ExitBootServices.
 */
#define SPARE_DESCRIPTORS 64

#define USABLE_BYTES_MIN  (128ull << 20)

EFI_STATUS memory_read_again(struct memory *memory)
{
	UINT32 version;

	memory->bytes = memory->capacity_bytes;
	return BS->GetMemoryMap(&memory->bytes, (EFI_MEMORY_DESCRIPTOR *)memory->descriptors,
				&memory->key, &memory->stride, &version);
}

/* One block for descriptors, edges and ranges: each allocation may change the map. */
static void make_room(struct memory *memory, uint32_t own)
{
	const UINTN descriptors = memory->bytes / memory->stride + 2 * SPARE_DESCRIPTORS;
	const UINTN edges = 2 * (descriptors + own);
	const UINTN capacity_bytes = descriptors * memory->stride;
	uint8_t *room = (uint8_t *)pages_get(
		pages_for(capacity_bytes +
			  edges * (sizeof(struct memmap_edge) + sizeof(struct handoff_range))));

	if (!room)
		refuse(EFI_OUT_OF_RESOURCES, L"Use a machine with more memory.",
		       L"there is no room for a memory map of %ld entries.", descriptors);
	memory->ranges = (struct handoff_range *)room;
	room += edges * sizeof(struct handoff_range);
	memory->map = (struct memmap){.edges = (struct memmap_edge *)room, .capacity = edges};
	room += edges * sizeof(struct memmap_edge);
	memory->descriptors = room;
	memory->capacity_bytes = capacity_bytes;
}

void memory_read(struct memory *memory, uint32_t own)
{
	EFI_STATUS status = memory_read_again(memory);
	for (;;) {
		const UINTN spare = SPARE_DESCRIPTORS * memory->stride;
		const UINTN edges = 2 * (memory->capacity_bytes / memory->stride + own);
		if (status == EFI_SUCCESS && memory->bytes + spare <= memory->capacity_bytes &&
		    edges <= memory->map.capacity)
			return;
		if (status != EFI_SUCCESS && status != EFI_BUFFER_TOO_SMALL)
			refuse(status, L"Look for an update of the machine's firmware.",
			       L"the firmware does not give its memory map (%r).", status);
		make_room(memory, own);
		status = memory_read_again(memory);
	}
}

void memory_settle(struct memory *memory, struct handoff *handoff)
{
	const struct handoff_file *files = (const void *)handoff->files;
	struct memmap *map = &memory->map;

	/* Adding can't fail for want of edges; ranges that no RAM can have are left out. */
	map->count = 0;
	for (UINTN at = 0; at + memory->stride <= memory->bytes; at += memory->stride) {
		const EFI_MEMORY_DESCRIPTOR *descriptor =
			(const void *)(memory->descriptors + at);
		memmap_add(map, descriptor->PhysicalStart,
			   descriptor->NumberOfPages * PAGE_BYTES,
			   memmap_type(descriptor->Type, descriptor->Attribute));
	}
	for (uint32_t i = 0; i < handoff->segment_count; i++)
		memmap_add(map, handoff->segments[i].phys, handoff->segments[i].bytes,
			   HANDOFF_MEM_KERNEL);
	for (uint32_t i = 0; i < handoff->file_count; i++)
		memmap_add(map, files[i].base, files[i].bytes, HANDOFF_MEM_FILE);

	handoff->ranges = (uint64_t)memory->ranges;
	handoff->range_count = memmap_settle(map, memory->ranges);
}

void memory_check(const struct handoff *handoff)
{
	const struct handoff_range *ranges = (const void *)handoff->ranges;
	const uint64_t usable = memmap_bytes(ranges, handoff->range_count, HANDOFF_MEM_USABLE) +
				memmap_bytes(ranges, handoff->range_count, HANDOFF_MEM_LOADER);

	if (usable < USABLE_BYTES_MIN)
		refuse(EFI_OUT_OF_RESOURCES, L"Use a machine with 256 MiB or more.",
		       L"of the machine's memory %ld MiB are free, and %ld MiB are needed.",
		       usable >> 20, USABLE_BYTES_MIN >> 20);
}
