/*
 * YAML events to a bounded tree. What a configuration has no use for (anchors, aliases,
 * tags, several documents) is refused here, so that later stages see only scalars, lists
 * and mappings. Meaning is not decided here; see bind.c.
 */
#include "guests/config/tree.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
	struct config_tree *tree;
	struct config_report *report;
	struct config_node *open[CONFIG_DEPTH_MAX]; /* lists and mappings not yet ended */
	struct config_node *last[CONFIG_DEPTH_MAX]; /* newest child of each */
	struct config_node *key[CONFIG_DEPTH_MAX];  /* key that waits for its value */
	unsigned depth;
	bool ended; /* the document is over */
};

/* What libyaml says, and what a person may do about it. First match counts. */
static const struct {
	const char *problem, *remedy;
} remedies[] = {
	{"cannot start any token", "indent with spaces, not tabs, and put text that begins "
				   "with @, ` or % in quotes"},
	{"mapping values are not allowed", "check the indentation, and put text that holds "
					   "': ' in quotes"},
	{"could not find expected ':'", "write 'key: value', with a space after the colon"},
	{"',' or '}'", "separate keys by commas and close the '{' with '}'"},
	{"',' or ']'", "separate elements by commas and close the '[' with ']'"},
	{"node content", "write a value there"},
	{"<document start>", "one mapping is the whole document; check the indentation"},
	{"unexpected end of stream", "close the quotes"},
	{"unexpected document indicator", "close the quotes"},
	{"expected key", "give keys of one mapping the same indentation"},
	{"'-' indicator", "give elements of one list the same indentation"},
	{"block sequence entries are not allowed", "begin the list on a line of its own"},
	{"undefined tag handle", "configurations have no tags, leave it out"},
	{"escape", "inside \"double quotes\" write \\\\ for a backslash"},
	{"hexdecimal", "inside \"double quotes\" write \\\\ for a backslash"},
	{"UTF-8", "save the file as UTF-8 text"},
	{"control characters", "save the file as plain text"},
	{"", "see docs/configuration.md for the form of a document"},
};

