/*
 * What a guest program says, and how it ends. A program is a function test(), run on the boot
 * processor in 64-bit mode, all memory below 4 GiB mapped one to one, interrupts off, the 8259
 * pair masked and at vectors 0x20-0x2f, the local APIC on. When it returns, the program ends by
 * the debug-exit port with status 0 if every check() held and there was one, else 1.
 */
#ifndef TESTS_GUEST_LIB_TEST_H
#define TESTS_GUEST_LIB_TEST_H

#include "tests/guest/lib/cpu.h"

void test(void);

/* %[0][width][l](d u x) %s %c %%; whole lines of several CPUs do not mix. */
__attribute__((format(printf, 1, 2))) void print(const char *fmt, ...);

/* Says `PASS name`, or `FAIL name: reason`. Returns `ok`. */
__attribute__((format(printf, 3, 4))) bool check(bool ok, const char *name, const char *why,
						 ...);
/* Says `PASS name`: for checks that fail by never coming here. */
void reached(const char *name);
/* Says `SKIP name: reason`: this machine has not what the check is about. */
void skip(const char *name, const char *why);

/* Ends the program now. */
_Noreturn void finish(void);
/* Ends the program now, as failed, with a reason. */
__attribute__((format(printf, 1, 2))) _Noreturn void give_up(const char *why, ...);

/* Whether this is Bulkhead (its CPUID says KVM), and not an emulator that runs the program for
 * itself: checks of its policy ask first. */
bool hypervisor_is_ours(void);

/* How often a race between CPUs is run to be lost, if it can be: `rounds`; fewer on Intel's
 * CPUs, whose emulator (Bochs) lets one go after the other. */
unsigned race_rounds(unsigned rounds);

/* A pseudorandom number; each CPU has a sequence of its own, the same in every run. */
uint32_t random32(void);

extern const char image_start[], image_end[];
extern uint64_t multiboot_info; /* address of the loader's structure */

/* For a CPU that was torn out of whatever it did, or started anew: it says no line any more. */
void line_let_go(void);

#endif
