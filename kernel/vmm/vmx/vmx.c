/*
 * The VMX backend: vCPUs on and off their CPU, entering the guest, events. Exits are translated
 * in exit.c; nothing here decides what an exit means.
 */
#include <errno.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/nested.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/backend.h"
#include "kernel/vmm/vmx/vmx.h"

static unsigned vmx_nested_max_level(void)
{
	return rdmsr(MSR_VMX_EPT_VPID_CAP) & EPT_CAP_1G ? 3 : 2;
}

/* SDM vol. 3C 25.3: each needs a control of its own. */
static unsigned vmx_undefined_in_guests(void)
{
	uint32_t proc2 = vmx_controls[VMX_PROC2];

	return (proc2 & PROC2_RDTSCP ? 0 : (unsigned)BACKEND_NO_RDTSCP) |
	       (proc2 & PROC2_INVPCID ? 0 : (unsigned)BACKEND_NO_INVPCID);
}

static int vmx_vm_init(struct vm *vm)
{
	vm->backend = heap_zalloc(sizeof(struct vmx_vm), &vm->account);
	return vm->backend ? 0 : -ENOMEM;
}

static void vmx_vm_fini(struct vm *vm)
{
	heap_free(vm->backend);
	vm->backend = NULL;
}

static struct vmx_cpu *this_vmx_cpu(void)
{
	return cpu_this()->backend;
}

/* A VMCS may be current on one CPU only, and what that CPU keeps of it is in memory after
 * VMCLEAR alone (SDM vol. 3C 24.1, 24.11.1). */
static void make_current(struct vmx_vcpu *mx)
{
	struct vmx_cpu *vc = this_vmx_cpu();

	if (vc->current == mx)
		return;
	vc->current = mx;
	if (!vmptrld(mx->vmcs_phys))
		panic("VMPTRLD failed");
}

static void clear(struct vmx_vcpu *mx)
{
	struct vmx_cpu *vc = this_vmx_cpu();

	if (!vmclear(mx->vmcs_phys))
		panic("VMCLEAR failed");
	mx->launched = false;
	if (vc->current == mx)
		vc->current = NULL;
}

static int vmx_vcpu_init(struct vcpu *vcpu)
{
	struct mem_account *account = &vcpu->vm->account;
	struct vmx_vcpu *mx = heap_zalloc(sizeof *mx, account);
	uint64_t flags;

	if (!mx)
		return -ENOMEM;
	vcpu->backend = mx;
	mx->vmcs_phys = frames_alloc(0, account);
	mx->vpid = vmx_vpid_alloc();
	if (!mx->vmcs_phys || !mx->vpid)
		return -ENOMEM;
	mx->eptp = vmx_eptp(vcpu->vm->gmem.nested.root_phys);
	*(uint32_t *)directmap(mx->vmcs_phys) = (uint32_t)vmx_revision;
	flags = irq_save();
	clear(mx);
	make_current(mx);
	vmx_setup_vmcs(vcpu);
	clear(mx);
	irq_restore(flags);
	return 0;
}

static void vmx_vcpu_fini(struct vcpu *vcpu)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);

	if (!mx)
		return;
	vmx_vpid_free(mx->vpid);
	if (mx->vmcs_phys)
		frames_free(mx->vmcs_phys, 0, &vcpu->vm->account);
	heap_free(mx);
	vcpu->backend = NULL;
}

/*
 * On a CPU where it did not run last, a vCPU may find mappings under its VPID: its own, from
 * before it changed its page tables elsewhere, or those of the VPID's former owner (SDM vol. 3C
 * 28.3.3.3). And where its VM never ran, mappings under its EPTP may be those of an earlier VM
 * whose root table had the same frame (28.3.3.4).
 */
