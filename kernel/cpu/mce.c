/* Enables the machine-check banks and prints them; recovering from errors is not tried. */
#include "kernel/cpu/mce.h"

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"

#define CPUID_MCE	  BIT(7) /* leaf 1, EDX */
#define CPUID_MCA	  BIT(14)

#define MSR_MCG_CAP	  0x179u
#define MSR_MCG_STATUS	  0x17au
#define MSR_MC_CTL(bank)  (0x400u + 4 * (bank))
#define MSR_MC_STATUS(b)  (0x401u + 4 * (b))
#define MSR_MC_ADDRESS(b) (0x402u + 4 * (b))
#define MCG_CAP_BANKS	  0xff
#define STATUS_VALID	  BIT(63)
#define STATUS_ADDRESS	  BIT(58) /* the address register holds one */

static unsigned bank_count(void)
{
	uint64_t capability;

	if (!(cpuid(1, 0).edx & CPUID_MCA) || rdmsr_safe(MSR_MCG_CAP, &capability))
		return 0;
	return capability & MCG_CAP_BANKS;
}

void mce_init_this_cpu(void)
{
	unsigned banks = bank_count();
	uint64_t cr4;

	if (!(cpuid(1, 0).edx & CPUID_MCE))
		return;
	/* Firmware may keep banks to itself; then the writes fault or do nothing. Old reports
	 * are dropped: whoever ran before us was to deal with them. */
	for (unsigned bank = 0; bank < banks; bank++) {
		(void)wrmsr_safe(MSR_MC_CTL(bank), ~0ull);
		(void)wrmsr_safe(MSR_MC_STATUS(bank), 0);
	}
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_MCE) : "memory");
}

void mce_log(void)
{
	unsigned banks = bank_count();
	uint64_t global = 0, status, address;

	(void)rdmsr_safe(MSR_MCG_STATUS, &global);
	log_info("panic", "machine check on CPU %u, global status %#lx", cpu_this()->index,
		 global);
	for (unsigned bank = 0; bank < banks; bank++) {
		if (rdmsr_safe(MSR_MC_STATUS(bank), &status) || !(status & STATUS_VALID))
			continue;
		address = 0;
		if (status & STATUS_ADDRESS)
			(void)rdmsr_safe(MSR_MC_ADDRESS(bank), &address);
		log_info("panic", "bank %u: status %#018lx address %#lx", bank, status,
			 address);
	}
}
