/* FAT file systems made of anything: the search ends, and a file that is found lies inside. */
/* links: drivers/volume/fat.c drivers/volume/fat_name.c tests/unit/fake_blkdev.c */
/* links: tests/unit/fake_turns.c */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "drivers/volume/fat.h"
#include "tests/fuzz/sparse_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void look_for(const char *path)
{
	char why[STORAGE_WHY_BYTES] = "";
	struct fat_file file;
	uint64_t from = 0;
	int error = fat_find(&sparse_disk.dev, path, &file, why);

	if (error) {
		if (!why[0] || file.extents)
			abort();
		return;
	}
	for (unsigned i = 0; i < file.count; i++) {
		const struct fat_extent *e = &file.extents[i];

		if (e->from != from || !e->bytes || e->offset >= sparse_disk.dev.bytes ||
		    e->bytes > sparse_disk.dev.bytes - e->offset)
			abort();
		from += e->bytes;
	}
	if (from != file.bytes)
		abort();
	fat_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	sparse_fill(data, bytes);
	look_for("bulkhead/disks/a rather long name.img");
	look_for("bulkhead/disks/web.img");
	sparse_apply(data, bytes, true);
	return 0;
}
