/* The VMCB as the CPU reads it (APM vol. 2 appendix B) and the numbers that go into it. */
#ifndef KERNEL_VMM_SVM_VMCB_H
#define KERNEL_VMM_SVM_VMCB_H

#include "kernel/lib/types.h"

#define MSR_VM_CR	0xc0010114u
#define VM_CR_SVMDIS	BIT(4)
#define MSR_VM_HSAVE_PA 0xc0010117u
#define CPUID_SVM	0x8000000au

/* CPUID 0x8000000A EDX (APM vol. 3 E.4.9). */
#define SVM_NPT		  BIT(0)
#define SVM_NRIPS	  BIT(3)
#define SVM_DECODE_ASSIST BIT(7)
#define SVM_PAUSE_FILTER  BIT(10)
#define SVM_BUS_LOCK	  BIT(29) /* bus lock threshold */

/* Offset 0x00C: intercept vector 3. */
#define INTERCEPT_INTR	      BIT(0)
#define INTERCEPT_NMI	      BIT(1)
#define INTERCEPT_INIT	      BIT(3)
#define INTERCEPT_VINTR	      BIT(4)
#define INTERCEPT_CR0_SEL     BIT(5)
#define INTERCEPT_IDTR_READ   BIT(6)
#define INTERCEPT_GDTR_READ   BIT(7)
#define INTERCEPT_LDTR_READ   BIT(8)
#define INTERCEPT_TR_READ     BIT(9)
#define INTERCEPT_RDPMC	      BIT(15)
#define INTERCEPT_CPUID	      BIT(18)
#define INTERCEPT_RSM	      BIT(19)
#define INTERCEPT_IRET	      BIT(20)
#define INTERCEPT_INTN	      BIT(21)
#define INTERCEPT_INVD	      BIT(22)
#define INTERCEPT_PAUSE	      BIT(23)
#define INTERCEPT_HLT	      BIT(24)
#define INTERCEPT_INVLPGA     BIT(26)
#define INTERCEPT_IOIO	      BIT(27)
#define INTERCEPT_MSR	      BIT(28)
#define INTERCEPT_FERR_FREEZE BIT(30)
#define INTERCEPT_SHUTDOWN    BIT(31)
/* Offset 0x010: intercept vector 4. */
#define INTERCEPT_VMRUN	  BIT(0)
#define INTERCEPT_VMMCALL BIT(1)
#define INTERCEPT_VMLOAD  BIT(2)
#define INTERCEPT_VMSAVE  BIT(3)
#define INTERCEPT_STGI	  BIT(4)
#define INTERCEPT_CLGI	  BIT(5)
#define INTERCEPT_SKINIT  BIT(6)
#define INTERCEPT_WBINVD  BIT(9)
#define INTERCEPT_MONITOR BIT(10)
#define INTERCEPT_MWAIT	  BIT(11)
#define INTERCEPT_MWAIT_A BIT(12) /* MWAIT when the monitor is armed */
#define INTERCEPT_XSETBV  BIT(13)
#define INTERCEPT_RDPRU	  BIT(14)
/* Offset 0x014: intercept vector 5. */
#define INTERCEPT_INVLPGB	  BIT(0)
#define INTERCEPT_INVLPGB_ILLEGAL BIT(1)
#define INTERCEPT_MCOMMIT	  BIT(3)
#define INTERCEPT_TLBSYNC	  BIT(4)
#define INTERCEPT_BUS_LOCK	  BIT(5)

/* Exit codes (APM vol. 2 appendix C). */
enum svm_exit {
	SVM_EXIT_CR0_READ = 0x00, /* SMSW as well */
	SVM_EXIT_CR4_READ = 0x04,
	SVM_EXIT_CR0_WRITE = 0x10,
	SVM_EXIT_CR4_WRITE = 0x14,
	SVM_EXIT_CR8_WRITE = 0x18,
	SVM_EXIT_EXCEPTION = 0x40, /* + vector */
	SVM_EXIT_INTR = 0x60,
	SVM_EXIT_NMI = 0x61,
	SVM_EXIT_INIT = 0x63,
	SVM_EXIT_VINTR = 0x64,
	SVM_EXIT_CR0_SEL = 0x65,
	SVM_EXIT_IDTR_READ = 0x66,
	SVM_EXIT_GDTR_READ = 0x67,
	SVM_EXIT_LDTR_READ = 0x68,
	SVM_EXIT_TR_READ = 0x69,
	SVM_EXIT_RDTSC = 0x6e,
	SVM_EXIT_RDPMC = 0x6f,
	SVM_EXIT_CPUID = 0x72,
	SVM_EXIT_RSM = 0x73,
	SVM_EXIT_IRET = 0x74,
	SVM_EXIT_SWINT = 0x75, /* INT n; on QEMU's TCG INT3 and INTO too */
	SVM_EXIT_INVD = 0x76,
	SVM_EXIT_PAUSE = 0x77,
	SVM_EXIT_HLT = 0x78,
	SVM_EXIT_INVLPGA = 0x7a,
	SVM_EXIT_IOIO = 0x7b,
	SVM_EXIT_MSR = 0x7c,
	SVM_EXIT_TASK_SWITCH = 0x7d,
	SVM_EXIT_FERR_FREEZE = 0x7e,
	SVM_EXIT_SHUTDOWN = 0x7f,
	SVM_EXIT_VMRUN = 0x80,
	SVM_EXIT_VMMCALL = 0x81,
	SVM_EXIT_VMLOAD = 0x82,
	SVM_EXIT_VMSAVE = 0x83,
	SVM_EXIT_STGI = 0x84,
	SVM_EXIT_CLGI = 0x85,
	SVM_EXIT_SKINIT = 0x86,
	SVM_EXIT_WBINVD = 0x89,
	SVM_EXIT_MONITOR = 0x8a,
	SVM_EXIT_MWAIT = 0x8b,
	SVM_EXIT_MWAIT_A = 0x8c,
	SVM_EXIT_XSETBV = 0x8d,
	SVM_EXIT_RDPRU = 0x8e,
	SVM_EXIT_INVLPGB = 0xa0,
	SVM_EXIT_INVLPGB_ILLEGAL = 0xa1,
	SVM_EXIT_MCOMMIT = 0xa3,
	SVM_EXIT_TLBSYNC = 0xa4,
	SVM_EXIT_BUS_LOCK = 0xa5,
	SVM_EXIT_NPF = 0x400,
};
#define SVM_EXIT_INVALID     0xffffffffffffffffull
#define SVM_EXIT_INVALID_7_2 0xffffffffull /* as QEMU 7.2 writes it */

