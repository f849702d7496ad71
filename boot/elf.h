/*
 * The kernel's ELF image: what must hold before any of it is placed in memory.
 * Free of EFI calls, so that it is tested on the build machine; it loads nothing itself.
 */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include "boot/handoff.h"
#include <stdint.h>

/* The ELF header and all program headers lie in the first page of the file. */
#define ELF_HEAD_BYTES 4096u

/* mcmodel=kernel: the top 2 GiB of the address space. */
#define ELF_KERNEL_BASE 0xffffffff80000000ull

#define ELF_FLAG_X	1u
#define ELF_FLAG_W	2u
#define ELF_FLAG_R	4u

/* One PT_LOAD segment that occupies memory. */
struct elf_segment {
	uint64_t virt;	      /* 4 KiB aligned, at or above ELF_KERNEL_BASE */
	uint64_t bytes;	      /* in memory, bss included; multiple of 4 KiB */
	uint64_t file_offset; /* where its contents begin in the file */
	uint64_t file_bytes;  /* contents; the rest of `bytes` is zero */
	uint32_t flags;	      /* ELF_FLAG_*; never both W and X */
};

struct elf_kernel {
	uint64_t entry; /* inside an executable segment */
	uint64_t virt;	/* lowest segment's address */
	uint64_t bytes; /* from there to the end of the highest segment, below 2 GiB */
	uint32_t segment_count;
	struct elf_segment segments[HANDOFF_SEGMENTS_MAX];
};

/*
 * Checks the headers of an image of `file_bytes` bytes whose first `head_bytes` (at least
 * ELF_HEAD_BYTES, or all of a shorter file) are at `head`, and fills `kernel`. Returns NULL,
 * or what is wrong, in words to print; `kernel` is then undefined.
 * (System V ABI, gABI chapters 4 and 5; AMD64 supplement 4.1)
 */
const char *elf_check(const void *head, uint64_t head_bytes, uint64_t file_bytes,
		      struct elf_kernel *kernel);

#endif
