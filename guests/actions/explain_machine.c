/* What the machine is made of, and who has each part of it: ranges of memory, functions of its
 * buses, pieces of disks, NICs. By what there is, not by what the configuration says. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/explain.h"
#include "guests/guest/guest.h"
#include "kernel/io/files.h"
#include "kernel/io/functions.h"
#include "kernel/io/network.h"
#include "kernel/io/storage.h"
#include "kernel/lib/size.h"
#include "kernel/mem/hostmap.h"

#define RANGES_MAX 8  /* of one guest that are told one by one */
#define FILES_MAX  16 /* of boot's */

/* ---- memory -------------------------------------------------------------------------------
 */

/* "0x100000000-0x13fffffff, 1 GiB: " */
static void begin_range(struct action_call *call, uint64_t base, uint64_t bytes)
{
	char size[SIZE_TEXT_BYTES];

	action_new_line(call);
	action_say(call, "%#llx-%#llx, %s: ", (unsigned long long)base,
		   (unsigned long long)(base + bytes - 1), size_text(bytes, size));
}

static void tell_pools(struct action_call *call)
{
	uint64_t base, bytes;

	for (unsigned i = 0; frames_range_at(i, &base, &bytes); i++) {
		begin_range(call, base, bytes);
		action_say(call, "the hypervisor's pool");
	}
	for (unsigned i = 0; guest_frames_range_at(i, &base, &bytes); i++) {
		begin_range(call, base, bytes);
		action_say(call, "the guests' pool");
	}
}

static void tell_guests(struct action_call *call)
{
	struct guest_range ranges[RANGES_MAX];

	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		unsigned count = guest_memory(guest, ranges, RANGES_MAX);

		for (unsigned i = 0; i < count && i < RANGES_MAX; i++) {
			begin_range(call, ranges[i].base, ranges[i].bytes);
			action_say(call, "guest '%s', of the guests' pool", guest_name(guest));
		}
		if (count > RANGES_MAX)
			action_say(call, ", and %u more", count - RANGES_MAX);
	}
}

static void tell_files(struct action_call *call)
{
	const struct handoff *handoff = mem_handoff();
	const struct handoff_file *files = directmap(handoff->files);

	for (uint32_t i = 0; i < handoff->file_count && i < FILES_MAX; i++) {
		if (!files[i].bytes)
			continue;
		begin_range(call, files[i].base, files[i].bytes);
		action_say(call, "boot's file %.64s", files[i].path);
	}
	if (handoff->file_count > FILES_MAX)
		action_say(call, ", and %u more", (unsigned)handoff->file_count - FILES_MAX);
}

static void tell_firmware(struct action_call *call)
{
	static const char *const names[] = {
		[HANDOFF_MEM_KERNEL] = "the hypervisor's image",
		[HANDOFF_MEM_ACPI] = "ACPI tables",
		[HANDOFF_MEM_ACPI_NVS] = "firmware's, for ACPI",
		[HANDOFF_MEM_RUNTIME] = "firmware's, at run time",
		[HANDOFF_MEM_RESERVED] = "reserved by firmware",
		[HANDOFF_MEM_MMIO] = "devices', by firmware",
	};
	const struct handoff *handoff = mem_handoff();
	const struct handoff_range *ranges = directmap(handoff->ranges);

	for (uint32_t i = 0; i < handoff->range_count; i++) {
		const char *name =
			ranges[i].type < ARRAY_SIZE(names) ? names[ranges[i].type] : NULL;

		if (!name)
			continue;
		begin_range(call, ranges[i].base, ranges[i].bytes);
		action_say(call, "%s", name);
	}
}

static void tell_memory(struct action_call *call)
{
	tell_pools(call);
	tell_guests(call);
	tell_files(call);
	tell_firmware(call);
}

/* ---- disks --------------------------------------------------------------------------------
 */

static void tell_run(struct action_call *call, const struct storage_run *run)
{
	char offset[SIZE_TEXT_BYTES], bytes[SIZE_TEXT_BYTES];

	action_say(call, "\n  from %s on, %s: '%s' %s, as %.64s",
		   size_exact_text(run->offset, offset), size_text(run->bytes, bytes),
		   run->owner,
		   run->starts	    ? "is about to start with it"
		   : run->read_only ? "reads it"
				    : "has it",
		   run->source);
}

/* Each run is looked for from the first on, under the claims' lock: none for which there is no
 * room. */
static unsigned tell_runs(struct action_call *call, const struct blkdev *disk)
{
	struct storage_run run;
	unsigned count = 0;

	for (unsigned i = 0; !action_is_full(call) && storage_run_at(i, &run); i++) {
		if (strcmp(run.disk, disk->name) != 0)
			continue;
		tell_run(call, &run);
		count++;
	}
	return count;
}

