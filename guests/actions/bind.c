/*
 * Arguments of actions: documents and typed words to the struct of a table. What is wrong is
 * worded by guests/config, so that it reads as in the configuration.
 */
#include "guests/config/bind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/action.h"
#include "guests/config/schema.h"
#include "guests/config/tree.h"
#include "kernel/lib/duration.h"
#include "kernel/lib/size.h"

/* ---- documents -----------------------------------------------------------------------------
 */

static int bind(const struct action *action, const struct config_node *root,
		struct action_args *args, struct config_report *report)
{
	memset(args, 0, sizeof *args);
	if (root->kind != CONFIG_MAPPING)
		config_report_add(report, root->mark,
				  "the arguments of %s are not a mapping; write keys and "
				  "values",
				  action->name);
	else
		config_bind(action->arguments, root, args->bytes, NULL, report);
	return report->count ? -EINVAL : action_args_keep(action, args);
}

int action_bind(const struct action *action, const char *document, size_t bytes,
		struct action_args *args, struct config_report *report)
{
	const struct config_node none = {.kind = CONFIG_MAPPING};
	struct config_tree tree;
	int err;

	config_report_start(report, action->name);
	if (!bytes)
		return bind(action, &none, args, report);
	err = config_tree_read_quoted(&tree, document, bytes, report);
	if (!err)
		err = bind(action, tree.root, args, report);
	config_tree_free(&tree);
	return err;
}

/* ---- words ---------------------------------------------------------------------------------
 */

#define WORDS_MAX   12
#define ARENA_BYTES 4096 /* nodes of a mapping of so many keys, with the words of a line */

/* A mapping in the making, as if it had been written. */
struct mapping {
	struct config_node root;
	struct config_node **end; /* where the next key is hung */
	size_t used;
	_Alignas(struct config_node) char arena[ARENA_BYTES];
};

static struct config_node *add_node(struct mapping *m, const char *text, size_t length)
{
	size_t bytes =
		ALIGN_UP(sizeof(struct config_node) + length + 1, _Alignof(struct config_node));
	struct config_node *node = (void *)(m->arena + m->used);

	if (bytes > ARENA_BYTES - m->used)
		return NULL;
	m->used += bytes;
	memset(node, 0, sizeof *node);
	node->kind = CONFIG_SCALAR;
	node->length = (uint32_t)length;
	memcpy(node->text, text, length);
	node->text[length] = '\0';
	return node;
}

/* False: no room. */
static bool add_key(struct mapping *m, const char *key, const char *value)
{
	struct config_node *node = add_node(m, key, strlen(key));

	if (node)
		node->value = add_node(m, value, strlen(value));
	if (!node || !node->value)
		return false;
	*m->end = node;
	m->end = &node->next;
	return true;
}

static const struct config_field *find_flag(const struct config_table *table, const char *word)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->fields[i].type == CONFIG_BOOL && !strcmp(table->fields[i].key, word))
			return &table->fields[i];
	return NULL;
}

static unsigned count_required(const struct config_table *table)
{
	unsigned required = 0;

	for (uint32_t i = 0; i < table->count; i++)
		required += table->fields[i].required;
	return required;
}

/* The field that takes the next word by its position: `at` is where to go on looking. */
static const struct config_field *next_field(const struct config_table *table, uint32_t *at)
{
	while (*at < table->count && table->fields[*at].type == CONFIG_BOOL)
		++*at;
	return *at < table->count ? &table->fields[(*at)++] : NULL;
}

