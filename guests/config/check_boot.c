/*
 * The second stage for what guests boot: which keys go together, and whether the files are
 * there and fit. What is in the files is for the caller's check_boot().
 */
#include "guests/config/check.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/size.h"
#include "kernel/lib/types.h"
#include <stdio.h>
#include <string.h>

#define BYTES_MAX (1ull << 62) /* sums of sizes end here */

/* How a file that is not there comes there. The loader's two have their places in every image
 * that make builds, and no key of the document. */
static const char *file_remedy(const struct config_boot *boot, const char *file)
{
	if (!boot->disk)
		return "put it into the folder \\bulkhead\\ of the boot partition, or correct "
		       "the "
		       "path";
	return strcmp(file, config_boot_kernel(boot)) == 0
		       ? "the guest begins with it; put build/samples/vmlinuz of `make image` "
			 "there"
		       : "the guest begins with it; put build/samples/loader.gz of `make "
			 "image` "
			 "there";
}

/* Adds the size of `file` to `total`; false, and says so, if it is not there or empty. "" is no
 * file. */
static bool check_file(const struct checker *checker, const struct guest_config *guest,
		       const char *key, const char file[CONFIG_FILE_MAX],
		       struct config_mark mark, uint64_t *total)
{
	const struct config_machine *machine = checker->machine;
	const char *path = config_esp_path(file);
	char shown[CONFIG_SHOWN_MAX];
	uint64_t bytes = 0;

	if (!config_sound_is(checker->sound, file, CONFIG_FILE_MAX))
		return false;
	if (!path || !machine->file_size)
		return true;
	config_shown(shown, file, strlen(file));
	if (machine->file_size(machine->context, path, &bytes))
		config_report_lack(checker->report, config_position(checker, guest), mark,
				   "guest '%s': boot.%s: there is no file %s; %s", guest->name,
				   key, shown, file_remedy(&guest->boot, file));
	else if (bytes == 0)
		config_report_lack(
			checker->report, config_position(checker, guest), mark,
			"guest '%s': boot.%s: the file %s is empty; copy it there again",
			guest->name, key, shown);
	*total += MIN(bytes, BYTES_MAX - *total);
	return bytes > 0;
}

/* Where the document says what is started. */
static struct config_mark start_mark(const struct config_boot *boot)
{
	return boot->disk ? boot->disk_mark : boot->kernel_mark;
}

static void check_files(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_machine *machine = checker->machine;
	const struct config_boot *boot = &guest->boot;
	char memory[SIZE_TEXT_BYTES], needed[SIZE_TEXT_BYTES], key[32], why[CONFIG_WHY_MAX];
	uint64_t total = 0;
	bool there = SOUND(checker, *boot) && SOUND(checker, guest->memory_bytes);

	there &= check_file(checker, guest, boot->disk ? "disk" : "kernel",
			    config_boot_kernel(boot), start_mark(boot), &total);
	there &= check_file(checker, guest, boot->disk ? "disk" : "initrd",
			    config_boot_initrd(boot),
			    boot->disk ? boot->disk_mark : boot->initrd_mark, &total);
	for (uint32_t i = 0; i < boot->module_count; i++) {
		snprintf(key, sizeof(key), "modules[%u].file", (unsigned)i);
		there &= check_file(checker, guest, key, boot->modules[i].file,
				    boot->modules[i].file_mark, &total);
	}
	if (total <= guest->memory_bytes || !SOUND(checker, guest->memory_bytes)) {
		if (there && machine->check_boot &&
		    machine->check_boot(machine->context, guest, why))
			config_report_lack(checker->report, config_position(checker, guest),
					   start_mark(boot),
					   "guest '%s': it could not start: %s", guest->name,
					   why);
		return;
	}
	total = ALIGN_UP(total + 1, PAGE_2M);
	config_report_lack(checker->report, config_position(checker, guest), guest->memory_mark,
			   "guest '%s': memory is %s, too little for the files that it boots; "
			   "write more than %s",
			   guest->name, size_exact_text(guest->memory_bytes, memory),
			   size_exact_text(total, needed));
}

/* A kernel is named, or found on a disk of the guest's; what else a kernel is given goes with
 * the first alone. */
