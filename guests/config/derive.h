/*
 * Values that follow from others. Private to guests/config.
 */
#ifndef GUESTS_CONFIG_DERIVE_H
#define GUESTS_CONFIG_DERIVE_H

#include "guests/config/config.h"

/* Fills in what a document that is otherwise good leaves out, of all guests or one. */
void config_derive(struct config *config);
void config_derive_guest(const struct host_config *host, struct guest_config *guest);

/* Takes out again what config_derive_guest would fill in: only for writing it. */
void config_underive_guest(struct guest_config *guest);

#endif
