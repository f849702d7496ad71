/*
 * What a device of a VM is plugged into: the VM's memory, its buses, its interrupt controllers.
 * All that a device needs to know of the VM, so that none includes vm.h.
 */
#ifndef KERNEL_VMM_BOARD_H
#define KERNEL_VMM_BOARD_H

#include "kernel/vmm/bus.h"
#include "kernel/vmm/gmem.h"
#include "kernel/vmm/irqchip.h"
#include "kernel/vmm/vm_stop.h"

/* A part of struct vm, which lives longer than its devices; fixed once vm_create() returned. */
struct board {
	const char *name;	     /* the guest's, for messages */
	struct mem_account *account; /* whom devices' memory counts for */
	struct gmem *gmem;
	struct bus *pio, *mmio;
	struct irqchip irqs;
	unsigned vcpu_count;
	const _Atomic bool *stopping; /* the VM ends: timers need not be armed again */
	struct vm *vm;		      /* for vm_stop() */
};

#endif
