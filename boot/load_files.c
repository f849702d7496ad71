/*
 * Reads every regular file under \bulkhead\, for the kernel to find by path. Not the
 * kernel itself: see load_kernel.c; and not the guests' disks, which stay where they are.
 */
#include "boot/choose.h"
#include "boot/load.h"
#include "boot/pages.h"
#include "boot/say.h"
#include "boot/volume.h"
#include <stdbool.h>

#define FILE_BYTES_MAX (4ull << 30)

/* The list while it grows; in the end its memory is handed off. */
struct files {
	struct handoff_file *file;
	uint64_t count, capacity;
};

static struct handoff_file *append(struct files *files)
{
	if (files->count == files->capacity) {
		const uint64_t bytes = files->capacity * sizeof(*files->file);
		const uint64_t pages = 2 * pages_for(bytes) + 4;
		struct handoff_file *larger = (void *)pages_get(pages);
		if (!larger)
			refuse(EFI_OUT_OF_RESOURCES, L"Use a machine with more memory.",
			       L"there is no room for a list of %ld files.", files->count + 1);
		BS->CopyMem(larger, files->file, bytes);
		files->file = larger;
		files->capacity = pages * PAGE_BYTES / sizeof(*larger);
	}
	return &files->file[files->count++];
}

/*
 * Appends `name` to the `length` characters in `path`. Returns the new length, or 0 when
 * the kernel could not be told of such a path.
 */
static unsigned extend(char *path, unsigned length, const CHAR16 *name)
{
	if (length > 0)
		path[length++] = '/';
	for (; *name != 0; name++) {
		if (*name < 0x20 || *name > 0x7e || length + 2 >= HANDOFF_PATH_MAX)
			return 0;
		path[length++] = (char)*name;
	}
	path[length] = '\0';
	return length;
}

/* FAT does not tell capitals from small letters; `path` is ASCII, `name` small letters. */
static bool is_named(const char *path, const char *name)
{
	for (; *name != '\0'; path++, name++) {
		const char small = *path >= 'A' && *path <= 'Z' ? *path + ('a' - 'A') : *path;
		if (small != *name)
			return false;
	}
	return *path == '\0';
}

static void load_file(EFI_FILE_HANDLE folder, const EFI_FILE_INFO *info, const char *path,
		      struct files *files)
{
	const uint64_t bytes = info->FileSize;
	if (bytes > FILE_BYTES_MAX)
		refuse(EFI_UNSUPPORTED,
		       L"Files of the boot partition are held in memory, up to 4 GiB each: put "
		       L"it in \\bulkhead\\disks, if it is a disk.",
		       L"\\bulkhead\\%a is %ld MiB long.", path, bytes >> 20);

	EFI_FILE_HANDLE file = volume_open_file(folder, info->FileName, path);
	struct handoff_file *to = append(files);
	BS->SetMem(to, sizeof(*to), 0);
	for (unsigned i = 0; path[i] != '\0'; i++)
		to->path[i] = path[i];
	to->bytes = bytes;
	if (bytes > 0) {
		to->base = pages_get(pages_for(bytes));
		if (!to->base)
			refuse(EFI_OUT_OF_RESOURCES,
			       L"Use a machine with more memory, or remove files from "
			       L"\\bulkhead.",
			       L"\\bulkhead\\%a, %ld MiB, does not fit into memory.", path,
			       bytes >> 20);
		volume_read(file, path, 0, bytes, to->base);
		BS->SetMem((void *)(to->base + bytes), pages_for(bytes) * PAGE_BYTES - bytes,
			   0);
	}
	file->Close(file);
}

/* Depth is bounded by HANDOFF_PATH_MAX: each level takes two characters of it at least. */
static void load_folder(EFI_FILE_HANDLE folder, char *path, unsigned length,
			struct files *files)
{
	const EFI_FILE_INFO *info;

	while ((path[length] = '\0', info = volume_next(folder, path))) {
		const CHAR16 *name = info->FileName;
		if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)))
			continue;
		const unsigned extended = extend(path, length, name);
		if (extended == 0) {
			path[length] = '\0';
			Print(L"Left out: \\bulkhead\\%a%a%s: use ASCII, and at most %d "
			      L"characters.\r\n",
			      path, length > 0 ? "/" : "", name, HANDOFF_PATH_MAX - 1);
		} else if (info->Attribute & EFI_FILE_DIRECTORY) {
			if (length == 0 && is_named(path, VOLUME_DISKS))
				continue;
			EFI_FILE_HANDLE inner = volume_open_file(folder, name, path);
			load_folder(inner, path, extended, files);
			inner->Close(inner);
		} else if (!is_named(path, VOLUME_KERNEL) && !is_named(path, CHOOSE_NEW) &&
			   !is_named(path, CHOOSE_OLD)) {
			load_file(folder, info, path, files);
		}
	}
}

void load_files(EFI_FILE_HANDLE bulkhead, struct handoff *handoff)
{
	char path[HANDOFF_PATH_MAX] = "";
	struct files files = {0};

	/* A missing document is told before anything large is read. */
	EFI_FILE_HANDLE config = volume_open_file(bulkhead, L"" VOLUME_CONFIG, VOLUME_CONFIG);
	config->Close(config);

	load_folder(bulkhead, path, 0, &files);
	handoff->files = (uint64_t)files.file;
	handoff->file_count = (uint32_t)files.count;
	for (uint64_t i = 0; i < files.count; i++) {
		if (is_named(files.file[i].path, VOLUME_CONFIG))
			handoff->config_file = i;
	}
}
