/*
 * Walks a document beside the schema: unknown, double and missing keys, wrong kinds of
 * values, defaults. Lists of values are bind_lists.c's, reading a single one is value.c's.
 */
#include "guests/config/bind.h"
#include "guests/config/binder.h"
#include "guests/config/hint.h"
#include "guests/config/value.h"
#include <stdio.h>
#include <string.h>

static void bind_mapping(struct binder *binder, const struct config_table *table,
			 const struct config_node *node, char *target);

static bool is_text(const struct config_node *node, const char *word)
{
	return node->kind == CONFIG_SCALAR && node->length == strlen(word) &&
	       memcmp(node->text, word, node->length) == 0;
}

const struct config_node *config_find(const struct config_node *node, const char *key)
{
	const struct config_node *child = node->kind == CONFIG_MAPPING ? node->child : NULL;

	while (child && !is_text(child, key))
		child = child->next;
	return child ? child->value : NULL;
}

/* Where a message about the field points to. */
static void set_mark(const struct config_field *field, struct config_mark mark, char *target)
{
	if (field->mark)
		memcpy(target + field->mark, &mark, sizeof(mark));
}

static uint32_t faults(const struct binder *binder)
{
	return binder->report->count + binder->report->dropped;
}

static bool never_quoted(const struct config_field *field)
{
	return field->type == CONFIG_BOOL || field->type == CONFIG_NUMBER;
}

/* A value of the wrong kind. */
static void complain_kind(struct binder *binder, const struct config_field *field,
			  const struct config_node *node)
{
	char shown[CONFIG_SHOWN_MAX], expected[CONFIG_PHRASE_MAX], wrong[CONFIG_MESSAGE_MAX];

	config_expected(field, expected);
	if (node->kind != CONFIG_SCALAR)
		snprintf(wrong, sizeof(wrong), "is a %s; write %s",
			 node->kind == CONFIG_LIST ? "list" : "mapping", expected);
	else if (node->quoted)
		snprintf(wrong, sizeof(wrong), "is the text '%s'; write %s%s",
			 config_shown(shown, node->text, node->length), expected,
			 never_quoted(field) ? ", without quotes" : "");
	else if (node->length == 0)
		snprintf(wrong, sizeof(wrong), "is empty; write %s", expected);
	else
		snprintf(wrong, sizeof(wrong), "is '%s'; write %s",
			 config_shown(shown, node->text, node->length), expected);
	binder_complain(binder, node->mark, wrong);
}

/* A scalar that says nothing: "key:", "key: ~", "key: null". */
static bool is_null(const struct config_node *node)
{
	return node->kind == CONFIG_SCALAR && !node->quoted &&
	       (is_text(node, "") || is_text(node, "~") || is_text(node, "null"));
}

/* A name that is wrong is kept as messages show it, so that those about others can. */
static void keep_name(const struct config_field *field, const struct config_node *node,
		      char *target)
{
	char shown[CONFIG_SHOWN_MAX];

	snprintf(target + field->offset, field->maximum, "%s",
		 config_shown(shown, node->text, node->length));
}

static void bind_scalar(struct binder *binder, const struct config_field *field,
			const struct config_node *node, char *target)
{
	char wrong[CONFIG_PHRASE_MAX];

	if (node->kind != CONFIG_SCALAR || is_null(node) ||
	    (node->quoted && never_quoted(field))) {
		complain_kind(binder, field, node);
	} else if (config_value(field, node->text, node->length, target, wrong)) {
		binder_complain(binder, node->mark, wrong);
		if (field->type == CONFIG_NAME)
			keep_name(field, node, target);
	}
}

