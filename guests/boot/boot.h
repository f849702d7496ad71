/*
 * What a boot protocol (guests/linux, guests/multiboot) is given and what it prepares: memory
 * written, and the state in which vCPU 0 enters the kernel.
 */
#ifndef GUESTS_BOOT_BOOT_H
#define GUESTS_BOOT_BOOT_H

#include "kernel/vmm/vcpu.h"

struct gmem;

/* A file, whole, in our memory. Hostile: nothing in it has been checked. */
struct boot_image {
	const uint8_t *data;
	uint64_t bytes;
};

struct boot_module {
	struct boot_image image;
	const char *string; /* its command line */
};

struct boot_source {
	struct boot_image kernel;
	struct boot_image initrd; /* 0 bytes: none */
	const char *name;	  /* the kernel's file; NULL: not told (Multiboot's) */
	const char *cmdline;
	const struct boot_module *modules; /* Multiboot's */
	unsigned module_count;
	uint64_t rsdp; /* GPA of the ACPI tables' root; 0: none */
};

/* Room for a sentence that says why an image can't be booted. */
#define BOOT_WHY_BYTES 320

/* Writes the sentence to `why` and returns `error`. */
int boot_refuse(char why[BOOT_WHY_BYTES], int error, const char *fmt, ...) printf_like(3, 4);

/* Puts a part of an image into the guest's memory, piece by piece: others, whose disks and
 * networks may wait for this CPU, have their turns. 0, or as gmem_write(). Thread context, no
 * locks. */
int boot_copy(struct gmem *gm, uint64_t gpa, const uint8_t *data, uint64_t bytes);

/* A fresh entry: registers as after reset, flat segments with these attributes for code and
 * data (struct vcpu_segment), protected mode, paging off. */
void boot_entry_flat(struct vcpu_entry *entry, uint16_t code, uint16_t data);

#define BOOT_CODE32 0xc9b /* G, D, P, S, execute/read, accessed */
#define BOOT_CODE64 0xa9b /* the same with L instead of D */
#define BOOT_DATA   0xc93 /* G, B, P, S, read/write, accessed */

/* Selectors of those segments: a kernel that reloads them finds a GDT of its own first. */
#define BOOT_CS 0x10
#define BOOT_DS 0x18

#endif
