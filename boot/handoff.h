/*
 * All that the kernel sees of boot: one versioned structure, left in memory by the UEFI
 * application and passed by physical address in RDI when it jumps to the kernel's entry.
 * This file includes nothing of ours; boot and kernel both include it.
 */
#ifndef BOOT_HANDOFF_H
#define BOOT_HANDOFF_H

#include <stdint.h>

#define HANDOFF_MAGIC	0x66666f2d646e6168ull /* "hand-off" */
#define HANDOFF_VERSION 3u

/*
 * State at the jump (SDM vol. 3A 9.8.5; APM vol. 2 14.6): long mode, IF = 0, DF = 0,
 * CR0.WP = 1, EFER.NXE = 1, CR3 = `pml4_phys`, RDI = physical address of struct handoff,
 * RSP = an identity-mapped stack of at least 16 KiB of HANDOFF_MEM_LOADER memory.
 * `pml4_phys` maps every page of RAM that the memory map names, and the first 4 GiB, at
 * virtual = physical (writable, not executable save the page of boot's own jump code), and
 * the kernel's segments at their link addresses with the permissions of their program headers.
 */

enum handoff_mem_type {
	HANDOFF_MEM_USABLE = 1, /* free RAM, boot-services memory included */
	HANDOFF_MEM_LOADER,	/* boot's own: tables, stack, this structure, trampoline area */
	HANDOFF_MEM_KERNEL,	/* the kernel's segments */
	HANDOFF_MEM_FILE,	/* contents of files listed in `files` */
	HANDOFF_MEM_ACPI,	/* ACPI reclaimable: tables, keep */
	HANDOFF_MEM_ACPI_NVS,	/* never touched */
	HANDOFF_MEM_RUNTIME,	/* UEFI runtime code and data, never touched */
	HANDOFF_MEM_RESERVED,	/* everything else: holes, bad memory, persistent memory */
	HANDOFF_MEM_MMIO,	/* memory-mapped I/O that the firmware lists */
};

/* One range of physical memory. The array is sorted by base, without overlaps, merged. */
struct handoff_range {
	uint64_t base;	/* bytes, 4 KiB aligned */
	uint64_t bytes; /* multiple of 4 KiB */
	uint32_t type;	/* enum handoff_mem_type */
	uint32_t reserved;
};

#define HANDOFF_PATH_MAX 256

/* One file of \bulkhead\ on the boot partition, read whole into contiguous memory. What lies
 * under \bulkhead\disks\ is not among them: those are guests' disks, used in place. */
struct handoff_file {
	char path[HANDOFF_PATH_MAX]; /* relative to \bulkhead\, '/' separated, ASCII,
					NUL-terminated */
	uint64_t base; /* physical, 4 KiB aligned; the tail of the last page is zero */
	uint64_t bytes;
};

/* As UEFI has it in a hard drive's device path (UEFI 2.10, table 10.49). */
enum handoff_partition_kind {
	HANDOFF_PARTITION_UNKNOWN = 0, /* the firmware does not say, or there is none */
	HANDOFF_PARTITION_MBR = 1,     /* `signature`: the disk's, 4 bytes */
	HANDOFF_PARTITION_GPT = 2,     /* `signature`: the partition's own GUID */
};

/* The partition that boot was started from. */
struct handoff_partition {
	uint32_t kind; /* enum handoff_partition_kind */
	uint32_t number;
	uint64_t first_lba, block_count;
	uint8_t signature[16]; /* as on the disk */
};

enum handoff_pixel_format {
	HANDOFF_PIXEL_NONE = 0, /* no framebuffer */
	HANDOFF_PIXEL_RGBX,	/* red in the lowest byte */
	HANDOFF_PIXEL_BGRX,	/* blue in the lowest byte */
};

struct handoff_framebuffer {
	uint64_t base;
	uint64_t bytes;
	uint32_t width, height; /* pixels */
	uint32_t pitch_bytes;	/* bytes from one line to the next */
	uint32_t format;	/* enum handoff_pixel_format */
};

/* One PT_LOAD segment as placed in memory. */
struct handoff_segment {
	uint64_t phys, virt, bytes; /* 4 KiB aligned, bss included */
	uint32_t flags;		    /* ELF p_flags: 1 = X, 2 = W, 4 = R */
	uint32_t reserved;
};

#define HANDOFF_SEGMENTS_MAX  8
#define HANDOFF_ENTROPY_BYTES 64

/* For SIPI: the code that a CPU starts in (real mode, so below 1 MiB), then the page tables
 * that it enters long mode with (CR3 is loaded in 32-bit mode, so below 4 GiB). */
#define HANDOFF_TRAMPOLINE_BYTES (5 * 4096)

/* Memory at an address that is the same at each start, wherever it is free then: what is left
 * there is found by the next start, on machines that do not clear memory at a reset. It is
 * HANDOFF_MEM_RESERVED among the ranges. Nobody else may be told to use it. */
#define HANDOFF_KEPT_BYTES (16 * 4096)

struct handoff {
	uint64_t magic;
	uint32_t version;
	uint32_t size_bytes; /* sizeof(struct handoff) as boot knows it */

	uint64_t ranges; /* physical address of struct handoff_range[range_count] */
	uint64_t files;	 /* physical address of struct handoff_file[file_count] */
	uint32_t range_count;
	uint32_t file_count;

	struct handoff_segment segments[HANDOFF_SEGMENTS_MAX];
	uint32_t segment_count;
	uint32_t
		entropy_bytes; /* valid bytes of `entropy`; 0 where the machine has no source */
	uint8_t entropy[HANDOFF_ENTROPY_BYTES];

	uint64_t pml4_phys;	     /* page tables in force at the jump */
	uint64_t ap_trampoline_phys; /* HANDOFF_TRAMPOLINE_BYTES, page-aligned, all below 1 MiB
				      */
	uint64_t rsdp_phys;	     /* ACPI RSDP; 0 if the firmware has none */
	uint64_t smbios_phys;	     /* SMBIOS 3 or 2 entry point; 0 if none */
	struct handoff_framebuffer framebuffer;

	uint64_t tsc_boot_entry; /* TSC when the UEFI application was entered */
	uint64_t tsc_boot_exit;	 /* TSC right after ExitBootServices returned */
	uint64_t config_file;	 /* index into files of bulkhead.yaml */
	struct handoff_partition boot_partition;
	uint64_t kept_phys; /* HANDOFF_KEPT_BYTES as they were found; 0: no place was free */
	uint64_t trial;	    /* 1: this kernel is tried, once (choose.h); else 0 */
};

_Static_assert(sizeof(struct handoff_range) == 24, "layout is shared with boot");
_Static_assert(sizeof(struct handoff_file) == 272, "layout is shared with boot");
_Static_assert(sizeof(struct handoff_partition) == 40, "layout is shared with boot");

#endif
