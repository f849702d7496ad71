/*
 * The machine that configuration tests check against: 4 CPUs, 2 GiB, seven files.
 */
#ifndef TESTS_UNIT_CONFIG_MACHINE_H
#define TESTS_UNIT_CONFIG_MACHINE_H

#include "guests/config/config.h"
#include "kernel/lib/types.h"
#include <errno.h>
#include <string.h>

static int test_file_size(void *context, const char *path, uint64_t *bytes)
{
	static const struct {
		const char *path;
		uint64_t bytes;
	} files[] = {
		{"samples/vmlinuz", 10 * MIB}, {"samples/initrd.gz", 4 * MIB},
		{"samples/test.elf", 1 * MIB}, {"samples/huge.img", 600 * MIB},
		{"samples/empty", 0},	       {"loader/vmlinuz", 10 * MIB},
		{"loader/initrd.gz", 4 * MIB},
	};

	(void)context;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (strcmp(files[i].path, path) == 0) {
			*bytes = files[i].bytes;
			return 0;
		}
	}
	return -ENOENT;
}

/* Stands for kernel/io/storage.h: of its kinds, only volumes, and one form of them. */
static int test_check_source(void *context, const char *source, char why[CONFIG_WHY_MAX])
{
	(void)context;
	if (strncmp(source, "lvm:", 4) != 0 || strchr(source, '/'))
		return 0;
	strcpy(why, "names no volume; write \"lvm:<group>/<volume>\"");
	return -EINVAL;
}

static const struct config_machine test_machine = {
	.cpus = {{0xf}},
	.memory_bytes = 2 * GIB,
	.file_size = test_file_size,
	.check_source = test_check_source,
};

#endif
