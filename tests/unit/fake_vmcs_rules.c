/* See fake_vmcs_rules.h. Section by section of SDM vol. 3C chapter 26; what concerns features
 * that are not used (SMM, shadow VMCSs, Processor Trace, MSR areas) is that they are off. */
#include "tests/unit/fake_vmcs_rules.h"

#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/caps.h"
#include "tests/unit/fake_cpu.h"

#define PHYS_BITS    48
#define DEBUGCTL_BTF BIT(1)
#define EFER_KNOWN   (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

static bool is_address(uint64_t phys, uint64_t align)
{
	return IS_ALIGNED(phys, align) && !(phys >> PHYS_BITS);
}

static bool is_canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static bool is_pat(uint64_t pat)
{
	for (unsigned i = 0; i < 64; i += 8) {
		unsigned type = pat >> i & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

/* Allowed settings, and what goes with what. */
static void allowed(uint64_t value, uint32_t msr, const char *what)
{
	uint64_t can = rdmsr(msr);

	rule(!(~value & (uint32_t)can) && !(value & ~(can >> 32)), what);
}

static void check_apic_controls(uint64_t pin, uint64_t proc2, uint64_t exit)
{
	const uint32_t *page = directmap(vmread(VMCS_VIRTUAL_APIC));
	uint64_t threshold = vmread(VMCS_TPR_THRESHOLD);
	bool delivery = proc2 & PROC2_VIRTUAL_DELIVERY;

	rule(is_address(vmread(VMCS_VIRTUAL_APIC), PAGE_BYTES), "virtual-APIC address");
	rule(!(threshold >> 4), "TPR threshold");
	rule(delivery || threshold <= (page[0x80 / 4] >> 4 & 0xf),
	     "TPR threshold above the TPR: exits for ever");
	rule(!(proc2 & PROC2_X2APIC && proc2 & PROC2_APIC_ACCESS), "x2APIC and xAPIC");
	rule(!delivery || pin & PIN_EXTERNAL_INTERRUPT, "virtual-interrupt delivery");
	if (!(pin & PIN_POSTED_INTERRUPTS))
		return;
	rule(delivery && exit & EXIT_ACKNOWLEDGE, "posted interrupts");
	rule(vmread(VMCS_POSTED_VECTOR) < 256, "notification vector");
	rule(is_address(vmread(VMCS_POSTED_DESCRIPTOR), 64), "posted-interrupt descriptor");
}

/* 26.2.1. */
static void check_controls(void)
{
	uint64_t pin = vmread(VMCS_PIN_CONTROLS), proc = vmread(VMCS_PROC_CONTROLS);
	uint64_t proc2 = vmread(VMCS_PROC2_CONTROLS), exit = vmread(VMCS_EXIT_CONTROLS);
	uint64_t entry = vmread(VMCS_ENTRY_CONTROLS), eptp = vmread(VMCS_EPTP);

	allowed(pin, MSR_VMX_TRUE_PINBASED, "pin-based controls");
	allowed(proc, MSR_VMX_TRUE_PROCBASED, "processor-based controls");
	allowed(proc2, MSR_VMX_PROCBASED2, "secondary controls");
	allowed(exit, MSR_VMX_TRUE_EXIT, "VM-exit controls");
	allowed(entry, MSR_VMX_TRUE_ENTRY, "VM-entry controls");
	rule(!vmread(VMCS_CR3_TARGETS), "CR3 targets");
	rule(is_address(vmread(VMCS_IO_BITMAP_A), PAGE_BYTES) &&
		     is_address(vmread(VMCS_IO_BITMAP_B), PAGE_BYTES),
	     "I/O bitmaps");
	rule(is_address(vmread(VMCS_MSR_BITMAP), PAGE_BYTES), "MSR bitmaps");
	rule(pin & PIN_NMI || !(pin & PIN_VIRTUAL_NMI), "virtual NMIs without NMI exiting");
	rule(pin & PIN_VIRTUAL_NMI || !(proc & PROC_NMI_WINDOW), "NMI window");
	check_apic_controls(pin, proc2, exit);
	rule(vmread(VMCS_VPID), "VPID 0");
	rule((eptp & 7) == 6 && (eptp >> 3 & 7) == 3 && !(eptp & 0xf80) &&
		     is_address(eptp & ~0xfffull, PAGE_BYTES),
	     "EPTP");
	rule(!vmread(VMCS_EXIT_MSR_STORES) && !vmread(VMCS_EXIT_MSR_LOADS) &&
		     !vmread(VMCS_ENTRY_MSR_LOADS),
	     "MSR areas");
	rule(!(entry & ENTRY_SMM), "entry to SMM");
}

static bool has_error_code(unsigned vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

/* 26.2.1.3. */
static void check_event(void)
{
	uint32_t event = (uint32_t)vmread(VMCS_ENTRY_EVENT);
	unsigned vector = event & 0xff, type = EVENT_TYPE(event);
	bool protected_mode = vmread(VMCS_GUEST_CR0) & 1;

	if (!(event & EVENT_VALID))
		return;
	rule(type == EVENT_INTERRUPT || type == EVENT_NMI || type == EVENT_EXCEPTION ||
		     type == 4 || type == EVENT_ICEBP || type == EVENT_SOFT_EXCEPTION,
	     "interruption type");
	rule(type != EVENT_NMI || vector == 2, "an NMI's vector");
	rule(type != EVENT_EXCEPTION || vector < 32, "an exception's vector");
	rule(!!(event & EVENT_ERROR) ==
		     (type == EVENT_EXCEPTION && protected_mode && has_error_code(vector)),
	     "deliver error code");
	rule(!(event & 0x7ffff000), "interruption information: reserved bits");
	rule(!(event & EVENT_ERROR) || !(vmread(VMCS_ENTRY_ERROR) >> 16), "error code");
	if (type >= 4)
		rule(vmread(VMCS_ENTRY_LENGTH) >= 1 && vmread(VMCS_ENTRY_LENGTH) <= 15,
		     "instruction length");
}

static void check_fixed(uint64_t value, uint64_t ignored, uint32_t msr, const char *what)
{
	rule(!(~value & rdmsr(msr) & ~ignored) && !(value & ~rdmsr(msr + 1)), what);
}

/* 26.2.2 to 26.2.4. */
static void check_host(void)
{
	uint64_t efer = vmread(VMCS_HOST_EFER), exit = vmread(VMCS_EXIT_CONTROLS);

	check_fixed(vmread(VMCS_HOST_CR0), 0, MSR_VMX_CR0_FIXED0, "host CR0");
	check_fixed(vmread(VMCS_HOST_CR4), 0, MSR_VMX_CR4_FIXED0, "host CR4");
	rule(!(vmread(VMCS_HOST_CR3) >> PHYS_BITS), "host CR3");
	rule(vmread(VMCS_HOST_CR3) == fake_cpu->cr3, "host CR3 is another thread's");
	rule(is_canonical(vmread(VMCS_HOST_SYSENTER_ESP)) &&
		     is_canonical(vmread(VMCS_HOST_SYSENTER_EIP)),
	     "host SYSENTER");
	rule(is_pat(vmread(VMCS_HOST_PAT)), "host PAT");
	rule(!(efer & ~EFER_KNOWN) && (efer & (EFER_LMA | EFER_LME)) == (EFER_LMA | EFER_LME),
	     "host EFER");
	for (unsigned field = VMCS_HOST_ES; field <= VMCS_HOST_TR; field += 2)
		rule(!(vmread(field) & 7), "host selectors: RPL and TI");
	rule(vmread(VMCS_HOST_CS) && vmread(VMCS_HOST_TR), "host CS and TR");
	for (unsigned field = VMCS_HOST_FS_BASE; field <= VMCS_HOST_IDTR_BASE; field += 2)
		rule(is_canonical(vmread(field)), "host bases");
	rule(vmread(VMCS_HOST_GS_BASE) == (uint64_t)&fake_cpu->cpu, "host GS is another CPU's");
	rule(vmread(VMCS_HOST_TR_BASE) == (uint64_t)fake_cpu->cpu.tss &&
		     vmread(VMCS_HOST_GDTR_BASE) == (uint64_t)fake_cpu->cpu.gdt,
	     "host TR and GDTR are another CPU's");
	rule(exit & EXIT_HOST_64 && vmread(VMCS_HOST_CR4) & BIT(5), "host address-space size");
	rule(is_canonical(vmread(VMCS_HOST_RIP)), "host RIP");
}

/* 26.3.1.1. */
static void check_registers(bool long_mode)
{
	uint64_t cr0 = vmread(VMCS_GUEST_CR0), cr4 = vmread(VMCS_GUEST_CR4);
	uint64_t efer = vmread(VMCS_GUEST_EFER);

	check_fixed(cr0, 0x80000001 /* unrestricted guest */, MSR_VMX_CR0_FIXED0, "guest CR0");
	check_fixed(cr4, 0, MSR_VMX_CR4_FIXED0, "guest CR4");
	rule(!(cr0 & BIT(31)) || cr0 & 1, "CR0.PG without CR0.PE");
	rule(!(vmread(VMCS_GUEST_DEBUGCTL) & ~3ull), "IA32_DEBUGCTL");
	rule(!long_mode || (cr0 & BIT(31) && cr4 & BIT(5)), "IA-32e mode without paging");
	rule(long_mode || !(cr4 & BIT(17)), "CR4.PCIDE outside IA-32e mode");
	rule(!(vmread(VMCS_GUEST_CR3) >> PHYS_BITS), "guest CR3");
	rule(!(vmread(VMCS_GUEST_DR7) >> 32), "guest DR7");
	rule(is_canonical(vmread(VMCS_GUEST_SYSENTER_ESP)) &&
		     is_canonical(vmread(VMCS_GUEST_SYSENTER_EIP)),
	     "guest SYSENTER");
	rule(is_pat(vmread(VMCS_GUEST_PAT)), "guest PAT");
	rule(!(efer & ~EFER_KNOWN), "guest EFER: reserved bits");
	rule(!!(efer & EFER_LMA) == long_mode, "EFER.LMA and IA-32e mode guest");
	rule(!(cr0 & BIT(31)) || !!(efer & EFER_LMA) == !!(efer & EFER_LME),
	     "EFER.LMA and LME");
}

struct segment {
	uint64_t selector, base, limit, rights;
	unsigned type, dpl;
	bool usable;
};

static struct segment segment(unsigned seg)
{
	struct segment s = {
		.selector = vmread(VMCS_GUEST_SELECTOR + 2 * seg),
		.base = vmread(VMCS_GUEST_BASE + 2 * seg),
		.limit = vmread(VMCS_GUEST_LIMIT + 2 * seg),
		.rights = vmread(VMCS_GUEST_RIGHTS + 2 * seg),
	};

	s.type = s.rights & 0xf;
	s.dpl = s.rights >> 5 & 3;
	s.usable = !(s.rights & RIGHTS_UNUSABLE);
	return s;
}

static void check_granularity(const struct segment *s)
{
	bool g = s->rights & BIT(15);

	rule((s->limit & 0xfff) == 0xfff || !g, "G set where the limit is not of pages");
	rule(!(s->limit >> 20) || g, "G clear where the limit is above 1 MiB");
	rule(!(s->rights & ~0x1f0ffull) && !(s->rights & 0xf00), "access rights: reserved");
}

static void check_code(const struct segment *cs, const struct segment *ss, bool long_mode)
{
	bool real = !(vmread(VMCS_GUEST_CR0) & 1);

	rule(cs->usable && cs->rights & BIT(4) && cs->rights & BIT(7), "CS rights");
	rule(cs->type == 9 || cs->type == 11 || cs->type == 13 || cs->type == 15 ||
		     cs->type == 3,
	     "CS type");
	rule(cs->type != 3 || cs->dpl == 0, "CS data type with a DPL");
	rule(cs->type == 3 || cs->type > 11 || cs->dpl == ss->dpl, "CS.DPL and SS.DPL");
	rule(!(long_mode && cs->rights & BIT(13) && cs->rights & BIT(14)), "CS.L and CS.D");
	rule(!(cs->base >> 32), "CS base");
	rule(!real || ss->dpl == 0, "SS.DPL in real mode");
	check_granularity(cs);
}

static void check_data(const struct segment *s)
{
	if (!s->usable)
		return;
	rule(s->rights & BIT(4) && s->rights & BIT(7) && s->type & 1, "data segment's rights");
	rule(!(s->type & 8) || s->type & 2, "data segment of code that cannot be read");
	check_granularity(s);
}

/* 26.3.1.2 and 26.3.1.3. */
static void check_segments(bool long_mode)
{
	struct segment cs = segment(SEG_CS), ss = segment(SEG_SS);
	struct segment tr = segment(SEG_TR), ldtr = segment(SEG_LDTR);

	check_code(&cs, &ss, long_mode);
	if (ss.usable)
		rule((ss.type == 3 || ss.type == 7) && ss.rights & BIT(7) && !(ss.base >> 32),
		     "SS");
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		struct segment s = segment(i);

		if (i != SEG_CS && i != SEG_SS)
			check_data(&s);
		if (s.usable && (i == SEG_ES || i == SEG_DS))
			rule(!(s.base >> 32), "ES or DS base");
	}
	rule(is_canonical(segment(SEG_FS).base) && is_canonical(segment(SEG_GS).base),
	     "FS or GS base");
	rule(tr.usable && !(tr.selector & 4) && is_canonical(tr.base), "TR");
	rule(tr.type == 11 || (!long_mode && tr.type == 3), "TR: not a busy TSS");
	rule(!(tr.rights & BIT(4)) && tr.rights & BIT(7), "TR rights");
	check_granularity(&tr);
	if (ldtr.usable) {
		rule(ldtr.type == 2 && !(ldtr.rights & BIT(4)) && ldtr.rights & BIT(7) &&
			     !(ldtr.selector & 4) && is_canonical(ldtr.base),
		     "LDTR");
		check_granularity(&ldtr);
	}
	rule(is_canonical(vmread(VMCS_GUEST_GDTR_BASE)) &&
		     is_canonical(vmread(VMCS_GUEST_IDTR_BASE)) &&
		     !(vmread(VMCS_GUEST_GDTR_LIMIT) >> 16) &&
		     !(vmread(VMCS_GUEST_IDTR_LIMIT) >> 16),
	     "GDTR or IDTR");
}

/* 26.3.1.4. */
static void check_rip(bool long_mode)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP), rflags = vmread(VMCS_GUEST_RFLAGS);
	uint32_t event = (uint32_t)vmread(VMCS_ENTRY_EVENT);
	bool code64 = long_mode && vmread(VMCS_GUEST_RIGHTS + 2 * SEG_CS) & BIT(13);

	rule(code64 ? is_canonical(rip) : !(rip >> 32), "RIP");
	rule(rflags & 2 && !(rflags & ~0x3f7fd7ull), "RFLAGS: reserved bits");
	rule(!(rflags & RFLAGS_VM) || (!long_mode && vmread(VMCS_GUEST_CR0) & 1), "RFLAGS.VM");
	rule(!(event & EVENT_VALID) || EVENT_TYPE(event) != EVENT_INTERRUPT ||
		     rflags & RFLAGS_IF,
	     "an interrupt where IF is clear");
}

