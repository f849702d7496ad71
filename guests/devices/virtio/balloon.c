/*
 * virtio-balloon: its queues, and what the operator wants of it. The guest names pages of 4
 * KiB; which of them are in the balloon, and what goes to the guest pool, is balloon_pages.c's.
 * A page that the guest wants back brings its chunk back first: it must tell, and wait
 * (VIRTIO_BALLOON_F_MUST_TELL_HOST), when it runs out of memory too
 * (VIRTIO_BALLOON_F_DEFLATE_ON_OOM). Where the pool has nothing left it waits until there is.
 */
#include "guests/devices/virtio/balloon.h"

#include <errno.h>

#include "guests/devices/virtio/balloon_internal.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/board.h"

#define F_MUST_TELL_HOST 0
#define F_STATS_VQ	 1
#define F_DEFLATE_ON_OOM 2
#define F_REPORTING	 5

/* Queues that a driver did not ask for have no number (Linux and QEMU agree on this reading of
 * 5.5.2); statistics come before reports. */
enum { INFLATE, DEFLATE, STATISTICS, REPORTS, QUEUES };

#define QUEUE_SIZE 128
#define CLASS_CODE 0xff0000 /* of no class */
#define PIECE	   64	    /* page numbers that are read at once */
/* Pieces, or other requests, that are served before other threads have their turn. */
#define PIECES_IN_ONE_TURN 64
#define PIECE_BYTES	   (64 * PAGE_2M) /* that a report names, and that count as one */
#define REPORT_BYTES	   (2 * GIB)
#define RETRY_NS	   (500 * NSEC_PER_MSEC)
#define STATS		   16 /* that are looked at */

struct balloon_stat { /* 5.5.6.3 */
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));
_Static_assert(sizeof(struct balloon_stat) == 10, "virtio 1.2, 5.5.6.3");

static struct virtio_balloon *of(struct virtio *virtio)
{
	return container_of(virtio, struct virtio_balloon, virtio);
}

/* The page numbers of the chain that are not done. Stops at the first error, or -EAGAIN when
 * the turn is over. */
static int each_page(struct virtio_balloon *balloon, struct virtq *q,
		     int (*fn)(struct virtio_balloon *balloon, uint32_t pfn))
{
	const struct virtq_chain *chain = &balloon->chain;
	uint32_t piece[PIECE];

	for (; balloon->chain_at < chain->readable_bytes; balloon->budget--) {
		uint32_t bytes;

		if (!balloon->budget)
			return -EAGAIN;
		bytes = virtq_read(q, chain, balloon->chain_at, piece, sizeof piece);
		if (bytes % sizeof *piece || !bytes)
			return -EINVAL;
		for (unsigned i = 0; i < bytes / sizeof *piece; i++) {
			int err = fn(balloon, piece[i]);

			if (err)
				return err;
			balloon->chain_at += sizeof *piece;
		}
	}
	return 0;
}

static void retry(struct timer *timer)
{
	virtio_wake(&container_of(timer, struct virtio_balloon, retry)->virtio);
}

/* The guest takes more back than it was promised, and nobody has it: it waits. */
static void wait_for_memory(struct virtio_balloon *balloon)
{
	timer_arm(&balloon->retry, clock_now_ns() + RETRY_NS);
	if (!balloon->logged)
		log_warn(
			balloon->virtio.board->name,
			"wants memory back from its balloon, and there is none: it waits; stop "
			"a guest, or `balloon` another");
	balloon->logged = true;
}

/* 1 when it has to wait. */
static int serve_pages(struct virtio_balloon *balloon, unsigned queue)
{
	struct virtq *q = &balloon->virtio.queues[queue].q;
	int err = each_page(balloon, q,
			    queue == INFLATE ? balloon_inflate_page : balloon_deflate_page);

	balloon->held = err == -ENOMEM || err == -EAGAIN;
	balloon->held_by = queue;
	if (err == -ENOMEM)
		wait_for_memory(balloon);
	if (balloon->held)
		return 1;
	if (queue == DEFLATE)
		balloon->logged = false;
	if (!err)
		virtq_push(q, balloon->chain.id, balloon->chain.descriptors, 0);
	return err;
}

/* The driver sends statistics when it gets its buffer back; so we keep that until somebody
 * wants to know (5.5.6.3). */
