/* Guest RAM: reserving, populating at first touch, and copying through the guest's window. */
#include "kernel/vmm/gmem.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/backend.h"
#include "kernel/vmm/gmem_internal.h"

uint64_t gmem_chunk(const struct gmem *gm, uint64_t gpa)
{
	uint64_t offset = gpa;

	if (gpa >= GMEM_HIGH_BASE)
		offset = gpa - GMEM_HIGH_BASE + GMEM_LOW_MAX;
	else if (gpa >= GMEM_LOW_MAX)
		return NO_CHUNK;
	return offset < gm->bytes ? offset / CHUNK_BYTES : NO_CHUNK;
}

bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	uint64_t low = MIN(gm->bytes, GMEM_LOW_MAX);
	uint64_t high = gm->bytes - low;

	if (gpa < low)
		return bytes <= low - gpa;
	return gpa >= GMEM_HIGH_BASE && gpa - GMEM_HIGH_BASE < high &&
	       bytes <= high - (gpa - GMEM_HIGH_BASE);
}

struct gmem_block *gmem_block_of(const struct gmem *gm, uint64_t gpa)
{
	unsigned low = 0, high = gm->block_count;

	while (high - low > 1) {
		unsigned mid = (low + high) / 2;

		if (gm->blocks[mid].gpa <= gpa)
			low = mid;
		else
			high = mid;
	}
	return &gm->blocks[low];
}

/* The largest block of the guest pool that fits at `gpa` and into `bytes`; order, or -1. */
static int take_block(struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	for (int order = GUEST_FRAMES_ORDER_MAX; order >= 0; order--) {
		uint64_t size = CHUNK_BYTES << order;
		uint64_t hpa;

		if (size > bytes || !IS_ALIGNED(gpa, size))
			continue;
		hpa = guest_frames_alloc((unsigned)order);
		if (!hpa)
			continue;
		gm->blocks[gm->block_count++] =
			(struct gmem_block){.gpa = gpa, .hpa = hpa, .order = (uint8_t)order};
		return order;
	}
	return -1;
}

/* Whoever reserves has it all or takes nothing: of two that are too large together one fits. */
static struct mutex reserving = MUTEX(reserving, "guest memory's reservation");

static int take_all(struct gmem *gm)
{
	uint64_t low = MIN(gm->bytes, GMEM_LOW_MAX);

	for (uint64_t done = 0; done < gm->bytes;) {
		bool in_low = done < low;
		uint64_t gpa = in_low ? done : GMEM_HIGH_BASE + done - low;
		uint64_t room = in_low ? low - done : gm->bytes - done;
		int order = take_block(gm, gpa, room);

		if (order < 0)
			return -ENOMEM;
		owners_take(gm->blocks[gm->block_count - 1].hpa, CHUNK_BYTES << order, gm);
		done += CHUNK_BYTES << order;
	}
	return 0;
}

static int reserve(struct gmem *gm)
{
	int err = -ENOMEM;

	mutex_lock(&reserving);
	if (gm->bytes <= guest_frames_free_bytes())
		err = take_all(gm);
	mutex_unlock(&reserving);
	return err;
}

/* Nested tables come from the host pool, but a table that a larger leaf replaced may still be
 * under another CPU's walk, which reads the same translations there: it waits for gmem_fini().
 */
static void *table_alloc(void *arg, uint64_t *phys)
{
	struct gmem *gm = arg;

	return gm->host_pages.alloc(gm->host_pages.arg, phys);
}

static void *table_at(void *arg, uint64_t phys)
{
	struct gmem *gm = arg;

	return gm->host_pages.at(gm->host_pages.arg, phys);
}

static void table_retire(void *arg, void *table, uint64_t phys)
{
	struct gmem *gm = arg;

	(void)table;
	gm->retired[gm->retired_count++] = phys;
}

