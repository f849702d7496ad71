/*
 * A 64-bit ELF kernel with a Multiboot2 header, made here, loaded, and the tags that it finds.
 * For test_multiboot2.c and test_multiboot2_broken.c.
 */
#ifndef TESTS_UNIT_MULTIBOOT2_IMAGE_H
#define TESTS_UNIT_MULTIBOOT2_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/multiboot/multiboot.h"
#include "tests/unit/fake_gmem.h"
#include "tests/unit/load_image.h"

#define MAGIC	     0xe85250d6u
#define KERNEL_GPA   (4 * MIB)
#define KERNEL_VIRT  0xffffffff80400000ull
#define HEADER_AT    0x200 /* offsets in the file */
#define TAGS_MAX     0x100
#define CODE_AT	     0x300
#define SECTIONS_AT  0x500
#define IMAGE_BYTES  0x700
#define CODE_BYTES   (SECTIONS_AT - CODE_AT)
#define MEMORY_BYTES 0x10000
#define SYMBOLS_AT   0x680 /* a section without an address */
#define SYMBOLS	     0x30

/* A tag of the header: type, flags, size and up to four words. */
struct tag {
	uint16_t type, flags;
	uint32_t bytes, words[4];
};
#define END               \
	{                 \
		0, 0, 8,  \
		{         \
			0 \
		}         \
	}

static uint8_t image[IMAGE_BYTES];

/* Puts a header with these tags; the last is the end. */
static inline void put_header(const struct tag *tags, unsigned count)
{
	uint32_t header[4] = {MAGIC, 0, sizeof(header)};
	unsigned at = HEADER_AT + sizeof(header);

	for (unsigned i = 0; i < count; i++) {
		uint32_t bytes = MAX(tags[i].bytes, 8u); /* even if it says less */

		memcpy(image + at, &tags[i], MIN(bytes, sizeof(tags[i])));
		at += ALIGN_UP(bytes, 8u);
	}
	assert_true(at <= HEADER_AT + TAGS_MAX);
	header[2] = at - HEADER_AT;
	header[3] = -(MAGIC + header[2]);
	memcpy(image + HEADER_AT, header, sizeof(header));
}
#define PUT_HEADER(...)                                                  \
	put_header((const struct tag[]){__VA_ARGS__ __VA_OPT__(, ) END}, \
		   ARRAY_SIZE(((const struct tag[]){__VA_ARGS__ __VA_OPT__(, ) END})))

/* ELF64: one segment linked high; three sections, one of which has to be loaded. */
static inline void make_elf(void)
{
	Elf64_Ehdr ehdr = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = KERNEL_VIRT + 0x10,
		.e_phoff = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shoff = SECTIONS_AT,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 4,
		.e_shstrndx = 3,
	};
	Elf64_Phdr phdr = {
		.p_type = PT_LOAD,
		.p_offset = CODE_AT,
		.p_vaddr = KERNEL_VIRT,
		.p_paddr = KERNEL_GPA,
		.p_filesz = CODE_BYTES,
		.p_memsz = MEMORY_BYTES,
	};
	Elf64_Shdr sections[] = {
		{.sh_type = SHT_NULL},
		{.sh_type = SHT_PROGBITS,
		 .sh_addr = KERNEL_VIRT,
		 .sh_offset = CODE_AT,
		 .sh_size = CODE_BYTES},
		{.sh_type = SHT_NOBITS, .sh_size = 0x100000},
		{.sh_type = SHT_STRTAB, .sh_offset = SYMBOLS_AT, .sh_size = SYMBOLS},
	};

	for (unsigned i = 0; i < IMAGE_BYTES; i++)
		image[i] = (uint8_t)(i * 7);
	memset(image + HEADER_AT, 0, TAGS_MAX);
	memcpy(image, &ehdr, sizeof(ehdr));
	memcpy(image + sizeof(ehdr), &phdr, sizeof(phdr));
	memcpy(image + SECTIONS_AT, sections, sizeof(sections));
	PUT_HEADER();
}

static inline int load_1(struct gmem *gm, const struct boot_source *source,
			 struct vcpu_entry *into, char *reason)
{
	return multiboot_load(gm, source, MULTIBOOT_1, into, reason);
}

/* Loading agrees with multiboot_check(). */
static inline int load_2(struct gmem *gm, const struct boot_source *source,
			 struct vcpu_entry *into, char *reason)
{
	char checked_why[BOOT_WHY_BYTES] = "";
	int checked = allocation_fails
			      ? 0
			      : multiboot_check(gm->bytes, source, MULTIBOOT_2, checked_why);
	int error = multiboot_load(gm, source, MULTIBOOT_2, into, reason);

	if (!allocation_fails && error != -ENOMEM && error != -EFAULT) {
		assert_int_equal(checked, error);
		assert_true(!error || !strcmp(checked_why, reason));
	}
	return error;
}

static inline int load(uint64_t ram, const struct boot_source *like)
{
	return load_image(load_2, ram, image, sizeof(image), like);
}

/* The tag of a type in the information; NULL: there is none. All tags are walked. */
static inline const uint32_t *find_tag(uint32_t type)
{
	const uint8_t *info = fake.ram + entry.regs[RBX], *found = NULL;
	uint32_t total = *(const uint32_t *)info, at = 8;

	assert_int_equal(entry.regs[RBX] % 8, 0);
	for (;;) {
		const uint32_t *tag = (const uint32_t *)(info + at);

		assert_true(at + 8 <= total && tag[1] >= 8 && tag[1] <= total - at);
		if (tag[0] == type && !found)
			found = (const uint8_t *)tag;
		if (!tag[0])
			break;
		at += ALIGN_UP(tag[1], 8u);
	}
	assert_int_equal(at + 8, total);
	return (const uint32_t *)found;
}

#endif
