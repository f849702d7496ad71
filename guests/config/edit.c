/*
 * The text of a document with one part of it another, by the places that the tree of its nodes
 * gives. Whether the outcome is good is for config_parse to say.
 */
#include "guests/config/bind.h"
#include "guests/config/derive.h"
#include "guests/config/write.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_INDENT 2

/* [begin, end) of the text, in bytes. */
struct span {
	size_t begin, end;
};

struct editor {
	const char *text;
	size_t length;
	const struct config_node *root;
	const struct config_table *table; /* of the part */
	const char *key;		  /* of the root that it stands below */
	const void *value;		  /* a struct of `table`; NULL: it is to be removed */
	struct config_text out;
};

static size_t byte_of(const struct editor *editor, uint32_t index)
{
	size_t at = config_tree_skip(editor->text, editor->length);

	for (; at < editor->length; at++)
		if (((unsigned char)editor->text[at] & 0xc0) != 0x80 && index-- == 0)
			break;
	return at;
}

/* Where a node stands, without the line breaks that a block of text ends in. */
static struct span span_of(const struct editor *editor, const struct config_node *node)
{
	struct span span = {byte_of(editor, node->begin), byte_of(editor, node->end)};

	while (span.end > span.begin && strchr(" \t\r\n", editor->text[span.end - 1]))
		span.end--;
	return span;
}

static size_t line_start(const struct editor *editor, size_t at)
{
	while (at && editor->text[at - 1] != '\n')
		at--;
	return at;
}

/* Behind the line break, or the end of the text. */
static size_t line_end(const struct editor *editor, size_t at)
{
	const char *end = memchr(editor->text + at, '\n', editor->length - at);

	return end ? (size_t)(end - editor->text) + 1 : editor->length;
}

/* ---- pieces of the outcome -------------------------------------------------------------- */

static void keep(struct editor *editor, size_t begin, size_t end)
{
	config_text_add(&editor->out, editor->text + begin, end - begin);
}

/* What stands before a new line: a line break, where the text before has none. */
static void keep_lines(struct editor *editor, size_t end)
{
	keep(editor, 0, end);
	if (end && editor->text[end - 1] != '\n')
		config_text_say(&editor->out, "\n");
}

static enum config_format flow_format(const struct editor *editor)
{
	return editor->root->flow ? CONFIG_JSON : CONFIG_YAML_FLOW;
}

static void write_flow(struct editor *editor)
{
	config_write_mapping(&editor->out, editor->table, editor->value, flow_format(editor),
			     0);
}

static void write_block(struct editor *editor, unsigned indent)
{
	config_write_mapping(&editor->out, editor->table, editor->value, CONFIG_YAML, indent);
}

static void write_element(struct editor *editor, unsigned indent)
{
	config_text_say(&editor->out, "%*s- ", (int)indent, "");
	write_block(editor, indent + LIST_INDENT);
	config_text_say(&editor->out, "\n");
}

/* ---- replace ---------------------------------------------------------------------------- */

static void replace(struct editor *editor, const struct config_node *node)
{
	struct span span = span_of(editor, node);

	keep(editor, 0, span.begin);
	if (node->flow)
		write_flow(editor);
	else
		write_block(editor, node->mark.column - 1);
	keep(editor, span.end, editor->length);
}

/* ---- insert ----------------------------------------------------------------------------- */

static const struct config_node *last_of(const struct config_node *list)
{
	const struct config_node *node = list->child;

	while (node && node->next)
		node = node->next;
	return node;
}

/* A key that the document does not have yet, last in it. */
static void insert_key(struct editor *editor, bool list)
{
	const struct config_node *root = editor->root;
	unsigned indent = root->mark.column - 1;
	struct span span = span_of(editor, root);
	size_t end = root->flow ? byte_of(editor, last_of(root)->value->end)
				: line_end(editor, span.end);

	if (root->flow) {
		keep(editor, 0, end);
		config_text_say(&editor->out, ", \"%s\": %s", editor->key, list ? "[" : "");
		write_flow(editor);
		config_text_say(&editor->out, "%s", list ? "]" : "");
	} else if (list) {
		keep_lines(editor, end);
		config_text_say(&editor->out, "%*s%s:\n", (int)indent, "", editor->key);
		write_element(editor, indent + LIST_INDENT);
	} else {
		keep_lines(editor, end);
		config_text_say(&editor->out, "%*s%s:\n%*s", (int)indent, "", editor->key,
				(int)indent + LIST_INDENT, "");
		write_block(editor, indent + LIST_INDENT);
		config_text_say(&editor->out, "\n");
	}
	keep(editor, end, editor->length);
}

/* The first element of "[]". */
static void insert_first(struct editor *editor, const struct config_node *list)
{
	struct span span = span_of(editor, list);
	size_t end = line_end(editor, span.end);

	keep(editor, 0, span.begin);
	if (editor->root->flow) {
		config_text_say(&editor->out, "[");
		write_flow(editor);
		config_text_say(&editor->out, "]");
		keep(editor, span.end, editor->length);
		return;
	}
	keep(editor, span.end, end);
	if (editor->text[end - 1] != '\n')
		config_text_say(&editor->out, "\n");
	write_element(editor, editor->root->mark.column - 1 + LIST_INDENT);
	keep(editor, end, editor->length);
}

