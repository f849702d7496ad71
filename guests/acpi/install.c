/* Puts a guest's ACPI tables where it finds them. What they say is build.c's. */
#include <errno.h>

#include "guests/acpi/acpi.h"
#include "guests/pci/pci.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/gmem.h"

/* dsdt.asl, compiled (tools/make/aml.S). */
extern const uint8_t dsdt_aml[];
extern const uint32_t dsdt_aml_bytes;

int acpi_install(struct gmem *gm, unsigned vcpu_count, bool watchdog, uint64_t *rsdp)
{
	const struct acpi_config config = {
		.base = ACPI_BASE,
		.vcpu_count = vcpu_count,
		.pci_high = pci_high_base(),
		.watchdog = watchdog,
		.dsdt = dsdt_aml,
		.dsdt_bytes = dsdt_aml_bytes,
	};
	void *tables = heap_zalloc(ACPI_BYTES, gm->account);
	int bytes, error;

	if (!tables)
		return -ENOMEM;
	bytes = acpi_build(tables, ACPI_BYTES, &config);
	error = bytes < 0 ? bytes : gmem_write(gm, ACPI_BASE, tables, bytes);
	heap_free(tables);
	*rsdp = ACPI_BASE;
	return error;
}