static void tables_free(struct gmem *gm)
{
	for (unsigned i = 0; i < gm->retired_count; i++)
		gm->host_pages.free(gm->host_pages.arg, table_at(gm, gm->retired[i]),
				    gm->retired[i]);
	if (gm->nested.root) {
		gm->nested.pages = &gm->host_pages;
		pagetable_fini(&gm->nested);
	}
}

int gmem_init(struct gmem *gm, uint64_t bytes, struct mem_account *account)
{
	uint64_t chunks = bytes / CHUNK_BYTES;
	uint64_t words = (chunks + CHUNK_BITS - 1) / CHUNK_BITS;
	int err = -ENOMEM;

	memset(gm, 0, sizeof *gm);
	spin_lock_init(&gm->lock, "guest memory");
	gm->bytes = bytes;
	gm->low_bytes = MIN(bytes, GMEM_LOW_MAX);
	gm->account = account;
	gm->blocks = heap_zalloc(chunks * sizeof *gm->blocks, account);
	gm->claimed = heap_zalloc(words * sizeof *gm->claimed, account);
	gm->populated = heap_zalloc(words * sizeof *gm->populated, account);
	gm->retired = heap_zalloc((bytes / PAGE_1G + 1) * sizeof *gm->retired, account);
	gm->pins = heap_zalloc(chunks * sizeof *gm->pins, account);
	gm->frames = heap_zalloc(chunks * sizeof *gm->frames, account);
	if (!gm->pins || !gm->frames || !gm->blocks || !gm->claimed || !gm->populated ||
	    !gm->retired)
		goto fail;
	pt_pages_init(&gm->host_pages, account);
	gm->pages = (struct pt_pages){table_alloc, table_retire, table_at, gm};
	err = aspace_init(&gm->as, account);
	if (err)
		goto fail;
	err = pagetable_init(&gm->nested, vmm_backend->nested_format, &gm->pages,
			     vmm_backend->nested_max_level());
	if (err)
		goto fail;
	err = reserve(gm);
	if (!err)
		return 0;
fail:
	gmem_fini(gm);
	return err;
}

void gmem_fini(struct gmem *gm)
{
	tables_free(gm);
	if (gm->as.window.root)
		aspace_fini(&gm->as);
	gmem_return_fini(gm);
	for (unsigned i = 0; i < gm->block_count; i++)
		if (!gm->blocks[i].split)
			gmem_free_frames(gm, gm->blocks[i].hpa, gm->blocks[i].order);
	heap_free(gm->blocks);
	heap_free((void *)gm->claimed);
	heap_free((void *)gm->populated);
	heap_free((void *)gm->pins);
	heap_free((void *)gm->frames);
	heap_free(gm->retired);
	memset(gm, 0, sizeof *gm);
}

static void *window(uint64_t gpa)
{
	return (void *)(GUEST_WINDOW_BASE + gpa);
}

/* Once every chunk of a 1 GiB block is there, one entry serves for all. It translates as the
 * table it replaces did, and that table is kept: no TLB need be flushed. */
static void promote(struct gmem *gm, const struct gmem_block *block)
{
	uint64_t first;

	if (block->order != GUEST_FRAMES_ORDER_MAX || block->broken ||
	    gm->nested.max_leaf_level < 3)
		return;
	first = gmem_chunk(gm, block->gpa);
	for (uint64_t i = 0; i < PAGE_1G / CHUNK_BYTES; i++)
		if (!gmem_bit_test(gm->populated, first + i))
			return;
	owners_check(block->hpa, PAGE_1G, gm);
	pagetable_map(&gm->nested, block->gpa, block->hpa, PAGE_1G,
		      PT_READ | PT_WRITE | PT_EXEC);
}

/* Where frames are zeroed: addresses of the window that are never RAM. */
#define STAGING_PLACES 64u
_Static_assert(GMEM_LOW_MAX + STAGING_PLACES * CHUNK_BYTES <= GMEM_HIGH_BASE, "in the hole");

