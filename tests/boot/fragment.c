/*
 * A UEFI application that leaves memory dirty and in thousands of pieces, and then starts
 * \bulkhead\boot.efi, which gets a memory map as long as no firmware would make it, and finds
 * it changed when it first leaves boot services.
 */
#include <efi.h>
#include <efilib.h>

#define PIECES	   4000

#define DIRT	   32
#define DIRT_PAGES 512 /* 2 MiB: small enough for any gap that a kernel may be put in */

/* Leaves free memory, below 4 GiB and wherever the firmware likes best, full of rubbish. */
static EFI_STATUS dirty(EFI_ALLOCATE_TYPE how)
{
	EFI_PHYSICAL_ADDRESS dirt[DIRT];
	EFI_STATUS status = EFI_SUCCESS;

	for (unsigned i = 0; i < DIRT && status == EFI_SUCCESS; i++) {
		dirt[i] = (4ull << 30) - 1;
		status = BS->AllocatePages(how, EfiLoaderData, DIRT_PAGES, &dirt[i]);
		if (status == EFI_SUCCESS)
			BS->SetMem((void *)dirt[i], DIRT_PAGES * EFI_PAGE_SIZE, 0xa5);
	}
	for (unsigned i = 0; i < DIRT && status == EFI_SUCCESS; i++)
		status = BS->FreePages(dirt[i], DIRT_PAGES);
	return status;
}

/* Takes twice as many pages as pieces, and gives every other one back. */
static EFI_STATUS fragment(void)
{
	static EFI_PHYSICAL_ADDRESS pages[2 * PIECES];
	EFI_STATUS status = EFI_SUCCESS;

	for (unsigned i = 0; i < 2 * PIECES && status == EFI_SUCCESS; i++)
		status = BS->AllocatePages(AllocateAnyPages, EfiLoaderData, 1, &pages[i]);
	for (unsigned i = 0; i < 2 * PIECES && status == EFI_SUCCESS; i += 2)
		status = BS->FreePages(pages[i], 1);
	return status;
}

static EFI_EXIT_BOOT_SERVICES exit_boot_services;

/* Stands in for ExitBootServices: the first time, the caller's key is no longer good. */
static EFIAPI EFI_STATUS exit_with_stale_key(EFI_HANDLE image, UINTN key)
{
	static BOOLEAN changed;
	EFI_PHYSICAL_ADDRESS page;

	if (!changed) {
		changed = TRUE;
		BS->AllocatePages(AllocateAnyPages, EfiLoaderData, 1, &page);
		Print(L"fragment: the key is stale\r\n");
	}
	return exit_boot_services(image, key);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_HANDLE next;

	InitializeLib(image, system_table);
	exit_boot_services = BS->ExitBootServices;
	BS->ExitBootServices = exit_with_stale_key;
	EFI_STATUS status = dirty(AllocateMaxAddress);
	if (status == EFI_SUCCESS)
		status = dirty(AllocateAnyPages);
	if (status == EFI_SUCCESS)
		status = fragment();
	if (status == EFI_SUCCESS)
		status = BS->HandleProtocol(image, &gEfiLoadedImageProtocolGuid,
					    (void **)&loaded);
	if (status == EFI_SUCCESS)
		status = BS->LoadImage(
			FALSE, image,
			FileDevicePath(loaded->DeviceHandle, L"\\bulkhead\\boot.efi"), NULL, 0,
			&next);
	if (status == EFI_SUCCESS)
		status = BS->StartImage(next, NULL, NULL);
	BS->ExitBootServices = exit_boot_services;
	Print(L"fragment: %r\r\n", status);
	return status;
}
