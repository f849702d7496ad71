/*
 * Collectors: what the machine has, as fakes, comes out in views, under the right names; and
 * each allocation that fails leaves a row out and says so.
 */
/* links: guests/views/collect/collect.c guests/views/collect/machine.c */
/* links: guests/views/collect/disks.c guests/views/collect/networks.c */
/* links: guests/views/view.c guests/views/guest.c guests/views/machine.c */
/* links: guests/views/disks.c */
/* links: guests/views/networks.c guests/views/rows.c guests/views/sink.c */
/* links: guests/views/escape.c guests/views/json.c guests/views/metrics.c */
/* links: guests/views/words.c kernel/lib/utf8.c tests/unit/fake_guests.c */
/* links: guests/console/show.c guests/console/report.c guests/console/report_devices.c */
/* links: guests/console/report_networks.c guests/console/text.c tests/unit/fail_malloc.c */
/* links: kernel/lib/size.c */
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
#include "tests/unit/fail_malloc.h"
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

/* ---- what comes out ---------------------------------------------------------------------- */

static void every_table_has_a_collector(void **state)
{
	unsigned tables = 0;

	(void)state;
	for (const struct view_table *const *table = view_tables; *table; table++, tables++) {
		const struct collector *c = collector_find((*table)->name);

		assert_non_null(c);
		assert_ptr_equal(c->table, *table);
		if (c->reads_disks)
			assert_null(c->table->metric);
	}
	for (unsigned i = 0; collectors[i].table; i++)
		assert_true(i < tables);
	assert_null(collector_find("nothing"));
}

static void the_machine(void **state)
{
	(void)state;
	assert_string_equal(shown(show_machine),
			    "Bulkhead 1.2 (build abc+), a type-1 hypervisor: SVM on 2 CPUs "
			    "(A \"fast\" CPU), up 1 h 02 min\n");
	vmm_backend = NULL;
	assert_non_null(strstr(shown(show_machine), ": no virtualisation on 2 CPUs"));
	vmm_backend = &backend;
	assert_string_equal(
		shown(show_cpus),
		"CPU  APIC ID  interrupts  of other CPUs  vCPUs that ran there last\n"
		"  0        0          10              4  housekeeping\n"
		"  1        6          11              5  alpha/0(halted)\n");
	assert_string_equal(
		shown(show_memory),
		"hypervisor          64 MiB,   9.5 MiB free\n"
		"for guests        2048 MiB,   5.0 MiB free\n"
		"  alpha            512 MiB,   100 MiB in use,   1.2 MiB of the hypervisor's\n"
		"  beta             512 MiB when it runs; it is stopped\n");
}

