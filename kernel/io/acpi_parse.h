/*
 * Parsers of single ACPI tables: bytes in, fields of struct acpi_machine out. They trust
 * nothing in the table but that `bytes` of it may be read. Mapping is acpi.c's.
 */
#ifndef KERNEL_IO_ACPI_PARSE_H
#define KERNEL_IO_ACPI_PARSE_H

#include "kernel/io/acpi_machine.h"

#define ACPI_HEADER_BYTES 36

bool acpi_checksum_ok(const uint8_t *table, size_t bytes);

/* Whole tables with their header, whose checksum was right. */
void acpi_parse_madt(const uint8_t *table, size_t bytes, struct acpi_machine *machine);
void acpi_parse_fadt(const uint8_t *table, size_t bytes, struct acpi_machine *machine);
void acpi_parse_mcfg(const uint8_t *table, size_t bytes, struct acpi_machine *machine);
void acpi_parse_hpet(const uint8_t *table, size_t bytes, struct acpi_machine *machine);

/* Looks for the package \_S5 in AML: finds its first two elements, or leaves s5_known false. */
void acpi_parse_s5(const uint8_t *aml, size_t bytes, struct acpi_machine *machine);

#endif
