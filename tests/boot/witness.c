/*
 * A kernel that checks what it was handed: boot loads it in place of the real one, and it says
 * on the serial port what it found. `wrong:` lines are broken promises of boot/handoff.h; the
 * last line is `witness: done`. It needs nothing but the hand-off, and sets nothing up.
 */
#include "boot/handoff.h"
#include <stdbool.h>
#include <stddef.h>

#define COM1	0x3f8
#define PAGE	4096ull
#define MIB	(1ull << 20)
#define PRESENT (1ull << 0)
#define WRITE	(1ull << 1)
#define LARGE	(1ull << 7)
#define NX	(1ull << 63)

static volatile char zeroes[3 * MIB]; /* volatile: else the compiler knows what is in it */
static volatile uint32_t written = 0x12345678;

static void put(char c)
{
	__asm__ volatile("outb %0, %1" : : "a"(c), "Nd"((uint16_t)COM1));
}

static void say(const char *text)
{
	while (*text)
		put(*text++);
}

/* "NAME VALUE" and a line end, in decimal. */
static void tell(const char *name, uint64_t value)
{
	char digits[21];
	unsigned at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	say(name);
	say(" ");
	say(&digits[at]);
	say("\r\n");
}

static void want(bool good, const char *promise)
{
	static unsigned left = 40; /* in data: bss may be what is wrong */

	if (good || left == 0)
		return;
	left--;
	say("wrong: ");
	say(promise);
	say("\r\n");
}

/* The last level's entry for `virt`, 0 if there is none. Boot sets permissions there alone. */
static uint64_t leaf(const struct handoff *handoff, uint64_t virt, uint64_t *step)
{
	uint64_t entry = handoff->pml4_phys;

	for (unsigned shift = 39;; shift -= 9) {
		const uint64_t *table = (const uint64_t *)(entry & 0x000ffffffffff000);
		entry = table[virt >> shift & 511];
		*step = (1ull << shift) - (virt & ((1ull << shift) - 1));
		if (!(entry & PRESENT))
			return 0;
		if (shift == 12 || (entry & LARGE))
			return entry + ((virt & ((1ull << shift) - 1)) & -PAGE);
	}
}

static uint64_t address(uint64_t entry)
{
	return entry & 0x000ffffffffff000;
}

static bool lies_in(const struct handoff *handoff, uint64_t base, uint64_t bytes, uint32_t type)
{
	const struct handoff_range *ranges = (const void *)handoff->ranges;

	for (uint32_t i = 0; i < handoff->range_count; i++) {
		const struct handoff_range *range = &ranges[i];
		if (base >= range->base && base + bytes <= range->base + range->bytes)
			return range->type == type;
	}
	return false;
}

static void check_ranges(const struct handoff *handoff)
{
	const struct handoff_range *ranges = (const void *)handoff->ranges;
	uint64_t end = 0, usable = 0, high = 0;

	for (uint32_t i = 0; i < handoff->range_count; i++) {
		const struct handoff_range *range = &ranges[i];
		want(range->bytes > 0 && (range->base | range->bytes) % PAGE == 0,
		     "ranges are of whole pages");
		want(range->base >= end, "ranges are sorted and do not overlap");
		want(i == 0 || range->base != end || range->type != range[-1].type,
		     "ranges are merged");
		end = range->base + range->bytes;
		if (range->type != HANDOFF_MEM_USABLE)
			continue;
		usable += range->bytes;
		if (range->base >= 4096 * MIB)
			high += range->bytes;
	}
	tell("ranges", handoff->range_count);
	tell("usable MiB", usable / MIB);
	tell("of these above 4 GiB", high / MIB);
}

static void check_identity(const struct handoff *handoff)
{
	const struct handoff_range *ranges = (const void *)handoff->ranges;
	uint64_t executable = 0, step;

	for (uint32_t i = 0; i < handoff->range_count; i++) {
		const uint64_t end = ranges[i].base + ranges[i].bytes;
		if (ranges[i].type >= HANDOFF_MEM_RESERVED)
			continue;
		for (uint64_t at = ranges[i].base; at < end; at += step) {
			const uint64_t entry = leaf(handoff, at, &step);
			want(entry && address(entry) == at, "RAM is identity-mapped");
			if (!(entry & NX))
				executable += step;
			else
				want(entry & WRITE, "RAM is writable");
		}
		/* And in force: the last word of the range can be read. */
		(void)*(volatile uint64_t *)(end - sizeof(uint64_t));
	}
	want(executable == PAGE, "one page of RAM is executable");
	want(address(leaf(handoff, 4096 * MIB - PAGE, &step)) == 4096 * MIB - PAGE,
	     "the first 4 GiB are identity-mapped");
}

static void check_kernel(const struct handoff *handoff)
{
	uint64_t step;

	for (uint32_t i = 0; i < handoff->segment_count; i++) {
		const struct handoff_segment *segment = &handoff->segments[i];
		want(lies_in(handoff, segment->phys, segment->bytes, HANDOFF_MEM_KERNEL),
		     "segments lie in kernel memory");
		for (uint64_t at = 0; at < segment->bytes; at += PAGE) {
			const uint64_t entry = leaf(handoff, segment->virt + at, &step);
			want(address(entry) == segment->phys + at, "segments are mapped");
			want(!(entry & WRITE) == !(segment->flags & 2),
			     "writable segments alone can be written");
			want(!(entry & NX) == !!(segment->flags & 1),
			     "executable segments alone can be executed");
		}
	}
	for (size_t i = 0; i < sizeof(zeroes); i++)
		want(zeroes[i] == 0, "bss is zero");
	want(written == 0x12345678, "data is as in the file");
	written = 1;
	tell("segments", handoff->segment_count);
	tell("on trial", handoff->trial);
}

