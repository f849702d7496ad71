/*
 * Structs back to documents, by the tables that read them. What is written is the same, byte
 * for byte, whenever the structs are; what has its default value is left out. Private to
 * guests/config and guests/catalogue; the public calls are in config.h.
 */
#ifndef GUESTS_CONFIG_WRITE_H
#define GUESTS_CONFIG_WRITE_H

#include "guests/config/config.h"
#include "guests/config/schema.h"
#include "guests/config/text.h"

/*
 * Adds the keys of `target`, a struct of `table`, without those that are as if absent: a
 * block's later lines begin with `indent` spaces, its first and last line are the caller's. All
 * of them absent: "{}". Values that follow from others (derive.h) have to be taken out before.
 */
void config_write_mapping(struct config_text *text, const struct config_table *table,
			  const void *target, enum config_format format, unsigned indent);

/* Adds the value of one field, on one line. */
void config_write_value(struct config_text *text, const struct config_field *field,
			const void *target, enum config_format format);

/* Whether the field has the value that it has when its key is absent. */
bool config_is_absent(const struct config_field *field, const void *target);

#endif
