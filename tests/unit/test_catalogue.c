/*
 * The catalogue on guests, networks and disks that are played here: random configurations after
 * each other, each step failing once; what is refused; which document is kept, and where.
 */
/* links: guests/config/parse.c */
/* links: guests/catalogue/catalogue.c guests/catalogue/disks.c guests/catalogue/follow.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/diff.c guests/config/edit.c guests/config/hint.c */
/* links: guests/config/merge.c guests/config/plan.c guests/config/report.c */
/* links: guests/config/schema.c guests/config/schema_devices.c guests/config/text.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/write.c */
/* links: kernel/lib/size.c tests/unit/fail_malloc.c */
#include "tests/unit/config_parse.h"

#include "guests/catalogue/catalogue.h"
#include "guests/config/diff.h"
#include "guests/config/merge.h"
#include "guests/events/event.h"
#include "guests/guest/guest.h"
#include "kernel/io/network.h"
#include "kernel/io/storage.h"
#include "kernel/log/log.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"
#include "tests/unit/config_fit.h"
#include "tests/unit/fail_malloc.h"

/* ---- what the catalogue stands on ---------------------------------------------------------
 */

#define GUESTS_MAX (4 * RANDOM_GUESTS)

struct guest {
	bool there, runs, stopping;
	unsigned references, stop_polls;
	struct guest_config config, vm;
	struct cpumask shared;
};

static struct guest guests[GUESTS_MAX];
static struct config_network networks[CONFIG_NETWORKS_MAX];
static unsigned network_count;

static unsigned operations, fail_operation; /* the n-th that can fail does; 0: none */
static bool fail_on;			    /* and all after it */
static unsigned stop_takes;		    /* polls, until one has stopped */
static bool cancel;
static const char *missing_disk;
static char logged[256];

static int fails(int error)
{
	operations++;
	return operations == fail_operation || (fail_on && operations > fail_operation) ? error
											: 0;
}

struct guest *guest_get(const char *name)
{
	for (unsigned i = 0; i < GUESTS_MAX; i++)
		if (guests[i].there && strcmp(guests[i].config.name, name) == 0) {
			guests[i].references++;
			return &guests[i];
		}
	return NULL;
}

void guest_put(struct guest *guest)
{
	if (guest)
		guest->references--;
}

static bool plugged(const struct guest *guest, const char *network)
{
	for (uint32_t i = 0; guest->runs && i < guest->vm.nic_count; i++)
		if (strcmp(guest->vm.nics[i].network, network) == 0)
			return true;
	return false;
}

static void run(struct guest *guest)
{
	guest->runs = true;
	guest->stopping = false;
	guest->vm = guest->config;
}

int guest_start(struct guest *guest, const struct actor *actor)
{
	(void)actor;
	if (guest->runs && !guest->stopping)
		return -EALREADY;
	run(guest);
	return 0;
}

int guest_stop(struct guest *guest, const struct actor *actor)
{
	(void)actor;
	if (!guest->runs || guest->stopping)
		return -EINVAL;
	guest->stopping = true;
	guest->stop_polls = stop_takes;
	return 0;
}

bool guest_at_rest(struct guest *guest)
{
	if (guest->stopping && !guest->stop_polls)
		guest->runs = guest->stopping = false;
	return !guest->runs;
}

void thread_sleep_ns(uint64_t ns)
{
	(void)ns;
	for (unsigned i = 0; i < GUESTS_MAX; i++)
		if (guests[i].stop_polls)
			guests[i].stop_polls--;
}

int guest_add(const struct guest_config *config, const struct cpumask *shared,
	      const struct actor *actor)
{
	struct guest *guest = guests;

	(void)actor;
	assert_null(guest_get(config->name));
	if (fails(-ENOMEM))
		return -ENOMEM;
	while (guest->there || guest->references)
		guest++;
	*guest = (struct guest){.there = true, .config = *config, .shared = *shared};
	if (config->autostart)
		run(guest);
	return 0;
}

int guest_remove(struct guest *guest, const struct actor *actor)
{
	(void)actor;
	assert_false(guest->runs);
	if (fails(-ENOENT))
		return -ENOENT;
	guest->there = false;
	return 0;
}

