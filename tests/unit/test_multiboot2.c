/*
 * Multiboot2, and what both versions have of 64-bit ELF files, on kernels that are made here:
 * what their headers may ask for, where they are put, and each tag that they find; and that
 * damaged ones are refused with a reason and never read beyond their end.
 */
/* links: guests/multiboot/load.c guests/multiboot/image.c guests/multiboot/info.c */
/* links: guests/multiboot/elf.c guests/multiboot/header2.c guests/multiboot/info2.c */
/* links: guests/multiboot/place.c guests/multiboot/check.c */
/* links: guests/boot/boot.c guests/boot/e820.c tests/unit/fake_gmem.c */
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
static void put_header(const struct tag *tags, unsigned count)
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
static void make_elf(void)
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

static int load_1(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *into,
		  char *reason)
{
	return multiboot_load(gm, source, MULTIBOOT_1, into, reason);
}

/* Loading agrees with multiboot_check(). */
static int load_2(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *into,
		  char *reason)
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

static int load(uint64_t ram, const struct boot_source *like)
{
	return load_image(load_2, ram, image, sizeof(image), like);
}

/* The tag of a type in the information; NULL: there is none. All tags are walked. */
static const uint32_t *find_tag(uint32_t type)
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

static void test_start(void **state)
{
	(void)state;
	make_elf();
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_memory_equal(fake.ram + KERNEL_GPA, image + CODE_AT, CODE_BYTES);
	assert_int_equal(fake.ram[KERNEL_GPA + CODE_BYTES], 0);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x10);
	assert_int_equal(entry.regs[RAX], 0x36d76289);
	assert_int_equal(entry.state.regs[REG_CR0] & 0x80000001, 1);
	assert_int_equal(entry.state.regs[REG_EFER], 0);
	fake_gmem_fini(&fake);
}

static void test_information(void **state)
{
	static const uint8_t first[] = "one", second[4097] = {7};
	const struct boot_module module = {{second, sizeof(second)}, "second one"};
	const struct boot_source source = {
		.name = "kernel",
		.cmdline = "a b",
		.initrd = {first, sizeof(first)},
		.modules = &module,
		.module_count = 1,
	};
	const uint32_t *tag;

	(void)state;
	make_elf();
	assert_int_equal(load(5 * GIB, &source), 0);
	assert_string_equal((const char *)(find_tag(1) + 2), "kernel a b");
	assert_string_equal((const char *)(find_tag(2) + 2), "Bulkhead");
	tag = find_tag(3);
	assert_string_equal((const char *)(tag + 4), "initrd");
	assert_int_equal(tag[2] % PAGE_BYTES, 0);
	assert_int_equal(tag[3] - tag[2], sizeof(first));
	assert_memory_equal(fake.ram + tag[2], first, sizeof(first));
	tag += ALIGN_UP(tag[1], 8u) / 4;
	assert_int_equal(tag[0], 3);
	assert_string_equal((const char *)(tag + 4), "second one");
	assert_memory_equal(fake.ram + tag[2], second, sizeof(second));
	tag = find_tag(4);
	assert_int_equal(tag[2], 639);
	assert_int_equal(tag[3], (GMEM_LOW_MAX - MIB) / 1024);
	tag = find_tag(6);
	assert_int_equal(tag[1], 16 + 5 * 24);
	assert_int_equal(tag[2], 24);
	assert_int_equal(tag[3], 0);
	assert_int_equal(tag[4 + 6 * 4 + 1], 1); /* the last begins at 4 GiB */
	assert_int_equal(tag[4 + 6 * 4 + 4], 1);
	assert_null(find_tag(14)); /* no ACPI tables, no framebuffer, not moved */
	assert_null(find_tag(15));
	assert_null(find_tag(8));
	assert_null(find_tag(21));
	fake_gmem_fini(&fake);
}

/* The ACPI root is copied out of the guest's memory, where it was put before. */
static int load_with_rsdp(struct gmem *gm, const struct boot_source *source,
			  struct vcpu_entry *into, char *reason)
{
	memcpy(fake.ram + 0xf0000, "RSD PTR 012345678901234567890123456", 36);
	return load_2(gm, source, into, reason);
}

