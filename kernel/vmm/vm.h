/*
 * A virtual machine: memory, buses, interrupt controllers, vCPUs. It lives for one power cycle,
 * which vm_create.h begins and vm_stop.h ends; what restarts it, and why, is guests/guest.
 */
#ifndef KERNEL_VMM_VM_H
#define KERNEL_VMM_VM_H

#include "kernel/lib/cpumask.h"
#include "kernel/vmm/board.h"
#include "kernel/vmm/vcpu.h"

#define VCPU_MAX 64

struct vioapic;
struct vpic;
struct vpit;

struct vm_params {
	const char *name;
	unsigned vcpu_count;
	uint64_t memory_bytes;
	const uint16_t *pin;	/* vcpu_count CPUs, each owned; or NULL: */
	struct cpumask allowed; /*   shared vCPUs run on these */
	unsigned weight, cap_percent;
	/* Called once when the VM has stopped (all vCPUs parked), from the last vCPU's thread;
	 * must not sleep nor destroy the VM. */
	void (*stopped)(struct vm *vm, void *arg);
	void *arg;
};

/*
 * Locks: `irq_lock` guards vioapic and vpic; it is taken with interrupts off and may be
 * held while a lapic's IRR is set. `stop_lock` guards `stop`. Everything else is fixed once
 * vm_create() returned, or belongs to one vCPU.
 */
struct vm {
	char name[32];
	struct mem_account account;
	struct vm_params params;
	struct gmem gmem;
	struct bus pio, mmio;
	struct board board; /* these, for devices */

	struct spinlock irq_lock;
	struct vioapic *ioapic;
	struct vpic *pic;
	struct vpit *pit;

	unsigned vcpu_count;
	struct vcpu *vcpus[VCPU_MAX];
	_Atomic unsigned running; /* vCPUs not parked */
	_Atomic bool pic_intr;	  /* the 8259 pair's INTR line */
	uint64_t tsc_offset;	  /* guest TSC = CPU 0's + this, and more by vCPU: vtsc.h */
	uint64_t start_ns;	  /* clock_now_ns() at vm_start() */

	struct vcpu_entry entry; /* where vCPU 0 starts */

	struct spinlock stop_lock;
	struct vm_stop stop;
	_Atomic bool stopping, dying;

	void *backend;
};

/* For vcpu_run.c: one of the VM's vCPUs has parked. The last one calls `stopped`. */
void vm_vcpu_parked(struct vm *vm);

#endif
