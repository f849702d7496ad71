/*
 * Help for keys that the schema doesn't have: slips of the keyboard, and keys that stand in
 * the wrong mapping. Reads the schema only; sees no document.
 */
#include "guests/config/hint.h"
#include "guests/config/report.h"
#include <stdio.h>
#include <string.h>

static const struct config_field *nearest(const struct config_table *table, const char *typed)
{
	const struct config_field *best = NULL;
	unsigned fewest = CONFIG_UNLIKE;

	for (uint32_t i = 0; i < table->count; i++) {
		unsigned slips = config_slips(typed, table->fields[i].key);

		if (slips < fewest) {
			best = &table->fields[i];
			fewest = slips;
		}
	}
	return best;
}

/* The key whose mapping has `typed`. The schema is a tree a few tables deep. */
static const struct config_field *owner(const struct config_table *table, const char *typed)
{
	const struct config_field *found = NULL;

	for (uint32_t i = 0; i < table->count && !found; i++) {
		const struct config_table *inner = table->fields[i].table;

		for (uint32_t j = 0; inner && j < inner->count; j++) {
			if (strcmp(inner->fields[j].key, typed) == 0)
				return &table->fields[i];
		}
		found = inner ? owner(inner, typed) : NULL;
	}
	return found;
}

/* Whether `table` is one of a document's: others, of actions, have nothing to do with it. */
static bool is_within(const struct config_table *whole, const struct config_table *table)
{
	bool found = whole == table;

	for (uint32_t i = 0; i < whole->count && !found; i++)
		found = whole->fields[i].table && is_within(whole->fields[i].table, table);
	return found;
}

const struct config_field *config_hint(const struct config_table *table, const char *typed,
				       char hint[CONFIG_HINT_MAX])
{
	const struct config_field *field = nearest(table, typed);
	const struct config_field *elsewhere = owner(table, typed);
	size_t used;

	if (!elsewhere && is_within(&config_schema, table))
		elsewhere = owner(&config_schema, typed);
	if (field && (!elsewhere || config_slips(typed, field->key) == 1)) {
		used = (size_t)snprintf(hint, CONFIG_HINT_MAX, "did you mean '%s'?",
					field->key);
		if (elsewhere)
			snprintf(hint + used, CONFIG_HINT_MAX - used,
				 " '%s' belongs inside '%s'", typed, elsewhere->key);
		return field;
	}
	if (elsewhere) {
		snprintf(hint, CONFIG_HINT_MAX, "it belongs inside '%s'", elsewhere->key);
		return NULL;
	}
	if (!table->count) {
		snprintf(hint, CONFIG_HINT_MAX, "nothing belongs here");
		return NULL;
	}
	used = (size_t)snprintf(hint, CONFIG_HINT_MAX, "known here: ");
	for (uint32_t i = 0; i < table->count && used < CONFIG_HINT_MAX; i++)
		used += (size_t)snprintf(hint + used, CONFIG_HINT_MAX - used, "%s%s",
					 i ? ", " : "", table->fields[i].key);
	return NULL;
}