static void check_disk_boot(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_boot *boot = &guest->boot;
	const char *beside = boot->kernel[0]	  ? "kernel"
			     : boot->initrd[0]	  ? "initrd"
			     : boot->module_count ? "modules"
						  : NULL;

	if (beside)
		config_report_add(checker->report, boot->disk_mark,
				  "guest '%s': boot.disk has no meaning beside boot.%s; remove "
				  "one of the two",
				  guest->name, beside);
	else if (boot->protocol != CONFIG_PROTOCOL_AUTO &&
		 boot->protocol != CONFIG_PROTOCOL_LINUX && SOUND(checker, boot->protocol))
		config_report_add(checker->report, boot->disk_mark,
				  "guest '%s': boot.disk starts Linux; remove boot.protocol",
				  guest->name);
	if (boot->disk && !guest->disk_count && SOUND(checker, guest->disk_count))
		config_report_add(checker->report, boot->disk_mark,
				  "guest '%s': boot.disk is %u, but it has no disks; write "
				  "'disks: [{source: ...}]'",
				  guest->name, (unsigned)boot->disk - 1);
	else if (boot->disk > guest->disk_count && SOUND(checker, guest->disk_count))
		config_report_add(
			checker->report, boot->disk_mark,
			"guest '%s': boot.disk is %u, but it has %u disk%s; the first "
			"is 0",
			guest->name, (unsigned)boot->disk - 1, (unsigned)guest->disk_count,
			plural(guest->disk_count));
	if (strlen(boot->cmdline) >= CONFIG_DISK_CMDLINE_MAX)
		config_report_add(checker->report, boot->disk_mark,
				  "guest '%s': boot.cmdline is %u characters long; beside "
				  "boot.disk it has %u at most",
				  guest->name, (unsigned)strlen(boot->cmdline),
				  CONFIG_DISK_CMDLINE_MAX - 1);
}

/* An initrd or modules that the protocol has no use for, or that exclude each other. */
static void check_protocol(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_boot *boot = &guest->boot;

	if (boot->protocol == CONFIG_PROTOCOL_LINUX && boot->module_count)
		config_report_add(
			checker->report, boot->modules_mark,
			"guest '%s': boot.modules are for Multiboot kernels; remove them, "
			"or write 'protocol: multiboot'",
			guest->name);
	else if ((boot->protocol == CONFIG_PROTOCOL_MULTIBOOT ||
		  boot->protocol == CONFIG_PROTOCOL_MULTIBOOT2) &&
		 boot->initrd[0])
		config_report_add(checker->report, boot->initrd_mark,
				  "guest '%s': boot.initrd is for Linux kernels; write "
				  "'modules: [{file: ...}]', or 'protocol: linux'",
				  guest->name);
	else if (boot->initrd[0] && boot->module_count)
		config_report_add(checker->report, boot->modules_mark,
				  "guest '%s': boot.modules are for Multiboot kernels and "
				  "boot.initrd for Linux; remove one of the two",
				  guest->name);
}

static void say_nothing_to_start(const struct checker *checker,
				 const struct guest_config *guest)
{
	config_report_add(checker->report, guest->name_mark,
			  "guest '%s': boot says nothing to start; write 'kernel: "
			  "\"esp:/samples/vmlinuz\"', or 'disk: 0' for the kernel on its "
			  "first disk",
			  guest->name);
}

static void check_guest(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_boot *boot = &guest->boot;

	if (boot->disk && SOUND(checker, boot->disk)) {
		check_disk_boot(checker, guest);
	} else if (!boot->kernel[0] && !boot->disk && SOUND(checker, boot->kernel) &&
		   SOUND(checker, boot->disk)) {
		say_nothing_to_start(checker, guest);
		return;
	}
	if (SOUND(checker, boot->protocol) && SOUND(checker, boot->initrd) &&
	    SOUND(checker, boot->module_count))
		check_protocol(checker, guest);
	check_files(checker, guest);
}

void config_check_boot(const struct checker *checker)
{
	for (uint32_t i = 0; i < checker->config->guest_count; i++)
		check_guest(checker, &checker->config->guests[i]);
}
