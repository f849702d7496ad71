/*
 * Which kernel is started: kernel.elf, or a newer one that lies beside it and is tried once. It
 * becomes kernel.elf when it has come up, which it says itself (kernel/io/came_up).
 */
#ifndef BOOT_CHOOSE_H
#define BOOT_CHOOSE_H

#include <efi.h>

#define CHOOSE_NEW "kernel.new" /* to be tried */
#define CHOOSE_OLD "kernel.old" /* the one before */

/* Fills *name and *path (the same in both forms) with the file below \bulkhead\ to start. Says
 * what it decides, where there is more than one. Where the volume cannot be written there is
 * nothing to try: it is kernel.elf then. */
void choose_kernel(EFI_FILE_HANDLE bulkhead, const CHAR16 **name, const char **path);

#endif
