/*
 * The MP configuration table of a guest (Intel MultiProcessor Specification 1.4, 242016): what
 * systems that read no ACPI tables, or were told not to, know of CPUs, I/O APIC, and who
 * interrupts by which pin. It says what the MADT and the DSDT say.
 */
#ifndef GUESTS_MPTABLE_MPTABLE_H
#define GUESTS_MPTABLE_MPTABLE_H

#include "kernel/lib/types.h"

struct vm;

/* Where a guest finds it: in the BIOS area, which is searched and is reserved in E820, behind
 * the ACPI tables. */
#define MPTABLE_BASE  0xfd000ull
#define MPTABLE_BYTES (8 * KIB)

struct mptable_config {
	uint64_t base;	     /* GPA that it is built for: a multiple of 16 below 1 MiB */
	unsigned vcpu_count; /* local APIC IDs 0 .. vcpu_count - 1; those above 254 are left out
			      */
	uint32_t signature;  /* CPUID.1:EAX and EDX */
	uint32_t features;
};

/* Builds the floating pointer structure, and behind it the table, into `buf` of `size` bytes.
 * Returns the bytes used, or -ENOSPC. Pure: touches nothing but `buf`. */
int mptable_build(void *buf, size_t size, const struct mptable_config *config);

/* Builds it and writes it to the guest's memory. 0, -ENOMEM, -ENOSPC, or as gmem_write(). On a
 * thread whose aspace is the guest's. */
int mptable_install(struct vm *vm);

#endif
