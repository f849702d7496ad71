/*
 * What the pieces of the hostile guest share: random numbers, addresses, and bytes that hurt
 * only others, if anybody. What an operation is and when they end is hostile.c's.
 *
 * Memory: below 8 MiB are the program and what it needs to live. From there on, chunks of
 * 2 MiB: the even ones come and go with the balloon, and hold data and code; the odd ones hold
 * data, the first of them rings alone. Nothing random is written to the first and last 64 KiB
 * of a chunk: code is at the end of the even ones, and what catches who runs on from there at
 * the begin of the odd ones.
 */
#ifndef TESTS_GUEST_HOSTILE_HOSTILE_H
#define TESTS_GUEST_HOSTILE_HOSTILE_H

#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/traps.h"

#define CHUNK		0x200000ull
#define CHUNK_FIRST	4u
#define CHUNK_LAST	15u
#define RAM_BYTES	(32ull << 20)
#define CHUNK_EDGE	0x10000u
#define CODE_PLACE	0x8000u /* from a chunk's end: the code of CPU 0; 4 KiB for each */

#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA	0x10
#define SELECTOR_CODE32 0x18
#define SELECTOR_CODE16 0x20
#define SELECTOR_TSS	0x28
#define SELECTORS_END	0x88

/* One of `count`; one in `n`. */
unsigned random_below(unsigned count);
bool one_in(unsigned n);
uint64_t random64(void);

/* A number of the kind that limits are made of: small, a power of two or one less, all ones, or
 * anything. */
uint64_t odd_number(void);

/* Any number none of whose bytes has 4, 5 or 6 in its low bits: written to an interrupt's
 * message in whatever pieces, it asks for no INIT, SIPI or NMI. Those have operations of their
 * own, that know who can stand them. */
uint64_t harmless(uint64_t value);

uint64_t play_address(void); /* of memory to write to, 64 KiB of it */
uint64_t any_address(void);  /* for devices: that, or whatever is not the program */
uint64_t
device_address(void); /* for this CPU: where registers are, or nothing is, below 4 GiB */

/* Puts this CPU's registers in order, whatever was done to them. */
void cpu_orderly(void);
/* Its local APIC: on, in xAPIC mode, where it was. */
void apic_orderly(void);
/* Lets interrupts in for an instant; whatever comes is taken and counted. */
void irq_window(bool sleep);
/* For a CPU that has nothing to do any more. */
void irq_window_stays(void);

/* Taken or not; who is started anew gives back what it had, by the pieces' _release(). */
bool lock_try(volatile unsigned *lock);
void lock_give(volatile unsigned *lock);

/* Operations. */
void op_instruction(void);
void op_compatibility(void);
void op_control_register(void);
void op_debug_register(void);
void op_msr(void);
void op_system_call(void);
void op_segment(void);
void op_port(void);
void op_port_string(void);
void op_device_memory(void);
void op_pci(void);
void op_bar(void);
void op_apic(void);
void op_apic_mode(void);
void op_ioapic(void);
void op_ipi(void);
void op_start(void);
void op_virtio(void);
void op_window(void);

void instructions_prepare(void);
void pci_prepare(void);
void virtio_prepare(void);
void start_prepare(unsigned cpus);
void virtio_release(void);
void start_release(void);
void lock_give_mine(volatile unsigned *lock);
/* Starts a CPU that makes no progress; CPU 0 calls it. */
void start_again(unsigned cpu);
/* Where a CPU is to go on that was torn out of whatever it was at, with an empty stack. It does
 * not return. */
void torn_out(void);
/* Sends CPU 0, which makes no progress, an NMI that tears it out; the frame tells where it
 * stood. */
void rescue(void);
extern struct frame stood_at;
/* How often a CPU was torn out as it had strayed: an exception outside of all operations, and
 * of the program. */
extern volatile unsigned strays;
/* How PCI was at first: function, memory and BARs on. */
void pci_orderly(unsigned slot);
/* Chains that devices have served so far. */
extern volatile uint64_t virtio_served;

#endif