static unsigned take_place(struct gmem *gm)
{
	for (;;) {
		uint64_t taken = atomic_load(&gm->staging);
		unsigned place = ~taken ? (unsigned)__builtin_ctzll(~taken) : 0;

		if (~taken && gmem_bit_claim(&gm->staging, place))
			return place;
		thread_yield();
	}
}

static int map_window(struct gmem *gm, uint64_t gpa, uint64_t hpa)
{
	int err;

	owners_check(hpa, CHUNK_BYTES, gm);
	spin_lock(&gm->lock);
	err = pagetable_map(&gm->as.window, GUEST_WINDOW_BASE + gpa, hpa, CHUNK_BYTES,
			    PT_READ | PT_WRITE | PT_USER);
	spin_unlock(&gm->lock);
	return err;
}

/* This CPU may have looked at the place while another's frame was there, unasked: so it forgets
 * first. What such a look leaves elsewhere goes before the frame can be another guest's, as
 * giving away flushes everywhere. */
int gmem_zero_frame(struct gmem *gm, uint64_t hpa)
{
	unsigned place = take_place(gm);
	uint64_t gpa = GMEM_LOW_MAX + place * CHUNK_BYTES;
	int err = map_window(gm, gpa, hpa);

	if (!err) {
		hostmap_forget(window(gpa));
		user_access_begin();
		memset(window(gpa), 0, CHUNK_BYTES); /* another guest's data may be there */
		user_access_end();
		spin_lock(&gm->lock);
		err = pagetable_unmap(&gm->as.window, GUEST_WINDOW_BASE + gpa, CHUNK_BYTES);
		spin_unlock(&gm->lock);
		hostmap_forget(window(gpa));
	}
	gmem_bit_clear(&gm->staging, place);
	return err;
}

/* Whether CPUs may still know scrap in the place of what is coming back. What came back earlier
 * and was forgotten since is where it was. */
static bool shows_scrap(struct gmem *gm, uint64_t gpa)
{
	uint64_t hpa = 0;
	unsigned prot;

	spin_lock(&gm->lock);
	pagetable_lookup(&gm->as.window, GUEST_WINDOW_BASE + gpa, &hpa, &prot);
	spin_unlock(&gm->lock);
	return hpa == gm->scrap;
}

static int populate_chunk(struct gmem *gm, uint64_t gpa)
{
	uint64_t chunk = gmem_chunk(gm, gpa), hpa;
	int err = gmem_frame_of(gm, chunk, gpa) ? 0 : gmem_fetch_frame(gm, chunk);
	bool scrap;

	if (err)
		return err;
	hpa = gmem_frame_of(gm, chunk, gpa);
	scrap = unlikely(gm->frames[chunk]) && shows_scrap(gm, gpa);
	err = gmem_zero_frame(gm, hpa);
	if (!err)
		err = map_window(gm, gpa, hpa);
	if (err)
		return err;
	if (unlikely(scrap)) /* gmem_return.c */
		gm->flush(gm->flush_arg);

	spin_lock(&gm->lock);
	err = pagetable_map(&gm->nested, gpa, hpa, CHUNK_BYTES, PT_READ | PT_WRITE | PT_EXEC);
	spin_unlock(&gm->lock);
	return err;
}

static int populate_claimed(struct gmem *gm, uint64_t gpa)
{
	uint64_t chunk = gmem_chunk(gm, gpa);
	int err = populate_chunk(gm, ALIGN_DOWN(gpa, CHUNK_BYTES));

	if (err) {
		gmem_bit_clear(gm->claimed, chunk);
		return err;
	}
	atomic_fetch_or(&gm->populated[chunk / CHUNK_BITS], BIT(chunk % CHUNK_BITS));
	atomic_fetch_add(&gm->populated_bytes, CHUNK_BYTES);
	spin_lock(&gm->lock);
	promote(gm, gmem_block_of(gm, gpa));
	spin_unlock(&gm->lock);
	return 0;
}

