/*
 * check-config: the hypervisor's own configuration check, on the build machine.
 * Reads a document, prints everything that is wrong with it, one line each. What it is not
 * told of the machine (CPUs, memory, files) it does not check, and says so.
 */
#include "drivers/volume/names.h"
#include "guests/config/config.h"
#include "guests/config/plan.h"
#include "guests/config/value.h"
#include "guests/launch/kernel.h"
#include "kernel/io/files.h"
#include "kernel/lib/plural.h"
#include "kernel/mem/plan.h"
#include "tools/check-config/esp.h"
#include "tools/check-config/keys.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENT_MAX (1024 * 1024) /* far more than config_parse takes */
#define BLOCK_BYTES  512u	   /* the smallest that disks have */

static bool esp_known;	    /* the folder of its files was given */
static const char *against; /* the older document, or NULL */

static const char usage[] =
	"usage: check-config [--cpus N] [--memory SIZE] [--esp FOLDER] [--against OLD] FILE\n"
	"       check-config --keys\n"
	"  --cpus    CPUs of the machine, such as 4\n"
	"  --memory  its RAM, such as 2048MiB; the hypervisor's own part is taken off\n"
	"  --esp     a copy of \\bulkhead\\ of its boot partition, where esp:/ files are\n"
	"  --against the document that the machine runs by now: what would change, with all\n"
	"            its guests running\n"
	"  --keys    print all keys as the table in docs/configuration.md\n";

static int find_file(void *context, const char *path, uint64_t *bytes)
{
	const struct handoff_file *file = files_find(path);

	(void)context;
	if (!file)
		return -ENOENT;
	*bytes = file->bytes;
	return 0;
}

/* Whether the guest's kernel could be loaded, by the code that loads it. */
static int check_boot(void *context, const struct guest_config *guest, char why[CONFIG_WHY_MAX])
{
	struct kernel_files files;
	int error = kernel_open(&guest->boot, NULL, &files, why);

	_Static_assert(CONFIG_WHY_MAX >= BOOT_WHY_BYTES, "kernel_check() fills it");
	(void)context;
	if (error)
		return error;
	error = kernel_check(&files, guest->memory_bytes, why);
	kernel_close(&files);
	return error;
}

/* The kinds of sources, in the order of kernel/main.c, but none can be opened here. */
static void register_sources(void)
{
	static const struct storage_scheme kinds[] = {
		{.scheme = "disk", .parse = names_disk},
		{.scheme = "part", .parse = names_part},
		{.scheme = "lvm", .parse = names_lvm},
		{.scheme = "esp", .parse = names_esp},
		{.scheme = "ram", .parse = names_ram},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		storage_register(&kinds[i]);
}

static int check_source(void *context, const char *source, char why[CONFIG_WHY_MAX])
{
	_Static_assert(CONFIG_WHY_MAX >= STORAGE_WHY_BYTES, "storage_parse() fills it");
	uint64_t bytes;
	int error = storage_parse(source, why);

	(void)context;
	if (error || !esp_known || strncmp(source, "esp:", 4) != 0)
		return error;
	if (esp_disk_bytes(source + 4, &bytes)) {
		snprintf(why, CONFIG_WHY_MAX,
			 "is not there; put it into the folder \\bulkhead\\disks\\ of the boot "
			 "partition, or correct the path");
		return -ENOENT;
	}
	if (bytes && bytes % BLOCK_BYTES == 0)
		return 0;
	snprintf(why, CONFIG_WHY_MAX,
		 "is %llu bytes long; a disk has a multiple of %u: `truncate -s` makes it one",
		 (unsigned long long)bytes, BLOCK_BYTES);
	return -EINVAL;
}

/* Reads one option as a key of that name would be read; exits with a message if it can't. */
static void read_option(const struct config_field *field, const char *text, void *value)
{
	char wrong[CONFIG_PHRASE_MAX];

	if (config_value(field, text, strlen(text), value, wrong)) {
		fprintf(stderr, "check-config: --%s %s\n", field->key, wrong);
		exit(2);
	}
}

static void read_options(int count, char **words, struct config_machine *machine)
{
	static const struct option options[] = {
		{"cpus", required_argument, NULL, 'c'},
		{"memory", required_argument, NULL, 'm'},
		{"esp", required_argument, NULL, 'e'},
		{"against", required_argument, NULL, 'a'},
		{"keys", no_argument, NULL, 'k'},
		{NULL, 0, NULL, 0},
	};
	static const struct config_field cpus = {
		.key = "cpus", .type = CONFIG_NUMBER, .minimum = 1, .maximum = CPU_MAX};
	static const struct config_field memory = {.key = "memory",
						   .type = CONFIG_SIZE,
						   .minimum = 128 * MIB,
						   .maximum = UINT64_MAX,
						   .multiple = 1,
						   .example = "2048MiB"};
	uint32_t cpu_count = 0;
	int option;

	while ((option = getopt_long(count, words, "", options, NULL)) != -1) {
		if (option == 'c') {
			read_option(&cpus, optarg, &cpu_count);
		} else if (option == 'm') {
			read_option(&memory, optarg, &machine->memory_bytes);
			machine->memory_bytes -= mem_plan_host_bytes(machine->memory_bytes);
		} else if (option == 'a') {
			against = optarg;
		} else if (option == 'e') {
			esp_open(optarg);
			esp_known = true;
			machine->file_size = find_file;
			machine->check_boot = check_boot;
		} else {
			if (option == 'k')
				print_keys(stdout);
			else
				fputs(usage, stderr);
			exit(option == 'k' ? 0 : 2);
		}
	}
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++)
		cpumask_set(&machine->cpus, cpu);
}

