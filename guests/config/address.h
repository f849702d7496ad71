/*
 * Text to MAC and IP addresses, and the forms of sources and uplinks. Private to guests/config.
 */
#ifndef GUESTS_CONFIG_ADDRESS_H
#define GUESTS_CONFIG_ADDRESS_H

#include "guests/config/config.h"

#define CONFIG_MAC_TEXT	    18
#define CONFIG_ADDRESS_TEXT 40

/* Six pairs of hexadecimal digits with ':' between them. */
bool config_parse_mac(const char *text, size_t length, uint8_t mac[6]);

/* "52:54:00:12:34:56". Returns `text`. */
const char *config_mac_text(const uint8_t mac[6], char text[CONFIG_MAC_TEXT]);

/* IPv4 as four decimal numbers, IPv6 in any form of RFC 4291, 2.2; no prefix and no zone. */
bool config_parse_address(const char *text, size_t length, struct config_address *address);

/* The one form of an address that RFC 5952, 4 recommends. Returns `text`. */
const char *config_address_text(const struct config_address *address,
				char text[CONFIG_ADDRESS_TEXT]);

bool config_same_address(const struct config_address *a, const struct config_address *b);

/* Whether it is the address of one machine: not of a group, not "any", not broadcast. */
bool config_is_unicast(const struct config_address *address);

/* "nic0", "mac:52:54:00:12:34:56", "pci:00:04.0". */
bool config_is_uplink(const char *text);

/* A word, ':', and something behind it: what it means is for kernel/io/storage.h. */
bool config_is_source(const char *text);

#endif
