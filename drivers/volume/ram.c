/*
 * `ram:`: a disk of memory. It comes from the guest pool, whole, when the disk is opened, so
 * that a write never fails for want of it; it is mapped then, since the CPU copies. What was in
 * the memory before is never read: each grain is zeroed when it is first touched.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/names.h"
#include "drivers/volume/sources.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/size.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"
#include "kernel/mem/owners.h"

#define BLOCK_BYTES   512
#define GRAIN_BYTES   (64 * KIB)
#define GRAINS_A_WORD 64
#define REQUEST_BYTES (1 * MIB)
#define ZEROES_BYTES  (1 * GIB)

/* Contiguous frames: a part of the disk from `offset` on. */
struct block {
	uint64_t offset, phys;
	unsigned order;
	uint8_t *virt;
};

struct ram {
	struct blkdev dev;
	struct block *blocks; /* in order, without gaps */
	unsigned block_count, block_capacity;
	/* A bit for each grain: it holds what the disk holds there; else that is zeroes. Set
	 * under `lock`, once the grain is zeroed. */
	_Atomic uint64_t *ready;
	struct spinlock lock;
};

static struct ram *ram_of(struct blkdev *dev)
{
	return container_of(dev, struct ram, dev);
}

/* ---- the data ------------------------------------------------------------------------------
 */

