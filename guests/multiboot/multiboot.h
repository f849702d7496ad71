/*
 * The Multiboot Specification, version 0.6.96 ("Multiboot 1"): kernels in ELF32, or flat ones
 * that carry their addresses in the header. Entered in 32-bit protected mode.
 */
#ifndef GUESTS_MULTIBOOT_MULTIBOOT_H
#define GUESTS_MULTIBOOT_MULTIBOOT_H

#include "guests/boot.h"

/* Whether the file has a Multiboot header (not whether it can be booted). */
bool multiboot_probe(const struct boot_image *kernel);

/*
 * Writes kernel, modules and boot information to the guest's memory, and fills `entry`. An
 * initrd, where there is one, is the first module. The kernel's command line is its name and
 * `cmdline`, as GRUB and QEMU pass it.
 * 0; -ENOEXEC: the kernel's file is damaged or asks for what is not there; -ENOSPC: RAM is too
 * small; -ENOMEM; or gmem_write()'s error. With every error `why` says what is wrong, in a
 * sentence. On a thread whose aspace is the guest's.
 */
int multiboot_load(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *entry,
		   char why[BOOT_WHY_BYTES]);

#endif
