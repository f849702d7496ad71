/* The start of the machine's virtualization: once, then on each CPU. */
#include "kernel/vmm/vmm.h"

#include <errno.h>

#include "kernel/cpu/control.h"
#include "kernel/cpu/cpu.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"
#include "kernel/mem/pagetable.h"
#include "kernel/vmm/backend.h"
#include "kernel/vmm/features.h"

const struct vmm_backend *vmm_backend;

int vmm_init(const struct vmm_backend *const *candidates, unsigned count)
{
	char why[128];

	for (unsigned i = 0; i < count; i++) {
		if (!candidates[i]->probe(why, sizeof why)) {
			vmm_backend = candidates[i];
			features_init();
			log_info("vmm", "%s with %s", vmm_backend->name,
				 vmm_backend->nested_format->name);
			return 0;
		}
		log_info("vmm", "no %s: %s", candidates[i]->name, why);
	}
	log_error("vmm", "this CPU can run no guests");
	return -ENODEV;
}

/* Guests' FPU and SSE state is saved and restored here, so the CPU must let us touch it. */
static void fpu_enable(void)
{
	write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP);
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT |
		  (cpu_features.xsave ? CR4_OSXSAVE : 0));
}

int vmm_init_this_cpu(void)
{
	if (!vmm_backend)
		return -ENODEV;
	fpu_enable();
	return vmm_backend->cpu_enable(cpu_this());
}

struct cpumask vmm_cpus(void)
{
	struct cpumask mask = {0};

	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i]->backend)
			cpumask_set(&mask, i);
	return mask;
}
