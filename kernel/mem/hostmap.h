/*
 * The hypervisor's own address space. Layout (docs/architecture.md has the table):
 *   0x0000100000000000  the running guest's RAM (user pages under SMAP; per guest)
 *   0xffff800000000000  directmap of the host pool, RW, NX
 *   0xffffc00000000000  vmap area: stacks with guard pages, device registers, boot files
 *   0xffffffff80000000  the kernel's image
 */
#ifndef KERNEL_MEM_HOSTMAP_H
#define KERNEL_MEM_HOSTMAP_H

#include "boot/handoff.h"
#include "kernel/mem/frames.h"
#include "kernel/mem/pagetable.h"

#define GUEST_WINDOW_BASE 0x0000100000000000ull /* PML4 slot 32 */
#define GUEST_WINDOW_MAX  (512 * GIB)
#define VMAP_BASE	  0xffffc00000000000ull
#define KERNEL_BASE	  0xffffffff80000000ull

/* Pools, heap and final page tables from the hand-off; drops boot's identity map. */
int mem_init(const struct handoff *handoff);
void mem_init_this_cpu(void); /* CR3, CR4 bits (SMEP, SMAP, PGE), PAT on an AP */

/* Maps physical memory that is not the host pool's (device registers, a boot file) for good or
 * until vmap_free(). `phys` need not be aligned. NULL when out of memory. */
void *vmap(uint64_t phys, uint64_t bytes, unsigned prot);
void vmap_free(void *virt, uint64_t bytes);

/* A kernel stack with an unmapped guard page below. Returns its top, or NULL. */
void *stack_alloc(uint64_t bytes, struct mem_account *account);
void stack_free(void *top, uint64_t bytes, struct mem_account *account);

/* An address space for a guest's threads: the kernel's half, and the guest's RAM at
 * GUEST_WINDOW_BASE. The window's own tables are in `window` (host format, PT_USER). */
struct aspace {
	struct pagetable window;
	uint64_t cr3;
	struct mem_account *account;
};
int aspace_init(struct aspace *as, struct mem_account *account);
void aspace_fini(struct aspace *as); /* no thread may be using it */
extern struct aspace kernel_aspace;  /* no window */

/* Page tables' pages from the host pool, charged to an account (struct mem_account * as arg).
 */
extern const struct pt_format pt_format_host;
void pt_pages_init(struct pt_pages *pages, struct mem_account *account);

#endif
