/*
 * Who has each part of the machine, in words: memory, functions of its buses, pieces of disks,
 * NICs. What is told of is the test's. What the configuration says is test_config_explain's.
 */
/* links: guests/actions/explain_machine.c guests/actions/action.c */
/* links: kernel/io/functions.c kernel/lib/size.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/actions/explain.h"
#include "guests/guest/guest.h"
#include "kernel/io/functions.h"
#include "kernel/io/network.h"
#include "kernel/io/storage.h"
#include "kernel/mem/hostmap.h"

static struct action_result result;
static struct action_call call = {.result = &result};

static void demand(const char *topic, const char *expected)
{
	action_result_start(&result);
	assert_true(explain_topic(&call, topic));
	assert_string_equal(result.text, expected);
}

/* ---- memory -------------------------------------------------------------------------------
 */

static struct handoff_range ranges[] = {
	{.base = MIB, .bytes = 15 * MIB, .type = HANDOFF_MEM_USABLE},
	{.base = 16 * MIB, .bytes = 4 * MIB, .type = HANDOFF_MEM_KERNEL},
	{.base = 20 * MIB, .bytes = MIB, .type = HANDOFF_MEM_FILE},
	{.base = 3 * GIB, .bytes = 64 * KIB, .type = HANDOFF_MEM_ACPI_NVS},
	{.base = 4 * GIB - 4 * MIB, .bytes = 4 * MIB, .type = 77},
};
static struct handoff_file files[40];
static struct handoff handoff;

const struct handoff *mem_handoff(void)
{
	handoff.ranges = directmap_phys(ranges);
	handoff.range_count = ARRAY_SIZE(ranges);
	handoff.files = directmap_phys(files);
	return &handoff;
}

bool frames_range_at(unsigned index, uint64_t *base, uint64_t *bytes)
{
	*base = MIB;
	*bytes = 15 * MIB;
	return index == 0;
}

bool guest_frames_range_at(unsigned index, uint64_t *base, uint64_t *bytes)
{
	*base = index ? 4 * GIB : 32 * MIB;
	*bytes = index ? GIB : 992 * MIB;
	return index < 2;
}

struct guest {
	const char *name;
	unsigned count;
};
static struct guest guests[] = {{"web", 2}, {"off", 0}, {"scattered", 11}};

struct guest *guest_next(struct guest *after)
{
	struct guest *next = after ? after + 1 : guests;

	return next < guests + ARRAY_SIZE(guests) ? next : NULL;
}

const char *guest_name(const struct guest *guest)
{
	return guest->name;
}

unsigned guest_memory(struct guest *guest, struct guest_range *at, unsigned max)
{
	for (unsigned i = 0; i < guest->count && i < max; i++)
		at[i] = (struct guest_range){4 * GIB + i * 4 * MIB, 2 * MIB};
	return guest->count;
}

static void each_range_of_memory_has_a_name(void **state)
{
	(void)state;
	guests[2].count = 0;
	strcpy(files[0].path, "samples/vmlinuz");
	files[0].base = 20 * MIB;
	files[0].bytes = MIB - 1;
	handoff.file_count = 2; /* the second is empty */
	demand("memory", "0x100000-0xffffff, 15 MiB: the hypervisor's pool\n"
			 "0x2000000-0x3fffffff, 992 MiB: the guests' pool\n"
			 "0x100000000-0x13fffffff, 1 GiB: the guests' pool\n"
			 "0x100000000-0x1001fffff, 2 MiB: guest 'web', of the guests' pool\n"
			 "0x100400000-0x1005fffff, 2 MiB: guest 'web', of the guests' pool\n"
			 "0x1400000-0x14ffffe, 1023 KiB: boot's file samples/vmlinuz\n"
			 "0x1000000-0x13fffff, 4 MiB: the hypervisor's image\n"
			 "0xc0000000-0xc000ffff, 64 KiB: firmware's, for ACPI");
}

static void much_is_told_in_part(void **state)
{
	(void)state;
	guests[2].count = 11;
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
		files[i] = (struct handoff_file){.path = "f", .base = GIB, .bytes = 1};
	handoff.file_count = 16;
	action_result_start(&result);
	assert_true(explain_topic(&call, "memory"));
	assert_non_null(
		strstr(result.text, "guest 'scattered', of the guests' pool, and 3 more\n"));
	assert_null(strstr(result.text, "boot's file f, and"));
	handoff.file_count = 17;
	action_result_start(&result);
	assert_true(explain_topic(&call, "memory"));
	assert_non_null(strstr(result.text, "boot's file f, and 1 more\n"));
}

/* ---- disks and NICs -----------------------------------------------------------------------
 */

static struct blkdev disks[] = {
	{.name = "nvme0", .location = "pci:00:03.0/n1", .bytes = 64 * GIB},
	{.name = "sata0", .location = "pci:00:1f.2/port1", .bytes = GIB, .gone = true},
};
static struct netdev nics[] = {
	{.name = "e1000e0", .location = "pci:00:04.0", .link_up = true},
	{.name = "virtio0", .location = "pci:00:04.1"},
};
static unsigned nic_count;

struct blkdev *blkdev_at(unsigned index)
{
	return index < ARRAY_SIZE(disks) ? &disks[index] : NULL;
}

struct netdev *netdev_at(unsigned index)
{
	return index < nic_count ? &nics[index] : NULL;
}

static const struct storage_run runs[] = {
	{"nvme0", MIB, 30 * GIB, false, false, "web", "lvm:vg0/web"},
	{"nvme0", 31 * GIB, GIB, true, false, "reader", "part:data"},
	{"nvme0", 33 * GIB + 512, GIB, false, true, "next", "part:next"},
};