static int serve_statistics(struct virtio_balloon *balloon, struct virtq *q)
{
	struct balloon_stat stats[STATS];
	uint32_t bytes;

	if (balloon->stats_held)
		return -EINVAL;
	bytes = virtq_read(q, &balloon->chain, 0, stats, sizeof stats);
	for (unsigned i = 0; i < bytes / sizeof *stats; i++)
		if (stats[i].tag < ARRAY_SIZE(balloon->stats))
			atomic_store(&balloon->stats[stats[i].tag], stats[i].value);
	atomic_fetch_add(&balloon->stats_count, 1);
	balloon->stats_held = true;
	balloon->stats_id = balloon->chain.id;
	balloon->stats_descriptors = balloon->chain.descriptors;
	return 0;
}

/* The driver uses the pages again once it has its chain back: by then no CPU may have their old
 * translations. What a chain names beyond REPORT_BYTES is not looked at: a report is an offer.
 */
static int serve_report(struct virtio_balloon *balloon, struct virtq *q)
{
	const struct virtq_chain *chain = &balloon->chain;
	uint64_t discarded = 0, left = REPORT_BYTES;
	struct gmem *gm = balloon->gm;

	for (unsigned i = chain->readable; i < chain->count; i++) {
		uint64_t bytes = MIN(left, (uint64_t)chain->segments[i].bytes);

		discarded += gmem_discard(gm, chain->segments[i].gpa, bytes);
		left -= bytes;
	}
	balloon->budget -=
		MIN(balloon->budget, (unsigned)((REPORT_BYTES - left) / PIECE_BYTES));
	if (discarded) {
		bucket_take(&balloon->calls, 1, clock_now_ns());
		gm->flush(gm->flush_arg);
	}
	atomic_fetch_add(&balloon->discarded_bytes, discarded);
	virtq_push(q, chain->id, chain->descriptors, 0);
	return 0;
}

/* What each queue is for, with the features that the driver took. */
static unsigned role_of(const struct virtio *virtio, unsigned queue)
{
	if (queue >= STATISTICS && !virtio_has(virtio, F_STATS_VQ))
		return queue + 1;
	return queue;
}

static int serve_chain(struct virtio_balloon *balloon, struct virtq *q, unsigned queue)
{
	switch (role_of(&balloon->virtio, queue)) {
	case INFLATE:
	case DEFLATE: balloon->chain_at = 0; return serve_pages(balloon, queue);
	case STATISTICS: return serve_statistics(balloon, q);
	case REPORTS: return serve_report(balloon, q);
	default: return -EINVAL;
	}
}

/* 0: nothing more for now. 1: what there is waits. A negative errno: the driver broke the
 * rules; `*why` says how where the queue knows. */
static int serve_queue(struct virtio_balloon *balloon, unsigned queue, const char **why)
{
	struct virtq *q = &balloon->virtio.queues[queue].q;
	int err = 0;

	virtq_notify_off(q);
	while (!err &&
	       !(role_of(&balloon->virtio, queue) == REPORTS && !balloon_may_call(balloon))) {
		int got = balloon->budget ? virtq_pop(q, &balloon->chain) : -EAGAIN;

		if (got == -EAGAIN) {
			err = 1;
		} else if (got < 0) {
			*why = q->why;
			return got;
		} else if (got) {
			balloon->budget--;
			err = serve_chain(balloon, q, queue);
		} else if (virtq_notify_on(q)) {
			virtq_notify_off(q);
		} else {
			break;
		}
	}
	virtio_interrupt(&balloon->virtio, queue);
	return err;
}

static void ask_statistics(struct virtio_balloon *balloon)
{
	struct virtio *virtio = &balloon->virtio;

	if (!balloon->stats_held || !atomic_exchange(&balloon->stats_wanted, false))
		return;
	balloon->stats_held = false;
	virtq_push(&virtio->queues[STATISTICS].q, balloon->stats_id, balloon->stats_descriptors,
		   0);
	virtio_interrupt(virtio, STATISTICS);
}

/* While a request waits its chain is kept, and no other is looked at. */
static void service(struct virtio *virtio, uint64_t kicked)
{
	struct virtio_balloon *balloon = of(virtio);
	const char *why = "pages that are no RAM, or a request that makes no sense";
	int err = 0;

	(void)kicked;
	balloon->budget = PIECES_IN_ONE_TURN;
	if (balloon->held)
		err = serve_pages(balloon, balloon->held_by);
	for (unsigned i = 0; !err && i < virtio->queue_count; i++)
		if (virtio->queues[i].enabled)
			err = serve_queue(balloon, i, &why);
	balloon_give_due(balloon);
	ask_statistics(balloon);
	if (err < 0)
		virtio_broken(virtio, why);
	else if (!balloon->budget)
		virtio_wake(virtio);
}

static void start(struct virtio *virtio)
{
	(void)virtio;
}

/* What is in the balloon stays there: a driver that begins anew (another kernel, by kexec)
 * finds an empty balloon, and all its memory. */
