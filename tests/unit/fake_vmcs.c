/* See fake_vmcs.h. Regions and fields; what an entry is refused for is fake_vmcs_rules.c, what
 * follows it fake_vmcs_run.c. */
#include "tests/unit/fake_vmcs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/cpu/traps.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/vmm.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/backend.h"
#include "kernel/vmm/vmx/vmx.h"
#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_vmcs_internal.h"
#include "tests/unit/fake_vmcs_rules.h"

#define REVISION 4u
#define VMCSES	 16
#define TLB	 16

uint32_t fake_vmx_refuse_reason, fake_vmx_refuse_error;
uint32_t fake_vmx_refuse_reason_next, fake_vmx_refuse_error_next;
uint64_t fake_vmx_refuse_qualification;
unsigned fake_vmx_entry_length;
unsigned fake_vmx_invept, fake_vmx_invvpid, fake_vmx_timer_insns;

static struct vmcs vmcses[VMCSES];

/* What a CPU may have cached: under a VPID whose, under an EPTP of which VM. */
static struct {
	const struct vcpu *vpid[TLB];
	struct {
		uint64_t eptp;
		const struct vm *vm;
		bool stale;
	} ept[TLB];
} tlb[FAKE_CPUS];

/* ---- VMX as such ---- */

static uint64_t capability(uint32_t must, uint64_t may)
{
	return (may | must) << 32 | must;
}

void fake_vmx_msrs(const struct fake_vmx *can)
{
	uint64_t pin = PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI;
	uint64_t proc2 = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED;

	if (can->timer)
		pin |= PIN_PREEMPTION_TIMER;
	if (can->apic) {
		pin |= PIN_POSTED_INTERRUPTS;
		proc2 |= PROC2_X2APIC | PROC2_APIC_REGISTERS | PROC2_VIRTUAL_DELIVERY;
	}
	if (can->pause_loop)
		proc2 |= PROC2_PAUSE_LOOP;
	if (can->optional)
		proc2 |= PROC2_RDTSCP | PROC2_WBINVD | PROC2_INVPCID;
	fake_msr(MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX);
	fake_msr(MSR_VMX_BASIC,
		 REVISION | 1024ull << 32 | 6ull << 50 | VMX_BASIC_TRUE_CONTROLS);
	fake_msr(MSR_VMX_MISC, 0x7004c1e5);
	fake_msr(MSR_VMX_CR0_FIXED0, 0x80000021);
	fake_msr(MSR_VMX_CR0_FIXED1, 0xffffffff);
	fake_msr(MSR_VMX_CR4_FIXED0, 0x2000);
	fake_msr(MSR_VMX_CR4_FIXED1, 0x3767ff);
	fake_msr(MSR_VMX_EPT_VPID_CAP, 0xf0106334141);
	fake_msr(MSR_VMX_PROCBASED2, capability(0, proc2));
	fake_msr(MSR_VMX_TRUE_PINBASED, capability(0x16, pin));
	fake_msr(MSR_VMX_TRUE_PROCBASED, capability(0x04006172, 0xfff9fffe));
	fake_msr(MSR_VMX_TRUE_EXIT, capability(0x36dfb, 0x7fffff));
	fake_msr(MSR_VMX_TRUE_ENTRY, capability(0x11fb, 0xffff));
}

void fake_vmx_start(const struct fake_vmx *can)
{
	const struct vmm_backend *backends[] = {&vmx_backend};

	memset(vmcses, 0, sizeof vmcses);
	memset(tlb, 0, sizeof tlb);
	fake_vmx_refuse_reason = fake_vmx_refuse_reason_next;
	fake_vmx_refuse_error = fake_vmx_refuse_error_next;
	fake_vmx_invept = fake_vmx_invvpid = fake_vmx_timer_insns = 0;
	fake_on_ipi = fake_vmcs_on_ipi;
	fake_vmx_msrs(can);
	assert_int_equal(vmm_init(backends, 1), 0);
	for (unsigned i = FAKE_CPUS; i-- > 0;) {
		fake_cpu_use(i);
		assert_int_equal(vmm_init_this_cpu(), 0);
		assert_true(fake_cpu->vmx_on);
	}
}

void fake_vmx_stop(void)
{
	for (unsigned i = 0; i < FAKE_CPUS; i++) {
		struct vmx_cpu *vc = fake_cpus[i].cpu.backend;

		frames_free(vc->vmxon_phys, 0, NULL);
		heap_free(vc);
	}
	frames_free(vmx_msr_bitmap_phys, 0, NULL);
	frames_free(vmx_msr_bitmap_apic_phys, 0, NULL);
	frames_free(vmx_io_bitmap_phys, 1, NULL);
	fake_on_ipi = NULL;
}

static bool is_region(uint64_t phys)
{
	return phys && IS_ALIGNED(phys, PAGE_BYTES) &&
	       *(const uint32_t *)directmap(phys) == REVISION;
}

/* SDM vol. 3C 23.8 and chapter 30, VMXON. */
bool vmxon(uint64_t phys)
{
	uint64_t cr0 = fake_cpu->cr0, cr4 = fake_cpu->cr4;

	if (fake_cpu->vmx_on || !is_region(phys))
		return false;
	rule((cr0 & 0x80000021) == 0x80000021 && cr4 & BIT(13), "VMXON raises #GP: CR0 or CR4");
	rule((rdmsr(MSR_FEATURE_CONTROL) & 5) == 5, "VMXON raises #GP: IA32_FEATURE_CONTROL");
	return fake_cpu->vmx_on = true;
}

