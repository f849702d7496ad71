/*
 * An AHCI controller for tests of the driver: a port with a disk, one with a drive of discs,
 * and empty ones. It follows command lists and tables in memory, and fails in the ways that a
 * test asks for. With fake_block.
 */
#ifndef TESTS_UNIT_FAKE_AHCI_H
#define TESTS_UNIT_FAKE_AHCI_H

#include "drivers/block/ahci/spec.h"

#define DISK_BYTES (8 * MIB)
#define DISK	   2 /* ports */
#define DISCS	   4
#define EMPTY	   5

#define TFD_READY  0x50u

extern struct model {
	uint32_t registers[0x400 / 4];
	uint16_t identify[256];
	bool started;		 /* the port's engine was on when we looked last */
	bool stopped_by_error;	 /* until it is off */
	bool pulled, deaf, held; /* held: commands wait */
	bool wedged;		 /* the port's engine does not stop */
	bool goes_on;	    /* finishes other queued commands after one that failed, as QEMU */
	bool silent_errors; /* no error cause for failed queued commands, as QEMU 7.2 */
	bool no_log;
	uint64_t bad_lba;  /* fails */
	uint8_t bad_error; /* with this error register */
	unsigned bad_times;
	uint32_t failed_tag;
	unsigned resets, reads, writes, queued, fua, flushes, trims, standbys, logs, most;
	uint8_t disk[DISK_BYTES];
} model;

/* As firmware left it. */
void model_start(void);
/* Does what it was told by its registers and lists; whether that was anything. */
bool model_work(void);

uint32_t *model_hba(unsigned offset);
uint32_t *model_port(unsigned number, unsigned offset);
/* The disk's port interrupts, for `cause` (AHCI_PORT_IS), and what came before. */
void model_interrupt(uint32_t cause);

#endif
