/*
 * An NVMe controller for tests of the driver: it follows the driver's queues and PRPs in
 * memory, moves the data, and fails in the ways that a test asks for. With fake_block.
 */
#ifndef TESTS_UNIT_FAKE_NVME_H
#define TESTS_UNIT_FAKE_NVME_H

#include "drivers/block/nvme/spec.h"

#define MODEL_ENTRIES 16 /* of a queue, at most */
#define DISK_BYTES    (8 * MIB)
#define SHIFT	      9

extern struct model {
	_Alignas(PAGE_BYTES) uint32_t registers[2 * PAGE_BYTES / 4];
	struct model_queue {
		struct nvme_command *commands;
		volatile struct nvme_completion *completions;
		uint32_t entries, sq_head, cq_tail;
		uint16_t phase;
		unsigned vector;
	} queues[3];		       /* 0: admin */
	unsigned namespaces, features; /* how many there are; ONCS */
	uint8_t data_shift, metadata, mdts;

	/* What it does wrong. */
	bool gone, deaf, mute, stuck;
	uint16_t status; /* of I/O commands, */
	unsigned bad;	 /* as many */

	/* The answer of that number to an admin command is what; 0: all are good. */
	enum model_answer { ANSWER_ERROR = 1, ANSWER_NONE, ANSWER_GONE } bad_answer;
	unsigned bad_answer_at, answers;
	bool late_answers; /* each is preceded by one to a command that nobody waits for */

	/* What it was asked. */
	unsigned enabled, reads, writes, fua, flushes, discards, zeroes, aborts, shutdowns;
	uint32_t last_namespace;
	uint8_t disk[DISK_BYTES];
} model;

/* As it is after power-on, with one namespace. */
void model_start(void);
/* Does what it was told by its registers and queues; whether that was anything. */
bool model_work(void);
uint32_t *model_doorbell(unsigned queue);

#endif
