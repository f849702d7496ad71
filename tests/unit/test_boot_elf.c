/* Which ELF images boot takes for a kernel, and that damaged ones are refused. Not loading. */
/* links: boot/elf.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "boot/elf.h"

#define TEXT	   0xffffffff80000000ull
#define FILE_BYTES 0x5000u

/* The first page of a file of FILE_BYTES: text, rodata, data and bss, and a note. */
struct image {
	Elf64_Ehdr header;
	Elf64_Phdr program[4];
	uint8_t rest[ELF_HEAD_BYTES - sizeof(Elf64_Ehdr) - 4 * sizeof(Elf64_Phdr)];
};

_Static_assert(sizeof(struct image) == ELF_HEAD_BYTES, "the image is the first page");

enum { TEXT_SEGMENT, RODATA, DATA, NOTE };

static void make_good(struct image *image)
{
	memset(image, 0, sizeof(*image));
	image->header = (Elf64_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = TEXT + 0x10,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 4,
	};
	image->program[TEXT_SEGMENT] =
		(Elf64_Phdr){PT_LOAD, PF_R | PF_X, 0x1000, TEXT, TEXT, 0x1234, 0x1234, 0x1000};
	image->program[RODATA] =
		(Elf64_Phdr){PT_LOAD, PF_R, 0x3000, TEXT + 0x2000, 0, 0x800, 0x800, 0x1000};
	image->program[DATA] = (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 0x4000, TEXT + 0x5000,
					    0,	     0x1000,	  0x7001, 0x1000};
	image->program[NOTE] = (Elf64_Phdr){PT_NOTE, PF_R, UINT64_MAX, 0, 0, 1, 1, 1};
}

static const char *check(const struct image *image, struct elf_kernel *kernel)
{
	return elf_check(image, sizeof(*image), FILE_BYTES, kernel);
}

static void a_good_image_is_laid_out(void **state)
{
	static const struct elf_segment wanted[] = {
		{TEXT, 0x2000, 0x1000, 0x1234, ELF_FLAG_R | ELF_FLAG_X},
		{TEXT + 0x2000, 0x1000, 0x3000, 0x800, ELF_FLAG_R},
		{TEXT + 0x5000, 0x8000, 0x4000, 0x1000, ELF_FLAG_R | ELF_FLAG_W},
	};
	struct image image;
	struct elf_kernel kernel;

	(void)state;
	make_good(&image);
	assert_null(check(&image, &kernel));
	assert_int_equal(kernel.entry, TEXT + 0x10);
	assert_int_equal(kernel.virt, TEXT);
	assert_int_equal(kernel.bytes, 0xd000);
	assert_int_equal(kernel.segment_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(kernel.segments[i].virt, wanted[i].virt);
		assert_int_equal(kernel.segments[i].bytes, wanted[i].bytes);
		assert_int_equal(kernel.segments[i].file_offset, wanted[i].file_offset);
		assert_int_equal(kernel.segments[i].file_bytes, wanted[i].file_bytes);
		assert_int_equal(kernel.segments[i].flags, wanted[i].flags);
	}
}

/* One field of the good image, the value it is given, and part of the refusal; NULL: taken. */
struct damage {
	size_t offset, bytes;
	uint64_t value;
	const char *wrong;
};

#define HEADER(field, value, wrong)                                                            \
	{                                                                                      \
		offsetof(struct image, header.field), sizeof(((Elf64_Ehdr *)0)->field), value, \
			wrong                                                                  \
	}
#define IDENT(index, value, wrong)                                                \
	{                                                                         \
		offsetof(struct image, header.e_ident) + (index), 1, value, wrong \
	}
#define PROGRAM(which, field, value, wrong)                                      \
	{                                                                        \
		offsetof(struct image, program) + (which) * sizeof(Elf64_Phdr) + \
			offsetof(Elf64_Phdr, field),                             \
			sizeof(((Elf64_Phdr *)0)->field), value, wrong           \
	}

