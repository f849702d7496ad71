/*
 * The guest's memory: all that the loader calls RAM is there, zero at the start (nobody's
 * secrets, not even this guest's own of its life before), distinct, and kept. Then all of it is
 * filled and the guest resets itself: as often as its policy allows, each life must find zeroes
 * again. After the last, the hypervisor stops it.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"

#define INFO_SECTIONS BIT(5)
#define INFO_MMAP     BIT(6)
#define TYPE_RAM      1
#define LOW_END	      0xa0000ull
#define PAGE_WORDS    512
#define RESET_PORT    0xcf9
#define TRAMPOLINE_ON 0x1000ull /* below is the loader's, perhaps */

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t sections, section_bytes, sections_addr, section_names, mmap_length, mmap_addr;
};

/* A section header of ELF32. */
struct section {
	uint32_t name, type, flags, addr, offset, bytes, link, info, align, entry_bytes;
};

struct entry {
	uint32_t size;
	uint64_t base, bytes;
	uint32_t type;
} __attribute__((packed));

static uint64_t checked_bytes, dirty_at, wrong_at;

/* Where the program ends, and behind it the section headers and sections, of symbols perhaps,
 * that the loader left. */
static uint64_t loaded_end(const struct info *info)
{
	uint64_t end = (uintptr_t)image_end, table = info->sections_addr;

	if (!(info->flags & INFO_SECTIONS))
		return end;
	for (uint32_t i = 0; i < info->sections; i++) {
		uintptr_t at = table + (uint64_t)i * info->section_bytes;
		const struct section *s = (const struct section *)at;

		if (s->addr && s->addr + (uint64_t)s->bytes > end)
			end = s->addr + (uint64_t)s->bytes;
	}
	table += (uint64_t)info->sections * info->section_bytes;
	return table > end ? table : end;
}

/* Pages of RAM that hold neither the program nor what the loader left for it. */
static void each_page(void (*fn)(uint64_t *page))
{
	const struct info *info = (const struct info *)multiboot_info;
	uint32_t end = info->mmap_addr + info->mmap_length;
	uint64_t loaded = (loaded_end(info) + 4095) & ~4095ull;

	for (uint32_t at = info->mmap_addr; at < end;) {
		const struct entry *e = (const struct entry *)(uintptr_t)at;
		uint64_t first = (e->base + 4095) & ~4095ull;
		uint64_t last = (e->base + e->bytes) & ~4095ull;

		at += e->size + sizeof(e->size);
		if (e->type != TYPE_RAM || last < LOW_END + 1 || first >= 1ull << 32)
			continue;
		if (first < loaded)
			first = loaded;
		for (uint64_t page = first; page < last; page += 4096)
			fn((uint64_t *)page);
	}
}

static void expect_zero(uint64_t *page)
{
	for (unsigned i = 0; i < PAGE_WORDS; i++)
		if (page[i])
			dirty_at = (uintptr_t)&page[i];
	checked_bytes += 4096;
}

/* Each word is its own address, so that no two pages can be one. */
static void fill(uint64_t *page)
{
	for (unsigned i = 0; i < PAGE_WORDS; i++)
		page[i] = (uintptr_t)&page[i] ^ 0x5ec2e75ec2e75ec2;
}

static void expect_filled(uint64_t *page)
{
	for (unsigned i = 0; i < PAGE_WORDS; i++)
		if (page[i] != ((uintptr_t)&page[i] ^ 0x5ec2e75ec2e75ec2))
			wrong_at = (uintptr_t)&page[i];
}

/* Behind the last page of RAM there is nothing, and what is written there is gone. */
static uint64_t last_page;

static void note_last(uint64_t *page)
{
	last_page = (uintptr_t)page;
}

static void test_edges(void)
{
	volatile uint64_t *last;

	each_page(note_last);
	last = (volatile uint64_t *)(last_page + 4096 - 8);
	*last = 1;
	check(*last == 1, "last word of RAM", "0x%lx", *last);
	*last = 0;
	if (!hypervisor_is_ours())
		return;
	last[1] = 0x1234;
	check(last[1] == ~0ull, "behind RAM is nothing", "0x%lx", last[1]);
	/* A read that begins in RAM and ends behind it: a part of each. */
	check(*(volatile uint64_t *)((uintptr_t)last + 4) == 0xffffffff00000000,
	      "across the end of RAM", "0x%lx", *(volatile uint64_t *)((uintptr_t)last + 4));
}

void test(void)
{
	if (!(((const struct info *)multiboot_info)->flags & INFO_MMAP))
		give_up("the loader gave no memory map");
	test_edges();
	each_page(expect_zero);
	print("%lu KiB of RAM\n", checked_bytes / 1024);
	check(checked_bytes >= 4 << 20, "RAM", "%lu bytes", checked_bytes);
	if (hypervisor_is_ours())
		check(!dirty_at, "zero at the start", "0x%lx is not", dirty_at);
	each_page(fill);
	each_page(expect_filled);
	check(!wrong_at, "kept", "0x%lx is not", wrong_at);
	if (dirty_at || wrong_at)
		return;
	print("life ends\n");
	out8(RESET_PORT, 0x02);
	out8(RESET_PORT, 0x06);
	for (;;)
		asm volatile("hlt");
}