static uint32_t crc32(const uint8_t *data, uint64_t bytes)
{
	uint32_t crc = ~0u;

	while (bytes-- > 0) {
		crc ^= *data++;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void check_files(const struct handoff *handoff)
{
	const struct handoff_file *files = (const void *)handoff->files;

	for (uint32_t i = 0; i < handoff->file_count; i++) {
		const struct handoff_file *file = &files[i];
		const uint8_t *data = (const void *)file->base;
		want(file->bytes == 0 ||
			     lies_in(handoff, file->base, file->bytes, HANDOFF_MEM_FILE),
		     "files lie in file memory");
		for (uint64_t at = file->bytes; at % PAGE != 0; at++)
			want(data[at] == 0, "the tail of a file is zero");
		say("file ");
		say(file->path);
		tell(" bytes", file->bytes);
		say("file ");
		say(file->path);
		tell(" crc32", crc32(data, file->bytes));
	}
	say("config ");
	say(files[handoff->config_file].path);
	say("\r\n");
}

static void check_partition(const struct handoff *handoff)
{
	const struct handoff_partition *partition = &handoff->boot_partition;

	tell("partition kind", partition->kind);
	tell("partition number", partition->number);
	tell("partition first", partition->first_lba);
	tell("partition blocks", partition->block_count);
	tell("partition crc32", crc32(partition->signature, sizeof(partition->signature)));
}

static void check_cpu(const struct handoff *handoff)
{
	uint64_t cr0, cr3, flags, rsp, low, high;

	__asm__ volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%rsp, %2; pushfq; pop %3"
			 : "=r"(cr0), "=r"(cr3), "=r"(rsp), "=r"(flags));
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000080));
	want(cr0 & 1 << 16, "CR0.WP is set");
	want(low & 1 << 11, "EFER.NXE is set");
	want(cr3 == handoff->pml4_phys, "CR3 is pml4_phys");
	want(!(flags & 1 << 9) && !(flags & 1 << 10), "IF and DF are clear");
	want(lies_in(handoff, rsp - 16 * 1024 + 512, 16 * 1024 - 512, HANDOFF_MEM_LOADER),
	     "the stack has 16 KiB of loader memory");
	want(handoff->ap_trampoline_phys % PAGE == 0 &&
		     handoff->ap_trampoline_phys + HANDOFF_TRAMPOLINE_BYTES <= MIB &&
		     lies_in(handoff, handoff->ap_trampoline_phys, HANDOFF_TRAMPOLINE_BYTES,
			     HANDOFF_MEM_LOADER),
	     "the trampoline lies below 1 MiB in loader memory");
}

static void check_kept(const struct handoff *handoff)
{
	want(handoff->kept_phys % PAGE == 0 &&
		     (!handoff->kept_phys || /* no place was free */
		      lies_in(handoff, handoff->kept_phys, HANDOFF_KEPT_BYTES,
			      HANDOFF_MEM_RESERVED)),
	     "what outlives a reset is nobody's memory");
	tell("kept at MiB", handoff->kept_phys / MIB);
}

static void check_firmware(const struct handoff *handoff)
{
	const struct handoff_framebuffer *screen = &handoff->framebuffer;
	const uint64_t *rsdp = (const void *)handoff->rsdp_phys;
	uint64_t step;

	want(rsdp && *rsdp == 0x2052545020445352, "the RSDP says \"RSD PTR \"");
	want(handoff->smbios_phys && *(const char *)handoff->smbios_phys == '_',
	     "the SMBIOS entry point says \"_SM\"");
	if (screen->format != HANDOFF_PIXEL_NONE) {
		for (uint64_t at = screen->base; at < screen->base + screen->bytes; at += step)
			want(address(leaf(handoff, at, &step)) == (at & -PAGE),
			     "the framebuffer is mapped");
		want(screen->pitch_bytes >= screen->width * 4 &&
			     (uint64_t)screen->pitch_bytes * screen->height <= screen->bytes,
		     "the framebuffer holds its lines");
	}
	tell("screen width", screen->width);
	tell("entropy bytes", handoff->entropy_bytes);
	tell("entropy crc32", crc32(handoff->entropy, handoff->entropy_bytes));
}

__attribute__((used)) static void witness(const struct handoff *handoff)
{
	want(handoff->magic == HANDOFF_MAGIC && handoff->version == HANDOFF_VERSION &&
		     handoff->size_bytes == sizeof(*handoff),
	     "magic, version and size are ours");
	check_cpu(handoff);
	check_ranges(handoff);
	check_identity(handoff);
	check_kernel(handoff);
	check_files(handoff);
	check_partition(handoff);
	check_kept(handoff);
	check_firmware(handoff);
	want(handoff->tsc_boot_entry < handoff->tsc_boot_exit, "the TSC has gone on");
	tell("boot kilocycles", (handoff->tsc_boot_exit - handoff->tsc_boot_entry) / 1000);
	say("witness: done\r\n");
	for (;;)
		__asm__ volatile("hlt");
}

__asm__(".globl _start\n_start: call witness\n");
