/*
 * Metrics from tables. The format wants all samples of a family together, and rows are kept by
 * guest: so for each field of each table, all rows are walked. Formats and names:
 * prometheus.io/docs, "Exposition formats" and "Metric and label naming".
 */
#include "guests/views/metrics.h"

#include <stdio.h>
#include <string.h>

#include "guests/views/escape.h"

#define DEPTH_MAX 3 /* tables from the top */

typedef unsigned long long ull;

/* How the family that is written now is reached. */
struct walk {
	struct sink *to;
	const struct view_rows *top;
	const struct view_table *tables[DEPTH_MAX]; /* each is a part of the one before */
	const struct view_field *parts[DEPTH_MAX];  /* which; [0] is not used */
	const void *rows[DEPTH_MAX];
	unsigned depth; /* of the table whose fields are written */
	const struct view_field *field;
	bool begun; /* HELP and TYPE are out */
};

/* ---- names ------------------------------------------------------------------------------- */

static const struct {
	const char *word, *suffix;
} units[] = {
	[VIEW_NONE] = {"", ""},
	[VIEW_FLAG] = {"", ""},
	[VIEW_BYTES] = {"bytes", "_bytes"},
	[VIEW_RATE] = {"bytes_per_second", "_bytes_per_second"},
	[VIEW_NS] = {"ns", "_seconds"},
};

static bool info_family(const struct view_field *field)
{
	return field->kind == VIEW_INFO;
}

/* The name without the unit's word at its beginning or end: "run_ns" is "_run". */
static void stem(const struct view_field *field, char *out, size_t bytes)
{
	const char *word = units[field->unit].word;
	size_t length = strlen(field->name), unit = strlen(word);

	if (!unit || length < unit)
		snprintf(out, bytes, "_%s", field->name);
	else if (length == unit)
		out[0] = 0;
	else if (!strcmp(field->name + length - unit, word))
		snprintf(out, bytes, "_%.*s", (int)(length - unit - 1), field->name);
	else if (!strncmp(field->name, word, unit))
		snprintf(out, bytes, "_%s", field->name + unit + 1);
	else
		snprintf(out, bytes, "_%s", field->name);
}

bool metrics_name(const struct view_table *table, const struct view_field *field,
		  char name[METRICS_NAME_BYTES])
{
	char middle[METRICS_NAME_BYTES / 2];

	if (!table->metric || field->kind == VIEW_LABEL || field->kind == VIEW_NOTE ||
	    field->kind == VIEW_PART || field->kind == VIEW_SIZE)
		return false;
	if (info_family(field)) {
		snprintf(name, METRICS_NAME_BYTES, "bulkhead_%s_info", table->metric);
		return true;
	}
	stem(field, middle, sizeof middle);
	snprintf(name, METRICS_NAME_BYTES, "bulkhead_%s%s%s%s", table->metric, middle,
		 units[field->unit].suffix, field->kind == VIEW_COUNTER ? "_total" : "");
	return true;
}

/* ---- samples ----------------------------------------------------------------------------- */

/* In a label's value; that of HELP has no quotes to end. */
static const char *escape(char c, char buf[8])
{
	(void)buf;
	return c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '"' ? "\\\"" : NULL;
}

static void label(struct sink *to, bool *first, const char *name, const char *text,
		  size_t bytes)
{
	sink_print(to, "%s%s=\"", *first ? "{" : ",", name);
	escape_write(to, text, bytes, escape);
	sink_text(to, "\"");
	*first = false;
}

/* A label or a piece of information. */
static void label_of(struct sink *to, bool *first, const char *name,
		     const struct view_field *field, const void *row)
{
	const char *text;
	char number[24];
	size_t bytes;

	if (field->type == VIEW_TEXT) {
		text = view_text(field, row, &bytes);
	} else {
		bytes = (size_t)snprintf(number, sizeof number, "%llu",
					 (ull)view_number(field, row));
		text = number;
	}
	label(to, first, name, text, bytes);
}

