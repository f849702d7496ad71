/*
 * What VMX and SVM promise the neutral core, and the neutral record of an exit. The core
 * knows no vendor: it picks one `struct vmm_backend` at start and calls it.
 */
#ifndef KERNEL_VMM_BACKEND_H
#define KERNEL_VMM_BACKEND_H

#include "kernel/lib/types.h"

struct vm;
struct vcpu;
struct cpu;
struct pt_format;

enum vmexit_reason {
	VMEXIT_UNKNOWN = 0,    /* the backend does not know it: ends the guest */
	VMEXIT_HOST_INTERRUPT, /* a host interrupt or NMI is pending; it is taken on return */
	VMEXIT_INTERRUPT_WINDOW,
	VMEXIT_NMI_WINDOW,
	VMEXIT_CPUID,
	VMEXIT_HLT,
	VMEXIT_PAUSE,
	VMEXIT_IO,
	VMEXIT_RDMSR,
	VMEXIT_WRMSR,
	VMEXIT_HYPERCALL,    /* VMCALL, VMMCALL */
	VMEXIT_NESTED_FAULT, /* EPT violation or misconfiguration, #NPF */
	VMEXIT_XSETBV,
	VMEXIT_CR_WRITE, /* MOV to CR0/CR4, LMSW, CLTS where the backend intercepts them */
	/* SGDT, SIDT, SLDT, STR, SMSW, MOV from CR0/CR4 where the backend intercepts them: to
	 * be emulated. */
	VMEXIT_SYSTEM_READ,
	VMEXIT_CACHE,	/* INVD, WBINVD */
	VMEXIT_MONITOR, /* MONITOR, MWAIT */
	VMEXIT_RDPMC,
	VMEXIT_UNDEFINED, /* an instruction that this CPU model does not have: #UD */
	VMEXIT_TASK_SWITCH,
	VMEXIT_TRIPLE_FAULT,
	VMEXIT_INIT,
	VMEXIT_SLICE,	       /* VMX preemption timer */
	VMEXIT_BUS_LOCK,       /* nothing else happened than exit->bus_lock says */
	VMEXIT_INVALID_STATE,  /* the CPU refused the guest's state; why is in the log */
	VMEXIT_SOFT_INTERRUPT, /* INT3, INT n, INTO: on QEMU's TCG, where code may be stale */
	VMEXIT_VENDOR,	       /* finished inside the backend; nothing left to do */
	VMEXIT_REASONS,
};
const char *vmexit_name(enum vmexit_reason reason);

/* As the exit qualification has it (SDM vol. 3C table 27-2). */
enum vmexit_task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE /* of the IDT */ };

enum vmexit_access { VMEXIT_READ = 1, VMEXIT_WRITE = 2, VMEXIT_FETCH = 4 };

/* Filled by the backend on each exit, with interrupts off: from the CPU's own registers and
 * control structures, never from the guest's memory, which may have to be populated. Only the
 * members that `reason` names are valid. */
struct vmexit {
	enum vmexit_reason reason;
	bool bus_lock;		/* the guest has locked the bus, or is about to */
	uint8_t insn_length;	/* of the exiting instruction; 0: the CPU does not say */
	uint8_t insn_available; /* bytes in insn[] that the CPU gave; 0: none */
	uint8_t insn[15];
	union {
		struct { /* VMEXIT_IO. IN/OUT only say so much; INS/OUTS go to the emulator. */
			uint16_t port;
			uint8_t bytes; /* 1, 2, 4 */
			bool in, string, rep;
		} io;
		struct { /* VMEXIT_NESTED_FAULT */
			uint64_t gpa;
			uint8_t access;	  /* enum vmexit_access */
			bool during_walk; /* on a guest page table, not the final address */
		} fault;
		struct { /* VMEXIT_CR_WRITE */
			/* The CPU does not say: insn_cr_write() reads the instruction. */
			bool unknown;
			uint8_t cr;
			uint64_t value; /* what the guest wants in it */
		} cr;
		/* VMEXIT_TASK_SWITCH. The event that came through a gate, unless it was an
		 * instruction, is in vcpu->event; insn_length is 0 with it. */
		struct {
			uint16_t selector; /* of the new TSS */
			uint8_t source;	   /* enum vmexit_task_source */
		} task;
	};
	uint64_t raw_code, raw_info[2]; /* the vendor's own words, for the log */
};

enum vmevent_kind {
	VMEVENT_NONE,
	VMEVENT_INTERRUPT,
	VMEVENT_NMI,
	VMEVENT_EXCEPTION,
	VMEVENT_SOFT
};

/* Something to deliver through the guest's IDT at the next entry. */
struct vmevent {
	enum vmevent_kind kind;
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint64_t cr2;	     /* for #PF: set at delivery */
	uint8_t insn_length; /* for VMEVENT_SOFT: of the INT n that is delivered again */
};

enum vcpu_seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* attributes: bits 0-7 and 12-15 of a descriptor's second word at 0-7 and 8-11, as the VMCB
 * has them (APM vol. 2 15.5.1): type 0-3, S 4, DPL 5-6, P 7, AVL 8, L 9, D/B 10, G 11. */
struct vcpu_segment {
	uint16_t selector, attributes;
	uint32_t limit;
	uint64_t base;
};
#define SEG_ATTR_LONG BIT(9)
#define SEG_ATTR_DB   BIT(10)

enum vcpu_gpr {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R9,
	R10,
	R11,
	R12,
	R13,
	R14,
	R15,
	GPR_COUNT
};

/* Registers the core asks a backend for one at a time (the GPRs, RIP and RFLAGS are in
 * struct vcpu, valid between exits). */
