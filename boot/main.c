/*
 * The UEFI application: what it does, in order. Each step either succeeds or ends in
 * refuse(), which explains itself and returns to the firmware.
 */
#include "boot/enter.h"
#include "boot/load.h"
#include "boot/machine.h"
#include "boot/memory.h"
#include "boot/pages.h"
#include "boot/say.h"
#include "boot/volume.h"

static struct handoff *new_handoff(uint64_t tsc_entry)
{
	struct handoff *handoff = (void *)pages_get(pages_for(sizeof(*handoff)));

	if (!handoff)
		refuse(EFI_OUT_OF_RESOURCES, L"Use a machine with more memory.",
		       L"there is no free memory at all.");
	BS->SetMem(handoff, sizeof(*handoff), 0);
	handoff->magic = HANDOFF_MAGIC;
	handoff->version = HANDOFF_VERSION;
	handoff->size_bytes = sizeof(*handoff);
	handoff->tsc_boot_entry = tsc_entry;
	return handoff;
}

/* The first that is free is so at the next start too: firmware does the same each time. It uses
 * the lowest 32 MiB and what is at the top itself. */
static uint64_t find_kept_memory(void)
{
	static const uint64_t places[] = {48ull << 20, 256ull << 20};
	uint64_t found = 0;

	for (unsigned i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++)
		found = pages_reserve_at(HANDOFF_KEPT_BYTES / PAGE_BYTES, places[i]);
	return found;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
	const uint64_t tsc_entry = machine_tsc();
	struct memory memory = {0};

	InitializeLib(image, system_table);
	say_begin(image);
	BS->SetWatchdogTimer(0, 0, 0, NULL); /* large files on slow sticks take minutes */

	machine_check();
	struct handoff *handoff = new_handoff(tsc_entry);
	handoff->kept_phys = find_kept_memory();
	memory_read(&memory, 0);
	memory_settle(&memory, handoff);
	memory_check(handoff);

	EFI_FILE_HANDLE bulkhead = volume_open(image);
	const uint64_t entry = load_kernel(bulkhead, handoff);
	load_files(bulkhead, handoff);
	volume_identify(image, &handoff->boot_partition);
	bulkhead->Close(bulkhead);
	machine_describe(handoff);

	enter_kernel(image, &memory, handoff, entry);
}
