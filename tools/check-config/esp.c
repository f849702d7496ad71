/*
 * Walks the folder by the rules of boot/load_files.c, and stands for what kernel code needs of
 * the kernel around it: mapping files, a heap, threads. Boot's own code is EFI's and not here.
 */
#include "tools/check-config/esp.h"
#include "boot/handoff.h"
#include "kernel/io/files.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/gmem.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (4ull << 30) /* boot/load_files.c */
#define HOST_PATH_MAX  4096
#define FILES_MAX      4096

/* One file; its `entry.base`, where the machine has an address, is its number here. */
struct esp_file {
	char host_path[HOST_PATH_MAX];
	struct handoff_file entry;
};

static struct esp_file *files[FILES_MAX], *disks[FILES_MAX];
static unsigned file_count, disk_count;

static _Noreturn void give_up(const char *what, const char *why)
{
	fprintf(stderr, "check-config: %s: %s\n", what, why);
	exit(1);
}

/* Whether boot can tell the kernel of a file of this name below \bulkhead\. */
static bool can_be_named(const char *path)
{
	for (const char *at = path; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			return false;
	return strlen(path) < HANDOFF_PATH_MAX;
}

static void add(const char *host_path, const char *path, uint64_t bytes, bool disk)
{
	unsigned *count = disk ? &disk_count : &file_count;
	struct esp_file *file = calloc(1, sizeof(*file));

	if (!file || *count == FILES_MAX)
		give_up(host_path, "there are too many files");
	if (!disk && bytes > FILE_BYTES_MAX)
		give_up(host_path,
			"files of the boot partition are held in memory, up to 4 GiB "
			"each: put it in disks/, if it is a disk");
	snprintf(file->host_path, sizeof(file->host_path), "%s", host_path);
	memcpy(file->entry.path, path, strlen(path) + 1);
	file->entry.base = *count;
	file->entry.bytes = bytes;
	(disk ? disks : files)[(*count)++] = file;
}

static void walk(const char *folder, const char *prefix, bool disk)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;

	if (!entries)
		give_up(folder, strerror(errno));
	while ((entry = readdir(entries))) {
		char host_path[HOST_PATH_MAX], path[HOST_PATH_MAX];
		struct stat found;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (snprintf(host_path, sizeof(host_path), "%s/%s", folder, entry->d_name) >=
			    HOST_PATH_MAX ||
		    snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "",
			     entry->d_name) >= HOST_PATH_MAX ||
		    !can_be_named(path)) {
			printf("left out: %s/%s: use ASCII, and at most %d characters\n",
			       folder, entry->d_name, HANDOFF_PATH_MAX - 1);
			continue;
		}
		if (stat(host_path, &found) != 0)
			give_up(host_path, strerror(errno));
		if (S_ISDIR(found.st_mode))
			walk(host_path, path, disk || !strcasecmp(path, "disks"));
		else if (S_ISREG(found.st_mode) && strcasecmp(path, "kernel.elf"))
			add(host_path, path, (uint64_t)found.st_size, disk);
	}
	closedir(entries);
}

void esp_open(const char *folder)
{
	static struct handoff handoff;
	struct handoff_file *list;

	walk(folder, "", false);
	list = calloc(file_count + 1, sizeof(*list));
	if (!list)
		give_up(folder, strerror(ENOMEM));
	for (unsigned i = 0; i < file_count; i++)
		list[i] = files[i]->entry;
	handoff.files = directmap_phys(list);
	handoff.file_count = file_count;
	files_init(&handoff);
}

int esp_disk_bytes(const char *path, uint64_t *bytes)
{
	for (unsigned i = 0; i < disk_count; i++) {
		if (strcasecmp(disks[i]->entry.path, path + strspn(path, "/")))
			continue;
		*bytes = disks[i]->entry.bytes;
		return 0;
	}
	return -ENOENT;
}

/* ---- what kernel code asks of the kernel ---- */

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	const struct esp_file *file = files[phys];
	FILE *stream = fopen(file->host_path, "rb");
	void *data = stream ? malloc(bytes) : NULL;

	(void)prot;
	if (!stream || (data && fread(data, 1, bytes, stream) != bytes))
		give_up(file->host_path, errno ? strerror(errno) : "it changes");
	fclose(stream);
	return data;
}

void vmap_free(void *virt)
{
	free(virt);
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	free(p);
}

void thread_yield(void)
{
}

void mutex_lock(struct mutex *mutex)
{
	(void)mutex;
}

void mutex_unlock(struct mutex *mutex)
{
	(void)mutex;
}

bool mutex_held(struct mutex *mutex)
{
	(void)mutex;
	return true;
}

/* Checking writes to no guest; guests/boot/boot.c can. */
int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	abort();
}
