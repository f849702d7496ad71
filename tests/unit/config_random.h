/*
 * Configurations by chance, as the tables allow: every key there is, or comes to be, is tried.
 * What config_parse takes; with random_fit() also what config_check does on a machine of
 * RANDOM_CPUS.
 */
#ifndef TESTS_UNIT_CONFIG_RANDOM_H
#define TESTS_UNIT_CONFIG_RANDOM_H

#include "guests/config/bind.h"
#include "guests/config/derive.h"
#include "guests/config/schema.h"
#include "kernel/lib/types.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANDOM_CPUS   16
#define RANDOM_GUESTS 6

static uint64_t random_state = 1;

/* Below `limit`. xorshift64* (Vigna, "An experimental exploration", 2016). */
static inline uint64_t chance(uint64_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 2685821657736338717ull >> 16) % limit;
}

static inline void random_table(const struct config_table *table, char *target);

static inline void random_word(char *place, uint64_t maximum, const char *letters)
{
	size_t length = 1 + chance(maximum - 1 < 8 ? maximum - 1 : 8);

	for (size_t i = 0; i < length; i++)
		place[i] = letters[chance(strlen(letters))];
	place[length] = '\0';
}

static inline void random_text(char *place, uint64_t maximum)
{
	size_t length = chance(8) ? chance(24) : chance(maximum);

	for (size_t i = 0; i < length && i < maximum - 1; i++)
		place[i] = (char)(' ' + chance('~' - ' ' + 1));
}

static inline uint32_t random_count(const struct config_field *field)
{
	return (uint32_t)chance(chance(6) ? MIN(field->maximum, (uint64_t)3) + 1
					  : field->maximum + 1);
}

static inline void random_addresses(struct config_address *place, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		place[i].v6 = chance(2);
		for (unsigned j = 0; j < (place[i].v6 ? 16 : 4); j++)
			place[i].bytes[j] = chance(2) ? (uint8_t)chance(256) : 0;
		place[i].bytes[0] = (uint8_t)(1 + chance(200)); /* of one machine */
		place[i].bytes[3] = (uint8_t)(1 + i);		/* each another */
	}
}

static inline void random_value(const struct config_field *field, char *target)
{
	static const char *const words[] = {"true", "null", "no", "y", "on"};
	void *place = target + field->offset;
	uint32_t number, *count = (void *)(target + field->counter);
	uint64_t bytes, unit;

	switch (field->type) {
	case CONFIG_BOOL: *(bool *)place = chance(2); break;
	case CONFIG_NUMBER:
	case CONFIG_DURATION:
		number =
			(uint32_t)(field->minimum +
				   chance(chance(2) ? field->maximum - field->minimum + 1 : 3));
		memcpy(place, &number, sizeof(number));
		break;
	case CONFIG_SIZE:
		unit = field->multiple > KIB ? field->multiple : KIB;
		bytes = field->minimum + unit * chance(chance(2) ? 1000 : 4);
		memcpy(place, &bytes, sizeof(bytes));
		break;
	case CONFIG_CHOICE:
		for (number = 0; field->choices[number].word;)
			number++;
		memcpy(place, &field->choices[chance(number)].value, 4);
		break;
	case CONFIG_NAME:
		if (chance(8))
			random_word(place, field->maximum, "abcxyz");
		else
			strcpy(place, words[chance(ARRAY_SIZE(words))]);
		break;
	case CONFIG_DOCUMENT: break; /* of actions */
	case CONFIG_TEXT: random_text(place, field->maximum); break;
	case CONFIG_FILE:
		strcpy(place, "esp:/");
		random_word((char *)place + 5, 9, "ab \"'#:{}[],&*!|>%@`");
		break;
	case CONFIG_SOURCE:
		strcpy(place, "lvm:v/");
		random_word((char *)place + 6, 9, "ab:# ");
		break;
	case CONFIG_UPLINK:
		snprintf(place, field->maximum, "nic%u", (unsigned)chance(4));
		break;
	case CONFIG_MAC:
		((struct config_mac *)place)->given = chance(2);
		((struct config_mac *)place)->bytes[5] =
			((struct config_mac *)place)->given ? (uint8_t)(1 + chance(255)) : 0;
		break;
	case CONFIG_CPU_SET:
		memset(place, 0, sizeof(struct cpumask));
		for (unsigned i = 0; i < 1 + chance(8); i++)
			cpumask_set(place, (unsigned)chance(RANDOM_CPUS));
		break;
	case CONFIG_CPU_LIST:
		*count = (uint32_t)chance(RANDOM_CPUS);
		for (uint32_t i = 0, first = (uint32_t)chance(RANDOM_CPUS); i < *count; i++)
			((uint16_t *)place)[i] = (uint16_t)((first + 5 * i) % RANDOM_CPUS);
		break;
	case CONFIG_ADDRESSES:
		*count = random_count(field);
		random_addresses(place, *count);
		break;
	case CONFIG_KEYS: random_table(field->table, place); break;
	case CONFIG_STRUCTS:
		*count = random_count(field);
		for (uint32_t i = 0; i < *count; i++)
			random_table(field->table, (char *)place + i * field->table->bytes);
		break;
	}
}

/* Initial values, and some of them others. */
static inline void random_table(const struct config_table *table, char *target)
{
	static struct config_report ignored;
	const struct config_node empty = {.kind = CONFIG_MAPPING};

	memset(target, 0, table->bytes);
	config_report_start(&ignored, "");
	config_bind(table, &empty, target, NULL, &ignored);
	for (uint32_t i = 0; i < table->count; i++) {
		const struct config_field *field = &table->fields[i];

		if (field->table == &config_guest_schema)
			continue;
		if (field->required || chance(2))
			random_value(field, target);
	}
}

/* The caller frees it. */
static inline struct config *random_config(void)
{
	struct config *config =
		calloc(1, sizeof(*config) + RANDOM_GUESTS * sizeof(config->guests[0]));

	random_table(&config_schema, (char *)config);
	config->guest_count = (uint32_t)chance(RANDOM_GUESTS + 1);
	for (uint32_t i = 0; i < config->guest_count; i++)
		random_table(&config_guest_schema, (char *)&config->guests[i]);
	config_derive(config);
	return config;
}

#endif
