/*
 * The kernel's own address space: built from the hand-off, then never changed but for the vmap
 * area (vmap.c). Which memory goes where is plan.c's decision.
 */
#include "kernel/mem/hostmap.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap_internal.h"
#include "kernel/mem/plan.h"

#define KERNEL_HALF 256 /* first PML4 slot of the upper half */
#define PML4_SLOTS  512

/* PAT as at reset, but with write-combining for PWT alone (SDM vol. 3A 12.12.4): nothing uses
 * the entries that change, so no cache need be flushed. */
#define PAT_VALUE 0x0007010600070106ull

struct aspace kernel_aspace;
static struct pagetable kernel_pt; /* changes: see vmap.c */
static struct mem_plan plan;
static const struct handoff *kept_handoff;

/* Memory before the pools exist: from the start of the host pool's pieces, never given back.
 * Reached by boot's identity map until `pools_ready`. */
static uint64_t early_used[MEM_PLAN_HOST_MAX];
static bool pools_ready;

static uint64_t early_alloc(uint64_t bytes)
{
	bytes = ALIGN_UP(bytes, PAGE_BYTES);
	for (unsigned i = 0; i < plan.host_count; i++) {
		uint64_t phys = plan.host[i].base + early_used[i];

		if (plan.host[i].loader || plan.host[i].bytes - early_used[i] < bytes)
			continue;
		early_used[i] += bytes;
		memset((void *)phys, 0, bytes);
		return phys;
	}
	return 0;
}

static void *kernel_table_alloc(void *arg, uint64_t *phys)
{
	(void)arg;
	*phys = pools_ready ? frames_alloc(0, NULL) : early_alloc(PAGE_BYTES);
	if (!*phys)
		return NULL;
	return pools_ready ? directmap(*phys) : (void *)*phys;
}

static void *kernel_table_at(void *arg, uint64_t phys)
{
	(void)arg;
	return pools_ready ? directmap(phys) : (void *)phys;
}

static const struct pt_pages kernel_tables = {
	.alloc = kernel_table_alloc,
	.free = vmap_retire_table,
	.at = kernel_table_at,
};

static int map_segments(const struct handoff *h)
{
	for (unsigned i = 0; i < h->segment_count; i++) {
		const struct handoff_segment *s = &h->segments[i];
		unsigned prot = PT_READ | PT_GLOBAL;

		if (s->flags & 1)
			prot |= PT_EXEC;
		if (s->flags & 2)
			prot |= PT_WRITE;
		if ((prot & PT_EXEC) && (prot & PT_WRITE)) {
			log_error("mem", "the kernel's segment %u is writable and executable",
				  i);
			return -ENOEXEC;
		}
		int err = pagetable_map(&kernel_pt, s->virt, s->phys, s->bytes, prot);

		if (err)
			return err;
	}
	return 0;
}

/* The whole upper half, with every PML4 entry it will ever have: aspaces copy them once. */
static int build_tables(const struct handoff *h)
{
	int err = pagetable_init(&kernel_pt, &pt_format_host, &kernel_tables,
				 cpu_features.pages_1g ? 3 : 2);

	for (unsigned i = 0; !err && i < plan.host_count; i++)
		err = pagetable_map(&kernel_pt, DIRECTMAP_BASE + plan.host[i].base,
				    plan.host[i].base, plan.host[i].bytes,
				    PT_READ | PT_WRITE | PT_GLOBAL);
	if (!err)
		err = map_segments(h);
	if (!err)
		err = vmap_init(&kernel_pt);
	return err;
}

/* Copies the hand-off, so that boot's memory can be taken back. */
static int keep_handoff(const struct handoff *h)
{
	uint64_t ranges_bytes = h->range_count * sizeof(struct handoff_range);
	uint64_t files_bytes = h->file_count * sizeof(struct handoff_file);
	uint64_t phys = early_alloc(sizeof(*h) + ranges_bytes + files_bytes);
	struct handoff *copy = (struct handoff *)phys;

	if (!phys)
		return -ENOMEM;
	*copy = *h;
	copy->ranges = phys + sizeof(*h);
	copy->files = copy->ranges + ranges_bytes;
	memcpy((void *)copy->ranges, (const void *)h->ranges, ranges_bytes);
	memcpy((void *)copy->files, (const void *)h->files, files_bytes);
	kept_handoff = directmap(phys);
	return 0;
}

const struct handoff *mem_handoff(void)
{
	return kept_handoff;
}

