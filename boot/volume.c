/*
 * Opening and reading through EFI_SIMPLE_FILE_SYSTEM_PROTOCOL. What is read, and where it
 * goes, is decided elsewhere.
 */
#include "boot/volume.h"
#include "boot/pages.h"
#include "boot/say.h"
#include <efilib.h>

/* Firmware's drivers are slow with small reads, and some fail with reads of many MiB. */
#define PIECE_BYTES	     (4ull << 20)
#define PROGRESS_BYTES	     (8ull << 20)
#define PROGRESS_STEP	     10 /* percent: a line on a slow console costs milliseconds */

#define HARDDRIVE_NODE_BYTES 42 /* UEFI 2.10, table 10.49; the C structure is padded */

/* EFI_FILE_INFO ends in the name, of 255 characters at most on FAT. */
static union {
	EFI_FILE_INFO info;
	uint8_t room[sizeof(EFI_FILE_INFO) + 256 * sizeof(CHAR16)];
} entry;

static const CHAR16 check_medium[] = L"Check the boot medium, or write it anew.";

EFI_FILE_HANDLE volume_open(EFI_HANDLE image)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_FILE_IO_INTERFACE *file_system;
	EFI_FILE_HANDLE root, folder;

	EFI_STATUS status =
		BS->HandleProtocol(image, &gEfiLoadedImageProtocolGuid, (void **)&loaded);
	if (status == EFI_SUCCESS)
		status = BS->HandleProtocol(loaded->DeviceHandle,
					    &gEfiSimpleFileSystemProtocolGuid,
					    (void **)&file_system);
	if (status == EFI_SUCCESS)
		status = file_system->OpenVolume(file_system, &root);
	if (status != EFI_SUCCESS)
		refuse(status,
		       L"Start it from a file on a FAT partition, not over the network.",
		       L"the volume it was started from can't be read (%r).", status);

	status = root->Open(root, &folder, L"bulkhead", EFI_FILE_MODE_READ, 0);
	root->Close(root);
	if (status != EFI_SUCCESS)
		refuse(status,
		       L"Copy the folder bulkhead to the partition that holds this program.",
		       L"there is no folder \\bulkhead (%r).", status);
	return folder;
}

/* The last such node of the path: a partition may lie in another. */
static const HARDDRIVE_DEVICE_PATH *find_partition(EFI_DEVICE_PATH *node)
{
	const HARDDRIVE_DEVICE_PATH *found = NULL;

	for (; node && !IsDevicePathEnd(node); node = NextDevicePathNode(node)) {
		if (DevicePathType(node) == MEDIA_DEVICE_PATH &&
		    DevicePathSubType(node) == MEDIA_HARDDRIVE_DP &&
		    DevicePathNodeLength(node) >= HARDDRIVE_NODE_BYTES)
			found = (const HARDDRIVE_DEVICE_PATH *)node;
	}
	return found;
}

void volume_identify(EFI_HANDLE image, struct handoff_partition *partition)
{
	EFI_LOADED_IMAGE *loaded;
	const HARDDRIVE_DEVICE_PATH *found = NULL;

	if (BS->HandleProtocol(image, &gEfiLoadedImageProtocolGuid, (void **)&loaded) ==
	    EFI_SUCCESS)
		found = find_partition(DevicePathFromHandle(loaded->DeviceHandle));
	if (!found || (found->SignatureType != SIGNATURE_TYPE_MBR &&
		       found->SignatureType != SIGNATURE_TYPE_GUID))
		return;
	partition->kind = found->SignatureType;
	partition->number = found->PartitionNumber;
	partition->first_lba = found->PartitionStart;
	partition->block_count = found->PartitionSize;
	BS->CopyMem(partition->signature, (void *)found->Signature,
		    sizeof(partition->signature));
}

EFI_FILE_HANDLE volume_open_file(EFI_FILE_HANDLE folder, const CHAR16 *name, const char *path)
{
	EFI_FILE_HANDLE file;
	EFI_STATUS status = folder->Open(folder, &file, (CHAR16 *)name, EFI_FILE_MODE_READ, 0);

	if (status == EFI_NOT_FOUND)
		refuse(status, L"Copy that file to the folder bulkhead on the boot partition.",
		       L"\\bulkhead\\%a is missing.", path);
	if (status != EFI_SUCCESS)
		refuse(status, check_medium, L"\\bulkhead\\%a can't be opened (%r).", path,
		       status);
	return file;
}

/* ---- what may be missing, or can't be written ---------------------------------------------
 */

#define READ	   EFI_FILE_MODE_READ
#define READ_WRITE (EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE)
#define CREATE	   (EFI_FILE_MODE_CREATE | READ_WRITE)

