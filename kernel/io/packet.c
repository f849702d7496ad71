/*
 * Packets and the pools that they come from: all memory is there from the start, so nothing is
 * allocated while packets flow. What is in a packet is nothing to this file.
 */
#include <string.h>

#include "kernel/io/netdev.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"

_Static_assert(PACKET_PAGES_MAX *PAGE_BYTES >= PACKET_BYTES_MAX, "the largest fits");

struct packet_pool {
	struct spinlock lock;	     /* guards the rest */
	struct list free;	     /* packets */
	unsigned out;		     /* packets not in `free` */
	bool orphan;		     /* destroyed: it goes with its last packet */
	unsigned page_count;	     /* of the pool */
	_Atomic unsigned free_pages; /* pages[0 .. free_pages - 1]; read without, too */
	unsigned wanted_pages;	     /* by the packet_alloc() that failed; 0: none did */
	void (*on_free)(void *arg);
	void *on_free_arg;
	_Atomic unsigned calls; /* of on_free under way */
	struct mem_account *account;
	uint64_t account_bytes;
	uint64_t *pages;
	struct packet packets[];
};

/* Any context, as packet_put() is. */
static void pool_release(struct packet_pool *pool)
{
	while (pool->free_pages)
		frames_free(pool->pages[--pool->free_pages], 0, NULL);
	heap_free(pool->pages);
	heap_free(pool);
}

/* Memory is charged as a whole: the account may be gone before the last packet is. */
static void charge(struct packet_pool *pool, struct mem_account *account, uint64_t bytes)
{
	pool->account = account;
	pool->account_bytes = bytes;
	if (account)
		account->bytes += bytes;
}

struct packet_pool *packet_pool_create(unsigned packets, unsigned pages,
				       struct mem_account *account)
{
	uint64_t bytes = sizeof(struct packet_pool) + packets * sizeof(struct packet);
	struct packet_pool *pool = heap_zalloc(bytes, NULL);

	if (!pool)
		return NULL;
	pool->pages = heap_zalloc(pages * sizeof(pool->pages[0]), NULL);
	if (!pool->pages)
		goto fail;
	for (; pool->free_pages < pages; pool->free_pages++) {
		pool->pages[pool->free_pages] = frames_alloc(0, NULL);
		if (!pool->pages[pool->free_pages])
			goto fail;
	}
	pool->page_count = pages;
	spin_lock_init(&pool->lock, "packet pool");
	list_init(&pool->free);
	for (unsigned i = 0; i < packets; i++)
		list_push_back(&pool->free, &pool->packets[i].link);
	charge(pool, account, bytes + pages * (PAGE_BYTES + sizeof(pool->pages[0])));
	return pool;
fail:
	pool_release(pool);
	return NULL;
}

/* A call of on_free that is under way has its CPU for itself, and is short. */
void packet_pool_destroy(struct packet_pool *pool)
{
	uint64_t flags;
	bool idle;

	if (!pool)
		return;
	if (pool->account)
		pool->account->bytes -= pool->account_bytes;
	flags = spin_lock_irqsave(&pool->lock);
	pool->on_free = NULL;
	spin_unlock_irqrestore(&pool->lock, flags);
	while (atomic_load_explicit(&pool->calls, memory_order_acquire))
		cpu_relax();
	flags = spin_lock_irqsave(&pool->lock);
	idle = pool->out == 0;
	pool->orphan = true;
	spin_unlock_irqrestore(&pool->lock, flags);
	if (idle)
		pool_release(pool);
}

void packet_pool_on_free(struct packet_pool *pool, void (*fn)(void *arg), void *arg)
{
	pool->on_free = fn;
	pool->on_free_arg = arg;
}

/* The lock is held: one CPU writes at a time. */
static void set_free_pages(struct packet_pool *pool, unsigned count)
{
	atomic_store_explicit(&pool->free_pages, count, memory_order_relaxed);
}

