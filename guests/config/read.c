/* Both stages at once: a document is parsed, and what could be read of it is checked. */
#include "guests/config/bind.h"
#include "guests/config/check.h"
#include "guests/config/merge.h"
#include "guests/config/parse.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int config_is_whole(const char *bytes, size_t length, bool *whole)
{
	struct config_report *report = malloc(sizeof(*report));
	struct config_tree tree = {0};
	int error = -ENOMEM;

	*whole = true;
	if (report) {
		config_report_start(report, "");
		error = config_tree_read(&tree, bytes, length, report);
	}
	if (!error) {
		*whole = false;
		for (uint32_t i = 0; i < config_schema.count; i++)
			*whole |= config_find(tree.root, config_schema.fields[i].key) != NULL;
	}
	config_tree_free(&tree);
	free(report);
	return error == -ENOMEM ? error : 0;
}

int config_read(const char *bytes, size_t length, const char *file,
		const struct config_machine *machine, struct config **config,
		struct config_report *report)
{
	struct config_sound sound;
	int error = config_parse_parts(bytes, length, file, config, &sound, report);

	if (!error)
		config_check_sound(*config, machine, &sound, report);
	config_sound_close(&sound);
	return config_parse_end(error, config, report);
}

/* A guest's notes for where it is in the whole configuration. */
static int move_notes(const struct config_sound *of_guest, const struct config *config,
		      const struct guest_config *place, struct config_sound *sound)
{
	const char *end = (const char *)&config->guests[config->guest_count];
	int error = config_sound_open(sound, config, (size_t)(end - (const char *)config));

	if (!error)
		memcpy(sound->unsound + ((const char *)place - (const char *)config),
		       of_guest->unsound, sizeof(*place));
	return error;
}

/* The guest in its place among the others, and what is wrong with it there. One whose name
 * can't be read comes last, and no other is replaced by it. */
static int check_among(const struct config *now, const struct guest_config *guest,
		       const struct config_sound *of_guest,
		       const struct config_machine *machine, struct config **next,
		       struct config_report *report)
{
	struct config_sound sound = {0};
	const struct guest_config *place;
	int error;

	*next = config_with_guest(now, guest);
	if (!*next)
		return -ENOMEM;
	place = config_find_guest(*next, guest->name);
	error = move_notes(of_guest, *next, place, &sound);
	if (!error)
		config_check_sound(*next, machine, &sound, report);
	config_sound_close(&sound);
	return error;
}

int config_read_guest(const char *bytes, size_t length, const char *file,
		      const struct config *now, const struct config_machine *machine,
		      struct guest_config *guest, struct config **next,
		      struct config_report *report)
{
	struct config_sound sound;
	int error = config_sound_open(&sound, guest, sizeof(*guest));

	*next = NULL;
	if (!error)
		error = config_parse_guest_parts(bytes, length, file, &now->host, guest, &sound,
						 report);
	if (!error)
		error = check_among(now, guest, &sound, machine, next, report);
	config_sound_close(&sound);
	return config_parse_end(error, next, report);
}
