/* One pass over a text for all writers: runs that need nothing go out as they are. */
#include "guests/views/escape.h"

#include "kernel/lib/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void escape_write(struct sink *to, const char *text, size_t bytes,
		  const char *(*escape)(char c, char buf[8]))
{
	size_t begin = 0, at = 0;
	char buf[8];

	while (at < bytes) {
		size_t n = utf8_bytes(text + at, bytes - at);
		const char *instead = n == 1 ? escape(text[at], buf) : n ? NULL : REPLACEMENT;

		if (instead) {
			sink_write(to, text + begin, at - begin);
			sink_text(to, instead);
			begin = at + MAX(n, 1u);
		}
		at += MAX(n, 1u);
	}
	sink_write(to, text + begin, at - begin);
}