static void test_acpi(void **state)
{
	const struct boot_source source = {.cmdline = "", .rsdp = 0xf0000};

	(void)state;
	make_elf();
	assert_int_equal(load_image(load_with_rsdp, 16 * MIB, image, sizeof(image), &source),
			 0);
	assert_int_equal(find_tag(14)[1], 8 + 20);
	assert_memory_equal(find_tag(14) + 2, "RSD PTR 0123456789012345678901234567", 20);
	assert_int_equal(find_tag(15)[1], 8 + 36);
	assert_memory_equal(find_tag(15) + 2, fake.ram + 0xf0000, 36);
	fake_gmem_fini(&fake);
}

static void check_sections(const Elf64_Shdr *sections)
{
	assert_int_equal(sections[1].sh_addr, KERNEL_VIRT);
	assert_int_equal(sections[2].sh_addr, 0);
	assert_true(sections[3].sh_addr >= KERNEL_GPA + MEMORY_BYTES);
	assert_memory_equal(fake.ram + sections[3].sh_addr, image + SYMBOLS_AT, SYMBOLS);
}

/* Section headers arrive, with the contents of those that have no place of their own. */
static void test_sections(void **state)
{
	const uint32_t *tag, *info;
	uint32_t header[3] = {0x1badb002, 0, -0x1badb002u};
	Elf64_Shdr sections[4];

	(void)state;
	make_elf();
	assert_int_equal(load(16 * MIB, NULL), 0);
	tag = find_tag(9);
	assert_int_equal(tag[2], 4);
	assert_int_equal(tag[3], 64);
	assert_int_equal(tag[4], 3);
	assert_int_equal(tag[1], 20 + sizeof(sections));
	memcpy(sections, tag + 5, sizeof(sections));
	check_sections(sections);
	fake_gmem_fini(&fake);

	/* Version 1 has them too, by reference. */
	memcpy(image + CODE_AT, header, sizeof(header));
	assert_int_equal(load_image(load_1, 16 * MIB, image, sizeof(image), NULL), 0);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x10);
	info = fake_gmem_at(&fake, entry.regs[RBX], uint32_t);
	assert_true(info[0] & BIT(5));
	assert_int_equal(info[7], 4);
	assert_int_equal(info[8], 64);
	assert_int_equal(info[10], 3);
	memcpy(sections, fake.ram + info[9], sizeof(sections));
	check_sections(sections);
	fake_gmem_fini(&fake);

	/* A kernel whose headers are damaged starts without. */
	((Elf64_Shdr *)(image + SECTIONS_AT))[3].sh_size = IMAGE_BYTES - SYMBOLS_AT;
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_non_null(find_tag(9));
	fake_gmem_fini(&fake);
	((Elf64_Shdr *)(image + SECTIONS_AT))[3].sh_size++;
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_null(find_tag(9));
	fake_gmem_fini(&fake);
}

/* Where a kernel that can be moved goes in 16 MiB: its first byte; 0: it is refused with `why`.
 */
static const struct {
	uint32_t min, max, align, preference;
	uint64_t base;
	const char *why;
} moves[] = {
	{0, 0xffffffff, 0x1000, 0, KERNEL_GPA, NULL}, /* it may stay */
	{0, 0xffffffff, 0x1000, 1, MIB, NULL},
	{0, 0xffffffff, 0x1000, 2, 16 * MIB - MEMORY_BYTES, NULL},
	{0, 0xffffffff, 2 * MIB, 2, 14 * MIB, NULL},
	{0, 0xffffffff, 8 * MIB, 0, 8 * MIB, NULL}, /* is not aligned as it asks */
	{6 * MIB, 0xffffffff, 1, 0, 6 * MIB, NULL},
	{6 * MIB + 1, 0xffffffff, 1, 1, 6 * MIB + PAGE_BYTES, NULL},
	{0, 3 * MIB, 0x1000, 0, MIB, NULL},
	{0, 3 * MIB, 0x1000, 2, 3 * MIB - MEMORY_BYTES, NULL},
	{0, MIB + MEMORY_BYTES, 0x1000, 2, MIB, NULL},
	{0, MIB + MEMORY_BYTES - 1, 0x1000, 2, 0, "does not fit between"},
	{16 * MIB - MEMORY_BYTES, 0xffffffff, 0x1000, 1, 16 * MIB - MEMORY_BYTES, NULL},
	{16 * MIB, 0xffffffff, 0x1000, 1, 0, "18 MiB at the least"},
	{0xffffffff, 0xffffffff, 0x1000, 1, 0, "does not fit between"},
	{0, 0xffffffff, 0, 0, 0, "alignment"},
	{0, 0xffffffff, 0x3000, 0, 0, "alignment"},
	{0, 0xffffffff, 0x80000000, 0, 0, "2050 MiB at the least"},
	{0, 0xffffffff, 0x1000, 3, 0, "preference"},
};

