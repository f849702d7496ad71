/*
 * The walk beside the schema that bind.c does for reading, the other way round. Text of single
 * values is value.c's and address.c's.
 */
#include "guests/config/write.h"
#include "guests/config/address.h"
#include "guests/config/derive.h"
#include "guests/config/merge.h"
#include "guests/config/value.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STEP 2 /* spaces that a level is indented by */

struct writer {
	struct config_text *text;
	enum config_format format;
};

static void write_keys(const struct writer *writer, const struct config_table *table,
		       const char *target, unsigned indent);

static void say(const struct writer *writer, const char *words)
{
	config_text_add(writer->text, words, strlen(words));
}

static uint32_t count_of(const struct config_field *field, const char *target)
{
	uint32_t count;

	memcpy(&count, target + field->counter, sizeof(count));
	return count;
}

/* ---- what is left out ------------------------------------------------------------------- */

/* A set that its initial value names: one CPU, or none. */
static bool is_initial_set(const struct config_field *field, const struct cpumask *set)
{
	char wrong[CONFIG_PHRASE_MAX];
	struct cpumask initial = {0};

	if (field->initial)
		config_cpu_range(field->initial, strlen(field->initial), &initial, wrong);
	return memcmp(set, &initial, sizeof(initial)) == 0;
}

bool config_is_absent(const struct config_field *field, const void *target)
{
	const char *place = (const char *)target + field->offset;
	char room[CONFIG_VALUE_TEXT];

	if (field->required)
		return false;
	switch (field->type) {
	case CONFIG_KEYS:
		for (uint32_t i = 0; i < field->table->count; i++)
			if (!config_is_absent(&field->table->fields[i], place))
				return false;
		return true;
	case CONFIG_STRUCTS:
	case CONFIG_ADDRESSES:
	case CONFIG_CPU_LIST: return count_of(field, target) == 0;
	case CONFIG_CPU_SET: return is_initial_set(field, (const void *)place);
	default:
		return strcmp(config_value_text(field, target, room),
			      field->initial ? field->initial : "") == 0;
	}
}

/* ---- single values ---------------------------------------------------------------------- */

/* Words that readers of YAML take for something else than text (YAML 1.1, "tag:yaml.org"). */
static bool is_reserved(const char *word)
{
	static const char *const words[] = {"true", "false", "null", "yes", "no",
					    "on",   "off",   "y",    "n"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(word, words[i]) == 0)
			return true;
	return false;
}

static bool is_plain(const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return strspn(word, letters) > 0 && !is_reserved(word) &&
	       word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789_.-")] == '\0';
}

/* Printable ASCII in double quotes: the same in JSON and YAML. */
static void write_quoted(const struct writer *writer, const char *words)
{
	say(writer, "\"");
	for (; *words; words++) {
		if (*words == '"' || *words == '\\')
			say(writer, "\\");
		config_text_add(writer->text, words, 1);
	}
	say(writer, "\"");
}

static void write_word(const struct writer *writer, const char *words, bool plain)
{
	if (plain)
		say(writer, words);
	else
		write_quoted(writer, words);
}

static void write_scalar(const struct writer *writer, const struct config_field *field,
			 const char *target)
{
	char room[CONFIG_VALUE_TEXT];
	const char *words = config_value_text(field, target, room);
	bool json = writer->format == CONFIG_JSON;

	switch (field->type) {
	case CONFIG_BOOL:
	case CONFIG_NUMBER: say(writer, words); break;
	case CONFIG_SIZE:
	case CONFIG_DURATION: write_word(writer, words, !json); break;
	case CONFIG_CHOICE:
		write_word(writer, words,
			   words[strspn(words, "0123456789")] == '\0' ||
				   (!json && is_plain(words)));
		break;
	default: write_word(writer, words, !json && is_plain(words));
	}
}

/* Runs of three and more are ranges, but not in JSON, where elements are numbers. */
static void write_set(const struct writer *writer, const struct cpumask *set)
{
	const char *joint = "";

	for (unsigned first = 0, last; first < CPU_MAX; first = last + 1) {
		last = first;
		if (!cpumask_test(set, first))
			continue;
		while (last + 1 < CPU_MAX && cpumask_test(set, last + 1))
			last++;
		if (writer->format == CONFIG_JSON || last - first < 2)
			last = first;
		config_text_say(writer->text, "%s%u", joint, first);
		if (last > first)
			config_text_say(writer->text, "-%u", last);
		joint = ", ";
	}
}

