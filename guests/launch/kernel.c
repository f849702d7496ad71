/* From files' names to a kernel that can be loaded. */
#include "guests/launch/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/boot/gzip.h"
#include "guests/linux/linux.h"
#include "guests/multiboot/multiboot.h"
#include "kernel/io/files.h"
#include "kernel/mem/heap.h"

static int map_file(const char *file, struct boot_image *image, char why[BOOT_WHY_BYTES])
{
	const char *path = config_esp_path(file);
	const struct handoff_file *entry = path ? files_find(path) : NULL;

	if (!entry)
		return boot_refuse(
			why, -ENOENT,
			"there was no file %s on the boot partition when the machine "
			"started; files are read at its next start",
			file);
	image->bytes = entry->bytes;
	image->data = files_map(entry);
	if (!image->data && image->bytes)
		return boot_refuse(why, -ENOMEM, "no memory to map %s", file);
	return 0;
}

/*
 * What the loader (guests/samples/loader) is told: one CPU, so that the others are as at reset
 * for the kernel that it goes on to; silence but for what it says itself; that whatever fails
 * is a triple fault, which is a crash; which disk; and, behind what its own kernel reads, what
 * that other kernel is to be told.
 */
static const char loader_options[] = "console=ttyS0 loglevel=1 nr_cpus=1 panic=-1 "
				     "reboot=triple bulkhead.disk=%u -- %.*s";
_Static_assert(sizeof(loader_options) + CONFIG_DISK_CMDLINE_MAX <= CONFIG_CMDLINE_MAX,
	       "a kernel takes it");

static int make_cmdline(const struct config_boot *boot, struct kernel_files *files,
			struct mem_account *account, char *why)
{
	if (!boot->disk)
		return 0;
	files->cmdline = heap_zalloc(CONFIG_CMDLINE_MAX, account);
	if (!files->cmdline)
		return boot_refuse(why, -ENOMEM, "no memory for its command line");
	snprintf(files->cmdline, CONFIG_CMDLINE_MAX, loader_options, (unsigned)boot->disk - 1,
		 CONFIG_DISK_CMDLINE_MAX - 1, boot->cmdline);
	return 0;
}

static int map_files(const struct config_boot *boot, struct kernel_files *files, char *why)
{
	struct boot_source *source = &files->source;
	const char *kernel = config_boot_kernel(boot), *initrd = config_boot_initrd(boot);
	int err = map_file(kernel, &source->kernel, why);

	if (!err && initrd[0])
		err = map_file(initrd, &source->initrd, why);
	for (unsigned i = 0; !err && i < boot->module_count; i++) {
		files->modules[i].string = boot->modules[i].cmdline;
		err = map_file(boot->modules[i].file, &files->modules[i].image, why);
	}
	source->name = kernel;
	source->cmdline = boot->disk ? files->cmdline : boot->cmdline;
	source->modules = files->modules;
	source->module_count = boot->module_count;
	return err;
}

/* A kernel that is gzip'd takes the place of its file. Modules and initrds are as they are. */
static int unpack(struct kernel_files *files, struct mem_account *account, char *why)
{
	struct boot_image file = files->source.kernel;
	int err;

	if (!gzip_probe(&file))
		return 0;
	err = gzip_unpack(&file, account, &files->source.kernel, why);
	files->packed = file.data;
	files->unpacked = files->source.kernel.data;
	return err;
}

static int choose(enum config_protocol wanted, struct kernel_files *files, char *why)
{
	const struct boot_image *kernel = &files->source.kernel;

	files->protocol = wanted;
	if (wanted != CONFIG_PROTOCOL_AUTO)
		return 0;
	if (linux_probe(kernel))
		files->protocol = CONFIG_PROTOCOL_LINUX;
	else if (multiboot_probe(kernel, MULTIBOOT_1))
		files->protocol = CONFIG_PROTOCOL_MULTIBOOT;
	else if (multiboot_probe(kernel, MULTIBOOT_2))
		files->protocol = CONFIG_PROTOCOL_MULTIBOOT2;
	else
		return boot_refuse(why, -ENOEXEC,
				   "boot.kernel is neither a Linux bzImage nor a Multiboot "
				   "kernel%s",
				   files->unpacked ? " (its file is gzip'd and was unpacked)"
						   : "");
	return 0;
}

int kernel_open(const struct config_boot *boot, struct mem_account *account,
		struct kernel_files *files, char why[BOOT_WHY_BYTES])
{
	int err;

	memset(files, 0, sizeof(*files));
	err = make_cmdline(boot, files, account, why);
	if (!err)
		err = map_files(boot, files, why);
	if (!err)
		err = unpack(files, account, why);
	if (!err)
		err = choose(boot->protocol, files, why);
	if (err)
		kernel_close(files);
	return err;
}

void kernel_close(struct kernel_files *files)
{
	if (files->packed) {
		heap_free((void *)files->unpacked);
		files_unmap(files->packed);
	} else {
		files_unmap(files->source.kernel.data);
	}
	files_unmap(files->source.initrd.data);
	for (unsigned i = 0; i < CONFIG_MODULES_MAX; i++)
		files_unmap(files->modules[i].image.data);
	heap_free(files->cmdline);
	memset(files, 0, sizeof(*files));
}

int kernel_check(const struct kernel_files *files, uint64_t ram_bytes, char why[BOOT_WHY_BYTES])
{
	switch (files->protocol) {
	case CONFIG_PROTOCOL_LINUX: return linux_check(ram_bytes, &files->source, why);
	case CONFIG_PROTOCOL_MULTIBOOT:
		return multiboot_check(ram_bytes, &files->source, MULTIBOOT_1, why);
	default: return multiboot_check(ram_bytes, &files->source, MULTIBOOT_2, why);
	}
}
