/*
 * What the firmware's static ACPI tables say of this machine, and the two things that we do
 * through ACPI: power off and reset. No AML is interpreted, so what only AML tells (hot-plug,
 * PCI interrupt routing) is not known here. Table numbers: ACPI 6.5.
 */
#ifndef KERNEL_IO_ACPI_H
#define KERNEL_IO_ACPI_H

#include "kernel/io/acpi_machine.h"

/* Filled by acpi_init(), constant afterwards. */
extern struct acpi_machine acpi_machine;

/*
 * Reads the tables that `rsdp_phys` leads to. A table that is damaged is logged and left out.
 * Returns 0, or -ENOENT where there are none: then only the boot CPU is listed.
 */
int acpi_init(uint64_t rsdp_phys);

/* The PM timer as a counter with a known rate. -ENODEV where the firmware names none. */
struct clock_reference;
int acpi_pm_timer(struct clock_reference *ref);

/* Number `n` of the tables with this signature, mapped for good and checked, or NULL. Thread
 * context. Its first 36 bytes are the common header, with the length at offset 4. */
const uint8_t *acpi_table(const char signature[4], unsigned n);

/* Both stop the other CPUs first. Power-off returns only where it could not be done; reset
 * tries every known way and halts after the last. */
void acpi_power_off(void);
noreturn void acpi_reset(void);

#endif
