/* What all block devices have in common: the check of requests, counters, waiting for one
 * request, copying by the CPU, and the list of disks. */
#include "kernel/io/blkdev.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"

static struct spinlock disks_lock = SPINLOCK("disks"); /* guards the list; disks stay on it */
static struct list disks = {&disks, &disks};

static uint64_t most_bytes(const struct blkdev *dev, enum blk_op op)
{
	switch (op) {
	case BLK_DISCARD: return dev->max_discard_bytes;
	case BLK_WRITE_ZEROES: return dev->max_zeroes_bytes;
	default: return dev->max_bytes;
	}
}

static int check(const struct blkdev *dev, const struct blk_request *r)
{
	uint64_t most;

	if (atomic_load_explicit(&dev->gone, memory_order_relaxed))
		return -ENODEV;
	if ((unsigned)r->op >= BLK_OPS)
		return -EINVAL;
	if (r->op == BLK_FLUSH)
		return r->offset || r->bytes ? -EINVAL : 0;
	if (r->op != BLK_READ && dev->read_only)
		return -EROFS;
	most = most_bytes(dev, r->op);
	if (!most)
		return -EOPNOTSUPP;
	if (r->bytes == 0 || r->bytes > most || !IS_ALIGNED(r->offset, dev->block_bytes) ||
	    !IS_ALIGNED(r->bytes, dev->block_bytes) || r->offset > dev->bytes ||
	    r->bytes > dev->bytes - r->offset)
		return -EINVAL;
	return 0;
}

void blk_submit(struct blkdev *dev, struct blk_request *request)
{
	int err = check(dev, request);

	request->dev = dev;
	request->attempts = 0;
	request->error = 0;
	if (unlikely(err) || (request->op == BLK_FLUSH && !dev->write_cache))
		blk_done(request, err);
	else
		dev->ops->submit(dev, request);
}

void blk_commit(struct blkdev *dev)
{
	if (dev->ops->commit)
		dev->ops->commit(dev);
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void blk_done(struct blk_request *request, int error)
{
	struct blk_counters *counters = &request->dev->counters;

	if (likely((unsigned)request->op < BLK_OPS))
		count(&counters->requests[request->op], 1);
	if (unlikely(error))
		count(&counters->errors, 1);
	else if (request->op == BLK_READ)
		count(&counters->bytes_read, request->bytes);
	else if (request->op == BLK_WRITE)
		count(&counters->bytes_written, request->bytes);
	request->done(request, error);
}

/* ---- one at a time ---------------------------------------------------------------------- */

struct waiting {
	struct blk_request request;
	struct io_segment segment;
	struct semaphore done;
	int error;
};

static void wake(struct blk_request *request, int error)
{
	struct waiting *w = container_of(request, struct waiting, request);

	w->error = error;
	semaphore_up(&w->done);
}

static int wait_for(struct blkdev *dev, struct waiting *w)
{
	semaphore_init(&w->done, 0);
	w->request.done = wake;
	blk_submit(dev, &w->request);
	blk_commit(dev);
	semaphore_down(&w->done);
	return w->error;
}

/* Requests of at most max_bytes, one after the other: their memory is contiguous. */
static int transfer(struct blkdev *dev, enum blk_op op, uint64_t offset, uint64_t phys,
		    size_t bytes)
{
	int err = 0;

	for (size_t done = 0; done < bytes && !err;) {
		uint32_t n = (uint32_t)MIN(bytes - done, (size_t)dev->max_bytes);
		struct waiting w = {
			.request = {.op = op,
				    .offset = offset + done,
				    .bytes = n,
				    .segments = &w.segment,
				    .segment_count = 1},
			.segment = {phys + done, directmap(phys + done), n},
		};

		err = wait_for(dev, &w);
		done += n;
	}
	return err;
}

/* Stacks and device registers lie above the directmap, and are not contiguous to a device. */
static bool in_directmap(const void *buf)
{
	return (uint64_t)buf >= DIRECTMAP_BASE && (uint64_t)buf < VMAP_BASE;
}

int blk_read(struct blkdev *dev, uint64_t offset, void *buf, size_t bytes)
{
	if (!in_directmap(buf))
		return -EINVAL;
	return transfer(dev, BLK_READ, offset, directmap_phys(buf), bytes);
}

int blk_write(struct blkdev *dev, uint64_t offset, const void *buf, size_t bytes)
{
	if (!in_directmap(buf))
		return -EINVAL;
	return transfer(dev, BLK_WRITE, offset, directmap_phys(buf), bytes);
}

int blk_flush(struct blkdev *dev)
{
	struct waiting w = {.request = {.op = BLK_FLUSH}};

	return wait_for(dev, &w);
}

/* ---- copying ---------------------------------------------------------------------------- */

/* Calls copy(piece of a segment, piece of buf) for `bytes` from `at` on. */
static void for_pieces(struct blk_request *r, uint64_t at, char *buf, size_t bytes, bool from)
{
	struct aspace *before = r->aspace ? thread_set_aspace(r->aspace) : NULL;

	count(&r->dev->counters.bytes_copied, bytes);
	user_access_begin();
	for (const struct io_segment *s = r->segments; bytes; at -= MIN(at, s->bytes), s++) {
		size_t n = at < s->bytes ? MIN(bytes, (size_t)(s->bytes - at)) : 0;
		char *piece = (char *)s->virt + at;

		if (n)
			memcpy(from ? buf : piece, from ? piece : buf, n);
		buf += n;
		bytes -= n;
	}
	user_access_end();
	if (r->aspace)
		thread_set_aspace(before);
}

void blk_copy_from(struct blk_request *request, uint64_t at, void *buf, size_t bytes)
{
	for_pieces(request, at, buf, bytes, true);
}

void blk_copy_to(struct blk_request *request, uint64_t at, const void *buf, size_t bytes)
{
	for_pieces(request, at, (char *)(uintptr_t)buf, bytes, false);
}

/* ---- disks ------------------------------------------------------------------------------ */

static void (*on_gone)(const struct blkdev *dev);

void blkdev_on_gone(void (*fn)(const struct blkdev *dev))
{
	on_gone = fn;
}

void blkdev_set_gone(struct blkdev *dev)
{
	bool told = atomic_exchange(&dev->gone, true) || !dev->link.next; /* not registered */

	if (!told && on_gone)
		on_gone(dev);
}

void blkdev_register(struct blkdev *dev)
{
	bool large = dev->bytes >= 10 * GIB;

	spin_lock(&disks_lock);
	list_push_back(&disks, &dev->link);
	spin_unlock(&disks_lock);
	log_info("disk", "%s: %llu %s, blocks of %u, %s%s, serial %s, %s%s", dev->name,
		 (unsigned long long)(dev->bytes / (large ? GIB : MIB)), large ? "GiB" : "MiB",
		 dev->block_bytes, dev->model[0] ? dev->model : "no model",
		 dev->read_only ? ", read-only" : "", dev->serial[0] ? dev->serial : "none",
		 dev->location, dev->write_cache ? ", write cache" : "");
}

struct blkdev *blkdev_at(unsigned index)
{
	struct blkdev *found = NULL;

	spin_lock(&disks_lock);
	list_for_each(dev, &disks, struct blkdev, link)
	{
		if (index-- == 0) {
			found = dev;
			break;
		}
	}
	spin_unlock(&disks_lock);
	return found;
}
