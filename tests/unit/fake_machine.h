/*
 * A machine around a VM that really runs: memory that can be short, frames, one CPU's threads
 * with their state switched, kicks, and a guest's script to run. For programs that link the
 * core's run loop; what the guest runs on is the backend's.
 */
#ifndef TESTS_UNIT_FAKE_MACHINE_H
#define TESTS_UNIT_FAKE_MACHINE_H

#include "kernel/vmm/vm_create.h"
#include "tests/unit/model_guest.h"

/* Allocations of any kind until one fails; 0: none does. */
extern unsigned fake_fail_at;
extern unsigned fake_allocations; /* so far */
extern unsigned fake_frames_alive;
/* From here on, what is allocated and not freed is noted; fake_forget() frees it, for code that
 * keeps what it has when it fails, since the machine will not go on. */
void fake_remember(void);
void fake_forget(void);

extern unsigned fake_kicks, fake_ipis, fake_looks, fake_traps_taken;
extern void (*fake_on_ipi)(unsigned vector);
extern unsigned fake_stopped; /* calls of params.stopped */
extern unsigned fake_populates;
extern void (*fake_on_populate)(void);
extern int fake_populate_result; /* of gmem_populate(); fake_machine_reset() takes the next */
extern int fake_populate_next;
/* Counters and models as at the start. */
void fake_machine_reset(void);

/* A VM of so many vCPUs with a backend that was chosen before; NULL where it fails. */
struct vm *machine_create(const char *name, unsigned vcpus, const uint16_t *pin);
/* Starts it with model_entry() and runs all threads until none is left to run. */
void machine_run(struct vm *vm);
/* It has stopped: frees it. */
void machine_destroy(struct vm *vm);
/* Start to end of a guest of one vCPU, which ends by M_END, with this trace. */
void machine_trace(const struct model_insn *script, const char *trace);

#endif