/* The lock is held, and there is enough. */
static struct packet *take(struct packet_pool *pool, uint32_t bytes, uint8_t page_count)
{
	struct packet *packet = list_first(&pool->free, struct packet, link);

	list_remove(&packet->link);
	*packet = (struct packet){
		.pool = pool, .refs = 1, .bytes = bytes, .page_count = page_count};
	set_free_pages(pool, pool->free_pages - page_count);
	memcpy(packet->pages, pool->pages + pool->free_pages,
	       page_count * sizeof(packet->pages[0]));
	pool->out++;
	return packet;
}

struct packet *packet_alloc(struct packet_pool *pool, uint32_t bytes)
{
	uint8_t page_count = (uint8_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
	struct packet *packet = NULL;
	uint64_t flags;

	if (bytes > PACKET_BYTES_MAX)
		return NULL;
	flags = spin_lock_irqsave(&pool->lock);
	if (!list_empty(&pool->free) && pool->free_pages >= page_count)
		packet = take(pool, bytes, page_count);
	else
		pool->wanted_pages = MAX(page_count, 1u);
	spin_unlock_irqrestore(&pool->lock, flags);
	return packet;
}

struct packet *packet_get(struct packet *packet)
{
	atomic_fetch_add_explicit(&packet->refs, 1, memory_order_relaxed);
	return packet;
}

/* Puts the packet into the pool; what is to be done about it then is done with no lock held.
 * The lock is held. */
static void put_in(struct packet_pool *pool, struct packet *packet)
{
	memcpy(pool->pages + pool->free_pages, packet->pages,
	       packet->page_count * sizeof(packet->pages[0]));
	set_free_pages(pool, pool->free_pages + packet->page_count);
	list_push_front(&pool->free, &packet->link); /* the one that is in the caches */
	pool->out--;
}

static void give_back(struct packet_pool *pool, struct packet *packet)
{
	uint64_t flags = spin_lock_irqsave(&pool->lock);
	void (*on_free)(void *arg) = NULL;
	bool last;

	put_in(pool, packet);
	last = pool->orphan && pool->out == 0;
	if (pool->wanted_pages && pool->free_pages >= pool->wanted_pages) {
		on_free = pool->on_free;
		pool->wanted_pages = 0;
	}
	if (on_free)
		pool->calls++;
	spin_unlock_irqrestore(&pool->lock, flags);
	if (on_free) {
		on_free(pool->on_free_arg);
		atomic_fetch_sub_explicit(&pool->calls, 1, memory_order_release);
	} else if (last) {
		pool_release(pool);
	}
}

void packet_put(struct packet *packet)
{
	if (atomic_fetch_sub_explicit(&packet->refs, 1, memory_order_acq_rel) == 1)
		give_back(packet->pool, packet);
}

bool packet_is_scarce(const struct packet *packet)
{
	const struct packet_pool *pool = packet->pool;

	return atomic_load_explicit(&pool->free_pages, memory_order_relaxed) <
	       pool->page_count / 4;
}

void packet_read(const struct packet *packet, uint32_t at, void *buf, uint32_t bytes)
{
	uint8_t *to = buf;

	while (bytes) {
		uint32_t offset = at % PAGE_BYTES;
		uint32_t part = MIN(bytes, (uint32_t)PAGE_BYTES - offset);

		memcpy(to, (uint8_t *)directmap(packet->pages[at / PAGE_BYTES]) + offset, part);
		to += part;
		at += part;
		bytes -= part;
	}
}

void packet_write(struct packet *packet, uint32_t at, const void *buf, uint32_t bytes)
{
	const uint8_t *from = buf;

	while (bytes) {
		uint32_t offset = at % PAGE_BYTES;
		uint32_t part = MIN(bytes, (uint32_t)PAGE_BYTES - offset);

		memcpy((uint8_t *)directmap(packet->pages[at / PAGE_BYTES]) + offset, from,
		       part);
		from += part;
		at += part;
		bytes -= part;
	}
}
