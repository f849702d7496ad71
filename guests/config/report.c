/*
 * The list of messages, and the help with wording that all stages share.
 * Knows nothing of keys or values.
 */
#include "guests/config/report.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 24 /* longer words are not compared */

void config_report_start(struct config_report *report, const char *file)
{
	size_t length = strlen(file), kept = sizeof(report->file) - sizeof("...");

	memset(report, 0, sizeof(*report));
	if (length <= kept)
		memcpy(report->file, file, length);
	else
		snprintf(report->file, sizeof(report->file), "...%s", file + length - kept);
}

void config_report_clear(struct config_report *report)
{
	report->lacking = 0;
	report->wrong = report->count = report->dropped = 0;
}

static bool before(struct config_mark a, struct config_mark b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* Where a message goes: behind those that stand before it. */
static uint32_t position(const struct config_report *report, struct config_mark mark)
{
	uint32_t at = report->count;

	while (at > 0 && before(mark, report->errors[at - 1].mark))
		at--;
	return at;
}

static void add(struct config_report *report, struct config_mark mark, const char *format,
		va_list arguments)
{
	uint32_t at = position(report, mark);

	if (report->count == CONFIG_ERRORS_MAX)
		report->dropped++;
	else
		report->count++;
	if (at == CONFIG_ERRORS_MAX)
		return;
	memmove(&report->errors[at + 1], &report->errors[at],
		(report->count - 1 - at) * sizeof(report->errors[0]));
	report->errors[at].mark = mark;
	vsnprintf(report->errors[at].text, CONFIG_MESSAGE_MAX, format, arguments);
}

void config_report_add(struct config_report *report, struct config_mark mark,
		       const char *format, ...)
{
	va_list arguments;

	report->wrong++;
	va_start(arguments, format);
	add(report, mark, format, arguments);
	va_end(arguments);
}

void config_report_lack(struct config_report *report, int guest, struct config_mark mark,
			const char *format, ...)
{
	va_list arguments;

	if (guest >= 0 && guest < 64)
		report->lacking |= 1ull << guest;
	va_start(arguments, format);
	add(report, mark, format, arguments);
	va_end(arguments);
}

void config_report_line(const struct config_report *report, uint32_t index,
			char line[CONFIG_LINE_MAX])
{
	const struct config_error *error = &report->errors[index];

	if (error->mark.line == 0) {
		snprintf(line, CONFIG_LINE_MAX, "%s: %s", report->file, error->text);
		return;
	}
	snprintf(line, CONFIG_LINE_MAX, "%s:%u:%u: %s", report->file,
		 (unsigned)error->mark.line, (unsigned)error->mark.column, error->text);
}

const char *config_on_line(struct config_mark mark, char text[CONFIG_ON_LINE_MAX])
{
	text[0] = '\0';
	if (mark.line)
		snprintf(text, CONFIG_ON_LINE_MAX, " on line %u", (unsigned)mark.line);
	return text;
}

const char *config_shown(char shown[CONFIG_SHOWN_MAX], const char *text, size_t length)
{
	static const char more[] = "...";
	size_t kept = length < CONFIG_SHOWN_MAX ? length : CONFIG_SHOWN_MAX - sizeof(more);

	for (size_t i = 0; i < kept; i++)
		shown[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	shown[kept] = '\0';
	if (kept < length)
		memcpy(shown + kept, more, sizeof(more));
	return shown;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap two neighbours) that make `known` of `typed`. */
static unsigned distance(const char *typed, size_t rows, const char *known, size_t columns)
{
	uint8_t edits[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t r = 0; r <= rows; r++)
		edits[r][0] = (uint8_t)r;
	for (size_t c = 0; c <= columns; c++)
		edits[0][c] = (uint8_t)c;
	for (size_t r = 1; r <= rows; r++) {
		for (size_t c = 1; c <= columns; c++) {
			unsigned best =
				edits[r - 1][c - 1] + (typed[r - 1] != known[c - 1] ? 1u : 0u);

			best = least(best, edits[r - 1][c] + 1u);
			best = least(best, edits[r][c - 1] + 1u);
			if (r > 1 && c > 1 && typed[r - 1] == known[c - 2] &&
			    typed[r - 2] == known[c - 1])
				best = least(best, edits[r - 2][c - 2] + 1u);
			edits[r][c] = (uint8_t)best;
		}
	}
	return edits[rows][columns];
}

unsigned config_slips(const char *typed, const char *known)
{
	char lower[WORD_MAX + 1];
	size_t rows = strlen(typed), columns = strlen(known);
	unsigned slips;

	if (rows > WORD_MAX || columns > WORD_MAX)
		return CONFIG_UNLIKE;
	for (size_t i = 0; i <= rows; i++) {
		bool upper = typed[i] >= 'A' && typed[i] <= 'Z';

		lower[i] = typed[i] == '-' ? '_' : (char)(typed[i] + (upper ? 'a' - 'A' : 0));
	}
	slips = distance(lower, rows, known, columns);
	return slips <= 1 + columns / 4 ? slips : CONFIG_UNLIKE;
}
