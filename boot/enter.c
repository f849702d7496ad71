/*
 * Everything that can fail happens before ExitBootServices; after it there is nobody left to
 * tell. The order in which enter_kernel does things is the point of this file.
 */
#include "boot/enter.h"
#include "boot/elf.h"
#include "boot/machine.h"
#include "boot/pages.h"
#include "boot/paging.h"
#include "boot/say.h"

#define STACK_BYTES	 (32ull << 10)
#define TRAMPOLINE_LIMIT (1ull << 20) /* a SIPI vector is a page number below 1 MiB */
#define EXIT_TRIES	 16

static const CHAR16 remedy[] = L"Use a machine with more memory.";

static bool map_kernel(struct paging *paging, const struct handoff *handoff)
{
	for (uint32_t i = 0; i < handoff->segment_count; i++) {
		const struct handoff_segment *segment = &handoff->segments[i];
		uint64_t permissions = 0;
		if (segment->flags & ELF_FLAG_W)
			permissions |= PAGING_WRITE;
		if (!(segment->flags & ELF_FLAG_X))
			permissions |= PAGING_NO_EXECUTE;
		if (!paging_map(paging, segment->virt, segment->phys, segment->bytes,
				permissions))
			return false;
	}
	return true;
}

static bool map_framebuffer(struct paging *paging, const struct handoff_framebuffer *screen)
{
	const uint64_t base = screen->base & ~(PAGE_BYTES - 1);
	const uint64_t bytes = pages_for(screen->base + screen->bytes - base) * PAGE_BYTES;
	return paging_map(paging, base, base, bytes, PAGING_WRITE | PAGING_NO_EXECUTE);
}

/* Later mappings replace earlier ones, so the page of the jump comes after all RAM. */
static bool map_all(struct paging *paging, const struct handoff *handoff)
{
	const uint64_t jump = (uint64_t)enter_jump & ~(PAGE_BYTES - 1);

	return paging->pml4 &&
	       paging_map_ram(paging, (const void *)handoff->ranges, handoff->range_count) &&
	       map_framebuffer(paging, &handoff->framebuffer) &&
	       paging_map(paging, jump, jump, PAGE_BYTES, 0) && map_kernel(paging, handoff);
}

/*
 * The key goes stale when anything has changed the map since it was read, which
 * ExitBootServices itself may do by what drivers do at its notice; so read and try again,
 * allocating nothing (UEFI 2.10, 7.4.6).
 */
static void exit_boot_services(EFI_HANDLE image, struct memory *memory)
{
	EFI_STATUS status = EFI_INVALID_PARAMETER;

	for (unsigned i = 0; i < EXIT_TRIES && status == EFI_INVALID_PARAMETER; i++) {
		status = memory_read_again(memory);
		if (status == EFI_SUCCESS)
			status = BS->ExitBootServices(image, memory->key);
	}
	if (status != EFI_SUCCESS) {
		/* Half of boot services is gone already, timers too: no way back. */
		Print(L"Bulkhead cannot start: the firmware does not let go (%r).\r\n", status);
		RT->ResetSystem(EfiResetCold, status, 0, NULL);
	}
}

_Noreturn void enter_kernel(EFI_HANDLE image, struct memory *memory, struct handoff *handoff,
			    uint64_t entry)
{
	const uint64_t stack = pages_get(STACK_BYTES / PAGE_BYTES);
	handoff->ap_trampoline_phys =
		pages_get_below(pages_for(HANDOFF_TRAMPOLINE_BYTES), TRAMPOLINE_LIMIT);
	if (!stack || !handoff->ap_trampoline_phys)
		refuse(EFI_OUT_OF_RESOURCES, remedy,
		       L"there is no room for a stack, or not enough below 1 MiB.");

	const uint32_t own = handoff->segment_count + handoff->file_count;
	memory_read(memory, own);
	memory_settle(memory, handoff);
	struct paging paging = {.pml4 = pages_get_table(), .new_table = pages_get_table};
	if (!map_all(&paging, handoff))
		refuse(EFI_OUT_OF_RESOURCES, remedy, L"there is no room for page tables.");
	handoff->pml4_phys = (uint64_t)paging.pml4;

	memory_read(memory, own); /* the tables have changed it */
	exit_boot_services(image, memory);
	handoff->tsc_boot_exit = machine_tsc();
	memory_settle(memory, handoff);
	enter_jump(handoff, handoff->pml4_phys, stack + STACK_BYTES, entry);
}