static void test_moving(void **state)
{
	static const uint8_t data[100] = {9};
	struct boot_source source = {.cmdline = "", .initrd = {data, sizeof(data)}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(moves); i++) {
		int error;

		make_elf();
		PUT_HEADER({10,
			    0,
			    24,
			    {moves[i].min, moves[i].max, moves[i].align, moves[i].preference}});
		if (!moves[i].base) /* what it is given would only add to it */
			source.initrd.bytes = 0;
		error = load(16 * MIB, &source);
		source.initrd.bytes = sizeof(data);
		if (!moves[i].base != (error != 0))
			fail_msg("%u: error %d, %s", i, error, why);
		if (error) {
			if (!strstr(why, moves[i].why))
				fail_msg("%u: \"%s\"", i, why);
		} else {
			assert_memory_equal(fake.ram + moves[i].base, image + CODE_AT,
					    CODE_BYTES);
			assert_int_equal(entry.rip, moves[i].base + 0x10);
			assert_int_equal(find_tag(21)[2], moves[i].base);
			assert_true(find_tag(3)[3] <= moves[i].base ||
				    find_tag(3)[2] >= moves[i].base + MEMORY_BYTES);
		}
		fake_gmem_fini(&fake);
	}
}

/* One tag of the header, and what becomes of it: NULL, it starts. */
static const struct {
	struct tag tag;
	const char *why;
} asked[] = {
	{{1, 0, 16, {4, 6}}, NULL},
	{{1, 0, 20, {1, 2, 9}}, NULL},
	{{1, 0, 24, {3, 14, 15, 21}}, NULL},
	{{1, 0, 16, {4, 8}}, "type 8"}, /* a framebuffer */
	{{1, 1, 16, {4, 8}}, NULL},
	{{1, 0, 12, {0}}, "type 0"},
	{{1, 0, 12, {7}}, "type 7"},
	{{1, 0, 12, {12}}, "type 12"},
	{{1, 0, 8, {0}}, NULL},
	{{2, 0, 24, {0}}, "no entry"},
	{{2, 0, 20, {0}}, "20 bytes long"},
	{{3, 0, 12, {KERNEL_GPA}}, NULL},
	{{3, 0, 8, {0}}, "8 bytes long"},
	{{4, 0, 12, {2}}, NULL},
	{{4, 0, 12, {1}}, "screen"},
	{{4, 1, 12, {1}}, NULL},
	{{5, 0, 20, {0}}, "framebuffer"},
	{{5, 1, 20, {0}}, NULL},
	{{6, 0, 8, {0}}, NULL},
	{{7, 0, 8, {0}}, "EFI"},
	{{7, 1, 8, {0}}, NULL},
	{{8, 0, 12, {0}}, NULL},
	{{9, 0, 12, {0}}, NULL},
	{{11, 0, 8, {0}}, "tag 11"},
	{{11, 1, 8, {0}}, NULL},
	{{6, 0, 7, {0}}, "7 bytes long"},
	{{6, 0, 0, {0}}, "0 bytes long"},
};

