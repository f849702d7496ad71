/*
 * Two slots tell from where to where the ring of records is filled, written in turn: a reset in
 * the midst of one leaves the other. What makes room is told before it is overwritten, and a
 * record before it is told of, so whichever slot is whole tells of whole records only.
 */
#include "kernel/log/blackbox.h"

#include <stddef.h>
#include <string.h>

#include "kernel/lib/crc32.h"
#include "kernel/log/log.h"

#define MAGIC	    0x786f626b63616c42ull /* "Blackbox" */
#define VERSION	    1u
#define SLOT_OFFSET 2048 /* of the second */
#define DATA_OFFSET 4096
#define DATA_BYTES  (BLACKBOX_BYTES - DATA_OFFSET)

struct slot {
	uint64_t magic;
	uint32_t version, data_bytes;
	uint64_t sequence;   /* the higher one counts */
	uint64_t start, end; /* bytes since the run began; a place is its rest by DATA_BYTES */
	uint32_t reserved;
	uint32_t crc; /* of all before it */
};
_Static_assert(sizeof(struct slot) == 48, "as earlier versions wrote it");

struct record {
	uint32_t crc;	/* of the text, begun with that of what follows here */
	uint16_t bytes; /* of the text behind it */
	uint8_t level, reserved;
};
_Static_assert(sizeof(struct record) == 8, "as earlier versions wrote it");
_Static_assert(DATA_BYTES <= BLACKBOX_TEXT_BYTES, "a record is longer than its line");

/* ---- reading ------------------------------------------------------------------------------
 */

static void get(const uint8_t *data, uint64_t at, void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)to)[i] = data[(at + i) % DATA_BYTES];
}

static uint32_t record_crc(const struct record *record, const char *text)
{
	uint32_t crc = crc32_update(~0u, &record->bytes,
				    sizeof *record - offsetof(struct record, bytes));

	return ~crc32_update(crc, text, record->bytes);
}

static bool slot_good(const struct slot *slot)
{
	return slot->magic == MAGIC && slot->version == VERSION &&
	       slot->data_bytes == DATA_BYTES &&
	       slot->crc == crc32(slot, offsetof(struct slot, crc)) &&
	       slot->end - slot->start <= DATA_BYTES; /* and so start <= end */
}

/* The slot that counts; false: neither does. */
static bool find_slot(const uint8_t *memory, struct slot *found)
{
	struct slot slots[2];
	bool good[2];

	memcpy(&slots[0], memory, sizeof slots[0]);
	memcpy(&slots[1], memory + SLOT_OFFSET, sizeof slots[1]);
	good[0] = slot_good(&slots[0]);
	good[1] = slot_good(&slots[1]);
	if (!good[0] && !good[1])
		return false;
	*found = slots[good[1] && (!good[0] || slots[1].sequence > slots[0].sequence)];
	return true;
}

/* The record at `at`, which ends at `end` at the latest; false: it is none. */
static bool get_record(const uint8_t *data, uint64_t at, uint64_t end, struct record *record,
		       char text[LOG_LINE_MAX])
{
	if (end - at < sizeof *record)
		return false;
	get(data, at, record, sizeof *record);
	if (record->bytes >= LOG_LINE_MAX || record->bytes > end - at - sizeof *record)
		return false;
	get(data, at + sizeof *record, text, record->bytes);
	return record->crc == record_crc(record, text);
}

size_t blackbox_read(const void *memory, char text[BLACKBOX_TEXT_BYTES], bool *damaged)
{
	const uint8_t *data = (const uint8_t *)memory + DATA_OFFSET;
	char line[LOG_LINE_MAX];
	struct record record;
	struct slot slot;
	size_t used = 0;

	*damaged = false;
	if (!find_slot(memory, &slot))
		return 0;
	for (uint64_t at = slot.start; at != slot.end; at += sizeof record + record.bytes) {
		if (!get_record(data, at, slot.end, &record, line)) {
			*damaged = true; /* where the next one begins is not known */
			break;
		}
		for (unsigned i = 0; i < record.bytes; i++) {
			unsigned char c = (unsigned char)line[i];

			text[used++] = (c < ' ' && c != '\t') || c == 0x7f ? '?' : (char)c;
		}
		text[used++] = '\n';
	}
	return used;
}

/* ---- writing ------------------------------------------------------------------------------
 * Guarded by the log's lock, as all that a sink does; in a panic by there being nobody else.
 */

static uint8_t *box; /* NULL: none was started */
static struct slot now;

/* In this order, byte by byte: nothing may be put off. */
static void put(size_t offset, const void *from, size_t bytes)
{
	volatile uint8_t *to = box + offset;

	for (size_t i = 0; i < bytes; i++)
		to[i] = ((const uint8_t *)from)[i];
}

static void put_data(uint64_t at, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		put(DATA_OFFSET + (at + i) % DATA_BYTES, (const uint8_t *)from + i, 1);
}

static void put_slot(void)
{
	now.sequence++;
	now.crc = crc32(&now, offsetof(struct slot, crc));
	put(now.sequence % 2 * SLOT_OFFSET, &now, sizeof now);
}

/* Forgets the oldest records until there are `bytes`. */
static void make_room(size_t bytes)
{
	struct record record;

	if (now.end - now.start + bytes <= DATA_BYTES)
		return;
	while (now.end - now.start + bytes > DATA_BYTES) {
		get(box + DATA_OFFSET, now.start, &record, sizeof record);
		now.start += sizeof record + record.bytes;
		if (now.start > now.end)
			now.start = now.end; /* somebody else has written there */
	}
	put_slot();
}

static void sink_write(struct log_sink *sink, enum log_level level, const char *line,
		       size_t bytes)
{
	struct record record = {.bytes = (uint16_t)MIN(bytes, LOG_LINE_MAX - 1u),
				.level = (uint8_t)level};

	(void)sink;
	record.crc = record_crc(&record, line);
	make_room(sizeof record + record.bytes);
	put_data(now.end, &record, sizeof record);
	put_data(now.end + sizeof record, line, record.bytes);
	now.end += sizeof record + record.bytes;
	put_slot();
}

/* ---- at start-up --------------------------------------------------------------------------
 */

static char previous[BLACKBOX_TEXT_BYTES]; /* fixed once it is read */
static size_t previous_bytes;
static bool previous_damaged;

void blackbox_start(void *memory)
{
	static struct log_sink sink = {.write = sink_write};

	previous_bytes = blackbox_read(memory, previous, &previous_damaged);
	box = memory;
	now = (struct slot){.magic = MAGIC, .version = VERSION, .data_bytes = DATA_BYTES};
	memset(memory, 0, sizeof now); /* neither slot of the last run counts any more */
	memset(box + SLOT_OFFSET, 0, sizeof now);
	put_slot();
	log_attach(&sink);
}

size_t blackbox_previous(const char **text, bool *damaged)
{
	*text = previous;
	*damaged = previous_damaged;
	return previous_bytes;
}
