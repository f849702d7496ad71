/*
 * Brings the kernel and all files of \bulkhead\ into memory. Failures end in refuse().
 */
#ifndef BOOT_LOAD_H
#define BOOT_LOAD_H

#include "boot/handoff.h"
#include <efi.h>

/*
 * Chooses and checks a kernel, and places its segments, contents and zeroes, in one contiguous
 * block. Fills `segments`, `trial`; returns the virtual address of the entry point.
 */
uint64_t load_kernel(EFI_FILE_HANDLE bulkhead, struct handoff *handoff);

/* Reads every other file, folders within folders included. Fills `files`, `config_file`. */
void load_files(EFI_FILE_HANDLE bulkhead, struct handoff *handoff);

#endif
