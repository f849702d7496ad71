/* Choosing VMX controls by a CPU's capability MSRs. No hardware here: host tests run it. */
#include "kernel/vmm/vmx/caps.h"

#include <errno.h>
#include <stdio.h>

#include "kernel/vmm/vmx/vmcs.h"

/* `refused` are controls that some CPU might not let us clear, and whose exits nobody here
 * handles. Of every other control that must be 1, the manual says that it is so by default. */
static const struct {
	const char *name;
	uint32_t required, optional, refused;
} wishes[VMX_CONTROL_SETS] = {
	[VMX_PIN] = {"pin-based", PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI,
		     PIN_PREEMPTION_TIMER, PIN_PREEMPTION_TIMER | PIN_POSTED_INTERRUPTS},
	/* The windows, the timer and the monitor trap are switched on when they are needed,
	 * PAUSE for vCPUs that share CPUs. */
	[VMX_PROC] = {"processor-based",
		      PROC_INTERRUPT_WINDOW | PROC_TSC_OFFSET | PROC_HLT | PROC_MWAIT |
			      PROC_RDPMC | PROC_TPR_SHADOW | PROC_NMI_WINDOW | PROC_IO_BITMAPS |
			      PROC_MSR_BITMAPS | PROC_MONITOR | PROC_PAUSE | PROC_SECONDARY,
		      PROC_MONITOR_TRAP,
		      PROC_INVLPG | PROC_RDTSC | PROC_CR3_LOAD | PROC_CR3_STORE |
			      PROC_CR8_LOAD | PROC_CR8_STORE | PROC_MOV_DR | PROC_MONITOR_TRAP},
	[VMX_PROC2] = {"secondary processor-based", PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED,
		       PROC2_RDTSCP | PROC2_WBINVD | PROC2_INVPCID | PROC2_PAUSE_LOOP |
			       PROC2_BUS_LOCK,
		       PROC2_APIC_ACCESS | PROC2_X2APIC | PROC2_APIC_REGISTERS |
			       PROC2_VIRTUAL_DELIVERY},
	[VMX_EXIT] = {"VM-exit",
		      EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_SAVE_PAT | EXIT_LOAD_PAT |
			      EXIT_SAVE_EFER | EXIT_LOAD_EFER,
		      0, EXIT_ACKNOWLEDGE},
	[VMX_ENTRY] = {"VM-entry",
		       ENTRY_LOAD_DEBUG | ENTRY_GUEST_64 | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER, 0,
		       ENTRY_SMM},
};

static const char *const names[VMX_CONTROL_SETS][32] = {
	[VMX_PIN] = {[0] = "external-interrupt exiting",
		     [3] = "NMI exiting",
		     [5] = "virtual NMIs",
		     [6] = "VMX-preemption timer",
		     [7] = "posted interrupts"},
	[VMX_PROC] = {[2] = "interrupt-window exiting",
		      [3] = "use TSC offsetting",
		      [7] = "HLT exiting",
		      [9] = "INVLPG exiting",
		      [10] = "MWAIT exiting",
		      [11] = "RDPMC exiting",
		      [12] = "RDTSC exiting",
		      [15] = "CR3-load exiting",
		      [16] = "CR3-store exiting",
		      [19] = "CR8-load exiting",
		      [20] = "CR8-store exiting",
		      [21] = "use TPR shadow",
		      [22] = "NMI-window exiting",
		      [23] = "MOV-DR exiting",
		      [25] = "use I/O bitmaps",
		      [27] = "monitor trap flag",
		      [28] = "use MSR bitmaps",
		      [29] = "MONITOR exiting",
		      [30] = "PAUSE exiting",
		      [31] = "activate secondary controls"},
	[VMX_PROC2] = {[0] = "virtualize APIC accesses",
		       [1] = "enable EPT",
		       [4] = "virtualize x2APIC mode",
		       [5] = "enable VPID",
		       [7] = "unrestricted guest",
		       [8] = "APIC-register virtualization",
		       [9] = "virtual-interrupt delivery"},
	[VMX_EXIT] = {[2] = "save debug controls",
		      [9] = "host address-space size",
		      [15] = "acknowledge interrupt on exit",
		      [18] = "save IA32_PAT",
		      [19] = "load IA32_PAT",
		      [20] = "save IA32_EFER",
		      [21] = "load IA32_EFER"},
	[VMX_ENTRY] = {[2] = "load debug controls",
		       [9] = "IA-32e mode guest",
		       [10] = "entry to SMM",
		       [14] = "load IA32_PAT",
		       [15] = "load IA32_EFER"},
};