int guest_configure(struct guest *guest, const struct guest_config *config,
		    const struct cpumask *shared, const struct actor *actor)
{
	(void)actor;
	if (fails(-ENOENT))
		return -ENOENT;
	guest->config = *config;
	guest->shared = *shared;
	if (guest->runs)
		guest->vm = *config;
	return 0;
}

static unsigned network_at(const char *name)
{
	unsigned i = 0;

	while (i < network_count && strcmp(networks[i].name, name) != 0)
		i++;
	return i;
}

int network_create(const struct network_config *config, char why[NETWORK_WHY_BYTES])
{
	assert_int_equal(network_at(config->name), network_count);
	if (fails(-ENODEV)) {
		snprintf(why, NETWORK_WHY_BYTES, "has no NIC");
		return -ENODEV;
	}
	networks[network_count] = (struct config_network){.vlan = config->vlan};
	strcpy(networks[network_count].name, config->name);
	strcpy(networks[network_count++].uplink, config->uplink);
	return 0;
}

int network_remove(const char *name, char why[NETWORK_WHY_BYTES])
{
	unsigned i = network_at(name);

	assert_int_not_equal(i, network_count);
	for (unsigned j = 0; j < GUESTS_MAX; j++)
		assert_false(guests[j].there && plugged(&guests[j], name));
	if (fails(-EBUSY)) {
		snprintf(why, NETWORK_WHY_BYTES, "is in use");
		return -EBUSY;
	}
	networks[i] = networks[--network_count];
	return 0;
}

int storage_try(struct storage_use *uses, unsigned count)
{
	int err = 0;

	for (unsigned i = 0; i < count; i++) {
		uses[i].error =
			missing_disk && !strcmp(uses[i].source, missing_disk) ? -ENOENT : 0;
		uses[i].clash = -1;
		strcpy(uses[i].why, "names no volume; this machine has none");
		err = uses[i].error ? -EINVAL : err;
	}
	return err;
}

static unsigned given_away; /* sources */

int storage_check(struct storage_use *uses, unsigned count)
{
	given_away = count;
	return storage_try(uses, count);
}

uint64_t event_post(enum event_kind kind, const char *subject, const char *fmt, ...)
{
	(void)kind, (void)subject, (void)fmt;
	return 1;
}

static bool cancelled(void *waiter)
{
	(void)waiter;
	return cancel;
}

static uint32_t steps_done;

static void progress(void *waiter, uint32_t steps, uint32_t of)
{
	(void)waiter;
	assert_true(steps < of);
	steps_done = steps;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)level, (void)area;
	va_start(args, fmt);
	vsnprintf(logged, sizeof(logged), fmt, args);
	va_end(args);
}

static bool locked;

void mutex_lock(struct mutex *mutex)
{
	(void)mutex;
	assert_false(locked);
	locked = true;
}

void mutex_unlock(struct mutex *mutex)
{
	(void)mutex;
	locked = false;
}

/* ---- by chance ----------------------------------------------------------------------------
 */

static const struct actor nobody;
static struct catalogue_change change;

static int set(const struct config *next)
{
	config_report_start(&report, "next.yaml");
	operations = 0;
	change = (struct catalogue_change){.next = next,
					   .actor = &nobody,
					   .cancelled = cancelled,
					   .progress = progress,
					   .report = &report};
	return catalogue_apply(&change);
}

