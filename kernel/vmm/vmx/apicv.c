/*
 * Interrupts that the CPU delivers to the guest itself (SDM vol. 3C ch. 29), while the guest is
 * in x2APIC mode: they are posted without an exit, and EOI, TPR and most reads of APIC
 * registers need none. In xAPIC mode, and on CPUs without all of this, the core injects and the
 * lapic emulates.
 */
#include "kernel/cpu/apic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/vmx.h"

#define POSTED_ON BIT(0) /* there is something, and whoever set this has sent the interrupt */

/* Offsets in the virtual-APIC page (table 29-1 of SDM vol. 3C 29.1.1); 8 words, 16 bytes apart.
 */
#define PAGE_ISR 0x100
#define PAGE_TMR 0x180
#define PAGE_IRR 0x200

static _Atomic uint32_t *word_at(struct vcpu *vcpu, unsigned bank, unsigned word)
{
	return (_Atomic uint32_t *)((char *)vlapic_page(vcpu->lapic) + bank + 16 * word);
}

/* The interrupt came while its vCPU was on the way in or out: it looks at the descriptor. */
static void on_posted(unsigned vector, void *arg)
{
	(void)vector;
	(void)arg;
}

void vmx_apic_init(void)
{
	trap_register(VECTOR_POSTED, on_posted, NULL);
}

/* As vcpu_post(): either we see in_guest and interrupt, which the CPU takes as "look at the
 * descriptor" without an exit, or the vCPU looks before it enters. */
bool vmx_post_interrupt(struct vcpu *vcpu, unsigned vector)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);

	if (!atomic_load(&mx->apic))
		return false;
	atomic_fetch_or(&mx->posted.vectors[vector / 64], BIT(vector % 64));
	if (atomic_fetch_or(&mx->posted.control, POSTED_ON) & POSTED_ON)
		return true;
	if (!atomic_load(&vcpu->in_guest))
		thread_wake(vcpu->thread);
	else if (atomic_load(&vcpu->cpu) != cpu_this()->index)
		apic_send_ipi(cpus[atomic_load(&vcpu->cpu)]->apic_id, VECTOR_POSTED);
	return true;
}

/* What the CPU does on that interrupt in guest mode (29.6). */
void vmx_lapic_sync(struct vcpu *vcpu)
{
	struct vmx_posted *posted = &vmx_of(vcpu)->posted;

	if (!(atomic_load(&posted->control) & POSTED_ON))
		return;
	atomic_fetch_and(&posted->control, ~POSTED_ON);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t vectors = atomic_exchange(&posted->vectors[i], 0);

		if ((uint32_t)vectors)
			atomic_fetch_or(word_at(vcpu, PAGE_IRR, 2 * i), (uint32_t)vectors);
		if (vectors >> 32)
			atomic_fetch_or(word_at(vcpu, PAGE_IRR, 2 * i + 1),
					(uint32_t)(vectors >> 32));
	}
}

static unsigned highest(struct vcpu *vcpu, unsigned bank)
{
	for (unsigned word = 8; word-- > 0;) {
		uint32_t bits =
			atomic_load_explicit(word_at(vcpu, bank, word), memory_order_relaxed);

		if (bits)
			return word * 32 + 31 - (unsigned)__builtin_clz(bits);
	}
	return 0;
}

/* EOIs of level-triggered vectors exit, since the I/O APIC waits for them (24.6.8). */
static void update_eoi_exits(struct vcpu *vcpu)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);

	for (unsigned i = 0; i < 4; i++) {
		uint64_t level = *word_at(vcpu, PAGE_TMR, 2 * i) |
				 (uint64_t)*word_at(vcpu, PAGE_TMR, 2 * i + 1) << 32;

		if (unlikely(level != mx->eoi_exits[i]))
			vmwrite(VMCS_EOI_EXIT + 2 * i, mx->eoi_exits[i] = level);
	}
}

/* The page is the truth; the CPU's notes of the highest vectors requested and in service
 * (24.4.2) are made from it. */
void vmx_apic_enter(struct vcpu *vcpu)
{
	vmx_lapic_sync(vcpu);
	update_eoi_exits(vcpu);
	vmwrite(VMCS_GUEST_INTERRUPT_STATUS,
		highest(vcpu, PAGE_ISR) << 8 | highest(vcpu, PAGE_IRR));
}

void vmx_apic_switch(struct vcpu *vcpu, bool on)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);
	uint32_t exit = vmx_controls[VMX_EXIT];

	vmwrite(VMCS_POSTED_VECTOR, VECTOR_POSTED);
	vmwrite(VMCS_POSTED_DESCRIPTOR, directmap_phys(&mx->posted));
	/* What a new VMCS holds is not said (24.11.3); update_eoi_exits() writes changes alone.
	 */
	for (unsigned i = 0; i < ARRAY_SIZE(mx->eoi_exits); i++)
		vmwrite(VMCS_EOI_EXIT + 2 * i, mx->eoi_exits[i]);
	mx->pin = on ? mx->pin | vmx_apic[VMX_PIN] : mx->pin & ~vmx_apic[VMX_PIN];
	vmwrite(VMCS_PIN_CONTROLS, mx->pin);
	vmwrite(VMCS_EXIT_CONTROLS, on ? exit | vmx_apic[VMX_EXIT] : exit);
	mx->proc2 = on ? mx->proc2 | vmx_apic[VMX_PROC2] : mx->proc2 & ~vmx_apic[VMX_PROC2];
	vmwrite(VMCS_PROC2_CONTROLS, mx->proc2);
	vmwrite(VMCS_MSR_BITMAP, on ? vmx_msr_bitmap_apic_phys : vmx_msr_bitmap_phys);
	if (!on)
		vmx_lapic_sync(vcpu);
	atomic_store(&mx->apic, on);
	vlapic_set_by_hardware(vcpu->lapic, on);
}
