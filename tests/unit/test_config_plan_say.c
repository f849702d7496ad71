/* Plans in words: what happens, and the reasons that are given. */
/* links: guests/config/parse.c */
/* links: guests/config/address.c guests/config/bind.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/sound.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/diff.c guests/config/hint.c guests/config/merge.c */
/* links: guests/config/plan.c guests/config/plan_say.c guests/config/report.c */
/* links: guests/config/schema.c guests/config/schema_devices.c guests/config/text.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/write.c */
/* links: kernel/lib/duration.c kernel/lib/size.c */
#include "tests/unit/config_parse.h"

#include "guests/config/plan.h"

static char said[8192];

static void note(void *arg, const char *text)
{
	(void)arg;
	strcat(strcat(said, text), "\n");
}

static bool all_run(void *context, const char *name)
{
	(void)context, (void)name;
	return true;
}

static bool none_runs(void *context, const char *name)
{
	(void)context, (void)name;
	return false;
}

static void says(const char *now, const char *next, config_runs_fn which, const char *expected)
{
	static const struct cpumask four = {{0xf}};
	struct config *a = parse(now), *b = parse(next);
	struct config_plan plan;

	said[0] = '\0';
	assert_int_equal(config_plan_make(&plan, a, b, &four, which, NULL), 0);
	config_plan_say(&plan, note, NULL);
	assert_string_equal(said, expected);
	config_plan_free(&plan);
	config_free(a);
	config_free(b);
}

#define GUEST(name, more) "  - {name: " name ", boot: {kernel: 'esp:/k'}, " more "}\n"
#define NETWORKS(list)	  "networks: [" list "]\n"

static void what_happens_is_said_with_its_reasons(void **state)
{
	(void)state;
	says("guests:\n" GUEST("a", "memory: 8 MiB"), "guests:\n" GUEST("a", "memory: 8 MiB"),
	     all_run, "nothing changes\n");
	says("guests:\n" GUEST("a", "memory: 512 MiB"),
	     "guests:\n" GUEST("a", "memory: 1 GiB, on_crash: restart"), all_run,
	     "guest 'a' is shut down within 60 s and started again:\n"
	     "  memory: 512 MiB, then 1 GiB; its RAM is set aside when the guest starts\n"
	     "  on_crash: stop, then restart\n");
	says("guests:\n" GUEST("a", "memory: 512 MiB"), "guests:\n" GUEST("a", "memory: 1 GiB"),
	     none_runs,
	     "guest 'a' is changed; it does not run:\n"
	     "  memory: 512 MiB, then 1 GiB; its RAM is set aside when the guest starts\n");
	says("guests:\n" GUEST("a", "memory: 8 MiB"),
	     "guests:\n" GUEST("a",
			       "memory: 8 MiB, autostart: false, restart_limit: {count: 0}"),
	     all_run,
	     "guest 'a' is changed while it runs:\n"
	     "  autostart: true, then false\n"
	     "  restart_limit.count: 5, then 0\n");
	says("guests:\n" GUEST("a", "memory: 8 MiB"),
	     "guests:\n" GUEST("b", "memory: 8 MiB")
		     GUEST("c", "memory: 8 MiB, autostart: false"),
	     all_run,
	     "guest 'a' is shut down within 60 s and deleted\n"
	     "guest 'b' is created and started\n"
	     "guest 'c' is created; it starts when it is told to\n");
	says("guests:\n" GUEST("a", "memory: 8 MiB"), "guests: []", none_runs,
	     "guest 'a' is deleted\n");
	says("guests:\n" GUEST("a", "memory: 8 MiB, shutdown: {timeout: 0 s}")
		     GUEST("b", "memory: 8 MiB, shutdown: {timeout: 3 min}"),
	     "guests:\n" GUEST("a", "memory: 16 MiB"), all_run,
	     "guest 'b' is shut down within 3 min and deleted\n"
	     "guest 'a' is switched off and started again:\n"
	     "  memory: 8 MiB, then 16 MiB; its RAM is set aside when the guest starts\n"
	     "  shutdown.timeout: 0 s, then 60 s\n");
	says("guests: []", "host: {name: h}\nguests: []", none_runs,
	     "the host is changed, with effect from the machine's next start:\n"
	     "  name: bulkhead, then h; it is read when the machine starts\n");
	says("guests: []", "host: {shutdown_timeout: 1 min}\nguests: []", none_runs,
	     "the host is changed:\n  shutdown_timeout: 5 min, then 60 s\n");
	says("guests:\n" GUEST("a", "memory: 8 MiB"),
	     "guests:\n" GUEST("a", "memory: 8 MiB, start: {order: 1, delay: 2 min}, "
				    "shutdown: {timeout: 5 s}"),
	     all_run,
	     "guest 'a' is changed while it runs:\n"
	     "  start.order: 100, then 1\n"
	     "  start.delay: 0 s, then 2 min\n"
	     "  shutdown.timeout: 60 s, then 5 s\n"
	     "  shutdown.order: 100, then 1\n");
}

