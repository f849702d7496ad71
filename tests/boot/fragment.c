/*
 * A UEFI application that cuts memory into thousands of pieces and then starts
 * \bulkhead\boot.efi, which gets a memory map as long as no firmware would make it, and finds
 * it changed when it first leaves boot services.
 */
#include <efi.h>
#include <efilib.h>

#define PIECES 4000

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
	EFI_STATUS status = fragment();
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
