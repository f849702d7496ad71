/*
 * Addresses of the network, as people write them, and names of devices that hold such.
 * Messages about them are value.c's.
 */
#include "guests/config/address.h"
#include <stdio.h>
#include <string.h>

#define NO_GAP 17 /* beyond any place in an IPv6 address */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Hexadecimal digits at the start of text: how many, `most` at most. */
static size_t take_hex(const char *text, size_t length, size_t most, unsigned *number)
{
	size_t used = 0;

	*number = 0;
	while (used < length && used < most && hex_digit(text[used]) >= 0)
		*number = *number * 16 + (unsigned)hex_digit(text[used++]);
	return used;
}

bool config_parse_mac(const char *text, size_t length, uint8_t mac[6])
{
	unsigned byte;

	if (length != CONFIG_MAC_TEXT - 1)
		return false;
	for (size_t i = 0; i < 6; i++) {
		if (take_hex(text + 3 * i, 2, 2, &byte) != 2 ||
		    (i < 5 && text[3 * i + 2] != ':'))
			return false;
		mac[i] = (uint8_t)byte;
	}
	return true;
}

const char *config_mac_text(const uint8_t mac[6], char text[CONFIG_MAC_TEXT])
{
	snprintf(text, CONFIG_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return text;
}

/* Decimal, without leading zeros, which some readers take for octal. */
static bool parse_v4(const char *text, size_t length, uint8_t bytes[4])
{
	size_t at = 0;

	for (unsigned i = 0; i < 4; i++) {
		unsigned number = 0;
		size_t start;

		if (i && (at == length || text[at++] != '.'))
			return false;
		start = at;
		while (at < length && at - start < 3 && text[at] >= '0' && text[at] <= '9')
			number = number * 10 + (unsigned)(text[at++] - '0');
		if (at == start || number > 255 || (at - start > 1 && text[start] == '0'))
			return false;
		bytes[i] = (uint8_t)number;
	}
	return at == length;
}

/* One part of an IPv6 address, up to the next ':' or the end: a group, or, as the last part,
 * an IPv4 address. The number of bytes that it is; 0: it is neither. */
static size_t parse_part(const char *text, size_t part, bool last, uint8_t *bytes, size_t room)
{
	unsigned group;

	if (last && room >= 4 && parse_v4(text, part, bytes))
		return 4;
	if (room < 2 || part == 0 || take_hex(text, part, 4, &group) != part)
		return 0;
	bytes[0] = (uint8_t)(group >> 8);
	bytes[1] = (uint8_t)group;
	return 2;
}

static bool parse_v6(const char *text, size_t length, uint8_t bytes[16])
{
	size_t at = 0, used = 0, gap = NO_GAP;

	if (length >= 2 && text[0] == ':' && text[1] == ':') {
		gap = 0;
		at = 2;
	}
	while (at < length) {
		const char *colon = memchr(text + at, ':', length - at);
		size_t part = colon ? (size_t)(colon - text) - at : length - at;
		size_t made = parse_part(text + at, part, !colon, bytes + used, 16 - used);

		if (!made)
			return false;
		used += made;
		at += part;
		if (!colon)
			break;
		if (++at == length)
			return false; /* a single ':' at the end */
		if (text[at] == ':') {
			if (gap != NO_GAP)
				return false;
			gap = used;
			at++;
		}
	}
	if (gap == NO_GAP)
		return used == 16;
	if (used > 14)
		return false; /* "::" is one group or more */
	memmove(bytes + 16 - (used - gap), bytes + gap, used - gap);
	memset(bytes + gap, 0, 16 - used);
	return true;
}

bool config_parse_address(const char *text, size_t length, struct config_address *address)
{
	*address = (struct config_address){.v6 = memchr(text, ':', length) != NULL};
	return address->v6 ? parse_v6(text, length, address->bytes)
			   : parse_v4(text, length, address->bytes);
}

static unsigned group_of(const uint8_t bytes[16], unsigned index)
{
	return (unsigned)bytes[2 * index] << 8 | bytes[2 * index + 1];
}

/* The first of the longest runs of two zero groups and more, which "::" stands for (RFC 5952,
 * 4.2): how long it is. */
static unsigned find_gap(const uint8_t bytes[16], unsigned *start)
{
	unsigned longest = 1;

	for (unsigned i = 0; i < 8; i++) {
		unsigned end = i;

		while (end < 8 && group_of(bytes, end) == 0)
			end++;
		if (end - i > longest) {
			longest = end - i;
			*start = i;
		}
	}
	return longest > 1 ? longest : 0;
}

const char *config_address_text(const struct config_address *address,
				char text[CONFIG_ADDRESS_TEXT])
{
	const uint8_t *bytes = address->bytes;
	unsigned start = 8, gap = address->v6 ? find_gap(bytes, &start) : 0;
	size_t used = 0;

	if (!address->v6) {
		snprintf(text, CONFIG_ADDRESS_TEXT, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2],
			 bytes[3]);
		return text;
	}
	text[0] = '\0';
	for (unsigned i = 0; i < 8; i++) {
		if (gap && i == start) {
			used += (size_t)snprintf(text + used, CONFIG_ADDRESS_TEXT - used, "::");
			i += gap - 1;
			continue;
		}
		used += (size_t)snprintf(text + used, CONFIG_ADDRESS_TEXT - used, "%s%x",
					 i && i != start + gap ? ":" : "", group_of(bytes, i));
	}
	return text;
}

bool config_same_address(const struct config_address *a, const struct config_address *b)
{
	return a->v6 == b->v6 && memcmp(a->bytes, b->bytes, a->v6 ? 16 : 4) == 0;
}

bool config_is_unicast(const struct config_address *address)
{
	static const uint8_t any[16], broadcast[4] = {255, 255, 255, 255};
	const uint8_t *bytes = address->bytes;

	if (memcmp(bytes, any, address->v6 ? 16 : 4) == 0)
		return false;
	if (address->v6)
		return bytes[0] != 0xff; /* RFC 4291, 2.7 */
	return (bytes[0] & 0xf0) != 0xe0 && memcmp(bytes, broadcast, 4) != 0; /* RFC 5771 */
}

/* "00:1f.2": bus, device and function, all hexadecimal. */
static bool is_pci_place(const char *text)
{
	unsigned bus, device, function;

	return strlen(text) == 7 && take_hex(text, 2, 2, &bus) == 2 && text[2] == ':' &&
	       take_hex(text + 3, 2, 2, &device) == 2 && device < 32 && text[5] == '.' &&
	       take_hex(text + 6, 1, 1, &function) == 1 && function < 8;
}

bool config_is_uplink(const char *text)
{
	uint8_t mac[6];

	if (strncmp(text, "mac:", 4) == 0)
		return config_parse_mac(text + 4, strlen(text + 4), mac);
	if (strncmp(text, "pci:", 4) == 0)
		return is_pci_place(text + 4);
	if (strncmp(text, "nic", 3) != 0)
		return false;
	text += 3;
	return strlen(text) >= 1 && strlen(text) <= 2 &&
	       strspn(text, "0123456789") == strlen(text) && (text[0] != '0' || !text[1]);
}

bool config_is_source(const char *text)
{
	size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz");

	return word > 0 && text[word] == ':' && text[word + 1] != '\0';
}
