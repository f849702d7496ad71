/* One piece of another block device, and how a request is passed on. */
#include "drivers/volume/piece.h"

#include <errno.h>

#include "kernel/mem/heap.h"

struct piece {
	struct blkdev dev;
	struct blkdev *below;
	uint64_t start;
};

static struct piece *piece_of(struct blkdev *dev)
{
	return container_of(dev, struct piece, dev);
}

void piece_forward(struct blkdev *volume, struct blk_request *request, struct blkdev *to,
		   uint64_t offset)
{
	struct blk_counters *counters = &volume->counters;

	atomic_fetch_add_explicit(&counters->requests[request->op], 1, memory_order_relaxed);
	if (request->op == BLK_READ)
		atomic_fetch_add_explicit(&counters->bytes_read, request->bytes,
					  memory_order_relaxed);
	else if (request->op == BLK_WRITE)
		atomic_fetch_add_explicit(&counters->bytes_written, request->bytes,
					  memory_order_relaxed);
	request->offset = offset;
	blk_submit(to, request);
}

static void piece_submit(struct blkdev *dev, struct blk_request *request)
{
	struct piece *piece = piece_of(dev);

	piece_forward(dev, request, piece->below,
		      request->op == BLK_FLUSH ? 0 : piece->start + request->offset);
}

static void piece_commit(struct blkdev *dev)
{
	blk_commit(piece_of(dev)->below);
}

static int piece_pieces(struct blkdev *dev, uint64_t offset, uint64_t bytes,
			int (*visit)(void *arg, struct blkdev *part, uint64_t offset,
				     uint64_t bytes),
			void *arg)
{
	struct piece *piece = piece_of(dev);

	return visit(arg, piece->below, piece->start + offset, bytes);
}

static void piece_close(struct blkdev *dev)
{
	heap_free(piece_of(dev));
}

static const struct blkdev_ops piece_ops = {
	.submit = piece_submit,
	.commit = piece_commit,
	.pieces = piece_pieces,
	.close = piece_close,
};

int piece_create(struct blkdev *below, uint64_t start, uint64_t bytes, struct blkdev **dev)
{
	struct piece *piece;

	if (!bytes || start % below->block_bytes || bytes % below->block_bytes ||
	    start >= below->bytes || bytes > below->bytes - start)
		return -EINVAL;
	piece = heap_zalloc(sizeof(*piece), NULL);
	if (!piece)
		return -ENOMEM;
	piece->below = below;
	piece->start = start;
	piece->dev = (struct blkdev){
		.ops = &piece_ops,
		.bytes = bytes,
		.block_bytes = below->block_bytes,
		.physical_block_bytes = below->physical_block_bytes,
		.max_bytes = below->max_bytes,
		.max_discard_bytes = below->max_discard_bytes,
		.discard_align_bytes = below->discard_align_bytes,
		.max_zeroes_bytes = below->max_zeroes_bytes,
		.read_only = below->read_only,
		.rotational = below->rotational,
		.write_cache = below->write_cache,
	};
	*dev = &piece->dev;
	return 0;
}
