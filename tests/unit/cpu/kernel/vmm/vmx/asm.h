/* In place of kernel/vmm/vmx/asm.h on the build machine: tests/unit/fake_vmcs.c. */
#ifndef KERNEL_VMM_VMX_ASM_H
#define KERNEL_VMM_VMX_ASM_H

#include "kernel/cpu/control.h"
#include "kernel/log/log.h"
#include "kernel/vmm/vmx/vmcs.h"

enum inv_type { INV_SINGLE_CONTEXT = 1, INV_ALL_CONTEXTS = 2 };

uint64_t vmread(unsigned field);
void vmwrite(unsigned field, uint64_t value);
bool vmxon(uint64_t phys);
bool vmclear(uint64_t phys);
bool vmptrld(uint64_t phys);
void invept(enum inv_type type, uint64_t eptp);
void invvpid(enum inv_type type, uint16_t vpid);

#endif
