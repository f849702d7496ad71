/*
 * The keys of the terminal: which bytes are typed to whoever has the keyboard, and which, after
 * Ctrl-], are commands to the terminal itself. Pure; mux.c does what they say.
 */
#ifndef GUESTS_CONSOLE_KEYS_H
#define GUESTS_CONSOLE_KEYS_H

#include "kernel/lib/types.h"

#define KEYS_HELP                                                                         \
	"Ctrl-] then: n/p next/previous guest, 1-9 that guest, h host, o only this one, " \
	"l log, q quit, ? help"

enum key_action {
	KEY_NONE,     /* nothing yet */
	KEY_TYPE,     /* `value` is typed */
	KEY_NEXT,     /* the next guest has the keyboard */
	KEY_PREVIOUS, /* the one before */
	KEY_SOURCE,   /* number `value` has it: a guest from 1 on, or the host's console, 0 */
	KEY_SOLO,     /* only the guest with the keyboard is shown, or all again */
	KEY_LOG,      /* show the end of the log */
	KEY_ASK_POWER_OFF, /* q: ask whether it is meant; the next key decides: */
	KEY_POWER_OFF,	   /* q or y */
	KEY_WAIT_LONGER,   /* w */
	KEY_STAY_ON,	   /* c: also when it is going down already */
	KEY_NOT_POWER_OFF, /* any other: things stay as they are */
	KEY_HELP,
	KEY_WRONG, /* `value` is no command */
};

struct key {
	enum key_action action;
	uint8_t value;
};

struct keys { /* zeroed is a fresh one */
	enum { KEYS_TYPING, KEYS_COMMAND, KEYS_CONFIRM } state;
};

struct key keys_take(struct keys *keys, uint8_t byte);

#endif
