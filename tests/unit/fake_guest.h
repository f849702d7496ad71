/*
 * What guests/guest stands on, for its tests: a clock that goes on when all threads sleep, VMs
 * that run nothing, consoles, the log. Threads are fake_threads'. How a VM is prepared and
 * taken apart is the test's own: launch_prepare() and launch_release().
 */
#ifndef TESTS_UNIT_FAKE_GUEST_H
#define TESTS_UNIT_FAKE_GUEST_H

#include "guests/devices/pm.h"
#include "guests/guest/snapshot.h"
#include "guests/launch/launch.h"
#include "kernel/sched/thread.h"

extern uint64_t fake_guest_now_ns;
extern bool fake_guest_hears_button, fake_guest_crash_kernel;
/* The power button: how all guests take it, how often it was pressed, and whether it is kept.
 */
extern enum pm_listener fake_guest_listener;
extern unsigned fake_guest_presses;
extern bool fake_guest_kept;
extern char fake_guest_log[512];  /* the last line */
extern unsigned fake_guest_held;  /* allocations, VMs and consoles that are there */
extern unsigned fake_guest_fails; /* the n-th of what can fail does; 0: none */

extern uint64_t fake_guest_free_bytes; /* of the guest pool; only tests count */

/* What the last VM has of the CPUs, and how often it was changed; consoles that were hidden,
 * and joined to no UART any more. */
extern struct thread_share fake_guest_share;
extern unsigned fake_guest_shares, fake_guest_hidden, fake_guest_unjoined;

/* VMs stop as soon as they are told to; else only with fake_guest_park(). */
extern bool fake_guest_obeys;
/* What is done when a VM starts, after it was counted. NULL: nothing. */
extern void (*fake_guest_on_start)(struct vm *vm);
extern unsigned fake_guest_starts;

/* Runs all threads until they sleep; and further, until they do so for ever. */
void fake_guest_run(void);
void fake_guest_run_on(void);
/* The same up to a time. */
void fake_guest_run_until(uint64_t ns);

/* A VM for launch_prepare() or vm_create(), and its end. NULL: out of memory. */
struct vm *fake_guest_vm(const char *name, void (*stopped)(struct vm *vm, void *arg),
			 void *arg);
void fake_guest_vm_free(struct vm *vm);

/* It ends by itself; its last vCPU parks. */
void fake_guest_end(struct vm *vm, enum vm_stop_kind kind);
void fake_guest_park(struct vm *vm);

/* Adds a guest, with a handle, and looks at one. */
struct guest *fake_guest_add(const char *name, const struct guest_config *like);
const struct guest_view *fake_guest_info(struct guest *guest);
static inline enum guest_state fake_guest_state(struct guest *guest)
{
	return guest_state(guest);
}

/* Removes all guests and frees what is left of them. */
void fake_guest_remove_all(void);

#endif