/* NULL where it can't be opened. */
static EFI_FILE_HANDLE try_open(EFI_FILE_HANDLE folder, const CHAR16 *name, uint64_t mode,
				uint64_t attributes)
{
	EFI_FILE_HANDLE file;

	return folder->Open(folder, &file, (CHAR16 *)name, mode, attributes) == EFI_SUCCESS
		       ? file
		       : NULL;
}

static bool get_info(EFI_FILE_HANDLE file)
{
	UINTN bytes = sizeof(entry);

	return file->GetInfo(file, &gEfiFileInfoGuid, &bytes, &entry) == EFI_SUCCESS;
}

const EFI_FILE_INFO *volume_info(EFI_FILE_HANDLE folder, const CHAR16 *name)
{
	EFI_FILE_HANDLE file = try_open(folder, name, READ, 0);
	const bool found = file && get_info(file);

	if (file)
		file->Close(file);
	return found ? &entry.info : NULL;
}

bool volume_has(EFI_FILE_HANDLE folder, const CHAR16 *name)
{
	return volume_info(folder, name) != NULL;
}

bool volume_peek(EFI_FILE_HANDLE folder, const CHAR16 *name, void *to, uint64_t bytes)
{
	EFI_FILE_HANDLE file = try_open(folder, name, READ, 0);
	UINTN done = bytes;
	bool whole = file && file->Read(file, &done, to) == EFI_SUCCESS && done == bytes;

	if (file)
		file->Close(file);
	return whole;
}

bool volume_remove(EFI_FILE_HANDLE folder, const CHAR16 *name)
{
	EFI_FILE_HANDLE file = try_open(folder, name, READ_WRITE, 0);

	return file && file->Delete(file) == EFI_SUCCESS; /* which closes it */
}

bool volume_write(EFI_FILE_HANDLE folder, const CHAR16 *within, const CHAR16 *name,
		  const void *from, uint64_t bytes)
{
	EFI_FILE_HANDLE file = try_open(folder, within, CREATE, EFI_FILE_DIRECTORY);
	UINTN done = bytes;
	bool written;

	if (file)
		file->Close(file);
	volume_remove(folder, name);
	file = try_open(folder, name, CREATE, 0);
	written = file && file->Write(file, &done, (void *)from) == EFI_SUCCESS &&
		  done == bytes && file->Flush(file) == EFI_SUCCESS;
	if (file)
		file->Close(file);
	return written;
}

bool volume_rename(EFI_FILE_HANDLE folder, const CHAR16 *from, const CHAR16 *to)
{
	EFI_FILE_HANDLE file = try_open(folder, from, READ_WRITE, 0);
	bool renamed = file && get_info(file);

	if (renamed) {
		StrCpy(entry.info.FileName, to);
		entry.info.Size = SIZE_OF_EFI_FILE_INFO + StrSize(to);
		renamed = file->SetInfo(file, &gEfiFileInfoGuid, entry.info.Size, &entry) ==
			  EFI_SUCCESS;
	}
	if (file)
		file->Close(file);
	return renamed;
}

const EFI_FILE_INFO *volume_next(EFI_FILE_HANDLE folder, const char *path)
{
	UINTN bytes = sizeof(entry);
	EFI_STATUS status = folder->Read(folder, &bytes, &entry);

	if (status != EFI_SUCCESS)
		refuse(status, check_medium, L"the folder \\bulkhead\\%a can't be read (%r).",
		       path, status);
	return bytes > 0 ? &entry.info : NULL;
}

uint64_t volume_file_bytes(EFI_FILE_HANDLE file, const char *path)
{
	UINTN bytes = sizeof(entry);
	EFI_STATUS status = file->GetInfo(file, &gEfiFileInfoGuid, &bytes, &entry);

	if (status != EFI_SUCCESS)
		refuse(status, check_medium, L"the size of \\bulkhead\\%a can't be read (%r).",
		       path, status);
	return entry.info.FileSize;
}

void volume_read(EFI_FILE_HANDLE file, const char *path, uint64_t offset, uint64_t bytes,
		 uint64_t to)
{
	uint64_t done = 0, shown = 0;

	EFI_STATUS status = file->SetPosition(file, offset);
	while (status == EFI_SUCCESS && done < bytes) {
		UINTN piece = bytes - done < PIECE_BYTES ? bytes - done : PIECE_BYTES;
		status = file->Read(file, &piece, (void *)(to + done));
		if (status == EFI_SUCCESS && piece == 0)
			status = EFI_END_OF_FILE;
		done += piece;

		const uint64_t percent = bytes > 0 ? done * 100 / bytes : 100;
		if (bytes > PROGRESS_BYTES && percent >= shown + PROGRESS_STEP) {
			shown = percent;
			Print(L"\r%a: %ld of %ld MiB", path, done >> 20, bytes >> 20);
		}
	}
	if (bytes > PROGRESS_BYTES)
		Print(L"\r\n");
	if (status != EFI_SUCCESS)
		refuse(status, check_medium, L"\\bulkhead\\%a can't be read (%r).", path,
		       status);
}
