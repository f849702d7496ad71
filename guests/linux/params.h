/* Structures of the Linux boot protocol (boot.rst, zero-page.rst), with the names used there.
 * Only what the loader reads or writes has a name. */
#ifndef GUESTS_LINUX_PARAMS_H
#define GUESTS_LINUX_PARAMS_H

#include "guests/boot/e820.h"
#include "kernel/lib/types.h"

#define SETUP_HEADER_OFFSET    0x1f1 /* in the file and in boot_params */
#define SETUP_HEADER_BYTES_MAX (0x290 - SETUP_HEADER_OFFSET)
#define SETUP_SECTOR_BYTES     512
#define SETUP_SECTS_DEFAULT    4 /* when setup_sects is 0 */
#define SETUP_BOOT_FLAG	       0xaa55
#define SETUP_MAGIC	       "HdrS"
#define SETUP_VERSION_MIN      0x020a /* pref_address, init_size */
#define SETUP_VERSION_XLF      0x020c /* xloadflags */
#define SETUP_VERSION_RSDP     0x020e /* acpi_rsdp_addr */
#define SETUP_LOADED_HIGH      BIT(0) /* loadflags */
#define SETUP_XLF_KERNEL_64    BIT(0) /* xloadflags */
#define SETUP_LOADER_OTHER     0xff   /* type_of_loader: no assigned number */
#define SETUP_ENTRY_64	       0x200  /* from the start of the protected-mode code */

struct setup_header {
	uint8_t setup_sects;
	uint16_t root_flags;
	uint32_t syssize; /* of the protected-mode code, 16-byte units */
	uint16_t ram_size, vid_mode, root_dev, boot_flag;
	uint8_t jump_opcode, jump_bytes; /* the header ends where this short jump lands */
	char header[4];
	uint16_t version;
	uint32_t realmode_swtch;
	uint16_t start_sys_seg, kernel_version;
	uint8_t type_of_loader, loadflags;
	uint16_t setup_move_size;
	uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
	uint16_t heap_end_ptr;
	uint8_t ext_loader_ver, ext_loader_type;
	uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
	uint8_t relocatable_kernel, min_alignment;
	uint16_t xloadflags;
	uint32_t cmdline_size, hardware_subarch;
	uint64_t hardware_subarch_data;
	uint32_t payload_offset, payload_length;
	uint64_t setup_data, pref_address;
	uint32_t init_size, handover_offset;
} __attribute__((packed));
_Static_assert(offsetof(struct setup_header, header) == 0x202 - SETUP_HEADER_OFFSET,
	       "boot.rst");
_Static_assert(offsetof(struct setup_header, pref_address) == 0x258 - SETUP_HEADER_OFFSET,
	       "boot.rst");
_Static_assert(sizeof(struct setup_header) == 0x268 - SETUP_HEADER_OFFSET, "boot.rst");

#define BOOT_E820_MAX 128

struct boot_params { /* the "zero page" */
	uint8_t unused0[0x070];
	uint64_t acpi_rsdp_addr;
	uint8_t unused1[0x1e8 - 0x078];
	uint8_t e820_entries;
	uint8_t unused2[SETUP_HEADER_OFFSET - 0x1e9];
	union {
		struct setup_header hdr;
		uint8_t hdr_bytes[SETUP_HEADER_BYTES_MAX];
	};
	uint8_t unused3[0x2d0 - 0x290];
	struct e820_entry e820_table[BOOT_E820_MAX];
	uint8_t unused4[0x1000 - 0x2d0 - BOOT_E820_MAX * sizeof(struct e820_entry)];
} __attribute__((packed));
_Static_assert(sizeof(struct boot_params) == 4096, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "zero-page.rst");

#endif
