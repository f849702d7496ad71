/* Files that are gzip'd (RFC 1952), as kernels are shipped. What is in them is not looked at.
 */
#ifndef GUESTS_BOOT_GZIP_H
#define GUESTS_BOOT_GZIP_H

#include "guests/boot/boot.h"

struct mem_account;

/* The largest kernel that is unpacked. It is held by the hypervisor while it is loaded. */
#define GZIP_BYTES_MAX (32 * MIB)

/* Whether the file begins as one that is gzip'd. */
bool gzip_probe(const struct boot_image *file);

/*
 * Unpacks `file` into memory of the heap's, charged to `account`: out->data, for heap_free().
 * 0; -ENOEXEC: it is damaged, or longer than it says, or than GZIP_BYTES_MAX; -ENOMEM. With
 * every error `why` says what is wrong, in a sentence. Others have their turns between pieces.
 * Thread context, no locks.
 */
int gzip_unpack(const struct boot_image *file, struct mem_account *account,
		struct boot_image *out, char why[BOOT_WHY_BYTES]);

#endif
