/*
 * Which kernel boot starts, on a volume that is an array of named files: a new one is tried
 * once, becomes kernel.elf when it has said that it came up, and is not tried again when it has
 * not. The volume fails one change after the other: a kernel is there and is chosen all the
 * same.
 */
/* links: boot/choose.c boot/elf.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/choose.h"
#include "boot/elf.h"
#include "boot/volume.h"

#define STATE	    "disks\\kernel.try"
#define STATE_BYTES 4096u
#define FILES	    8
#define NEVER	    (~0u)

struct file {
	char name[32]; /* "": none */
	EFI_FILE_INFO info;
	char bytes[STATE_BYTES];
};

static struct file files[FILES];
static unsigned changes, fails_at; /* from this change on, from 0, the volume says no */
static bool unreadable;		   /* all of it */
static char said[1024];
static EFI_BOOT_SERVICES services;
EFI_BOOT_SERVICES *BS = &services;

/* ---- the volume ---------------------------------------------------------------------------
 */

static const char *narrow(const CHAR16 *wide)
{
	static char names[2][32];
	static unsigned turn;
	char *to = names[turn++ % 2];
	unsigned i = 0;

	for (; wide[i]; i++) {
		assert_true(i < sizeof(names[0]) - 1);
		to[i] = (char)wide[i];
	}
	to[i] = 0;
	return to;
}

static struct file *find(const char *name)
{
	for (unsigned i = 0; i < FILES; i++)
		if (!strcmp(files[i].name, name))
			return &files[i];
	return NULL;
}

static struct file *put(const char *name)
{
	struct file *file = find(name);

	if (!file)
		file = find("");
	assert_non_null(file);
	memset(file, 0, sizeof(*file));
	strcpy(file->name, name);
	file->info.FileSize = sizeof(file->bytes);
	file->info.ModificationTime = (EFI_TIME){2026, 12, 1, 13, 55, 59, 0, 0, 0, 0, 0};
	return file;
}

static bool may_change(void)
{
	return changes++ < fails_at;
}

const EFI_FILE_INFO *volume_info(EFI_FILE_HANDLE folder, const CHAR16 *name)
{
	const struct file *file = find(narrow(name));

	(void)folder;
	return file ? &file->info : NULL;
}

bool volume_has(EFI_FILE_HANDLE folder, const CHAR16 *name)
{
	return volume_info(folder, name);
}

bool volume_peek(EFI_FILE_HANDLE folder, const CHAR16 *name, void *to, uint64_t bytes)
{
	const struct file *file = find(narrow(name));

	(void)folder;
	if (!file || unreadable || bytes > file->info.FileSize)
		return false;
	memcpy(to, file->bytes, bytes);
	return true;
}

bool volume_write(EFI_FILE_HANDLE folder, const CHAR16 *within, const CHAR16 *name,
		  const void *from, uint64_t bytes)
{
	(void)folder;
	assert_string_equal(narrow(within), "disks");
	assert_int_equal(bytes, STATE_BYTES);
	if (!may_change())
		return false;
	memcpy(put(narrow(name))->bytes, from, bytes);
	return true;
}

bool volume_rename(EFI_FILE_HANDLE folder, const CHAR16 *from, const CHAR16 *to)
{
	(void)folder;
	assert_non_null(find(narrow(from)));
	if (find(narrow(to)) || !may_change()) /* FAT renames over no file */
		return false;
	strcpy(find(narrow(from))->name, narrow(to));
	return true;
}

bool volume_remove(EFI_FILE_HANDLE folder, const CHAR16 *name)
{
	struct file *file = find(narrow(name));

	(void)folder;
	if (!file || !may_change())
		return false;
	memset(file, 0, sizeof(*file));
	return true;
}

static EFI_STATUS EFIAPI copy(VOID *to, VOID *from, UINTN bytes)
{
	memmove(to, from, bytes);
	return EFI_SUCCESS;
}

/* What was said, without its arguments. */
UINTN Print(const CHAR16 *format, ...)
{
	size_t at = strlen(said);

	for (; *format && at < sizeof(said) - 1; format++)
		said[at++] = (char)*format;
	said[at] = 0;
	return 0;
}

/* ---- kernels ------------------------------------------------------------------------------
 */

/* An image of one segment: see test_boot_elf. `mark` tells it from others. */
static void put_kernel(const char *name, char mark)
{
	static const struct {
		uint8_t ident[16];
		uint16_t type, machine;
		uint32_t version;
		uint64_t entry, phoff, shoff;
		uint32_t flags;
		uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
		uint32_t p_type, p_flags;
		uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
	} image = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
		   .type = 2,
		   .machine = 62,
		   .version = 1,
		   .entry = ELF_KERNEL_BASE + 0x1000000,
		   .phoff = 64,
		   .ehsize = 64,
		   .phentsize = 56,
		   .phnum = 1,
		   .p_type = 1,
		   .p_flags = 5,
		   .p_vaddr = ELF_KERNEL_BASE + 0x1000000,
		   .p_filesz = 4096,
		   .p_memsz = 4096,
		   .p_align = 4096};
	struct file *file = put(name);

	memcpy(file->bytes, &image, sizeof(image));
	file->bytes[STATE_BYTES - 1] = mark;
}

