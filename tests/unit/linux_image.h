/* A Linux kernel that tests make, and how they load it. */
#ifndef TESTS_UNIT_LINUX_IMAGE_H
#define TESTS_UNIT_LINUX_IMAGE_H

#include "guests/linux/linux.h"
#include "guests/linux/params.h"
#include "tests/unit/fake_gmem.h"
#include "tests/unit/load_image.h"

#define SETUP_SECTORS 3
#define SETUP_BYTES   ((SETUP_SECTORS + 1) * SETUP_SECTOR_BYTES)
#define CODE_BYTES    (16 * 100)
#define IMAGE_BYTES   (SETUP_BYTES + CODE_BYTES)
#define PREF_ADDRESS  (16 * MIB)
#define INIT_SIZE     (2 * MIB)
#define RSDP	      0xf0000

static inline uint8_t pattern(unsigned i)
{
	return i * 7 + (i >> 8);
}

/* A sound kernel of protocol 2.15. */
static inline void make_image(uint8_t image[IMAGE_BYTES])
{
	struct setup_header header = {
		.setup_sects = SETUP_SECTORS,
		.syssize = CODE_BYTES / 16,
		.boot_flag = SETUP_BOOT_FLAG,
		.jump_opcode = 0xeb,
		.jump_bytes = 0x26c - 0x202,
		.header = {'H', 'd', 'r', 'S'},
		.version = 0x020f,
		.loadflags = SETUP_LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 2 * MIB,
		.relocatable_kernel = 1,
		.xloadflags = SETUP_XLF_KERNEL_64,
		.cmdline_size = 2047,
		.payload_offset = 0x300,
		.payload_length = CODE_BYTES - 0x300,
		.pref_address = PREF_ADDRESS,
		.init_size = INIT_SIZE,
	};

	memset(image, 0, SETUP_BYTES);
	memcpy(image + SETUP_HEADER_OFFSET, &header, sizeof(header));
	for (unsigned i = 0; i < CODE_BYTES; i++)
		image[SETUP_BYTES + i] = pattern(i);
}

static inline int load_bytes(uint64_t ram, const void *image, size_t bytes,
			     const struct boot_source *like)
{
	return load_image(linux_load, ram, image, bytes, like);
}

#endif