int gmem_populate(struct gmem *gm, uint64_t gpa)
{
	uint64_t chunk = gmem_chunk(gm, gpa);

	check_may_wait("populating");
	if (chunk == NO_CHUNK)
		return -EFAULT;
	while (!gmem_bit_test(gm->populated, chunk)) {
		if (gmem_bit_claim(gm->claimed, chunk))
			return populate_claimed(gm, gpa);
		thread_yield(); /* another thread is at it */
	}
	return 0;
}

/* All of [gpa, gpa + bytes) present in the window; 0, -EFAULT, -ENOMEM. */
static int reach(struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	check_may_wait("guest memory"); /* there now, or not */
	if (unlikely(!bytes || !gmem_is_ram(gm, gpa, bytes)))
		return -EFAULT;
	for (uint64_t at = gpa; at < gpa + bytes;
	     at = ALIGN_DOWN(at, CHUNK_BYTES) + CHUNK_BYTES) {
		int err;

		if (likely(gmem_bit_test(gm->populated, gmem_chunk(gm, at))))
			continue;
		err = gmem_populate(gm, at);
		if (err)
			return err;
	}
	return 0;
}

int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	int err = reach(gm, gpa, bytes);

	if (err)
		return err;
	user_access_begin();
	memcpy(buf, window(gpa), bytes);
	user_access_end();
	return 0;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	int err = reach(gm, gpa, bytes);

	if (err)
		return err;
	user_access_begin();
	memcpy(window(gpa), buf, bytes);
	user_access_end();
	return 0;
}

int gmem_read64(struct gmem *gm, uint64_t gpa, uint64_t *value)
{
	uint64_t chunk = gmem_chunk(gm, gpa);

	check_may_wait("guest memory");
	if (unlikely(gpa % 8 || chunk == NO_CHUNK))
		return -EFAULT;
	if (unlikely(!gmem_bit_test(gm->populated, chunk))) {
		int err = gmem_populate(gm, gpa);

		if (err)
			return err;
	}
	user_access_begin();
	*value = atomic_load_explicit((_Atomic uint64_t *)window(gpa), memory_order_relaxed);
	user_access_end();
	return 0;
}

#define CMPXCHG(type)                                                               \
	({                                                                          \
		type old_ = (type)expected;                                         \
		atomic_compare_exchange_strong((_Atomic(type) *)window(gpa), &old_, \
					       (type)desired);                      \
	})

int gmem_cmpxchg(struct gmem *gm, uint64_t gpa, uint64_t expected, uint64_t desired,
		 unsigned bytes)
{
	int err = reach(gm, gpa, bytes);
	bool same = false;

	if (err)
		return err;
	user_access_begin();
	switch (bytes) {
	case 1: same = CMPXCHG(uint8_t); break;
	case 2: same = CMPXCHG(uint16_t); break;
	case 4: same = CMPXCHG(uint32_t); break;
	case 8: same = CMPXCHG(uint64_t); break;
	}
	user_access_end();
	return same ? 0 : -EAGAIN;
}

int gmem_pin(struct gmem *gm, uint64_t gpa, uint64_t *hpa, uint64_t *bytes)
{
	uint64_t chunk = gmem_chunk(gm, gpa);
	int err;

	if (chunk == NO_CHUNK)
		return -EFAULT;
	atomic_fetch_add(&gm->pins[chunk], 1); /* before looking whether it is there */
	err = reach(gm, gpa, 1);
	if (err) {
		atomic_fetch_sub(&gm->pins[chunk], 1);
		return err;
	}
	*hpa = gmem_frame_of(gm, chunk, ALIGN_DOWN(gpa, CHUNK_BYTES)) + gpa % CHUNK_BYTES;
	*bytes = MIN(*bytes, CHUNK_BYTES - gpa % CHUNK_BYTES);
	return 0;
}

void gmem_unpin(struct gmem *gm, uint64_t gpa)
{
	atomic_fetch_sub(&gm->pins[gmem_chunk(gm, gpa)], 1);
}