/* What there is, is what the catalogue says, and that is `config`. */
static void demand_state(const struct config *config)
{
	struct config *desired = catalogue_get();
	unsigned there = 0;

	assert_int_equal(desired->guest_count, config->guest_count);
	assert_int_equal(desired->network_count, config->network_count);
	assert_int_equal(network_count, config->network_count);
	assert_false(
		config_diff(&config_host_schema, &desired->host, &config->host, NULL, NULL));
	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *wanted = &config->guests[i];
		struct guest *guest = guest_get(wanted->name);
		struct cpumask shared = config_shared(config, wanted, &random_machine.cpus);

		assert_non_null(guest);
		guest_put(guest);
		assert_false(
			config_diff(&config_guest_schema, &guest->config, wanted, NULL, NULL));
		if (guest->runs)
			assert_false(config_diff(&config_guest_schema, &guest->vm, wanted, NULL,
						 NULL));
		if (!wanted->cpus.pin_count)
			assert_memory_equal(&guest->shared, &shared, sizeof(shared));
		assert_false(config_diff(&config_guest_schema,
					 config_find_guest(desired, wanted->name), wanted, NULL,
					 NULL));
	}
	for (uint32_t i = 0; i < config->network_count; i++) {
		unsigned at = network_at(config->networks[i].name);

		assert_int_not_equal(at, network_count);
		assert_false(config_diff(&config_network_schema, &networks[at],
					 &config->networks[i], NULL, NULL));
	}
	for (unsigned i = 0; i < GUESTS_MAX; i++) {
		there += guests[i].there;
		assert_int_equal(guests[i].references, 0);
	}
	assert_int_equal(there, config->guest_count);
	config_free(desired);
}

static unsigned running(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < GUESTS_MAX; i++)
		count += guests[i].there && guests[i].runs && !guests[i].stopping;
	return count;
}

static int fresh(void **state)
{
	static const struct host_config host = {.name = "h", .housekeeping = {{1}}};
	static bool ready;

	(void)state;
	memset(guests, 0, sizeof(guests));
	network_count = fail_operation = stop_takes = 0;
	cancel = fail_on = false;
	missing_disk = NULL;
	random_state = 7;
	if (!ready && catalogue_init(&random_machine, &host))
		return -1;
	ready = true;
	catalogue_set_store(NULL);
	return 0;
}

/* The catalogue is for as long as the machine: what it holds at the end is no leak. */
static int end(void **state)
{
	struct config *none = parse("guests: []");

	(void)state;
	fail_operation = 0;
	cancel = fail_on = false;
	assert_int_equal(set(none), 0);
	config_free(none);
	return 0;
}

static void changes_follow_each_other(void **state)
{
	struct config *now = random_config();

	(void)state;
	random_fit(now);
	for (unsigned round = 0; round < 300; round++) {
		struct config *next = random_neighbour(now);

		stop_takes = (unsigned)chance(3);
		assert_int_equal(set(next), 0);
		assert_int_equal(report.count, 0);
		assert_int_equal(change.kept, CATALOGUE_TRANSIENT);
		demand_state(next);
		config_free(now);
		now = next;
	}
	config_free(now);
}

/* Each step of each change fails in its turn: all is as it was, and what ran runs. */
static void a_change_is_whole_or_none(void **state)
{
	struct config *now = random_config();
	unsigned failures = 0;

	(void)state;
	random_fit(now);
	assert_int_equal(set(now), 0);
	for (unsigned round = 0; round < 60; round++) {
		struct config *next = random_neighbour(now);
		unsigned ran = running();
		int err = -1;

		for (unsigned n = 1; err; n++) {
			fail_operation = n;
			err = set(next);
			failures += err != 0;
			if (!err)
				break;
			assert_true(change.why[0] != '\0');
			assert_null(strstr(change.why, "undone"));
			demand_state(now);
			assert_int_equal(running(), ran);
		}
		fail_operation = 0;
		demand_state(next);
		config_free(now);
		now = next;
	}
	assert_true(failures > 60 && steps_done > 0);
	config_free(now);
}

/* ---- by hand ------------------------------------------------------------------------------
 */

#define GUEST(name, more) \
	"  - {name: " name ", memory: 8 MiB, boot: {kernel: 'esp:/k'}" more "}\n"

static int set_text(const char *text)
{
	struct config *next = parse(text);
	int err;

	config_report_start(&report, "next.yaml");
	operations = 0;
	change = (struct catalogue_change){.next = next,
					   .text = text,
					   .length = strlen(text),
					   .actor = &nobody,
					   .cancelled = cancelled,
					   .progress = progress,
					   .report = &report};
	err = catalogue_apply(&change);
	config_free(next);
	return err;
}

static void demand_line(const char *expected)
{
	char line[CONFIG_LINE_MAX];

	assert_int_equal(report.count, 1);
	config_report_line(&report, 0, line);
	assert_string_equal(line, expected);
}