static void insert_last(struct editor *editor, const struct config_node *list)
{
	size_t end;

	if (list->flow) {
		end = byte_of(editor, last_of(list)->end);
		keep(editor, 0, end);
		config_text_say(&editor->out, ", ");
		write_flow(editor);
	} else {
		end = line_end(editor, span_of(editor, list).end);
		keep_lines(editor, end);
		write_element(editor, list->mark.column - 1);
	}
	keep(editor, end, editor->length);
}

/* ---- remove ----------------------------------------------------------------------------- */

/* The line on which an element's '-' stands, in the list's column, at or before `at`. */
static bool find_dash(const struct editor *editor, const struct config_node *list, size_t at,
		      size_t *line)
{
	size_t column = list->mark.column - 1;

	for (*line = line_start(editor, at);; *line = line_start(editor, *line - 1)) {
		size_t first = *line;

		while (first < editor->length && editor->text[first] == ' ')
			first++;
		if (first == *line + column && first < editor->length &&
		    editor->text[first] == '-')
			return true;
		if (*line == 0 || *line <= byte_of(editor, list->begin))
			return false;
	}
}

/* The only element: the list stays, empty. */
static void remove_only(struct editor *editor, const struct config_node *list)
{
	struct span span = span_of(editor, list);
	bool deeper = list->flow || list->mark.column > editor->root->mark.column;

	keep(editor, 0, span.begin);
	config_text_say(&editor->out, "%*s[]", deeper ? 0 : LIST_INDENT, "");
	keep(editor, span.end, editor->length);
}

static int remove_element(struct editor *editor, const struct config_node *list,
			  const struct config_node *node, const struct config_node *before)
{
	struct span span = span_of(editor, node);
	size_t line;

	if (!list->child->next) {
		remove_only(editor, list);
	} else if (list->flow) {
		if (node->next)
			span.end = byte_of(editor, node->next->begin);
		else
			span.begin = byte_of(editor, before->end);
		keep(editor, 0, span.begin);
		keep(editor, span.end, editor->length);
	} else {
		if (!find_dash(editor, list, span.begin, &line))
			return -EOPNOTSUPP;
		keep(editor, 0, line);
		keep(editor, line_end(editor, span.end), editor->length);
	}
	return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

static bool is_named(const struct config_node *node, const char *name)
{
	const struct config_node *found = config_find(node, "name");

	return found && found->kind == CONFIG_SCALAR && strcmp(found->text, name) == 0;
}

static int edit_element(struct editor *editor, const char *name)
{
	const struct config_node *list = config_find(editor->root, editor->key);
	const struct config_node *node = list ? list->child : NULL, *before = NULL;

	while (node && !is_named(node, name)) {
		before = node;
		node = node->next;
	}
	if (!editor->value)
		return node ? remove_element(editor, list, node, before) : -ENOENT;
	if (node)
		replace(editor, node);
	else if (!list)
		insert_key(editor, true);
	else if (!list->child)
		insert_first(editor, list);
	else
		insert_last(editor, list);
	return 0;
}

static int edit_host(struct editor *editor)
{
	const struct config_node *node = config_find(editor->root, editor->key);

	if (node)
		replace(editor, node);
	else
		insert_key(editor, false);
	return 0;
}

/* The new value, as it is written: of a guest, without what follows from others. */
static void take_value(struct editor *editor, enum config_part part, const char *name,
		       const struct config *config, struct guest_config *plain)
{
	const struct guest_config *guest;

	switch (part) {
	case CONFIG_PART_HOST: editor->value = &config->host; break;
	case CONFIG_PART_NETWORK: editor->value = config_find_network(config, name); break;
	default:
		guest = config_find_guest(config, name);
		if (!guest)
			break;
		*plain = *guest;
		config_underive_guest(plain);
		editor->value = plain;
	}
}

static int edit_tree(struct editor *editor, enum config_part part, const char *name)
{
	int error = part == CONFIG_PART_HOST ? edit_host(editor) : edit_element(editor, name);

	if (!error && editor->out.failed)
		error = -ENOMEM;
	if (error)
		config_text_free(&editor->out);
	return error;
}

int config_edit(const char *text, size_t length, enum config_part part, const char *name,
		const struct config *config, char **edited, size_t *edited_length)
{
	static const struct {
		const char *key;
		const struct config_table *table;
	} parts[] = {
		[CONFIG_PART_HOST] = {"host", &config_host_schema},
		[CONFIG_PART_NETWORK] = {"networks", &config_network_schema},
		[CONFIG_PART_GUEST] = {"guests", &config_guest_schema},
	};
	struct editor editor = {.text = text,
				.length = length,
				.table = parts[part].table,
				.key = parts[part].key};
	struct guest_config *plain = malloc(sizeof(*plain));
	struct config_report *report = malloc(sizeof(*report));
	struct config_tree tree = {0};
	int error = -ENOMEM;

	*edited = NULL;
	if (plain && report) {
		config_report_start(report, "");
		error = config_tree_read(&tree, text, length, report);
		if (!error && report->count)
			error = -EOPNOTSUPP;
	}
	if (!error) {
		editor.root = tree.root;
		take_value(&editor, part, name, config, plain);
		error = edit_tree(&editor, part, name);
	}
	config_tree_free(&tree);
	free(report);
	free(plain);
	*edited = editor.out.bytes;
	*edited_length = editor.out.length;
	return error;
}
