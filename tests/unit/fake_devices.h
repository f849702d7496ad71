/* What legacy devices need beside fake_vmm: the wall clock, and the end of the VM's life. */
#ifndef TESTS_UNIT_FAKE_DEVICES_H
#define TESTS_UNIT_FAKE_DEVICES_H

#include "tests/unit/fake_vmm.h"

/* 2024-02-28 23:59:50 UTC, a Wednesday: the wall clock when fake_now_ns is 0. */
#define FAKE_WALL_SECONDS 1709164790ull

extern int64_t fake_wall_shift_ns;	 /* added to the wall clock: somebody set it */
extern enum vm_stop_kind fake_stop_kind; /* of the last vm_stop(); VM_STOP_NONE: none yet */
extern uint32_t fake_stop_status;
extern char fake_stop_reason[VM_REASON_BYTES];

/* A VM with one vCPU and 512 MiB, not stopped; its clock at 0. */
struct vm *fake_machine_create(void);

/* The guest's IN and OUT of one byte. */
static inline uint8_t fake_in(struct vm *vm, uint16_t port)
{
	return fake_read(vm, &vm->pio, port, 1);
}

static inline void fake_out(struct vm *vm, uint16_t port, uint8_t value)
{
	fake_write(vm, &vm->pio, port, 1, value);
}

#endif