static uint32_t host_units(void)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < plan.host_count; i++)
		bytes += plan.host[i].bytes;
	return (uint32_t)(bytes / PAGE_BYTES);
}

/* On the new page tables: the pools, and boot's memory last. */
static int fill_pools(uint64_t metadata)
{
	const struct handoff_range *ranges = directmap(kept_handoff->ranges);
	unsigned count = kept_handoff->range_count;
	struct mem_extent *extents;
	int err;

	frames_init(directmap(metadata), host_units());
	for (unsigned i = 0; i < plan.host_count; i++) {
		const struct mem_extent *e = &plan.host[i];

		frames_add(e->base, e->bytes);
		frames_give(e->base + early_used[i], e->bytes - early_used[i]);
	}
	pools_ready = true;

	extents = heap_zalloc(2 * count * sizeof(*extents), NULL);
	if (!extents)
		return -ENOMEM;
	err = guest_frames_init(extents,
				mem_plan_guest(&plan, ranges, count, extents, 2 * count));
	heap_free(extents);
	return err;
}

int mem_init(const struct handoff *h)
{
	uint64_t metadata;
	int err = mem_plan_host(&plan, (const struct handoff_range *)h->ranges, h->range_count);

	if (err) {
		log_error("mem",
			  "this machine has %llu MiB of usable memory, and not enough of it in "
			  "one "
			  "piece: give it 128 MiB or more",
			  (unsigned long long)(plan.ram_bytes / MIB));
		return err;
	}
	err = build_tables(h);
	if (!err)
		err = keep_handoff(h);
	metadata = early_alloc(frames_metadata_bytes(host_units()));
	if (err || !metadata) {
		log_error("mem", "no room for the kernel's own tables");
		return err ? err : -ENOMEM;
	}

	kernel_aspace.cr3 = kernel_pt.root_phys;
	mem_init_this_cpu();
	kernel_pt.root = directmap(kernel_pt.root_phys);
	err = fill_pools(metadata);
	if (err) {
		log_error("mem", "no room to keep account of guests' memory");
		return err;
	}
	log_info("mem", "%llu MiB of RAM: %llu MiB for guests, %llu MiB for Bulkhead",
		 (unsigned long long)(plan.ram_bytes / MIB),
		 (unsigned long long)(guest_frames_total_bytes() / MIB),
		 (unsigned long long)(plan.host_bytes / MIB));
	return 0;
}

void mem_init_this_cpu(void)
{
	uint64_t cr0, cr4;

	wrmsr(MSR_PAT, PAT_VALUE);
	__asm__ volatile("mov %0, %%cr3" : : "r"(kernel_aspace.cr3) : "memory");
	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | CR0_WP) : "memory");
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 |= CR4_PGE;
	if (cpu_features.smep)
		cr4 |= CR4_SMEP;
	if (cpu_features.smap)
		cr4 |= CR4_SMAP;
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
	user_access_end();
}

uint64_t hostmap_root(void)
{
	return kernel_pt.root_phys;
}

static void *account_table_alloc(void *account, uint64_t *phys)
{
	*phys = frames_alloc(0, account);
	return *phys ? directmap(*phys) : NULL;
}

static void account_table_free(void *account, void *table, uint64_t phys)
{
	(void)table;
	frames_free(phys, 0, account);
}

static void *account_table_at(void *account, uint64_t phys)
{
	(void)account;
	return directmap(phys);
}

void pt_pages_init(struct pt_pages *pages, struct mem_account *account)
{
	*pages = (struct pt_pages){
		.alloc = account_table_alloc,
		.free = account_table_free,
		.at = account_table_at,
		.arg = account,
	};
}

int aspace_init(struct aspace *as, struct mem_account *account)
{
	int err;

	as->account = account;
	pt_pages_init(&as->pages, account);
	err = pagetable_init(&as->window, &pt_format_host, &as->pages,
			     cpu_features.pages_1g ? 3 : 2);
	if (err)
		return err;
	for (unsigned slot = KERNEL_HALF; slot < PML4_SLOTS; slot++)
		as->window.root[slot] = kernel_pt.root[slot];
	as->cr3 = as->window.root_phys;
	return 0;
}

void aspace_fini(struct aspace *as)
{
	for (unsigned slot = KERNEL_HALF; slot < PML4_SLOTS; slot++)
		as->window.root[slot] = 0;
	pagetable_fini(&as->window);
}
