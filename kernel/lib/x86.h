/*
 * The architecture's registers, bit by bit, by the manuals' names: control, flags and debug
 * registers, EFER, XCR0, MSRs' numbers, exceptions' vectors, page-table entries. Numbers only,
 * for the host's own registers, for guests', and for assembly. What one vendor's
 * virtualization adds is in its folder; the local APIC is lapic.h.
 */
#ifndef KERNEL_LIB_X86_H
#define KERNEL_LIB_X86_H

#ifdef __ASSEMBLER__
#define BIT(n) (1 << (n))
#else
#include "kernel/lib/types.h"
#endif

/* SDM vol. 3A 2.5; APM vol. 2 3.1.1. */
#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

/* SDM vol. 3A 2.5; APM vol. 2 3.1.3. */
#define CR4_VME	       BIT(0)
#define CR4_PVI	       BIT(1)
#define CR4_TSD	       BIT(2)
#define CR4_DE	       BIT(3)
#define CR4_PSE	       BIT(4)
#define CR4_PAE	       BIT(5)
#define CR4_MCE	       BIT(6)
#define CR4_PGE	       BIT(7)
#define CR4_PCE	       BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE	       BIT(22)
#define CR4_PKS	       BIT(24)

/* SDM vol. 1 3.4.3; APM vol. 2 3.1.6. */
#define RFLAGS_CF    BIT(0)
#define RFLAGS_FIXED BIT(1) /* reads as one */
#define RFLAGS_PF    BIT(2)
#define RFLAGS_AF    BIT(4)
#define RFLAGS_ZF    BIT(6)
#define RFLAGS_SF    BIT(7)
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_DF    BIT(10)
#define RFLAGS_OF    BIT(11)
#define RFLAGS_NT    BIT(14)
#define RFLAGS_RF    BIT(16)
#define RFLAGS_VM    BIT(17)
#define RFLAGS_AC    BIT(18)

/* SDM vol. 3A 2.2.1; APM vol. 2 3.1.7. */
#define EFER_SCE  BIT(0)
#define EFER_LME  BIT(8)
#define EFER_LMA  BIT(10)
#define EFER_NXE  BIT(11)
#define EFER_SVME BIT(12)

/* SDM vol. 3B 17.2; APM vol. 2 13.1.1. */
#define DR6_B	  0xfull /* B0 to B3 */
#define DR6_BD	  BIT(13)
#define DR6_BS	  BIT(14)
#define DR6_BT	  BIT(15)
#define DR7_LOCAL 0x155ull /* L0 to L3, LE */
#define DR7_GD	  BIT(13)

/* SDM vol. 1 13.1. */
#define XCR0_X87    BIT(0)
#define XCR0_SSE    BIT(1)
#define XCR0_AVX    BIT(2)
#define XCR0_AVX512 (BIT(5) | BIT(6) | BIT(7))
#define XCR0_PKRU   BIT(9)

/* What RESET leaves: SDM vol. 3A table 9-1, and of PAT 11.12.4. */
#define DR6_RESET 0xffff0ff0ull
#define DR7_RESET 0x400ull
#define PAT_RESET 0x0007040600070406ull

/* Entries of long mode's and of PAE's tables: SDM vol. 3A 4.5; APM vol. 2 5.3. */
#define PTE_P	      BIT(0)
#define PTE_W	      BIT(1)
#define PTE_U	      BIT(2)
#define PTE_PWT	      BIT(3)
#define PTE_PCD	      BIT(4)
#define PTE_A	      BIT(5)
#define PTE_D	      BIT(6)
#define PTE_PS	      BIT(7) /* in a PDE or PDPTE: a leaf */
#define PTE_G	      BIT(8)
#define PTE_KEY_SHIFT 59 /* 62:59 of a leaf: protection key */
#define PTE_NX	      BIT(63)
#define PTE_ADDRESS   0x000ffffffffff000ull /* 51:12 */

/* MSRs: SDM vol. 4 2.1; APM vol. 2 app. A. */
#define MSR_TSC		   0x010u
#define MSR_APIC_BASE	   0x01bu
#define MSR_TSC_ADJUST	   0x03bu
#define MSR_SYSENTER_CS	   0x174u
#define MSR_SYSENTER_ESP   0x175u
#define MSR_SYSENTER_EIP   0x176u
#define MSR_PAT		   0x277u
#define MSR_TSC_DEADLINE   0x6e0u
#define MSR_X2APIC	   0x800u
#define MSR_EFER	   0xc0000080
#define MSR_STAR	   0xc0000081u
#define MSR_LSTAR	   0xc0000082u
#define MSR_CSTAR	   0xc0000083u
#define MSR_SFMASK	   0xc0000084u
#define MSR_FS_BASE	   0xc0000100u
#define MSR_GS_BASE	   0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX	   0xc0000103u

/* Exceptions: SDM vol. 3A table 6-1; APM vol. 2 table 8-1. */
#define VECTOR_DE  0
#define VECTOR_DB  1
#define VECTOR_NMI 2
#define VECTOR_BP  3
#define VECTOR_OF  4
#define VECTOR_UD  6
#define VECTOR_DF  8
#define VECTOR_TS  10
#define VECTOR_NP  11
#define VECTOR_SS  12
#define VECTOR_GP  13
#define VECTOR_PF  14
#define VECTOR_AC  17
#define VECTOR_MC  18
#define VECTOR_CP  21
#define VECTOR_VC  29 /* AMD */
#define VECTOR_SX  30 /* AMD */

#endif
