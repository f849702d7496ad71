/*
 * The tables of what is plugged into guests: disks, network interfaces, and the networks that
 * these are plugged into. All other keys are in schema.c.
 */
#include "guests/config/config.h"
#include "guests/config/schema.h"

#define TIB (1024 * GIB)

_Static_assert(sizeof(enum config_cache) == 4, "choices are stored as 4 bytes");

static const struct config_choice caches[] = {
	{"write-through", CONFIG_CACHE_WRITE_THROUGH},
	{"write-back", CONFIG_CACHE_WRITE_BACK},
	{NULL, 0},
};

static const struct config_field disk_limit_fields[] = {
	{.key = "iops",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_disk_limits, iops),
	 .minimum = 1,
	 .maximum = 10000000,
	 .why = "a disk has its limits from when the guest starts",
	 .doc = "Requests per second."},
	{.key = "iops_burst",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_disk_limits, iops_burst),
	 .mark = offsetof(struct config_disk_limits, iops_burst_mark),
	 .minimum = 1,
	 .maximum = 10000000,
	 .why = "a disk has its limits from when the guest starts",
	 .doc = "Requests that may be made at once after a pause. Without it: a tenth of "
		"`iops`."},
	{.key = "bandwidth",
	 .type = CONFIG_SIZE,
	 .offset = offsetof(struct config_disk_limits, bytes_per_second),
	 .minimum = 4 * KIB,
	 .maximum = 1 * TIB,
	 .multiple = 1,
	 .example = "50 MiB",
	 .why = "a disk has its limits from when the guest starts",
	 .doc = "Bytes per second, read and written together."},
	{.key = "bandwidth_burst",
	 .type = CONFIG_SIZE,
	 .offset = offsetof(struct config_disk_limits, bytes_burst),
	 .mark = offsetof(struct config_disk_limits, bytes_burst_mark),
	 .minimum = 4 * KIB,
	 .maximum = 1 * TIB,
	 .multiple = 1,
	 .example = "100 MiB",
	 .why = "a disk has its limits from when the guest starts",
	 .doc = "Bytes that may be moved at once after a pause. Without it: a tenth of "
		"`bandwidth`."},
};

static const struct config_table disk_limits_table =
	CONFIG_TABLE(disk_limit_fields, struct config_disk_limits, NULL);

static const struct config_field disk_fields[] = {
	{.key = "source",
	 .type = CONFIG_SOURCE,
	 .required = true,
	 .offset = offsetof(struct config_disk, source),
	 .mark = offsetof(struct config_disk, source_mark),
	 .maximum = CONFIG_SOURCE_MAX,
	 .example = "\"lvm:vg0/web\"",
	 .why = "disks are opened when the guest starts",
	 .doc = "What holds its data."},
	{.key = "read_only",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct config_disk, read_only),
	 .initial = "false",
	 .why = "devices are made when the guest starts",
	 .doc = "Whether the guest can only read it. Such a disk may be several guests'."},
	{.key = "physical_volume",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct config_disk, physical_volume),
	 .initial = "false",
	 .why = "devices are made when the guest starts",
	 .doc = "Whether the guest is to have a disk or partition that is a physical volume of "
		"LVM2's. All volumes on it are then the guest's to overwrite."},
	{.key = "cache",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct config_disk, cache),
	 .choices = caches,
	 .initial = "write-through",
	 .why = "devices are made when the guest starts",
	 .doc = "When a write is done: once it is on the medium, or once the disk has it and a "
		"flush follows."},
	{.key = "serial",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct config_disk, serial),
	 .mark = offsetof(struct config_disk, serial_mark),
	 .maximum = CONFIG_SERIAL_MAX,
	 .example = "web0",
	 .why = "devices are made when the guest starts",
	 .doc = "Serial number that the guest sees. Without it: `disk0` by the disk's "
		"position."},
	{.key = "queues",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_disk, queues),
	 .minimum = 1,
	 .maximum = CONFIG_QUEUES_MAX,
	 .why = "devices are made when the guest starts",
	 .doc = "Its request queues. Without it: one for each vCPU, 8 at the most."},
	{.key = "limits",
	 .type = CONFIG_KEYS,
	 .offset = offsetof(struct config_disk, limits),
	 .table = &disk_limits_table,
	 .example = "{iops: 500}",
	 .doc = "What the guest may ask of it. Without one of them there is no such limit."},
};

const struct config_table config_disk_schema =
	CONFIG_TABLE(disk_fields, struct config_disk, NULL);

