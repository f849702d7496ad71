/* Puts a guest's MP configuration table where it finds it. What it says is build.c's. */
#include <errno.h>

#include "guests/acpi/acpi.h"
#include "guests/bios/bios.h"
#include "guests/mptable/mptable.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/vm.h"

_Static_assert(MPTABLE_BASE >= ACPI_BASE + ACPI_BYTES &&
		       MPTABLE_BASE + MPTABLE_BYTES <= BIOS_CODE,
	       "between the ACPI tables and the BIOS's code");

int mptable_install(struct vm *vm)
{
	const struct cpuid cpuid = features_cpuid(vm->vcpus[0], 1, 0);
	const struct mptable_config config = {
		.base = MPTABLE_BASE,
		.vcpu_count = vm->vcpu_count,
		.signature = cpuid.eax,
		.features = cpuid.edx,
	};
	void *table = heap_zalloc(MPTABLE_BYTES, &vm->account);
	int bytes, error;

	if (!table)
		return -ENOMEM;
	bytes = mptable_build(table, MPTABLE_BYTES, &config);
	error = bytes < 0 ? bytes : gmem_write(&vm->gmem, MPTABLE_BASE, table, bytes);
	heap_free(table);
	return error;
}
