/*
 * From the files that a configuration names to a kernel that can be loaded: which protocol
 * starts it, that a gzip'd one is unpacked, and that whatever is missing or fails, nothing
 * stays mapped or allocated.
 */
/* links: guests/launch/kernel.c guests/boot/gzip.c guests/boot/boot.c guests/boot/e820.c */
/* links: kernel/io/files.c */
/* links: guests/linux/image.c guests/linux/place.c */
/* links: guests/multiboot/image.c guests/multiboot/info.c guests/multiboot/elf.c */
/* links: guests/multiboot/header2.c guests/multiboot/info2.c guests/multiboot/place.c */
/* links: guests/multiboot/check.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/launch/kernel.h"
#include "kernel/io/files.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/gmem.h"

/* ---- the kernel around it ---- */

static unsigned held, step_fails; /* allocations and mappings; 0: none fails */

static bool fails(void)
{
	return step_fails && !--step_fails;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (fails())
		return NULL;
	held++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	held -= p != NULL;
	free(p);
}

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	void *p = fails() ? NULL : malloc(bytes);

	(void)prot;
	if (p)
		memcpy(p, (const void *)phys, bytes);
	held += p != NULL;
	return p;
}

void vmap_free(void *virt)
{
	held--;
	free(virt);
}

void thread_yield(void)
{
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	fail_msg("a check writes to a guest");
	return -EFAULT;
}

const char *config_esp_path(const char *file)
{
	return strncmp(file, "esp:/", 5) ? NULL : file + 5;
}

/* ---- the boot partition ---- */

#define FILES_MAX 8
static struct handoff_file files[FILES_MAX];
static struct handoff handoff;

static void put_file(const char *path, const void *data, size_t bytes)
{
	struct handoff_file *file = &files[handoff.file_count++];

	snprintf(file->path, sizeof(file->path), "%s", path);
	file->base = (uint64_t)data;
	file->bytes = bytes;
}

/* A Multiboot kernel of either version: addresses for 64 bytes at 1 MiB. */
static uint32_t kernel_1[32] = {0x1badb002, 0x10000, -(0x1badb002 + 0x10000), MIB, MIB, 0,
				0,	    MIB};
static uint32_t kernel_2[32] = {
	0xe85250d6, 0, 72, -(0xe85250d6 + 72), 2, 24, MIB, MIB, 0, 0, 3, 12, MIB, 0, 0, 8};
static uint8_t packed[1000];

static int set_up(void **state)
{
	char command[200];
	FILE *pipe;
	size_t bytes;

	(void)state;
	/* gzip packs what the shell's printf is told of kernel_1. */
	strcpy(command, "printf '");
	for (unsigned i = 0; i < 32; i++) /* the header; the rest is zeroes */
		sprintf(command + strlen(command), "\\%03o", ((uint8_t *)kernel_1)[i]);
	strcat(command, "' | gzip -c");
	pipe = popen(command, "r");
	bytes = fread(packed, 1, sizeof(packed), pipe);
	if (pclose(pipe) || bytes < 18)
		return -1;
	put_file("one.elf", kernel_1, sizeof(kernel_1));
	put_file("two.elf", kernel_2, sizeof(kernel_2));
	put_file("one.gz", packed, bytes);
	put_file("damaged.gz", packed, bytes - 1);
	put_file("module", "12345", 5);
	put_file("empty", NULL, 0);
	handoff.files = directmap_phys(files);
	files_init(&handoff);
	return 0;
}

static char why[BOOT_WHY_BYTES];

/* Opens and checks in 16 MiB; gives the protocol, or a negative errno, and lets go of it. */
static int try(const char *kernel, const char *module, enum config_protocol wanted)
{
	struct config_boot boot = {.protocol = wanted};
	struct kernel_files opened;
	int error, protocol;

	snprintf(boot.kernel, sizeof(boot.kernel), "%s", kernel);
	if (module) {
		boot.module_count = 1;
		snprintf(boot.modules[0].file, sizeof(boot.modules[0].file), "%s", module);
		snprintf(boot.initrd, sizeof(boot.initrd), "%s", module);
	}
	why[0] = '\0';
	error = kernel_open(&boot, NULL, &opened, why);
	if (!error) {
		protocol = opened.protocol;
		error = kernel_check(&opened, 16 * MIB, why);
		kernel_close(&opened);
	}
	assert_int_equal(held, 0);
	assert_true(!error || why[0]);
	return error ? error : protocol;
}

static void test_protocols(void **state)
{
	(void)state;
	assert_int_equal(try("esp:/one.elf", NULL, CONFIG_PROTOCOL_AUTO),
			 CONFIG_PROTOCOL_MULTIBOOT);
	assert_int_equal(try("esp:/ONE.elf", "esp:/module", CONFIG_PROTOCOL_AUTO),
			 CONFIG_PROTOCOL_MULTIBOOT);
	assert_int_equal(try("esp:/two.elf", "esp:/module", CONFIG_PROTOCOL_AUTO),
			 CONFIG_PROTOCOL_MULTIBOOT2);
	assert_int_equal(try("esp:/one.gz", "esp:/module", CONFIG_PROTOCOL_AUTO),
			 CONFIG_PROTOCOL_MULTIBOOT);
	assert_int_equal(try("esp:/one.elf", NULL, CONFIG_PROTOCOL_MULTIBOOT2), -ENOEXEC);
	assert_int_equal(try("esp:/two.elf", NULL, CONFIG_PROTOCOL_MULTIBOOT), -ENOEXEC);
	assert_int_equal(try("esp:/one.elf", NULL, CONFIG_PROTOCOL_LINUX), -ENOEXEC);
}

