/* Parses metadata text into a tree, in the bounds of text.h, and finds things there. Printing
 * and building are print.c's. */
#include "drivers/volume/lvm/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (32 * KIB)
#define STEP_BYTES  16

struct lvm_chunk {
	struct lvm_chunk *next;
	size_t used, bytes;
	_Alignas(16) char memory[];
};

struct parser {
	struct lvm_text *text;
	const char *at, *end;
	const char *counted; /* bytes before it are among the turns' steps */
	unsigned line;
	struct lvm_node *open[LVM_DEPTH_MAX]; /* the sections that are not closed */
	unsigned depth;			      /* of open[] */
	char *why;
};

void *lvm_text_alloc(struct lvm_text *text, size_t bytes)
{
	struct lvm_chunk *chunk = text->chunks;
	void *p;

	bytes = ALIGN_UP(bytes, sizeof(uint64_t));
	if (!chunk || chunk->bytes - chunk->used < bytes) {
		size_t room = MAX(bytes, CHUNK_BYTES - sizeof(*chunk));

		chunk = calloc(1, sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->bytes = room;
		chunk->next = text->chunks;
		text->chunks = chunk;
	}
	p = chunk->memory + chunk->used;
	chunk->used += bytes;
	return p;
}

void lvm_text_free(struct lvm_text *text)
{
	struct lvm_chunk *chunk;

	while ((chunk = text->chunks)) {
		text->chunks = chunk->next;
		free(chunk);
	}
	*text = (struct lvm_text){0};
}

struct lvm_node *lvm_text_add(struct lvm_text *text, struct lvm_node *parent,
			      enum lvm_kind kind, const char *from, size_t count)
{
	struct lvm_node *node = lvm_text_alloc(text, sizeof(*node) + count + 1);

	if (!node)
		return NULL;
	node->text = memcpy(node + 1, from, count);
	node->kind = (uint8_t)kind;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->count++;
	return node;
}

static int refuse(struct parser *parser, const char *what)
{
	snprintf(parser->why, LVM_WHY_BYTES, "has %s in line %u of its metadata", what,
		 parser->line);
	return -EINVAL;
}

static int too_many(struct parser *parser)
{
	snprintf(parser->why, LVM_WHY_BYTES,
		 "has metadata of more than %u words, which is all that Bulkhead takes",
		 LVM_TEXT_NODES_MAX);
	return -EINVAL;
}

/* Adds a node whose text is `count` bytes at `from`. */
static int add(struct parser *parser, struct lvm_node *parent, enum lvm_kind kind,
	       const char *from, size_t count, struct lvm_node **made)
{
	if (parser->text->nodes++ == LVM_TEXT_NODES_MAX)
		return too_many(parser);
	turns_take(&parser->text->turns,
		   1 + (uint64_t)(parser->at - parser->counted) / STEP_BYTES);
	parser->counted = parser->at;
	*made = lvm_text_add(parser->text, parent, kind, from, count);
	return *made ? 0 : -ENOMEM;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What LVM2 allows in names of volumes, which its own keywords are among. */
static bool is_name(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == '.' || c == '+' || c == '-';
}

static bool is_number(char c)
{
	return is_digit(c) || c == '.' || c == '+' || c == '-';
}

/* Passes over white space and comments; returns the ends of lines among it. */
static unsigned skip_space(struct parser *parser)
{
	unsigned before = parser->line;

	for (; parser->at < parser->end; parser->at++) {
		char c = *parser->at;

		if (c == '#')
			while (parser->at + 1 < parser->end && parser->at[1] != '\n')
				parser->at++;
		else if (c == '\n')
			parser->line++;
		else if (c != ' ' && c != '\t' && c != '\r')
			break;
	}
	return parser->line - before;
}

/* The byte that comes next, 0 at the end. */
static char peek(const struct parser *parser)
{
	return parser->at < parser->end ? *parser->at : '\0';
}

static const char *skip_word(struct parser *parser, bool (*belongs)(char c))
{
	const char *from = parser->at;

	while (parser->at < parser->end && belongs(*parser->at))
		parser->at++;
	return from;
}

static int parse_string(struct parser *parser, struct lvm_node *field, struct lvm_node **value)
{
	const char *from = ++parser->at;

	for (; peek(parser) != '"'; parser->at++) {
		if (peek(parser) == '\\' && parser->end - parser->at > 1)
			parser->at++;
		if (peek(parser) == '\n' || peek(parser) == '\0')
			return refuse(parser, "a string without an end");
	}
	return add(parser, field, LVM_STRING, from, (size_t)(parser->at++ - from), value);
}

static int parse_value(struct parser *parser, struct lvm_node *field, bool newline)
{
	struct lvm_node *value = NULL;
	const char *from;
	int error;

	if (peek(parser) == '"') {
		error = parse_string(parser, field, &value);
	} else {
		from = skip_word(parser, is_number);
		if (from == parser->at)
			return refuse(parser, "neither number nor string");
		error = add(parser, field, LVM_NUMBER, from, (size_t)(parser->at - from),
			    &value);
	}
	if (!error)
		value->newline = newline;
	return error;
}

/* From behind "[". */
static int parse_list(struct parser *parser, struct lvm_node *field)
{
	bool newline = skip_space(parser) > 0;
	int error;

	field->list = true;
	while (peek(parser) != ']') {
		error = parse_value(parser, field, newline);
		if (error)
			return error;
		skip_space(parser);
		if (peek(parser) == ']')
			break;
		if (peek(parser) != ',')
			return refuse(parser, "a list without an end");
		parser->at++;
		newline = skip_space(parser) > 0;
	}
	parser->at++;
	return 0;
}

/* From behind "=". */
static int parse_values(struct parser *parser, struct lvm_node *field)
{
	skip_space(parser);
	if (peek(parser) != '[')
		return parse_value(parser, field, false);
	parser->at++;
	return parse_list(parser, field);
}

size_t lvm_text_name(const char *from, size_t count)
{
	size_t length = 0;

	while (length < count && is_name(from[length]))
		length++;
	return length;
}

/* A name with what belongs to it: a value, or a section's beginning. */
static int parse_named(struct parser *parser, bool gap)
{
	const char *from = skip_word(parser, is_name);
	size_t count = (size_t)(parser->at - from);
	struct lvm_node *node = NULL, *parent = parser->open[parser->depth - 1];
	enum lvm_kind kind;
	int error;

	if (!count)
		return refuse(parser, "a byte that belongs to no name");
	skip_space(parser);
	if (peek(parser) != '{' && peek(parser) != '=')
		return refuse(parser, "a name without '=' or '{'");
	kind = *parser->at++ == '{' ? LVM_SECTION : LVM_FIELD;
	error = add(parser, parent, kind, from, count, &node);
	if (error)
		return error;
	node->gap = gap;
	if (kind == LVM_FIELD)
		return parse_values(parser, node);
	if (parser->depth == LVM_DEPTH_MAX)
		return refuse(parser, "too many sections in each other");
	parser->open[parser->depth++] = node;
	return 0;
}

int lvm_text_parse(struct lvm_text *text, const char *bytes, size_t count,
		   char why[LVM_WHY_BYTES])
{
	struct parser parser = {.text = text,
				.at = bytes,
				.end = bytes + count,
				.counted = bytes,
				.line = 1,
				.open = {&text->root},
				.depth = 1,
				.why = why};
	int error = 0;

	while (!error) {
		bool gap = skip_space(&parser) > 1;

		if (peek(&parser) == '\0') { /* LVM2 writes one behind its text */
			if (parser.depth > 1)
				return refuse(&parser, "a section without an end");
			return 0;
		}
		if (*parser.at != '}') {
			error = parse_named(&parser, gap);
			continue;
		}
		if (parser.depth == 1)
			return refuse(&parser, "a '}' that closes nothing");
		parser.open[--parser.depth]->end_gap = gap;
		parser.at++;
	}
	return error;
}

/* ---- finding ------------------------------------------------------------------------------
 */

struct lvm_node *lvm_text_find(const struct lvm_node *section, enum lvm_kind kind,
			       const char *name)
{
	for (struct lvm_node *node = section->first; node; node = node->next)
		if (node->kind == kind && strcmp(node->text, name) == 0)
			return node;
	return NULL;
}

unsigned lvm_text_sections(const struct lvm_node *section)
{
	unsigned count = 0;

	for (const struct lvm_node *node = section->first; node; node = node->next)
		count += node->kind == LVM_SECTION;
	return count;
}

/* A field's only value of that kind. */
static const struct lvm_node *single(const struct lvm_node *field, enum lvm_kind kind)
{
	const struct lvm_node *value = field->first;

	return value && !value->next && value->kind == kind ? value : NULL;
}

bool lvm_text_to_number(const char *digits, uint64_t max, uint64_t *value)
{
	uint64_t number = 0;

	if (!*digits)
		return false;
	for (; *digits; digits++) {
		if (!is_digit(*digits) || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*digits - '0'), &number))
			return false;
	}
	*value = number;
	return number <= max;
}

