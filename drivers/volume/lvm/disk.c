/* Bytes that are not whole blocks. */
#include "drivers/volume/lvm/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The blocks around some bytes, in memory. */
struct cover {
	uint64_t offset;
	size_t bytes;
	uint8_t *memory;
};

static int cover_alloc(const struct lvm_disk *disk, uint64_t offset, size_t bytes,
		       struct cover *cover)
{
	if (offset > disk->bytes || bytes > disk->bytes - offset)
		return -EINVAL;
	cover->offset = ALIGN_DOWN(offset, disk->block_bytes);
	cover->bytes = ALIGN_UP(offset + bytes, disk->block_bytes) - cover->offset;
	if (cover->bytes > disk->bytes - cover->offset)
		return -EINVAL;
	cover->memory = malloc(cover->bytes);
	return cover->memory ? 0 : -ENOMEM;
}

int lvm_disk_read(struct lvm_disk *disk, uint64_t offset, void *buf, size_t bytes)
{
	struct cover cover;
	int error = cover_alloc(disk, offset, bytes, &cover);

	if (error)
		return error;
	error = disk->read(disk, cover.offset, cover.memory, cover.bytes);
	if (!error)
		memcpy(buf, cover.memory + (offset - cover.offset), bytes);
	free(cover.memory);
	return error;
}

int lvm_disk_write(struct lvm_disk *disk, uint64_t offset, const void *buf, size_t bytes)
{
	const size_t block = disk->block_bytes;
	struct cover cover;
	int error = cover_alloc(disk, offset, bytes, &cover);

	if (error)
		return error;
	if (cover.offset != offset || cover.bytes != bytes) {
		error = disk->read(disk, cover.offset, cover.memory, block);
		if (!error && cover.bytes > block)
			error = disk->read(disk, cover.offset + cover.bytes - block,
					   cover.memory + cover.bytes - block, block);
	}
	if (!error) {
		memcpy(cover.memory + (offset - cover.offset), buf, bytes);
		error = disk->write(disk, cover.offset, cover.memory, cover.bytes);
	}
	free(cover.memory);
	return error;
}
