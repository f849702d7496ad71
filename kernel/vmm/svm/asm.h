/* The instruction of SVM that is not part of entering a guest (entry.S): VMSAVE. Host tests
 * have a fake of this header: tests/unit/cpu. */
#ifndef KERNEL_VMM_SVM_ASM_H
#define KERNEL_VMM_SVM_ASM_H

#include "kernel/lib/types.h"

/* FS, GS, TR, LDTR and the MSRs that VMLOAD loads, into the VMCB (APM vol. 3 VMSAVE). */
static inline void vmsave(uint64_t vmcb_phys)
{
	__asm__ volatile("vmsave %0" : : "a"(vmcb_phys) : "memory");
}

#endif
