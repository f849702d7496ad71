/* AHCI as its specification has it (Serial ATA AHCI 1.3.1): registers, what lies in memory, and
 * the frames (Serial ATA 3.0, 10.3) that the driver writes and reads. */
#ifndef DRIVERS_BLOCK_AHCI_SPEC_H
#define DRIVERS_BLOCK_AHCI_SPEC_H

#include "kernel/lib/types.h"

#define AHCI_PORTS_MAX 32
#define AHCI_SLOTS_MAX 32

/* Of the whole HBA, 3.1. */
enum ahci_register {
	AHCI_CAP = 0x00,
	AHCI_GHC = 0x04,
	AHCI_IS = 0x08,
	AHCI_PI = 0x0c,
	AHCI_CAP2 = 0x24,
	AHCI_BOHC = 0x28,
	AHCI_PORT0 = 0x100,
	AHCI_PORT_BYTES = 0x80,
};

#define AHCI_CAP_SLOTS(cap) (((cap) >> 8 & 0x1f) + 1)
#define AHCI_CAP_CLO	    BIT(24)
#define AHCI_CAP_NCQ	    BIT(30)
#define AHCI_CAP_64	    BIT(31)
#define AHCI_CAP2_HANDOFF   BIT(0)
#define AHCI_GHC_RESET	    0x1u
#define AHCI_GHC_INTERRUPTS 0x2u
#define AHCI_GHC_ENABLE	    0x80000000u
#define AHCI_BOHC_BIOS_OWNS 0x1u
#define AHCI_BOHC_OS_OWNS   0x2u
#define AHCI_BOHC_BIOS_BUSY 0x10u

/* Of a port, 3.3. */
enum ahci_port_register {
	AHCI_PORT_CLB = 0x00, /* 64 bits */
	AHCI_PORT_FB = 0x08,  /* 64 bits */
	AHCI_PORT_IS = 0x10,
	AHCI_PORT_IE = 0x14,
	AHCI_PORT_CMD = 0x18,
	AHCI_PORT_TFD = 0x20,
	AHCI_PORT_SIG = 0x24,
	AHCI_PORT_SSTS = 0x28,
	AHCI_PORT_SCTL = 0x2c,
	AHCI_PORT_SERR = 0x30,
	AHCI_PORT_SACT = 0x34,
	AHCI_PORT_CI = 0x38,
};

#define AHCI_IS_FRAMES	    0x0000000fu /* register, PIO set-up, DMA set-up, set device bits */
#define AHCI_IS_CHANGED	    0x00400040u /* the link came or went */
#define AHCI_IS_ERRORS	    0x78000000u /* interface, host bus, task file */
#define AHCI_IS_TASK_FILE   0x40000000u
#define AHCI_CMD_START	    0x1u
#define AHCI_CMD_SPIN_UP    0x2u
#define AHCI_CMD_POWER_ON   0x4u
#define AHCI_CMD_CLO	    0x8u
#define AHCI_CMD_RECEIVE    0x10u
#define AHCI_CMD_RECEIVING  0x4000u
#define AHCI_CMD_RUNNING    0x8000u
#define AHCI_CMD_ACTIVE	    0x10000000u /* bring the link to its active state */
#define AHCI_TFD_STATUS(t)  ((uint8_t)(t))
#define AHCI_TFD_ERROR(t)   ((uint8_t)((t) >> 8))
#define AHCI_DET	    0xfu /* of SSTS and SCTL */
#define AHCI_DET_NONE	    0u
#define AHCI_DET_UP	    3u /* SSTS: a device, and the link to it */
#define AHCI_DET_RESET	    1u /* SCTL: COMRESET as long as it stands */
#define AHCI_DET_OFF	    4u /* SCTL */

#define AHCI_SIG_ATA	    0x00000101u
#define AHCI_SIG_ATAPI	    0xeb140101u
#define AHCI_SIG_MULTIPLIER 0x96690101u

/* One slot of the command list, 4.2.2. */
struct ahci_header {
	uint16_t flags, prd_count;
	volatile uint32_t bytes_done;
	uint64_t table;
	uint32_t reserved[4];
};
_Static_assert(sizeof(struct ahci_header) == 32, "4.2.2");

#define AHCI_HEADER_WRITE 0x40u

/* 4.2.3.3. */
struct ahci_prd {
	uint64_t address;
	uint32_t reserved, count; /* bytes, less one */
};
_Static_assert(sizeof(struct ahci_prd) == 16, "4.2.3.3");

#define AHCI_PRD_BYTES_MAX (4 * MIB)

/* Register frame, host to device: a command. */
struct ahci_command {
	uint8_t type, flags, command, feature;
	uint8_t lba0, lba1, lba2, device;
	uint8_t lba3, lba4, lba5, feature_high;
	uint8_t count, count_high, icc, control;
	uint32_t auxiliary;
};
_Static_assert(sizeof(struct ahci_command) == 20, "Serial ATA 3.0, 10.3.4");

#define AHCI_FRAME_COMMAND     0x27
#define AHCI_FRAME_IS_COMMAND  0x80 /* flags */
#define AHCI_FRAME_DWORDS      (sizeof(struct ahci_command) / 4)
#define AHCI_DEVICE_QUEUED_FUA 0x80 /* device, of a queued write */
#define AHCI_COUNT_TAG_SHIFT   3    /* count, of a queued command */

/* A slot's table, 4.2.3: as many entries as make a page, with what TRIM sends at its end. */
#define AHCI_PRDS 216
struct ahci_table {
	struct ahci_command command;
	uint8_t reserved[0x80 - sizeof(struct ahci_command)];
	struct ahci_prd prds[AHCI_PRDS];
	uint64_t trim[64];
};
_Static_assert(offsetof(struct ahci_table, prds) == 0x80, "4.2.3");
_Static_assert(sizeof(struct ahci_table) == PAGE_BYTES, "one page");

/* Where a port puts the frames that it receives, 4.2.1. */
struct ahci_received {
	uint8_t others[0x58];
	volatile uint8_t bits_type, bits_flags, bits_status, bits_error; /* set device bits */
	uint8_t bits_done[4], unknown[0xa0];
};
_Static_assert(sizeof(struct ahci_received) == 256, "4.2.1");

/* What a port has in memory besides tables: one page. */
struct ahci_port_memory {
	struct ahci_header headers[AHCI_SLOTS_MAX]; /* at 1 KiB */
	struct ahci_received received;		    /* at 256 bytes */
	uint8_t reserved[768];
	uint16_t answer[256]; /* of IDENTIFY and READ LOG */
	uint8_t reserved_too[1536];
};
_Static_assert(sizeof(struct ahci_port_memory) == PAGE_BYTES, "one page");

/* The log of what failed in a queue: Serial ATA 3.0, 13.7.4. */
#define AHCI_LOG_QUEUED_ERROR 0x10u
#define AHCI_LOG_NOT_QUEUED   0x80u /* byte 0; the tag in 4:0 */
#define AHCI_LOG_TAG	      0x1fu
#define AHCI_LOG_STATUS	      2 /* bytes */
#define AHCI_LOG_ERROR	      3

#endif
