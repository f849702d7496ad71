/* The instructions of VMX, one function each (SDM vol. 3C ch. 30). Those that fail only if we
 * ourselves are wrong panic; guests have no way to that. Host tests have a fake of this header:
 * tests/unit/cpu. */
#ifndef KERNEL_VMM_VMX_ASM_H
#define KERNEL_VMM_VMX_ASM_H

#include "kernel/cpu/control.h"
#include "kernel/log/log.h"
#include "kernel/vmm/vmx/vmcs.h"

static inline uint64_t vmread(unsigned field)
{
	uint64_t value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
	return value;
}

static inline void vmwrite(unsigned field, uint64_t value)
{
	__asm__ goto("vmwrite %1, %0\n\tjna %l[failed]"
		     :
		     : "r"((uint64_t)field), "r"(value)
		     : "cc"
		     : failed);
	return;
failed:
	panic("VMWRITE to field 0x%x failed", field);
}

#define VMX_ON_REGION(name, text)                                                       \
	static inline bool name(uint64_t phys)                                          \
	{                                                                               \
		bool failed;                                                            \
                                                                                        \
		__asm__ volatile(text " %1" : "=@ccna"(failed) : "m"(phys) : "memory"); \
		return !failed;                                                         \
	}
VMX_ON_REGION(vmxon, "vmxon")
VMX_ON_REGION(vmclear, "vmclear")
VMX_ON_REGION(vmptrld, "vmptrld")
#undef VMX_ON_REGION

enum inv_type { INV_SINGLE_CONTEXT = 1, INV_ALL_CONTEXTS = 2 };

static inline void invept(enum inv_type type, uint64_t eptp)
{
	const uint64_t descriptor[2] = {eptp, 0};

	__asm__ volatile("invept %0, %1"
			 :
			 : "m"(descriptor), "r"((uint64_t)type)
			 : "cc", "memory");
}

static inline void invvpid(enum inv_type type, uint16_t vpid)
{
	const uint64_t descriptor[2] = {vpid, 0};

	__asm__ volatile("invvpid %0, %1"
			 :
			 : "m"(descriptor), "r"((uint64_t)type)
			 : "cc", "memory");
}

#endif