static void stop(struct virtio *virtio)
{
	struct virtio_balloon *balloon = of(virtio);

	timer_cancel(&balloon->retry);
	timer_cancel(&balloon->limit);
	balloon->held = balloon->stats_held = false;
	balloon_pages_forget(balloon);
}

static void config_write(struct virtio *virtio, unsigned offset, unsigned bytes, uint32_t value)
{
	struct virtio_balloon *balloon = of(virtio);

	if (offset == offsetof(struct balloon_config, actual) && bytes == sizeof value)
		balloon->config.actual = value;
}

static const struct virtio_type balloon_type = {
	.name = "virtio-balloon",
	.id = VIRTIO_ID_BALLOON,
	.class_code = CLASS_CODE,
	.features = BIT(F_MUST_TELL_HOST) | BIT(F_STATS_VQ) | BIT(F_DEFLATE_ON_OOM) |
		    BIT(F_REPORTING),
	.queue_size = QUEUE_SIZE,
	.config_bytes = sizeof(struct balloon_config),
	.start = start,
	.service = service,
	.stop = stop,
	.config_write = config_write,
};

struct virtio_balloon *virtio_balloon_create(const struct board *board, struct pci_root *root)
{
	struct virtio_balloon *balloon = heap_zalloc(sizeof *balloon, board->account);

	if (!balloon)
		return NULL;
	balloon->gm = board->gmem;
	balloon->target_bytes = board->gmem->bytes;
	mutex_init(&balloon->lock, "balloon");
	timer_init(&balloon->retry, retry);
	balloon->virtio.queue_count = QUEUES;
	balloon->virtio.config = &balloon->config;
	if (!balloon_pages_init(balloon, board->account) &&
	    !virtio_create(&balloon->virtio, &balloon_type, board, root, balloon_type.features))
		return balloon;
	balloon_pages_fini(balloon);
	heap_free(balloon);
	return NULL;
}

void virtio_balloon_destroy(struct virtio_balloon *balloon)
{
	if (!balloon)
		return;
	virtio_destroy(&balloon->virtio);
	timer_cancel(&balloon->retry);
	timer_cancel(&balloon->limit);
	balloon_pages_fini(balloon);
	heap_free(balloon);
}

static bool driven(const struct virtio_balloon *balloon)
{
	return balloon->virtio.status & VIRTIO_STATUS_DRIVER_OK;
}

int virtio_balloon_set(struct virtio_balloon *balloon, uint64_t bytes)
{
	uint64_t all = balloon->gm->bytes, away;
	uint32_t pages;
	int err;

	if (bytes > all || bytes < VIRTIO_BALLOON_LEAST_BYTES)
		return -EINVAL;
	if (!driven(balloon))
		return -EOPNOTSUPP;
	bytes = ALIGN_UP(bytes, PAGE_2M);
	pages = (uint32_t)((all - bytes) / PAGE_BYTES);
	mutex_lock(&balloon->lock);
	/* Of what is away, all that may no longer be in the balloon has to be there for it. */
	away = atomic_load(&balloon->gm->away_bytes);
	err = gmem_keep(balloon->gm, away - MIN(away, all - bytes));
	if (!err) {
		balloon->target_bytes = bytes;
		virtio_config_set(&balloon->virtio, offsetof(struct balloon_config, num_pages),
				  &pages, sizeof pages);
	}
	mutex_unlock(&balloon->lock);
	return err;
}

uint64_t virtio_balloon_used(const struct virtio_balloon_info *info, uint64_t memory_bytes)
{
	uint64_t others = MIN(memory_bytes, info->balloon_bytes);

	if (!info->available_bytes)
		return 0;
	return memory_bytes - others - MIN(memory_bytes - others, info->available_bytes);
}

void virtio_balloon_get_info(struct virtio_balloon *balloon, struct virtio_balloon_info *info)
{
	*info = (struct virtio_balloon_info){
		.driven = driven(balloon),
		.target_bytes = balloon->target_bytes,
		.balloon_bytes = atomic_load(&balloon->page_count) * PAGE_BYTES,
		.away_bytes = atomic_load(&balloon->gm->away_bytes),
		.discarded_bytes = atomic_load(&balloon->discarded_bytes),
		.free_bytes = atomic_load(&balloon->stats[STAT_FREE]),
		.total_bytes = atomic_load(&balloon->stats[STAT_TOTAL]),
		.available_bytes = atomic_load(&balloon->stats[STAT_AVAILABLE]),
		.stats_count = atomic_load(&balloon->stats_count),
	};
	atomic_store(&balloon->stats_wanted, true);
	virtio_wake(&balloon->virtio);
}
