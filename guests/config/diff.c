/*
 * A walk through two structs beside the schema. What a difference leads to is plan.c's.
 */
#include "guests/config/diff.h"
#include "guests/config/address.h"
#include "guests/config/write.h"
#include <stdio.h>
#include <string.h>

struct walk {
	void (*visit)(void *arg, const struct config_difference *difference);
	void *arg;
	bool any;
	char path[CONFIG_PATH_MAX];
};

static void walk_table(struct walk *walk, const struct config_table *table, const char *from,
		       const char *to);

static uint32_t count_of(const struct config_field *field, const char *target)
{
	uint32_t count;

	memcpy(&count, target + field->counter, sizeof(count));
	return count;
}

/* What is made of names is shown, as it is what a guest sees. */
static void tell_mac(char told[CONFIG_TOLD_MAX], const struct config_mac *mac)
{
	char text[CONFIG_MAC_TEXT];

	snprintf(told, CONFIG_TOLD_MAX, "%s%s", config_mac_text(mac->bytes, text),
		 mac->given ? "" : " (auto)");
}

static void tell(char told[CONFIG_TOLD_MAX], const struct config_field *field,
		 const char *target)
{
	struct config_text text = {.bytes = told, .room = CONFIG_TOLD_MAX, .fixed = true};

	told[0] = '\0';
	if (field->type == CONFIG_MAC)
		tell_mac(told, (const void *)(target + field->offset));
	else if (!config_is_absent(field, target) || field->initial)
		config_write_value(&text, field, target, CONFIG_YAML_FLOW);
}

static void report(struct walk *walk, struct config_difference *difference)
{
	walk->any = true;
	memcpy(difference->path, walk->path, sizeof(difference->path));
	if (walk->visit)
		walk->visit(walk->arg, difference);
}

static bool same_mac(const char *from, const char *to, bool *same_bytes)
{
	const struct config_mac *a = (const void *)from, *b = (const void *)to;

	*same_bytes = memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
	return *same_bytes && a->given == b->given;
}

/* A value, or a list of values. */
static void walk_value(struct walk *walk, const struct config_field *field, const char *from,
		       const char *to)
{
	struct config_difference difference = {.change = field->change, .why = field->why};
	const char *a = from + field->offset, *b = to + field->offset;
	bool same, same_bytes = false;

	switch (field->type) {
	case CONFIG_BOOL: same = *(const bool *)a == *(const bool *)b; break;
	case CONFIG_NUMBER:
	case CONFIG_DURATION:
	case CONFIG_CHOICE: same = memcmp(a, b, sizeof(uint32_t)) == 0; break;
	case CONFIG_SIZE: same = memcmp(a, b, sizeof(uint64_t)) == 0; break;
	case CONFIG_CPU_SET: same = memcmp(a, b, sizeof(struct cpumask)) == 0; break;
	case CONFIG_CPU_LIST:
		same = count_of(field, from) == count_of(field, to) &&
		       memcmp(a, b, count_of(field, from) * sizeof(uint16_t)) == 0;
		break;
	case CONFIG_ADDRESSES:
		same = count_of(field, from) == count_of(field, to) &&
		       memcmp(a, b, count_of(field, from) * sizeof(struct config_address)) == 0;
		break;
	case CONFIG_MAC: same = same_mac(a, b, &same_bytes); break;
	default: same = strcmp(a, b) == 0;
	}
	if (same)
		return;
	if (same_bytes) { /* a guest sees no difference */
		difference.change = CONFIG_CHANGE_LIVE;
		difference.why = NULL;
	}
	tell(difference.from, field, from);
	tell(difference.to, field, to);
	report(walk, &difference);
}

/* An element that only one has. */
static void tell_element(char told[CONFIG_TOLD_MAX], const struct config_field *field,
			 const char *target, uint32_t index)
{
	struct config_text text = {.bytes = told, .room = CONFIG_TOLD_MAX, .fixed = true};

	if (index < count_of(field, target))
		config_write_mapping(&text, field->table,
				     target + field->offset + index * field->table->bytes,
				     CONFIG_YAML_FLOW, 0);
}

static void walk_elements(struct walk *walk, const struct config_field *field, const char *from,
			  const char *to)
{
	uint32_t a = count_of(field, from), b = count_of(field, to);
	size_t used = strlen(walk->path);

	for (uint32_t i = 0; i < a || i < b; i++) {
		struct config_difference difference = {.change = field->change,
						       .why = field->why};
		size_t at = field->offset + i * (size_t)field->table->bytes;

		snprintf(walk->path + used, CONFIG_PATH_MAX - used, "[%u]", (unsigned)i);
		if (i < a && i < b) {
			walk_table(walk, field->table, from + at, to + at);
		} else {
			tell_element(difference.from, field, from, i);
			tell_element(difference.to, field, to, i);
			report(walk, &difference);
		}
		walk->path[used] = '\0';
	}
}

static void walk_table(struct walk *walk, const struct config_table *table, const char *from,
		       const char *to)
{
	size_t used = strlen(walk->path);

	for (uint32_t i = 0; i < table->count; i++) {
		const struct config_field *field = &table->fields[i];

		snprintf(walk->path + used, CONFIG_PATH_MAX - used, "%s%s", used ? "." : "",
			 field->key);
		if (field->type == CONFIG_KEYS)
			walk_table(walk, field->table, from + field->offset,
				   to + field->offset);
		else if (field->type == CONFIG_STRUCTS)
			walk_elements(walk, field, from, to);
		else
			walk_value(walk, field, from, to);
		walk->path[used] = '\0';
	}
}

bool config_diff(const struct config_table *table, const void *from, const void *to,
		 void (*visit)(void *arg, const struct config_difference *difference),
		 void *arg)
{
	struct walk walk = {.visit = visit, .arg = arg};

	walk_table(&walk, table, from, to);
	return walk.any;
}
