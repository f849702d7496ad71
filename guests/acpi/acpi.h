/*
 * ACPI tables of a guest (ACPI 6.4): RSDP, RSDT and XSDT, FADT, FACS, MADT, MCFG, DSDT,
 * SSDT and WDAT. Static tables only; the hardware that they describe is guests/pci and, of
 * guests/devices, pm, pvpanic and watchdog.
 */
#ifndef GUESTS_ACPI_ACPI_H
#define GUESTS_ACPI_ACPI_H

#include "kernel/lib/types.h"

struct gmem;

/* Where a guest finds them: in the BIOS area (guests/bios), which is reserved in E820. Behind
 * them, up to the BIOS's code, are 8 KiB for other tables. */
#define ACPI_BASE  0xf0000ull
#define ACPI_BYTES (52 * KIB)

struct acpi_config {
	uint64_t base;	     /* GPA that the tables are built for, multiple of 64 */
	unsigned vcpu_count; /* local APIC IDs 0 .. vcpu_count - 1 */
	uint64_t pci_high;   /* pci_high_base() */
	bool watchdog;	     /* there is one, and a table for it */
	const uint8_t *dsdt; /* compiled */
	uint32_t dsdt_bytes;
};

/*
 * Builds all tables into `buf` of `size` bytes; the RSDP comes first. Returns the bytes used,
 * or -ENOSPC. Pure: touches nothing but `buf`.
 */
int acpi_build(void *buf, size_t size, const struct acpi_config *config);

/* Builds the tables and writes them to the guest's memory; *rsdp is the RSDP's GPA. 0, -ENOMEM,
 * -ENOSPC, -EFAULT. On a thread whose aspace is the guest's. */
int acpi_install(struct gmem *gm, unsigned vcpu_count, bool watchdog, uint64_t *rsdp);

#endif
