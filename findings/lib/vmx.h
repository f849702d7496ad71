/* The least of a hypervisor on VMX: one VMCS, no EPT; the guest is a function in the same flat
 * memory. Encodings: SDM vol. 3D, appendix B. Selectors 8 and 16 are code and data. */
#ifndef VMX_H
#define VMX_H
#include "bare.h"

static u32 vmx_pages[1024] __attribute__((aligned(4096)));
static u8 vmxon_region[4096] __attribute__((aligned(4096))),
	vmcs[4096] __attribute__((aligned(4096)));
static u8 vmx_guest_stack[4096] __attribute__((aligned(16)));
static u64 vmx_gdt[4] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
static u8 vmx_tss[104];

enum {
	PIN = 0x4000,
	PROC = 0x4002,
	EXIT = 0x400c,
	ENTRY = 0x4012,
	PROC2 = 0x401e,
	REASON = 0x4402,
	GUEST_RSP = 0x681c,
	GUEST_RIP = 0x681e,
	GUEST_RFLAGS = 0x6820,
	HOST_RSP = 0x6c14,
	HOST_RIP = 0x6c16
};

static inline void vmwrite(u32 field, u32 value)
{
	asm volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc");
}
static inline u32 vmread(u32 field)
{
	u32 v;
	asm volatile("vmread %1, %0" : "=r"(v) : "r"(field) : "cc");
	return v;
}

/* What must be 1, and of what is asked for, what may be 1. */
static inline void vmx_control(u32 field, u32 msr, u32 wanted)
{
	u64 allowed = rdmsr(msr);

	vmwrite(field, (wanted | (u32)allowed) & (u32)(allowed >> 32));
}

/* VMX operation with paging on, everything mapped to itself. */
static inline void vmx_on(void)
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) gdtr = {sizeof vmx_gdt - 1, (u32)vmx_gdt};
	u32 cr, at = (u32)vmx_tss;
	u64 address;

	vmx_gdt[3] = 103 | (u64)(at & 0xffffff) << 16 | 0x89ull << 40 | (u64)(at >> 24) << 56;
	asm volatile("lgdt %0; ltr %w1" : : "m"(gdtr), "r"(24));
	for (u32 i = 0; i < 1024; i++)
		vmx_pages[i] = i << 22 | 0x83;
	asm volatile("mov %%cr4, %0" : "=r"(cr));
	asm volatile("mov %0, %%cr4" : : "r"(cr | 1 << 4 | (u32)rdmsr(0x488)));
	asm volatile("mov %0, %%cr3" : : "r"(vmx_pages));
	asm volatile("mov %%cr0, %0" : "=r"(cr));
	asm volatile("mov %0, %%cr0" : : "r"(cr | (u32)rdmsr(0x486)) : "memory");
	if (!(rdmsr(0x3a) & 1))
		wrmsr(0x3a, 5);
	*(u32 *)vmxon_region = *(u32 *)vmcs = (u32)rdmsr(0x480);
	address = (u32)vmxon_region;
	asm volatile("vmxon %0" : : "m"(address) : "cc", "memory");
	address = (u32)vmcs;
	asm volatile("vmclear %0; vmptrld %0" : : "m"(address) : "cc", "memory");
}

extern char vmx_exited[] __asm__("vmx_exited");

/* A guest as flat as we are, that begins at `entry`. */
static inline void vmx_start(void (*entry)(void))
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) idtr;
	u32 cr;

	asm volatile("sidt %0" : "=m"(idtr));
	vmx_control(PIN, 0x481, 1); /* external interrupts exit */
	vmx_control(PROC, 0x482, 0);
	vmx_control(EXIT, 0x483, 0);
	vmx_control(ENTRY, 0x484, 0);
	vmwrite(0x2800, ~0u), vmwrite(0x2801, ~0u); /* VMCS link pointer */
	for (u32 i = 0; i < 6; i++) {		    /* ES CS SS DS FS GS */
		vmwrite(0x800 + 2 * i, i == 1 ? 8 : 16);
		vmwrite(0xc00 + 2 * i, i == 1 ? 8 : 16);
		vmwrite(0x4800 + 2 * i, ~0u);
		vmwrite(0x4814 + 2 * i, i == 1 ? 0xc09b : 0xc093);
		vmwrite(0x6806 + 2 * i, 0);
	}
	vmwrite(0x820, 0x1000c), vmwrite(0x80c, 0),
		vmwrite(0x4820, 0x10000); /* LDTR: unusable */
	vmwrite(0x80e, 24), vmwrite(0xc0c, 24), vmwrite(0x480e, 103),
		vmwrite(0x4822, 0x8b); /* TR */
	vmwrite(0x6814, (u32)vmx_tss), vmwrite(0x6c0a, (u32)vmx_tss);
	vmwrite(0x6816, (u32)vmx_gdt), vmwrite(0x6c0c, (u32)vmx_gdt),
		vmwrite(0x4810, sizeof vmx_gdt - 1);
	vmwrite(0x6818, idtr.base), vmwrite(0x6c0e, idtr.base), vmwrite(0x4812, idtr.limit);
	asm volatile("mov %%cr0, %0" : "=r"(cr));
	vmwrite(0x6800, cr), vmwrite(0x6c00, cr);
	asm volatile("mov %%cr4, %0" : "=r"(cr));
	vmwrite(0x6804, cr), vmwrite(0x6c04, cr);
	vmwrite(0x6802, (u32)vmx_pages), vmwrite(0x6c02, (u32)vmx_pages);
	vmwrite(0x681a, 0x400); /* DR7 */
	vmwrite(GUEST_RFLAGS, 2);
	vmwrite(GUEST_RIP, (u32)entry);
	vmwrite(GUEST_RSP, (u32)(vmx_guest_stack + sizeof vmx_guest_stack - 16));
	vmwrite(HOST_RIP, (u32)vmx_exited);
}

/* Runs the guest, anew or on, until it exits; the reason, or 0xffff if it could not be entered.
 */
static inline u32 vmx_run(void)
{
	static u32 launched;
	u32 failed = 0;

	asm volatile("pushal\n\tvmwrite %%esp, %2\n\tcmpl $0, %1\n\tjne 1f\n\tmovl $1, "
		     "%1\n\tvmlaunch\n\tjmp 2f\n"
		     "1:\tvmresume\n2:\tmovl $1, %0\n.globl vmx_exited\nvmx_exited:\n\tpopal"
		     : "+m"(failed), "+m"(launched)
		     : "r"(HOST_RSP)
		     : "memory", "cc");
	return failed ? 0xffff : vmread(REASON) & 0xffff;
}

/* IRQ 0 at vector 0x20, `hz` times a second; all else is masked. */
static inline void timer_start(u32 hz)
{
	static const u8 words[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4},   {0x21, 1},
				      {0xa0, 0x11}, {0xa1, 0x28}, {0xa1, 2},   {0xa1, 1},
				      {0x21, 0xfe}, {0xa1, 0xff}, {0x43, 0x34}};

	for (u32 i = 0; i < sizeof words / 2; i++)
		outb(words[i][0], words[i][1]);
	outb(0x40, (u8)(1193182 / hz)), outb(0x40, (u8)(1193182 / hz >> 8));
}
#endif
