/*
 * A virtual machine: memory, buses, interrupt controllers, vCPUs, and its one life from start
 * to stop. It lives for one power cycle; what restarts it, and why, is guests/guest.
 */
#ifndef KERNEL_VMM_VM_H
#define KERNEL_VMM_VM_H

#include "kernel/lib/cpumask.h"
#include "kernel/vmm/bus.h"
#include "kernel/vmm/gmem.h"
#include "kernel/vmm/vcpu.h"

#define VCPU_MAX 64

struct vioapic;
struct vpic;
struct vpit;

/* How a VM's life ended. */
enum vm_stop_kind {
	VM_STOP_NONE,
	VM_STOP_POWEROFF, /* ACPI S5 */
	VM_STOP_RESET,	  /* 0xcf9, 0x92, i8042, ACPI reset register */
	VM_STOP_EXIT,	  /* debug-exit port, with its status */
	VM_STOP_CRASH,	  /* triple fault, or something that we do not emulate */
	VM_STOP_REQUEST,  /* the operator's */
};
const char *vm_stop_name(enum vm_stop_kind kind);

#define VM_REASON_BYTES 160

struct vm_stop {
	enum vm_stop_kind kind;
	uint32_t status;	      /* VM_STOP_EXIT: the value the guest wrote */
	char reason[VM_REASON_BYTES]; /* a sentence */
};

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

/* Picks the backend that this machine has. Once, on CPU 0. 0 or -ENODEV, with the reason
 * logged. */
int vmm_init(const struct vmm_backend *const *candidates, unsigned count);
/* Then, on each CPU, before it runs threads. 0, -ENOMEM, -EPERM, -ENODEV without a backend. */
int vmm_init_this_cpu(void);

/* Prepares everything that can fail: memory, tables, interrupt controllers, vCPUs (parked),
 * their threads. NULL, with the reason logged under the guest's name. Thread context. */
struct vm *vm_create(const struct vm_params *params);
/* vCPU 0 starts as `entry` says (copied), the others wait for SIPI. Cannot fail. */
void vm_start(struct vm *vm, const struct vcpu_entry *entry);
/* Frees all. The VM must have stopped or never started. Thread context; may sleep. */
void vm_destroy(struct vm *vm);

/* Ends the VM's life; the first reason counts. Any context; returns at once, `stopped` follows.
 */
void vm_stop(struct vm *vm, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
	printf_like(4, 5);

/* For vcpu.c: one of the VM's vCPUs has parked. The last one calls `stopped`. */
void vm_vcpu_parked(struct vm *vm);

/* An interrupt line, to the 8259 pair and to the I/O APIC: 0-15 ISA, 16-23 PCI, whose wires
 * share the IRQs of vpic_pci_irq(). Level of the wire as the device drives it: true asserted.
 * Any context. */
void vm_irq_line(struct vm *vm, unsigned gsi, bool level);

#endif
