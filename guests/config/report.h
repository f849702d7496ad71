/*
 * What is wrong with a document: a bounded list of messages, each with its place.
 * Collecting and wording only; showing them is the caller's.
 */
#ifndef GUESTS_CONFIG_REPORT_H
#define GUESTS_CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_ERRORS_MAX  32
#define CONFIG_MESSAGE_MAX 384
#define CONFIG_NAME_MAX	   160 /* of a document; the end of a longer path is kept */
#define CONFIG_LINE_MAX	   576 /* a message with file, line and column before it */
#define CONFIG_SHOWN_MAX   48  /* a value of the document as a message shows it */

/* A place in a document. Both count from 1; line 0 means that the document doesn't say it. */
struct config_mark {
	uint32_t line;
	uint32_t column; /* in characters, not bytes */
};

struct config_error {
	struct config_mark mark;
	char text[CONFIG_MESSAGE_MAX];
};

/*
 * About 12 KiB: not for a kernel stack. Errors are in the order of the document: the first of
 * all that are found. Some are of the document, and refuse it; others say what a machine lacks
 * that guests or networks of the document name, and concern these alone.
 */
struct config_report {
	char file[CONFIG_NAME_MAX];
	uint64_t lacking; /* BIT(position) of each guest that lacks something */
	uint32_t wrong;	  /* errors of the document, also those without room */
	uint32_t count;	  /* of `errors` */
	uint32_t dropped; /* found, but no room: further down in the document */
	struct config_error errors[CONFIG_ERRORS_MAX];
};

/* Empties `report` and remembers the document's name. */
void config_report_start(struct config_report *report, const char *file);
/* Empties it, of the same document. */
void config_report_clear(struct config_report *report);

#define CONFIG_ON_LINE_MAX 24

/* " on line 5" for a message about another place; "" where the document doesn't say it. Returns
 * `text`. */
const char *config_on_line(struct config_mark mark, char text[CONFIG_ON_LINE_MAX]);

/* Adds one message: "what is wrong; what would be right". */
void config_report_add(struct config_report *report, struct config_mark mark,
		       const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same of something that the machine lacks: `guest` is the position of the guest that
 * can't start without, or below 0: it can. */
void config_report_lack(struct config_report *report, int guest, struct config_mark mark,
			const char *format, ...) __attribute__((format(printf, 4, 5)));

/* "file:line:column: message", or "file: message" where it has no place, of error `index`,
 * which is below `count`, into `line`. */
void config_report_line(const struct config_report *report, uint32_t index,
			char line[CONFIG_LINE_MAX]);

/*
 * `text` for a message: cut when long, with '?' for what isn't printable ASCII, so that a
 * document can't play with the terminal that shows the message. Returns `shown`.
 */
const char *config_shown(char shown[CONFIG_SHOWN_MAX], const char *text, size_t length);

#define CONFIG_UNLIKE 255u

/* Slips of the keyboard that made `typed` of `known`; CONFIG_UNLIKE when that isn't likely. */
unsigned config_slips(const char *typed, const char *known);

#endif
