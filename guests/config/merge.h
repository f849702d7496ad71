/*
 * Configurations made of others. The public part is in config.h. Private to guests/config and
 * guests/catalogue.
 */
#ifndef GUESTS_CONFIG_MERGE_H
#define GUESTS_CONFIG_MERGE_H

#include "guests/config/config.h"

/* NULL: out of memory. With room for so many guests, which are no fewer than it has. */
struct config *config_copy(const struct config *config);
struct config *config_copy_with_room(const struct config *config, uint32_t guests);

/* In place: put in that of its name or behind the last, for which there is room; and take out,
 * if it is there. */
void config_put_guest(struct config *config, const struct guest_config *guest);
void config_drop_guest(struct config *config, const char *name);
void config_put_network(struct config *config, const struct config_network *network);
void config_drop_network(struct config *config, const char *name);

/* Forgets where in a document it was said. */
void config_clear_marks(struct config *config);

#endif
