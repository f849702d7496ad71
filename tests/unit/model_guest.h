/*
 * A guest's CPU as the architecture has it: runs a script of instructions, takes what is
 * injected through its "IDT", and writes down in which order what happened. Whether an
 * instruction exits, and what is checked at entry, is the fake VMCS's, VMCB's or backend's that
 * drives it.
 */
#ifndef TESTS_UNIT_MODEL_GUEST_H
#define TESTS_UNIT_MODEL_GUEST_H

#include "kernel/vmm/vm.h"

enum model_op {
	M_END,	/* the guest is stopped */
	M_NOTE, /* the character `a` into the trace */
	M_STI,
	M_CLI,
	M_MOV_SS,
	M_IRET,
	M_STEP_IRET, /* IRET that leaves TF clear */
	M_SKIP_IRET, /* IRET to the instruction behind the one that faulted */
	M_HLT,
	M_PAUSE,
	M_CPUID, /* leaf a, subleaf b; EAX into `result` */
	M_RDMSR, /* a; into `result` */
	M_WRMSR, /* a: MSR, b: value */
	M_OUT,	 /* a: port, b: value, bytes: 1, 2, 4 */
	M_IN,	 /* a: port; RAX into `result` */
	M_INS,
	M_XSETBV, /* a: value, b: ECX */
	M_MOV_CR, /* a: number, b: value */
	M_LMSW,	  /* a: value */
	M_VMCALL,
	M_WBINVD,
	M_MONITOR,
	M_UNDEFINED, /* RSM */
	M_TOUCH,     /* a: GPA, b: enum vmexit_access, or with MODEL_WALK */
	M_RAISE,     /* a: vector, b: error code where there is one: an exception of its own */
	M_ICEBP,
	M_SHUTDOWN,
	M_TASK_SWITCH,
	M_INIT,	     /* INIT comes to the CPU */
	M_STRANGE,   /* an exit that nobody knows */
	M_HOST,	     /* calls `call`: others do something while it runs */
	M_INTERRUPT, /* a host interrupt */
	M_HOST_NMI,
	M_MACHINE_CHECK,
	M_SET_FPU, /* all components to a */
	M_FPU,	   /* fails unless they are that; 0: initial */
	M_SET_DR,  /* DR0 to DR3 from a on */
	M_DR,
	M_XCR0,			/* fails unless it is a */
	M_CR2,			/* fails unless it is a */
	M_TSC_AUX,		/* the same: RDTSCP's ECX */
	M_MSR_IS,		/* MSR a is b, without an exit */
	M_MSR_BECOMES,		/* WRMSR that needs no exit */
	M_NEXT_DELIVERY_FAULTS, /* the stack is at a, which is not mapped */
	M_JUMP,			/* back by `a` instructions */
	M_SET_TF,
};
#define MODEL_WALK BIT(8)

struct model_insn {
	enum model_op op;
	uint64_t a, b;
	unsigned bytes;
	void (*call)(void);
};

#define MODEL_CODE   0x100000ull /* linear address of the boot processor's script */
#define MODEL_STRIDE 16		 /* from one instruction to the next */
#define MODEL_LENGTH 4		 /* bytes of each */
#define MODEL_TRACE  512

struct model {
	struct vcpu *vcpu;
	uint64_t rip, rflags, cs_base, cr0;
	bool by_sti, by_mov_ss; /* the next instruction is in an interrupt shadow */
	bool in_nmi;		/* NMIs are blocked */
	bool host_interrupt, host_nmi, init, machine_check;
	uint64_t delivery_fault; /* GPA, or 0 */
	uint64_t result;
	unsigned frames, entries;
	struct {
		uint64_t rip, rflags;
	} frame[16];
	char trace[MODEL_TRACE];
};

extern struct model models[8]; /* by vCPU's number */
extern bool model_unreadable;  /* nobody can read instructions */

/* The script of vCPU 0, those of application processors started at `vector`, and handlers. */
void model_reset(void);
void model_script(const struct model_insn *script);
void model_ap_script(uint8_t vector, const struct model_insn *script);
void model_handler(unsigned vector, const struct model_insn *script);
struct model *model_of(struct vcpu *vcpu);

/* The vCPU's own state at the start: 64-bit mode at MODEL_CODE, interrupts off. */
struct vcpu_entry model_entry(void);

/* What comes next at RIP; fails where RIP is not at an instruction's start or end. */
const struct model_insn *model_next(struct model *m);
/* Its bytes, for who reads them. */
unsigned model_bytes(struct model *m, uint8_t *buf, unsigned bytes);
/* What it needs in general registers before it exits. */
void model_registers(struct model *m, const struct model_insn *insn);
/* Runs an instruction that does not exit. */
void model_execute(struct model *m, const struct model_insn *insn);
/* Through the IDT. Fails where the CPU would not have taken it now. False where the delivery
 * faults: `delivery_fault` is where, and cleared. */
bool model_deliver(struct model *m, enum vmevent_kind kind, unsigned vector, bool has_error,
		   uint32_t error, uint64_t *fault);
/* Ends the program, saying why: on a thread's stack a test cannot fail otherwise. */
noreturn void model_fail(const char *fmt, ...) printf_like(1, 2);
/* Writes to the trace. */
void model_note(struct model *m, const char *fmt, ...) printf_like(2, 3);

#endif