static void what_does_not_fit_is_refused_before_anything_happens(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "")), 0);
	assert_int_equal(set_text("guests:\n" GUEST("b", ", nics: [{network: lan}]")), -EINVAL);
	demand_line(
		"next.yaml:2:73: guest 'b': nics[0].network: there is no network 'lan'; add "
		"'{name: lan}' to networks");
	assert_int_equal(operations, 0);
	missing_disk = "lvm:v/gone";
	assert_int_equal(set_text("guests:\n" GUEST("b", ", disks: [{source: 'lvm:v/gone'}]")),
			 -EINVAL);
	demand_line("next.yaml:2:73: guest 'b': disks[0].source 'lvm:v/gone' names no volume; "
		    "this machine has none");
	assert_int_equal(operations, 0);
	assert_int_equal(running(), 1);
}

static void networks_are_refused_with_their_place(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests: []\nnetworks: [{name: l}, {name: m, uplink: nic0}]"),
			 0);
	fail_operation = 2;
	assert_int_equal(
		set_text("guests: []\nnetworks: [{name: n}, {name: o, uplink: nic1}, {name: l},"
			 " {name: m, uplink: nic0}]\n"),
		-ENODEV);
	demand_line("next.yaml:2:41: network 'o' has no NIC");
	assert_string_equal(change.why, "network 'o' has no NIC");
	assert_int_equal(network_count, 2);
}

static void one_that_does_not_stop_can_be_waited_for_no_longer(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), 0);
	stop_takes = 1000000;
	cancel = true;
	assert_int_equal(set_text("guests:\n" GUEST("b", ", debug_exit: true")), -ECANCELED);
	assert_string_equal(change.why, "guest 'a' had not stopped yet");
	assert_int_equal(running(), 2); /* it starts again once it has */
}

/* What guests may write is kept from others by what there is to be: not by what is refused or
 * only looked at, also where not all could be undone. */
static void disks_are_given_by_what_there_is(void **state)
{
	static const char disk[] = ", disks: [{source: 'disk:x'}]";
	struct config *none = parse("guests: []");
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "guests:\n" GUEST("a", "%s"), disk);
	assert_int_equal(set_text(text), 0);
	assert_int_equal(given_away, 1);
	config_report_start(&report, "next");
	assert_int_equal(catalogue_check(none, &report), 0);
	assert_int_equal(given_away, 1);
	fail_operation = 1;
	assert_int_equal(set(none), -ENOENT);
	assert_int_equal(given_away, 1);
	fail_operation = 2;
	fail_on = true;
	assert_int_equal(set_text("guests:\n" GUEST("b", "")), -ENOMEM);
	assert_int_equal(given_away, 0);
	config_free(none);
}

static void what_cannot_be_undone_is_told(void **state)
{
	struct config *desired;

	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "")), 0);
	/* the new one can't be added, and so the old one is added again, which fails too */
	fail_operation = 2;
	fail_on = true;
	assert_int_equal(set_text("guests:\n" GUEST("b", "")), -ENOMEM);
	assert_string_equal(change.why,
			    "guest 'b' was not added: the hypervisor is out of memory; not all "
			    "could be undone, see the log");
	assert_string_equal(logged,
			    "a change could not be undone: guest 'a' was not added: the "
			    "hypervisor is out of memory");
	desired = catalogue_get();
	assert_int_equal(desired->guest_count, 0);
	demand_state(desired);
	config_free(desired);
}

/* ---- which document is kept ----------------------------------------------------------------
 */

static char stored[4096];
static int store_error;

static int save(void *context, const char *text, size_t length, char why[CONFIG_WHY_MAX])
{
	(void)context;
	snprintf(why, CONFIG_WHY_MAX, "the disk is full");
	if (store_error)
		return store_error;
	memcpy(stored, text, length);
	stored[length] = '\0';
	return 0;
}

static const struct catalogue_store partition = {.name = "the boot partition", .save = save};

static void demand_text(const char *expected)
{
	size_t length;
	char *text = catalogue_text(&length);

	assert_string_equal(text, expected);
	assert_int_equal(length, strlen(expected));
	free(text);
}

