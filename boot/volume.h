/*
 * The folder \bulkhead\ of the volume that the firmware started us from, and reading from it.
 * All failures end in refuse(), with the file's name in the message.
 */
#ifndef BOOT_VOLUME_H
#define BOOT_VOLUME_H

#include "boot/handoff.h"
#include <efi.h>
#include <stdbool.h>
#include <stdint.h>

#define VOLUME_KERNEL "kernel.elf"
#define VOLUME_CONFIG "bulkhead.yaml"
#define VOLUME_DISKS  "disks"	   /* a folder that is left on the volume */
#define VOLUME_TRIAL  "kernel.try" /* in it: what is known of a new kernel (choose.c) */

/* The folder \bulkhead\ on the volume that `image` was loaded from. */
EFI_FILE_HANDLE volume_open(EFI_HANDLE image);

/* The partition that this is, as the firmware says; of unknown kind where it says nothing. */
void volume_identify(EFI_HANDLE image, struct handoff_partition *partition);

/*
 * Opens `name`, which must be there, in `folder`. For messages, here and below, `path` is
 * the same file relative to \bulkhead\.
 */
EFI_FILE_HANDLE volume_open_file(EFI_FILE_HANDLE folder, const CHAR16 *name, const char *path);

/*
 * Of what may be missing, or on a medium that can't be written: these say so by false, and end
 * nothing. `name` may have folders in it. volume_info's answer is good until the next call of
 * this file; NULL: no such file. volume_peek reads `bytes`, all of them; volume_write makes the
 * file, and the folder `within` that it is in, anew and has it on the medium when it returns.
 */
const EFI_FILE_INFO *volume_info(EFI_FILE_HANDLE folder, const CHAR16 *name);
bool volume_has(EFI_FILE_HANDLE folder, const CHAR16 *name);
bool volume_peek(EFI_FILE_HANDLE folder, const CHAR16 *name, void *to, uint64_t bytes);
bool volume_write(EFI_FILE_HANDLE folder, const CHAR16 *within, const CHAR16 *name,
		  const void *from, uint64_t bytes);
bool volume_rename(EFI_FILE_HANDLE folder, const CHAR16 *from, const CHAR16 *to);
bool volume_remove(EFI_FILE_HANDLE folder, const CHAR16 *name);

/* The next entry of a folder, NULL after the last. Good until the next call of this file. */
const EFI_FILE_INFO *volume_next(EFI_FILE_HANDLE folder, const char *path);

uint64_t volume_file_bytes(EFI_FILE_HANDLE file, const char *path);

/*
 * Reads `bytes` bytes at `offset`, all of them, to physical address `to`, in pieces of a few
 * MiB, with progress on the console if there is much to read.
 */
void volume_read(EFI_FILE_HANDLE file, const char *path, uint64_t offset, uint64_t bytes,
		 uint64_t to);

#endif
