/* config_parse(): a document to a struct config. The work is done by tree.c, bind.c, value.c
 * and derive.c; check.c has the second stage. */
#include "guests/config/bind.h"
#include "guests/config/config.h"
#include "guests/config/derive.h"
#include <errno.h>
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

static int bind_document(const struct config_node *root, struct config **config,
			 struct config_report *report)
{
	size_t bytes = sizeof(**config) + count_guests(root) * sizeof(struct guest_config);
	struct config *made;

	if (root->kind != CONFIG_MAPPING) {
		config_report_add(report, root->mark,
				  "the document is not a mapping; begin with 'host:' and "
				  "'guests:'");
		return -EINVAL;
	}
	made = calloc(1, bytes);
	if (!made)
		return -ENOMEM;
	config_bind(&config_schema, root, made, report);
	if (report->count) {
		config_free(made);
		return -EINVAL;
	}
	config_derive(made);
	*config = made;
	return 0;
}

int config_parse(const char *bytes, size_t length, const char *file, struct config **config,
		 struct config_report *report)
{
	struct config_tree tree;
	int error;

	*config = NULL;
	config_report_start(report, file);
	error = config_tree_read(&tree, bytes, length, report);
	if (!error)
		error = bind_document(tree.root, config, report);
	config_tree_free(&tree);
	return error;
}

static int bind_guest(const struct config_node *root, const struct host_config *host,
		      struct guest_config *guest, struct config_report *report)
{
	if (root->kind != CONFIG_MAPPING) {
		config_report_add(report, root->mark,
				  "a guest's document is not a mapping; begin with 'name:'");
		return -EINVAL;
	}
	config_bind(&config_guest_schema, root, guest, report);
	if (report->count)
		return -EINVAL;
	config_derive_guest(host, guest);
	return 0;
}

int config_parse_guest(const char *bytes, size_t length, const char *file,
		       const struct host_config *host, struct guest_config *guest,
		       struct config_report *report)
{
	struct config_tree tree;
	int error;

	memset(guest, 0, sizeof(*guest));
	config_report_start(report, file);
	error = config_tree_read(&tree, bytes, length, report);
	if (!error)
		error = bind_guest(tree.root, host, guest, report);
	config_tree_free(&tree);
	return error;
}
