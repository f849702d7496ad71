/* Building a VM as its configuration says. Whether and when is guests/guest. */
#include "guests/launch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/acpi/acpi.h"
#include "guests/bios/bios.h"
#include "guests/console/console.h"
#include "guests/devices/devices.h"
#include "guests/linux/linux.h"
#include "guests/mptable/mptable.h"
#include "guests/multiboot/multiboot.h"
#include "kernel/io/files.h"
#include "kernel/sched/thread.h"

/* The files of one guest, mapped while they are copied into it. */
struct images {
	struct boot_source source;
	struct boot_module modules[CONFIG_MODULES_MAX];
};

static int map_file(const char *file, struct boot_image *image, char why[BOOT_WHY_BYTES])
{
	const char *path = config_esp_path(file);
	const struct handoff_file *entry = path ? files_find(path) : NULL;

	if (!entry)
		return boot_refuse(why, -ENOENT, "there is no file %s on the boot partition",
				   file);
	image->bytes = entry->bytes;
	image->data = files_map(entry);
	if (!image->data && image->bytes)
		return boot_refuse(why, -ENOMEM, "no memory to map %s", file);
	return 0;
}

static void unmap_files(struct images *images)
{
	files_unmap(images->source.kernel.data);
	files_unmap(images->source.initrd.data);
	for (unsigned i = 0; i < CONFIG_MODULES_MAX; i++)
		files_unmap(images->modules[i].image.data);
}

static int map_files(const struct config_boot *boot, struct images *images,
		     char why[BOOT_WHY_BYTES])
{
	struct boot_source *source = &images->source;
	int err = map_file(boot->kernel, &source->kernel, why);

	if (!err && boot->initrd[0])
		err = map_file(boot->initrd, &source->initrd, why);
	for (unsigned i = 0; !err && i < boot->module_count; i++) {
		images->modules[i].string = boot->modules[i].cmdline;
		err = map_file(boot->modules[i].file, &images->modules[i].image, why);
	}
	source->name = boot->kernel;
	source->cmdline = boot->cmdline;
	source->modules = images->modules;
	source->module_count = boot->module_count;
	return err;
}

static int load_image(struct gmem *gm, const struct boot_source *source,
		      enum config_protocol protocol, struct vcpu_entry *entry,
		      char why[BOOT_WHY_BYTES])
{
	if (protocol == CONFIG_PROTOCOL_AUTO) {
		if (linux_probe(&source->kernel))
			protocol = CONFIG_PROTOCOL_LINUX;
		else if (multiboot_probe(&source->kernel))
			protocol = CONFIG_PROTOCOL_MULTIBOOT;
	}
	switch (protocol) {
	case CONFIG_PROTOCOL_LINUX: return linux_load(gm, source, entry, why);
	case CONFIG_PROTOCOL_MULTIBOOT: return multiboot_load(gm, source, entry, why);
	default:
		return boot_refuse(
			why, -ENOEXEC,
			"boot.kernel is neither a Linux bzImage nor a Multiboot kernel");
	}
}

static int load_kernel(struct vm *vm, const struct config_boot *boot, struct vcpu_entry *entry,
		       char why[BOOT_WHY_BYTES])
{
	struct images images = {0};
	int err = map_files(boot, &images, why);

	if (!err) {
		err = bios_install(&vm->gmem);
		if (err)
			boot_refuse(why, err, "its memory below 1 MiB could not be written");
	}
	if (!err) {
		err = acpi_install(&vm->gmem, vm->vcpu_count, &images.source.rsdp);
		if (err)
			boot_refuse(why, err, "its ACPI tables don't fit");
	}
	if (!err) {
		err = mptable_install(vm);
		if (err)
			boot_refuse(why, err, "its MP table could not be written");
	}
	if (!err)
		err = load_image(&vm->gmem, &images.source, boot->protocol, entry, why);
	unmap_files(&images);
	return err;
}

int launch_prepare(const struct guest_config *config, const struct cpumask *shared,
		   struct console *console, void (*stopped)(struct vm *vm, void *arg),
		   void *arg, struct launch *out, char why[BOOT_WHY_BYTES])
{
	const struct chipset_params chipset = {
		.console = console_uart_host(console),
		.debug_exit = config->debug_exit,
	};
	const struct vm_params params = {
		.name = config->name,
		.vcpu_count = config->cpus.count,
		.memory_bytes = config->memory_bytes,
		.pin = config->cpus.pin_count ? config->cpus.pin : NULL,
		.allowed = *shared,
		.weight = config->cpus.weight,
		.cap_percent = config->cpus.cap_percent,
		.stopped = stopped,
		.arg = arg,
	};
	struct aspace *own;
	int err;

	memset(out, 0, sizeof *out);
	out->vm = vm_create(&params);
	if (!out->vm)
		return boot_refuse(why, -ENOMEM, "no memory for it");
	out->chipset = chipset_create(out->vm, &chipset);
	if (!out->chipset) {
		launch_release(out);
		return boot_refuse(why, -ENOMEM, "no memory for its devices");
	}
	err = devices_create(config, out->vm, chipset_pci(out->chipset), console, &out->devices,
			     why);
	if (err) {
		launch_release(out);
		return err;
	}
	own = thread_set_aspace(&out->vm->gmem.as);
	err = load_kernel(out->vm, &config->boot, &out->entry, why);
	thread_set_aspace(own);
	if (err) {
		launch_release(out);
		return err;
	}
	console_set_uart(console, chipset_console(out->chipset));
	return 0;
}

void launch_release(struct launch *launch)
{
	devices_destroy(launch->devices);
	chipset_destroy(launch->chipset);
	if (launch->vm)
		vm_destroy(launch->vm);
	memset(launch, 0, sizeof *launch);
}
