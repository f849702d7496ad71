/* The notes of what could not be read: one byte for each of a struct. */
#include "guests/config/sound.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int config_sound_open(struct config_sound *sound, const void *base, size_t bytes)
{
	*sound = (struct config_sound){base, bytes, calloc(1, bytes)};
	return sound->unsound ? 0 : -ENOMEM;
}

void config_sound_close(struct config_sound *sound)
{
	free(sound->unsound);
	sound->unsound = NULL;
}

/* The notes of a part, and how many there are; a list is named with all that it could hold. */
static uint8_t *notes(const struct config_sound *sound, const void *part, size_t *bytes)
{
	size_t at = (size_t)((const char *)part - sound->base);

	if ((const char *)part < sound->base || at >= sound->bytes)
		*bytes = 0;
	else if (*bytes > sound->bytes - at)
		*bytes = sound->bytes - at;
	return sound->unsound + (*bytes ? at : 0);
}

void config_sound_spoil(struct config_sound *sound, const void *part, size_t bytes)
{
	uint8_t *noted = sound ? notes(sound, part, &bytes) : NULL;

	if (noted)
		memset(noted, 1, bytes);
}

bool config_sound_is(const struct config_sound *sound, const void *part, size_t bytes)
{
	const uint8_t *noted = sound ? notes(sound, part, &bytes) : NULL;

	return !noted || !memchr(noted, 1, bytes);
}
