/*
 * The kernel that a guest's configuration names, and what it is given: its files, mapped and,
 * if gzip'd, unpacked; which protocol starts it; whether that works. Loading it is
 * guests/launch's.
 */
#ifndef GUESTS_LAUNCH_KERNEL_H
#define GUESTS_LAUNCH_KERNEL_H

#include "guests/boot/boot.h"
#include "guests/config/config.h"

struct mem_account;

struct kernel_files {
	struct boot_source source;
	enum config_protocol protocol; /* never CONFIG_PROTOCOL_AUTO */
	struct boot_module modules[CONFIG_MODULES_MAX];
	char *cmdline; /* the loader's, where a disk is booted; source.cmdline then */
	const void *packed,
		*unpacked; /* the kernel's file where it is gzip'd; and what is in it */
};

/*
 * Maps the files, unpacks the kernel, and finds the protocol. 0; -ENOENT: a file is not there;
 * -ENOEXEC: no protocol starts it; -ENOMEM; with every error `why` says what is wrong, and
 * nothing stays mapped. Thread context, no locks.
 */
int kernel_open(const struct config_boot *boot, struct mem_account *account,
		struct kernel_files *files, char why[BOOT_WHY_BYTES]);
void kernel_close(struct kernel_files *files);

/* Whether a guest with `ram_bytes` of RAM could load it. Errors as launch_prepare() would have;
 * needs no guest. */
int kernel_check(const struct kernel_files *files, uint64_t ram_bytes,
		 char why[BOOT_WHY_BYTES]);

#endif
