/* What ACPI tells of a machine, as a struct. Who reads it from tables is acpi.h. */
#ifndef KERNEL_IO_ACPI_MACHINE_H
#define KERNEL_IO_ACPI_MACHINE_H

#include "kernel/lib/types.h"

#define ACPI_IOAPICS_MAX  16
#define ACPI_SEGMENTS_MAX 16
#define ACPI_ISA_IRQS	  16

struct acpi_ioapic {
	uint64_t phys;
	uint32_t gsi_base; /* global system interrupt of its pin 0 */
};

/* Where an ISA interrupt arrives; identity, edge and active high unless the MADT overrides. */
struct acpi_isa_irq {
	uint32_t gsi;
	bool level, active_low;
};

/* Registers in the generic form, 5.2.3.2: memory or I/O space. Absent when address is 0. */
struct acpi_register {
	uint64_t address;
	bool io;
};

/* One PCI segment's configuration space (MCFG). */
struct acpi_segment {
	uint64_t phys; /* of bus 0, even where bus_first is higher */
	uint16_t segment;
	uint8_t bus_first, bus_last;
};

struct acpi_machine {
	uint32_t apic_ids[CPU_MAX]; /* enabled CPUs, in the MADT's order */
	unsigned cpu_count;
	unsigned cpus_ignored; /* enabled, but beyond CPU_MAX */

	struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
	unsigned ioapic_count;
	struct acpi_isa_irq isa[ACPI_ISA_IRQS];

	struct acpi_segment segments[ACPI_SEGMENTS_MAX];
	unsigned segment_count;

	uint64_t hpet_phys; /* 0: none */

	struct acpi_register pm_timer;
	bool pm_timer_32bit;
	uint8_t rtc_century; /* CMOS index of the century, 0: none */

	struct acpi_register reset;
	uint8_t reset_value;

	uint64_t dsdt_phys;
	struct acpi_register pm1a_control, pm1b_control;
	uint16_t smi_command_port; /* takes acpi_enable to enter ACPI mode; 0: no need */
	uint8_t acpi_enable;
	bool s5_known;
	uint8_t s5_type_a, s5_type_b; /* SLP_TYP values of the state "off" */
};

#endif
