/* ACPI tables made of anything: the parsers stay inside them and inside struct acpi_machine. */
/* links: kernel/io/acpi_parse.c */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "kernel/io/acpi_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The first byte chooses the parser. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static void (*const parsers[])(const uint8_t *, size_t, struct acpi_machine *) = {
		acpi_parse_madt, acpi_parse_fadt, acpi_parse_mcfg,
		acpi_parse_hpet, acpi_parse_s5,
	};
	struct acpi_machine machine = {0};

	if (bytes == 0)
		return 0;
	parsers[data[0] % ARRAY_SIZE(parsers)](data + 1, bytes - 1, &machine);
	if (machine.cpu_count > CPU_MAX || machine.ioapic_count > ACPI_IOAPICS_MAX ||
	    machine.segment_count > ACPI_SEGMENTS_MAX || machine.s5_type_a > 7 ||
	    machine.s5_type_b > 7)
		abort();
	return 0;
}
