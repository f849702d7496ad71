/* Configurations made of others: one guest more, another or fewer. Checks nothing. */
#include "guests/config/merge.h"
#include "guests/config/schema.h"
#include <stdlib.h>
#include <string.h>

static struct config *copy_with_room(const struct config *config, uint32_t guests)
{
	uint32_t kept = MIN(config->guest_count, guests);
	struct config *made =
		calloc(1, sizeof(*made) + (size_t)guests * sizeof(made->guests[0]));

	if (!made)
		return NULL;
	memcpy(made, config, sizeof(*made) + (size_t)kept * sizeof(made->guests[0]));
	made->guest_count = kept;
	return made;
}

struct config *config_copy(const struct config *config)
{
	return copy_with_room(config, config->guest_count);
}

static void clear_table(const struct config_table *table, char *target)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct config_field *field = &table->fields[i];
		uint32_t count = 1;

		if (field->mark)
			memset(target + field->mark, 0, sizeof(struct config_mark));
		if (!field->table)
			continue;
		if (field->type == CONFIG_STRUCTS)
			memcpy(&count, target + field->counter, sizeof(count));
		for (uint32_t j = 0; j < count; j++)
			clear_table(field->table,
				    target + field->offset + (size_t)j * field->table->bytes);
	}
}

void config_clear_marks(struct config *config)
{
	clear_table(&config_schema, (char *)config);
}

static uint32_t position(const struct config *config, const char *name)
{
	uint32_t i = 0;

	while (i < config->guest_count && strcmp(config->guests[i].name, name) != 0)
		i++;
	return i;
}

const struct guest_config *config_find_guest(const struct config *config, const char *name)
{
	uint32_t i = position(config, name);

	return i < config->guest_count ? &config->guests[i] : NULL;
}

const struct config_network *config_find_network(const struct config *config, const char *name)
{
	for (uint32_t i = 0; i < config->network_count; i++)
		if (strcmp(config->networks[i].name, name) == 0)
			return &config->networks[i];
	return NULL;
}

struct config *config_with_guest(const struct config *config, const struct guest_config *guest)
{
	struct config *made = copy_with_room(config, config->guest_count + 1);
	uint32_t i;

	if (!made)
		return NULL;
	config_clear_marks(made);
	i = position(made, guest->name);
	if (i == made->guest_count)
		made->guest_count++;
	made->guests[i] = *guest;
	return made;
}

struct config *config_without_guest(const struct config *config, const char *name)
{
	struct config *made = config_copy(config);
	uint32_t i;

	if (!made)
		return NULL;
	config_clear_marks(made);
	i = position(made, name);
	made->guest_count--;
	memmove(&made->guests[i], &made->guests[i + 1],
		(size_t)(made->guest_count - i) * sizeof(made->guests[0]));
	return made;
}