static void write_list(const struct writer *writer, const struct config_field *field,
		       const char *target)
{
	const struct config_address *addresses = (const void *)(target + field->offset);
	const uint16_t *cpus = (const void *)(target + field->offset);
	char room[CONFIG_ADDRESS_TEXT];

	say(writer, "[");
	if (field->type == CONFIG_CPU_SET) {
		write_set(writer, (const void *)(target + field->offset));
	} else {
		for (uint32_t i = 0; i < count_of(field, target); i++) {
			say(writer, i ? ", " : "");
			if (field->type == CONFIG_CPU_LIST)
				config_text_say(writer->text, "%u", (unsigned)cpus[i]);
			else
				write_word(writer, config_address_text(&addresses[i], room),
					   writer->format != CONFIG_JSON && !addresses[i].v6);
		}
	}
	say(writer, "]");
}

/* ---- keys and elements ------------------------------------------------------------------ */

static void start_line(const struct writer *writer, unsigned indent)
{
	config_text_say(writer->text, "\n%*s", (int)indent, "");
}

static void write_elements(const struct writer *writer, const struct config_field *field,
			   const char *target, unsigned indent)
{
	const char *element = target + field->offset;
	uint32_t count = count_of(field, target);
	bool block = writer->format == CONFIG_YAML && count;

	say(writer, block ? "" : "[");
	for (uint32_t i = 0; i < count; i++, element += field->table->bytes) {
		if (block) {
			start_line(writer, indent);
			say(writer, "- ");
		} else {
			say(writer, i ? ", " : "");
		}
		write_keys(writer, field->table, element, indent + STEP);
	}
	say(writer, block ? "" : "]");
}

static void write_field(const struct writer *writer, const struct config_field *field,
			const char *target, unsigned indent)
{
	switch (field->type) {
	case CONFIG_KEYS:
		write_keys(writer, field->table, target + field->offset, indent);
		break;
	case CONFIG_STRUCTS: write_elements(writer, field, target, indent); break;
	case CONFIG_CPU_SET:
	case CONFIG_CPU_LIST:
	case CONFIG_ADDRESSES: write_list(writer, field, target); break;
	default: write_scalar(writer, field, target);
	}
}

/* What stands between a key and its value: blocks begin on a line of their own. */
static void write_key(const struct writer *writer, const struct config_field *field,
		      unsigned indent)
{
	bool block = writer->format == CONFIG_YAML && field->type == CONFIG_KEYS;

	write_word(writer, field->key, writer->format != CONFIG_JSON);
	say(writer, ":");
	if (block)
		start_line(writer, indent + STEP);
}

static void write_keys(const struct writer *writer, const struct config_table *table,
		       const char *target, unsigned indent)
{
	bool block = writer->format == CONFIG_YAML, any = false;

	say(writer, block ? "" : "{");
	for (uint32_t i = 0; i < table->count; i++) {
		const struct config_field *field = &table->fields[i];
		bool own_line =
			block && (field->type == CONFIG_KEYS ||
				  (field->type == CONFIG_STRUCTS && count_of(field, target)));

		if (config_is_absent(field, target))
			continue;
		if (any && block)
			start_line(writer, indent);
		else
			say(writer, any ? ", " : "");
		write_key(writer, field, indent);
		say(writer, own_line ? "" : " ");
		write_field(writer, field, target, indent + STEP);
		any = true;
	}
	say(writer, !block ? "}" : any ? "" : "{}");
}

void config_write_mapping(struct config_text *text, const struct config_table *table,
			  const void *target, enum config_format format, unsigned indent)
{
	const struct writer writer = {text, format};

	write_keys(&writer, table, target, indent);
}

void config_write_value(struct config_text *text, const struct config_field *field,
			const void *target, enum config_format format)
{
	const struct writer writer = {text, format == CONFIG_YAML ? CONFIG_YAML_FLOW : format};

	write_field(&writer, field, target, 0);
}

/* ---- documents --------------------------------------------------------------------------- */

static int take_text(struct config_text *text, char **bytes, size_t *length)
{
	config_text_add(text, "\n", 1);
	*bytes = text->failed ? NULL : text->bytes;
	*length = text->length;
	if (!text->failed)
		return 0;
	config_text_free(text);
	return -ENOMEM;
}

int config_write_document(const struct config *config, enum config_format format, char **bytes,
			  size_t *length)
{
	struct config *plain = config_copy(config);
	struct config_text text = {0};

	*bytes = NULL;
	if (!plain)
		return -ENOMEM;
	for (uint32_t i = 0; i < plain->guest_count; i++)
		config_underive_guest(&plain->guests[i]);
	config_write_mapping(&text, &config_schema, plain, format, 0);
	config_free(plain);
	return take_text(&text, bytes, length);
}

int config_write_guest(const struct guest_config *guest, enum config_format format,
		       char **bytes, size_t *length)
{
	struct guest_config *plain = malloc(sizeof(*plain));
	struct config_text text = {0};

	*bytes = NULL;
	if (!plain)
		return -ENOMEM;
	*plain = *guest;
	config_underive_guest(plain);
	config_write_mapping(&text, &config_guest_schema, plain, format, 0);
	free(plain);
	return take_text(&text, bytes, length);
}