static unsigned run_count = ARRAY_SIZE(runs), looks;

bool storage_run_at(unsigned index, struct storage_run *run)
{
	looks++;
	if (index >= run_count)
		return false;
	*run = runs[index % ARRAY_SIZE(runs)];
	return true;
}

bool storage_owner(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		   char owner[STORAGE_OWNER_BYTES])
{
	assert_int_equal(offset, 0);
	assert_int_equal(bytes, dev->bytes);
	strcpy(owner, "web");
	return dev == &disks[0];
}

void network_visit(const struct network_visitor *visitor)
{
	static const struct network_info networks[] = {
		{.name = "lan", .uplink = "e1000e0"},
		{.name = "dmz", .uplink = "e1000e0", .vlan = 5},
		{.name = "alone", .lacks = ""},
		{.name = "lost", .lacks = "has the uplink 'nic7', which is no NIC"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(networks); i++)
		visitor->network(visitor->arg, &networks[i]);
}

static void each_piece_of_a_disk_has_an_owner(void **state)
{
	(void)state;
	demand("disks",
	       "nvme0, 64 GiB, at pci:00:03.0/n1:\n"
	       "  from 1 MiB on, 30 GiB: 'web' has it, as lvm:vg0/web\n"
	       "  from 31 GiB on, 1 GiB: 'reader' reads it, as part:data\n"
	       "  from 35433480704 bytes on, 1 GiB: 'next' is about to start with it, as "
	       "part:next\n"
	       "sata0, 1 GiB, at pci:00:1f.2/port1, gone: nobody has any of it now\n"
	       "`disks` shows partitions and volumes that nobody has");
}

/* The last that has room, in part, is the last that is looked at. */
static void more_pieces_than_have_room(void **state)
{
	static const char end[] = "...";
	size_t shortest = strlen("\n  from 31 GiB on, 1 GiB: 'reader' reads it, as part:data");

	(void)state;
	run_count = ACTION_TEXT_BYTES;
	looks = 0;
	action_result_start(&result);
	assert_true(explain_topic(&call, "disks"));
	assert_in_range(looks, 2, ACTION_TEXT_BYTES / shortest + 1);
	assert_string_equal(result.text + ACTION_TEXT_BYTES - sizeof end, end);
	run_count = ARRAY_SIZE(runs);
}

static void each_nic_has_its_networks(void **state)
{
	(void)state;
	nic_count = 2;
	demand("networks",
	       "nic0, e1000e0 at pci:00:04.0, link up: uplink of network lan, network dmz "
	       "(VLAN 5)\n"
	       "nic1, virtio0 at pci:00:04.1, link down: no network uses it\n"
	       "network lost is without its uplink: it has the uplink 'nic7', which is no NIC");
	nic_count = 0;
	demand("networks",
	       "this machine has no NIC with a driver\n"
	       "network lost is without its uplink: it has the uplink 'nic7', which is no NIC");
	action_result_start(&result);
	explain_summary(&call);
	assert_non_null(strstr(result.text,
			       "it has the uplink 'nic7', which is no NIC\n`explain "
			       "memory`, `devices`, `disks` and `networks` tell"));
}

/* ---- functions ----------------------------------------------------------------------------
 */

static const struct machine_function functions[] = {
	{"pci:00:03.0", 0x1b36, 0x0010, 0x010802, "nvme"},
	{"pci:00:04.0", 0x8086, 0x10d3, 0x020000, "e1000e"},
	{"pci:00:1f.2", 0x8086, 0x2922, 0x010601, "ahci"},
	{"pci:00:01.0", 0x1234, 0x1111, 0x030000, NULL},
	{"pci:00:02.0", 0x1234, 0x1112, 0xff0000, NULL},
	{"pci:00:1f.20", 0x1234, 0x1113, 0x110000, NULL}, /* no disk is behind it */
};

static bool function_at(unsigned index, struct machine_function *function)
{
	if (index >= ARRAY_SIZE(functions))
		return false;
	*function = functions[index];
	return true;
}

static void each_function_has_a_driver_and_users(void **state)
{
	(void)state;
	nic_count = 2;
	demand("devices", ""); /* nobody keeps the promise yet */
	functions_init(function_at);
	demand("devices",
	       "pci:00:03.0, 1b36:0010, mass storage, driver nvme: nvme0, of which 'web' has "
	       "something\n"
	       "pci:00:04.0, 8086:10d3, network controller, driver e1000e: e1000e0: uplink of "
	       "network lan, network dmz (VLAN 5)\n"
	       "pci:00:1f.2, 8086:2922, mass storage, driver ahci: sata0\n"
	       "pci:00:01.0, 1234:1111, display, no driver, and so nobody's\n"
	       "pci:00:02.0, 1234:1112, device of another class, no driver, and so nobody's\n"
	       "pci:00:1f.20, 1234:1113, signal processing, no driver, and so nobody's");
}

static void other_words_are_no_topics(void **state)
{
	(void)state;
	assert_false(explain_topic(&call, "web"));
	assert_false(explain_topic(&call, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_range_of_memory_has_a_name),
		cmocka_unit_test(much_is_told_in_part),
		cmocka_unit_test(each_piece_of_a_disk_has_an_owner),
		cmocka_unit_test(more_pieces_than_have_room),
		cmocka_unit_test(each_nic_has_its_networks),
		cmocka_unit_test(each_function_has_a_driver_and_users),
		cmocka_unit_test(other_words_are_no_topics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