static void the_log(void **state)
{
	static const struct {
		unsigned lines;
		const char *text;
	} cases[] = {
		{1, "[   0.000003] three: third\n"},
		{2, "[   0.000002] two: second\n[   0.000003] three: third\n"},
		{3, "[   0.000001] one: first\n[   0.000002] two: second\n"
		    "[   0.000003] three: third\n"},
		{4, "[   0.000001] one: first\n[   0.000002] two: second\n"
		    "[   0.000003] three: third\n"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sink to = fresh();

		show_log(&to, cases[i].lines);
		assert_string_equal(said, cases[i].text);
	}
}

static void the_log_of_the_run_before(void **state)
{
	(void)state;
	assert_string_equal(shown(show_previous_log),
			    "There is none: power came with this run, or this machine clears "
			    "its memory at a reset.\n");
	assert_string_equal(json_of("previous_log"), "{\n  \"previous_log\": []\n}\n");
	kept = "one: first\n\npanic: last\n";
	assert_string_equal(shown(show_previous_log), kept);
	assert_non_null(strstr(json_of("previous_log"), "\"line\": \"panic: last\""));
	kept_damaged = true;
	assert_string_equal(shown(show_previous_log),
			    "one: first\n\npanic: last\n-- what came then is damaged --\n");
	kept_damaged = false;
	kept = "";
}

static void guests(void **state)
{
	struct sink to;

	(void)state;
	assert_string_equal(shown(show_list), "guest state    vCPUs    CPU    memory    in use "
					      "          up starts  limited    "
					      "last end\n"
					      "alpha running      1  137 %   512 MiB   100 MiB "
					      "  1 min 01 s      2  -          "
					      "-\n"
					      "beta  stopped      1      -   512 MiB         - "
					      "           -      0  -          "
					      "crashed: it did\n");
	fake_guests[0].info.capped = 1;
	strcpy(fake_guests[1].info.name, "a-longer-name");
	fake_guests[1].info.vcpu_count = 0;
	assert_string_equal(
		shown(show_list),
		"guest         state    vCPUs    CPU    memory    in use           up starts  "
		"limited    last end\n"
		"alpha         running      1  137 %   512 MiB   100 MiB   1 min 01 s      2  "
		"capped     -\n"
		"a-longer-name stopped      -      -   512 MiB         -            -      0  "
		"-          crashed: it did\n");
	fake_guests[0].info.throttled = 1;
	assert_non_null(strstr(shown(show_list), "  2  capped, throttled  -\n"));
	fake_guests[0].info.capped = 0;
	assert_non_null(strstr(shown(show_list), "  2  throttled  -\n"));
	fake_guests[0].info.vcpus[0].interrupts_off_ns = 12 * NSEC_PER_SEC;
	fake_guests[0].info.crash_kernel = 1;
	fake_guests[1].info.vcpus[0].interrupts_off_ns = 12 * NSEC_PER_SEC; /* it is over */
	assert_non_null(strstr(shown(show_list),
			       "  2  throttled  -\n"
			       "  ! vCPU 0: halted with interrupts off for 12.000 s\n"
			       "  ! its kernel panicked; its own crash kernel took over\n"
			       "a-longer-name stopped "));
	assert_non_null(strstr(said, "crashed: it did\n"));
	assert_null(strstr(strstr(said, "a-longer"), "!"));
	fake_guests_reset(0);
	assert_string_equal(shown(show_list), "There are no guests. The log says why: log\n");
	setup(NULL);

	to = fresh();
	show_guest(&to, &fake_guests[0]);
	assert_non_null(strstr(said, "alpha: running, start number 2, up 1 min 01 s\n"
				     "  in the last second: 137 % of a CPU\n"
				     "  memory 512 MiB, 100 MiB of it in use; 1.2 MiB of the "
				     "hypervisor's\n"));
	assert_non_null(strstr(said,
			       "  vCPU 0: halted, on CPU 1, ran 1.234 s, waited 0.000 s, for "
			       "its cap 0.567 s\n"
			       "    exits: hlt 5\n    injected:\n"));
	assert_non_null(strstr(said, "  disk 0: my disk on vg0/web, 0 KiB\n"));
	assert_null(strstr(said, "!"));
	fake_guests[0].info.vcpus[0].interrupts_off_ns = 60 * NSEC_PER_SEC;
	to = fresh();
	show_guest(&to, &fake_guests[0]);
	assert_non_null(strstr(said, "\n  ! vCPU 0: halted with interrupts off for 1 min 00 s\n"
				     "  vCPU 0: halted, on CPU 1"));
	assert_non_null(strstr(said, "  nic 0: 52:54:00:00:00:01 on lan\n"));
	to = fresh();
	show_guest(&to, &fake_guests[1]);
	assert_string_equal(said, "beta: stopped, started 0 times so far\n"
				  "  last end: crashed: it did (exit status 0)\n"
				  "  memory 512 MiB when it runs\n"
				  "  `counters beta` has the figures of its last run.\n");

	to = fresh();
	show_counters(&to, &fake_guests[0]);
	assert_ptr_equal(strstr(said,
				"counters alpha state=running starts=2 crashes=0 panics=0 "
				"watchdog_ends=0 crash_kernel=0 uptime_ns=61000000000 "),
			 said);
	assert_non_null(strstr(said, "\ncounters alpha vcpu=0 cpu=1 state=halted run_ns="));
	assert_non_null(strstr(said, "\ncounters alpha disk=0 bytes=0 reads=0 "));
	assert_non_null(strstr(said, "\ncounters alpha nic=0 rx_packets=0 "));
}

static void the_disks(void **state)
{
	(void)state;
	assert_string_equal(shown(show_disks), "nvme0: 10 MiB, blocks of 512, Model, serial "
					       "S1, pci:00:03.0, write cache, GONE\n"
					       "  reads 1 (6 KiB), writes 2 (7 KiB), flushes "
					       "3, discards 4, zeroed 5, errors 9\n"
					       "  doorbells 14, interrupts 13, tried again 10, "
					       "timeouts 12, resets 11, copied 8 "
					       "KiB\n"
					       "Sources for guests' disks:\n"
					       "  part:data                                    "
					       "    2.0 MiB  partition 1 of nvme0, "
					       "has: alpha\n"
					       "    It holds a physical volume.\n");
	assert_non_null(strstr(json_of("groups"), "\"why\": \"is odd\",\n"
						  "      \"bytes\": 1073741824,\n"
						  "      \"free_bytes\": 1048576,\n"
						  "      \"disks\": 2,\n"
						  "      \"volumes\": 3\n"));
	assert_non_null(strstr(json_of("strays"), "\"disk\": \"nvme1\",\n"
						  "      \"group\": \"vg1\",\n"
						  "      \"why\": \"is damaged\","));
	has_groups = false;
	assert_string_equal(json_of("groups"), "{\n  \"groups\": []\n}\n");
	assert_string_equal(json_of("strays"), "{\n  \"strays\": []\n}\n");
}

static void the_networks(void **state)
{
	(void)state;
	assert_string_equal(
		shown(show_networks),
		"e1000e0 at pci:00:04.0: 52:54:00:12:34:ff, link up\n"
		"  received 1 (2 KiB), dropped 3, errors 4; sent 5 (6 KiB), dropped 7, errors "
		"8\n"
		"  doorbells 10, interrupts 9, resets 11, copied 12 KiB\n"
		"lan: on e1000e0, link up, VLAN 5, MTU 1500, 1 station\n"
		"    from outside 7 (0 KiB), cut into 0 segments; to it 0 (0 KiB)\n"
		"    dropped: full 2\n"
		"  alpha.0: 00:00:00:00:00:00, up, filter of 2 addresses, sends 3.0 MiB/s at "
		"most\n"
		"    received 0 (0 KiB), sent 0 (0 KiB), waiting 0, cut into 0 segments\n"
		"    dropped: full 4\n"
		"  beta.0: 00:00:00:00:00:00, stalled, filter\n"
		"    received 0 (0 KiB), sent 0 (0 KiB), waiting 0, cut into 0 segments\n"
		"inner: isolated, MTU 9000, 0 stations\n"
		"  gamma.0: 00:00:00:00:00:00, down, no filter\n"
		"    received 0 (0 KiB), sent 0 (0 KiB), waiting 0, cut into 0 segments\n");
	assert_string_equal(shown(show_stations),
			    "lan:\n"
			    "  00:00:00:00:00:00 at alpha.0, seen 5 s ago\n"
			    "  00:00:00:00:00:00 at the uplink, seen 6 s ago\n"
			    "inner:\n");
}

static void no_vlan_is_none(void **state)
{
	(void)state;
	vlan = 0;
	assert_non_null(
		strstr(shown(show_networks), "lan: on e1000e0, link up, VLAN none, MTU"));
	vlan = 5;
}

static void metrics_are_of_all_that_is_cheap(void **state)
{
	(void)state;
	shown(show_metrics);
	assert_non_null(strstr(said, "bulkhead_machine_info{version=\"1.2\",build=\"abc+\","
				     "backend=\"SVM\",cpu_model=\"A \\\"fast\\\" CPU\"} 1\n"));
	assert_non_null(strstr(said, "bulkhead_disk_reads_total{disk=\"nvme0\"} 1\n"));
	assert_non_null(strstr(said,
			       "bulkhead_port_drops_total{network=\"lan\",port=\"alpha.0\","
			       "reason=\"full\"} 4\n"));
	assert_non_null(strstr(said, "bulkhead_port_state{network=\"inner\",port=\"gamma.0\","
				     "state=\"down\"} 1\n"));
	assert_non_null(strstr(said, "bulkhead_guest_vcpu_run_seconds_total{guest=\"alpha\","
				     "vcpu=\"0\"} 1.234567890\n"));
	assert_null(strstr(said, "source"));
	assert_null(strstr(said, "vg0/lost"));
}

static void json_says_what_there_is(void **state)
{
	(void)state;
	assert_string_equal(json_of(NULL),
			    "json takes one of: machine cpus memory guests disks "
			    "sources groups strays nics networks ports stations "
			    "log previous_log.\n");
	assert_memory_equal(json_of("guest"), "json takes one of:", 18);
	assert_non_null(strstr(json_of("log"), "\"line\": \"[   0.000002] two: second\""));
}

/* ---- without memory ---------------------------------------------------------------------- */

static void show_alpha(struct sink *to)
{
	show_guest(to, &fake_guests[0]);
}

static void show_alpha_counters(struct sink *to)
{
	show_counters(to, &fake_guests[0]);
}

static void show_some_log(struct sink *to)
{
	show_log(to, 2);
}

static void show_guests_json(struct sink *to)
{
	show_json(to, "guests");
}

/* Whichever allocation fails: it is said, in words that fit the format, and nothing leaks. */
static void what_is_left_out_is_said(void **state)
{
	static const struct {
		void (*show)(struct sink *to);
		const char *says;
	} each[] = {
		{show_list, "There is no memory to show all: some of guests is left out.\n"},
		{show_alpha, "some of guests is left out"},
		{show_alpha_counters, "some of guests is left out"},
		{show_cpus, " is left out"},
		{show_memory, " is left out"},
		{show_disks, " is left out"},
		{show_networks, " is left out"},
		{show_stations, " is left out"},
		{show_machine, "some of machine is left out"},
		{show_some_log, "some of log is left out"},
		{show_metrics, "# no memory: some of "},
		{show_guests_json, "\"incomplete\": true\n}\n"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(each); i++) {
		unsigned long n = 0, calls;

		do {
			struct sink to = fresh();

			fail_malloc_at(++n);
			each[i].show(&to);
			calls = fail_malloc_calls();
			fail_malloc_at(0);
			assert_int_equal(strstr(said, each[i].says) != NULL, calls >= n);
		} while (calls >= n);
		assert_true(n > 2);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_table_has_a_collector),
		TEST(the_machine),
		TEST(the_log),
		TEST(the_log_of_the_run_before),
		TEST(guests),
		TEST(the_disks),
		TEST(the_networks),
		TEST(no_vlan_is_none),
		TEST(metrics_are_of_all_that_is_cheap),
		TEST(json_says_what_there_is),
		TEST(what_is_left_out_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
