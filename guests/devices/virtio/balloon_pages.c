/*
 * Which pages are in a guest's balloon. The guest names pages of 4 KiB; the guest pool deals in
 * 2 MiB. So a bit remembers each page that is in the balloon, and a chunk is due to go to the
 * pool once all of its pages are.
 *
 * What goes, and what is reported as free, and what comes back by itself, interrupts every CPU
 * of the machine, other guests' too: so that is done for many chunks at once, and no more often
 * than CALLS_PER_S allows, whatever the guest does.
 */
#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/balloon_internal.h"
#include "kernel/cpu/clock.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/gmem.h"

#define PAGES_PER_CHUNK (PAGE_2M / PAGE_BYTES)
/* How often all CPUs may be interrupted: once for each batch of chunks that go, once for each
 * of these, as it may come back by itself, and once for a request full of reports. */
#define CALLS_PER_S 300
#define CALLS_BURST 100

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

bool balloon_may_call(struct virtio_balloon *balloon)
{
	uint64_t ready = bucket_ready_ns(&balloon->calls, 1, clock_now_ns());

	if (ready)
		timer_arm(&balloon->limit, ready);
	return !ready;
}

/* A chunk that cannot go now (a device is using it, or there is no memory for scrap) stays with
 * the guest: it has lost nothing. */
int balloon_inflate_page(struct virtio_balloon *balloon, uint32_t pfn)
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

int balloon_deflate_page(struct virtio_balloon *balloon, uint32_t pfn)
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

void balloon_give_due(struct virtio_balloon *balloon)
{
	uint64_t gpas[GMEM_GIVE_MAX], chunks = balloon->gm->bytes / PAGE_2M;
	unsigned count = 0;

	if (!balloon->due_count || !balloon_may_call(balloon))
		return;
	for (uint64_t word = 0; word < (chunks + 63) / 64; word++) {
		for (; balloon->due[word] && count < GMEM_GIVE_MAX; count++) {
			unsigned bit = (unsigned)__builtin_ctzll(balloon->due[word]);

			gpas[count] = gmem_chunk_gpa(word * 64 + bit);
			set_due(balloon, word * 64 + bit, false);
		}
	}
	bucket_take(&balloon->calls, 1 + count, clock_now_ns());
	gmem_give_away_all(balloon->gm, gpas, count);
	if (balloon->due_count)
		virtio_wake(&balloon->virtio);
}

static uint64_t due_bytes(const struct gmem *gm)
{
	return ALIGN_UP(gm->bytes / PAGE_2M, 64) / 8;
}

int balloon_pages_init(struct virtio_balloon *balloon, struct mem_account *account)
{
	uint64_t chunks = balloon->gm->bytes / PAGE_2M;

	timer_init(&balloon->limit, limit_over);
	bucket_init(&balloon->calls, CALLS_PER_S, CALLS_BURST);
	balloon->pages = heap_zalloc(chunks * PAGES_PER_CHUNK / 8, account);
	balloon->filled = heap_zalloc(chunks * sizeof *balloon->filled, account);
	balloon->due = heap_zalloc(due_bytes(balloon->gm), account);
	return balloon->pages && balloon->filled && balloon->due ? 0 : -ENOMEM;
}

void balloon_pages_fini(struct virtio_balloon *balloon)
{
	heap_free(balloon->pages);
	heap_free(balloon->filled);
	heap_free(balloon->due);
}

void balloon_pages_forget(struct virtio_balloon *balloon)
{
	uint64_t chunks = balloon->gm->bytes / PAGE_2M;

	memset(balloon->pages, 0, chunks * PAGES_PER_CHUNK / 8);
	memset(balloon->filled, 0, chunks * sizeof *balloon->filled);
	memset(balloon->due, 0, due_bytes(balloon->gm));
	balloon->due_count = 0;
	atomic_store(&balloon->page_count, 0);
}
