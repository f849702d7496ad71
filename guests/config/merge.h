/*
 * Configurations made of others. The public part is in config.h. Private to guests/config and
 * guests/catalogue.
 */
#ifndef GUESTS_CONFIG_MERGE_H
#define GUESTS_CONFIG_MERGE_H

#include "guests/config/config.h"

/* NULL: out of memory. */
struct config *config_copy(const struct config *config);

/* Forgets where in a document it was said. */
void config_clear_marks(struct config *config);

#endif