static unsigned split(char *line, char *words[WORDS_MAX])
{
	unsigned count = 0;
	char *rest = NULL;

	for (char *word = strtok_r(line, " ", &rest); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	return count;
}

/* Whether a field takes text that is a number and a unit, and the text is one. */
static bool is_measure(const struct config_field *field, const char *text)
{
	uint32_t seconds;
	uint64_t bytes;

	return (field->type == CONFIG_SIZE && size_parse(text, &bytes)) ||
	       (field->type == CONFIG_DURATION && duration_parse(text, &seconds));
}

/* The value of `field` from words[*i] on: two words where they are one together. */
static const char *take_value(const struct config_field *field, char *const *words,
			      unsigned count, unsigned *i, char joined[SIZE_TEXT_BYTES])
{
	if (*i + 1 < count &&
	    snprintf(joined, SIZE_TEXT_BYTES, "%s %s", words[*i], words[*i + 1]) <
		    SIZE_TEXT_BYTES &&
	    is_measure(field, joined)) {
		++*i;
		return joined;
	}
	return words[*i];
}

/* Words were typed, but not for all that is required. */
static int lack(const struct config_table *table, unsigned given, struct config_report *report)
{
	const struct config_field *field;
	uint32_t at = 0;

	while ((field = next_field(table, &at))) {
		if (!field->required || given) {
			given -= given > 0;
			continue;
		}
		config_report_add(report, (struct config_mark){0}, "%s is missing, such as %s",
				  field->key, field->example);
	}
	return -EINVAL;
}

/* A word that nothing takes. */
static int refuse_word(const struct action *action, const char *word,
		       struct config_report *report)
{
	const struct config_table *table = action->arguments;
	const struct config_field *meant = NULL;
	char shown[CONFIG_SHOWN_MAX];

	for (uint32_t i = 0; i < table->count && !meant; i++)
		if (table->fields[i].type == CONFIG_BOOL &&
		    config_slips(word, table->fields[i].key) != CONFIG_UNLIKE)
			meant = &table->fields[i];
	config_report_add(report, (struct config_mark){0}, "'%s' is more than %s takes%s%s%s",
			  config_shown(shown, word, strlen(word)), action->name,
			  meant ? "; did you mean '" : "", meant ? meant->key : "",
			  meant ? "'?" : "");
	return -EINVAL;
}

/* All of the line is one word, but for a flag at its end. */
static unsigned split_last(const struct config_table *table, char *line, char **words)
{
	size_t length = strlen(line);
	char *last;

	while (length && line[length - 1] == ' ')
		line[--length] = '\0';
	words[0] = line + strspn(line, " ");
	last = strrchr(words[0], ' ');
	if (!last || !find_flag(table, last + 1))
		return *words[0] != '\0';
	words[1] = last + 1;
	*last = '\0';
	return 2;
}

int action_bind_words(const struct action *action, char *line, struct action_args *args,
		      struct config_report *report)
{
	const struct config_table *table = action->arguments;
	struct mapping m = {.root.kind = CONFIG_MAPPING, .end = &m.root.child};
	char *words[WORDS_MAX], joined[SIZE_TEXT_BYTES];
	unsigned count, required = count_required(table), taken = 0;
	uint32_t at = 0;

	config_report_start(report, action->name);
	if (action->whole_line) {
		count = split_last(table, line, words);
	} else {
		count = split(line, words);
	}
	if (count < required)
		return count ? lack(table, count, report) : -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		const struct config_field *flag =
			taken < required ? NULL : find_flag(table, words[i]);
		const struct config_field *field = flag ? NULL : next_field(table, &at);
		const char *key = flag ? words[i] : field ? field->key : "", *value = "true";

		if (!flag && !field)
			return refuse_word(action, words[i], report);
		if (field) {
			value = take_value(field, words, count, &i, joined);
			taken += field->required;
		}
		if (!add_key(&m, key, value)) {
			config_report_add(report, m.root.mark, "too much was typed");
			return -EINVAL;
		}
	}
	return bind(action, &m.root, args, report);
}

const struct action *action_for_words(const struct action *action, const char *line)
{
	const char *word = line + strspn(line, " "), *rest = word + strcspn(word, " ");

	return action->alone && !rest[strspn(rest, " ")] ? action->alone : action;
}

/* "VOLUME", and for a bool the word that sets it. */
static size_t show_field(const struct config_field *field, char *text, size_t room)
{
	size_t used = (size_t)snprintf(text, room, field->required ? "%s" : "[%s]", field->key);

	for (char *c = text; field->type != CONFIG_BOOL && *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c -= 'a' - 'A';
	return used;
}

const char *action_synopsis(const struct action *action, char text[ACTION_SYNOPSIS_BYTES])
{
	const struct config_table *table = action->arguments;
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < table->count && used + 1 < ACTION_SYNOPSIS_BYTES; i++) {
		if (i)
			used += (size_t)snprintf(text + used, ACTION_SYNOPSIS_BYTES - used,
						 " ");
		used += show_field(&table->fields[i], text + used,
				   ACTION_SYNOPSIS_BYTES - used);
	}
	return text;
}
