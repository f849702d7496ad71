/* The least of a hypervisor on SVM: one VMCB, no nested paging; the guest is a function in the
 * same flat memory. Offsets and bits: APM vol. 2, appendix B. */
#ifndef SVM_H
#define SVM_H
#include "bare.h"

static u8 vmcb[4096] __attribute__((aligned(4096))),
	host_save[4096] __attribute__((aligned(4096)));
static u8 guest_stack[4096] __attribute__((aligned(16)));
#define V32(offset) (*(volatile u32 *)(vmcb + (offset)))
#define V64(offset) (*(volatile u64 *)(vmcb + (offset)))
#define INTERCEPT1  V32(0x0c) /* bit 0 INTR, 18 CPUID, 24 HLT, 31 SHUTDOWN */
#define INTERCEPT2  V32(0x10) /* bit 0 VMRUN, 1 VMMCALL, 7 RDTSCP, 13 XSETBV */
#define ASID	    V32(0x58)
#define VINTR	    V64(0x60) /* bit 8 V_IRQ, 20 V_IGN_TPR, 32-39 vector */
#define SHADOW	    V64(0x68)
#define EXITCODE    V64(0x70)
#define EVENTINJ    V64(0xa8)
#define CR4	    V64(0x548)
#define RFLAGS	    V64(0x570)
#define RIP	    V64(0x578)

static inline void vmcb_segment(int offset, u16 selector, u16 attributes)
{
	V32(offset) = selector | (u32)attributes << 16;
	V32(offset + 4) = 0xffffffff;
}

/* A guest as flat as we are, that begins at `entry` and exits on VMMCALL and SHUTDOWN. */
static inline void svm_start(void (*entry)(void))
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) gdtr, idtr;
	u32 cr0;

	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1 << 12); /* EFER.SVME */
	wrmsr(0xc0010117, (u32)host_save);		/* VM_HSAVE_PA */
	asm volatile("sgdt %0; sidt %1" : "=m"(gdtr), "=m"(idtr));
	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	vmcb_segment(0x410, 8, 0xc9b);
	for (int segment = 0x400; segment <= 0x450; segment += 16)
		if (segment != 0x410)
			vmcb_segment(segment, 16, 0xc93);
	V32(0x464) = gdtr.limit, V64(0x468) = gdtr.base;
	V32(0x484) = idtr.limit, V64(0x488) = idtr.base;
	vmcb_segment(0x490, 0, 0x8b); /* TR */
	V64(0x4d0) = 1 << 12;	      /* EFER */
	V64(0x558) = cr0;
	V64(0x560) = 0x400, V64(0x568) = 0xffff0ff0; /* DR7, DR6 */
	RFLAGS = 2;
	RIP = (u32)entry;
	V64(0x5d8) = (u32)(guest_stack + sizeof guest_stack - 16);
	ASID = 1;
	INTERCEPT1 = 1u << 31;
	INTERCEPT2 = 1 | 1 << 1;
}

static inline void vmrun(void)
{
	asm volatile("pushal; clgi; mov %0, %%eax; vmload; vmrun; vmsave; stgi; popal"
		     :
		     : "r"(vmcb)
		     : "memory", "cc");
}
#endif
