/* The header of a Multiboot2 kernel and its tags (Multiboot2 2.0, 3.1): what the kernel asks
 * for, and whether it can be had. A tag that is marked optional may be passed over. */
#include <errno.h>
#include <string.h>

#include "guests/multiboot/image.h"
#include "guests/multiboot/info.h"

#define HEADER_MAGIC	 0xe85250d6u
#define HEADER_SEARCH	 32768ull /* bytes of the file that hold the header whole (3.1) */
#define HEADER_ALIGN	 8
#define ARCHITECTURE_386 0

struct header {
	uint32_t magic, architecture, bytes, checksum;
};

struct tag {
	uint16_t type, flags;
	uint32_t bytes; /* without what aligns the next */
};
#define TAG_OPTIONAL BIT(0)
#define TAG_BYTES    sizeof(struct tag)

enum tag_type {
	TAG_END = 0,
	TAG_INFORMATION_REQUEST = 1,
	TAG_ADDRESS = 2,
	TAG_ENTRY_ADDRESS = 3,
	TAG_CONSOLE_FLAGS = 4,
	TAG_FRAMEBUFFER = 5,
	TAG_MODULE_ALIGN = 6,
	TAG_EFI_BOOT_SERVICES = 7,
	TAG_ENTRY_EFI32 = 8,
	TAG_ENTRY_EFI64 = 9,
	TAG_RELOCATABLE = 10,
};

#define CONSOLE_REQUIRED BIT(0)

/* All of the header, as far as it was read. */
struct wishes {
	bool flat, has_entry;
	uint32_t entry;
	struct multiboot_addresses at;
	struct multiboot_relocation relocation;
};

bool multiboot2_find(const struct boot_image *file, uint64_t *offset)
{
	uint64_t end = MIN(file->bytes, HEADER_SEARCH);
	struct header header;

	for (uint64_t at = 0; at + sizeof(header) <= end; at += HEADER_ALIGN) {
		multiboot_copy_out(file, at, &header, sizeof(header));
		if (header.magic != HEADER_MAGIC ||
		    header.magic + header.architecture + header.bytes + header.checksum)
			continue;
		*offset = at;
		return true;
	}
	return false;
}

static int refuse_request(const struct tag *tag, const char *what, char *why)
{
	return boot_refuse(why, -ENOEXEC, "the kernel asks for %s (Multiboot2 tag %u)", what,
			   tag->type);
}

static int want_information(const struct tag *tag, const uint8_t *body, char *why)
{
	for (uint32_t at = 0; at + 4 <= tag->bytes - TAG_BYTES; at += 4) {
		uint32_t type;

		memcpy(&type, body + at, 4);
		if (!multiboot2_info_has(type) && !(tag->flags & TAG_OPTIONAL))
			return boot_refuse(why, -ENOEXEC,
					   "the kernel asks for boot information that guests "
					   "don't have (Multiboot2 type %u)",
					   type);
	}
	return 0;
}

static int want_relocation(const uint32_t words[4], struct multiboot_relocation *relocation,
			   char *why)
{
	if (!words[2] || words[2] & (words[2] - 1) || words[3] > MULTIBOOT_HIGHEST)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's Multiboot2 relocation tag has an alignment of "
				   "0x%x and preference %u",
				   words[2], words[3]);
	*relocation = (struct multiboot_relocation){
		.possible = true,
		.min = words[0],
		.max = words[1],
		.align = MAX(words[2], (uint32_t)PAGE_BYTES),
		.preference = words[3],
	};
	return 0;
}

/* Bytes of each tag's body, at least; 0 for those that have none, or are not looked at. */
static uint32_t body_bytes(uint16_t type)
{
	switch (type) {
	case TAG_ADDRESS:
	case TAG_RELOCATABLE: return 16;
	case TAG_ENTRY_ADDRESS:
	case TAG_CONSOLE_FLAGS: return 4;
	default: return 0;
	}
}