/* Messages about an element speak of "guest 'alpha'" where it has a name, or of "guests[1]". */
static void name_subject(struct binder *binder, const struct config_table *table,
			 const struct config_node *node)
{
	const struct config_node *name = config_find(node, "name");
	char shown[CONFIG_SHOWN_MAX];

	if (!table->noun || !name || name->kind != CONFIG_SCALAR || name->length == 0)
		return;
	snprintf(binder->subject, BINDER_SUBJECT_MAX, "%s '%.31s': ", table->noun,
		 config_shown(shown, name->text, name->length));
	binder->path[0] = '\0';
}

/* One element of a list of structs, which is number `index`. */
static void bind_element(struct binder *binder, const struct config_field *field,
			 const struct config_node *node, uint32_t index, char *element)
{
	struct binder inner = *binder;

	binder_enter(&inner, NULL, index);
	if (node->kind == CONFIG_MAPPING && !node->refused) {
		name_subject(&inner, field->table, node);
		bind_mapping(&inner, field->table, node, element);
		return;
	}
	if (!node->refused)
		binder_complain(&inner, node->mark, "is not a mapping; write keys and values");
	config_sound_spoil(binder->sound, element, field->table->bytes);
}

static void bind_structs(struct binder *binder, const struct config_field *field,
			 const struct config_node *node, char *target)
{
	uint32_t *count = binder_counter(field, target);
	char *element = target + field->offset;

	for (const struct config_node *each = node->child; each; each = each->next) {
		if (*count == field->maximum) {
			char wrong[CONFIG_PHRASE_MAX];

			snprintf(wrong, sizeof(wrong),
				 "has more than %u elements; leave some out",
				 (unsigned)field->maximum);
			binder_complain(binder, each->mark, wrong);
			binder_spoil_count(binder, field, target);
			return;
		}
		bind_element(binder, field, each, *count, element);
		(*count)++;
		element += field->table->bytes;
	}
}

/* The form of a value that is more than one. */
static bool has_form(const struct config_field *field, const struct config_node *node)
{
	if (field->type == CONFIG_CPU_SET || binder_is_counted(field))
		return node->kind == CONFIG_LIST;
	return field->type != CONFIG_KEYS || node->kind == CONFIG_MAPPING;
}

static void bind_field(struct binder *binder, const struct config_field *field,
		       const struct config_node *node, char *target)
{
	uint32_t before = faults(binder);

	set_mark(field, node->mark, target);
	if (node->refused || !has_form(field, node)) {
		if (!node->refused)
			complain_kind(binder, field, node);
		binder_spoil(binder, field, target);
		return;
	}
	switch (field->type) { /* whose parts are sound or not */
	case CONFIG_KEYS:
		bind_mapping(binder, field->table, node, target + field->offset);
		return;
	case CONFIG_STRUCTS: bind_structs(binder, field, node, target); return;
	case CONFIG_ADDRESSES: config_bind_addresses(binder, field, node, target); return;
	case CONFIG_CPU_SET:
	case CONFIG_CPU_LIST: config_bind_cpus(binder, field, node, target); break;
	default: bind_scalar(binder, field, node, target);
	}
	if (faults(binder) != before)
		binder_spoil(binder, field, target);
}

/* What an absent key means: its initial value, or an error. Initial values always fit. */
static void bind_absent(struct binder *binder, const struct config_field *field,
			const struct config_node *parent, char *target)
{
	struct config_node empty = {.kind = CONFIG_MAPPING, .mark = parent->mark};
	char wrong[CONFIG_PHRASE_MAX];

	if (field->required) {
		snprintf(wrong, sizeof(wrong), "is missing; add '%s: %s'", field->key,
			 field->example);
		binder_complain(binder, parent->mark, wrong);
		binder_spoil(binder, field, target);
		set_mark(field, parent->mark, target);
	} else if (field->type == CONFIG_KEYS) {
		bind_mapping(binder, field->table, &empty, target + field->offset);
	} else if (field->initial && field->type == CONFIG_CPU_SET) {
		config_cpu_range(field->initial, strlen(field->initial),
				 (struct cpumask *)(void *)(target + field->offset), wrong);
	} else if (field->initial) {
		config_value(field, field->initial, strlen(field->initial), target, wrong);
	}
}