int vmx_adjust(enum vmx_control_set set, uint64_t capability, uint32_t *value, char *why,
	       size_t bytes)
{
	uint32_t must = (uint32_t)capability, may = (uint32_t)(capability >> 32);
	uint32_t missing = wishes[set].required & ~may;
	uint32_t forced = wishes[set].refused & must;

	if (missing || forced) {
		snprintf(why, bytes, "the CPU %s the %s control \"%s\"",
			 missing ? "lacks" : "cannot switch off", wishes[set].name,
			 names[set][__builtin_ctz(missing ? missing : forced)]);
		return -ENODEV;
	}
	*value = wishes[set].required | (wishes[set].optional & may) | must;
	return 0;
}

void vmx_apic_controls(const uint64_t capabilities[VMX_CONTROL_SETS],
		       uint32_t controls[VMX_CONTROL_SETS])
{
	static const uint32_t all[VMX_CONTROL_SETS] = {
		[VMX_PIN] = PIN_POSTED_INTERRUPTS,
		[VMX_PROC2] = PROC2_X2APIC | PROC2_APIC_REGISTERS | PROC2_VIRTUAL_DELIVERY,
		[VMX_EXIT] = EXIT_ACKNOWLEDGE, /* posted interrupts insist on it (26.2.1.1) */
	};
	bool can = true;

	for (unsigned i = 0; i < VMX_CONTROL_SETS; i++)
		can = can && (all[i] & ~(capabilities[i] >> 32)) == 0;
	for (unsigned i = 0; i < VMX_CONTROL_SETS; i++)
		controls[i] = can ? all[i] : 0;
}

/* SDM vol. 3D A.1. Without the "true" capability MSRs, CR3 exits could not be switched off. */
int vmx_check_basic(uint64_t basic, char *why, size_t bytes)
{
	const char *missing = NULL;

	if ((basic >> 32 & 0x1fff) > PAGE_BYTES)
		missing = "a VMCS of one page";
	else if (!(basic & VMX_BASIC_TRUE_CONTROLS))
		missing = "the capability MSRs 0x48d to 0x490";
	if (!missing)
		return 0;
	snprintf(why, bytes, "the CPU's VMX lacks %s", missing);
	return -ENODEV;
}

int vmx_check_ept(uint64_t capability, char *why, size_t bytes)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} needed[] = {
		{EPT_CAP_WALK_4, "a page walk of 4 levels"},
		{EPT_CAP_WRITE_BACK, "tables in write-back memory"},
		{EPT_CAP_2M, "2 MiB pages"},
		{EPT_CAP_INVEPT, "INVEPT"},
		{EPT_CAP_INVEPT_SINGLE, "single-context INVEPT"},
		{EPT_CAP_INVEPT_ALL, "all-context INVEPT"},
		{EPT_CAP_INVVPID, "INVVPID"},
		{EPT_CAP_INVVPID_SINGLE, "single-context INVVPID"},
		{EPT_CAP_INVVPID_ALL, "all-context INVVPID"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(capability & needed[i].bit)) {
			snprintf(why, bytes, "the CPU's EPT lacks %s", needed[i].name);
			return -ENODEV;
		}
	return 0;
}

#define MISC_TIMER_SHIFT 0x1full

int vmx_timer_shift(uint64_t misc, unsigned family, unsigned model)
{
	/* Nehalem, Lynnfield, Westmere (Clarkdale and Arrandale), Nehalem-EX. */
	static const uint8_t wrong[] = {0x1a, 0x1e, 0x25, 0x2e};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		if (family == 6 && model == wrong[i])
			return -1;
	return (int)(misc & MISC_TIMER_SHIFT);
}

uint32_t vmx_timer_value(uint64_t end, uint64_t now, int shift)
{
	uint64_t ticks = end > now ? (end - now) >> shift : 0;

	return (uint32_t)MIN(ticks, (uint64_t)UINT32_MAX);
}

#define EPTP_WRITE_BACK 6ull
#define EPTP_WALK_4	(3ull << 3) /* the length minus 1 */

uint64_t vmx_eptp(uint64_t root_phys)
{
	return root_phys | EPTP_WALK_4 | EPTP_WRITE_BACK;
}

#define ATTRIBUTE_PRESENT BIT(7)

uint32_t vmx_rights(uint16_t attributes)
{
	uint32_t rights = (attributes & 0xffu) | (attributes & 0xf00u) << 4;

	return attributes & ATTRIBUTE_PRESENT ? rights : rights | RIGHTS_UNUSABLE;
}

uint16_t vmx_attributes(uint32_t rights)
{
	uint16_t attributes = (uint16_t)((rights & 0xff) | (rights >> 4 & 0xf00));

	return rights & RIGHTS_UNUSABLE ? attributes & ~ATTRIBUTE_PRESENT : attributes;
}