static const struct config_field nic_limit_fields[] = {
	{.key = "send",
	 .type = CONFIG_SIZE,
	 .offset = offsetof(struct config_nic_limits, send_bytes_per_second),
	 .minimum = 64 * KIB,
	 .maximum = 1 * TIB,
	 .multiple = 1,
	 .example = "10 MiB",
	 .why = "an interface has its limits from when the guest starts",
	 .doc = "Bytes per second that leave the guest."},
	{.key = "receive",
	 .type = CONFIG_SIZE,
	 .offset = offsetof(struct config_nic_limits, receive_bytes_per_second),
	 .minimum = 64 * KIB,
	 .maximum = 1 * TIB,
	 .multiple = 1,
	 .example = "10 MiB",
	 .why = "an interface has its limits from when the guest starts",
	 .doc = "Bytes per second that it receives; what is more is dropped."},
	{.key = "burst",
	 .type = CONFIG_SIZE,
	 .offset = offsetof(struct config_nic_limits, burst_bytes),
	 .mark = offsetof(struct config_nic_limits, burst_mark),
	 .minimum = 64 * KIB,
	 .maximum = 1 * TIB,
	 .multiple = 1,
	 .example = "1 MiB",
	 .why = "an interface has its limits from when the guest starts",
	 .doc = "Bytes that may pass at once after a pause, each way. Without it: what passes "
		"in a tenth of a second."},
};

static const struct config_table nic_limits_table =
	CONFIG_TABLE(nic_limit_fields, struct config_nic_limits, NULL);

static const struct config_field nic_fields[] = {
	{.key = "network",
	 .type = CONFIG_NAME,
	 .required = true,
	 .offset = offsetof(struct config_nic, network),
	 .mark = offsetof(struct config_nic, network_mark),
	 .maximum = CONFIG_GUEST_NAME_MAX,
	 .example = "lan",
	 .why = "interfaces are plugged in when the guest starts",
	 .doc = "The network that it is plugged into, one of `networks`."},
	{.key = "mac",
	 .type = CONFIG_MAC,
	 .offset = offsetof(struct config_nic, mac),
	 .mark = offsetof(struct config_nic, mac_mark),
	 .initial = "auto",
	 .why = "devices are made when the guest starts",
	 .doc = "Its MAC address. `auto` makes one of the names of machine and guest and the "
		"position, the same each time."},
	{.key = "filter",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct config_nic, filter),
	 .initial = "true",
	 .why = "devices are made when the guest starts",
	 .doc = "Whether it can send only as its own MAC address, and only as `addresses` "
		"where there are any."},
	{.key = "addresses",
	 .type = CONFIG_ADDRESSES,
	 .offset = offsetof(struct config_nic, addresses),
	 .counter = offsetof(struct config_nic, address_count),
	 .mark = offsetof(struct config_nic, addresses_mark),
	 .maximum = CONFIG_ADDRESSES_MAX,
	 .example = "[192.0.2.7, \"2001:db8::7\"]",
	 .why = "devices are made when the guest starts",
	 .doc = "IP addresses that it may send from. Without them: any."},
	{.key = "limits",
	 .type = CONFIG_KEYS,
	 .offset = offsetof(struct config_nic, limits),
	 .table = &nic_limits_table,
	 .example = "{send: 10 MiB}",
	 .doc = "What it may move. Without one of them there is no such limit."},
	{.key = "queues",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_nic, queues),
	 .minimum = 1,
	 .maximum = CONFIG_QUEUES_MAX,
	 .why = "devices are made when the guest starts",
	 .doc = "Its pairs of queues. Without it: one for each vCPU, 8 at the most."},
};

const struct config_table config_nic_schema = CONFIG_TABLE(nic_fields, struct config_nic, NULL);

static const struct config_field network_fields[] = {
	{.key = "name",
	 .type = CONFIG_NAME,
	 .required = true,
	 .offset = offsetof(struct config_network, name),
	 .mark = offsetof(struct config_network, name_mark),
	 .maximum = CONFIG_GUEST_NAME_MAX,
	 .example = "lan",
	 .change = CONFIG_CHANGE_ANEW,
	 .why = "a network of another name is another network",
	 .doc = "Name of the network, the only one of that name."},
	{.key = "uplink",
	 .type = CONFIG_UPLINK,
	 .offset = offsetof(struct config_network, uplink),
	 .mark = offsetof(struct config_network, uplink_mark),
	 .maximum = CONFIG_UPLINK_MAX,
	 .example = "nic0",
	 .change = CONFIG_CHANGE_ANEW,
	 .why = "a network is joined to its uplink when it is made",
	 .doc = "The machine's NIC that it reaches the outside through. Without it: guests "
		"among themselves."},
	{.key = "vlan",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_network, vlan),
	 .mark = offsetof(struct config_network, vlan_mark),
	 .minimum = 1,
	 .maximum = 4094,
	 .change = CONFIG_CHANGE_ANEW,
	 .why = "a network is joined to its uplink when it is made",
	 .doc = "VLAN that its frames are tagged with on the uplink. Without it: untagged."},
};

const struct config_table config_network_schema =
	CONFIG_TABLE(network_fields, struct config_network, "network");
