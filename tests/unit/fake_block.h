/*
 * The kernel around a disk driver under test: a clock that moves when somebody sleeps, timers,
 * memory at addresses that the test can follow, a PCI function, and the log's last line. The
 * controller itself is the test's: fake_hardware is called whenever time passes. With
 * fake_threads.
 */
#ifndef TESTS_UNIT_FAKE_BLOCK_H
#define TESTS_UNIT_FAKE_BLOCK_H

#include "drivers/bus/pci.h"
#include "kernel/io/blkdev.h"

#define FAKE_VECTORS 4

extern uint64_t fake_now_ns;
extern unsigned fake_warnings, fake_errors, fake_sleeps;
extern char fake_line[512];	    /* the last that was logged */
extern bool (*fake_hardware)(void); /* whether it did anything; NULL: none */
/* Called whenever the clock is read, for drivers that wait by looking; it may not interrupt. */
extern void (*fake_polled)(void);

extern struct pci_device fake_pci;
extern volatile void *fake_registers; /* of any BAR */
extern unsigned fake_vectors;	      /* that the function has */
extern bool fake_pin, fake_master;

/* Everything that a driver asks of the kernel and that may fail is counted: memory, frames,
 * mappings, interrupts, threads. The call of that number fails; 0: none. */
extern unsigned fake_calls, fake_fail_at;
/* Counts such a call, of a test's own part of the kernel; whether it shall fail. */
bool fake_fails(void);
extern unsigned fake_allocated; /* pieces of the heap and frames that are not given back */

/* Everything as at the start of a test. */
void fake_block_start(void);
/* Time passes: the hardware works, timers fire, threads run. */
void fake_pass(uint64_t ns);
/* Calls the handler of a vector, if one is connected; whether it had anything to do. */
bool fake_interrupt(unsigned vector);

/* A request of one to three segments with memory of its own, filled with a pattern when
 * written; fake_result() is 1 until it is done. */
struct fake_request {
	struct blk_request io;
	struct io_segment segments[3];
	uint8_t *data;
	int result;
};
/* `sizes` end with 0. The first segment begins `offset` bytes into a page, the others at the
 * beginning of one. */
struct fake_request *fake_request_make(enum blk_op op, uint64_t at, unsigned offset,
				       const uint32_t sizes[4]);
void fake_request_free(struct fake_request *r);
/* Byte number `i` of its segments. */
uint8_t *fake_request_byte(struct fake_request *r, uint64_t i);

#endif
