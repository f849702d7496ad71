/*
 * Memory that a guest gives back: forgotten, or left to others, and taken back. What may be
 * given back, and when, is the balloon's business.
 *
 * A chunk is given back under its claim: first `populated` is cleared, then the pins are looked
 * at; who pins counts first and looks at `populated` then. So one of the two sees the other.
 */
#include <errno.h>

#include "kernel/mem/heap.h"
#include "kernel/vmm/gmem_internal.h"

uint64_t gmem_frame_of(const struct gmem *gm, uint64_t chunk, uint64_t gpa)
{
	uint32_t frame = atomic_load_explicit(&gm->frames[chunk], memory_order_acquire);
	const struct gmem_block *block;

	if (unlikely(frame))
		return frame == GMEM_AWAY ? 0 : frame * CHUNK_BYTES;
	block = gmem_block_of(gm, gpa);
	return block->hpa + (gpa - block->gpa);
}

/* From what was kept for this, or from the pool. 0: there is none. */
static uint64_t take_frame(struct gmem *gm)
{
	uint64_t frame = 0;

	spin_lock(&gm->lock);
	if (gm->kept_count)
		frame = gm->kept[--gm->kept_count] * CHUNK_BYTES;
	spin_unlock(&gm->lock);
	if (frame)
		return frame;
	frame = guest_frames_alloc(0);
	if (frame)
		owners_take(frame, CHUNK_BYTES, gm);
	return frame;
}

int gmem_fetch_frame(struct gmem *gm, uint64_t chunk)
{
	uint64_t frame = take_frame(gm);

	if (!frame)
		return -ENOMEM;
	atomic_store(&gm->frames[chunk], (uint32_t)(frame / CHUNK_BYTES));
	atomic_fetch_sub(&gm->away_bytes, CHUNK_BYTES);
	return 0;
}

/* Makes a populated chunk absent for the guest; it stays claimed. -EBUSY where it is pinned,
 * -ENOMEM; then it is as it was. */
static int withdraw(struct gmem *gm, uint64_t chunk, uint64_t gpa)
{
	int err = -EBUSY;

	gmem_bit_clear(gm->populated, chunk);
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load(&gm->pins[chunk])) {
		spin_lock(&gm->lock);
		gmem_block_of(gm, gpa)->broken = true;
		err = pagetable_unmap(&gm->nested, gpa, CHUNK_BYTES);
		spin_unlock(&gm->lock);
	}
	if (err) {
		atomic_fetch_or(&gm->populated[chunk / CHUNK_BITS], BIT(chunk % CHUNK_BITS));
		return err;
	}
	atomic_fetch_sub(&gm->populated_bytes, CHUNK_BYTES);
	return 0;
}

uint64_t gmem_discard(struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	uint64_t end, discarded = 0;

	check_may_wait("forgetting");
	if (!bytes || !gmem_is_ram(gm, gpa, bytes))
		return 0;
	end = ALIGN_DOWN(gpa + bytes, CHUNK_BYTES);
	for (uint64_t at = ALIGN_UP(gpa, CHUNK_BYTES); at < end; at += CHUNK_BYTES) {
		uint64_t chunk = gmem_chunk(gm, at);

		if (!gmem_bit_test(gm->populated, chunk) || withdraw(gm, chunk, at))
			continue;
		gmem_bit_clear(gm->claimed, chunk);
		discarded += CHUNK_BYTES;
	}
	return discarded;
}

/* What is nobody's data, for as long as there is a guest. */
static int make_scrap(struct gmem *gm)
{
	uint64_t frame;
	int err;

	if (gm->scrap)
		return 0;
	frame = take_frame(gm);
	if (!frame)
		return -ENOMEM;
	err = gmem_zero_frame(gm, frame);
	if (err)
		gmem_free_frames(gm, frame, 0);
	else
		gm->scrap = frame;
	return err;
}

/* The window has scrap in the chunk's place: who looked at `populated` before it was cleared,
 * and is in the midst of copying, must not fault. */
static int hide(struct gmem *gm, uint64_t gpa)
{
	int err = make_scrap(gm);

	if (err)
		return err;
	owners_check(gm->scrap, CHUNK_BYTES, gm);
	spin_lock(&gm->lock);
	err = pagetable_map(&gm->as.window, GUEST_WINDOW_BASE + gpa, gm->scrap, CHUNK_BYTES,
			    PT_READ | PT_WRITE | PT_USER);
	spin_unlock(&gm->lock);
	return err;
}

static void free_frame(struct gmem *gm, uint64_t chunk, uint64_t gpa)
{
	struct gmem_block *block = gmem_block_of(gm, gpa);
	uint64_t frame = gmem_frame_of(gm, chunk, gpa);

	if (!block->split && !gm->frames[chunk]) {
		guest_frames_split(block->hpa, block->order);
		spin_lock(&gm->lock);
		block->split = block->broken = true; /* were it ever touched, or not */
		spin_unlock(&gm->lock);
	}
	atomic_store(&gm->frames[chunk], GMEM_AWAY);
	atomic_fetch_add(&gm->away_bytes, CHUNK_BYTES);
	gmem_free_frames(gm, frame, 0);
}

