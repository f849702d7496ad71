/*
 * The log that outlives a reset: what was written is read, whenever the reset came; of memory
 * that holds anything else, or was damaged, no more is believed than its checksums say.
 */
/* links: kernel/log/blackbox.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/lib/crc32.h"
#include "kernel/log/blackbox.h"
#include "kernel/log/log.h"

#define SLOT_OFFSET 2048
#define SLOT_BYTES  48
#define DATA_OFFSET 4096
#define DATA_BYTES  (BLACKBOX_BYTES - DATA_OFFSET)

static uint8_t *box; /* exactly as large, so that a byte behind it is noticed */
static struct log_sink *sink;
static char text[BLACKBOX_TEXT_BYTES];
static size_t text_bytes;
static bool damaged;

/* ---- the house ----------------------------------------------------------------------------
 */

void log_attach(struct log_sink *attached)
{
	sink = attached;
}

static void (*on_crc)(void); /* checksums are made between the steps of a write */

uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	if (on_crc)
		on_crc();
	while (bytes--) {
		crc ^= *at++;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

static void say(const char *line)
{
	sink->write(sink, LOG_INFO, line, strlen(line));
}

/* "line 7 ....", of a length of its own. */
static const char *nth(unsigned n)
{
	static char line[LOG_LINE_MAX];

	snprintf(line, sizeof line, "line %u %.*s", n, (int)(n * 37 % 150),
		 "......................................................................."
		 "........................................................................"
		 ".......");
	return line;
}

static void look(void)
{
	text_bytes = blackbox_read(box, text, &damaged);
}

static void demand(const char *wanted)
{
	look();
	assert_int_equal(text_bytes, strlen(wanted));
	assert_memory_equal(text, wanted, text_bytes);
}

static int fresh(void **state)
{
	(void)state;
	box = calloc(1, BLACKBOX_BYTES);
	blackbox_start(box);
	return box ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	on_crc = NULL;
	free(box);
	return 0;
}

/* ---- tests --------------------------------------------------------------------------------
 */

static void what_is_written_is_read(void **state)
{
	(void)state;
	demand("");
	assert_false(damaged);
	say("one");
	demand("one\n");
	say("");
	say("three\x1b[2J\r\ttab \xc3\xa9\x7f");
	demand("one\n\nthree?[2J?\ttab \xc3\xa9?\n");
	assert_false(damaged);
}

static void the_next_run_has_it_once(void **state)
{
	const char *previous;
	bool lost;

	(void)state;
	say("of the first run");
	blackbox_start(box);
	assert_int_equal(blackbox_previous(&previous, &lost), 17);
	assert_memory_equal(previous, "of the first run\n", 17);
	assert_false(lost);
	demand("");
	say("of the second");
	assert_memory_equal(previous, "of the first run\n", 17);
	blackbox_start(box);
	assert_int_equal(blackbox_previous(&previous, &lost), 14);
	assert_memory_equal(previous, "of the second\n", 14);
	blackbox_start(box);
	assert_int_equal(blackbox_previous(&previous, &lost), 0);
}

/* Many times what there is room for: the newest stay, whole and in order. */
static void the_newest_stay(void **state)
{
	unsigned first = 0, n;
	char *at = text;

	(void)state;
	for (n = 0; n < 5000; n++)
		say(nth(n));
	look();
	assert_false(damaged);
	assert_true(text_bytes > DATA_BYTES - DATA_BYTES / 4);
	assert_int_equal(sscanf(text, "line %u ", &first), 1);
	for (n = first; n < 5000; n++) {
		size_t bytes = strlen(nth(n));

		assert_memory_equal(at, nth(n), bytes);
		assert_int_equal(at[bytes], '\n');
		at += bytes + 1;
	}
	assert_ptr_equal(at, text + text_bytes);
}

/* Records of 64 bytes fill the ring to its last byte: nothing goes before there is one more. */
static void the_ring_is_filled_whole(void **state)
{
	char line[64 - 8 + 1];

	(void)state;
	for (unsigned n = 0; n < DATA_BYTES / 64; n++) {
		snprintf(line, sizeof line, "%056u", n);
		say(line);
	}
	look();
	assert_false(damaged);
	assert_int_equal(text_bytes, DATA_BYTES / 64 * 57);
	assert_int_equal(strtoul(text, NULL, 10), 0);
	say("");
	look();
	assert_false(damaged);
	assert_int_equal(text_bytes, (DATA_BYTES / 64 - 1) * 57 + 1);
	assert_int_equal(strtoul(text, NULL, 10), 1);
}

static void the_longest_line_fits(void **state)
{
	static char line[2 * LOG_LINE_MAX];

	(void)state;
	memset(line, 'x', LOG_LINE_MAX - 1);
	say(line);
	look();
	assert_int_equal(text_bytes, LOG_LINE_MAX);
	memset(line, 'x', sizeof line - 1); /* none is, but what would not be read is cut */
	say(line);
	look();
	assert_int_equal(text_bytes, 2 * LOG_LINE_MAX);
	assert_false(damaged);
}

/* ---- a reset at any moment ------------------------------------------------------------- */

static char before[BLACKBOX_TEXT_BYTES];
static size_t before_bytes;
static unsigned looks;

/* Of what there was before, nothing but the oldest may be gone; or the new line is there too.
 */
static void demand_whole(const uint8_t *image, const char *line)
{
	size_t bytes = blackbox_read(image, text, &damaged), tail;

	looks++;
	assert_false(damaged);
	assert_true(bytes + 2 * LOG_LINE_MAX >= before_bytes);
	tail = strlen(line) + 1;
	if (bytes >= tail && text[bytes - 1] == '\n' &&
	    !memcmp(text + bytes - tail, line, tail - 1))
		bytes -= tail;
	assert_true(bytes <= before_bytes);
	assert_memory_equal(text, before + before_bytes - bytes, bytes);
}

static unsigned saying;

/* Whatever has been written by the time of a checksum is there, and nothing of what comes. */
static void reset_now(void)
{
	void (*again)(void) = on_crc;

	on_crc = NULL;
	demand_whole(box, nth(saying));
	on_crc = again;
}

/* What lies between the images before and after a line, byte by byte in the order of writing:
 * the slot that makes room, the record, the slot that tells of it. */
static void demand_each_byte(const uint8_t *old, const char *line)
{
	uint8_t *image = malloc(BLACKBOX_BYTES);
	uint64_t sequences[2], start;
	size_t last;

	memcpy(image, old, BLACKBOX_BYTES);
	memcpy(&sequences[0], box + 16, 8);
	memcpy(&sequences[1], box + SLOT_OFFSET + 16, 8);
	last = sequences[1] > sequences[0] ? SLOT_OFFSET : 0;
	for (size_t i = 0; i < SLOT_BYTES; i++) {
		image[(SLOT_OFFSET - last) + i] = box[(SLOT_OFFSET - last) + i];
		demand_whole(image, line);
	}
	memcpy(&start, image + (SLOT_OFFSET - last) + 32, 8); /* where the ring ended */
	for (size_t i = 0; i < 8 + strlen(line); i++) {
		size_t at = DATA_OFFSET + (start + i) % DATA_BYTES;

		image[at] = box[at];
		demand_whole(image, line);
	}
	for (size_t i = 0; i < SLOT_BYTES; i++) {
		image[last + i] = box[last + i];
		demand_whole(image, line);
	}
	assert_memory_equal(image, box, BLACKBOX_BYTES);
	free(image);
}

static void a_reset_loses_nothing_but_the_line_that_it_meets(void **state)
{
	uint8_t *old = malloc(BLACKBOX_BYTES);

	(void)state;
	for (saying = 0; saying < 1200; saying++) {
		before_bytes = blackbox_read(box, before, &damaged);
		memcpy(old, box, BLACKBOX_BYTES);
		on_crc = saying % 64 == 0 || saying > 1190 ? reset_now : NULL;
		say(nth(saying));
		on_crc = NULL;
		if (saying == 3 || saying > 1197)
			demand_each_byte(old, nth(saying));
	}
	assert_true(looks > 500);
	free(old);
}

/* ---- damage ---------------------------------------------------------------------------- */

static void a_flipped_bit_is_noticed(void **state)
{
	static const struct {
		size_t from, bytes;
	} parts[] = {{0, SLOT_BYTES}, {SLOT_OFFSET, SLOT_BYTES}, {DATA_OFFSET, 3 * 16}};
	static const char whole[] = "first...\nsecond..\nthird...\n";
	unsigned less = 0;

	(void)state;
	say("first...");
	say("second..");
	say("third...");
	for (unsigned p = 0; p < 3; p++) {
		for (size_t bit = 0; bit < parts[p].bytes * 8; bit++) {
			box[parts[p].from + bit / 8] ^= 1 << bit % 8;
			look();
			assert_memory_equal(text, whole, text_bytes); /* nothing else */
			assert_int_equal(damaged, p == 2);
			less += text_bytes < strlen(whole);
			assert_true(text_bytes >= (p == 2 ? bit / 128 * 9 : 18));
			box[parts[p].from + bit / 8] ^= 1 << bit % 8;
		}
	}
	assert_true(less >= 3 * 16 * 8 + SLOT_BYTES * 8);
	demand(whole);
}

/* A slot with a good checksum that somebody made. */
static void forge(uint64_t start, uint64_t end_at)
{
	uint64_t sequence = UINT64_MAX;
	uint32_t crc;

	memcpy(box + 16, &sequence, 8);
	memcpy(box + 24, &start, 8);
	memcpy(box + 32, &end_at, 8);
	crc = crc32(box, SLOT_BYTES - 4);
	memcpy(box + SLOT_BYTES - 4, &crc, 4);
	look();
}

static void lengths_are_not_believed(void **state)
{
	(void)state;
	say("a line");
	say("another"); /* so that both slots are filled */
	forge(0, DATA_BYTES);
	assert_true(damaged); /* behind the lines there are no records */
	assert_memory_equal(text, "a line\nanother\n", 15);
	forge(0, DATA_BYTES + 1); /* then the other slot counts */
	assert_false(damaged);
	forge(1, 0);
	assert_false(damaged);
	forge(UINT64_MAX - 5, UINT64_MAX);
	assert_true(damaged && !text_bytes);
	forge(UINT64_MAX - DATA_BYTES, UINT64_MAX);
	assert_true(damaged);
	forge(0, 8); /* a record of which the end is not there */
	assert_true(damaged && !text_bytes);
	forge(0, 7);
	assert_true(damaged && !text_bytes);
}

static void memory_of_any_contents_is_none(void **state)
{
	(void)state;
	memset(box, 0, BLACKBOX_BYTES);
	demand("");
	memset(box, 0xff, BLACKBOX_BYTES);
	demand("");
	srand(1);
	for (unsigned n = 0; n < 200; n++) {
		for (size_t i = 0; i < BLACKBOX_BYTES; i++)
			box[i] = (uint8_t)rand();
		demand("");
		assert_false(damaged);
	}
	blackbox_start(box);
	say("good");
	/* Good slots, and a ring of chance: each time another start. */
	for (unsigned n = 0; n < 2000; n++) {
		for (size_t i = DATA_OFFSET; i < DATA_OFFSET + 1024; i++)
			box[i] = (uint8_t)rand();
		forge((uint64_t)rand() % DATA_BYTES, DATA_BYTES);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(the_next_run_has_it_once),
		TEST(the_newest_stay),
		TEST(the_ring_is_filled_whole),
		TEST(the_longest_line_fits),
		TEST(a_reset_loses_nothing_but_the_line_that_it_meets),
		TEST(a_flipped_bit_is_noticed),
		TEST(lengths_are_not_believed),
		TEST(memory_of_any_contents_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