/* `words` are the body's first 16 bytes, as far as the tag has them. */
static int take_tag(const struct tag *tag, const uint8_t *body, const uint32_t words[4],
		    struct wishes *wishes, char *why)
{
	switch (tag->type) {
	case TAG_INFORMATION_REQUEST: return want_information(tag, body, why);
	case TAG_ADDRESS:
		wishes->flat = true;
		wishes->at =
			(struct multiboot_addresses){words[0], words[1], words[2], words[3]};
		return 0;
	case TAG_ENTRY_ADDRESS:
		wishes->has_entry = true;
		wishes->entry = words[0];
		return 0;
	case TAG_CONSOLE_FLAGS:
		if (words[0] & CONSOLE_REQUIRED && !(tag->flags & TAG_OPTIONAL))
			return refuse_request(tag, "a console on a screen, which guests lack",
					      why);
		return 0;
	case TAG_RELOCATABLE: return want_relocation(words, &wishes->relocation, why);
	case TAG_MODULE_ALIGN: return 0; /* they always are */
	case TAG_ENTRY_EFI32:
	case TAG_ENTRY_EFI64: return 0; /* for loaders that leave EFI running */
	case TAG_FRAMEBUFFER:
		if (tag->flags & TAG_OPTIONAL)
			return 0;
		return refuse_request(tag, "a framebuffer, which guests lack", why);
	case TAG_EFI_BOOT_SERVICES:
		if (tag->flags & TAG_OPTIONAL)
			return 0;
		return refuse_request(tag, "EFI boot services, which guests lack", why);
	default:
		if (tag->flags & TAG_OPTIONAL)
			return 0;
		return refuse_request(tag, "what Multiboot2 2.0 does not have", why);
	}
}

/* Walks the tags in the `bytes` bytes at `at` of the file, which lie in it. */
static int take_tags(const struct boot_image *file, uint64_t at, uint64_t bytes,
		     struct wishes *wishes, char *why)
{
	uint64_t end = at + bytes;
	int error = 0;

	while (!error && end - at >= TAG_BYTES) {
		uint32_t words[4] = {0};
		struct tag tag;

		multiboot_copy_out(file, at, &tag, sizeof(tag));
		if (tag.type == TAG_END)
			return 0;
		if (tag.bytes < TAG_BYTES + body_bytes(tag.type) || tag.bytes > end - at)
			return boot_refuse(why, -ENOEXEC,
					   "the kernel's Multiboot2 tag %u is %u bytes long",
					   tag.type, tag.bytes);
		multiboot_copy_out(file, at + TAG_BYTES, words,
				   MIN(tag.bytes - TAG_BYTES, sizeof(words)));
		error = take_tag(&tag, file->data + at + TAG_BYTES, words, wishes, why);
		at += MIN(ALIGN_UP((uint64_t)tag.bytes, HEADER_ALIGN), end - at);
	}
	return error; /* without an end tag the header's length is the end */
}

/* An image that says by itself where it goes: one segment. */
static int parse_addresses(const struct boot_image *file, uint64_t offset,
			   const struct wishes *wishes, struct multiboot_image *image,
			   char *why)
{
	struct multiboot_addresses at = wishes->at;

	if (!wishes->has_entry)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's Multiboot2 header has addresses, but no entry "
				   "address");
	if (at.load_addr == UINT32_MAX && offset <= at.header_addr)
		at.load_addr = at.header_addr - (uint32_t)offset; /* the file's beginning */
	return multiboot_parse_flat(file, offset, &at, image, why);
}

int multiboot2_parse(const struct boot_image *file, struct multiboot_image *image,
		     char why[BOOT_WHY_BYTES])
{
	struct wishes wishes = {0};
	struct header header;
	uint64_t offset;
	int error;

	if (!multiboot2_find(file, &offset))
		return boot_refuse(
			why, -ENOEXEC,
			"there is no Multiboot2 header in the kernel's first 32 KiB");
	multiboot_copy_out(file, offset, &header, sizeof(header));
	if (header.architecture != ARCHITECTURE_386)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's Multiboot2 header is for architecture %u, not "
				   "for i386",
				   header.architecture);
	if (header.bytes < sizeof(header) || header.bytes > file->bytes - offset)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's file ends inside its Multiboot2 header");
	error = take_tags(file, offset + sizeof(header), header.bytes - sizeof(header), &wishes,
			  why);
	if (!error)
		error = wishes.flat ? parse_addresses(file, offset, &wishes, image, why)
				    : multiboot_parse_elf(file, image, why);
	if (error)
		return error;
	if (wishes.has_entry)
		image->entry = wishes.entry;
	image->relocation = wishes.relocation;
	return 0;
}