enum giving { STAYS, IS_AWAY, HIDDEN, SHOWN };

/* Out of the nested tables, and scrap in the window. A chunk that was never touched, or was
 * forgotten, is claimed here, so that nobody populates it meanwhile. It stays claimed where it
 * is HIDDEN, or SHOWN (there was no memory for scrap): until all CPUs have flushed. */
static enum giving begin_giving(struct gmem *gm, uint64_t gpa)
{
	uint64_t chunk = gmem_chunk(gm, gpa);

	if (gm->frames[chunk] == GMEM_AWAY)
		return IS_AWAY;
	if (!gmem_bit_claim(gm->claimed, chunk) &&
	    (!gmem_bit_test(gm->populated, chunk) || withdraw(gm, chunk, gpa)))
		return STAYS;
	return hide(gm, gpa) ? SHOWN : HIDDEN;
}

unsigned gmem_give_away_all(struct gmem *gm, const uint64_t *gpas, unsigned count)
{
	enum giving giving[GMEM_GIVE_MAX];
	unsigned went = 0, withdrawn = 0;

	check_may_wait("giving away");
	count = MIN(count, (unsigned)GMEM_GIVE_MAX);
	for (unsigned i = 0; i < count; i++) {
		giving[i] = begin_giving(gm, ALIGN_DOWN(gpas[i], CHUNK_BYTES));
		went += giving[i] == IS_AWAY || giving[i] == HIDDEN;
		withdrawn += giving[i] >= HIDDEN;
	}
	if (withdrawn)
		gm->flush(gm->flush_arg); /* what is SHOWN is zeroed at its next touch */
	for (unsigned i = 0; i < count; i++) {
		uint64_t gpa = ALIGN_DOWN(gpas[i], CHUNK_BYTES), chunk = gmem_chunk(gm, gpa);

		if (giving[i] == HIDDEN)
			free_frame(gm, chunk, gpa);
		if (giving[i] >= HIDDEN)
			gmem_bit_clear(gm->claimed, chunk);
	}
	return went;
}

int gmem_take_back(struct gmem *gm, uint64_t gpa)
{
	uint64_t chunk = gmem_chunk(gm, gpa);
	int err = 0;

	check_may_wait("taking back");
	if (chunk == NO_CHUNK)
		return -EFAULT;
	if (gm->frames[chunk] != GMEM_AWAY || !gmem_bit_claim(gm->claimed, chunk))
		return 0; /* or somebody populates it, and fetches its frame */
	if (gm->frames[chunk] == GMEM_AWAY)
		err = gmem_fetch_frame(gm, chunk);
	gmem_bit_clear(gm->claimed, chunk);
	return err;
}

int gmem_keep(struct gmem *gm, uint64_t bytes)
{
	uint64_t away = atomic_load(&gm->away_bytes);
	unsigned wanted = (unsigned)(MIN(bytes, away) / CHUNK_BYTES), before;

	if (!gm->kept)
		gm->kept = heap_zalloc(gm->bytes / CHUNK_BYTES * sizeof *gm->kept, gm->account);
	if (!gm->kept)
		return -ENOMEM;
	spin_lock(&gm->lock);
	before = gm->kept_count;
	while (gm->kept_count < wanted) {
		uint64_t frame = guest_frames_alloc(0);

		if (!frame)
			break;
		owners_take(frame, CHUNK_BYTES, gm);
		gm->kept[gm->kept_count++] = (uint32_t)(frame / CHUNK_BYTES);
	}
	if (gm->kept_count >= wanted)
		before = wanted;
	while (gm->kept_count > before)
		gmem_free_frames(gm, gm->kept[--gm->kept_count] * CHUNK_BYTES, 0);
	spin_unlock(&gm->lock);
	return before >= wanted ? 0 : -ENOMEM;
}

/* Chunks of a block that was split are the pool's one by one, and so is what came back. */
static void free_chunk(struct gmem *gm, const struct gmem_block *block, uint64_t gpa)
{
	uint32_t frame = gm->frames[gmem_chunk(gm, gpa)];

	if (frame && frame != GMEM_AWAY)
		gmem_free_frames(gm, frame * CHUNK_BYTES, 0);
	else if (!frame && block->split)
		gmem_free_frames(gm, block->hpa + (gpa - block->gpa), 0);
}

void gmem_return_fini(struct gmem *gm)
{
	for (unsigned i = 0; gm->frames && i < gm->block_count; i++) {
		const struct gmem_block *block = &gm->blocks[i];

		for (uint64_t at = 0; at < CHUNK_BYTES << block->order; at += CHUNK_BYTES)
			free_chunk(gm, block, block->gpa + at);
	}
	while (gm->kept_count)
		gmem_free_frames(gm, gm->kept[--gm->kept_count] * CHUNK_BYTES, 0);
	heap_free(gm->kept);
	if (gm->scrap)
		gmem_free_frames(gm, gm->scrap, 0);
}
