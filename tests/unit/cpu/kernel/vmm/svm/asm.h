/* In place of kernel/vmm/svm/asm.h on the build machine: tests/unit/fake_vmcb.c. */
#ifndef TESTS_UNIT_CPU_SVM_ASM_H
#define TESTS_UNIT_CPU_SVM_ASM_H

#include "kernel/lib/types.h"

void vmsave(uint64_t vmcb_phys);

#endif
