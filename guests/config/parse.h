/*
 * The first stage as the second needs it: with what could be read where not all could. Private
 * to guests/config.
 */
#ifndef GUESTS_CONFIG_PARSE_H
#define GUESTS_CONFIG_PARSE_H

#include "guests/config/config.h"
#include "guests/config/sound.h"

/*
 * config_parse() without its end: after 0 there is a *config, and whether all of it counts is
 * told by `report` and `sound`. Both are to be closed and freed in every case.
 */
int config_parse_parts(const char *bytes, size_t length, const char *file,
		       struct config **config, struct config_sound *sound,
		       struct config_report *report);

/* The end of config_parse() and its like: what has faults is freed. Returns the error. */
int config_parse_end(int error, struct config **config, const struct config_report *report);

/* The same of config_parse_guest(). `sound` was opened for *guest, or is NULL. */
int config_parse_guest_parts(const char *bytes, size_t length, const char *file,
			     const struct host_config *host, struct guest_config *guest,
			     struct config_sound *sound, struct config_report *report);

#endif