static void lists_and_derived_values_are_told_as_they_count(void **state)
{
	(void)state;
	says("guests:\n" GUEST("a", "memory: 8 MiB, disks: [{source: 'ram:1 MiB'}]"),
	     "guests:\n" GUEST("a", "memory: 8 MiB, cpus: {count: 2}, disks: [{source: 'ram:1 "
				    "MiB', serial: s}, {source: 'ram:2 MiB'}]"),
	     all_run,
	     "guest 'a' is shut down within 60 s and started again:\n"
	     "  cpus.count: 1, then 2; vCPUs are made when the guest starts\n"
	     "  disks[0].serial: disk0, then s; devices are made when the guest starts\n"
	     "  disks[0].queues: 1, then 2; devices are made when the guest starts\n"
	     "  disks[1]: nothing, then {source: \"ram:2 MiB\", serial: disk1, queues: 2}; "
	     "devices are made when the guest starts\n");
	says(NETWORKS("{name: lan}") "guests:\n" GUEST(
		     "a", "memory: 8 MiB, nics: [{network: lan, addresses: [192.0.2.1]}]"),
	     NETWORKS("{name: lan}") "guests:\n" GUEST(
		     "a", "memory: 8 MiB, nics: [{network: lan, mac: "
			  "'02:00:00:00:00:01', addresses: [192.0.2.1, '::1']}]"),
	     none_runs,
	     "guest 'a' is changed; it does not run:\n"
	     "  nics[0].mac: 72:e3:0c:8c:f1:84 (auto), then 02:00:00:00:00:01; devices are "
	     "made "
	     "when the guest starts\n"
	     "  nics[0].addresses: [192.0.2.1], then [192.0.2.1, \"::1\"]; devices are made "
	     "when the guest starts\n");
}

static void networks_take_the_guests_on_them_along(void **state)
{
	(void)state;
	says(NETWORKS("{name: lan}, {name: old}") "guests:\n" GUEST(
		     "a", "memory: 8 MiB, nics: [{network: lan}]") GUEST("b", "memory: 8 MiB"),
	     NETWORKS("{name: lan, uplink: nic0}, {name: new}") "guests:\n" GUEST(
		     "a", "memory: 8 MiB, nics: [{network: lan}]") GUEST("b", "memory: 8 MiB"),
	     all_run,
	     "network 'old' is deleted\n"
	     "network 'lan' is removed and created anew:\n"
	     "  uplink: nothing, then nic0; a network is joined to its uplink when it is made\n"
	     "network 'new' is created\n"
	     "guest 'a' is shut down within 60 s and started again:\n"
	     "  nics[0]: in network lan, then in the new lan; the network is made anew, and "
	     "nobody may be plugged into it meanwhile\n");
}

static void pins_take_cpus_from_those_who_share_them(void **state)
{
	(void)state;
	says("guests:\n" GUEST("a", "memory: 8 MiB"),
	     "guests:\n" GUEST("a", "memory: 8 MiB")
		     GUEST("b", "memory: 8 MiB, cpus: {pin: [2, 3]}"),
	     all_run,
	     "guest 'a' is changed while it runs:\n"
	     "  cpus: CPUs 0-3, then CPUs 0-1\n"
	     "guest 'b' is created and started\n");
	says("guests:\n" GUEST("a", "memory: 8 MiB")
		     GUEST("b", "memory: 8 MiB, cpus: {pin: [2, 3]}"),
	     "guests:\n" GUEST("a", "memory: 8 MiB"), all_run,
	     "guest 'b' is shut down within 60 s and deleted\n"
	     "guest 'a' is changed while it runs:\n"
	     "  cpus: CPUs 0-1, then CPUs 0-3\n");
	says("guests:\n" GUEST("a", "memory: 8 MiB"),
	     "guests:\n" GUEST("a", "memory: 8 MiB, cpus: {allowed: [1], weight: 50, cap: 20}"),
	     all_run,
	     "guest 'a' is changed while it runs:\n"
	     "  cpus.allowed: nothing, then [1]\n"
	     "  cpus.weight: 100, then 50\n"
	     "  cpus.cap: 0, then 20\n"
	     "  cpus: CPUs 0-3, then CPU 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_happens_is_said_with_its_reasons),
		cmocka_unit_test(lists_and_derived_values_are_told_as_they_count),
		cmocka_unit_test(networks_take_the_guests_on_them_along),
		cmocka_unit_test(pins_take_cpus_from_those_who_share_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
