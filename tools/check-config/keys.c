/*
 * Makes the table of keys in docs/configuration.md from the schema, so that the two agree.
 */
#include "tools/check-config/keys.h"
#include "guests/config/schema.h"
#include "guests/config/value.h"
#include "kernel/lib/duration.h"
#include "kernel/lib/size.h"

#define KEY_PATH_MAX 128

/* What may be written: types whose expectation needs no example are told by it. */
static void print_value(FILE *out, const struct config_field *field)
{
	char phrase[CONFIG_PHRASE_MAX], low[SIZE_TEXT_BYTES], high[SIZE_TEXT_BYTES];

	switch (field->type) {
	case CONFIG_KEYS: fputs("keys", out); break;
	case CONFIG_STRUCTS:
		fprintf(out, "list of at most %u", (unsigned)field->maximum);
		break;
	case CONFIG_NAME:
		fprintf(out, "name, at most %u characters", (unsigned)field->maximum - 1);
		break;
	case CONFIG_FILE: fputs("file", out); break;
	case CONFIG_SOURCE: fputs("source of a disk", out); break;
	case CONFIG_UPLINK: fputs("a NIC", out); break;
	case CONFIG_MAC: fputs("MAC address, or auto", out); break;
	case CONFIG_ADDRESSES:
		fprintf(out, "list of IP addresses, at most %u", (unsigned)field->maximum);
		break;
	case CONFIG_CPU_SET: fputs("list of CPUs", out); break;
	case CONFIG_CPU_LIST:
		fprintf(out, "list of CPUs, at most %u", (unsigned)field->maximum);
		break;
	case CONFIG_SIZE:
		fprintf(out, "size, %s to %s", size_exact_text(field->minimum, low),
			size_exact_text(field->maximum, high));
		break;
	case CONFIG_DURATION:
		fprintf(out, "time, %s to %s", duration_text((uint32_t)field->minimum, low),
			duration_text((uint32_t)field->maximum, high));
		break;
	default: fputs(config_expected(field, phrase), out);
	}
}

static void print_initial(FILE *out, const struct config_field *field)
{
	if (field->required)
		fputs("required", out);
	else if (field->type == CONFIG_CPU_SET && field->initial)
		fprintf(out, "`[%s]`", field->initial);
	else if (field->initial)
		fprintf(out, "`%s`", field->initial);
}

/* What a change of it at run time takes. */
static const char *change_word(const struct config_field *field)
{
	static const char *const words[] = {
		[CONFIG_CHANGE_RESTART] = "restart",
		[CONFIG_CHANGE_LIVE] = "live",
		[CONFIG_CHANGE_ANEW] = "anew",
		[CONFIG_CHANGE_MACHINE] = "machine",
	};

	return field->type == CONFIG_KEYS || field->table == &config_guest_schema ||
			       field->table == &config_network_schema
		       ? ""
		       : words[field->change];
}

static void print_table(FILE *out, const struct config_table *table, const char *prefix)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct config_field *field = &table->fields[i];
		const char *elements = field->type == CONFIG_STRUCTS ? "[]" : "";
		char path[KEY_PATH_MAX];

		fprintf(out, "| `%s%s` | ", prefix, field->key);
		print_value(out, field);
		fputs(" | ", out);
		print_initial(out, field);
		fprintf(out, " | %s | %s |\n", change_word(field), field->doc);
		snprintf(path, sizeof(path), "%s%s%s.", prefix, field->key, elements);
		if (field->table)
			print_table(out, field->table, path);
	}
}

void print_keys(FILE *out)
{
	fputs("| key | value | default | change | meaning |\n|---|---|---|---|---|\n", out);
	print_table(out, &config_schema, "");
}
