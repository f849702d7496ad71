/*
 * A document as a tree of nodes with their places, before anything is known of keys.
 * The only part that sees libyaml. Private to guests/config and guests/actions.
 */
#ifndef GUESTS_CONFIG_TREE_H
#define GUESTS_CONFIG_TREE_H

#include "guests/config/report.h"

#define CONFIG_BYTES_MAX (256 * 1024)
#define CONFIG_NODES_MAX 32768
#define CONFIG_DEPTH_MAX 16 /* lists and mappings inside each other */

enum config_kind { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAPPING };

struct config_node {
	struct config_node *next;  /* sibling */
	struct config_node *child; /* first element of a list, first key of a mapping */
	struct config_node *value; /* of a key, which is always a scalar */
	struct config_node *older; /* every node of the tree, for config_tree_free */
	struct config_mark mark;
	uint32_t begin, end; /* in characters, from the stream's first, a byte-order mark not
				counted; of the last value in it where it has no bracket */
	enum config_kind kind;
	bool flow;	 /* in brackets */
	bool refused;	 /* an alias, or what has a tag or an anchor: the report says so */
	bool quoted;	 /* scalar in quotes, or a block of text: never a number or a boolean */
	uint32_t length; /* of text, in bytes; it may hold any byte */
	char text[];	 /* NUL-terminated */
};

struct config_tree {
	struct config_node *root;
	struct config_node *newest;
	uint32_t count;
};

/* Bytes of a byte-order mark at the head of a stream, which is no content (YAML 1.2, 5.2). */
size_t config_tree_skip(const char *bytes, size_t length);

/*
 * Reads `bytes`, which hold one YAML 1.1 document. Anchors, aliases and tags are refused in
 * `report`, as is what follows the document; the rest of it is read nevertheless, so 0 does not
 * say that nothing is wrong. -EINVAL: nothing can be read, with one message more in `report`;
 * -ENOMEM. `tree` is to be given to config_tree_free in every case.
 */
int config_tree_read(struct config_tree *tree, const char *bytes, size_t length,
		     struct config_report *report);

/* The same, for bytes that are not a configuration but have one in quotes, each byte of which
 * may be written as six ("\u0001"). */
#define CONFIG_QUOTED_MAX (6 * CONFIG_BYTES_MAX + 4096)
int config_tree_read_quoted(struct config_tree *tree, const char *bytes, size_t length,
			    struct config_report *report);

void config_tree_free(struct config_tree *tree);

#endif
