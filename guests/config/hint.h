/*
 * Help for keys that the schema doesn't have. Private to guests/config.
 */
#ifndef GUESTS_CONFIG_HINT_H
#define GUESTS_CONFIG_HINT_H

#include "guests/config/schema.h"

#define CONFIG_HINT_MAX 192

/*
 * What to say of `typed`, which is no key of `table`: "did you mean 'memory'?", "it belongs
 * inside 'cpus'", or the keys that there are. Returns the field of `table` that was meant, if
 * that is clear.
 */
const struct config_field *config_hint(const struct config_table *table, const char *typed,
				       char hint[CONFIG_HINT_MAX]);

#endif
