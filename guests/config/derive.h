/*
 * Values that follow from others. Private to guests/config.
 */
#ifndef GUESTS_CONFIG_DERIVE_H
#define GUESTS_CONFIG_DERIVE_H

#include "guests/config/config.h"

/* Fills in what a document that is otherwise good leaves out. */
void config_derive(struct config *config);

#endif