/* 26.3.1.5. */
static void check_interruptibility(void)
{
	uint64_t blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY);
	uint64_t rflags = vmread(VMCS_GUEST_RFLAGS), pending = vmread(VMCS_GUEST_PENDING_DEBUG);
	uint32_t event = (uint32_t)vmread(VMCS_ENTRY_EVENT);
	bool shadow = blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
	bool btf = vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF;

	rule(!vmread(VMCS_GUEST_ACTIVITY), "activity state: HLT exits, so it is active");
	rule(!(blocked & ~0xfull), "interruptibility: reserved bits");
	rule(!(blocked & BIT(2)), "blocking by SMI");
	rule((blocked & 3) != 3, "blocking by STI and by MOV SS");
	rule(!(blocked & BLOCKED_BY_STI) || rflags & RFLAGS_IF, "blocking by STI, IF clear");
	if (event & EVENT_VALID && EVENT_TYPE(event) == EVENT_INTERRUPT)
		rule(!shadow, "an interrupt in a shadow");
	if (event & EVENT_VALID && EVENT_TYPE(event) == EVENT_NMI)
		rule(!(blocked & (BLOCKED_BY_MOV_SS | BLOCKED_BY_NMI)), "an NMI while blocked");
	rule(!(pending & ~0x1500full), "pending debug exceptions: reserved bits");
	if (shadow)
		rule(!!(pending & PENDING_DEBUG_BS) == (rflags & RFLAGS_TF && !btf),
		     "pending debug exceptions: BS, TF and a shadow");
	rule(vmread(VMCS_LINK) == UINT64_MAX, "VMCS link pointer");
}

/* 26.3.1.6. */
static void check_pdptes(bool long_mode)
{
	if (long_mode || !(vmread(VMCS_GUEST_CR0) & BIT(31)) ||
	    !(vmread(VMCS_GUEST_CR4) & BIT(5)))
		return;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t entry = vmread(VMCS_GUEST_PDPTE + 2 * i);

		rule(!(entry & 1) || !(entry & 0x1e6), "PDPTE: reserved bits");
	}
}

void fake_vmcs_check(void)
{
	bool long_mode = vmread(VMCS_ENTRY_CONTROLS) & ENTRY_GUEST_64;

	check_controls();
	check_event();
	check_host();
	check_registers(long_mode);
	check_segments(long_mode);
	check_rip(long_mode);
	check_interruptibility();
	check_pdptes(long_mode);
}
