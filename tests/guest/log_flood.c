/*
 * A guest that floods its console with whatever bytes there are, control characters and escape
 * sequences too: lines of a screenful, and some that never end. It must get all of it out, in
 * bounded time, and other guests' lines must stay whole.
 */
#include "tests/guest/lib/test.h"

#define COM1	 0x3f8
#define COM2	 0x2f8
#define LSR	 5
#define LSR_THRE 0x20
#define BYTES	 6000

static unsigned send(uint16_t port, unsigned bytes, bool lines)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < bytes; i++) {
		unsigned patience = 1000000;

		while (!(in8(port + LSR) & LSR_THRE) && --patience)
			pause();
		sent += patience != 0;
		out8(port, lines && i % 97 == 96 ? '\n' : random32());
	}
	return sent;
}

/* Without looking whether there is room: what does not fit is lost, nothing else happens. */
static void blast(uint16_t port, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out8(port, random32());
}

void test(void)
{
	unsigned sent;

	print("flood begins\n");
	sent = send(COM1, BYTES, true) + send(COM1, BYTES, false);
	print("\n");
	check(sent == 2 * BYTES, "room for every byte", "for %u of %u", sent, 2 * BYTES);
	blast(COM1, BYTES);
	blast(COM2, BYTES);
	print("\n\n");
	for (unsigned i = 0; i < 300; i++)
		print("line %u of garbage: \x1b[2J\x1b[31m\a\b\r\t\v\x9b 2J\n", i);
	reached("flood ends");
}