static void test_wishes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		int error;

		make_elf();
		PUT_HEADER(asked[i].tag);
		error = load(16 * MIB, NULL);
		if (!asked[i].why != !error || (error && !strstr(why, asked[i].why)))
			fail_msg("%u: error %d, \"%s\"", i, error, why);
		if (!error && asked[i].tag.type == 3)
			assert_int_equal(entry.rip, KERNEL_GPA);
		fake_gmem_fini(&fake);
	}
}

/* Addresses instead of ELF: from the header on, and from the file's beginning. */
static void test_flat(void **state)
{
	(void)state;
	make_elf();
	image[0] = 0; /* no ELF file any more */
	PUT_HEADER({2, 0, 24, {KERNEL_GPA, KERNEL_GPA, 0, KERNEL_GPA + MEMORY_BYTES}},
		   {3, 0, 12, {KERNEL_GPA + 0x40}});
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_memory_equal(fake.ram + KERNEL_GPA, image + HEADER_AT, IMAGE_BYTES - HEADER_AT);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x40);
	fake_gmem_fini(&fake);
	PUT_HEADER({2, 0, 24, {KERNEL_GPA + HEADER_AT, 0xffffffff, 0, 0}},
		   {3, 0, 12, {KERNEL_GPA}});
	assert_int_equal(load(16 * MIB, NULL), 0);
	assert_memory_equal(fake.ram + KERNEL_GPA, image, IMAGE_BYTES);
	fake_gmem_fini(&fake);
	PUT_HEADER({2, 0, 24, {HEADER_AT - 1, 0xffffffff, 0, 0}}, {3, 0, 12, {KERNEL_GPA}});
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	fake_gmem_fini(&fake);
	PUT_HEADER({3, 0, 12, {KERNEL_GPA}});
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	assert_non_null(strstr(why, "not an ELF file"));
	fake_gmem_fini(&fake);
}

#define EHDR(field) offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define PHDR(field) \
	sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, field), sizeof(((Elf64_Phdr *)0)->field)
#define HEAD(word) HEADER_AT + 4 * (word), 4

static const struct {
	unsigned offset, bytes;
	uint64_t value;
	const char *why;
} damages[] = {
	{HEAD(0), 0, "no Multiboot2 header"},
	{HEAD(3), 0, "no Multiboot2 header"},
	{EHDR(e_type), ET_DYN, NULL},
	{EHDR(e_type), ET_REL, "executable"},
	{EHDR(e_phentsize), 32, "not 56"},
	{EHDR(e_phoff), UINT64_MAX, "program headers"},
	{EHDR(e_phoff), IMAGE_BYTES - 55, "program headers"},
	{EHDR(e_phnum), 0xffff, "program headers"},
	{EHDR(e_phnum), 0, "in none of its segments"},
	{EHDR(e_entry), UINT64_MAX, "in none of its segments"},
	{EHDR(e_entry), KERNEL_GPA, NULL}, /* already physical */
	{EHDR(e_entry), 4 * GIB, "in none of its segments"},
	{EHDR(e_entry), 4 * GIB - 1, NULL},
	{EHDR(e_shnum), 0, NULL},
	{EHDR(e_shnum), 0xffff, NULL},
	{EHDR(e_shoff), UINT64_MAX, NULL},
	{EHDR(e_shentsize), 40, NULL},
	{EHDR(e_shstrndx), 4, NULL},
	{PHDR(p_offset), UINT64_MAX, "outside of its file"},
	{PHDR(p_filesz), UINT64_MAX, "outside of its file"},
	{PHDR(p_filesz), IMAGE_BYTES - CODE_AT + 1, "outside of its file"},
	{PHDR(p_memsz), CODE_BYTES - 1, "longer in the file"},
	{PHDR(p_memsz), UINT64_MAX, "above 4 GiB"},
	{PHDR(p_memsz), 4 * GIB, "above 4 GiB"},
	{PHDR(p_paddr), 4 * GIB - MEMORY_BYTES + 1, "above 4 GiB"},
	{PHDR(p_paddr), 4 * GIB - MEMORY_BYTES, "up to 0xc0000000"},
	{PHDR(p_paddr), UINT64_MAX, "above 4 GiB"},
	{PHDR(p_paddr), 0xf0000, "reserved"},
};

