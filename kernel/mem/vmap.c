/*
 * The vmap area: address ranges with guard gaps, for what the directmap has not. Searched
 * linearly: there are as many areas as threads, devices and boot files.
 */
#include "kernel/mem/hostmap_internal.h"

#include "kernel/cpu/control.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/list.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"

#define VMAP_END    (VMAP_BASE + 512 * GIB) /* one PML4 slot */
#define GUARD_BYTES PAGE_BYTES
#define LIMBO_FLUSH 32 /* areas put aside before all CPUs are interrupted */

/* Guarded by `lock`. */
struct area {
	struct list link;	/* in `areas`, by address */
	struct list limbo_link; /* in `limbo` once freed */
	uint64_t base, bytes;
	uint64_t frames; /* a stack's memory, freed with the area; 0 for none */
	unsigned frames_order;
};

static struct spinlock lock =
	SPINLOCK("vmap"); /* guards all below, and the kernel's page tables */
static struct list areas = {&areas, &areas};
static struct list limbo = {&limbo, &limbo};
static unsigned limbo_count;
static uint64_t *retired_tables; /* linked through their first entries */
static struct pagetable *tables;

int vmap_init(struct pagetable *kernel_pt)
{
	int err = pagetable_map(kernel_pt, VMAP_BASE, 0, PAGE_BYTES, PT_READ);

	tables = kernel_pt;
	return err ? err : pagetable_unmap(kernel_pt, VMAP_BASE, PAGE_BYTES);
}

/* A link is page-aligned, so a stale walk sees an entry that is not present. */
void vmap_retire_table(void *arg, void *table, uint64_t phys)
{
	(void)arg;
	(void)phys;
	*(uint64_t *)table = (uint64_t)retired_tables;
	retired_tables = table;
}

/* Global entries go too when PGE changes (SDM vol. 3A 4.10.4.1). */
static void flush_this_cpu(void *arg)
{
	uint64_t cr4 = read_cr4();

	(void)arg;
	write_cr4(cr4 & ~CR4_PGE);
	write_cr4(cr4);
}

/* Takes all that waits, flushes every TLB, and only then lets it be used again. */
void vmap_flush(void)
{
	struct list waiting;
	uint64_t *table, flags;

	spin_lock(&lock);
	list_init(&waiting);
	list_for_each_safe(a, &limbo, struct area, limbo_link)
	{
		list_remove(&a->limbo_link);
		list_push_back(&waiting, &a->limbo_link);
	}
	limbo_count = 0;
	table = retired_tables;
	retired_tables = NULL;
	spin_unlock(&lock);

	smp_call_others(flush_this_cpu, NULL);
	flags = irq_save();
	flush_this_cpu(NULL);
	irq_restore(flags);

	while (table) {
		uint64_t *next = (uint64_t *)*table;

		frames_free(directmap_phys(table), 0, NULL);
		table = next;
	}
	spin_lock(&lock);
	list_for_each_safe(a, &waiting, struct area, limbo_link)
	{
		list_remove(&a->link);
		if (a->frames)
			frames_free(a->frames, a->frames_order, NULL);
		heap_free(a);
	}
	spin_unlock(&lock);
}

/* Puts the area into the first gap that takes it with guards on both sides, its base equal to
 * `offset` modulo `align`. Caller holds the lock. */
static bool area_place(struct area *area, uint64_t align, uint64_t offset)
{
	uint64_t from = VMAP_BASE + GUARD_BYTES;
	struct list *at = areas.next;

	for (;; at = at->next) {
		uint64_t base = ALIGN_UP(from - offset, align) + offset;
		uint64_t end =
			at == &areas ? VMAP_END : list_entry(at, struct area, link)->base;

		if (base + area->bytes + GUARD_BYTES <= end) {
			area->base = base;
			list_insert_before(at, &area->link);
			return true;
		}
		if (at == &areas)
			return false;
		from = end + list_entry(at, struct area, link)->bytes + GUARD_BYTES;
	}
}

/* Maps page-aligned memory into a new area. NULL when out of memory or addresses. */
static struct area *area_map(uint64_t phys, uint64_t bytes, unsigned prot)
{
	uint64_t align =
		bytes >= PAGE_2M ? PAGE_2M : PAGE_BYTES; /* large leaves where they fit */
	struct area *area = heap_zalloc(sizeof(*area), NULL);
	bool placed;
	int err = 0;

	if (!area || bytes > VMAP_END - VMAP_BASE) {
		heap_free(area);
		return NULL;
	}
	area->bytes = bytes;
	list_init(&area->limbo_link);
	spin_lock(&lock);
	placed = area_place(area, align, phys % align);
	if (placed)
		err = pagetable_map(tables, area->base, phys, bytes, prot | PT_GLOBAL);
	if (err) {
		(void)pagetable_unmap(tables, area->base, bytes);
		list_remove(&area->link);
	}
	spin_unlock(&lock);
	if (placed && !err)
		return area;
	heap_free(area);
	return NULL;
}

/* Unmaps the area around `virt` and puts it aside with its frames. */
static void area_free(uint64_t virt)
{
	struct area *area = NULL;
	bool flush;

	check_may_wait("freeing mapped addresses");
	spin_lock(&lock);
	list_for_each(a, &areas, struct area, link) if (virt - a->base < a->bytes &&
							list_empty(&a->limbo_link)) area = a;
	if (!area || pagetable_unmap(tables, area->base, area->bytes))
		panic("vmap: cannot free %#llx", (unsigned long long)virt);
	list_push_back(&limbo, &area->limbo_link);
	flush = ++limbo_count >= LIMBO_FLUSH;
	spin_unlock(&lock);
	if (flush)
		vmap_flush();
}

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	uint64_t offset = phys % PAGE_BYTES;
	struct area *area = area_map(phys - offset, ALIGN_UP(bytes + offset, PAGE_BYTES), prot);

	return area ? (void *)(area->base + offset) : NULL;
}

void vmap_free(void *virt)
{
	if (virt)
		area_free((uint64_t)virt);
}

void *stack_alloc(uint64_t bytes, struct mem_account *account)
{
	unsigned order = (unsigned)__builtin_ctzll(bytes / PAGE_BYTES);
	uint64_t phys = frames_alloc(order, account);
	struct area *area;

	if (!phys)
		return NULL;
	area = area_map(phys, bytes, PT_READ | PT_WRITE);
	if (!area) {
		frames_free(phys, order, account);
		return NULL;
	}
	area->frames = phys;
	area->frames_order = order;
	return (void *)(area->base + bytes);
}

/* The account is credited now, not at the flush: it may be gone by then. */
void stack_free(void *top, uint64_t bytes, struct mem_account *account)
{
	if (!top)
		return;
	area_free((uint64_t)top - bytes);
	if (account)
		account->bytes -= bytes;
}
