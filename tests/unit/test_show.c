/*
 * What the operator's reports say, to the letter: of the machine, its log, its guests, disks
 * and networks.
 */
/* links: guests/views/collect/collect.c guests/views/collect/machine.c */
/* links: guests/views/collect/disks.c guests/views/collect/networks.c guests/views/view.c */
/* links: guests/views/guest.c guests/views/machine.c guests/views/disks.c */
/* links: guests/views/networks.c guests/views/rows.c guests/views/sink.c */
/* links: guests/views/escape.c guests/views/json.c guests/views/metrics.c */
/* links: guests/views/words.c kernel/lib/utf8.c tests/unit/fake_guests.c */
/* links: guests/console/show.c guests/console/report.c guests/console/report_devices.c */
/* links: guests/console/report_networks.c guests/console/text.c kernel/lib/size.c */
#include "tests/unit/views_house.h"

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
					      "last end, or note\n"
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
		"limited    last end, or note\n"
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
	strcpy(fake_guests[0].info.note,
	       "asked to shut down (booting), is switched off in 9 s");
	strcpy(fake_guests[1].info.note, "waits for its turn to start (start.order 3)");
	assert_non_null(strstr(shown(show_list),
			       "  2  throttled  asked to shut down (booting), "
			       "is switched off in 9 s\n  !"));
	assert_non_null(
		strstr(said, "  0  -          waits for its turn to start (start.order 3)\n"));
	assert_null(strstr(said, "crashed: it did"));
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
	strcpy(fake_guests[1].info.note, "it waits");
	show_guest(&to, &fake_guests[1]);
	assert_string_equal(said, "beta: stopped, started 0 times so far\n"
				  "  it waits\n"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_machine),     TEST(the_log),	TEST(the_log_of_the_run_before),
		TEST(guests),	       TEST(the_disks), TEST(the_networks),
		TEST(no_vlan_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