static char mark_of(const char *name)
{
	const struct file *file = find(name);

	return file ? file->bytes[STATE_BYTES - 1] : 0;
}

/* The start of a machine; `wanted` is what it is to start. */
static bool start(const char *wanted)
{
	struct choice choice;

	said[0] = 0;
	changes = 0;
	choice = choose_kernel(NULL);
	assert_string_equal(choice.path, wanted);
	assert_string_equal(narrow(choice.name), wanted);
	return choice.trial;
}

/* What kernel/io/came_up does. */
static void comes_up(void)
{
	memcpy(find(STATE)->bytes, "good ", 5);
}

static int clear(void **state)
{
	(void)state;
	memset(files, 0, sizeof(files));
	fails_at = NEVER;
	unreadable = false;
	services.CopyMem = (void *)copy;
	return 0;
}

/* ---- the tests ----------------------------------------------------------------------------
 */

static void without_a_new_one_it_is_kernel_elf_and_nothing_is_said(void **state)
{
	(void)state;
	put_kernel("kernel.elf", 'a');
	put_kernel("kernel.old", 'o');
	assert_false(start("kernel.elf"));
	assert_string_equal(said, "");
	assert_int_equal(changes, 0);
}

static void where_kernel_elf_is_missing_the_old_one_is_started(void **state)
{
	(void)state;
	put_kernel("kernel.old", 'o');
	assert_false(start("kernel.old"));
	assert_non_null(strstr(said, "kernel.elf is missing"));
	clear(NULL);
	assert_false(start("kernel.elf")); /* boot says that it is not there */
	assert_string_equal(said, "");
}

static void a_new_one_is_tried_once(void **state)
{
	(void)state;
	put_kernel("kernel.elf", 'a');
	put_kernel("kernel.new", 'b');
	assert_true(start("kernel.new"));
	assert_non_null(strstr(said, "is tried, once"));
	assert_string_equal(find(STATE)->bytes, "tried 0000000000001000 0007ea0c010d373b\n");
	for (unsigned i = 0; i < 2; i++) { /* it did not come up: never again */
		assert_false(start("kernel.elf"));
		assert_non_null(strstr(said, "was tried and did not come up"));
		assert_string_equal(find(STATE)->bytes,
				    "fails 0000000000001000 0007ea0c010d373b\n");
		assert_int_equal(changes, i == 0);
	}
	assert_int_equal(mark_of("kernel.new"), 'b');
}

/* Each field of what is known of it tells it from another. */
static void another_file_in_its_place_is_another(void **state)
{
	static const EFI_TIME times[] = {
		{2027, 12, 1, 13, 55, 59, 0, 0, 0, 0, 0},
		{2026, 11, 1, 13, 55, 59, 0, 0, 0, 0, 0},
		{2026, 12, 2, 13, 55, 59, 0, 0, 0, 0, 0},
		{2026, 12, 1, 12, 55, 59, 0, 0, 0, 0, 0},
		{2026, 12, 1, 13, 54, 59, 0, 0, 0, 0, 0},
		{2026, 12, 1, 13, 55, 58, 0, 0, 0, 0, 0},
	};

	(void)state;
	put_kernel("kernel.elf", 'a');
	put_kernel("kernel.new", 'b');
	assert_true(start("kernel.new"));
	for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		assert_false(start("kernel.elf"));
		find("kernel.new")->info.ModificationTime = times[i];
		assert_true(start("kernel.new"));
	}
	find("kernel.new")->info.FileSize++;
	assert_true(start("kernel.new"));
	comes_up();
	find("kernel.new")->info.FileSize++; /* it was the other that came up */
	assert_true(start("kernel.new"));
}

static void one_that_came_up_is_kernel_elf(void **state)
{
	(void)state;
	put_kernel("kernel.old", 'o');
	put_kernel("kernel.elf", 'a');
	put_kernel("kernel.new", 'b');
	assert_true(start("kernel.new"));
	comes_up();
	assert_false(start("kernel.elf"));
	assert_non_null(strstr(said, "came up: it is kernel.elf now"));
	assert_null(strstr(said, "can't"));
	assert_int_equal(mark_of("kernel.elf"), 'b');
	assert_int_equal(mark_of("kernel.old"), 'a');
	assert_null(find("kernel.new"));
	assert_null(find(STATE));
	assert_false(start("kernel.elf"));
	assert_string_equal(said, "");
}

