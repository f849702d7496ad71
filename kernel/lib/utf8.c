/* The table of well-formed UTF-8 (RFC 3629, section 4). */
#include "kernel/lib/utf8.h"

size_t utf8_bytes(const void *text, size_t left)
{
	static const struct {
		uint8_t lead_first, lead_last, second_first, second_last, bytes;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	const uint8_t *in = text;

	if (left && in[0] < 0x80)
		return 1;
	for (unsigned i = 0; left && i < ARRAY_SIZE(forms); i++) {
		if (in[0] < forms[i].lead_first || in[0] > forms[i].lead_last)
			continue;
		if (left < forms[i].bytes || in[1] < forms[i].second_first ||
		    in[1] > forms[i].second_last)
			return 0;
		for (unsigned at = 2; at < forms[i].bytes; at++)
			if (in[at] >> 6 != 2)
				return 0;
		return forms[i].bytes;
	}
	return 0;
}
