/* FPU, SSE and extended state to memory and back. The kernel's own code uses none of it, so
 * what is in the registers is a guest's. Host tests have a fake of this header: tests/unit/cpu.
 */
#ifndef KERNEL_CPU_FPU_H
#define KERNEL_CPU_FPU_H

#include "kernel/lib/types.h"

/* `area`: 512 bytes, aligned to 16 (SDM vol. 1 10.5). */
static inline void fxsave(void *area)
{
	__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static inline void fxrstor(const void *area)
{
	__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* The components of `mask` that XCR0 enables; `area` aligned to 64 (SDM vol. 1 13.7, 13.8). */
static inline void xsave(void *area, uint64_t mask)
{
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
			 : "memory");
}

static inline void xrstor(const void *area, uint64_t mask)
{
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
			 : "memory");
}

/* Replaces the x87's last instruction and operand by a load of our own. */
static inline void x87_load_zero(void)
{
	static const uint32_t zero;

	__asm__ volatile("fnclex; emms; fildl %0" : : "m"(zero));
}

#endif