enum vcpu_reg {
	REG_CR0,
	REG_CR2,
	REG_CR3,
	REG_CR4,
	REG_EFER,
	REG_DR6,
	REG_DR7,
	REG_STAR,
	REG_LSTAR,
	REG_CSTAR,
	REG_SFMASK,
	REG_KERNEL_GS_BASE,
	REG_FS_BASE,
	REG_GS_BASE,
	REG_SYSENTER_CS,
	REG_SYSENTER_ESP,
	REG_SYSENTER_EIP,
	REG_PAT,
	REG_COUNT,
};

/* All of a vCPU's architectural state that is not in struct vcpu, its lapic, or XSAVE. */
struct vcpu_state {
	uint64_t regs[REG_COUNT];
	struct vcpu_segment segs[SEG_COUNT];
	struct {
		uint64_t base;
		uint16_t limit;
	} gdtr, idtr;
};

#define BACKEND_NO_RDTSCP  BIT(0) /* RDTSCP and RDPID */
#define BACKEND_NO_INVPCID BIT(1)

struct vmm_backend {
	const char *name; /* "SVM", "VMX" */

	/* Whether this machine can: 0, or -ENODEV with a sentence for the user in `why`. */
	int (*probe)(char *why, size_t bytes);
	/* Enables the extension on the calling CPU. 0, -ENOMEM, or -EPERM where firmware locked
	 * it off (logged). Thread context on that CPU. */
	int (*cpu_enable)(struct cpu *cpu);
	/* Whether a guest may come to harm on this CPU; NULL: on none. Asked once all run. */
	bool (*shuns_cpu)(unsigned cpu);
	/* Optional. Instructions that the CPU has and that are #UD in guests: BACKEND_NO_*
	 * bits. Asked once, after probe(). */
	unsigned (*undefined_in_guests)(void);
	/* Whether guests have CR4.UMIP on CPUs without it, too. */
	bool emulates_umip;
	/* Nested page tables' format, and the largest leaf level. */
	const struct pt_format *nested_format;
	unsigned (*nested_max_level)(void);

	/* Per-VM and per-vCPU control structures. 0 or -ENOMEM; the fini calls accept what an
	 * init left half done. Thread context. */
	int (*vm_init)(struct vm *vm);
	void (*vm_fini)(struct vm *vm);
	int (*vcpu_init)(struct vcpu *vcpu);
	void (*vcpu_fini)(struct vcpu *vcpu);

	/* Called with interrupts off when the vCPU's thread gets or loses its CPU. */
	void (*load)(struct vcpu *vcpu);
	void (*put)(struct vcpu *vcpu);

	/* Runs the guest until it exits. Interrupts off before and after; a host interrupt that
	 * caused the exit is still pending. vcpu->regs, rip and rflags are in and out. An event
	 * whose delivery the exit interrupted is left in vcpu->event, to be injected again. */
	void (*enter)(struct vcpu *vcpu, struct vmexit *exit);

	/* Whether such an event could be delivered right now (RFLAGS.IF, interrupt shadow, NMI
	 * blocking); if not, request_window makes the CPU exit as soon as it can. */
	bool (*can_inject)(struct vcpu *vcpu, enum vmevent_kind kind);
	void (*request_window)(struct vcpu *vcpu, enum vmevent_kind kind);
	/* Sets the event for the next entry; at most one per entry. */
	void (*inject)(struct vcpu *vcpu, const struct vmevent *event);
	/* The instruction was emulated: STI and MOV SS no longer hold interrupts back. */
	void (*clear_interrupt_shadow)(struct vcpu *vcpu);

	/* Between exits, on the vCPU's own thread. set_reg takes only values that the core has
	 * checked. set_state loads everything, as after reset. */
	uint64_t (*get_reg)(struct vcpu *vcpu, enum vcpu_reg reg);
	void (*set_reg)(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
	void (*get_segment)(struct vcpu *vcpu, enum vcpu_seg seg, struct vcpu_segment *out);
	void (*set_segment)(struct vcpu *vcpu, enum vcpu_seg seg,
			    const struct vcpu_segment *in);
	void (*get_state)(struct vcpu *vcpu, struct vcpu_state *out);
	void (*set_state)(struct vcpu *vcpu, const struct vcpu_state *in);
	unsigned (*cpl)(struct vcpu *vcpu);
	/* Loads the IDTR, or else the GDTR. */
	void (*set_table)(struct vcpu *vcpu, bool idt, uint64_t base, uint16_t limit);

	/* guest TSC = host TSC + offset. */
	void (*set_tsc_offset)(struct vcpu *vcpu, uint64_t offset);
	/* Exit on PAUSE (or on PAUSE loops where the CPU can tell): for vCPUs that share CPUs.
	 */
	void (*intercept_pause)(struct vcpu *vcpu, bool on);
	/* Optional. Whether enter() exits with VMEXIT_SLICE once thread_slice_end_tsc() has
	 * come, on every CPU: then no other timer is set for it. */
	bool (*ends_slices)(void);
	/* Nested translations of the VM changed on this CPU's or another's behalf: this vCPU
	 * must not use an old one at its next entry. Any context. */
	void (*flush_nested)(struct vcpu *vcpu);

	/* Optional. post_interrupt delivers a fixed interrupt without an exit (posted
	 * interrupts, AVIC): true when done; any context. lapic_sync moves what was posted and
	 * not yet delivered into the vlapic page's IRR; on the vCPU's thread, and called only
	 * after vlapic_set_by_hardware(). */
	bool (*post_interrupt)(struct vcpu *vcpu, unsigned vector);
	void (*lapic_sync)(struct vcpu *vcpu);
};

extern const struct vmm_backend *vmm_backend; /* set once by vmm_init() */

#endif