static void tell_disks(struct action_call *call)
{
	char size[SIZE_TEXT_BYTES];
	struct blkdev *disk;

	for (unsigned i = 0; (disk = blkdev_at(i)); i++) {
		action_new_line(call);
		action_say(call, "%s, %s, at %s%s:", disk->name, size_text(disk->bytes, size),
			   disk->location, atomic_load(&disk->gone) ? ", gone" : "");
		if (!tell_runs(call, disk))
			action_say(call, " nobody has any of it now");
	}
	action_new_line(call);
	action_say(call, "`disks` shows partitions and volumes that nobody has");
}

/* ---- NICs and networks --------------------------------------------------------------------
 */

/* The networks on one NIC. */
struct users {
	struct action_call *call;
	const char *nic;
	const char *joint;
};

static void tell_user(void *arg, const struct network_info *info)
{
	struct users *users = arg;

	if (!info->uplink || strcmp(info->uplink, users->nic) != 0)
		return;
	action_say(users->call, "%snetwork %s", users->joint, info->name);
	if (info->vlan)
		action_say(users->call, " (VLAN %u)", info->vlan);
	users->joint = ", ";
}

static void tell_networks_on(struct action_call *call, const struct netdev *nic)
{
	struct users users = {call, nic->name, ": uplink of "};
	const struct network_visitor visitor = {.network = tell_user, .arg = &users};

	network_visit(&visitor);
	if (users.joint[0] == ':')
		action_say(call, ": no network uses it");
}

static void tell_lack(void *arg, const struct network_info *info)
{
	struct action_call *call = arg;

	if (!info->lacks || !info->lacks[0])
		return;
	action_new_line(call);
	action_say(call, "network %s is without its uplink: it %s", info->name, info->lacks);
}

static void tell_networks(struct action_call *call)
{
	const struct network_visitor visitor = {.network = tell_lack, .arg = call};
	struct netdev *nic;

	for (unsigned i = 0; (nic = netdev_at(i)); i++) {
		action_new_line(call);
		action_say(call, "nic%u, %s at %s, link %s%s", i, nic->name, nic->location,
			   atomic_load(&nic->link_up) ? "up" : "down",
			   atomic_load(&nic->gone) ? ", gone" : "");
		tell_networks_on(call, nic);
	}
	if (!netdev_at(0)) {
		action_new_line(call);
		action_say(call, "this machine has no NIC with a driver");
	}
	network_visit(&visitor);
}

/* ---- functions of the machine's buses ------------------------------------------------------
 */

/* PCI Code and ID Assignment 1.11, 1: base classes. */
static const char *class_name(uint32_t class_code)
{
	static const char *const names[] = {
		"device without a class",
		"mass storage",
		"network controller",
		"display",
		"multimedia",
		"memory",
		"bridge",
		"communication",
		"system peripheral",
		"input",
		"docking station",
		"processor",
		"serial bus",
		"wireless",
		"I/O processor",
		"satellite",
		"encryption",
		"signal processing",
	};
	uint32_t base = class_code >> 16;

	return base < ARRAY_SIZE(names) ? names[base] : "device of another class";
}

/* Whether a disk or NIC is behind the function: "pci:00:1f.2/port1" is behind "pci:00:1f.2". */
static bool is_behind(const char *location, const char *function)
{
	size_t length = strlen(function);

	return !strncmp(location, function, length) &&
	       (location[length] == '\0' || location[length] == '/');
}

static void tell_users(struct action_call *call, const char *function)
{
	const char *joint = ": ";
	struct blkdev *disk;
	struct netdev *nic;
	char owner[STORAGE_OWNER_BYTES];

	for (unsigned i = 0; (disk = blkdev_at(i)); i++) {
		if (!is_behind(disk->location, function))
			continue;
		action_say(call, "%s%s", joint, disk->name);
		if (storage_owner(disk, 0, disk->bytes, owner))
			action_say(call, ", of which '%s' has something", owner);
		joint = "; ";
	}
	for (unsigned i = 0; (nic = netdev_at(i)); i++) {
		if (!is_behind(nic->location, function))
			continue;
		action_say(call, "%s%s", joint, nic->name);
		tell_networks_on(call, nic);
		joint = "; ";
	}
}

static void tell_devices(struct action_call *call)
{
	struct machine_function function;

	for (unsigned i = 0; functions_at(i, &function); i++) {
		action_new_line(call);
		action_say(call, "%s, %04x:%04x, %s, ", function.name, function.vendor_id,
			   function.device_id, class_name(function.class_code));
		if (function.driver)
			action_say(call, "driver %s", function.driver);
		else
			action_say(call, "no driver, and so nobody's");
		tell_users(call, function.name);
	}
}

/* ---- by their names ------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	void (*tell)(struct action_call *call);
} topics[] = {
	{"memory", tell_memory},
	{"devices", tell_devices},
	{"disks", tell_disks},
	{"networks", tell_networks},
};

bool explain_topic(struct action_call *call, const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(topics); i++) {
		if (strcmp(topics[i].name, name) != 0)
			continue;
		topics[i].tell(call);
		return true;
	}
	return false;
}

void explain_summary(struct action_call *call)
{
	tell_networks(call);
	action_new_line(call);
	action_say(call,
		   "`explain memory`, `devices`, `disks` and `networks` tell who has each "
		   "part of the machine now");
}