/* The whole file, or as much as config_parse needs to refuse it; NULL with errno set. */
static char *read_document(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	char *bytes = file ? malloc(DOCUMENT_MAX) : NULL;

	if (bytes) {
		*length = fread(bytes, 1, DOCUMENT_MAX, file);
		if (ferror(file)) {
			free(bytes);
			bytes = NULL;
		}
	}
	if (file)
		fclose(file);
	return bytes;
}

static bool has_disks(const struct config *config)
{
	for (uint32_t i = 0; i < config->guest_count; i++)
		if (config->guests[i].disk_count)
			return true;
	return false;
}

static bool has_uplinks(const struct config *config)
{
	for (uint32_t i = 0; i < config->network_count; i++)
		if (config->networks[i].uplink[0])
			return true;
	return false;
}

static void say_left_out(const struct config *config, const struct config_machine *machine)
{
	if (config_cpus_empty(&machine->cpus))
		puts("not checked: whether the machine has these CPUs (say CPUS=4)");
	if (machine->memory_bytes == 0)
		puts("not checked: whether its memory is enough (say MEMORY=2048MiB)");
	if (!machine->file_size)
		puts("not checked: whether its esp:/ files exist, and its kernels start (say "
		     "ESP=folder)");
	if (has_disks(config))
		puts("not checked: whether it has these disks, and none of them twice");
	if (has_uplinks(config))
		puts("not checked: whether it has these NICs");
}

/* What is wrong with a document is printed; NULL, if anything is. */
static struct config *open_document(const char *path, const struct config_machine *machine)
{
	static struct config_report report;
	struct config *config = NULL;
	size_t length;
	char *bytes = read_document(path, &length);
	int error;

	if (!bytes) {
		fprintf(stderr, "check-config: %s: %s\n", path, strerror(errno));
		return NULL;
	}
	error = config_read(bytes, length, path, machine, &config, &report);
	free(bytes);
	if (error == -ENOMEM)
		fprintf(stderr, "check-config: %s: %s\n", path, strerror(-error));
	for (uint32_t i = 0; i < report.count; i++) {
		char line[CONFIG_LINE_MAX];

		config_report_line(&report, i, line);
		puts(line);
	}
	if (report.dropped)
		printf("and %u more\n", (unsigned)report.dropped);
	if (config && !report.count)
		return config;
	config_free(config);
	return NULL;
}

static void print_line(void *arg, const char *text)
{
	(void)arg;
	puts(text);
}

static bool all_run(void *context, const char *name)
{
	(void)context, (void)name;
	return true;
}

/* What would change on a machine that runs by the older document. */
static int compare(const struct config *next, const struct config_machine *machine)
{
	struct config *now = open_document(against, machine);
	struct config_plan plan;
	int error;

	if (!now)
		return 1;
	error = config_plan_make(&plan, now, next, &machine->cpus, all_run, NULL);
	if (error)
		fprintf(stderr, "check-config: %s\n", strerror(-error));
	else
		config_plan_say(&plan, print_line, NULL);
	config_plan_free(&plan);
	config_free(now);
	return error ? 1 : 0;
}

static int check(const char *path, const struct config_machine *machine)
{
	struct config *config = open_document(path, machine);
	int status = 0;

	if (!config)
		return 1;
	printf("%s: good, %u guest%s\n", path, (unsigned)config->guest_count,
	       plural(config->guest_count));
	say_left_out(config, machine);
	if (against)
		status = compare(config, machine);
	config_free(config);
	return status;
}

int main(int count, char **words)
{
	struct config_machine machine = {.check_source = check_source};

	register_sources();
	read_options(count, words, &machine);
	if (optind != count - 1) {
		fputs(usage, stderr);
		return 2;
	}
	return check(words[optind], &machine);
}