static void the_first_that_comes_up_leaves_no_old_one(void **state)
{
	(void)state;
	put_kernel("kernel.new", 'b');
	assert_true(start("kernel.new"));
	comes_up();
	assert_false(start("kernel.elf"));
	assert_null(find("kernel.old"));
	assert_int_equal(mark_of("kernel.elf"), 'b');
}

/* The power fails, or the volume, at each change: what is started is the new kernel, which came
 * up, and the next start ends what was begun. */
static void a_promotion_that_fails_anywhere_is_made_up_for(void **state)
{
	unsigned steps = 0;
	bool whole = false;

	for (; !whole; steps++) {
		clear(state);
		put_kernel("kernel.old", 'o');
		put_kernel("kernel.elf", 'a');
		put_kernel("kernel.new", 'b');
		assert_true(start("kernel.new"));
		comes_up();
		fails_at = steps;
		start(steps <= 2 ? "kernel.new" : "kernel.elf");
		whole = changes <= steps;
		assert_int_equal(!!strstr(said, "can't be removed"), steps == 0);
		assert_int_equal(!!strstr(said, "can't be renamed"), steps <= 2);
		assert_int_equal(!!strstr(said, "it is kernel.elf now"), steps >= 3);
		fails_at = NEVER;
		assert_false(start("kernel.elf"));
		assert_int_equal(mark_of("kernel.elf"), 'b');
		assert_int_equal(mark_of("kernel.old"), 'a');
		assert_null(find("kernel.new"));
	}
	assert_int_equal(steps, 5); /* remove, rename, rename, remove, nothing failed */
}

static void on_a_volume_that_cannot_be_written_nothing_is_tried(void **state)
{
	(void)state;
	put_kernel("kernel.elf", 'a');
	put_kernel("kernel.new", 'b');
	fails_at = 0;
	assert_false(start("kernel.elf"));
	assert_non_null(strstr(said, "is not tried: this volume can't be written"));
	fails_at = NEVER;
	assert_true(start("kernel.new"));
	fails_at = 0; /* that it failed can't be noted: it is not tried all the same */
	assert_false(start("kernel.elf"));
	assert_false(start("kernel.elf"));
	assert_non_null(strstr(said, "was tried and did not come up"));
}

/* Each part of the state counts: a whole block, and the last byte of it. */
static void a_state_that_is_not_whole_is_none(void **state)
{
	(void)state;
	put_kernel("kernel.elf", 'a');
	put_kernel("kernel.new", 'b');
	assert_true(start("kernel.new"));
	comes_up();
	find(STATE)->bytes[STATE_BYTES - 1] = 1;
	assert_true(start("kernel.new"));
	comes_up();
	find(STATE)->info.FileSize = STATE_BYTES - 1;
	assert_true(start("kernel.new"));
	find(STATE)->bytes[4] = '!'; /* neither good nor tried: it is not started again */
	assert_false(start("kernel.elf"));
	assert_int_equal(find(STATE)->bytes[4], '!');
}

static void what_is_no_kernel_is_passed_over(void **state)
{
	(void)state;
	put_kernel("kernel.elf", 'a');
	put_kernel("kernel.new", 'b');
	find("kernel.new")->bytes[0] = 0;
	assert_false(start("kernel.elf"));
	assert_non_null(strstr(said, "is passed over, it is no kernel"));
	assert_null(find(STATE));

	put_kernel("kernel.new", 'b');
	unreadable = true;
	assert_false(start("kernel.elf"));
	assert_non_null(strstr(said, "is passed over"));
	unreadable = false;

	/* Shorter than a head: no more is read than there is. */
	find("kernel.new")->info.FileSize = 63;
	assert_false(start("kernel.elf"));
	assert_non_null(strstr(said, "is passed over"));
	find("kernel.new")->info.FileSize = 0;
	assert_false(start("kernel.elf"));
	assert_int_equal(changes, 0);
}

/* None of them is left but one that failed: it is better than none. */
static void one_that_failed_is_started_where_there_is_no_other(void **state)
{
	(void)state;
	put_kernel("kernel.new", 'b');
	assert_true(start("kernel.new"));
	assert_false(start("kernel.new"));
	assert_non_null(strstr(said, "kernel.elf is missing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, clear)
		TEST(without_a_new_one_it_is_kernel_elf_and_nothing_is_said),
		TEST(where_kernel_elf_is_missing_the_old_one_is_started),
		TEST(a_new_one_is_tried_once),
		TEST(another_file_in_its_place_is_another),
		TEST(one_that_came_up_is_kernel_elf),
		TEST(the_first_that_comes_up_leaves_no_old_one),
		TEST(a_promotion_that_fails_anywhere_is_made_up_for),
		TEST(on_a_volume_that_cannot_be_written_nothing_is_tried),
		TEST(a_state_that_is_not_whole_is_none),
		TEST(what_is_no_kernel_is_passed_over),
		TEST(one_that_failed_is_started_where_there_is_no_other),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