/* "NAME{LABEL="...",": what tells the row from all others. */
static void begin_sample(struct walk *w, bool *first)
{
	char name[METRICS_NAME_BYTES];

	metrics_name(w->tables[w->depth], w->field, name);
	if (!w->begun) {
		sink_print(w->to, "# HELP %s %s\n", name,
			   info_family(w->field) ? w->tables[w->depth]->help : w->field->help);
		sink_print(w->to, "# TYPE %s %s\n", name,
			   w->field->kind == VIEW_COUNTER ? "counter" : "gauge");
	}
	w->begun = true;
	sink_text(w->to, name);
	*first = true;
	for (unsigned d = 0; d <= w->depth; d++)
		for (uint32_t i = 0; i < w->tables[d]->field_count; i++)
			if (w->tables[d]->fields[i].kind == VIEW_LABEL)
				label_of(w->to, first, w->tables[d]->fields[i].label,
					 &w->tables[d]->fields[i], w->rows[d]);
}

static void end_sample(struct walk *w, bool first, uint64_t value)
{
	sink_text(w->to, first ? " " : "} ");
	if (w->field->unit == VIEW_NS)
		sink_print(w->to, "%llu.%09llu\n", (ull)(value / NSEC_PER_SEC),
			   (ull)(value % NSEC_PER_SEC));
	else
		sink_print(w->to, "%llu\n", (ull)value);
}

static void info_sample(struct walk *w)
{
	const struct view_table *table = w->tables[w->depth];
	bool first;

	begin_sample(w, &first);
	for (uint32_t i = 0; i < table->field_count; i++)
		if (info_family(&table->fields[i]))
			label_of(w->to, &first, table->fields[i].name, &table->fields[i],
				 w->rows[w->depth]);
	end_sample(w, first, 1);
}

static void state_samples(struct walk *w)
{
	size_t bytes;
	const char *state = view_text(w->field, w->rows[w->depth], &bytes);
	bool first;

	for (const char *const *word = w->field->words; *word; word++) {
		begin_sample(w, &first);
		label(w->to, &first, w->field->name, *word, strlen(*word));
		end_sample(w, first, bytes == strlen(*word) && !memcmp(state, *word, bytes));
	}
}

static void count_samples(struct walk *w)
{
	const uint8_t *row = w->rows[w->depth];
	const struct view_count *at = (const void *)(row + w->field->offset);
	bool first;

	for (uint32_t i = 0; i < view_elements(w->field, row); i++) {
		begin_sample(w, &first);
		label(w->to, &first, w->field->label, at[i].name,
		      strnlen(at[i].name, sizeof at[i].name));
		end_sample(w, first, at[i].count);
	}
}

static void samples(struct walk *w)
{
	bool first;

	if (info_family(w->field)) {
		info_sample(w);
	} else if (w->field->kind == VIEW_STATE) {
		state_samples(w);
	} else if (w->field->type == VIEW_COUNTS) {
		count_samples(w);
	} else {
		begin_sample(w, &first);
		end_sample(w, first, view_number(w->field, w->rows[w->depth]));
	}
}

/* ---- families ---------------------------------------------------------------------------- */

/* All rows of the table at w->depth that belong to this one of the table at `depth`. */
static void each_row(struct walk *w, unsigned depth, const void *row)
{
	const struct view_field *part;

	w->rows[depth] = row;
	if (depth == w->depth) {
		samples(w);
		return;
	}
	part = w->parts[depth + 1];
	for (uint32_t i = 0; i < view_elements(part, row); i++)
		each_row(w, depth + 1,
			 (const uint8_t *)row + part->offset + (size_t)i * part->table->bytes);
}

static void families(struct walk *w, const struct view_table *table, unsigned depth)
{
	char name[METRICS_NAME_BYTES];
	bool informed = false;

	w->tables[depth] = table;
	for (uint32_t i = 0; i < table->field_count; i++) {
		w->field = &table->fields[i];
		if (w->field->kind == VIEW_PART && depth + 1 < DEPTH_MAX) {
			w->parts[depth + 1] = w->field;
			families(w, w->field->table, depth + 1);
			continue;
		}
		if (!metrics_name(table, w->field, name) || (info_family(w->field) && informed))
			continue;
		informed |= info_family(w->field);
		w->depth = depth;
		w->begun = false;
		for (uint32_t n = 0; n < w->top->count; n++)
			each_row(w, 0, w->top->rows[n]);
	}
}

void metrics_write(struct sink *to, const struct view_rows *const *lists, unsigned count)
{
	for (unsigned l = 0; l < count; l++) {
		struct walk walk = {.to = to, .top = lists[l]};

		families(&walk, lists[l]->table, 0);
	}
}
