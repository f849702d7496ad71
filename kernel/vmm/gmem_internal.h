/* What gmem.c and gmem_return.c share: chunks, which are the 2 MiB pieces of RAM, in one
 * sequence. */
#ifndef KERNEL_VMM_GMEM_INTERNAL_H
#define KERNEL_VMM_GMEM_INTERNAL_H

#include "kernel/mem/owners.h"
#include "kernel/vmm/gmem.h"

#define CHUNK_BYTES PAGE_2M
#define CHUNK_BITS  64u
#define NO_CHUNK    UINT64_MAX

static inline bool gmem_bit_test(_Atomic uint64_t *bits, uint64_t n)
{
	return atomic_load_explicit(&bits[n / CHUNK_BITS], memory_order_acquire) >>
		       (n % CHUNK_BITS) &
	       1;
}

/* Sets bit n; true when it was clear. */
static inline bool gmem_bit_claim(_Atomic uint64_t *bits, uint64_t n)
{
	uint64_t bit = BIT(n % CHUNK_BITS);

	return !(atomic_fetch_or(&bits[n / CHUNK_BITS], bit) & bit);
}

static inline void gmem_bit_clear(_Atomic uint64_t *bits, uint64_t n)
{
	atomic_fetch_and(&bits[n / CHUNK_BITS], ~BIT(n % CHUNK_BITS));
}

/* The block that `gpa`, which is RAM, is in. */
struct gmem_block *gmem_block_of(const struct gmem *gm, uint64_t gpa);

/* The frame of a chunk, whose first byte is at `gpa`; 0 while it is away. */
uint64_t gmem_frame_of(const struct gmem *gm, uint64_t chunk, uint64_t gpa);

/* Zeroes a frame that is mapped nowhere, before it may be seen anywhere: 0 or -ENOMEM. Thread
 * context, in the guest's address space. */
int gmem_zero_frame(struct gmem *gm, uint64_t hpa);

/* A frame for a chunk that is away and claimed: 0 or -ENOMEM. */
int gmem_fetch_frame(struct gmem *gm, uint64_t chunk);

/* To the guest pool. */
static inline void gmem_free_frames(const struct gmem *gm, uint64_t hpa, unsigned order)
{
	(void)gm;
	owners_give(hpa, CHUNK_BYTES << order, gm);
	guest_frames_free(hpa, order);
}

/* Frees all that gmem_return.c has taken, and blocks that it split. */
void gmem_return_fini(struct gmem *gm);

#endif