static void test_what_is_missing(void **state)
{
	(void)state;
	assert_int_equal(try("esp:/none", NULL, CONFIG_PROTOCOL_AUTO), -ENOENT);
	assert_non_null(
		strstr(why, "no file esp:/none")); /* and that `start` alone is no use */
	assert_non_null(strstr(why, "files are read at its next start"));
	assert_int_equal(try("one.elf", NULL, CONFIG_PROTOCOL_AUTO), -ENOENT);
	assert_int_equal(try("esp:/one.gz", "esp:/none", CONFIG_PROTOCOL_AUTO), -ENOENT);
	assert_int_equal(try("esp:/damaged.gz", "esp:/module", CONFIG_PROTOCOL_AUTO), -ENOEXEC);
	assert_int_equal(try("esp:/module", NULL, CONFIG_PROTOCOL_AUTO), -ENOEXEC);
	assert_int_equal(try("esp:/empty", NULL, CONFIG_PROTOCOL_AUTO), -ENOEXEC);
	assert_int_equal(try("esp:/empty", "esp:/empty", CONFIG_PROTOCOL_LINUX), -ENOEXEC);
}

/* Each file in its place, with the string that goes with it. */
static void test_all_is_handed_on(void **state)
{
	struct config_boot boot = {
		.kernel = "esp:/one.elf",
		.cmdline = "quiet",
		.module_count = 2,
		.modules = {{.file = "esp:/module", .cmdline = "first"},
			    {.file = "esp:/two.elf", .cmdline = "second"}},
	};
	struct kernel_files opened;
	const struct boot_source *source = &opened.source;

	(void)state;
	assert_int_equal(kernel_open(&boot, NULL, &opened, why), 0);
	assert_string_equal(source->name, "esp:/one.elf");
	assert_string_equal(source->cmdline, "quiet");
	assert_int_equal(source->kernel.bytes, sizeof(kernel_1));
	assert_int_equal(source->initrd.bytes, 0);
	assert_int_equal(source->module_count, 2);
	assert_string_equal(source->modules[0].string, "first");
	assert_string_equal(source->modules[1].string, "second");
	assert_int_equal(source->modules[0].image.bytes, 5);
	assert_memory_equal(source->modules[0].image.data, "12345", 5);
	assert_int_equal(source->modules[1].image.bytes, sizeof(kernel_2));
	assert_memory_equal(source->modules[1].image.data, kernel_2, sizeof(kernel_2));
	kernel_close(&opened);
	assert_int_equal(held, 0);
}

/* A guest that boots a disk of its own begins with the loader, which is told which. */
static void test_a_disk_is_the_loaders(void **state)
{
	struct config_boot boot = {.disk = 16, .cmdline = "console=hvc0 single"};
	struct kernel_files opened;
	const char *line;

	(void)state;
	put_file("loader/vmlinuz", kernel_1, sizeof(kernel_1));
	files_init(&handoff);
	assert_int_equal(kernel_open(&boot, NULL, &opened, why), -ENOENT);
	assert_non_null(strstr(why, "esp:/loader/initrd.gz"));
	assert_int_equal(held, 0);

	put_file("loader/initrd.gz", "12345", 5);
	files_init(&handoff);
	assert_int_equal(kernel_open(&boot, NULL, &opened, why), 0);
	line = opened.source.cmdline;
	assert_string_equal(opened.source.name, "esp:/loader/vmlinuz");
	assert_int_equal(opened.source.initrd.bytes, 5);
	assert_non_null(strstr(line, " bulkhead.disk=15 -- console=hvc0 single"));
	assert_null(strstr(line + strlen(line) - strlen(boot.cmdline), " -- "));
	kernel_close(&opened);
	assert_int_equal(held, 0);

	for (unsigned n = 1;; n++) { /* the line, two files */
		int error;

		step_fails = n;
		error = kernel_open(&boot, NULL, &opened, why);
		step_fails = 0;
		if (!error) {
			kernel_close(&opened);
			assert_int_equal(n, 4);
			break;
		}
		assert_int_equal(error, -ENOMEM);
		assert_int_equal(held, 0);
	}

	/* The longest that the configuration takes is there to its last letter. */
	memset(boot.cmdline, 'x', CONFIG_DISK_CMDLINE_MAX - 2);
	strcpy(boot.cmdline + CONFIG_DISK_CMDLINE_MAX - 2, "y");
	assert_int_equal(kernel_open(&boot, NULL, &opened, why), 0);
	line = opened.source.cmdline;
	assert_int_equal(line[strlen(line) - 1], 'y');
	kernel_close(&opened);
}

static void test_each_step_may_fail(void **state)
{
	static const char *const kernels[] = {"esp:/one.elf", "esp:/two.elf", "esp:/one.gz"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kernels); i++) {
		unsigned n = 0;
		int result;

		do {
			step_fails = ++n;
			result = try(kernels[i], "esp:/module", CONFIG_PROTOCOL_AUTO);
			step_fails = 0;
			assert_true(result > 0 || result == -ENOMEM);
		} while (result < 0);
		/* Three files, the check's; what is unpacked, and zlib's state. */
		assert_int_equal(n - 1, i == 2 ? 6 : 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_what_is_missing),
		cmocka_unit_test(test_all_is_handed_on),
		cmocka_unit_test(test_a_disk_is_the_loaders),
		cmocka_unit_test(test_each_step_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