static struct config_mark place(yaml_mark_t mark)
{
	return (struct config_mark){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

/* libyaml's reader gives the offset of a bad byte, not its line. */
static struct config_mark place_of_byte(const char *bytes, size_t length, size_t offset)
{
	struct config_mark mark = {1, 1};

	for (size_t i = 0; i < offset && i < length; i++) {
		bool continuation = ((unsigned char)bytes[i] & 0xc0) == 0x80;

		mark.column += !continuation;
		if (bytes[i] == '\n')
			mark = (struct config_mark){mark.line + 1, 1};
	}
	return mark;
}

static int refuse_syntax(struct reader *reader, const yaml_parser_t *parser, const char *bytes,
			 size_t length)
{
	const char *problem = parser->problem ? parser->problem : "unreadable";
	struct config_mark mark = place(parser->problem_mark);
	size_t i = 0;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		mark = place_of_byte(bytes, length, parser->problem_offset);
	else if (strstr(problem, "found unexpected"))
		mark = place(parser->context_mark); /* where the quotes were opened */
	while (!strstr(problem, remedies[i].problem))
		i++;
	config_report_add(reader->report, mark, "not YAML: %s%s%s; %s", problem,
			  parser->context ? " " : "", parser->context ? parser->context : "",
			  remedies[i].remedy);
	return -EINVAL;
}

static int refuse(struct reader *reader, yaml_mark_t mark, const char *message)
{
	config_report_add(reader->report, place(mark), "%s", message);
	return -EINVAL;
}

static struct config_node *new_node(struct config_tree *tree, enum config_kind kind,
				    yaml_mark_t mark, const char *text, size_t length)
{
	struct config_node *node = calloc(1, sizeof(*node) + length + 1);

	if (!node)
		return NULL;
	node->kind = kind;
	node->mark = place(mark);
	node->length = (uint32_t)length;
	if (length)
		memcpy(node->text, text, length);
	node->older = tree->newest;
	tree->newest = node;
	tree->count++;
	return node;
}

/* Hangs `node` where the document has come to: root, element, key or value. */
static int attach(struct reader *reader, struct config_node *node, yaml_mark_t mark)
{
	unsigned top = reader->depth - 1;

	if (reader->depth == 0) {
		reader->tree->root = node;
		return 0;
	}
	if (reader->key[top]) {
		reader->key[top]->value = node;
		reader->key[top] = NULL;
		return 0;
	}
	if (reader->open[top]->kind == CONFIG_MAPPING) {
		if (node->kind != CONFIG_SCALAR)
			return refuse(reader, mark,
				      "a list or mapping stands where a key should be; "
				      "write 'key: value'");
		reader->key[top] = node;
	}
	if (reader->last[top])
		reader->last[top]->next = node;
	else
		reader->open[top]->child = node;
	reader->last[top] = node;
	return 0;
}

/* The list or mapping around `node` reaches to its end at least. */
static void reach(struct reader *reader, const struct config_node *node)
{
	if (reader->depth && reader->open[reader->depth - 1]->end < node->end)
		reader->open[reader->depth - 1]->end = node->end;
}

static int check_room(struct reader *reader, const yaml_event_t *event)
{
	if (reader->tree->count < CONFIG_NODES_MAX)
		return 0;
	return refuse(reader, event->start_mark,
		      "the document has more than 32768 keys and values; make it smaller");
}

/* A scalar, or the beginning of a list or mapping. */
static int add(struct reader *reader, const yaml_event_t *event, enum config_kind kind,
	       bool decorated)
{
	const char *text = kind == CONFIG_SCALAR ? (char *)event->data.scalar.value : NULL;
	size_t length = kind == CONFIG_SCALAR ? event->data.scalar.length : 0;
	struct config_node *node;
	int error;

	if (decorated)
		refuse(reader, event->start_mark,
		       "configurations have no anchors (&) and tags (!); leave it out, and put "
		       "text that begins so in quotes");
	error = check_room(reader, event);
	if (error)
		return error;
	node = new_node(reader->tree, kind, event->start_mark, text, length);
	if (!node)
		return -ENOMEM;
	node->begin = (uint32_t)event->start_mark.index;
	node->end = (uint32_t)event->end_mark.index;
	if (kind == CONFIG_SCALAR) {
		node->refused = decorated;
		node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
		reach(reader, node);
	} else {
		node->flow =
			kind == CONFIG_LIST
				? event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
				: event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
	}
	error = attach(reader, node, event->start_mark);
	if (error || kind == CONFIG_SCALAR)
		return error;
	if (reader->depth == CONFIG_DEPTH_MAX)
		return refuse(
			reader, event->start_mark,
			"lists and mappings are nested more than 16 deep; write them flat");
	reader->open[reader->depth] = node;
	reader->last[reader->depth] = NULL;
	reader->key[reader->depth] = NULL;
	reader->depth++;
	return 0;
}

/* An alias, in the place of what it stands for. */
static int add_alias(struct reader *reader, const yaml_event_t *event)
{
	struct config_node *node;
	int error = check_room(reader, event);

	if (error)
		return error;
	node = new_node(reader->tree, CONFIG_SCALAR, event->start_mark, NULL, 0);
	if (!node)
		return -ENOMEM;
	refuse(reader, event->start_mark,
	       "configurations have no aliases (*); write the value out, and put text that "
	       "begins with '*' in quotes");
	node->refused = true;
	return attach(reader, node, event->start_mark);
}

/* What comes behind the first is not looked at. */
static int end_before_second(struct reader *reader, const yaml_event_t *event)
{
	refuse(reader, event->start_mark,
	       "a second document begins here; a configuration is one document, remove the "
	       "'---'");
	reader->ended = true;
	return 0;
}

/* The end of a list or mapping: without brackets, libyaml gives that of the space behind it. */
static void end_open(struct reader *reader, const yaml_event_t *event)
{
	struct config_node *node = reader->open[--reader->depth];

	if (node->flow)
		node->end = (uint32_t)event->end_mark.index;
	reach(reader, node);
}

static int take(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return add(reader, event, CONFIG_SCALAR,
			   event->data.scalar.anchor || event->data.scalar.tag);
	case YAML_SEQUENCE_START_EVENT:
		return add(reader, event, CONFIG_LIST,
			   event->data.sequence_start.anchor || event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return add(reader, event, CONFIG_MAPPING,
			   event->data.mapping_start.anchor || event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: end_open(reader, event); return 0;
	case YAML_ALIAS_EVENT: return add_alias(reader, event);
	case YAML_DOCUMENT_START_EVENT:
		return reader->tree->root ? end_before_second(reader, event) : 0;
	case YAML_STREAM_END_EVENT:
		reader->ended = true;
		if (!reader->tree->root)
			return refuse(reader, event->start_mark,
				      "the document is empty; write at least 'guests: []'");
		return 0;
	default: return 0;
	}
}

/* libyaml would take it for content where it is told the encoding, and for a column where it is
 * not. */
size_t config_tree_skip(const char *bytes, size_t length)
{
	static const char mark[] = "\xef\xbb\xbf"; /* in UTF-8 */
	const size_t size = sizeof(mark) - 1;

	return length >= size && memcmp(bytes, mark, size) == 0 ? size : 0;
}

static int read_tree(struct config_tree *tree, const char *bytes, size_t length, size_t limit,
		     struct config_report *report)
{
	struct reader reader = {.tree = tree, .report = report};
	yaml_parser_t parser;
	yaml_event_t event;
	size_t skipped;
	int error = 0;

	memset(tree, 0, sizeof(*tree));
	skipped = config_tree_skip(bytes, length);
	bytes += skipped;
	length -= skipped;
	if (length > limit) {
		config_report_add(report, (struct config_mark){1, 1},
				  "the document is larger than %zu KiB; make it smaller",
				  limit / 1024);
		return -EINVAL;
	}
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)(bytes ? bytes : ""),
				     length);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	while (!error && !reader.ended) {
		if (!yaml_parser_parse(&parser, &event)) {
			error = refuse_syntax(&reader, &parser, bytes, length);
			break;
		}
		error = take(&reader, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return error;
}

int config_tree_read(struct config_tree *tree, const char *bytes, size_t length,
		     struct config_report *report)
{
	return read_tree(tree, bytes, length, CONFIG_BYTES_MAX, report);
}

int config_tree_read_quoted(struct config_tree *tree, const char *bytes, size_t length,
			    struct config_report *report)
{
	return read_tree(tree, bytes, length, CONFIG_QUOTED_MAX, report);
}

void config_tree_free(struct config_tree *tree)
{
	while (tree->newest) {
		struct config_node *node = tree->newest;

		tree->newest = node->older;
		free(node);
	}
}