static void a_change_is_kept_once_it_is_stored(void **state)
{
	static const char document[] = "# mine\nguests:\n" GUEST("a", "");

	(void)state;
	stored[0] = '\0';
	assert_int_equal(set_text(document), 0);
	assert_int_equal(change.kept, CATALOGUE_TRANSIENT);
	assert_non_null(strstr(change.why, "It is transient"));
	catalogue_set_store(&partition);
	store_error = -ENOSPC;
	assert_int_equal(set_text("guests: [] # none\n"), 0);
	assert_int_equal(change.kept, CATALOGUE_TRANSIENT);
	assert_string_equal(change.why, "It is transient: the boot partition does not keep it: "
					"the disk is full.");
	assert_string_equal(stored, "");
	demand_text("guests: [] # none\n");
	store_error = 0;
	assert_int_equal(set_text(document), 0);
	assert_int_equal(change.kept, CATALOGUE_KEPT);
	assert_string_equal(change.why, "");
	assert_string_equal(stored, document);
}

static void one_guest_is_edited_into_the_document(void **state)
{
	static struct guest_config guest;
	struct config *now, *next;

	(void)state;
	catalogue_set_store(&partition);
	store_error = 0;
	assert_int_equal(set_text("# mine\nguests:\n" GUEST("a", "") "  # the end\n"), 0);
	now = catalogue_get();
	assert_int_equal(
		config_parse_guest("{name: b, memory: 8 MiB, boot: {kernel: 'esp:/k'}}", 50,
				   "b", &now->host, &guest, &report),
		0);
	next = config_with_guest(now, &guest);
	assert_int_equal(set(next), 0);
	assert_int_equal(change.kept, CATALOGUE_KEPT);
	assert_string_equal(
		stored,
		"# mine\nguests:\n" GUEST(
			"a", "") "  - name: b\n"
				 "    memory: 8 MiB\n    boot:\n      kernel: \"esp:/k\"\n"
				 "  # the end\n");
	config_free(now);
	config_free(next);
}

/* Whatever there is no memory for: nothing is half done, and nothing is lost. */
static void memory_may_end_anywhere(void **state)
{
	struct config *first = parse("guests:\n" GUEST("a", "") GUEST("b", ""));
	struct config *second =
		parse("guests:\n" GUEST("b", ", debug_exit: true") GUEST("c", ""));
	int err = -ENOMEM;

	(void)state;
	assert_int_equal(set(first), 0);
	for (unsigned long call = 1; err; call++) {
		fail_malloc_at(call);
		err = set(second);
		if (!err && fail_malloc_calls() >= call)
			err = -EAGAIN; /* it was one that a change can do without */
		fail_malloc_at(0);
		demand_state(err == -ENOMEM ? first : second);
		if (err == -EAGAIN)
			assert_int_equal(set(first), 0);
	}
	config_free(first);
	config_free(second);
}

static void plans_are_against_what_there_is(void **state)
{
	struct config *next = parse("guests:\n" GUEST("a", ""));
	struct config_plan plan;

	(void)state;
	config_report_start(&report, "next");
	assert_int_equal(catalogue_check(next, &report), 0);
	assert_int_equal(catalogue_plan(next, &plan), 0);
	assert_int_equal(plan.item_count, 1);
	config_plan_free(&plan);
	assert_int_equal(set(next), 0);
	assert_int_equal(catalogue_plan(next, &plan), 0);
	assert_int_equal(plan.item_count, 0);
	config_plan_free(&plan);
	config_free(next);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
		TEST(changes_follow_each_other),
		TEST(a_change_is_whole_or_none),
		TEST(what_does_not_fit_is_refused_before_anything_happens),
		TEST(networks_are_refused_with_their_place),
		TEST(one_that_does_not_stop_can_be_waited_for_no_longer),
		TEST(disks_are_given_by_what_there_is),
		TEST(what_cannot_be_undone_is_told),
		TEST(a_change_is_kept_once_it_is_stored),
		TEST(one_guest_is_edited_into_the_document),
		TEST(memory_may_end_anywhere),
		TEST(plans_are_against_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
