/* Builds trees of metadata text and prints them. Parsing is text.c's. */
#include "drivers/volume/lvm/text.h"

#include <string.h>

static struct lvm_node *append(struct lvm_text *text, struct lvm_node *parent,
			       enum lvm_kind kind, const char *words)
{
	return lvm_text_add(text, parent, kind, words, strlen(words));
}

struct lvm_node *lvm_text_section(struct lvm_text *text, struct lvm_node *parent,
				  const char *name)
{
	return append(text, parent, LVM_SECTION, name);
}

struct lvm_node *lvm_text_field(struct lvm_text *text, struct lvm_node *section,
				const char *name)
{
	return append(text, section, LVM_FIELD, name);
}

struct lvm_node *lvm_text_value(struct lvm_text *text, struct lvm_node *field,
				enum lvm_kind kind, const char *value)
{
	return append(text, field, kind, value);
}

void lvm_text_keep(struct lvm_node *parent,
		   bool (*keep)(const struct lvm_node *child, const void *arg), const void *arg)
{
	struct lvm_node *child = parent->first;

	parent->first = parent->last = NULL;
	parent->count = 0;
	for (; child; child = child->next) {
		if (!keep(child, arg))
			continue;
		if (parent->last)
			parent->last->next = child;
		else
			parent->first = child;
		parent->last = child;
		parent->count++;
	}
	if (parent->last)
		parent->last->next = NULL;
}

static bool is_another(const struct lvm_node *child, const void *removed)
{
	return child != removed;
}

void lvm_text_remove(struct lvm_node *parent, const struct lvm_node *child)
{
	lvm_text_keep(parent, is_another, child);
}

struct printer {
	char *buf;
	size_t room, used;
};

static void put(struct printer *out, const char *words)
{
	size_t bytes = strlen(words);

	if (out->used < out->room)
		memcpy(out->buf + out->used, words, MIN(bytes, out->room - out->used));
	out->used += bytes;
}

static void put_field(struct printer *out, const struct lvm_node *field)
{
	put(out, field->text);
	put(out, field->list ? " = [" : " = ");
	for (const struct lvm_node *value = field->first; value; value = value->next) {
		const char *quote = value->kind == LVM_STRING ? "\"" : "";

		if (value->newline)
			put(out, "\n");
		put(out, quote);
		put(out, value->text);
		put(out, quote);
		if (value->next)
			put(out, value->next->newline ? "," : ", ");
	}
	if (field->list && field->first && field->first->newline)
		put(out, "\n");
	put(out, field->list ? "]\n" : "\n");
}

/* As deep as the tree, which is LVM_DEPTH_MAX at most. */
static void put_section(struct printer *out, const struct lvm_node *section)
{
	for (const struct lvm_node *node = section->first; node; node = node->next) {
		if (node->gap)
			put(out, "\n");
		if (node->kind == LVM_FIELD) {
			put_field(out, node);
			continue;
		}
		put(out, node->text);
		put(out, " {\n");
		put_section(out, node);
		put(out, node->end_gap ? "\n}\n" : "}\n");
	}
}

size_t lvm_text_print(const struct lvm_node *section, char *buf, size_t room)
{
	struct printer out = {.buf = buf, .room = room};

	put_section(&out, section);
	return out.used;
}
