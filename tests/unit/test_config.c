/*
 * What each key of a good configuration becomes, and that docs/configuration.md names what
 * there is. Forms and limits of documents are test_config_limits.c's, broken ones
 * test_config_broken.c's.
 */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c guests/config/sound.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/parse.c */
/* links: guests/config/hint.c guests/config/report.c guests/config/schema.c */
/* links: guests/config/schema_devices.c guests/config/tree.c guests/config/value.c */
/* links: kernel/lib/duration.c */
/* links: kernel/lib/size.c tools/check-config/keys.c */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/config_parse.h"
#include "tools/check-config/keys.h"

static const char every_key[] =
	"host:\n"
	"  name: node-1\n"
	"  console: {serial: com2, baud: 57600}\n"
	"  housekeeping: [1, 3]\n"
	"networks:\n"
	"  - {name: lan, uplink: 'mac:52:54:00:AB:cd:ef', vlan: 10}\n"
	"  - {name: private}\n"
	"guests:\n"
	"  - name: alpha\n"
	"    cpus: {count: 2, pin: [2, 0]}\n"
	"    memory: 512 MiB\n"
	"    boot: {kernel: 'esp:/samples/vmlinuz', initrd: 'esp:/samples/initrd.gz',\n"
	"           cmdline: 'console=ttyS0 a=\"b: c\"', protocol: linux}\n"
	"    autostart: false\n"
	"    on_crash: restart\n"
	"    on_reboot: stop\n"
	"    on_poweroff: restart\n"
	"    restart_limit: {count: 7, seconds: 90}\n"
	"    watchdog: false\n"
	"    debug_exit: true\n"
	"    console: virtio\n"
	"    disks:\n"
	"      - {source: 'lvm:vg0/web', read_only: true, cache: write-back, serial: web0,\n"
	"         queues: 4, limits: {iops: 500, iops_burst: 1000, bandwidth: 50 MiB,\n"
	"                             bandwidth_burst: 100 MiB}}\n"
	"      - {source: 'ram:64 MiB'}\n"
	"    nics:\n"
	"      - {network: lan, mac: '52:54:00:12:34:56', filter: true,\n"
	"         addresses: [192.0.2.7, '2001:db8::7'], queues: 2,\n"
	"         limits: {send: 10 MiB, receive: 20 MiB, burst: 1 MiB}}\n"
	"      - {network: private, mac: auto, filter: false}\n"
	"  - name: beta\n"
	"    cpus: {count: 3, allowed: [1, 3], weight: 250, cap: 40}\n"
	"    memory: 1 GiB\n"
	"    boot:\n"
	"      kernel: \"esp:/samples/test.elf\"\n"
	"      protocol: multiboot\n"
	"      modules:\n"
	"        - {file: \"esp:/samples/test.elf\", cmdline: first one}\n"
	"        - {file: \"esp:/samples/initrd.gz\"}\n";

static void host_keys_arrive(void **state)
{
	struct config *config = parse(every_key);
	const struct host_config *host = &config->host;

	(void)state;
	assert_string_equal(host->name, "node-1");
	assert_int_equal(host->console.serial, CONFIG_SERIAL_COM2);
	assert_int_equal(host->console.baud, 57600);
	assert_int_equal(host->housekeeping.bits[0], 0xa);
	assert_int_equal(host->housekeeping_mark.line, 4);
	assert_int_equal(host->housekeeping_mark.column, 17);
	config_free(config);
}

