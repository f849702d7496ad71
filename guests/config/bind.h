/*
 * A tree of nodes into structs, as the tables of schema.h say. Private to guests/config and
 * guests/actions.
 */
#ifndef GUESTS_CONFIG_BIND_H
#define GUESTS_CONFIG_BIND_H

#include "guests/config/schema.h"
#include "guests/config/sound.h"
#include "guests/config/tree.h"

/*
 * Fills `target`, a zeroed struct of `table`, from `node`. What is wrong goes to `report`, and
 * is noted in `sound`, or nowhere if that is NULL: the other parts of `target` are of use. Does
 * not allocate.
 */
void config_bind(const struct config_table *table, const struct config_node *node, void *target,
		 struct config_sound *sound, struct config_report *report);

/* The value of `key` in `node`, or NULL: when it is absent, or `node` is no mapping. */
const struct config_node *config_find(const struct config_node *node, const char *key);

#endif