static void come_to_cpu(struct vcpu *vcpu, struct vmx_cpu *vc)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);
	struct vmx_vm *vm = vcpu->vm->backend;
	const struct cpu *cpu = cpu_this();
	uint64_t bit = BIT(cpu->index % 64);

	mx->cpu = vc;
	vmx_host_state(cpu);
	mx->flush_vpid = true;
	if (!(atomic_fetch_or(&vm->clean[cpu->index / 64], bit) & bit))
		invept(INV_SINGLE_CONTEXT, mx->eptp);
}

static void vmx_load(struct vcpu *vcpu)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);
	struct vmx_cpu *vc = this_vmx_cpu();

	make_current(mx);
	if (mx->cpu != vc)
		come_to_cpu(vcpu, vc);
	vmwrite(VMCS_HOST_CR3, read_cr3());
	vmx_load_registers(mx);
}

/* A vCPU that owns its CPU comes back to it, so its VMCS stays until the end. */
static void vmx_put(struct vcpu *vcpu)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);

	vmx_save_registers(mx);
	if (!vcpu->vm->params.pin || atomic_load(&vcpu->vm->dying))
		clear(mx);
}

static void flush(struct vmx_vcpu *mx)
{
	if (atomic_exchange(&mx->flush_ept, false))
		invept(INV_SINGLE_CONTEXT, mx->eptp);
	if (mx->flush_vpid)
		invvpid(INV_SINGLE_CONTEXT, mx->vpid);
	mx->flush_vpid = false;
}

/* With an interrupt shadow, the single-step trap of the instruction that casts it is pending;
 * the entry insists on it (SDM vol. 3C 26.3.1.5). */
