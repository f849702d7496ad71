/*
 * The Linux boot protocol for x86 (Documentation/arch/x86/boot.rst): a bzImage of protocol 2.10
 * or later, entered at its 64-bit entry point, or at its 32-bit one if it has no other. What
 * else speaks it, such as memtest86+, is started too; not what needs a BIOS.
 */
#ifndef GUESTS_LINUX_LINUX_H
#define GUESTS_LINUX_LINUX_H

#include "guests/boot/boot.h"

/* Whether the file looks like a Linux kernel at all (its magic numbers; not whether it is one
 * that boots here). */
bool linux_probe(const struct boot_image *kernel);

/* Whether a guest with `ram_bytes` of RAM could load it: errors and `why` as linux_load().
 * Touches no guest. Any context. */
int linux_check(uint64_t ram_bytes, const struct boot_source *source, char why[BOOT_WHY_BYTES]);

/*
 * Writes kernel, initrd, command line and boot parameters to the guest's memory, and fills
 * `entry`. 0; -ENOEXEC: the kernel's file is damaged or of a kind that can't be entered;
 * -EINVAL: the command line is too long; -ENOSPC: RAM is too small; or gmem_write()'s error.
 * With every error `why` says what is wrong, in a sentence. On a thread whose aspace is the
 * guest's.
 */
int linux_load(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *entry,
	       char why[BOOT_WHY_BYTES]);

#endif
