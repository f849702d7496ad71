/*
 * What differs between two structs of one table. Places in documents do not count. Private to
 * guests/config and guests/catalogue.
 */
#ifndef GUESTS_CONFIG_DIFF_H
#define GUESTS_CONFIG_DIFF_H

#include "guests/config/config.h"
#include "guests/config/schema.h"

#define CONFIG_PATH_MAX 64
#define CONFIG_TOLD_MAX 96 /* a value as a sentence shows it; longer ones are cut */

struct config_difference {
	char path[CONFIG_PATH_MAX];			 /* "disks[1].limits.iops" */
	char from[CONFIG_TOLD_MAX], to[CONFIG_TOLD_MAX]; /* "": none */
	enum config_change change;			 /* what it needs */
	const char *why;				 /* that is not LIVE; else NULL */
};

/* Calls `visit`, if not NULL, with each value that differs, and with each element that one of
 * the two does not have. Whether anything differs. */
bool config_diff(const struct config_table *table, const void *from, const void *to,
		 void (*visit)(void *arg, const struct config_difference *difference),
		 void *arg);

#endif
