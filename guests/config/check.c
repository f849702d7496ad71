/*
 * The second stage: whether guests fit each other and the machine. Works on structs alone,
 * so a configuration from anywhere can be checked; looks at no file's contents. Disks and
 * networks are check_disks.c's and check_networks.c's.
 */
#include "guests/config/check.h"
#include "guests/config/value.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/size.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BYTES_MAX (1ull << 62) /* sums of sizes end here */

static void check_names(const struct checker *checker)
{
	const struct guest_config *guests = checker->config->guests;

	for (uint32_t i = 1; i < checker->config->guest_count; i++) {
		char place[CONFIG_ON_LINE_MAX];
		uint32_t j = 0;

		while (strcmp(guests[j].name, guests[i].name) != 0)
			j++;
		if (j < i)
			config_report_add(checker->report, guests[i].name_mark,
					  "guest '%s': the guest%s has this name too; "
					  "give each guest its own",
					  guests[i].name,
					  config_on_line(guests[j].name_mark, place));
	}
}

/* CPUs that a list names and the machine lacks. `owner` is "guest 'alpha': " or "". */
static void check_present(const struct checker *checker, const char *owner, const char *key,
			  struct cpumask named, struct config_mark mark)
{
	struct cpumask absent = config_cpus_without(named, checker->machine->cpus);
	char wrong[CONFIG_CPUS_TEXT], right[CONFIG_CPUS_TEXT];

	if (config_cpus_empty(&checker->machine->cpus) || config_cpus_empty(&absent))
		return;
	config_report_add(checker->report, mark,
			  "%s%s names %s, which this machine does not have; it has %s", owner,
			  key, config_cpus_text(&absent, wrong),
			  config_cpus_text(&checker->machine->cpus, right));
}

/* CPUs of `named` that another guest than `guest` pins. */
static void check_foreign_pins(const struct checker *checker, const struct guest_config *guest,
			       const char *key, struct cpumask named, struct config_mark mark,
			       uint32_t others)
{
	char text[CONFIG_CPUS_TEXT], place[CONFIG_ON_LINE_MAX];

	for (uint32_t i = 0; i < others; i++) {
		const struct guest_config *other = &checker->config->guests[i];
		struct cpumask both = config_cpus_and(named, config_pins(other));

		if (other == guest || config_cpus_empty(&both))
			continue;
		config_report_add(
			checker->report, mark,
			"guest '%s': %s names %s, which guest '%s' owns by its pin%s; "
			"take it out of one of the two",
			guest->name, key, config_cpus_text(&both, text), other->name,
			config_on_line(other->cpus.pin_mark, place));
	}
}

/* Keys that mean something for shared vCPUs only. */
static void check_beside_pin(const struct checker *checker, const struct guest_config *guest,
			     const char *key, struct config_mark mark)
{
	if (mark.line)
		config_report_add(
			checker->report, mark,
			"guest '%s': cpus.%s has no meaning beside cpus.pin, whose CPUs "
			"are the guest's alone; remove one of the two",
			guest->name, key);
}

static bool every_cpu_pinned(const struct checker *checker)
{
	struct cpumask rest =
		config_cpus_without(checker->machine->cpus, config_pinned(checker->config));

	return !config_cpus_empty(&checker->machine->cpus) && config_cpus_empty(&rest);
}

