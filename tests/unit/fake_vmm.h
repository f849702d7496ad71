/*
 * The hypervisor around an interrupt controller under test: a clock that stands still until
 * told, a timer queue, a VM without guest. Not for threads: nothing here is concurrent.
 */
#ifndef TESTS_UNIT_FAKE_VMM_H
#define TESTS_UNIT_FAKE_VMM_H

#include "kernel/vmm/vm.h"

#define FAKE_TSC_PER_NS 2

extern uint64_t fake_now_ns;
extern uint64_t fake_late_ns;	 /* how late timers' functions run */
extern unsigned fake_timer_runs; /* functions called so far */
extern unsigned fake_log_lines;
extern unsigned fake_heap_left; /* allocations that heap_zalloc() still grants */
#define FAKE_HEAP_ALL 1000000000u
extern unsigned fake_irq_rises[24]; /* of lines, through the VM's board */
extern bool fake_irq_level[24];

/* MSIs sent through its board: how many, and the last of them by number. */
#define FAKE_MESSAGES 64
struct fake_message {
	uint64_t address;
	uint32_t data;
};
extern struct fake_message fake_messages[FAKE_MESSAGES];
extern unsigned fake_message_count;

/* A VM with a board and so many vCPUs, none of which has a lapic; the clock at `now_ns`. */
struct vm *fake_vm_create(unsigned vcpus, uint64_t now_ns);
void fake_vm_destroy(struct vm *vm); /* everything in it is gone already */

/* Time passes: runs the timers' functions that fall due on the way. */
void fake_run_until(uint64_t ns);
unsigned fake_timers_armed(void);
/* Runs the function of the timer that is due next, now: as if it had been on its way already
 * when somebody moved the timer. */
void fake_run_early(void);

/* What the guest does, through the bus. */
uint64_t fake_read(struct vm *vm, struct bus *bus, uint64_t addr, unsigned bytes);
void fake_write(struct vm *vm, struct bus *bus, uint64_t addr, unsigned bytes, uint64_t value);

/* xorshift64*; the same sequence for the same seed. */
uint64_t fake_random(uint64_t *state);

#endif
