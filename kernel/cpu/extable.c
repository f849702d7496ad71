/* Looks up fix-ups of faulting instructions; and the accesses that use them. */
#include "kernel/cpu/extable.h"

#include <errno.h>

#include "kernel/cpu/msr.h"

extern const struct extable_entry __extable_start[], __extable_end[]; /* link.ld */

uint64_t extable_find(uint64_t rip)
{
	for (const struct extable_entry *e = __extable_start; e < __extable_end; e++)
		if ((uint64_t)&e->fault + (uint64_t)(int64_t)e->fault == rip)
			return (uint64_t)&e->fixup + (uint64_t)(int64_t)e->fixup;
	return 0;
}

int rdmsr_safe(uint32_t msr, uint64_t *value)
{
	uint32_t lo = 0, hi = 0;
	int error = -EIO;

	__asm__ volatile("1: rdmsr\n\t"
			 "xorl %0, %0\n\t"
			 "2:\n\t" EXTABLE("1b", "2b")
			 : "+r"(error), "+a"(lo), "+d"(hi)
			 : "c"(msr)
			 : "memory", "cc");
	*value = (uint64_t)hi << 32 | lo;
	return error;
}

int wrmsr_safe(uint32_t msr, uint64_t value)
{
	int error = -EIO;

	__asm__ volatile("1: wrmsr\n\t"
			 "xorl %0, %0\n\t"
			 "2:\n\t" EXTABLE("1b", "2b")
			 : "+r"(error)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory", "cc");
	return error;
}

int load_safe(uint64_t address, uint64_t *value)
{
	int error = -EFAULT;

	__asm__ volatile("1: movq (%2), %1\n\t"
			 "xorl %0, %0\n\t"
			 "2:\n\t" EXTABLE("1b", "2b")
			 : "+r"(error), "=&r"(*value)
			 : "r"(address)
			 : "memory", "cc");
	return error;
}
