/*
 * A record of allocations over AllocatePages; frees them all at once, never one by one.
 */
#include "boot/pages.h"
#include <efi.h>
#include <efilib.h>

#define LIMIT_4_GIB	 (4ull << 30)
#define RECORDS_PER_PAGE 255
#define TABLES_AT_ONCE	 64

struct record {
	uint64_t base, count;
};

/* One page of records; the newest is at the head of the list. */
struct ledger {
	struct ledger *older;
	uint64_t used;
	struct record records[RECORDS_PER_PAGE];
};

_Static_assert(sizeof(struct ledger) == PAGE_BYTES, "a ledger is one page");

static struct ledger *newest;

/* Returns a place for one more record, so that no allocation can be made and then lost. */
static struct record *next_record(void)
{
	if (!newest || newest->used == RECORDS_PER_PAGE) {
		EFI_PHYSICAL_ADDRESS page;
		if (BS->AllocatePages(AllocateAnyPages, EfiLoaderData, 1, &page) != EFI_SUCCESS)
			return NULL;
		struct ledger *ledger = (struct ledger *)page;
		ledger->older = newest;
		ledger->used = 0;
		newest = ledger;
	}
	return &newest->records[newest->used];
}

/* `address`: the highest, or the one. */
static uint64_t allocate_type(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, uint64_t count,
			      uint64_t address)
{
	struct record *record = next_record();
	EFI_PHYSICAL_ADDRESS base = address;

	if (!record || BS->AllocatePages(how, type, count, &base) != EFI_SUCCESS)
		return 0;
	*record = (struct record){base, count};
	newest->used++;
	return base;
}

static uint64_t allocate(EFI_ALLOCATE_TYPE how, uint64_t count, uint64_t highest)
{
	return allocate_type(how, EfiLoaderData, count, highest);
}

uint64_t pages_reserve_at(uint64_t count, uint64_t base)
{
	return allocate_type(AllocateAddress, EfiReservedMemoryType, count, base);
}

uint64_t pages_get(uint64_t count)
{
	return allocate(AllocateAnyPages, count, 0);
}

uint64_t pages_get_below(uint64_t count, uint64_t limit)
{
	return allocate(AllocateMaxAddress, count, limit - 1);
}

uint64_t pages_get_congruent(uint64_t count, uint64_t virt)
{
	/* Takes 2 MiB too much, and gives back what lies before and behind the good part. */
	const uint64_t slack = LARGE_PAGE_BYTES / PAGE_BYTES;
	uint64_t base = pages_get_below(count + slack, LIMIT_4_GIB);
	if (!base)
		base = pages_get(count + slack);
	if (!base)
		return 0;

	const uint64_t before = ((virt - base) % LARGE_PAGE_BYTES) / PAGE_BYTES;
	const uint64_t good = base + before * PAGE_BYTES;
	if (before > 0)
		BS->FreePages(base, before);
	BS->FreePages(good + count * PAGE_BYTES, slack - before);
	newest->records[newest->used - 1] = (struct record){good, count};
	return good;
}

void *pages_get_table(void)
{
	static uint64_t next, left;

	if (left == 0) {
		next = pages_get(TABLES_AT_ONCE);
		if (!next)
			return NULL;
		left = TABLES_AT_ONCE;
		BS->SetMem((void *)next, TABLES_AT_ONCE * PAGE_BYTES, 0);
	}
	void *table = (void *)next;
	next += PAGE_BYTES;
	left--;
	return table;
}

void pages_release(void)
{
	while (newest) {
		struct ledger *ledger = newest;
		for (uint64_t i = 0; i < ledger->used; i++)
			BS->FreePages(ledger->records[i].base, ledger->records[i].count);
		newest = ledger->older;
		BS->FreePages((EFI_PHYSICAL_ADDRESS)ledger, 1);
	}
}
