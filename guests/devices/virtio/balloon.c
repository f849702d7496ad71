/*
 * virtio-balloon. The guest names pages of 4 KiB; the guest pool deals in 2 MiB. So a bit
 * remembers each page that is in the balloon, and a chunk is due to go to the pool once all of
 * its pages are. A page that the guest wants back brings its chunk back first: it must tell,
 * and wait (VIRTIO_BALLOON_F_MUST_TELL_HOST), when it runs out of memory too
 * (VIRTIO_BALLOON_F_DEFLATE_ON_OOM). Where the pool has nothing left it waits until there is.
 *
 * What goes, and what is reported as free, and what comes back by itself, interrupts every CPU
 * of the machine, other guests' too: so that is done for many chunks at once, and no more often
 * than CALLS_PER_S allows, whatever the guest does.
 */
#include "guests/devices/virtio/balloon.h"

#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/virtio.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/bucket.h"
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

#define QUEUE_SIZE	128
#define CLASS_CODE	0xff0000 /* of no class */
#define PAGES_PER_CHUNK (PAGE_2M / PAGE_BYTES)
#define PIECE		64 /* page numbers that are read at once */
/* Pieces, or other requests, that are served before other threads have their turn. */
#define PIECES_IN_ONE_TURN 64
#define PIECE_BYTES	   (64 * PAGE_2M) /* that a report names, and that count as one */
#define REPORT_BYTES	   (2 * GIB)
#define RETRY_NS	   (500 * NSEC_PER_MSEC)
/* How often all CPUs may be interrupted: once for each batch of chunks that go, once for each
 * of these, as it may come back by itself, and once for a request full of reports. */
#define CALLS_PER_S 300
#define CALLS_BURST 100

struct balloon_config { /* 5.5.4 */
	uint32_t num_pages, actual, free_page_hint_id, poison;
};
_Static_assert(sizeof(struct balloon_config) == 16, "virtio 1.2, 5.5.4");

struct balloon_stat { /* 5.5.6.3 */
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));
_Static_assert(sizeof(struct balloon_stat) == 10, "virtio 1.2, 5.5.6.3");

enum { STAT_FREE = 4, STAT_TOTAL = 5, STAT_AVAILABLE = 6, STATS = 16 };

/* `lock` guards target and config; all below is the device's thread's, or atomic. */
struct virtio_balloon {
	struct virtio virtio; /* first */
	struct gmem *gm;
	struct mutex lock;
	uint64_t target_bytes;
	struct balloon_config config;

	uint64_t *pages;  /* a bit per page of RAM: it is in the balloon */
	uint16_t *filled; /* per chunk: how many of its pages are */
	uint64_t *due;	  /* a bit per chunk: all are, and it is to go to the pool */
	unsigned due_count;
	struct bucket calls;
	struct timer limit; /* when `calls` allows the next */
	_Atomic uint64_t page_count, discarded_bytes, stats[STAT_AVAILABLE + 1];
	unsigned budget; /* pieces left of this turn */
	struct virtq_chain chain;
	bool held; /* `chain` names pages, is not done, and waits: for memory or a turn; */
	unsigned held_by;  /* it is this queue's, INFLATE or DEFLATE, */
	uint32_t chain_at; /* and so many bytes of it are done */
	bool stats_held;   /* we have the buffer for statistics, */
	uint16_t stats_id, stats_descriptors;
	_Atomic bool stats_wanted;    /* and are to give it back, so that it comes filled */
	_Atomic unsigned stats_count; /* how often they came */
	bool logged;
	struct timer retry;
};

static struct virtio_balloon *of(struct virtio *virtio)
{
	return container_of(virtio, struct virtio_balloon, virtio);
}

/* The page's bit. False where there is no such page in RAM. */
static bool find_page(const struct virtio_balloon *balloon, uint32_t pfn, uint64_t *chunk,
		      uint64_t *bit)
{
	uint64_t gpa = (uint64_t)pfn * PAGE_BYTES;

	*chunk = gmem_chunk(balloon->gm, gpa);
	*bit = *chunk * PAGES_PER_CHUNK + gpa % PAGE_2M / PAGE_BYTES;
	return *chunk != UINT64_MAX;
}

static void set_due(struct virtio_balloon *balloon, uint64_t chunk, bool due)
{
	uint64_t *word = &balloon->due[chunk / 64], bit = BIT(chunk % 64);

	if (!(*word & bit) == !due)
		return;
	*word ^= bit;
	balloon->due_count += due ? 1 : -1u;
}

static void limit_over(struct timer *timer)
{
	virtio_wake(&container_of(timer, struct virtio_balloon, limit)->virtio);
}

/* Whether all CPUs may be interrupted now; else the timer wakes us when they may. */
static bool may_call(struct virtio_balloon *balloon)
{
	uint64_t ready = bucket_ready_ns(&balloon->calls, 1, clock_now_ns());

	if (ready)
		timer_arm(&balloon->limit, ready);
	return !ready;
}