/* EXITINFO1 of writes to control registers, with decode assists (APM vol. 2 15.8.1). */
#define CR_WRITE_MOV	  BIT(63) /* not LMSW or CLTS */
#define CR_WRITE_GPR_MASK 0xf

/* EXITINFO1 of #NPF (APM vol. 2 15.25.6). */
#define NPF_WRITE BIT(1)
#define NPF_FETCH BIT(4)
#define NPF_TABLE BIT(33) /* on the guest's own page table walk */

/* EXITINFO1 of IOIO (APM vol. 2 15.10.2). */
#define IOIO_IN		BIT(0)
#define IOIO_STRING	BIT(2)
#define IOIO_REP	BIT(3)
#define IOIO_SIZE_SHIFT 4 /* one bit each for 1, 2 and 4 bytes */
#define IOIO_PORT_SHIFT 16

/* EVENTINJ and EXITINTINFO (APM vol. 2 15.20). */
#define EVENT_TYPE_SHIFT     8
#define EVENT_TYPE_INTR	     0ull
#define EVENT_TYPE_NMI	     2ull
#define EVENT_TYPE_EXCEPTION 3ull
#define EVENT_TYPE_SOFT	     4ull
#define EVENT_ERROR_VALID    BIT(11)
#define EVENT_VALID	     BIT(31)

/* Offset 0x060: virtual interrupt control. */
#define VINTR_TPR_MASK	    0xffull
#define VINTR_IRQ	    BIT(8)
#define VINTR_PRIO_SHIFT    16
#define VINTR_IGN_TPR	    BIT(20)
#define VINTR_IRQ_ABOVE_TPR (VINTR_IRQ | VINTR_IGN_TPR | 0xfull << VINTR_PRIO_SHIFT)
#define VINTR_MASKING	    BIT(24)
#define VINTR_VECTOR_SHIFT  32

#define TLB_FLUSH_ALL	    1

struct vmcb_segment {
	uint16_t selector, attributes;
	uint32_t limit;
	uint64_t base;
};

struct vmcb {
	uint32_t intercept_cr; /* reads 0-15, writes 16-31 */
	uint32_t intercept_dr;
	uint32_t intercept_exceptions;
	uint32_t intercepts[3];
	uint8_t reserved_018[0x3c - 0x18];
	uint16_t pause_filter_threshold;
	uint16_t pause_filter_count;
	uint64_t iopm_base;
	uint64_t msrpm_base;
	uint64_t tsc_offset;
	uint32_t asid;
	uint8_t tlb_control;
	uint8_t reserved_05d[3];
	uint64_t vintr;
	uint64_t interrupt_shadow;
	uint64_t exit_code;
	uint64_t exit_info_1;
	uint64_t exit_info_2;
	uint64_t exit_int_info;
	uint64_t np_enable;
	uint8_t reserved_098[0xa8 - 0x98];
	uint64_t event_inj;
	uint64_t n_cr3;
	uint64_t lbr_enable;
	uint32_t clean;
	uint32_t reserved_0c4;
	uint64_t next_rip;
	uint8_t insn_bytes_count;
	uint8_t insn_bytes[15];
	uint8_t reserved_0e0[0x120 - 0xe0];
	uint16_t bus_lock_counter; /* how many more may be made; then each exits before it is */
	uint8_t reserved_122[0x400 - 0x122];

	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t reserved_4a0[0x4cb - 0x4a0];
	uint8_t cpl;
	uint32_t reserved_4cc;
	uint64_t efer;
	uint8_t reserved_4d8[0x548 - 0x4d8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t reserved_580[0x5d8 - 0x580];
	uint64_t rsp;
	uint8_t reserved_5e0[0x5f8 - 0x5e0];
	uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	uint8_t reserved_648[0x668 - 0x648];
	uint64_t g_pat, dbgctl;
	uint8_t reserved_678[0x1000 - 0x678];
} __attribute__((packed, aligned(4096)));

_Static_assert(sizeof(struct vmcb) == 4096, "APM vol. 2 B.1");
_Static_assert(offsetof(struct vmcb, pause_filter_threshold) == 0x3c, "table B-1");
_Static_assert(offsetof(struct vmcb, vintr) == 0x60, "table B-1");
_Static_assert(offsetof(struct vmcb, np_enable) == 0x90, "table B-1");
_Static_assert(offsetof(struct vmcb, event_inj) == 0xa8, "table B-1");
_Static_assert(offsetof(struct vmcb, next_rip) == 0xc8, "table B-1");
_Static_assert(offsetof(struct vmcb, bus_lock_counter) == 0x120, "table B-1");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "table B-2");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "table B-2");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "table B-2");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "table B-2");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "table B-2");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "table B-2");
_Static_assert(offsetof(struct vmcb, g_pat) == 0x668, "table B-2");

#endif
