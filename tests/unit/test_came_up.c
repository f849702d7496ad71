/* A new kernel notes that it came up: only where it is tried, and nothing else of the block. */
/* links: kernel/io/came_up.c kernel/io/extents.c kernel/lib/sort.c */
/* links: tests/unit/fake_blkdev.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/handoff.h"
#include "kernel/io/came_up.h"
#include "kernel/io/storage_internal.h"
#include "kernel/log/log.h"
#include "kernel/mem/hostmap.h"
#include "tests/unit/fake_blkdev.h"

static struct fake_disk trial;
static struct handoff handoff = {.trial = 1};
static bool missing;
static int open_files;
static char logged[256];

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)level, (void)area;
	va_start(args, fmt);
	vsnprintf(logged, sizeof(logged), fmt, args);
	va_end(args);
}

const struct handoff *mem_handoff(void)
{
	return &handoff;
}

int storage_open_source(const char *source, bool read_only, struct blkdev **dev,
			struct extents *extents, char why[STORAGE_WHY_BYTES])
{
	(void)extents, (void)why;
	assert_string_equal(source, "esp:/disks/kernel.try");
	assert_false(read_only);
	if (missing)
		return -ENOENT;
	open_files++;
	*dev = &trial.dev;
	return 0;
}

void storage_close_device(struct blkdev *dev)
{
	(void)dev;
	open_files--;
}

static const char *comes_up(uint64_t bytes, const char *state)
{
	free(trial.data);
	fake_disk_init(&trial, "trial", bytes, 512);
	memcpy(trial.data, state, strlen(state));
	logged[0] = '\0';
	came_up();
	assert_int_equal(open_files, 0);
	return (const char *)trial.data;
}

static void it_is_noted_where_it_is_tried(void **state)
{
	(void)state;
	assert_string_equal(comes_up(4096, "tried 1 2\n"), "good  1 2\n");
	assert_int_equal(trial.flushes, 1);
	assert_non_null(strstr(logged, "came up"));
}

static void all_else_stays(void **state)
{
	static const char *const states[] = {"good  1 2\n", "trie", "", "Tried 1 2\n"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		assert_string_equal(comes_up(4096, states[i]), states[i]);
		assert_int_equal(trial.dev.counters.requests[BLK_WRITE], 0);
		assert_string_equal(logged, "");
	}
	assert_string_equal(comes_up(8192, "tried"), "tried"); /* not boot's file */
	missing = true;
	comes_up(4096, "tried");
	missing = false;
	assert_int_equal(trial.submits, 0);
}

/* Booted beside the one that is on trial, or as it was given up: the word is not about it. */
static void a_kernel_that_is_not_on_trial_says_nothing(void **state)
{
	(void)state;
	handoff.trial = 0;
	assert_string_equal(comes_up(4096, "tried 1 2\n"), "tried 1 2\n");
	assert_int_equal(trial.submits, 0);
	assert_string_equal(logged, "");
	handoff.trial = 1;
}

static void a_disk_that_fails_is_told_of(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 3; n++) { /* read, write, flush */
		free(trial.data);
		fake_disk_init(&trial, "trial", 4096, 512);
		memcpy(trial.data, "tried", 5);
		trial.fail_at = n;
		logged[0] = '\0';
		came_up();
		assert_int_equal(trial.answers, n);
		assert_non_null(strstr(logged, "can't be noted"));
	}
	free(trial.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_noted_where_it_is_tried),
		cmocka_unit_test(all_else_stays),
		cmocka_unit_test(a_kernel_that_is_not_on_trial_says_nothing),
		cmocka_unit_test(a_disk_that_fails_is_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
