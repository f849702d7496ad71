/*
 * A UEFI application that cuts memory into thousands of pieces and then starts
 * \bulkhead\boot.efi, which gets a memory map as long as no firmware would make it.
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

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_HANDLE next;

	InitializeLib(image, system_table);
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
	Print(L"fragment: %r\r\n", status);
	return status;
}
