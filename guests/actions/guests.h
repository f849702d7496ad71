/* Guests by the names that people give. */
#ifndef GUESTS_ACTIONS_GUESTS_H
#define GUESTS_ACTIONS_GUESTS_H

#include "guests/actions/action.h"

#define GUEST_NAMES_BYTES 2304 /* of 64 guests with the longest names */

/* "The guests are: alpha beta." Returns `text`. Thread context. */
const char *guests_named(char text[GUEST_NAMES_BYTES]);

#endif