static const struct damage damages[] = {
	IDENT(EI_MAG0, 0x7e, "not an ELF"),
	IDENT(EI_MAG1, 'e', "not an ELF"),
	IDENT(EI_MAG2, 'l', "not an ELF"),
	IDENT(EI_MAG3, 'f', "not an ELF"),
	IDENT(EI_CLASS, ELFCLASS32, "64-bit"),
	IDENT(EI_DATA, ELFDATA2MSB, "little-endian"),
	IDENT(EI_VERSION, 2, "version"),
	HEADER(e_version, 0, "version"),
	HEADER(e_machine, EM_AARCH64, "x86-64"),
	HEADER(e_machine, EM_386, "x86-64"),
	HEADER(e_type, ET_DYN, "statically linked"),
	HEADER(e_type, ET_REL, "statically linked"),
	HEADER(e_phentsize, 32, "unknown size"),
	HEADER(e_phentsize, 0, "unknown size"),
	HEADER(e_phnum, 0, "no program headers"),
	HEADER(e_phnum, 73, "outside the first 4 KiB"), /* 64 + 73 * 56 > 4096 */
	HEADER(e_phnum, 0xffff, "outside the first 4 KiB"),
	HEADER(e_phoff, 0x1000, "outside the first 4 KiB"),
	HEADER(e_phoff, 0xff0, "outside the first 4 KiB"),
	HEADER(e_phoff, 0x1008, "outside the first 4 KiB"),
	HEADER(e_phoff, UINT64_MAX - 7, "outside the first 4 KiB"),
	HEADER(e_phoff, 65, "outside the first 4 KiB"),
	HEADER(e_phnum, 72, NULL), /* the rest are PT_NULL */
	HEADER(e_entry, 0, "entry point"),
	HEADER(e_entry, TEXT - 1, "entry point"),
	HEADER(e_entry, TEXT + 0x1234, "entry point"),
	HEADER(e_entry, TEXT + 0x1233, NULL),
	HEADER(e_entry, TEXT + 0x2000, "entry point"),
	HEADER(e_entry, TEXT + 0x5000, "entry point"),
	PROGRAM(TEXT_SEGMENT, p_type, PT_INTERP, "dynamically"),
	PROGRAM(NOTE, p_type, PT_DYNAMIC, "dynamically"),
	PROGRAM(TEXT_SEGMENT, p_type, PT_NULL, "entry point"),
	PROGRAM(TEXT_SEGMENT, p_memsz, 0, "entry point"),
	PROGRAM(TEXT_SEGMENT, p_flags, PF_R, "entry point"),
	PROGRAM(TEXT_SEGMENT, p_flags, PF_X, "permissions"),
	PROGRAM(TEXT_SEGMENT, p_flags, PF_R | PF_X | 8, "permissions"),
	PROGRAM(TEXT_SEGMENT, p_flags, PF_R | PF_W | PF_X, "both writable and executable"),
	PROGRAM(DATA, p_flags, PF_R | PF_W | PF_X, "both writable and executable"),
	PROGRAM(DATA, p_offset, 0x5000, "past the end of the file"),
	PROGRAM(DATA, p_offset, 0x6000, "past the end of the file"),
	PROGRAM(DATA, p_offset, UINT64_MAX - 0xfff, "past the end of the file"),
	PROGRAM(DATA, p_filesz, 0x1001, "past the end of the file"),
	PROGRAM(DATA, p_filesz, UINT64_MAX, "past the end of the file"),
	PROGRAM(DATA, p_memsz, 0xfff, "larger in the file"),
	PROGRAM(DATA, p_memsz, 0x7fffa000, NULL),
	PROGRAM(DATA, p_memsz, 0x7fffa001, "past the end of the address space"),
	PROGRAM(DATA, p_memsz, UINT64_MAX, "past the end of the address space"),
	PROGRAM(DATA, p_vaddr, 0x400000, "linked below"),
	PROGRAM(DATA, p_vaddr, 0xffffffff7ffff000, "linked below"),
	PROGRAM(DATA, p_vaddr, UINT64_MAX, "4 KiB boundary"),
	PROGRAM(DATA, p_vaddr, TEXT + 0x5800, "4 KiB boundary"),
	PROGRAM(DATA, p_vaddr, TEXT + 0x1000, "overlap"),
	PROGRAM(DATA, p_vaddr, TEXT, "overlap"),
	PROGRAM(RODATA, p_vaddr, TEXT + 0x1000, "overlap"),
	PROGRAM(RODATA, p_vaddr, TEXT + 0x4000, NULL),
	PROGRAM(RODATA, p_vaddr, TEXT + 0xc000, "overlap"),
	PROGRAM(RODATA, p_vaddr, TEXT + 0xd000, NULL),
	PROGRAM(DATA, p_align, 0x1800, "power of two"),
	PROGRAM(DATA, p_align, 0x400000, "more than 2 MiB"),
	PROGRAM(DATA, p_align, 0x4000, "disagree"),
	PROGRAM(DATA, p_align, 0, NULL),
	PROGRAM(DATA, p_align, 1, NULL),
};

