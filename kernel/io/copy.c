/* See copy.h. */
#include "kernel/io/copy.h"

#include <errno.h>
#include <string.h>

#include "kernel/mem/heap.h"

#define PIECE_BYTES (256 * KIB) /* a multiple of every block's size */

struct copy {
	struct blkdev *from, *to;
	struct copy_progress *progress;
	uint8_t *piece, *there;
};

static bool is_zero(const uint8_t *bytes, size_t count)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, count - 1);
}

static int note(const struct copy *copy, struct blkdev *dev, uint64_t offset, int error)
{
	if (error) {
		copy->progress->failed = dev;
		copy->progress->at = offset;
	}
	return error;
}

/* Has `count` bytes of copy->piece at `offset`, if they are not there. */
static int put(const struct copy *copy, uint64_t offset, size_t count)
{
	int err = 0;

	if (is_zero(copy->piece, count)) {
		err = blk_read(copy->to, offset, copy->there, count);
		if (!err && is_zero(copy->there, count))
			return 0;
	}
	if (!err) {
		copy->progress->touched = true;
		err = blk_write(copy->to, offset, copy->piece, count);
	}
	if (!err)
		copy->progress->written += count;
	return note(copy, copy->to, offset, err);
}

/* How much of the image is at `offset`, and how much of the target that takes. */
static size_t image_bytes(const struct copy *copy, uint64_t offset)
{
	return MIN(copy->from->bytes - offset, (uint64_t)PIECE_BYTES);
}

static size_t target_bytes(const struct copy *copy, uint64_t offset)
{
	return ALIGN_UP(image_bytes(copy, offset), (size_t)copy->to->block_bytes);
}

static int copy_piece(const struct copy *copy, uint64_t offset)
{
	size_t bytes = image_bytes(copy, offset), whole = target_bytes(copy, offset);
	int err = blk_read(copy->from, offset, copy->piece, bytes);

	if (err)
		return note(copy, copy->from, offset, err);
	memset(copy->piece + bytes, 0, whole - bytes);
	return put(copy, offset, whole);
}

static int clear_first(const struct copy *copy)
{
	memset(copy->piece, 0, PIECE_BYTES);
	return put(copy, 0, target_bytes(copy, 0));
}

static int flush(const struct copy *copy)
{
	return note(copy, copy->to, 0, blk_flush(copy->to));
}

static int copy_all(const struct copy *copy)
{
	const struct copy_progress *progress = copy->progress;
	int err = clear_first(copy);

	if (!err)
		err = flush(copy);
	for (uint64_t at = PIECE_BYTES; !err && at < copy->from->bytes; at += PIECE_BYTES) {
		err = progress->step(progress->arg, at - PIECE_BYTES);
		if (!err)
			err = copy_piece(copy, at);
	}
	if (!err)
		err = progress->step(progress->arg, copy->from->bytes);
	if (!err)
		err = flush(copy);
	if (!err)
		err = copy_piece(copy, 0);
	return err ? err : flush(copy);
}

int copy_image(struct blkdev *from, struct blkdev *to, struct copy_progress *progress)
{
	struct copy copy = {from, to, progress, NULL, NULL};
	int err = -ENOMEM;

	progress->failed = NULL;
	progress->at = progress->written = 0;
	progress->touched = false;
	if (!from->bytes || ALIGN_UP(from->bytes, (uint64_t)to->block_bytes) > to->bytes)
		return -ENOSPC;
	copy.piece = heap_zalloc(PIECE_BYTES, NULL);
	copy.there = heap_zalloc(PIECE_BYTES, NULL);
	if (copy.piece && copy.there)
		err = copy_all(&copy);
	heap_free(copy.there);
	heap_free(copy.piece);
	return err;
}

int copy_holds_data(struct blkdev *dev)
{
	size_t bytes = MIN(dev->bytes, (uint64_t)PIECE_BYTES);
	uint8_t *first = heap_zalloc(PIECE_BYTES, NULL);
	int result = -ENOMEM;

	if (first)
		result = blk_read(dev, 0, first, bytes);
	if (!result)
		result = !is_zero(first, bytes);
	heap_free(first);
	return result;
}
