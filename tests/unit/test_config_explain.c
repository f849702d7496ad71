/* Who owns what, in words. */
/* links: guests/config/parse.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/config.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/sound.c */
/* links: guests/config/cpus.c guests/config/derive.c guests/config/explain.c */
/* links: guests/config/hint.c guests/config/merge.c guests/config/report.c */
/* links: guests/config/schema.c guests/config/schema_devices.c guests/config/text.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/tree.c guests/config/value.c kernel/lib/size.c */
#include "tests/unit/config_parse.h"

#include "guests/config/explain.h"

#define BOOT "boot: {kernel: 'esp:/k'}"

static const char document[] =
	"networks: [{name: lan, uplink: nic0, vlan: 5}, {name: empty}]\n"
	"guests:\n"
	"  - {name: a, memory: 512 MiB, " BOOT ", nics: [{network: lan}]}\n"
	"  - {name: b, memory: 1 GiB, " BOOT
	", cpus: {pin: [3]}, disks: [{source: 'lvm:v/b'}]}\n"
	"  - {name: c, memory: 8 MiB, " BOOT ", autostart: false, disks: [{source: 'lvm:v/c', "
	"read_only: true}]}\n";

static char said[8192];

static void note(void *arg, const char *text)
{
	(void)arg;
	strcat(strcat(said, text), "\n");
}

static bool a_runs(void *context, const char *name)
{
	(void)context;
	return strcmp(name, "a") == 0;
}

static struct config_facts facts = {
	.present = {{0x1f}}, .free_bytes = 100 * MIB, .runs = a_runs};

static void everything_has_its_owner(void **state)
{
	struct config *config = parse(document);

	(void)state;
	said[0] = '\0';
	config_explain(config, &facts, note, NULL);
	assert_string_equal(said, "CPU 0: housekeeping; shared by a, c\n"
				  "CPUs 1-2: shared by a, c\n"
				  "CPU 3: guest 'b' alone\n"
				  "CPU 4: shared by a, c\n"
				  "memory: guest 'a' has 512 MiB\n"
				  "memory: guest 'b' has 1 GiB when it runs\n"
				  "memory: guest 'c' has 8 MiB when it runs\n"
				  "memory: 100 MiB are free\n"
				  "disk: lvm:v/b is disks[0] of guest 'b'\n"
				  "disk: lvm:v/c is disks[0] of guest 'c', to read\n"
				  "network 'lan' on nic0, VLAN 5: nics[0] of guest 'a'\n"
				  "network 'empty': nobody is plugged in\n");
	config_free(config);
	config = parse("guests: []");
	said[0] = '\0';
	config_explain(config, &facts, note, NULL);
	assert_string_equal(said, "CPU 0: housekeeping\nCPUs 1-4: nobody\n"
				  "memory: 100 MiB are free\n");
	config_free(config);
}

static void explains(unsigned guest, const char *reason, const char *expected)
{
	struct config *config = parse(document);

	said[0] = '\0';
	config_explain_guest(config, &config->guests[guest], &facts, reason, note, NULL);
	assert_string_equal(said, expected);
	config_free(config);
}

static void a_guest_has_what_it_has_or_is_told_what_it_lacks(void **state)
{
	(void)state;
	explains(0, "",
		 "1 vCPU on CPUs 0-2, 4, shared\n512 MiB of memory\n"
		 "network 'lan' on nic0, VLAN 5: nics[0] of guest 'a'\nit runs\n");
	explains(1, "not started: no memory for it",
		 "1 vCPU on CPU 3, which is its own\n1 GiB of memory\n"
		 "disk: lvm:v/b is disks[0] of guest 'b'\n"
		 "it does not run: not started: no memory for it\n"
		 "it can't start: it needs 1 GiB, and 100 MiB are free: guest 'a' has 512 MiB; "
		 "stop one of them, or write less at its memory\n");
	explains(2, "",
		 "1 vCPU on CPUs 0-2, 4, shared\n8 MiB of memory\n"
		 "disk: lvm:v/c is disks[0] of guest 'c', to read\n"
		 "it does not run: it starts when it is told to\n"
		 "no memory and no CPU is in the way of its start\n");
}

/* A document for another machine: which CPUs, and what would help. */
static void a_guest_may_name_cpus_that_are_not_there(void **state)
{
	(void)state;
	facts.free_bytes = 2 * GIB;
	facts.present = (struct cpumask){{0x7}};
	explains(1, "",
		 "1 vCPU on CPU 3, which is its own\n1 GiB of memory\n"
		 "disk: lvm:v/b is disks[0] of guest 'b'\nit does not run\n"
		 "it can't start: this machine does not have CPU 3; name others of CPUs 0-2 at "
		 "its "
		 "cpus.pin\n");
	facts.present = (struct cpumask){{0x8}};
	explains(1, "",
		 "1 vCPU on CPU 3, which is its own\n1 GiB of memory\n"
		 "disk: lvm:v/b is disks[0] of guest 'b'\nit does not run\n"
		 "no memory and no CPU is in the way of its start\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_has_its_owner),
		cmocka_unit_test(a_guest_has_what_it_has_or_is_told_what_it_lacks),
		cmocka_unit_test(a_guest_may_name_cpus_that_are_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