static uint8_t *at(const struct ram *ram, uint64_t offset)
{
	unsigned low = 0, high = ram->block_count;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (ram->blocks[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return ram->blocks[low].virt + (offset - ram->blocks[low].offset);
}

static bool is_ready(struct ram *ram, uint64_t grain)
{
	return atomic_load_explicit(&ram->ready[grain / GRAINS_A_WORD], memory_order_acquire) >>
		       grain % GRAINS_A_WORD &
	       1;
}

/* Makes a grain hold what the disk holds there. */
static void prepare(struct ram *ram, uint64_t grain)
{
	if (likely(is_ready(ram, grain)))
		return;
	spin_lock(&ram->lock);
	if (!is_ready(ram, grain)) {
		memset(at(ram, grain * GRAIN_BYTES), 0, GRAIN_BYTES);
		atomic_fetch_or_explicit(&ram->ready[grain / GRAINS_A_WORD],
					 BIT(grain % GRAINS_A_WORD), memory_order_release);
	}
	spin_unlock(&ram->lock);
}

static void clear(struct ram *ram, uint64_t offset, uint64_t bytes)
{
	uint64_t grain = offset / GRAIN_BYTES;

	if (bytes == GRAIN_BYTES) {
		atomic_fetch_and_explicit(&ram->ready[grain / GRAINS_A_WORD],
					  ~BIT(grain % GRAINS_A_WORD), memory_order_relaxed);
	} else if (is_ready(ram, grain)) {
		memset(at(ram, offset), 0, bytes);
	}
}

static void serve(struct ram *ram, struct blk_request *request, uint64_t done, uint64_t bytes)
{
	uint64_t offset = request->offset + done;

	switch (request->op) {
	case BLK_READ:
		prepare(ram, offset / GRAIN_BYTES);
		blk_copy_to(request, done, at(ram, offset), bytes);
		break;
	case BLK_WRITE:
		prepare(ram, offset / GRAIN_BYTES);
		blk_copy_from(request, done, at(ram, offset), bytes);
		break;
	case BLK_WRITE_ZEROES: clear(ram, offset, bytes); break;
	default: /* a discard: only what costs nothing */
		if (bytes == GRAIN_BYTES)
			clear(ram, offset, bytes);
		break;
	}
}

/* A grain never crosses a block: those are multiples of 2 MiB. */
static void ram_submit(struct blkdev *dev, struct blk_request *request)
{
	uint64_t bytes;

	for (uint64_t done = 0; done < request->bytes; done += bytes) {
		uint64_t offset = request->offset + done;

		bytes = MIN(request->bytes - done, GRAIN_BYTES - offset % GRAIN_BYTES);
		serve(ram_of(dev), request, done, bytes);
	}
	blk_done(request, 0);
}

/* ---- the memory ----------------------------------------------------------------------------
 */

static void ram_close(struct blkdev *dev)
{
	struct ram *ram = ram_of(dev);

	for (unsigned i = 0; i < ram->block_count; i++)
		vmap_free(ram->blocks[i].virt);
	vmap_flush(); /* before the pool gives the frames to somebody else */
	for (unsigned i = 0; i < ram->block_count; i++) {
		const struct block *block = &ram->blocks[i];

		owners_give(block->phys, PAGE_2M << block->order, ram);
		guest_frames_free(block->phys, block->order);
	}
	free(ram->blocks);
	heap_free(ram->ready);
	heap_free(ram);
}

static struct block *new_block(struct ram *ram)
{
	if (ram->block_count == ram->block_capacity) {
		unsigned capacity = ram->block_capacity ? 2 * ram->block_capacity : 16;
		struct block *blocks = realloc(ram->blocks, capacity * sizeof(*blocks));

		if (!blocks)
			return NULL;
		ram->blocks = blocks;
		ram->block_capacity = capacity;
	}
	return &ram->blocks[ram->block_count];
}

/* Adds the largest block that is free and no larger than `bytes`, a multiple of 2 MiB. Returns
 * its bytes, or 0. */
static uint64_t add_block(struct ram *ram, uint64_t offset, uint64_t bytes)
{
	struct block *block = new_block(ram);
	unsigned order = 63u - (unsigned)__builtin_clzll(bytes / PAGE_2M);

	if (!block)
		return 0;
	order = MIN(order, (unsigned)GUEST_FRAMES_ORDER_MAX);
	while (!(block->phys = guest_frames_alloc(order)))
		if (order-- == 0)
			return 0;
	owners_take(block->phys, PAGE_2M << order, ram);
	block->virt = vmap(block->phys, PAGE_2M << order, PT_READ | PT_WRITE);
	if (!block->virt) {
		owners_give(block->phys, PAGE_2M << order, ram);
		guest_frames_free(block->phys, order);
		return 0;
	}
	block->offset = offset;
	block->order = order;
	ram->block_count++;
	return PAGE_2M << order;
}

static int take_memory(struct ram *ram)
{
	uint64_t whole = ALIGN_UP(ram->dev.bytes, PAGE_2M);
	uint64_t words = (whole / GRAIN_BYTES + GRAINS_A_WORD - 1) / GRAINS_A_WORD;

	if (whole > guest_frames_free_bytes())
		return -ENOMEM;
	ram->ready = heap_zalloc(words * sizeof(*ram->ready), NULL);
	if (!ram->ready)
		return -ENOMEM;
	for (uint64_t taken = 0, bytes; taken < whole; taken += bytes) {
		bytes = add_block(ram, taken, whole - taken);
		if (!bytes)
			return -ENOMEM;
	}
	return 0;
}

/* ---- the source ----------------------------------------------------------------------------
 */

static const struct blkdev_ops ram_ops = {.submit = ram_submit, .close = ram_close};

static int open_ram(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	struct ram *ram = heap_zalloc(sizeof(*ram), NULL);
	char size[SIZE_TEXT_BYTES];
	uint64_t bytes = 0;

	size_parse(text, &bytes);
	if (ram) {
		spin_lock_init(&ram->lock, "RAM disk");
		ram->dev = (struct blkdev){
			.ops = &ram_ops,
			.model = "memory",
			.bytes = bytes,
			.block_bytes = BLOCK_BYTES,
			.physical_block_bytes = PAGE_BYTES,
			.max_bytes = REQUEST_BYTES,
			.max_discard_bytes = ZEROES_BYTES,
			.discard_align_bytes = GRAIN_BYTES,
			.max_zeroes_bytes = ZEROES_BYTES,
		};
		snprintf(ram->dev.name, sizeof(ram->dev.name), "ram %s",
			 size_text(bytes, size));
		if (take_memory(ram) == 0) {
			*dev = &ram->dev;
			return 0;
		}
		ram_close(&ram->dev);
	}
	snprintf(why, STORAGE_WHY_BYTES, "needs more memory than there is; %s are free",
		 size_text(guest_frames_free_bytes(), size));
	return -ENOMEM;
}

const struct storage_scheme ram_scheme = {
	.scheme = "ram",
	.open = open_ram,
	.parse = names_ram,
	.makes = true,
};
