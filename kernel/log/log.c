/*
 * The ring of log lines and the sinks that they are passed on to. What the sinks are is not
 * known here, nor what time is: start-up brings both.
 */
#include "kernel/log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "kernel/lib/lock.h"

#define RING_BYTES (64 * KIB)

/* `lock` guards the ring, the list of sinks, and `day`. The ring holds whole records: a byte of
 * level, the line, and a newline; `start` and `end` count bytes since the machine started. */
static struct spinlock lock = SPINLOCK("log");
static char ring[RING_BYTES];
static uint64_t start, end;
static struct log_sink *sinks;

static uint64_t day; /* that the last line was of; 0: of none that is known */
static uint64_t (*clock_ns)(void), (*clock_wall_ns)(void);
static _Atomic bool panicking;

/* In a panic the lock is left alone: its holder may have been stopped, or be the one that
 * panics. A line cut short runs into the next; the ring stays whole. */
static uint64_t log_lock(bool *held)
{
	uint64_t flags = irq_save();

	*held = !panicking;
	if (*held)
		spin_lock(&lock);
	return flags;
}

static void log_unlock(bool held, uint64_t flags)
{
	if (held)
		spin_unlock(&lock);
	irq_restore(flags);
}

static char ring_at(uint64_t position)
{
	return ring[position % RING_BYTES];
}

static void ring_put(char c)
{
	ring[end++ % RING_BYTES] = c;
}

/* Position after the record that starts at `position`. */
static uint64_t record_end(uint64_t position)
{
	while (ring_at(position) != '\n')
		position++;
	return position + 1;
}

static void ring_store(enum log_level level, const char *line, size_t bytes)
{
	while (end + bytes + 2 - start > RING_BYTES)
		start = record_end(start);
	ring_put((char)('0' + level));
	for (size_t i = 0; i < bytes; i++)
		ring_put(line[i]);
	ring_put('\n');
}

/* Copies the text of the record at `position`; returns its bytes. */
static size_t ring_load(uint64_t position, enum log_level *level, char line[LOG_LINE_MAX])
{
	size_t bytes = 0;

	*level = (enum log_level)(ring_at(position) - '0');
	for (position++; ring_at(position) != '\n'; position++)
		line[bytes++] = ring_at(position);
	line[bytes] = '\0';
	return bytes;
}

/* Appends `text` to `line`, control bytes escaped; what doesn't fit ends in "...". */
static size_t append_escaped(char line[LOG_LINE_MAX], size_t used, const char *text)
{
	static const char hex[16] = "0123456789abcdef";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool escape = (c < ' ' && c != '\t') || c == 0x7f;

		if (used + (escape ? 4 : 1) > LOG_LINE_MAX - 4) {
			memcpy(line + used, "...", 3);
			used += 3;
			break;
		}
		if (escape) {
			line[used++] = '\\';
			line[used++] = 'x';
			line[used++] = hex[c >> 4];
			line[used++] = hex[c & 15];
		} else {
			line[used++] = (char)c;
		}
	}
	line[used] = '\0';
	return used;
}

struct moment {
	uint64_t ns, wall_ns; /* since the start; since 1970, or 0 */
};

static struct moment take_time(void)
{
	return (struct moment){.ns = clock_ns ? clock_ns() : 0,
			       .wall_ns = clock_wall_ns ? clock_wall_ns() : 0};
}

static size_t make_line(char line[LOG_LINE_MAX], const struct moment *now, enum log_level level,
			const char *area, const char *text)
{
	static const char *const words[] = {[LOG_ERROR] = "error: ",
					    [LOG_WARN] = "warning: ",
					    [LOG_INFO] = "",
					    [LOG_DEBUG] = ""};
	size_t used = log_stamp(line, now->ns, now->wall_ns);

	used = append_escaped(line, used, area);
	used = append_escaped(line, used, ": ");
	used = append_escaped(line, used, words[level]);
	return append_escaped(line, used, text);
}

/* Caller holds the lock. */
static void pass_on(enum log_level level, const char *line, size_t bytes)
{
	ring_store(level, line, bytes);
	for (struct log_sink *sink = sinks; sink; sink = sink->next)
		sink->write(sink, level, line, bytes);
}

/* Says which day it is before the first line of that day. Caller holds the lock, and has no use
 * for what is in `line`. */
static void begin_day(const struct moment *now, char line[LOG_LINE_MAX])
{
	char text[LOG_DAY_BYTES + sizeof ", UTC"];
	uint64_t today = log_day(now->wall_ns);

	if (!today || today == day)
		return;
	day = today;
	log_day_text(text, today);
	strcat(text, ", UTC");
	pass_on(LOG_INFO, line, make_line(line, now, LOG_INFO, "date", text));
}

void log_vline(enum log_level level, const char *area, const char *fmt, va_list args)
{
	int saved_errno = errno; /* an interrupt's line must not change its victim's errno */
	struct moment now = take_time();
	char line[LOG_LINE_MAX], text[LOG_LINE_MAX];
	size_t bytes;
	bool held;
	uint64_t flags;

	vsnprintf(text, sizeof text, fmt, args);
	bytes = make_line(line, &now, level, area, text);
	flags = log_lock(&held);
	begin_day(&now, text);
	pass_on(level, line, bytes);
	log_unlock(held, flags);
	errno = saved_errno;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(level, area, fmt, args);
	va_end(args);
}

void log_set_clock(uint64_t (*now_ns)(void), uint64_t (*wall_ns)(void))
{
	clock_ns = now_ns;
	clock_wall_ns = wall_ns;
}

void log_enter_panic(void)
{
	panicking = true;
}

bool log_in_panic(void)
{
	return panicking;
}

void log_attach(struct log_sink *sink)
{
	char line[LOG_LINE_MAX];
	enum log_level level;
	bool held;
	uint64_t flags = log_lock(&held);

	for (uint64_t at = sink->only_new ? end : start; at != end; at = record_end(at)) {
		size_t bytes = ring_load(at, &level, line);

		sink->write(sink, level, line, bytes);
	}
	sink->next = sinks;
	sinks = sink;
	log_unlock(held, flags);
}

void log_detach(struct log_sink *sink)
{
	bool held;
	uint64_t flags = log_lock(&held);

	for (struct log_sink **link = &sinks; *link; link = &(*link)->next) {
		if (*link == sink) {
			*link = sink->next;
			break;
		}
	}
	log_unlock(held, flags);
}

size_t log_tail(char *buf, size_t bytes)
{
	size_t used = 0;
	bool held;
	uint64_t flags = log_lock(&held);
	uint64_t at = start;

	/* Each record is one byte (its level) longer than its line with the newline; leaving
	 * that out of account only gives up a few bytes of `buf`. */
	while (end - at > bytes)
		at = record_end(at);
	while (at != end) {
		for (at++; ring_at(at) != '\n'; at++)
			buf[used++] = ring_at(at);
		buf[used++] = '\n';
		at++;
	}
	log_unlock(held, flags);
	return used;
}
