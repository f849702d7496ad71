/* What the files of the VMX backend share. Nobody outside this folder includes it; the core
 * knows `vmx_backend` alone. */
#ifndef KERNEL_VMM_VMX_VMX_H
#define KERNEL_VMM_VMX_VMX_H

#include "kernel/vmm/backend.h"
#include "kernel/vmm/vcpu.h"
#include "kernel/vmm/vmx/caps.h"

/* MSRs of the guest that VMX does not switch and the hypervisor does not use: they are in the
 * CPU while the vCPU is loaded. */
enum vmx_loaded_msr {
	LOADED_STAR,
	LOADED_LSTAR,
	LOADED_CSTAR,
	LOADED_SFMASK,
	LOADED_KERNEL_GS_BASE,
	LOADED_MSRS
};

/* One CPU's. Touched by that CPU alone. */
struct vmx_cpu {
	uint64_t vmxon_phys;
	struct vmx_vcpu *current; /* whose VMCS VMREAD and VMWRITE reach */
};

/* One VM's: on which CPUs nothing is cached that EPT tables of an earlier VM said. */
struct vmx_vm {
	_Atomic uint64_t clean[CPU_MAX / 64];
};

/* The posted-interrupt descriptor (SDM vol. 3C table 29-1): written by anyone, by atomics, and
 * by the CPU. */
struct vmx_posted {
	_Atomic uint64_t vectors[4];
	_Atomic uint64_t control;
	uint64_t reserved[3];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct vmx_posted) == 64, "SDM vol. 3C table 29-1");

/* One vCPU's. Touched by its own thread while loaded; `posted` and `flush_ept` by anyone. The
 * heap aligns it. */
struct vmx_vcpu {
	struct vmx_posted posted;
	_Atomic bool apic;     /* the CPU delivers its interrupts */
	uint64_t eoi_exits[4]; /* in the VMCS */
	uint64_t vmcs_phys, eptp;
	uint16_t vpid;
	bool launched;	     /* since VMCLEAR: VMRESUME, not VMLAUNCH */
	struct vmx_cpu *cpu; /* where it ran last: host state and VPID are that CPU's */
	bool flush_vpid;
	_Atomic bool flush_ept;
	uint32_t pin;		      /* pin-based controls in the VMCS */
	uint32_t proc, windows;	      /* processor-based controls in the VMCS; what to add */
	uint32_t proc2;		      /* secondary ones in the VMCS */
	uint32_t tpr_threshold;	      /* in the VMCS */
	uint64_t cr2, dr6;	      /* CR2 between exits, DR6 while not loaded */
	uint64_t loaded[LOADED_MSRS]; /* while not loaded */
};

static inline struct vmx_vcpu *vmx_of(struct vcpu *vcpu)
{
	return (struct vmx_vcpu *)vcpu->backend;
}

/* As adjusted to CPU 0: always on, and on while the CPU delivers a vCPU's interrupts. */
extern uint32_t vmx_controls[VMX_CONTROL_SETS], vmx_apic[VMX_CONTROL_SETS];

extern int vmx_timer; /* vmx_timer_shift() of CPU 0; -1: slices end by the scheduler's timer */

/* entry.S. */
int vmx_run(struct vcpu *vcpu, bool launched);
extern char vmx_exit[];

/* The VMCS's exit fields to the neutral record; keeps an interrupted event in vcpu->event.
 * `failed`: the instruction that enters failed by itself. */
void vmx_translate_exit(struct vcpu *vcpu, struct vmexit *exit, bool failed);

/* setup.c: whether this machine can, VMX on the calling CPU, and a new vCPU's VMCS, which is
 * current and cleared before: all that no exit and no guest changes. vmx_host_state: what
 * differs between CPUs, for the calling one. */
int vmx_probe(char *why, size_t bytes);
int vmx_cpu_enable(struct cpu *cpu);
void vmx_setup_vmcs(struct vcpu *vcpu);
void vmx_host_state(const struct cpu *cpu);
extern uint64_t vmx_revision;

/* state.c: the guest's registers, in the VMCS and out of it. */
uint64_t vmx_get_reg(struct vcpu *vcpu, enum vcpu_reg reg);
void vmx_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
void vmx_get_segment(struct vcpu *vcpu, enum vcpu_seg seg, struct vcpu_segment *out);
void vmx_set_segment(struct vcpu *vcpu, enum vcpu_seg seg, const struct vcpu_segment *in);
void vmx_get_state(struct vcpu *vcpu, struct vcpu_state *out);
void vmx_set_state(struct vcpu *vcpu, const struct vcpu_state *in);
unsigned vmx_cpl(struct vcpu *vcpu);
void vmx_set_table(struct vcpu *vcpu, bool idt, uint64_t base, uint16_t limit);
void vmx_load_registers(struct vmx_vcpu *mx); /* those that are not in the VMCS */
void vmx_save_registers(struct vmx_vcpu *mx);

/* events.c: what struct vmm_backend says of them. */
bool vmx_can_inject(struct vcpu *vcpu, enum vmevent_kind kind);
void vmx_request_window(struct vcpu *vcpu, enum vmevent_kind kind);
void vmx_inject(struct vcpu *vcpu, const struct vmevent *event);
void vmx_clear_interrupt_shadow(struct vcpu *vcpu);

/* MSR and I/O bitmaps: everything intercepted but what is listed. 0 or -ENOMEM. */
int vmx_maps_init(void);
extern uint64_t vmx_msr_bitmap_phys, vmx_io_bitmap_phys;
extern uint64_t vmx_msr_bitmap_apic_phys; /* while the CPU delivers interrupts */

/*
 * apicv.c: posted interrupts, virtual-interrupt delivery and APIC registers without exits,
 * where the CPU has all of it and the guest is in x2APIC mode. vmx_apic_enter: before each
 * entry of such a vCPU, interrupts off.
 */
void vmx_apic_init(void);
void vmx_apic_switch(struct vcpu *vcpu, bool on);
void vmx_apic_enter(struct vcpu *vcpu);
bool vmx_post_interrupt(struct vcpu *vcpu, unsigned vector);
void vmx_lapic_sync(struct vcpu *vcpu);

/* A VPID that no other vCPU has, or 0 when there is none. Any context. */
uint16_t vmx_vpid_alloc(void);
void vmx_vpid_free(uint16_t vpid);

#endif