static void keep_single_step(void)
{
	if (vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
		vmwrite(VMCS_GUEST_PENDING_DEBUG,
			vmread(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

static void write_controls(struct vmx_vcpu *mx, uint32_t threshold)
{
	uint32_t proc = mx->proc & ~(uint32_t)(PROC_INTERRUPT_WINDOW | PROC_NMI_WINDOW |
					       PROC_MONITOR_TRAP);

	proc |= mx->windows;
	mx->windows = 0;
	if (unlikely(proc != mx->proc))
		vmwrite(VMCS_PROC_CONTROLS, mx->proc = proc);
	if (unlikely(threshold != mx->tpr_threshold))
		vmwrite(VMCS_TPR_THRESHOLD, mx->tpr_threshold = threshold);
}

/* The timer counts while the guest runs, and is set at each entry, so that what we do meanwhile
 * counts as well (SDM vol. 3C 25.5.1, 26.7.4). A vCPU whose slice never ends has none. */
static void set_slice_timer(struct vmx_vcpu *mx)
{
	uint64_t end = thread_slice_end_tsc();
	bool on = end != UINT64_MAX;

	if (unlikely(on != !!(mx->pin & PIN_PREEMPTION_TIMER)))
		vmwrite(VMCS_PIN_CONTROLS, mx->pin ^= PIN_PREEMPTION_TIMER);
	if (unlikely(on))
		vmwrite(VMCS_PREEMPTION_TIMER, vmx_timer_value(end, rdtsc(), vmx_timer));
}

static bool vmx_ends_slices(void)
{
	return vmx_timer >= 0;
}

static void vmx_enter(struct vcpu *vcpu, struct vmexit *exit)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);
	uint64_t cr8 = vlapic_get_cr8(vcpu->lapic);
	bool failed;

	if (unlikely(vlapic_is_x2apic(vcpu->lapic) != mx->apic) && vmx_apic[VMX_PIN])
		vmx_apic_switch(vcpu, !mx->apic);
	if (unlikely(mx->flush_vpid || atomic_load(&mx->flush_ept)))
		flush(mx);
	if (unlikely(vcpu->rflags & RFLAGS_TF))
		keep_single_step();
	if (mx->apic)
		vmx_apic_enter(vcpu);
	if (vmx_timer >= 0)
		set_slice_timer(mx);
	write_controls(mx, mx->apic ? 0 : vlapic_tpr_threshold(vcpu->lapic));
	vmwrite(VMCS_GUEST_RSP, vcpu->regs[RSP]);
	vmwrite(VMCS_GUEST_RIP, vcpu->rip);
	vmwrite(VMCS_GUEST_RFLAGS, vcpu->rflags);
	if (unlikely(read_cr2() != mx->cr2))
		write_cr2(mx->cr2);

	failed = vmx_run(vcpu, mx->launched);

	mx->cr2 = read_cr2();
	vcpu->regs[RSP] = vmread(VMCS_GUEST_RSP);
	vcpu->rip = vmread(VMCS_GUEST_RIP);
	vcpu->rflags = vmread(VMCS_GUEST_RFLAGS);
	/* The guest wrote CR8 into the lapic's page, which is its virtual-APIC page. */
	if (unlikely(vlapic_get_cr8(vcpu->lapic) != cr8) && !mx->apic)
		vlapic_set_cr8(vcpu->lapic, vlapic_get_cr8(vcpu->lapic));
	vmx_translate_exit(vcpu, exit, failed);
}

static void vmx_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	(void)vcpu;
	vmwrite(VMCS_TSC_OFFSET, offset);
}

/* Where the CPU can tell a loop of PAUSE from one, only loops exit (SDM vol. 3C 25.1.3). */
static void vmx_intercept_pause(struct vcpu *vcpu, bool on)
{
	struct vmx_vcpu *mx = vmx_of(vcpu);
	if (vmx_controls[VMX_PROC2] & PROC2_PAUSE_LOOP) {
		mx->proc2 = on ? mx->proc2 | PROC2_PAUSE_LOOP
			       : mx->proc2 & ~(uint32_t)PROC2_PAUSE_LOOP;
		vmwrite(VMCS_PROC2_CONTROLS, mx->proc2);
		return;
	}
	mx->proc = on ? mx->proc | PROC_PAUSE : mx->proc & ~(uint32_t)PROC_PAUSE;
	vmwrite(VMCS_PROC_CONTROLS, mx->proc);
}

/* What the vCPU's CPU has goes at the next entry; what others still have of the VM's tables,
 * when one of its vCPUs comes to them (SDM vol. 3C 28.3.3.4: entries that were present have
 * changed). */
static void vmx_flush_nested(struct vcpu *vcpu)
{
	struct vmx_vm *vm = vcpu->vm->backend;

	for (unsigned i = 0; i < ARRAY_SIZE(vm->clean); i++)
		atomic_store(&vm->clean[i], 0);
	atomic_store(&vmx_of(vcpu)->flush_ept, true);
}

const struct vmm_backend vmx_backend = {
	.name = "VMX",
	.probe = vmx_probe,
	.cpu_enable = vmx_cpu_enable,
	.undefined_in_guests = vmx_undefined_in_guests,
	.nested_format = &pt_format_ept,
	.nested_max_level = vmx_nested_max_level,
	.vm_init = vmx_vm_init,
	.vm_fini = vmx_vm_fini,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_fini = vmx_vcpu_fini,
	.load = vmx_load,
	.put = vmx_put,
	.enter = vmx_enter,
	.can_inject = vmx_can_inject,
	.request_window = vmx_request_window,
	.inject = vmx_inject,
	.clear_interrupt_shadow = vmx_clear_interrupt_shadow,
	.get_reg = vmx_get_reg,
	.set_reg = vmx_set_reg,
	.get_segment = vmx_get_segment,
	.set_segment = vmx_set_segment,
	.get_state = vmx_get_state,
	.set_state = vmx_set_state,
	.cpl = vmx_cpl,
	.set_table = vmx_set_table,
	.set_tsc_offset = vmx_set_tsc_offset,
	.intercept_pause = vmx_intercept_pause,
	.ends_slices = vmx_ends_slices,
	.flush_nested = vmx_flush_nested,
	.post_interrupt = vmx_post_interrupt,
	.lapic_sync = vmx_lapic_sync,
};
