/*
 * Addresses as text: every form of RFC 4291, 2.2, and what only looks like one.
 */
/* links: guests/config/address.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guests/config/address.h"
#include "kernel/lib/types.h"
#include <string.h>

static bool parse(const char *text, struct config_address *address)
{
	return config_parse_address(text, strlen(text), address);
}

static void good_addresses(void **state)
{
	static const struct {
		const char *text;
		bool v6;
		uint8_t bytes[16];
	} cases[] = {
		{"192.0.2.7", false, {192, 0, 2, 7}},
		{"255.255.255.255", false, {255, 255, 255, 255}},
		{"0.0.0.0", false, {0}},
		{"::", true, {0}},
		{"::1", true, {[15] = 1}},
		{"1::", true, {[1] = 1}},
		{"2001:db8::8:800:200C:417a",
		 true,
		 {0x20, 0x01, 0x0d, 0xb8, [8] = 0, 8, 8, 0, 0x20, 0x0c, 0x41, 0x7a}},
		{"ABCD:EF01:2345:6789:ABCD:EF01:2345:6789",
		 true,
		 {0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23,
		  0x45, 0x67, 0x89}},
		{"1:2:3:4:5:6:7::", true, {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7}},
		{"::2:3:4:5:6:7:8",
		 true,
		 {[3] = 2, [5] = 3, [7] = 4, [9] = 5, [11] = 6, [13] = 7, [15] = 8}},
		{"::13.1.68.3", true, {[12] = 13, 1, 68, 3}},
		{"::ffff:129.144.52.38", true, {[10] = 0xff, 0xff, 129, 144, 52, 38}},
		{"0:0:0:0:0:FFFF:129.144.52.38", true, {[10] = 0xff, 0xff, 129, 144, 52, 38}},
	};
	struct config_address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(parse(cases[i].text, &address));
		assert_int_equal(address.v6, cases[i].v6);
		assert_memory_equal(address.bytes, cases[i].bytes, 16);
	}
}

static void bad_addresses(void **state)
{
	static const char *const cases[] = {
		"",
		"1",
		"1.2.3",
		"1.2.3.4.5",
		"1.2.3.256",
		"1.2.3.04",
		"1.2.3.",
		".1.2.3",
		"1..2.3",
		"1.2.3.4 ",
		"1.2.3.0x4",
		"1.2.3.4444",
		"192.0.2.0/24",
		":",
		":::",
		":1",
		"1:",
		"1:::2",
		"1::2::3",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7:8::",
		"::1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:1.2.3.4",
		"1.2.3.4::",
		"::1.2.3.4:5",
		"::1.2.3",
		"12345::",
		"::g",
		"fe80::1%eth0",
		"2001:db8::/32",
		"[::1]",
	};
	struct config_address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (parse(cases[i], &address))
			fail_msg("'%s' was taken for an address", cases[i]);
}

static void addresses_of_one_machine(void **state)
{
	static const struct {
		const char *text;
		bool unicast;
	} cases[] = {
		{"192.0.2.7", true},  {"223.255.255.255", true},
		{"240.0.0.1", true},  {"0.0.0.0", false},
		{"224.0.0.1", false}, {"239.255.255.255", false},
		{"fe80::1", true},    {"255.255.255.255", false},
		{"::", false},	      {"ff02::1", false},
		{"::1", true},
	};
	struct config_address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(parse(cases[i].text, &address));
		assert_int_equal(config_is_unicast(&address), cases[i].unicast);
	}
}

static void mac_addresses(void **state)
{
	static const uint8_t expected[] = {0x52, 0x54, 0x00, 0xab, 0xCD, 0x0f};
	static const char *const bad[] = {
		"52:54:00:ab:cd",     "52:54:00:ab:cd:0",  "525400abcd0f",
		"52:54:00:ab:cd:0f:", "52:54:00:ab-cd:0f", "52:54:00:ag:cd:0f",
		"5254:00:ab:cd:0f0"};
	char text[CONFIG_MAC_TEXT];
	uint8_t mac[6];

	(void)state;
	assert_true(config_parse_mac("52:54:00:ab:CD:0f", 17, mac));
	assert_memory_equal(mac, expected, 6);
	assert_string_equal(config_mac_text(mac, text), "52:54:00:ab:cd:0f");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(config_parse_mac(bad[i], strlen(bad[i]), mac));
}

static void uplinks_and_sources(void **state)
{
	static const char *const uplinks[] = {"nic0", "nic12", "mac:52:54:00:12:34:56",
					      "pci:00:1f.7", "pci:ff:00.0"};
	static const char *const no_uplinks[] = {
		"",	 "nic",		"nic00",       "nic007",
		"eth0",	 "pci:0:1.0",	"pci:00:20.0", "mac:",
		"nic-1", "pci:00:1f.8", "pci:00:1f.77"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uplinks); i++)
		assert_true(config_is_uplink(uplinks[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no_uplinks); i++)
		assert_false(config_is_uplink(no_uplinks[i]));
	assert_true(config_is_source("ram:64 MiB"));
	assert_false(config_is_source("ram:"));
	assert_false(config_is_source(":x"));
	assert_false(config_is_source("LVM:vg0/web"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_addresses),	    cmocka_unit_test(bad_addresses),
		cmocka_unit_test(addresses_of_one_machine), cmocka_unit_test(mac_addresses),
		cmocka_unit_test(uplinks_and_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
