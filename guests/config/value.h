/*
 * Text to values, and the wording of what a value should have been. Integers only.
 * Private to guests/config.
 */
#ifndef GUESTS_CONFIG_VALUE_H
#define GUESTS_CONFIG_VALUE_H

#include "guests/config/config.h"
#include "guests/config/schema.h"

#define CONFIG_PHRASE_MAX 192
#define CONFIG_VALUE_TEXT 32

/*
 * Stores `text` (`length` bytes, any bytes) as `field` says in `target`, its table's struct.
 * For BOOL to MAC in enum config_type. Returns 0, or -EINVAL with the rest of a sentence in
 * `wrong`: "is '65'; write a number from 1 to 64".
 */
int config_value(const struct config_field *field, const char *text, size_t length,
		 void *target, char wrong[CONFIG_PHRASE_MAX]);

/* The other way round: what config_value would read the same from, for the same types. A choice
 * that is none and a size of 0, which no key can say, are "". Returns it: in `room`, or for a
 * char[] in place. */
const char *config_value_text(const struct config_field *field, const void *target,
			      char room[CONFIG_VALUE_TEXT]);

/* One element of a list of CPUs: "3", or "4-7". Returns as config_value. */
int config_cpu_range(const char *text, size_t length, struct cpumask *range,
		     char wrong[CONFIG_PHRASE_MAX]);

/* One element of a list of addresses. Returns as config_value. */
int config_address(const char *text, size_t length, struct config_address *address,
		   char wrong[CONFIG_PHRASE_MAX]);

/* What belongs there: "a number from 1 to 64". Returns `phrase`. */
const char *config_expected(const struct config_field *field, char phrase[CONFIG_PHRASE_MAX]);

#endif