static const struct config_field *find_field(const struct config_table *table,
					     const struct config_node *key)
{
	for (uint32_t i = 0; i < table->count; i++) {
		if (is_text(key, table->fields[i].key))
			return &table->fields[i];
	}
	return NULL;
}

/* Refuses `key`. Gives the field that was meant, if that is clear: it isn't missing then. */
static const struct config_field *complain_unknown(struct binder *binder,
						   const struct config_table *table,
						   const struct config_node *key)
{
	char shown[CONFIG_SHOWN_MAX], hint[CONFIG_HINT_MAX];
	const struct config_field *meant;

	config_shown(shown, key->text, key->length);
	meant = config_hint(table, shown, hint);
	config_report_add(binder->report, key->mark, "%sunknown key '%s'%s%s; %s",
			  binder->subject, shown, binder->path[0] ? " in " : "", binder->path,
			  hint);
	return meant;
}

static void complain_twice(struct binder *binder, const struct config_node *key,
			   const struct config_node *first)
{
	config_report_add(binder->report, key->mark,
			  "%s%s%s%s is given twice, first on line %u; remove one of the two",
			  binder->subject, binder->path, binder->path[0] ? "." : "", key->text,
			  (unsigned)first->mark.line);
}

/* The keys of one mapping, by their index in its table. */
struct seen_keys {
	const struct config_node *given[CONFIG_FIELDS_MAX];
	bool meant[CONFIG_FIELDS_MAX]; /* by a key that is misspelt */
	bool merged;		       /* "<<: *alias" may have been meant to give any */
};

/* "<<: *defaults" (YAML 1.1's merge key), whose alias is refused already. */
static bool is_merge(const struct config_node *key)
{
	return is_text(key, "<<") && key->value->refused;
}

static void bind_key(struct binder *binder, const struct config_table *table,
		     const struct config_node *key, struct seen_keys *seen, char *target)
{
	const struct config_field *field = find_field(table, key);
	const struct config_node **given;
	size_t used;

	if (key->refused)
		return;
	if (is_merge(key)) {
		seen->merged = true;
		return;
	}
	if (!field) {
		field = complain_unknown(binder, table, key);
		if (field) {
			seen->meant[field - table->fields] = true;
			binder_spoil(binder, field, target);
			set_mark(field, key->mark, target);
		}
		return;
	}
	given = &seen->given[field - table->fields];
	if (*given) {
		complain_twice(binder, key, *given);
		binder_spoil(binder, field, target);
		return;
	}
	*given = key;
	used = binder_enter(binder, field->key, 0);
	bind_field(binder, field, key->value, target);
	binder_leave(binder, used);
}

/* A key that is not there and that nobody can miss: an alias may have been meant to have it. */
static void bind_merged(struct binder *binder, const struct config_field *field,
			const struct config_node *parent, char *target)
{
	binder_spoil(binder, field, target);
	set_mark(field, parent->mark, target);
}

static void bind_mapping(struct binder *binder, const struct config_table *table,
			 const struct config_node *node, char *target)
{
	struct seen_keys seen = {0};

	for (const struct config_node *key = node->child; key; key = key->next)
		bind_key(binder, table, key, &seen, target);
	for (uint32_t i = 0; i < table->count; i++) {
		size_t used = binder_enter(binder, table->fields[i].key, 0);

		if (seen.merged && !seen.given[i])
			bind_merged(binder, &table->fields[i], node, target);
		else if (!seen.given[i] && !seen.meant[i])
			bind_absent(binder, &table->fields[i], node, target);
		binder_leave(binder, used);
	}
}

void config_bind(const struct config_table *table, const struct config_node *node, void *target,
		 struct config_sound *sound, struct config_report *report)
{
	struct binder binder = {.report = report, .sound = sound};

	name_subject(&binder, table, node);
	bind_mapping(&binder, table, node, target);
}