static void each_damage_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const struct damage *damage = &damages[i];
		struct elf_kernel kernel;
		struct image image;

		make_good(&image);
		memcpy((uint8_t *)&image + damage->offset, &damage->value, damage->bytes);
		const char *wrong = check(&image, &kernel);
		if (!damage->wrong ? wrong != NULL : !wrong || !strstr(wrong, damage->wrong))
			fail_msg("damage %zu: wanted \"%s\", got \"%s\"", i,
				 damage->wrong ? damage->wrong : "(taken)",
				 wrong ? wrong : "(taken)");
	}
}

static void more_segments_than_the_handoff_holds_are_refused(void **state)
{
	struct elf_kernel kernel;
	struct image image;

	(void)state;
	make_good(&image);
	Elf64_Phdr *program = image.program;
	for (unsigned i = 0; i <= HANDOFF_SEGMENTS_MAX; i++)
		program[i] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 0x1000, TEXT + i * 0x1000,
					  0,	   0x100,	0x100,	0x1000};
	image.header.e_phnum = HANDOFF_SEGMENTS_MAX;
	assert_null(check(&image, &kernel));
	assert_int_equal(kernel.segment_count, HANDOFF_SEGMENTS_MAX);
	image.header.e_phnum = HANDOFF_SEGMENTS_MAX + 1;
	assert_non_null(strstr(check(&image, &kernel), "too many"));
}

/* The sanitizer sees any read behind what there is of the file. */
static void short_files_are_refused(void **state)
{
	struct image image;

	(void)state;
	make_good(&image);
	for (size_t bytes = 0; bytes < 0x400; bytes++) {
		struct elf_kernel kernel;
		void *copy = malloc(bytes ? bytes : 1);
		memcpy(copy, &image, bytes);
		assert_non_null(elf_check(copy, bytes, bytes, &kernel));
		free(copy);
	}
}

static void assert_sane(const struct elf_kernel *kernel)
{
	unsigned executable = 0;

	assert_in_range(kernel->segment_count, 1, HANDOFF_SEGMENTS_MAX);
	for (uint32_t i = 0; i < kernel->segment_count; i++) {
		const struct elf_segment *s = &kernel->segments[i];
		assert_true(s->virt >= TEXT && s->virt % 4096 == 0 && s->bytes % 4096 == 0);
		assert_true(s->bytes > 0 && s->bytes < 2ull << 30 && s->file_bytes <= s->bytes);
		assert_true(s->file_offset <= FILE_BYTES &&
			    s->file_bytes <= FILE_BYTES - s->file_offset);
		assert_false((s->flags & PF_W) && (s->flags & PF_X));
		assert_true(s->virt >= kernel->virt &&
			    s->virt - kernel->virt <= kernel->bytes - s->bytes);
		if (s->flags & PF_X)
			executable += kernel->entry - s->virt < s->bytes;
		for (uint32_t j = 0; j < i; j++) {
			const struct elf_segment *t = &kernel->segments[j];
			assert_true(s->virt + (s->bytes - 1) < t->virt ||
				    t->virt + (t->bytes - 1) < s->virt);
		}
	}
	assert_int_equal(executable, 1);
}

/* Values that sit on edges, put anywhere: whatever is still taken can be loaded safely. */
static void whatever_is_taken_is_sane(void **state)
{
	static const uint64_t values[] = {
		0,    1,	   7,	     0x1000, 0x2000,	  FILE_BYTES, 0x7fffffff,
		TEXT, TEXT + 4096, 1u << 21, ~0ull,  ~0ull << 12, 1ull << 63, 0x800000001000,
	};
	unsigned taken = 0;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 200000; round++) {
		struct elf_kernel kernel;
		struct image image;

		make_good(&image);
		for (int damage = rand() % 3; damage >= 0; damage--) {
			const size_t headers = offsetof(struct image, rest);
			const size_t field = 4u * ((unsigned)rand() % (headers / 4 - 1));
			const size_t value =
				(unsigned)rand() % (sizeof(values) / sizeof(values[0]));
			memcpy((uint8_t *)&image + field, &values[value], 1u << rand() % 4);
		}
		if (!check(&image, &kernel)) {
			assert_sane(&kernel);
			taken++;
		}
	}
	assert_in_range(taken, 1000, 199000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_image_is_laid_out),
		cmocka_unit_test(each_damage_is_named),
		cmocka_unit_test(more_segments_than_the_handoff_holds_are_refused),
		cmocka_unit_test(short_files_are_refused),
		cmocka_unit_test(whatever_is_taken_is_sane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
