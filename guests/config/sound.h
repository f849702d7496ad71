/*
 * Which parts of a struct a document has filled: what could not be read is unsound, and says
 * nothing about the parts beside it. So all faults of a document are found at once, and none
 * twice. Private to guests/config.
 */
#ifndef GUESTS_CONFIG_SOUND_H
#define GUESTS_CONFIG_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of `bytes` bytes from `base` on: the bytes of `unsound` that are not 0 stand for those that
 * could not be read. */
struct config_sound {
	const char *base;
	size_t bytes;
	uint8_t *unsound;
};

/* Everything is sound. 0 or -ENOMEM. */
int config_sound_open(struct config_sound *sound, const void *base, size_t bytes);

/* One that was opened or is all zero. */
void config_sound_close(struct config_sound *sound);

/* The part is unsound from now on, as far as it lies in the struct. NULL notes nothing. */
void config_sound_spoil(struct config_sound *sound, const void *part, size_t bytes);

/* Whether all of the part could be read; NULL: yes, as anything that lies elsewhere. */
bool config_sound_is(const struct config_sound *sound, const void *part, size_t bytes);

#endif