static void test_damage(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(damages); i++) {
		int error;

		make_elf();
		memcpy(image + damages[i].offset, &damages[i].value, damages[i].bytes);
		error = load(16 * MIB, NULL);
		if (!damages[i].why != !error || (error && !strstr(why, damages[i].why)))
			fail_msg("%u: error %d, \"%s\"", i, error, why);
		assert_true(!error || !fake.written_high);
		fake_gmem_fini(&fake);
	}
}

static void test_other_headers(void **state)
{
	uint32_t *header = (uint32_t *)(image + HEADER_AT);

	(void)state;
	make_elf();
	header[1] = 4; /* MIPS */
	header[3] -= 4;
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	assert_non_null(strstr(why, "architecture 4"));
	fake_gmem_fini(&fake);
	header[1] = 0;
	header[2] = IMAGE_BYTES - HEADER_AT + 1;
	header[3] = -(MAGIC + header[2]);
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	assert_non_null(strstr(why, "inside its Multiboot2 header"));
	fake_gmem_fini(&fake);
	header[2] = 15;
	header[3] = -(MAGIC + header[2]);
	assert_int_equal(load(16 * MIB, NULL), -ENOEXEC);
	fake_gmem_fini(&fake);
	header[2] = 16; /* no tag, not even an end */
	header[3] = -(MAGIC + header[2]);
	assert_int_equal(load(16 * MIB, NULL), 0);
	fake_gmem_fini(&fake);
}

static void test_truncation_and_random_damage(void **state)
{
	unsigned loaded = 0, rounds = 20000;

	(void)state;
	make_elf();
	for (size_t bytes = 0; bytes < CODE_AT + CODE_BYTES; bytes++) {
		assert_int_equal(load_image(load_2, 16 * MIB, image, bytes, NULL), -ENOEXEC);
		fake_gmem_fini(&fake);
	}
	srand(1);
	for (unsigned round = 0; round < rounds; round++) {
		make_elf();
		PUT_HEADER({10, 0, 24, {0, 0xffffffff, 0x1000, round % 3}});
		for (int n = rand() % 4; n >= 0; n--)
			image[(unsigned)rand() % 2 ? (unsigned)rand() % 120
						   : HEADER_AT + 16 + (unsigned)rand() % 32] =
				(uint8_t)rand();
		loaded += !load(16 * MIB, NULL);
		fake_gmem_fini(&fake);
	}
	assert_in_range(loaded, rounds / 20, rounds * 19 / 20); /* both ways were tried */
}

static void test_each_step_may_fail(void **state)
{
	static const uint8_t data[100];
	struct boot_source source = {.cmdline = "", .initrd = {data, sizeof(data)}};

	(void)state;
	make_elf();
	assert_int_equal(fail_each_write(load_2, image, sizeof(image), &source), 4);
	assert_int_equal(fail_each_allocation(load_2, image, sizeof(image), &source), 2);
	source.rsdp = 64 * MIB; /* not RAM */
	assert_int_equal(load(64 * MIB, &source), -EFAULT);
	fake_gmem_fini(&fake);
}

/* The header is at a multiple of 8 bytes, and whole within 32 KiB (3.1.1). */
static void test_where_a_header_is(void **state)
{
	static const uint32_t header[] = {MAGIC, 0, 16, -(MAGIC + 16)};
	static const struct {
		size_t at;
		bool found;
	} places[] = {{0, true},  {8, true},	      {4, false},
		      {2, false}, {32768 - 16, true}, {32768 - 8, false}};
	uint8_t *file = calloc(1, 33000);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		memset(file, 0, 33000);
		memcpy(file + places[i].at, header, sizeof(header));
		assert_int_equal(
			multiboot_probe(&(struct boot_image){file, 33000}, MULTIBOOT_2),
			places[i].found);
	}
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_where_a_header_is),
		cmocka_unit_test(test_information),
		cmocka_unit_test(test_acpi),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_moving),
		cmocka_unit_test(test_wishes),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_other_headers),
		cmocka_unit_test(test_truncation_and_random_damage),
		cmocka_unit_test(test_each_step_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
