/*
 * Which kernel is started: kernel.elf, or a newer one that lies beside it and is tried once. It
 * becomes kernel.elf when it has come up, which it says itself (kernel/io/came_up).
 */
#ifndef BOOT_CHOOSE_H
#define BOOT_CHOOSE_H

#include <efi.h>
#include <stdbool.h>

#define CHOOSE_NEW "kernel.new" /* to be tried */
#define CHOOSE_OLD "kernel.old" /* the one before */

/* The file below \bulkhead\ to start; `name` and `path` are the same in both forms. */
struct choice {
	const CHAR16 *name;
	const char *path;
	bool trial; /* it is to say that it came up */
};

/* Says what it decides, where there is more than one. Where the volume cannot be written there
 * is nothing to try: it is kernel.elf then. */
struct choice choose_kernel(EFI_FILE_HANDLE bulkhead);

#endif