int lvm_text_number(const struct lvm_node *section, const char *name, uint64_t max,
		    uint64_t *value)
{
	const struct lvm_node *field = lvm_text_find(section, LVM_FIELD, name), *number;

	if (!field)
		return -ENOENT;
	number = single(field, LVM_NUMBER);
	return number && lvm_text_to_number(number->text, max, value) ? 0 : -EINVAL;
}

const char *lvm_text_string(const struct lvm_node *section, const char *name)
{
	const struct lvm_node *field = lvm_text_find(section, LVM_FIELD, name), *string;

	string = field ? single(field, LVM_STRING) : NULL;
	return string ? string->text : NULL;
}

bool lvm_text_lists(const struct lvm_node *section, const char *name, const char *word)
{
	const struct lvm_node *field = lvm_text_find(section, LVM_FIELD, name);

	for (const struct lvm_node *value = field ? field->first : NULL; value;
	     value = value->next)
		if (value->kind == LVM_STRING && strcmp(value->text, word) == 0)
			return true;
	return false;
}

void lvm_text_refuse(char reason[LVM_WHY_BYTES], const char *fmt, ...)
{
	va_list args;

	if (*reason)
		return;
	va_start(args, fmt);
	vsnprintf(reason, LVM_WHY_BYTES, fmt, args);
	va_end(args);
}
