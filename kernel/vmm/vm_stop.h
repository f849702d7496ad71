/* How a VM's life ends: for whoever ends it, and whoever is told. Implemented by vm.c. */
#ifndef KERNEL_VMM_VM_STOP_H
#define KERNEL_VMM_VM_STOP_H

#include "kernel/lib/types.h"

struct vm;

enum vm_stop_kind {
	VM_STOP_NONE,
	VM_STOP_POWEROFF, /* ACPI S5 */
	VM_STOP_RESET,	  /* 0xcf9, 0x92, i8042, ACPI reset register */
	VM_STOP_EXIT,	  /* debug-exit port, with its status */
	VM_STOP_CRASH,	  /* triple fault, or something that we do not emulate */
	VM_STOP_REQUEST,  /* the operator's */
	VM_STOP_PANIC,	  /* the guest's kernel says that it panicked */
	VM_STOP_WATCHDOG, /* the guest did not serve its watchdog */
};
const char *vm_stop_name(enum vm_stop_kind kind);

/* Whether such an end is none that the guest, or anybody, wanted. */
static inline bool vm_stop_is_crash(enum vm_stop_kind kind)
{
	return kind == VM_STOP_CRASH || kind == VM_STOP_PANIC || kind == VM_STOP_WATCHDOG;
}

#define VM_REASON_BYTES 160

struct vm_stop {
	enum vm_stop_kind kind;
	uint32_t status;	      /* VM_STOP_EXIT: the value the guest wrote */
	char reason[VM_REASON_BYTES]; /* a sentence */
};

/* Ends the VM's life; the first reason counts. Any context; returns at once, `stopped` follows.
 */
void vm_stop(struct vm *vm, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
	printf_like(4, 5);

#endif
