/*
 * The Multiboot Specification, version 0.6.96 ("Multiboot 1"), and the Multiboot2
 * Specification, version 2.0: kernels in ELF, 32- or 64-bit, or flat ones that carry their
 * addresses in the header, below 4 GiB. Entered in 32-bit protected mode.
 */
#ifndef GUESTS_MULTIBOOT_MULTIBOOT_H
#define GUESTS_MULTIBOOT_MULTIBOOT_H

#include "guests/boot/boot.h"

enum multiboot_version { MULTIBOOT_1 = 1, MULTIBOOT_2 = 2 };

/* Whether the file has a header of that version (not whether it can be booted). */
bool multiboot_probe(const struct boot_image *kernel, enum multiboot_version version);

/* Whether a guest with `ram_bytes` of RAM could load it: errors and `why` as multiboot_load().
 * Touches no guest. Any context. */
int multiboot_check(uint64_t ram_bytes, const struct boot_source *source,
		    enum multiboot_version version, char why[BOOT_WHY_BYTES]);

/*
 * Writes kernel, modules and boot information to the guest's memory, and fills `entry`. An
 * initrd, where there is one, is the first module. The kernel's command line is its name and
 * `cmdline`, as GRUB and QEMU pass it.
 * 0; -ENOEXEC: the kernel's file is damaged or asks for what is not there; -ENOSPC: RAM is too
 * small; -ENOMEM; or gmem_write()'s error. With every error `why` says what is wrong, in a
 * sentence. On a thread whose aspace is the guest's.
 */
int multiboot_load(struct gmem *gm, const struct boot_source *source,
		   enum multiboot_version version, struct vcpu_entry *entry,
		   char why[BOOT_WHY_BYTES]);

#endif
