/*
 * A virtual CPU: its registers, and the requests that others post to it. Its run loop is
 * vcpu_run.h, its lapic vlapic.h; its control structures belong to the backend.
 */
#ifndef KERNEL_VMM_VCPU_H
#define KERNEL_VMM_VCPU_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#include "kernel/cpu/msr.h"
#include "kernel/lib/bucket.h"
#include "kernel/vmm/backend.h"

struct mem_account;
struct thread;
struct vlapic;
struct vm;

enum vcpu_run_state {
	VCPU_RUNNING,
	VCPU_HALTED,	/* in HLT: until an interrupt */
	VCPU_WAIT_SIPI, /* after INIT: until a SIPI */
	VCPU_PARKED,	/* the VM is stopping, or not started: does nothing */
};

/* Bits of vcpu->requests. Posted by anyone with vcpu_post(), taken by the vCPU's thread. */
enum vcpu_request {
	VCPU_REQ_NMI = 1, /* by vcpu_post_nmi(), which counts them */
	VCPU_REQ_INIT = 2,
	VCPU_REQ_SIPI = 4,   /* with vcpu->sipi_vector */
	VCPU_REQ_STOP = 8,   /* look at vm->stopping: park */
	VCPU_REQ_START = 16, /* unpark: vCPU 0 runs, others wait for SIPI */
	VCPU_REQ_IRQ =
		32, /* something about interrupts changed: look at the lapic and the PIC */
	VCPU_REQ_CLOCK = 64, /* a TSC of the VM was moved: write the clock page anew */
	VCPU_REQ_LOOK = 128, /* see whether it takes interrupts */
};

struct vcpu_counters { /* written by the vCPU's thread, read by anyone */
	_Atomic uint64_t exits[VMEXIT_REASONS];
	_Atomic uint64_t injected[VMEVENT_SOFT + 1];
	_Atomic uint64_t msr_unknown_reads, msr_unknown_writes, mmio_emulated, halts,
		pages_populated;
};

/* What vcpu_look.c keeps. Zeroed: nothing was seen. */
struct vcpu_look {
	/* The vCPU thread's; others may read the atomics. */
	_Atomic bool off;	 /* the last look found interrupts off */
	_Atomic bool halted;	 /* and it found it in HLT */
	_Atomic uint64_t off_ns; /* for so long every look has found the same */
	uint64_t since_ns;	 /* off: its time, below, at the first of these looks */
	uint64_t injected;	 /* interrupts that it had taken by then */

	/* Whoever asks: one thread at a time. */
	uint64_t exits_asked; /* exits that it had had by then */
};

struct vcpu {
	/* First, at fixed offsets for the backends' entry.S. Valid between exits. */
	uint64_t regs[GPR_COUNT];
	uint64_t rip, rflags;

	struct vm *vm;
	unsigned id; /* index in vm->vcpus, and local APIC ID */
	void *backend;
	struct vlapic *lapic;
	struct thread *thread;

	/* The vCPU thread's own. */
	enum vcpu_run_state state;
	struct vmevent event; /* to be delivered at the next entry; kind NONE: nothing */
	bool held; /* an interrupt was acknowledged, but its delivery has not begun: it is */
	uint8_t held_vector; /* the next to go in. A backend says so after an exit. */
	struct vmexit exit;
	struct bucket bus_locks; /* what it may still do: bus_lock.h */
	uint8_t nmis_pending;	 /* 2 at most: see take_nmis() */
	uint64_t xcr0;		 /* while not loaded */
	uint64_t tsc_aux;
	uint64_t dr[4];		  /* DR0-DR3 while not loaded */
	struct vcpu_msrs *msrs;	  /* kernel/vmm/msr's own */
	void *xsave;		  /* guest's XSAVE area while not loaded */
	uint64_t pvclock;	  /* MSR_KVM_SYSTEM_TIME as last written */
	uint32_t pvclock_version; /* of the page it points to; even */

	uint64_t tsc_seen;	      /* the guest's TSC when the vCPU left its CPU */
	_Atomic uint64_t tsc_adjust;  /* IA32_TSC_ADJUST; written by its thread, vtsc.c's */
	_Atomic uint32_t requests;    /* enum vcpu_request */
	_Atomic uint32_t nmis_posted; /* since they were looked at last */
	_Atomic uint8_t sipi_vector;
	_Atomic bool in_guest; /* between the last look at requests and the exit */
	_Atomic unsigned cpu;  /* CPU it was loaded on last */

	struct vcpu_counters counters;
	struct vcpu_look look;
};

_Static_assert(offsetof(struct vcpu, rip) == 128, "entry.S");

/* All registers of a vCPU that starts. */
struct vcpu_entry {
	struct vcpu_state state;
	uint64_t regs[GPR_COUNT];
	uint64_t rip, rflags;
};

/* Sets request bits and makes the vCPU look at them soon: leaves guest mode, wakes from HLT.
 * Any context. */
void vcpu_post(struct vcpu *vcpu, uint32_t requests);
/* An interrupt was put into the vCPU's lapic. Any context. */
static inline void vcpu_kick(struct vcpu *vcpu)
{
	vcpu_post(vcpu, VCPU_REQ_IRQ);
}
void vcpu_post_nmi(struct vcpu *vcpu);
void vcpu_post_sipi(struct vcpu *vcpu, uint8_t vector); /* ignored unless waiting for it */

/* The state after RESET or INIT (SDM vol. 3A table 9-1): real mode at the reset vector, or, for
 * INIT, as that table's INIT column. On the vCPU's thread. */
void vcpu_reset(struct vcpu *vcpu, bool init);

/* XCR0. It is the CPU's while the vCPU is loaded; what is set has been checked. On the vCPU's
 * thread. */
uint64_t vcpu_get_xcr0(void);
void vcpu_set_xcr0(struct vcpu *vcpu, uint64_t value);
/* PKRU of the vCPU that is loaded, on its thread; only where the CPU has protection keys. */
uint32_t vcpu_get_pkru(void);

/* DR0 to DR3. They are the CPU's while the vCPU is loaded. On the vCPU's thread. */
void vcpu_set_debug_addresses(struct vcpu *vcpu, const uint64_t dr[4]);
/* The vCPU comes to this CPU: vcpu->dr go into it. Interrupts off. */
void vcpu_load_debug_addresses(const struct vcpu *vcpu);

/* Whether code in a segment like this runs in 64-bit mode. L alone does not say so: legacy mode
 * ignores it (SDM vol. 3A 3.4.5; APM vol. 2 4.8.1). On the vCPU's thread. */
static inline bool vcpu_is_64bit(struct vcpu *vcpu, const struct vcpu_segment *cs)
{
	return cs->attributes & SEG_ATTR_LONG &&
	       vmm_backend->get_reg(vcpu, REG_EFER) & EFER_LMA;
}

#endif
