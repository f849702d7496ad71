/* Lookup and mapping of the boot partition's files. Reading disks is not here. */
#include "kernel/io/files.h"

#include <strings.h>

#include "kernel/mem/hostmap.h"

static const struct handoff_file *files;
static unsigned count;
static uint64_t config_index;
static const struct handoff_partition *partition;

void files_init(const struct handoff *handoff)
{
	files = directmap(handoff->files);
	count = handoff->file_count;
	config_index = handoff->config_file;
	partition = &handoff->boot_partition;
}

const struct handoff_file *files_find(const char *path)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcasecmp(files[i].path, path))
			return &files[i];
	return NULL;
}

const struct handoff_file *files_config(void)
{
	return config_index < count ? &files[config_index] : NULL;
}

const struct handoff_partition *files_partition(void)
{
	return partition;
}

const void *files_map(const struct handoff_file *file)
{
	return file->bytes ? vmap(file->base, file->bytes, PT_READ) : NULL;
}

void files_unmap(const void *data)
{
	if (data)
		vmap_free((void *)data);
}