static void pinned_guest_arrives(void **state)
{
	struct config *config = parse(every_key);
	const struct guest_config *alpha = &config->guests[0];

	(void)state;
	assert_int_equal(config->guest_count, 2);
	assert_string_equal(alpha->name, "alpha");
	assert_int_equal(alpha->name_mark.line, 9);
	assert_int_equal(alpha->name_mark.column, 11);
	assert_int_equal(alpha->cpus.count, 2);
	assert_int_equal(alpha->cpus.pin_count, 2);
	assert_int_equal(alpha->cpus.pin[0], 2);
	assert_int_equal(alpha->cpus.pin[1], 0);
	assert_true(config_cpus_empty(&alpha->cpus.allowed));
	assert_int_equal(alpha->memory_bytes, 512 * MIB);
	assert_string_equal(alpha->boot.kernel, "esp:/samples/vmlinuz");
	assert_string_equal(config_esp_path(alpha->boot.initrd), "samples/initrd.gz");
	assert_string_equal(alpha->boot.cmdline, "console=ttyS0 a=\"b: c\"");
	assert_int_equal(alpha->boot.protocol, CONFIG_PROTOCOL_LINUX);
	assert_false(alpha->autostart);
	assert_int_equal(alpha->on_crash, CONFIG_POLICY_RESTART);
	assert_int_equal(alpha->on_reboot, CONFIG_POLICY_STOP);
	assert_int_equal(alpha->on_poweroff, CONFIG_POLICY_RESTART);
	assert_int_equal(alpha->restart_limit.count, 7);
	assert_int_equal(alpha->restart_limit.seconds, 90);
	assert_false(alpha->watchdog);
	assert_true(alpha->debug_exit);
	assert_int_equal(alpha->console, CONFIG_CONSOLE_VIRTIO);
	assert_int_equal(config->guests[1].console, CONFIG_CONSOLE_SERIAL);
	config_free(config);
}

static void networks_arrive(void **state)
{
	struct config *config = parse(every_key);
	const struct config_network *lan = &config->networks[0];

	(void)state;
	assert_int_equal(config->network_count, 2);
	assert_string_equal(lan->name, "lan");
	assert_string_equal(lan->uplink, "mac:52:54:00:AB:cd:ef");
	assert_int_equal(lan->vlan, 10);
	assert_int_equal(lan->uplink_mark.line, 6);
	assert_string_equal(config->networks[1].name, "private");
	assert_string_equal(config->networks[1].uplink, "");
	assert_int_equal(config->networks[1].vlan, 0);
	config_free(config);
}

static void disks_arrive(void **state)
{
	struct config *config = parse(every_key);
	const struct config_disk *web = &config->guests[0].disks[0];
	const struct config_disk *ram = &config->guests[0].disks[1];

	(void)state;
	assert_int_equal(config->guests[0].disk_count, 2);
	assert_string_equal(web->source, "lvm:vg0/web");
	assert_int_equal(web->source_mark.line, 23);
	assert_true(web->read_only);
	assert_int_equal(web->cache, CONFIG_CACHE_WRITE_BACK);
	assert_string_equal(web->serial, "web0");
	assert_int_equal(web->queues, 4);
	assert_int_equal(web->limits.iops, 500);
	assert_int_equal(web->limits.iops_burst, 1000);
	assert_int_equal(web->limits.bytes_per_second, 50 * MIB);
	assert_int_equal(web->limits.bytes_burst, 100 * MIB);
	assert_string_equal(ram->source, "ram:64 MiB");
	assert_false(ram->read_only);
	assert_int_equal(ram->cache, CONFIG_CACHE_WRITE_THROUGH);
	assert_string_equal(ram->serial, "disk1");
	assert_int_equal(ram->queues, 2);
	assert_int_equal(ram->limits.iops, 0);
	assert_int_equal(ram->limits.bytes_per_second, 0);
	assert_int_equal(config->guests[1].disk_count, 0);
	config_free(config);
}