static uint64_t gpa_of_chunk(uint64_t chunk)
{
	uint64_t offset = chunk * PAGE_2M;

	return offset < GMEM_LOW_MAX ? offset : offset - GMEM_LOW_MAX + GMEM_HIGH_BASE;
}

/* A chunk that cannot go now (a device is using it, or there is no memory for scrap) stays with
 * the guest: it has lost nothing. */
static int inflate_page(struct virtio_balloon *balloon, uint32_t pfn)
{
	uint64_t chunk, bit;

	if (!find_page(balloon, pfn, &chunk, &bit))
		return -EINVAL;
	if (balloon->pages[bit / 64] >> bit % 64 & 1)
		return 0;
	balloon->pages[bit / 64] |= BIT(bit % 64);
	atomic_fetch_add(&balloon->page_count, 1);
	if (++balloon->filled[chunk] == PAGES_PER_CHUNK)
		set_due(balloon, chunk, true);
	return 0;
}

static int deflate_page(struct virtio_balloon *balloon, uint32_t pfn)
{
	uint64_t chunk, bit;
	int err;

	if (!find_page(balloon, pfn, &chunk, &bit))
		return -EINVAL;
	if (!(balloon->pages[bit / 64] >> bit % 64 & 1))
		return 0;
	err = gmem_take_back(balloon->gm, (uint64_t)pfn * PAGE_BYTES);
	if (err)
		return err;
	balloon->pages[bit / 64] &= ~BIT(bit % 64);
	balloon->filled[chunk]--;
	set_due(balloon, chunk, false);
	atomic_fetch_sub(&balloon->page_count, 1);
	return 0;
}

/* As many chunks that are due as one call of all CPUs serves. */
static void give_due(struct virtio_balloon *balloon)
{
	uint64_t gpas[GMEM_GIVE_MAX], chunks = balloon->gm->bytes / PAGE_2M;
	unsigned count = 0;

	if (!balloon->due_count || !may_call(balloon))
		return;
	for (uint64_t word = 0; word < (chunks + 63) / 64; word++) {
		for (; balloon->due[word] && count < GMEM_GIVE_MAX; count++) {
			unsigned bit = (unsigned)__builtin_ctzll(balloon->due[word]);

			gpas[count] = gpa_of_chunk(word * 64 + bit);
			set_due(balloon, word * 64 + bit, false);
		}
	}
	bucket_take(&balloon->calls, 1 + count, clock_now_ns());
	gmem_give_away_all(balloon->gm, gpas, count);
	if (balloon->due_count)
		virtio_wake(&balloon->virtio);
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
	int err = each_page(balloon, q, queue == INFLATE ? inflate_page : deflate_page);

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
	while (!err && !(role_of(&balloon->virtio, queue) == REPORTS && !may_call(balloon))) {
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
	give_due(balloon);
	ask_statistics(balloon);
	if (err < 0)
		virtio_broken(virtio, why);
	else if (!balloon->budget)
		virtio_wake(virtio);
}

static uint64_t due_bytes(const struct gmem *gm)
{
	return ALIGN_UP(gm->bytes / PAGE_2M, 64) / 8;
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
	uint64_t chunks = balloon->gm->bytes / PAGE_2M;

	timer_cancel(&balloon->retry);
	timer_cancel(&balloon->limit);
	balloon->held = balloon->stats_held = false;
	memset(balloon->pages, 0, chunks * PAGES_PER_CHUNK / 8);
	memset(balloon->filled, 0, chunks * sizeof *balloon->filled);
	memset(balloon->due, 0, due_bytes(balloon->gm));
	balloon->due_count = 0;
	atomic_store(&balloon->page_count, 0);
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
	uint64_t chunks = board->gmem->bytes / PAGE_2M;

	if (!balloon)
		return NULL;
	balloon->gm = board->gmem;
	balloon->target_bytes = board->gmem->bytes;
	balloon->pages = heap_zalloc(chunks * PAGES_PER_CHUNK / 8, board->account);
	balloon->filled = heap_zalloc(chunks * sizeof *balloon->filled, board->account);
	balloon->due = heap_zalloc(due_bytes(balloon->gm), board->account);
	mutex_init(&balloon->lock, "balloon");
	timer_init(&balloon->retry, retry);
	timer_init(&balloon->limit, limit_over);
	bucket_init(&balloon->calls, CALLS_PER_S, CALLS_BURST);
	balloon->virtio.queue_count = QUEUES;
	balloon->virtio.config = &balloon->config;
	if (balloon->pages && balloon->filled && balloon->due &&
	    !virtio_create(&balloon->virtio, &balloon_type, board, root, balloon_type.features))
		return balloon;
	heap_free(balloon->pages);
	heap_free(balloon->filled);
	heap_free(balloon->due);
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
	heap_free(balloon->pages);
	heap_free(balloon->filled);
	heap_free(balloon->due);
	heap_free(balloon);
}

#define STATUS_DRIVER_OK 4 /* virtio 1.2, 2.1 */

static bool driven(const struct virtio_balloon *balloon)
{
	return balloon->virtio.status & STATUS_DRIVER_OK;
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
