/* Configurations made of others: one guest more, another or fewer. Checks nothing. */
#include "guests/config/merge.h"
#include "guests/config/schema.h"
#include <stdlib.h>
#include <string.h>

struct config *config_copy_with_room(const struct config *config, uint32_t guests)
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
	return config_copy_with_room(config, config->guest_count);
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

void config_put_guest(struct config *config, const struct guest_config *guest)
{
	uint32_t i = position(config, guest->name);

	if (i == config->guest_count)
		config->guest_count++;
	config->guests[i] = *guest;
}

void config_drop_guest(struct config *config, const char *name)
{
	uint32_t i = position(config, name);

	if (i == config->guest_count)
		return;
	config->guest_count--;
	memmove(&config->guests[i], &config->guests[i + 1],
		(size_t)(config->guest_count - i) * sizeof(config->guests[0]));
}

void config_put_network(struct config *config, const struct config_network *network)
{
	const struct config_network *old = config_find_network(config, network->name);

	if (old)
		config->networks[old - config->networks] = *network;
	else if (config->network_count < CONFIG_NETWORKS_MAX)
		config->networks[config->network_count++] = *network;
}

void config_drop_network(struct config *config, const char *name)
{
	const struct config_network *old = config_find_network(config, name);
	size_t i = old ? (size_t)(old - config->networks) : 0;

	if (!old)
		return;
	config->network_count--;
	memmove(&config->networks[i], &config->networks[i + 1],
		(config->network_count - i) * sizeof(config->networks[0]));
}

struct config *config_with_guest(const struct config *config, const struct guest_config *guest)
{
	struct config *made = config_copy_with_room(config, config->guest_count + 1);

	if (!made)
		return NULL;
	config_clear_marks(made);
	config_put_guest(made, guest);
	return made;
}

struct config *config_without_guest(const struct config *config, const char *name)
{
	struct config *made = config_copy(config);

	if (!made)
		return NULL;
	config_clear_marks(made);
	config_drop_guest(made, name);
	return made;
}