static void nics_arrive(void **state)
{
	static const uint8_t mac[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
	static const uint8_t v4[] = {192, 0, 2, 7}, v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
	struct config *config = parse(every_key);
	const struct config_nic *lan = &config->guests[0].nics[0];
	const struct config_nic *private = &config->guests[0].nics[1];

	(void)state;
	assert_int_equal(config->guests[0].nic_count, 2);
	assert_string_equal(lan->network, "lan");
	assert_true(lan->mac.given);
	assert_memory_equal(lan->mac.bytes, mac, 6);
	assert_true(lan->filter);
	assert_int_equal(lan->address_count, 2);
	assert_false(lan->addresses[0].v6);
	assert_memory_equal(lan->addresses[0].bytes, v4, 4);
	assert_true(lan->addresses[1].v6);
	assert_memory_equal(lan->addresses[1].bytes, v6, 16);
	assert_int_equal(lan->limits.send_bytes_per_second, 10 * MIB);
	assert_int_equal(lan->limits.receive_bytes_per_second, 20 * MIB);
	assert_int_equal(lan->limits.burst_bytes, MIB);
	assert_int_equal(lan->queues, 2);
	assert_false(private->mac.given);
	assert_false(private->filter);
	assert_int_equal(private->queues, 2);
	config_free(config);
}

/* One interface; the caller frees it. */
static struct config *parse_nic(const char *host, const char *guest)
{
	static char text[256];

	snprintf(text, sizeof(text),
		 "host: {name: %s}\nnetworks: [{name: lan}]\nguests:\n- name: %s\n"
		 "  memory: 64 MiB\n  cpus: {count: 20}\n  boot: {kernel: 'esp:/k'}\n"
		 "  nics: [{network: lan}, {network: lan}]\n",
		 host, guest);
	return parse(text);
}

static void made_mac_addresses_stay_and_differ(void **state)
{
	struct config *one = parse_nic("ab", "c"), *again = parse_nic("ab", "c");
	struct config *other = parse_nic("a", "bc");
	const struct config_nic *nic = one->guests[0].nics;

	(void)state;
	assert_memory_equal(nic[0].mac.bytes, again->guests[0].nics[0].mac.bytes, 6);
	assert_memory_not_equal(nic[0].mac.bytes, nic[1].mac.bytes, 6);
	assert_memory_not_equal(nic[0].mac.bytes, other->guests[0].nics[0].mac.bytes, 6);
	assert_int_equal(nic[0].mac.bytes[0] & 3, 2); /* local, of one station */
	assert_int_equal(nic[1].mac.bytes[0] & 3, 2);
	assert_true(nic[0].filter);
	assert_int_equal(nic[0].queues, CONFIG_QUEUES_MAX);
	assert_int_equal(config_check(one, &(struct config_machine){0}, &report), 0);
	config_free(one);
	config_free(again);
	config_free(other);
}

static void shared_guest_arrives(void **state)
{
	struct config *config = parse(every_key);
	const struct guest_config *beta = &config->guests[1];

	(void)state;
	assert_int_equal(beta->cpus.count, 3);
	assert_int_equal(beta->cpus.pin_count, 0);
	assert_int_equal(beta->cpus.allowed.bits[0], 0xa);
	assert_int_equal(beta->cpus.weight, 250);
	assert_int_equal(beta->cpus.cap_percent, 40);
	assert_int_equal(beta->memory_bytes, GIB);
	assert_int_equal(beta->boot.protocol, CONFIG_PROTOCOL_MULTIBOOT);
	assert_int_equal(beta->boot.module_count, 2);
	assert_string_equal(beta->boot.modules[0].file, "esp:/samples/test.elf");
	assert_string_equal(beta->boot.modules[0].cmdline, "first one");
	assert_string_equal(beta->boot.modules[1].file, "esp:/samples/initrd.gz");
	assert_string_equal(beta->boot.modules[1].cmdline, "");
	assert_int_equal(beta->boot.modules[1].file_mark.line, 40);
	config_free(config);
}

static void every_key_passes_the_check(void **state)
{
	struct config *config = parse(every_key);

	(void)state;
	assert_int_equal(config_check(config, &test_machine, &report), 0);
	assert_int_equal(report.count, 0);
	config_free(config);
}

static void absent_keys_have_their_defaults(void **state)
{
	struct config *config = parse("guests:\n- name: a\n  memory: 64 MiB\n"
				      "  boot: {kernel: 'esp:/k'}\n");
	const struct guest_config *guest = &config->guests[0];

	(void)state;
	assert_string_equal(config->host.name, "bulkhead");
	assert_int_equal(config->host.console.serial, CONFIG_SERIAL_COM1);
	assert_int_equal(config->host.console.baud, 115200);
	assert_int_equal(config->host.housekeeping.bits[0], 1);
	assert_int_equal(guest->cpus.count, 1);
	assert_int_equal(guest->cpus.count_mark.line, 0);
	assert_int_equal(guest->cpus.pin_count, 0);
	assert_int_equal(guest->cpus.weight, 100);
	assert_int_equal(guest->cpus.cap_percent, 0);
	assert_string_equal(guest->boot.initrd, "");
	assert_null(config_esp_path(guest->boot.initrd));
	assert_int_equal(guest->boot.protocol, CONFIG_PROTOCOL_AUTO);
	assert_int_equal(guest->boot.module_count, 0);
	assert_true(guest->autostart);
	assert_int_equal(guest->on_crash, CONFIG_POLICY_STOP);
	assert_int_equal(guest->on_reboot, CONFIG_POLICY_RESTART);
	assert_int_equal(guest->on_poweroff, CONFIG_POLICY_STOP);
	assert_int_equal(guest->restart_limit.count, 5);
	assert_int_equal(guest->restart_limit.seconds, 60);
	assert_true(guest->watchdog);
	assert_false(guest->debug_exit);
	config_free(config);
}

static void pin_alone_gives_the_count(void **state)
{
	struct config *config = parse("guests:\n- name: a\n  memory: 64 MiB\n"
				      "  cpus: {pin: [3, 5-7]}\n"
				      "  boot: {kernel: 'esp:/k'}\n");

	(void)state;
	assert_int_equal(config->guests[0].cpus.count, 4);
	assert_int_equal(config->guests[0].cpus.pin[1], 5);
	assert_int_equal(config->guests[0].cpus.pin[3], 7);
	config_free(config);
}

static void shared_guests_get_what_nobody_pins(void **state)
{
	struct config *config = parse(every_key);
	struct cpumask present = {{0xff}}, beta;

	(void)state;
	assert_int_equal(config_pinned(config).bits[0], 0x5);
	beta = config_shared(config, &config->guests[1], &present);
	assert_int_equal(beta.bits[0], 0xa);
	config->guests[1].cpus.allowed = (struct cpumask){0};
	beta = config_shared(config, &config->guests[1], &present);
	assert_int_equal(beta.bits[0], 0xfa);
	config_free(config);
}

/* The table of keys in the documentation is the one that check-config --keys prints. */
static void documentation_has_every_key(void **state)
{
	static char documentation[65536];
	FILE *file = fopen("docs/configuration.md", "r");
	char *keys = NULL;
	size_t length;

	(void)state;
	assert_non_null(file);
	documentation[fread(documentation, 1, sizeof(documentation) - 1, file)] = '\0';
	fclose(file);
	file = open_memstream(&keys, &length);
	assert_non_null(file);
	print_keys(file);
	fclose(file);
	assert_non_null(strstr(keys, "`guests[].boot.modules[].file`"));
	if (!strstr(documentation, keys))
		fail_msg("put this into docs/configuration.md:\n%s", keys);
	free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_keys_arrive),
		cmocka_unit_test(pinned_guest_arrives),
		cmocka_unit_test(networks_arrive),
		cmocka_unit_test(disks_arrive),
		cmocka_unit_test(nics_arrive),
		cmocka_unit_test(made_mac_addresses_stay_and_differ),
		cmocka_unit_test(shared_guest_arrives),
		cmocka_unit_test(every_key_passes_the_check),
		cmocka_unit_test(absent_keys_have_their_defaults),
		cmocka_unit_test(pin_alone_gives_the_count),
		cmocka_unit_test(shared_guests_get_what_nobody_pins),
		cmocka_unit_test(documentation_has_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
