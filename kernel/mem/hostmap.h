/*
 * The hypervisor's own address space. Layout (docs/architecture.md has the table):
 *   0x0000200000000000  the running guest's RAM (user pages under SMAP; per guest)
 *   0xffff800000000000  directmap of the host pool, RW, NX
 *   0xffffc00000000000  vmap area: stacks with guard pages, device registers, boot files
 *   0xffffffff80000000  the kernel's image
 */
#ifndef KERNEL_MEM_HOSTMAP_H
#define KERNEL_MEM_HOSTMAP_H

#include "boot/handoff.h"
#include "kernel/mem/frames.h"
#include "kernel/mem/pagetable.h"

#ifndef GUEST_WINDOW_BASE			/* tests/stress/window.h has it elsewhere */
#define GUEST_WINDOW_BASE 0x0000200000000000ull /* PML4 slot 64 */
#endif
#define GUEST_WINDOW_MAX (512 * GIB)
#define VMAP_BASE	 0xffffc00000000000ull
#define KERNEL_BASE	 0xffffffff80000000ull

/*
 * Pools, heap and final page tables from the hand-off; drops boot's identity map and takes
 * boot's memory back, so the caller must run on a stack of the kernel's image, and read the
 * hand-off through mem_handoff() from then on. Once, on CPU 0, after cpu_features are known.
 * 0 or a negative errno, with the reason logged.
 */
int mem_init(const struct handoff *handoff);

/* The kept copy. Its `ranges` and `files` are physical still: read them by directmap(). */
const struct handoff *mem_handoff(void);

/* Sets PAT, CR0.WP, CR4 (PGE, SMEP, SMAP) and CR3 on the calling CPU. NXE must be on. */
void mem_init_this_cpu(void);

/*
 * The vmap area. Freed addresses, and the frames of freed stacks, are put aside and used again
 * only after every CPU has flushed its TLB, once for many. Thread context, interrupts on, no
 * spinlock held (freeing may interrupt all CPUs); at start-up, before APs run, anywhere.
 */

/* Maps physical memory that is not the host pool's (device registers, a boot file) for good or
 * until vmap_free(). `phys` need not be aligned. NULL when out of memory. */
void *vmap(uint64_t phys, uint64_t bytes, unsigned prot);
void vmap_free(void *virt);
/* Returns once no CPU has a translation of what was vmap_free()d before: whose frames are to be
 * another's needs that. Interrupts all CPUs: once for many. */
void vmap_flush(void);

/* A kernel stack with unmapped pages below and above. `bytes`: a power of two, at least 4 KiB.
 * Returns its top, 16-byte aligned, or NULL. */
void *stack_alloc(uint64_t bytes, struct mem_account *account);
void stack_free(void *top, uint64_t bytes, struct mem_account *account);

/* CR3 of the kernel's own address space; below 4 GiB if the machine has memory there. */
uint64_t hostmap_root(void);

/* An address space for a guest's threads: the kernel's half, and the guest's RAM at
 * GUEST_WINDOW_BASE. The window's own tables are in `window` (host format, PT_USER). */
struct aspace {
	struct pagetable window; /* its root also holds the kernel's half */
	struct pt_pages pages;
	uint64_t cr3;
	struct mem_account *account;
};
int aspace_init(struct aspace *as, struct mem_account *account);
void aspace_fini(struct aspace *as); /* no thread may be using it */
extern struct aspace kernel_aspace;  /* no window */

/* This CPU forgets its translation of one page, of whatever size. */
static inline void hostmap_forget(const void *virt)
{
#if !__STDC_HOSTED__
	__asm__ volatile("invlpg (%0)" : : "r"(virt) : "memory");
#else
	(void)virt;
#endif
}

/* Page tables' pages from the host pool, charged to `account` (may be NULL). */
extern const struct pt_format pt_format_host;
void pt_pages_init(struct pt_pages *pages, struct mem_account *account);

#endif