static void check_pinned(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_vcpus *cpus = &guest->cpus;
	struct cpumask pins = config_pins(guest);
	struct cpumask taken = config_cpus_and(pins, checker->config->host.housekeeping);
	char owner[CONFIG_GUEST_NAME_MAX + 16], text[CONFIG_CPUS_TEXT];

	snprintf(owner, sizeof(owner), "guest '%s': ", guest->name);
	if (cpus->count != cpus->pin_count)
		config_report_add(
			checker->report, cpus->pin_mark,
			"%scpus.pin names %u CPU%s for %u vCPU%s; name one for each, or "
			"write 'count: %u'",
			owner, (unsigned)cpus->pin_count, plural(cpus->pin_count),
			(unsigned)cpus->count, plural(cpus->count), (unsigned)cpus->pin_count);
	check_beside_pin(checker, guest, "allowed", cpus->allowed_mark);
	check_beside_pin(checker, guest, "weight", cpus->weight_mark);
	check_beside_pin(checker, guest, "cap", cpus->cap_mark);
	check_present(checker, owner, "cpus.pin", pins, cpus->pin_mark);
	check_foreign_pins(checker, guest, "cpus.pin", pins, cpus->pin_mark,
			   (uint32_t)(guest - checker->config->guests));
	if (every_cpu_pinned(checker))
		return;
	if (!config_cpus_empty(&taken))
		config_report_add(checker->report, cpus->pin_mark,
				  "%scpus.pin names %s of host.housekeeping, where devices and "
				  "management run; pin another, or change host.housekeeping",
				  owner, config_cpus_text(&taken, text));
}

static void check_shared(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_vcpus *cpus = &guest->cpus;
	char owner[CONFIG_GUEST_NAME_MAX + 16];

	snprintf(owner, sizeof(owner), "guest '%s': ", guest->name);
	check_present(checker, owner, "cpus.allowed", cpus->allowed, cpus->allowed_mark);
	check_foreign_pins(checker, guest, "cpus.allowed", cpus->allowed, cpus->allowed_mark,
			   checker->config->guest_count);
}

static void check_cpus(const struct checker *checker)
{
	const struct config *config = checker->config;
	struct config_mark mark = config->host.housekeeping_mark;

	check_present(checker, "", "host.housekeeping", config->host.housekeeping, mark);
	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];

		if (guest->cpus.pin_count) {
			check_pinned(checker, guest);
			mark = guest->cpus.pin_mark;
		} else {
			check_shared(checker, guest);
		}
	}
	if (every_cpu_pinned(checker))
		config_report_add(
			checker->report, mark,
			"with this, every CPU of the machine is pinned; leave at least "
			"one out as a housekeeping CPU, for devices and management");
}

/* Takes a guest's RAM disks from what is left; false, and says so, when one does not fit. */
static bool take_ram_disks(const struct checker *checker, const struct guest_config *guest,
			   uint64_t *left)
{
	char rest[SIZE_TEXT_BYTES];
	uint64_t bytes;

	for (uint32_t i = 0; i < guest->disk_count; i++) {
		const struct config_disk *disk = &guest->disks[i];

		if (strncmp(disk->source, "ram:", 4) != 0 ||
		    !size_parse(disk->source + 4, &bytes))
			continue;
		if (bytes <= *left) {
			*left -= MIN(*left, ALIGN_UP(bytes, PAGE_2M));
			continue;
		}
		config_report_add(
			checker->report, disk->source_mark,
			"guest '%s': disks[%u].source is '%s', but this machine has "
			"%s left after the guests' memory before; write less, here or "
			"there",
			guest->name, (unsigned)i, disk->source,
			size_exact_text(ALIGN_DOWN(*left, PAGE_2M), rest));
		return false;
	}
	return true;
}

/* Takes a guest's memory off *left; `alone`: that is the whole machine's. */
static bool take_memory(const struct checker *checker, const struct guest_config *guest,
			uint64_t *left, bool alone)
{
	char wanted[SIZE_TEXT_BYTES], rest[SIZE_TEXT_BYTES];

	if (guest->memory_bytes <= *left) {
		*left -= guest->memory_bytes;
		return take_ram_disks(checker, guest, left);
	}
	config_report_add(checker->report, guest->memory_mark,
			  "guest '%s': memory is %s, but this machine has %s %s", guest->name,
			  size_exact_text(guest->memory_bytes, wanted),
			  size_exact_text(ALIGN_DOWN(*left, PAGE_2M), rest),
			  alone ? "for guests; write less"
				: "left after the guests before; write less, here or there");
	return false;
}

/* Guests that start with the machine must fit beside each other; one that is started by hand,
 * on it. */
