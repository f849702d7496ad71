/*
 * The machine's log: one line per event into a ring buffer, and from there to the sinks that
 * are attached (serial port, framebuffer, later the network). Not a console: guests' output
 * goes through guests/console.
 */
#ifndef KERNEL_LOG_LOG_H
#define KERNEL_LOG_LOG_H

#include <stdarg.h>

#include "kernel/lib/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX 512 /* bytes, NUL included; longer lines are cut and end in "..." */

/*
 * Writes one line: `area` is the part of the hypervisor that speaks ("smp", "svm", or a
 * guest's name), fmt has no newline. Any context, interrupts included; never sleeps. Control
 * bytes other than tab are printed as \xNN, since guests' data may be among the arguments.
 */
void log_line(enum log_level level, const char *area, const char *fmt, ...) printf_like(3, 4);
void log_vline(enum log_level level, const char *area, const char *fmt, va_list args)
	printf_like(3, 0);

#define log_error(area, ...) log_line(LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...)  log_line(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...)  log_line(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_line(LOG_DEBUG, area, __VA_ARGS__)

/* A place where log lines go. `write` is called with whole lines, log_stamp() and "area: text"
 * without line end, from any context, serialised by the log's own lock. */
struct log_sink {
	void (*write)(struct log_sink *sink, enum log_level level, const char *line,
		      size_t bytes);
	struct log_sink *next;
	bool only_new; /* what the ring holds when the sink is attached is not for it */
};

/* The sources of the lines' times: ns since the start; and since 1970 UTC, of which each day's
 * first line is told by one before it. Before they are set, lines carry time 0. */
void log_set_clock(uint64_t (*now_ns)(void), uint64_t (*wall_ns)(void));

#define LOG_STAMP_BYTES 40 /* "12:34:56 [18446744073709.551615] " */

/* "12:34:56 [   1.234567] ": the time of day, UTC, and seconds since the start; without the
 * time of day where `wall_ns` is before 2000, as that of a clock that was never set is. Returns
 * bytes. Any context. */
size_t log_stamp(char text[LOG_STAMP_BYTES], uint64_t now_ns, uint64_t wall_ns);

#define LOG_DAY_BYTES 16

/* Days since 1970, of which log_stamp() tells the time; 0: it tells none. And what day that is:
 * "Tue 2026-12-01". */
uint64_t log_day(uint64_t wall_ns);
void log_day_text(char text[LOG_DAY_BYTES], uint64_t day);

/* For panic, once all other CPUs are stopped: from here on the log takes no lock, as its holder
 * may be among them. Sinks that have locks ask log_in_panic() and do the same. */
void log_enter_panic(void);
bool log_in_panic(void);

/* Adds a sink; it first receives what the ring still holds, unless it wants only_new. */
void log_attach(struct log_sink *sink);
void log_detach(struct log_sink *sink);

/* Copies the newest lines that fit into buf, '\n'-separated; returns bytes written. */
size_t log_tail(char *buf, size_t bytes);

/* Our own bug, or hardware that cannot be gone on with: prints, with registers where a trap
 * led here, a symbolised backtrace and the CPU; stops all CPUs. Never for what a guest did. */
noreturn void panic(const char *fmt, ...) printf_like(1, 2);

#endif
