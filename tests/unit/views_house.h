/*
 * The house that views are collected of, for the tests of that: a machine, its guests, disks
 * and networks, all made up; and reading what is shown of them.
 */
#ifndef TESTS_UNIT_VIEWS_HOUSE_H
#define TESTS_UNIT_VIEWS_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/show.h"
#include "guests/views/collect/collect.h"
#include "guests/views/disks.h"
#include "guests/views/machine.h"
#include "guests/views/networks.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/io/network.h"
#include "kernel/io/volume.h"
#include "kernel/lib/version.h"
#include "kernel/log/blackbox.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/backend.h"
#include "tests/unit/fake_guests.h"

static char said[1 << 17];
static size_t said_bytes;

/* ---- the machine ------------------------------------------------------------------------- */

static struct cpu cpu_blocks[2] = {{.apic_id = 0, .interrupts = 10, .ipis = 4},
				   {.apic_id = 6, .interrupts = 11, .ipis = 5}};
struct cpu *cpus[CPU_MAX] = {&cpu_blocks[0], &cpu_blocks[1]};
unsigned cpu_count = 2;
struct cpu_features cpu_features = {.brand = "A \"fast\" CPU"};
static const struct vmm_backend backend = {.name = "SVM"};
const struct vmm_backend *vmm_backend = &backend;
static bool has_groups = true;
static uint16_t vlan = 5;

uint64_t clock_now_ns(void)
{
	return 3723 * NSEC_PER_SEC;
}

const struct cpumask *sched_housekeeping(void)
{
	static struct cpumask mask;

	cpumask_set(&mask, 0);
	return &mask;
}

uint64_t frames_total_bytes(void)
{
	return 64 * MIB;
}

uint64_t frames_free_bytes(void)
{
	return 9 * MIB + MIB / 2;
}

uint64_t guest_frames_total_bytes(void)
{
	return 2 * GIB;
}

size_t log_tail(char *buf, size_t bytes)
{
	static const char text[] = "[   0.000001] one: first\n[   0.000002] two: second\n"
				   "[   0.000003] three: third\n";

	assert_true(bytes >= sizeof text);
	memcpy(buf, text, sizeof text - 1);
	return sizeof text - 1;
}

const char version_number[] = "1.2", version_build[] = "abc+";

static const char *kept = "";
static bool kept_damaged;

size_t blackbox_previous(const char **text, bool *damaged)
{
	*text = kept;
	*damaged = kept_damaged;
	return strlen(kept);
}

static struct blkdev disk = {
	.name = "nvme0",
	.serial = "S1",
	.model = "Model",
	.location = "pci:00:03.0",
	.bytes = 10 * MIB,
	.block_bytes = 512,
	.write_cache = true,
	.gone = true,
	.counters =
		{
			.requests = {1, 2, 3, 4, 5},
			.bytes_read = 6 * KIB,
			.bytes_written = 7 * KIB,
			.bytes_copied = 8 * KIB,
			.errors = 9,
			.retries = 10,
			.resets = 11,
			.timeouts = 12,
			.interrupts = 13,
			.doorbells = 14,
		},
};

struct blkdev *blkdev_at(unsigned index)
{
	return index ? NULL : &disk;
}

void storage_list(storage_visit visit, void *arg)
{
	struct storage_volume volume = {.bytes = 2 * MIB};

	strcpy(volume.source, "part:data");
	strcpy(volume.about, "partition 1 of nvme0");
	strcpy(volume.owner, "alpha");
	strcpy(volume.holds, "holds a physical volume");
	visit(arg, &volume);
}

static void groups(void (*visit)(void *arg, const struct volume_group *group), void *arg)
{
	static const struct volume_group group = {"vg0", GIB, MIB, 2, 3, "is odd"};

	visit(arg, &group);
}

static void strays(void (*visit)(void *arg, const struct volume_stray *stray), void *arg)
{
	static const struct volume_stray stray = {"nvme1", GIB, "vg1", "is damaged"};

	visit(arg, &stray);
}

const struct volume_provider *volume_provider(void)
{
	static const struct volume_provider provider = {.groups = groups, .strays = strays};

	return has_groups ? &provider : NULL;
}