static void check_memory(const struct checker *checker)
{
	uint64_t all = checker->machine->memory_bytes, left = all;

	for (uint32_t i = 0; all && i < checker->config->guest_count; i++) {
		const struct guest_config *guest = &checker->config->guests[i];
		uint64_t whole = all;

		if (!take_memory(checker, guest, guest->autostart ? &left : &whole,
				 !guest->autostart || left == all))
			return;
	}
}

/* Adds the size of `file` to `total`; false, and says so, if it is not there or empty. "" is no
 * file. */
static bool check_file(const struct checker *checker, const struct guest_config *guest,
		       const char *key, const char *file, struct config_mark mark,
		       uint64_t *total)
{
	const struct config_machine *machine = checker->machine;
	const char *path = config_esp_path(file);
	char shown[CONFIG_SHOWN_MAX];
	uint64_t bytes = 0;

	if (!path || !machine->file_size)
		return true;
	config_shown(shown, file, strlen(file));
	if (machine->file_size(machine->context, path, &bytes))
		config_report_add(
			checker->report, mark,
			"guest '%s': boot.%s: there is no file %s; put it into the folder "
			"\\bulkhead\\ of the boot partition, or correct the path",
			guest->name, key, shown);
	else if (bytes == 0)
		config_report_add(
			checker->report, mark,
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
	bool there = true;

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
	if (total <= guest->memory_bytes) {
		if (there && machine->check_boot &&
		    machine->check_boot(machine->context, guest, why))
			config_report_add(checker->report, start_mark(boot),
					  "guest '%s': it could not start: %s", guest->name,
					  why);
		return;
	}
	total = ALIGN_UP(total + 1, PAGE_2M);
	config_report_add(checker->report, guest->memory_mark,
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
		 boot->protocol != CONFIG_PROTOCOL_LINUX)
		config_report_add(checker->report, boot->disk_mark,
				  "guest '%s': boot.disk starts Linux; remove boot.protocol",
				  guest->name);
	if (boot->disk > guest->disk_count)
		config_report_add(
			checker->report, boot->disk_mark,
			"guest '%s': boot.disk is %u, but it has %u disk%s; the first "
			"is 0",
			guest->name, (unsigned)boot->disk - 1, (unsigned)guest->disk_count,
			guest->disk_count == 1 ? "" : "s");
	if (strlen(boot->cmdline) >= CONFIG_DISK_CMDLINE_MAX)
		config_report_add(checker->report, boot->disk_mark,
				  "guest '%s': boot.cmdline is %u characters long; beside "
				  "boot.disk it has %u at most",
				  guest->name, (unsigned)strlen(boot->cmdline),
				  CONFIG_DISK_CMDLINE_MAX - 1);
}

static void check_boot(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_boot *boot = &guest->boot;

	if (boot->disk) {
		check_disk_boot(checker, guest);
	} else if (!boot->kernel[0]) {
		config_report_add(
			checker->report, guest->name_mark,
			"guest '%s': boot says nothing to start; write 'kernel: "
			"\"esp:/samples/vmlinuz\"', or 'disk: 0' for the kernel on its "
			"first disk",
			guest->name);
		return;
	}
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
	check_files(checker, guest);
}

int config_check(const struct config *config, const struct config_machine *machine,
		 struct config_report *report)
{
	struct checker checker = {config, machine, report};
	uint32_t before = report->count + report->dropped;

	if (config->guest_count > CONFIG_GUESTS_MAX)
		config_report_add(report, config->guests[CONFIG_GUESTS_MAX].name_mark,
				  "guest '%s': there are %u guests already; leave one out",
				  config->guests[CONFIG_GUESTS_MAX].name, CONFIG_GUESTS_MAX);
	check_names(&checker);
	check_cpus(&checker);
	check_memory(&checker);
	for (uint32_t i = 0; i < config->guest_count; i++)
		check_boot(&checker, &config->guests[i]);
	config_check_networks(&checker);
	config_check_disks(&checker);
	return report->count + report->dropped == before ? 0 : -EINVAL;
}
