/* Building a VM as its configuration says. Whether and when is guests/guest. */
#include "guests/launch/launch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/acpi/acpi.h"
#include "guests/bios/bios.h"
#include "guests/devices/console.h"
#include "guests/launch/devices.h"
#include "guests/launch/kernel.h"
#include "guests/linux/linux.h"
#include "guests/mptable/mptable.h"
#include "guests/multiboot/multiboot.h"
#include "kernel/lib/size.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vm_create.h"
#include "kernel/vmm/vmm.h"

static int load_image(struct gmem *gm, const struct kernel_files *files,
		      struct vcpu_entry *entry, char why[BOOT_WHY_BYTES])
{
	const struct boot_source *source = &files->source;

	switch (files->protocol) {
	case CONFIG_PROTOCOL_LINUX: return linux_load(gm, source, entry, why);
	case CONFIG_PROTOCOL_MULTIBOOT:
		return multiboot_load(gm, source, MULTIBOOT_1, entry, why);
	default: return multiboot_load(gm, source, MULTIBOOT_2, entry, why);
	}
}

/* What firmware leaves, then the kernel. */
static int fill_memory(struct vm *vm, const struct guest_config *config,
		       struct kernel_files *files, struct vcpu_entry *entry,
		       char why[BOOT_WHY_BYTES])
{
	int err = bios_install(&vm->gmem);

	if (err)
		return boot_refuse(why, err, "its memory below 1 MiB could not be written");
	err = acpi_install(&vm->gmem, vm->vcpu_count, config->watchdog, &files->source.rsdp);
	if (err)
		return boot_refuse(why, err, "its ACPI tables don't fit");
	err = mptable_install(vm);
	if (err)
		return boot_refuse(why, err, "its MP table could not be written");
	return load_image(&vm->gmem, files, entry, why);
}

static int load_kernel(struct vm *vm, const struct guest_config *config,
		       struct vcpu_entry *entry, char why[BOOT_WHY_BYTES])
{
	struct kernel_files files;
	int err = kernel_open(&config->boot, &vm->account, &files, why);

	if (err)
		return err == -ENOENT ? -ENODEV : err;
	err = fill_memory(vm, config, &files, entry, why);
	kernel_close(&files);
	return err;
}

/* The document may be for another machine. */
static int check_cpus(const struct config_vcpus *vcpus, char why[BOOT_WHY_BYTES])
{
	struct cpumask named = vcpus->allowed, present = vmm_cpus();

	for (unsigned i = 0; i < vcpus->pin_count; i++) {
		if (cpumask_test(sched_housekeeping(), vcpus->pin[i]))
			return boot_refuse(why, -ENODEV,
					   "cpus.pin names CPU %u, on which the hypervisor "
					   "does its own work since the machine's start",
					   vcpus->pin[i]);
		cpumask_set(&named, vcpus->pin[i]);
	}
	cpumask_for_each(cpu, &named)
	{
		if (!cpumask_test(&present, cpu))
			return boot_refuse(why, -ENODEV,
					   "cpus.%s names CPU %u, which this machine does not "
					   "have, or which runs no guests",
					   vcpus->pin_count ? "pin" : "allowed", cpu);
	}
	return 0;
}

/* Told before anything is taken; others may be as fast until it is. */
static int check_memory(const struct guest_config *config, char why[BOOT_WHY_BYTES])
{
	uint64_t free_bytes = guest_frames_free_bytes();
	char wanted[SIZE_TEXT_BYTES], rest[SIZE_TEXT_BYTES];

	if (config->memory_bytes <= free_bytes)
		return 0;
	return boot_refuse(why, -ENOMEM, "memory is %s, and %s are free for guests",
			   size_exact_text(config->memory_bytes, wanted),
			   size_exact_text(free_bytes, rest));
}

static int create_vm(const struct launch_params *params, struct launch *out,
		     char why[BOOT_WHY_BYTES])
{
	const struct guest_config *config = params->config;
	const struct chipset_params chipset = {
		.console = console_uart_host(params->console),
		.debug_exit = config->debug_exit,
		.watchdog = config->watchdog,
		.watchdog_fired = params->watchdog_fired,
	};
	const struct vm_params vm = {
		.name = config->name,
		.vcpu_count = config->cpus.count,
		.memory_bytes = config->memory_bytes,
		.pin = config->cpus.pin_count ? config->cpus.pin : NULL,
		.allowed = *params->shared,
		.weight = config->cpus.weight,
		.cap_percent = config->cpus.cap_percent,
		.stopped = params->stopped,
		.arg = params->arg,
	};

	out->vm = vm_create(&vm);
	if (!out->vm && vm.pin && guest_frames_free_bytes() >= config->memory_bytes)
		return boot_refuse(why, -EBUSY,
				   "not all of its CPUs are free, or no memory is; the log "
				   "says which");
	if (!out->vm)
		return boot_refuse(why, -ENOMEM, "no memory for it");
	out->chipset = chipset_create(&out->vm->board, &chipset);
	if (!out->chipset)
		return boot_refuse(why, -ENOMEM, "no memory for its devices");
	return 0;
}

static int fill_vm(const struct launch_params *params, struct launch *out,
		   char why[BOOT_WHY_BYTES])
{
	struct aspace *own;
	int err =
		devices_create(params->config, out->sources.devs, &out->vm->board,
			       chipset_pci(out->chipset), params->console, &out->devices, why);

	if (err)
		return err;
	own = thread_set_aspace(&out->vm->gmem.as);
	err = load_kernel(out->vm, params->config, &out->entry, why);
	thread_set_aspace(own);
	return err;
}

int launch_prepare(const struct launch_params *params, struct launch *out,
		   char why[BOOT_WHY_BYTES])
{
	int err = check_cpus(&params->config->cpus, why);

	memset(out, 0, sizeof *out);
	if (!err)
		err = check_memory(params->config, why);
	if (!err)
		err = sources_open(params->config, params->given_up, &out->sources, why);
	if (!err)
		err = create_vm(params, out, why);
	if (!err)
		err = fill_vm(params, out, why);
	if (!err && atomic_load(params->given_up))
		err = boot_refuse(why, -ECANCELED, "given up");
	if (err)
		launch_release(out);
	else
		console_set_uart(params->console, chipset_console(out->chipset));
	return err;
}

void launch_release(struct launch *launch)
{
	if (launch->vm)
		vm_retire(launch->vm); /* its disks may take their time */
	devices_destroy(launch->devices);
	sources_close(&launch->sources);
	chipset_destroy(launch->chipset);
	if (launch->vm)
		vm_destroy(launch->vm);
	memset(launch, 0, sizeof *launch);
}
