/*
 * virtio-rng: every buffer is filled as far as it goes, up to a page, no faster than a guest
 * can reasonably want. The limit keeps a guest that asks for ever from having a housekeeping
 * CPU.
 */
#include "guests/devices/virtio/rng.h"

#include <errno.h>

#include "guests/devices/virtio/virtio.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/random.h"
#include "kernel/lib/bucket.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/vm.h"

#define QUEUE_SIZE	 64
#define REQUEST_MAX	 PAGE_BYTES
#define PIECE_BYTES	 256
#define BYTES_PER_SECOND (1 * MIB)
#define BURST_BYTES	 (64 * KIB)
/* What a request counts for at least: its handling costs as much as so many bytes. */
#define REQUEST_COST 256
#define CLASS_CODE   0xff0000 /* of no class */

struct virtio_rng {
	struct virtio virtio; /* first */
	struct bucket bytes;
	struct timer limit;
	struct virtq_chain chain;
	/* Written by the device's thread, read by anyone. */
	_Atomic uint64_t requests, given_bytes, throttled;
};

static struct virtio_rng *of(struct virtio *virtio)
{
	return container_of(virtio, struct virtio_rng, virtio);
}

static void limit_over(struct timer *timer)
{
	virtio_wake(&container_of(timer, struct virtio_rng, limit)->virtio);
}

static void fill(struct virtio_rng *rng, struct virtq *q)
{
	const struct virtq_chain *chain = &rng->chain;
	uint32_t bytes = MIN(chain->writable_bytes, (uint32_t)REQUEST_MAX), done = 0;
	uint8_t piece[PIECE_BYTES];

	while (done < bytes) {
		uint32_t now = MIN(bytes - done, (uint32_t)PIECE_BYTES);

		if (random_bytes(piece, now))
			break;
		now = virtq_write(q, chain, done, piece, now);
		if (!now)
			break;
		done += now;
	}
	bucket_take(&rng->bytes, MAX(done, (uint32_t)REQUEST_COST), clock_now_ns());
	atomic_fetch_add_explicit(&rng->requests, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&rng->given_bytes, done, memory_order_relaxed);
	virtq_push(q, chain->id, chain->descriptors, done);
}

/* Whether a request can be served now; else the timer wakes us when one can. */
static bool allowed(struct virtio_rng *rng)
{
	uint64_t ready = bucket_ready_ns(&rng->bytes, REQUEST_COST, clock_now_ns());

	if (!ready)
		return true;
	atomic_fetch_add_explicit(&rng->throttled, 1, memory_order_relaxed);
	timer_arm(&rng->limit, ready);
	return false;
}

/* 0 when there is nothing more to do for now. -EINVAL: the driver broke the rules. */
static int serve(struct virtio_rng *rng, struct virtq *q, const char **why)
{
	virtq_notify_off(q);
	while (allowed(rng)) {
		int got = virtq_pop(q, &rng->chain);

		if (got < 0) {
			*why = q->why;
			return got;
		}
		if (got && rng->chain.readable) {
			*why = "a buffer for random bytes is not to be written"; /* 5.4.6.1 */
			return -EINVAL;
		}
		if (got)
			fill(rng, q);
		else if (virtq_notify_on(q))
			virtq_notify_off(q);
		else
			return 0;
	}
	return 0;
}

static void service(struct virtio *virtio, uint64_t kicked)
{
	const char *why;
	int err;

	(void)kicked;
	err = serve(of(virtio), &virtio->queues[0].q, &why);
	virtio_interrupt(virtio, 0);
	if (err)
		virtio_broken(virtio, why);
}

static void start(struct virtio *virtio)
{
	(void)virtio;
}

static void stop(struct virtio *virtio)
{
	timer_cancel(&of(virtio)->limit);
}

static void queue_stop(struct virtio *virtio, unsigned queue)
{
	(void)queue;
	stop(virtio);
}

static const struct virtio_type rng_type = {
	.name = "virtio-rng",
	.id = VIRTIO_ID_RNG,
	.class_code = CLASS_CODE,
	.queue_size = QUEUE_SIZE,
	.start = start,
	.service = service,
	.stop = stop,
	.queue_stop = queue_stop,
};

struct virtio_rng *virtio_rng_create(struct vm *vm, struct pci_root *root)
{
	struct virtio_rng *rng = heap_zalloc(sizeof(*rng), &vm->account);

	if (!rng)
		return NULL;
	bucket_init(&rng->bytes, BYTES_PER_SECOND, BURST_BYTES);
	timer_init(&rng->limit, limit_over);
	rng->virtio.queue_count = 1;
	if (virtio_create(&rng->virtio, &rng_type, vm, root, 0)) {
		heap_free(rng);
		return NULL;
	}
	return rng;
}

void virtio_rng_destroy(struct virtio_rng *rng)
{
	if (!rng)
		return;
	virtio_destroy(&rng->virtio);
	timer_cancel(&rng->limit);
	heap_free(rng);
}

void virtio_rng_get_info(const struct virtio_rng *rng, struct virtio_rng_info *info)
{
	info->requests = atomic_load_explicit(&rng->requests, memory_order_relaxed);
	info->bytes = atomic_load_explicit(&rng->given_bytes, memory_order_relaxed);
	info->throttled = atomic_load_explicit(&rng->throttled, memory_order_relaxed);
}
