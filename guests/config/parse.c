/* The first stage: a document to a struct. The work is done by tree.c, bind.c, value.c and
 * derive.c; read.c has both stages. */
#include "guests/config/parse.h"
#include "guests/config/bind.h"
#include "guests/config/derive.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements of guests in the document, as far as they have room. */
static size_t count_guests(const struct config_node *root)
{
	const struct config_node *guests = config_find(root, "guests");
	size_t count = 0;

	if (!guests || guests->kind != CONFIG_LIST)
		return 0;
	for (const struct config_node *each = guests->child; each; each = each->next)
		count++;
	return count < CONFIG_GUESTS_MAX ? count : CONFIG_GUESTS_MAX;
}

static bool is_mapping(const struct config_node *root, const char *wrong,
		       struct config_report *report)
{
	if (root->kind == CONFIG_MAPPING)
		return true;
	if (!root->refused)
		config_report_add(report, root->mark, "%s", wrong);
	return false;
}

/* Guests without one, for messages. */
static void name_nameless(struct config *config)
{
	for (uint32_t i = 0; i < config->guest_count; i++)
		if (!config->guests[i].name[0])
			snprintf(config->guests[i].name, CONFIG_GUEST_NAME_MAX, "#%u",
				 (unsigned)i + 1);
}

/* What can be read of the document, even where there are faults; and which parts of it. */
static int bind_document(const struct config_node *root, struct config **config,
			 struct config_sound *sound, struct config_report *report)
{
	size_t bytes = sizeof(**config) + count_guests(root) * sizeof(struct guest_config);
	int error;

	if (!is_mapping(root, "the document is not a mapping; begin with 'host:' and 'guests:'",
			report))
		return -EINVAL;
	*config = calloc(1, bytes);
	error = *config ? config_sound_open(sound, *config, bytes) : -ENOMEM;
	if (error)
		return error;
	config_bind(&config_schema, root, *config, sound, report);
	config_derive(*config);
	name_nameless(*config);
	return 0;
}

int config_parse_parts(const char *bytes, size_t length, const char *file,
		       struct config **config, struct config_sound *sound,
		       struct config_report *report)
{
	struct config_tree tree;
	int error;

	*config = NULL;
	*sound = (struct config_sound){0};
	config_report_start(report, file);
	error = config_tree_read(&tree, bytes, length, report);
	if (!error)
		error = bind_document(tree.root, config, sound, report);
	config_tree_free(&tree);
	return error;
}

int config_parse_end(int error, struct config **config, const struct config_report *report)
{
	if (!error && report->wrong)
		error = -EINVAL;
	if (error) {
		config_free(*config);
		*config = NULL;
	}
	return error;
}

int config_parse(const char *bytes, size_t length, const char *file, struct config **config,
		 struct config_report *report)
{
	struct config_sound sound;
	int error = config_parse_parts(bytes, length, file, config, &sound, report);

	config_sound_close(&sound);
	return config_parse_end(error, config, report);
}

int config_parse_guest_parts(const char *bytes, size_t length, const char *file,
			     const struct host_config *host, struct guest_config *guest,
			     struct config_sound *sound, struct config_report *report)
{
	struct config_tree tree;
	int error;

	memset(guest, 0, sizeof(*guest));
	config_report_start(report, file);
	error = config_tree_read(&tree, bytes, length, report);
	if (!error &&
	    !is_mapping(tree.root, "a guest's document is not a mapping; begin with 'name:'",
			report))
		error = -EINVAL;
	if (!error) {
		config_bind(&config_guest_schema, tree.root, guest, sound, report);
		config_derive_guest(host, guest);
	}
	config_tree_free(&tree);
	return error;
}

int config_parse_guest(const char *bytes, size_t length, const char *file,
		       const struct host_config *host, struct guest_config *guest,
		       struct config_report *report)
{
	int error = config_parse_guest_parts(bytes, length, file, host, guest, NULL, report);

	return error || !report->count ? error : -EINVAL;
}
