/*
 * Text to values, and the wording of what a value should have been. Integers only.
 * Private to guests/config.
 */
#ifndef GUESTS_CONFIG_VALUE_H
#define GUESTS_CONFIG_VALUE_H

#include "guests/config/config.h"
#include "guests/config/schema.h"

#define CONFIG_PHRASE_MAX 192

/*
 * Stores `text` (`length` bytes, any bytes) as `field` says in `target`, its table's struct.
 * For BOOL to MAC in enum config_type. Returns 0, or -EINVAL with the rest of a sentence in
 * `wrong`: "is '65'; write a number from 1 to 64".
 */
int config_value(const struct config_field *field, const char *text, size_t length,
		 void *target, char wrong[CONFIG_PHRASE_MAX]);

/* One element of a list of CPUs: "3", or "4-7". Returns as config_value. */
int config_cpu_range(const char *text, size_t length, struct cpumask *range,
		     char wrong[CONFIG_PHRASE_MAX]);

/* One element of a list of addresses. Returns as config_value. */
int config_address(const char *text, size_t length, struct config_address *address,
		   char wrong[CONFIG_PHRASE_MAX]);

/* What belongs there: "a number from 1 to 64". Returns `phrase`. */
const char *config_expected(const struct config_field *field, char phrase[CONFIG_PHRASE_MAX]);

#endif
