/* Disks made of memory, and as much of kernel/io/blkdev as tests of volumes need. The heap is
 * weak: a test that brings its own gets that. */
#include "tests/unit/fake_blkdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/io/look.h"
#include "kernel/mem/heap.h"

__attribute__((weak)) void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return calloc(1, bytes);
}

__attribute__((weak)) void heap_free(void *p)
{
	free(p);
}

static void move_data(struct fake_disk *disk, struct blk_request *request)
{
	uint8_t *at = disk->data + request->offset;

	for (unsigned i = 0; i < request->segment_count; i++) {
		const struct io_segment *s = &request->segments[i];

		if (request->op == BLK_READ)
			memcpy(s->virt, at, s->bytes);
		else
			memcpy(at, s->virt, s->bytes);
		at += s->bytes;
	}
	if (at != disk->data + request->offset + request->bytes)
		abort(); /* segments and bytes differ */
}

static void answer(struct fake_disk *disk, struct blk_request *request)
{
	int error = disk->fail;

	if (++disk->answers == disk->fail_at)
		error = -EIO;
	if (!error) {
		if (request->op == BLK_READ || request->op == BLK_WRITE)
			move_data(disk, request);
		else if (request->op == BLK_WRITE_ZEROES)
			memset(disk->data + request->offset, 0, request->bytes);
		else if (request->op == BLK_DISCARD)
			memset(disk->data + request->offset, 0xdd, request->bytes);
		else
			disk->flushes++;
	}
	blk_done(request, error);
}

static void fake_submit(struct blkdev *dev, struct blk_request *request)
{
	struct fake_disk *disk = container_of(dev, struct fake_disk, dev);

	disk->submits++;
	disk->largest_segments = MAX(disk->largest_segments, request->segment_count);
	if (disk->holds)
		list_push_back(&disk->held, &request->link);
	else
		answer(disk, request);
}

static void fake_commit(struct blkdev *dev)
{
	container_of(dev, struct fake_disk, dev)->commits++;
}

static const struct blkdev_ops fake_ops = {.submit = fake_submit, .commit = fake_commit};

void fake_disk_init(struct fake_disk *disk, const char *name, uint64_t bytes, uint32_t block)
{
	memset(disk, 0, sizeof(*disk));
	disk->dev = (struct blkdev){
		.ops = &fake_ops,
		.bytes = bytes,
		.block_bytes = block,
		.physical_block_bytes = block,
		.max_bytes = 1 * MIB,
		.max_discard_bytes = 1 * GIB,
		.discard_align_bytes = block,
		.max_zeroes_bytes = 1 * GIB,
	};
	strncpy(disk->dev.name, name, sizeof(disk->dev.name) - 1);
	disk->data = calloc(1, bytes);
	list_init(&disk->held);
}

unsigned fake_disk_answer(struct fake_disk *disk)
{
	unsigned count = 0;

	while (!list_empty(&disk->held)) {
		struct blk_request *request =
			list_entry(disk->held.prev, struct blk_request, link);

		list_remove(&request->link);
		answer(disk, request);
		count++;
	}
	return count;
}

/* ---- kernel/io/blkdev ---------------------------------------------------------------------
 */

static bool fits(const struct blkdev *dev, const struct blk_request *request)
{
	static const enum blk_op ops = BLK_OPS;
	uint64_t limit = request->op == BLK_DISCARD	   ? dev->max_discard_bytes
			 : request->op == BLK_WRITE_ZEROES ? dev->max_zeroes_bytes
							   : dev->max_bytes;

	if (request->op == BLK_FLUSH)
		return !request->offset && !request->bytes;
	return request->op < ops && request->bytes && request->bytes <= limit &&
	       request->bytes % dev->block_bytes == 0 &&
	       request->offset % dev->block_bytes == 0 && request->offset < dev->bytes &&
	       request->bytes <= dev->bytes - request->offset;
}

void blk_submit(struct blkdev *dev, struct blk_request *request)
{
	request->dev = dev;
	if (dev->gone)
		request->done(request, -ENODEV);
	else if (fits(dev, request))
		dev->ops->submit(dev, request);
	else
		request->done(request, -EINVAL);
}

void blk_commit(struct blkdev *dev)
{
	if (dev->ops->commit)
		dev->ops->commit(dev);
}

void blk_done(struct blk_request *request, int error)
{
	request->dev->counters.requests[request->op]++;
	request->done(request, error);
}

struct waited {
	struct blk_request request;
	bool done;
	int error;
};

static void wake(struct blk_request *request, int error)
{
	struct waited *waited = container_of(request, struct waited, request);

	waited->done = true;
	waited->error = error;
}

int fake_request(struct blkdev *dev, enum blk_op op, uint64_t offset, uint64_t bytes,
		 const struct io_segment *segments, unsigned count)
{
	struct waited waited = {
		.request = {.op = op,
			    .offset = offset,
			    .bytes = bytes,
			    .segments = segments,
			    .segment_count = count,
			    .done = wake},
	};

	blk_submit(dev, &waited.request);
	blk_commit(dev);
	if (!waited.done)
		abort(); /* nobody can answer it any more */
	return waited.error;
}

int blk_read(struct blkdev *dev, uint64_t offset, void *buf, size_t bytes)
{
	struct io_segment segment = {.virt = buf, .bytes = (uint32_t)bytes};

	return fake_request(dev, BLK_READ, offset, bytes, &segment, 1);
}

/* For who looks through disks; test_look has the real one. */
__attribute__((weak)) int look_read(struct blkdev *dev, uint64_t offset, void *buf,
				    size_t bytes)
{
	return blk_read(dev, offset, buf, bytes);
}

int blk_write(struct blkdev *dev, uint64_t offset, const void *buf, size_t bytes)
{
	struct io_segment segment = {.virt = (void *)buf, .bytes = (uint32_t)bytes};

	return fake_request(dev, BLK_WRITE, offset, bytes, &segment, 1);
}

int blk_flush(struct blkdev *dev)
{
	return fake_request(dev, BLK_FLUSH, 0, 0, NULL, 0);
}

static void copy(struct blk_request *request, uint64_t at, uint8_t *buf, size_t bytes,
		 bool from)
{
	for (unsigned i = 0; bytes; at -= MIN(at, (uint64_t)request->segments[i].bytes), i++) {
		const struct io_segment *s = &request->segments[i];
		size_t length;

		if (at >= s->bytes)
			continue;
		length = MIN(bytes, (size_t)(s->bytes - at));
		if (from)
			memcpy(buf, (char *)s->virt + at, length);
		else
			memcpy((char *)s->virt + at, buf, length);
		buf += length;
		bytes -= length;
	}
}

void blk_copy_from(struct blk_request *request, uint64_t at, void *buf, size_t bytes)
{
	copy(request, at, buf, bytes, true);
}

void blk_copy_to(struct blk_request *request, uint64_t at, const void *buf, size_t bytes)
{
	copy(request, at, (void *)buf, bytes, false);
}

static struct list disks = {&disks, &disks};

void blkdev_register(struct blkdev *dev)
{
	list_push_back(&disks, &dev->link);
}

struct blkdev *blkdev_at(unsigned index)
{
	list_for_each(dev, &disks, struct blkdev, link) if (!index--) return dev;
	return NULL;
}
