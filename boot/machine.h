/*
 * What the CPU and the firmware tell about the machine, gathered for the hand-off.
 */
#ifndef BOOT_MACHINE_H
#define BOOT_MACHINE_H

#include "boot/handoff.h"

/* Refuses CPUs and modes that handoff.h's state at the jump can't be made on. */
void machine_check(void);

/* Fills framebuffer, rsdp_phys, smbios_phys, entropy and entropy_bytes. */
void machine_describe(struct handoff *handoff);

static inline uint64_t machine_tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#endif
