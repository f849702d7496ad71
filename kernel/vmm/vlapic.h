/*
 * A guest's local APIC, xAPIC and x2APIC (SDM vol. 3A ch. 10). Its registers live in one 4 KiB
 * page laid out as the hardware's, so that a backend can hand that page to the CPU.
 */
#ifndef KERNEL_VMM_VLAPIC_H
#define KERNEL_VMM_VLAPIC_H

#include "kernel/vmm/bus.h"
#include "kernel/vmm/vcpu.h"

#define VLAPIC_DEFAULT_BASE 0xfee00000ull
#define VLAPIC_VERSION	    0x00050014u /* its register: an xAPIC of six LVT entries */

struct vlapic;

struct vlapic *vlapic_create(struct vcpu *vcpu); /* reset; NULL when out of memory */
void vlapic_destroy(struct vlapic *lapic);
/* INIT keeps the mode and the ID. At power-on vCPU 0's is as firmware leaves it: enabled, LINT0
 * ExtINT, LINT1 NMI. Its timer is stopped. On the vCPU's thread, or while that does not run. */
void vlapic_reset(struct vlapic *lapic, bool init);
void *vlapic_page(struct vlapic *lapic); /* the 4 KiB register page */

/* A message on the APIC bus: an IPI, an I/O APIC's, an MSI (SDM vol. 3A 10.6.1, 10.11). */
enum vlapic_delivery {
	LAPIC_FIXED,
	LAPIC_LOWEST,
	LAPIC_SMI,
	LAPIC_NMI = 4,
	LAPIC_INIT,
	LAPIC_SIPI,
	LAPIC_EXTINT
};
struct vlapic_message {
	uint32_t dest;
	bool logical, level_triggered, deassert;
	uint8_t delivery; /* enum vlapic_delivery */
	uint8_t vector;
	uint8_t shorthand; /* 0 none, 1 self, 2 all, 3 all but self; needs `source` */
	struct vcpu *source;
	bool x2apic; /* dest is 32 bits wide */
};
/* Delivers to every vCPU that the message names. Any context. Returns how many took it (0 too
 * where they are disabled). SMI and ExtINT messages have no effect. */
unsigned vlapic_deliver(struct vm *vm, const struct vlapic_message *message);
/* An MSI: address and data as a device writes them. Any context. */
void vlapic_msi(struct vm *vm, uint64_t address, uint32_t data);

/* On the vCPU's thread: the vector to inject now (above PPR), or -1. To be asked before each
 * entry: what the guest itself lets through (EOI, TPR, LVTs) posts no request. */
int vlapic_pending(struct vlapic *lapic);
/* On the vCPU's thread: the class (vector / 16) of an interrupt that TPR alone holds back, or
 * 0. A guest that writes CR8 without an exit must exit once CR8 is less. */
unsigned vlapic_tpr_threshold(struct vlapic *lapic);
/* That vector was injected: from IRR to ISR. */
void vlapic_accept(struct vlapic *lapic, unsigned vector);
/* Whether the 8259's INTR reaches this CPU (LVT LINT0 as ExtINT and unmasked, or APIC off). */
bool vlapic_accepts_extint(const struct vlapic *lapic);

/*
 * Where the CPU itself delivers what is in IRR (VMX with virtual-interrupt delivery). The
 * backend says when: on the vCPU's thread. While it does, vlapic_pending() only tells whether
 * there is something, nothing is to be accepted, and the page's ISR and PPR are the CPU's. EOIs
 * of level-triggered vectors, those set in TMR, must be passed on by vlapic_eoi_broadcast().
 */
bool vlapic_is_x2apic(const struct vlapic *lapic);
bool vlapic_by_hardware(const struct vlapic *lapic);
void vlapic_set_by_hardware(struct vlapic *lapic, bool on);
void vlapic_eoi_broadcast(struct vlapic *lapic, unsigned vector);

uint64_t vlapic_get_cr8(const struct vlapic *lapic);
void vlapic_set_cr8(struct vlapic *lapic, uint64_t value);

/* The guest's TSC has jumped: IA32_TSC_DEADLINE is compared with it anew. On the vCPU's thread.
 */
void vlapic_tsc_moved(struct vlapic *lapic);

/* IA32_APIC_BASE, IA32_TSC_DEADLINE and x2APIC registers 0x800-0x8ff. 0, or -EPERM for #GP. */
bool vlapic_owns_msr(uint32_t msr);
int vlapic_rdmsr(struct vlapic *lapic, uint32_t msr, uint64_t *value);
int vlapic_wrmsr(struct vlapic *lapic, uint32_t msr, uint64_t value);

/* Whether the APIC is enabled by IA32_APIC_BASE: CPUID shows it. */
bool vlapic_is_enabled(const struct vlapic *lapic);
/* Whether it takes interrupts: enabled by that and by software. Else only INIT, NMI, SMI and
 * SIPI reach its vCPU (SDM vol. 3A 10.4.7.2). */
bool vlapic_takes_interrupts(const struct vlapic *lapic);

/* MMIO at VLAPIC_DEFAULT_BASE; only 4-byte aligned registers exist. `device` is unused: the
 * access's vCPU is whose lapic answers. */
void vlapic_mmio(void *device, struct bus_access *access);
/* The same where the guest moved the page to; to be asked before the VM's bus, as a CPU asks
 * its own APIC first. False, with nothing done, where `addr` is not there. On the vCPU's
 * thread. */
bool vlapic_mmio_moved(struct bus_access *access);

#endif