static struct vmcs *find(uint64_t phys)
{
	for (unsigned i = 0; i < VMCSES; i++)
		if (vmcses[i].phys == phys)
			return &vmcses[i];
	return NULL;
}

bool vmclear(uint64_t phys)
{
	struct vmcs *v = find(phys);

	if (!is_region(phys) || !fake_cpu->vmx_on)
		return false;
	if (!v) {
		v = find(0);
		*v = (struct vmcs){.phys = phys};
		memset(v->fields, 0xa5, sizeof v->fields); /* nothing is said of them */
	}
	rule(!v->cpu || v->cpu == fake_cpu, "VMCLEAR of a VMCS that another CPU has");
	v->launched = false;
	v->cpu = NULL;
	if (fake_cpu->current_vmcs == v)
		fake_cpu->current_vmcs = NULL;
	return true;
}

bool vmptrld(uint64_t phys)
{
	struct vmcs *v = find(phys);

	if (!is_region(phys) || !fake_cpu->vmx_on || !v)
		return false;
	rule(!v->cpu || v->cpu == fake_cpu, "VMPTRLD of a VMCS that another CPU has");
	v->cpu = fake_cpu;
	fake_cpu->current_vmcs = v;
	return true;
}

static uint64_t *place(struct vmcs *v, unsigned field)
{
	unsigned index = field >> 1 & 0x1ff, kind = field >> 10 & 3, width = field >> 13;

	rule(v, "no VMCS is current");
	rule(index < 32 && width < 4 && !(field & 1), "a field that is not there");
	return &v->fields[(width * 4 + kind) * 32 + index];
}

static uint64_t width_mask(unsigned field)
{
	static const uint64_t masks[] = {0xffff, UINT64_MAX, 0xffffffff, UINT64_MAX};

	return masks[field >> 13 & 3];
}

uint64_t vmread(unsigned field)
{
	return *place(fake_cpu->current_vmcs, field) & width_mask(field);
}

void vmwrite(unsigned field, uint64_t value)
{
	rule((field >> 10 & 3) != 1, "VMWRITE to a read-only field");
	*place(fake_cpu->current_vmcs, field) = value & width_mask(field);
}

void fake_vmcs_put(unsigned field, uint64_t value)
{
	*place(fake_cpu->current_vmcs, field) = value;
}

uint64_t fake_vmcs_field(struct vcpu *vcpu, unsigned field)
{
	return *place(find(vmx_of(vcpu)->vmcs_phys), field);
}

void fake_vmcs_set(struct vcpu *vcpu, unsigned field, uint64_t value)
{
	*place(find(vmx_of(vcpu)->vmcs_phys), field) = value;
}

void invept(enum inv_type type, uint64_t eptp)
{
	unsigned cpu = fake_cpu->cpu.index;

	fake_vmx_invept++;
	for (unsigned i = 0; i < TLB; i++)
		if (type == INV_ALL_CONTEXTS || tlb[cpu].ept[i].eptp == eptp)
			tlb[cpu].ept[i].eptp = 0;
}

void invvpid(enum inv_type type, uint16_t vpid)
{
	unsigned cpu = fake_cpu->cpu.index;

	fake_vmx_invvpid++;
	if (type == INV_ALL_CONTEXTS) {
		memset(tlb[cpu].vpid, 0, sizeof tlb[cpu].vpid);
		return;
	}
	rule(vpid, "INVVPID of VPID 0");
	tlb[cpu].vpid[vpid % TLB] = NULL;
}

/* Under its VPID and EPTP a vCPU finds what is its own, and nothing from before it was
 * elsewhere (28.3.3.3, 28.3.3.4). */
void fake_vmcs_check_tlb(const struct vcpu *vcpu)
{
	unsigned cpu = fake_cpu->cpu.index, vpid = (unsigned)vmread(VMCS_VPID) % TLB;
	uint64_t eptp = vmread(VMCS_EPTP);
	unsigned i = 0;

	rule(!tlb[cpu].vpid[vpid] || tlb[cpu].vpid[vpid] == vcpu,
	     "translations under the VPID are not this vCPU's, or old");
	tlb[cpu].vpid[vpid] = vcpu;
	for (unsigned k = 0; k < FAKE_CPUS; k++)
		if (k != cpu && tlb[k].vpid[vpid])
			tlb[k].vpid[vpid] = (const struct vcpu *)1; /* old from now on */
	while (i < TLB && tlb[cpu].ept[i].eptp && tlb[cpu].ept[i].eptp != eptp)
		i++;
	rule(i < TLB, "too many EPTPs for this fake");
	if (tlb[cpu].ept[i].eptp) {
		rule(tlb[cpu].ept[i].vm == vcpu->vm && !tlb[cpu].ept[i].stale,
		     "translations under the EPTP are another VM's, or old");
	} else {
		rule(!atomic_load(&vmx_of((struct vcpu *)vcpu)->flush_ept), "INVEPT is due");
	}
	tlb[cpu].ept[i].eptp = eptp;
	tlb[cpu].ept[i].vm = vcpu->vm;
	tlb[cpu].ept[i].stale = false;
}

void fake_vmx_tables_changed(const struct vm *vm)
{
	for (unsigned i = 0; i < FAKE_CPUS; i++)
		for (unsigned k = 0; k < TLB; k++)
			if (tlb[i].ept[k].vm == vm)
				tlb[i].ept[k].stale = true;
}
