/* The keys of the terminal. */
#include "guests/console/keys.h"

#define CTRL_BRACKET 0x1d

static struct key command(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return (struct key){KEY_SOURCE, byte - '0'};
	switch (byte) {
	case CTRL_BRACKET: return (struct key){KEY_TYPE, byte};
	case 'n': return (struct key){KEY_NEXT, 0};
	case 'p': return (struct key){KEY_PREVIOUS, 0};
	case 'h': return (struct key){KEY_SOURCE, 0};
	case 'o': return (struct key){KEY_SOLO, 0};
	case 'l': return (struct key){KEY_LOG, 0};
	case 'q': return (struct key){KEY_ASK_POWER_OFF, 0};
	case '?': return (struct key){KEY_HELP, 0};
	default: return (struct key){KEY_WRONG, byte};
	}
}

/* After q. */
static struct key confirmation(uint8_t byte)
{
	switch (byte) {
	case 'q':
	case 'y': return (struct key){KEY_POWER_OFF, 0};
	case 'w': return (struct key){KEY_WAIT_LONGER, 0};
	case 'c': return (struct key){KEY_STAY_ON, 0};
	default: return (struct key){KEY_NOT_POWER_OFF, 0};
	}
}

struct key keys_take(struct keys *keys, uint8_t byte)
{
	struct key key;

	switch (keys->state) {
	case KEYS_COMMAND:
		key = command(byte);
		keys->state = key.action == KEY_ASK_POWER_OFF ? KEYS_CONFIRM : KEYS_TYPING;
		return key;
	case KEYS_CONFIRM: keys->state = KEYS_TYPING; return confirmation(byte);
	default:
		if (byte != CTRL_BRACKET)
			return (struct key){KEY_TYPE, byte};
		keys->state = KEYS_COMMAND;
		return (struct key){KEY_NONE, 0};
	}
}