static struct netdev card = {
	.name = "e1000e0",
	.location = "pci:00:04.0",
	.mac = {0x52, 0x54, 0, 0x12, 0x34, 0xff},
	.link_up = true,
	.counters = {1, 2 * KIB, 3, 4, 5, 6 * KIB, 7, 8, 9, 10, 11, 12 * KIB},
};

struct netdev *netdev_at(unsigned index)
{
	return index ? NULL : &card;
}

const char *network_drop_name(enum network_drop drop)
{
	return drop == NETWORK_DROP_FULL ? "full" : "other";
}

void network_visit(const struct network_visitor *visitor)
{
	const struct network_info lan = {.name = "lan",
					 .uplink = "e1000e0",
					 .link_up = true,
					 .vlan = vlan,
					 .mtu = 1500,
					 .stations = 1,
					 .rx_packets = 7,
					 .drops = {[NETWORK_DROP_FULL] = 2}};
	static const struct network_info inner = {.name = "inner", .mtu = 9000};
	static const struct network_port_info ports[] = {
		{.name = "alpha.0",
		 .listening = true,
		 .filtered = true,
		 .address_count = 2,
		 .tx_bytes_per_s = 3 * MIB,
		 .drops = {[NETWORK_DROP_FULL] = 4}},
		{.name = "beta.0", .listening = true, .stalled = true, .filtered = true},
		{.name = "gamma.0"},
	};
	static const struct network_station_info near = {.port = "alpha.0",
							 .age_ns = 5 * NSEC_PER_SEC},
						 far = {.age_ns = 6 * NSEC_PER_SEC};

	if (visitor->network)
		visitor->network(visitor->arg, &lan);
	if (visitor->port) {
		visitor->port(visitor->arg, &ports[0]);
		visitor->port(visitor->arg, &ports[1]);
	}
	if (visitor->station) {
		visitor->station(visitor->arg, &near);
		visitor->station(visitor->arg, &far);
	}
	if (visitor->network)
		visitor->network(visitor->arg, &inner);
	if (visitor->port)
		visitor->port(visitor->arg, &ports[2]);
}

/* ---- reading what is shown --------------------------------------------------------------- */

static int take(void *arg, const char *text, size_t bytes)
{
	(void)arg;
	assert_true(said_bytes + bytes < sizeof said);
	memcpy(said + said_bytes, text, bytes);
	said_bytes += bytes;
	said[said_bytes] = 0;
	return 0;
}

static struct sink fresh(void)
{
	said_bytes = 0;
	said[0] = 0;
	return (struct sink){.write = take};
}

static const char *shown(void (*show)(struct sink *to))
{
	struct sink to = fresh();

	show(&to);
	assert_int_equal(to.error, 0);
	return said;
}

static const char *json_of(const char *what)
{
	struct sink to = fresh();

	show_json(&to, what);
	return said;
}

static int setup(void **state)
{
	struct guest_view *alpha = &fake_guests[0].info, *beta = &fake_guests[1].info;

	(void)state;
	has_groups = true;
	fake_guests_reset(2);
	strcpy(alpha->state, "running");
	alpha->has_memory = 1;
	alpha->starts = 2;
	alpha->uptime_ns = 61 * NSEC_PER_SEC;
	alpha->populated_bytes = 100 * MIB;
	alpha->overhead_bytes = 1234 * KIB;
	alpha->vcpu_count = alpha->disk_count = alpha->nic_count = 1;
	strcpy(alpha->vcpus[0].state, "halted");
	alpha->vcpus[0].cpu = 1;
	alpha->vcpus[0].run_ns = 1234567890;
	alpha->vcpus[0].capped_ns = 567 * NSEC_PER_MSEC;
	alpha->cpu_percent = 137;
	alpha->vcpus[0].exit_count = 2;
	view_set_count(&alpha->vcpus[0].exits[0], "hlt", 5);
	view_set_count(&alpha->vcpus[0].exits[1], "io", 0);
	strcpy(alpha->disks[0].serial, "my disk");
	strcpy(alpha->disks[0].backing, "vg0/web");
	strcpy(alpha->nics[0].mac, "52:54:00:00:00:01");
	strcpy(alpha->nics[0].network, "lan");
	strcpy(beta->state, "stopped");
	strcpy(beta->reason, "crashed: it did");
	beta->vcpu_count = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return fake_guests_held() ? -1 : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
