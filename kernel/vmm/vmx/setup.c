/* VMX switched on: by machine, by CPU, and what is written into a VMCS once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/vmx.h"

uint32_t vmx_controls[VMX_CONTROL_SETS], vmx_apic[VMX_CONTROL_SETS];
int vmx_timer;
uint64_t vmx_revision;

/* Bits of CR0 and CR4 that the guest changes without an exit: nothing of ours depends on them,
 * and every CPU with VMX has them. The others differ between what the guest sees and what is
 * (NE, CD, VMXE, MCE), or change more than themselves. */
#define CR0_GUEST_OWNS (CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM)
#define CR4_GUEST_OWNS \
	(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

/* #DB and #AC: see exit.c. #MC is the machine's own. */
#define INTERCEPT_EXCEPTIONS (BIT(VECTOR_DB) | BIT(VECTOR_AC) | BIT(VECTOR_MC))

/* PAUSE loops of 4096 TSC ticks, no more than 128 between two of them, give way. */
#define PAUSE_GAP    128
#define PAUSE_WINDOW 4096

struct choice {
	uint32_t always[VMX_CONTROL_SETS], apic[VMX_CONTROL_SETS];
	int timer;
};

static int choose_timer(const struct choice *choice)
{
	if (!(choice->always[VMX_PIN] & PIN_PREEMPTION_TIMER))
		return -1;
	return vmx_timer_shift(rdmsr(MSR_VMX_MISC), cpu_features.family, cpu_features.model);
}

static int choose(struct choice *choice, char *why, size_t bytes)
{
	static const uint32_t msrs[VMX_CONTROL_SETS] = {
		[VMX_PIN] = MSR_VMX_TRUE_PINBASED, [VMX_PROC] = MSR_VMX_TRUE_PROCBASED,
		[VMX_PROC2] = MSR_VMX_PROCBASED2,  [VMX_EXIT] = MSR_VMX_TRUE_EXIT,
		[VMX_ENTRY] = MSR_VMX_TRUE_ENTRY,
	};
	uint64_t capabilities[VMX_CONTROL_SETS];
	int err = vmx_check_basic(rdmsr(MSR_VMX_BASIC), why, bytes);

	for (unsigned i = 0; !err && i < VMX_CONTROL_SETS; i++) {
		capabilities[i] = rdmsr(msrs[i]);
		err = vmx_adjust(i, capabilities[i], &choice->always[i], why, bytes);
	}
	if (!err) {
		vmx_apic_controls(capabilities, choice->apic);
		choice->timer = choose_timer(choice);
	}
	return err ? err : vmx_check_ept(rdmsr(MSR_VMX_EPT_VPID_CAP), why, bytes);
}

/* SDM vol. 3C 23.7. Firmware that left it unlocked leaves the choice to us. */
static bool locked_off(void)
{
	uint64_t control = rdmsr(MSR_FEATURE_CONTROL);

	return control & FEATURE_CONTROL_LOCKED && !(control & FEATURE_CONTROL_VMX);
}

int vmx_probe(char *why, size_t bytes)
{
	struct choice choice;
	int err;

	if (!cpu_features.vmx) {
		snprintf(why, bytes, "the CPU has no VMX");
		return -ENODEV;
	}
	if (locked_off()) {
		snprintf(why, bytes,
			 "VMX is switched off and locked: enable \"VMX\", \"VT-x\" or "
			 "\"virtualization\" in the firmware's setup");
		return -ENODEV;
	}
	err = choose(&choice, why, bytes);
	if (err)
		return err;
	memcpy(vmx_controls, choice.always, sizeof vmx_controls);
	memcpy(vmx_apic, choice.apic, sizeof vmx_apic);
	vmx_timer = choice.timer;
	vmx_revision = VMX_BASIC_REVISION(rdmsr(MSR_VMX_BASIC));
	if (vmx_maps_init()) {
		snprintf(why, bytes, "no memory for its bitmaps");
		return -ENOMEM;
	}
	vmx_apic_init();
	if (vmx_apic[VMX_PIN])
		log_info("vmx", "the CPU delivers interrupts to guests in x2APIC mode itself");
	return 0;
}

/* A CPU that differs from CPU 0 cannot run what was set up for that one. */
static int check_this_cpu(const struct cpu *cpu)
{
	struct choice choice;
	char why[128];

	if (locked_off()) {
		log_error("vmx", "CPU %u: firmware locked VMX off on this CPU alone",
			  cpu->index);
		return -EPERM;
	}
	if (choose(&choice, why, sizeof why)) {
		log_error("vmx", "CPU %u: %s", cpu->index, why);
		return -EPERM;
	}
	if (memcmp(choice.always, vmx_controls, sizeof vmx_controls) != 0 ||
	    memcmp(choice.apic, vmx_apic, sizeof vmx_apic) != 0 || choice.timer != vmx_timer) {
		log_error("vmx", "CPU %u: its VMX differs from CPU 0's", cpu->index);
		return -EPERM;
	}
	return 0;
}

/* SDM vol. 3C 23.7, 23.8 and 31.5. */
int vmx_cpu_enable(struct cpu *cpu)
{
	struct vmx_cpu *vc = heap_zalloc(sizeof *vc, NULL);
	int err = check_this_cpu(cpu);

	if (err)
		return err;
	if (!vc)
		return -ENOMEM;
	vc->vmxon_phys = frames_alloc(0, NULL);
	if (!vc->vmxon_phys)
		return -ENOMEM;
	*(uint32_t *)directmap(vc->vmxon_phys) = (uint32_t)vmx_revision;
	if (!(rdmsr(MSR_FEATURE_CONTROL) & FEATURE_CONTROL_LOCKED))
		wrmsr(MSR_FEATURE_CONTROL, rdmsr(MSR_FEATURE_CONTROL) | FEATURE_CONTROL_VMX |
						   FEATURE_CONTROL_LOCKED);
	write_cr0((read_cr0() | rdmsr(MSR_VMX_CR0_FIXED0)) & rdmsr(MSR_VMX_CR0_FIXED1));
	write_cr4((read_cr4() | CR4_VMXE | rdmsr(MSR_VMX_CR4_FIXED0)) &
		  rdmsr(MSR_VMX_CR4_FIXED1));
	if (!vmxon(vc->vmxon_phys)) {
		log_error("vmx", "CPU %u: VMXON failed", cpu->index);
		return -EPERM;
	}
	/* What an earlier user of VMX left in the TLB goes (28.3.3.3 and 28.3.3.4: after VMXON,
	 * all contexts). */
	invept(INV_ALL_CONTEXTS, 0);
	invvpid(INV_ALL_CONTEXTS, 0);
	cpu->backend = vc;
	return 0;
}

void vmx_host_state(const struct cpu *cpu)
{
	vmwrite(VMCS_HOST_GS_BASE, (uint64_t)cpu);
	vmwrite(VMCS_HOST_TR_BASE, (uint64_t)cpu->tss);
	vmwrite(VMCS_HOST_GDTR_BASE, (uint64_t)cpu->gdt);
}

/* What is the same on every CPU (SDM vol. 3C 24.5). SYSENTER is not used. */
static void setup_host(void)
{
	vmwrite(VMCS_HOST_IDTR_BASE, idt_base());
	vmwrite(VMCS_HOST_CR0, read_cr0());
	vmwrite(VMCS_HOST_CR4, read_cr4());
	vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmwrite(VMCS_HOST_CS, GDT_CODE);
	vmwrite(VMCS_HOST_TR, GDT_TSS);
	for (unsigned field = VMCS_HOST_SS; field <= VMCS_HOST_GS; field += 2)
		vmwrite(field, GDT_DATA);
	vmwrite(VMCS_HOST_ES, GDT_DATA);
	vmwrite(VMCS_HOST_FS_BASE, 0);
	vmwrite(VMCS_HOST_SYSENTER_CS, 0);
	vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
	vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
	vmwrite(VMCS_HOST_RIP, (uint64_t)vmx_exit);
}

static void setup_controls(struct vcpu *vcpu)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);

	mx->proc =
		vmx_controls[VMX_PROC] & ~(uint32_t)(PROC_INTERRUPT_WINDOW | PROC_NMI_WINDOW |
						     PROC_PAUSE | PROC_MONITOR_TRAP);
	mx->pin = vmx_controls[VMX_PIN] & ~(uint32_t)PIN_PREEMPTION_TIMER;
	vmwrite(VMCS_PIN_CONTROLS, mx->pin);
	vmwrite(VMCS_PROC_CONTROLS, mx->proc);
	mx->proc2 = vmx_controls[VMX_PROC2] & ~(uint32_t)PROC2_PAUSE_LOOP;
	vmwrite(VMCS_PROC2_CONTROLS, mx->proc2);
	vmwrite(VMCS_EXIT_CONTROLS, vmx_controls[VMX_EXIT]);
	vmwrite(VMCS_ENTRY_CONTROLS, vmx_controls[VMX_ENTRY] & ~ENTRY_GUEST_64);
	vmwrite(VMCS_EXCEPTION_BITMAP, INTERCEPT_EXCEPTIONS);
	vmwrite(VMCS_PF_ERROR_MASK, 0);
	vmwrite(VMCS_PF_ERROR_MATCH, 0);
	vmwrite(VMCS_CR3_TARGETS, 0);
	vmwrite(VMCS_EXIT_MSR_STORES, 0);
	vmwrite(VMCS_EXIT_MSR_LOADS, 0);
	vmwrite(VMCS_ENTRY_MSR_LOADS, 0);
	vmwrite(VMCS_IO_BITMAP_A, vmx_io_bitmap_phys);
	vmwrite(VMCS_IO_BITMAP_B, vmx_io_bitmap_phys + PAGE_BYTES);
	vmwrite(VMCS_MSR_BITMAP, vmx_msr_bitmap_phys);
	vmwrite(VMCS_VIRTUAL_APIC, directmap_phys(vlapic_page(vcpu->lapic)));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	vmwrite(VMCS_CR0_MASK, ~CR0_GUEST_OWNS);
	vmwrite(VMCS_CR4_MASK, ~CR4_GUEST_OWNS);
	if (vmx_controls[VMX_PROC2] & PROC2_PAUSE_LOOP) {
		vmwrite(VMCS_PLE_GAP, PAUSE_GAP);
		vmwrite(VMCS_PLE_WINDOW, PAUSE_WINDOW);
	}
}

void vmx_setup_vmcs(struct vcpu *vcpu)
{
	const struct vmx_vcpu *mx = vmx_of(vcpu);

	setup_host();
	setup_controls(vcpu);
	vmwrite(VMCS_EPTP, mx->eptp);
	vmwrite(VMCS_VPID, mx->vpid);
	vmwrite(VMCS_LINK, ~0ull); /* no shadow VMCS (24.4.2) */
	vmwrite(VMCS_GUEST_DEBUGCTL, 0);
}
