/*
 * The catalogue's house for its tests: guests, networks and disks are played, each step can
 * fail.
 */
#ifndef TESTS_UNIT_CATALOGUE_HOUSE_H
#define TESTS_UNIT_CATALOGUE_HOUSE_H

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

/* ---- what the catalogue stands on ---------------------------------------------- */

#define GUESTS_MAX (4 * RANDOM_GUESTS)

struct guest {
	bool there, runs, stopping, waits, asked;
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
static unsigned busy;			    /* polls, until guests can be configured */
static bool cancel;
static const char *missing_disk;
static bool clash;		/* the first two disks are one */
static const char *missing_nic; /* for networks */
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
	guest->stopping = guest->asked = false;
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

int guest_stop_for_change(struct guest *guest, const struct actor *actor)
{
	return guest_stop(guest, actor);
}

static char asked_in_order[32];				/* names of one letter */
static enum guest_leave_stage stage = GUEST_LEAVE_LATE; /* of all that run */
static bool deaf;					/* nobody stops for being asked */

bool guest_at_rest(struct guest *guest)
{
	bool stops = guest->stopping || (guest->asked && !deaf);

	if (stops && !guest->stop_polls)
		guest->runs = guest->stopping = guest->asked = false;
	return !guest->runs;
}

int guest_leave(struct guest *guest, const struct actor *actor)
{
	(void)actor;
	if (guest->asked)
		return -EALREADY;
	if (strlen(asked_in_order) + 1 < sizeof(asked_in_order))
		strncat(asked_in_order, guest->config.name, 1);
	guest->asked = true;
	guest->stop_polls = stop_takes;
	return 0;
}

void guest_stay(struct guest *guest)
{
	guest->asked = false;
}

bool guest_leaving(struct guest *guest, struct guest_leaving *how)
{
	bool there = !guest_at_rest(guest);

	*how = (struct guest_leaving){.stage = !there		 ? GUEST_LEAVE_GONE
					       : guest->stopping ? GUEST_LEAVE_ENDING
								 : stage,
				      .order = guest->vm.shutdown.order,
				      .asked = guest->asked};
	return there;
}

const char *guest_leave_name(enum guest_leave_stage of)
{
	return of == GUEST_LEAVE_ENDING ? "ending" : "shutting down";
}

static unsigned turns_held;

void guests_hold_turns(void)
{
	turns_held++;
}

void guests_release_turns(void)
{
	assert_true(turns_held > 0);
	turns_held--;
}

int guest_start_in_turn(struct guest *guest, const struct actor *actor)
{
	assert_int_equal(turns_held, 1);
	return guest_start(guest, actor);
}

enum guest_state guest_state(struct guest *guest)
{
	return guest->runs ? GUEST_RUNNING : guest->waits ? GUEST_WAITING : GUEST_STOPPED;
}

void thread_sleep_ns(uint64_t ns)
{
	(void)ns;
	for (unsigned i = 0; i < GUESTS_MAX; i++)
		if (guests[i].stop_polls)
			guests[i].stop_polls--;
	busy -= busy > 0;
}

int guest_add(const struct guest_config *config, const struct cpumask *shared,
	      const struct actor *actor)
{
	struct guest *guest = guests;

	(void)actor;
	assert_int_equal(turns_held, 1);
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
	if (busy)
		return -EBUSY;
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
	if (fails(-ENOMEM)) {
		snprintf(why, NETWORK_WHY_BYTES, "finds no room in memory");
		return -ENOMEM;
	}
	why[0] = '\0';
	if (missing_nic && strcmp(config->uplink, missing_nic) == 0)
		snprintf(why, NETWORK_WHY_BYTES, "has no NIC");
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
	for (unsigned i = 0; i < count; i++) {
		uses[i].error =
			missing_disk && !strcmp(uses[i].source, missing_disk) ? -ENOENT : 0;
		uses[i].clash = -1;
		strcpy(uses[i].why, "names no volume; this machine has none");
		if (clash && i < 2) {
			uses[i].error = -EBUSY;
			uses[i].clash = 1 - (int)i;
			strcpy(uses[i].why, "shares 1 MiB");
		}
	}
	return 0;
}

static unsigned given_away;    /* sources */
static char given_modes[16];   /* of each: 'w', or 'r' to be read only */
static char kept_for[64];      /* owners whose sources are kept for a start */
static unsigned tried_waiting; /* times that waiting guests were told to try */

int storage_check(struct storage_use *uses, unsigned count)
{
	given_away = count;
	for (unsigned i = 0; i < MIN(count, sizeof(given_modes) - 1); i++)
		given_modes[i] = uses[i].read_only ? 'r' : 'w';
	given_modes[MIN(count, sizeof(given_modes) - 1)] = '\0';
	for (unsigned i = 0; i < count; i++) {
		if (uses[i].starts && !strstr(kept_for, uses[i].owner))
			strcat(kept_for, uses[i].owner);
	}
	return storage_try(uses, count);
}

/* Names of one letter. */
void storage_forget(const char *owner)
{
	char *at = strstr(kept_for, owner);

	if (at)
		memmove(at, at + 1, strlen(at));
}

void guests_try_waiting(void)
{
	tried_waiting++;
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

static unsigned gives_up; /* polls, until an undo is given up, too; 0: never */

static bool given_up(void *waiter)
{
	(void)waiter;
	return gives_up && !--gives_up;
}

static void (*on_progress)(void); /* in the midst of a change */
static uint32_t steps_done;	  /* of the longest change */

static char waited_for[256]; /* that was told, each with a line break */

static void progress(void *waiter, uint32_t steps, uint32_t of, const char *waits_for)
{
	(void)waiter;
	if (waits_for[0])
		snprintf(waited_for + strlen(waited_for),
			 sizeof waited_for - strlen(waited_for), "%s\n", waits_for);
	assert_true(steps < of);
	steps_done = MAX(steps_done, steps);
	if (on_progress)
		on_progress();
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

/* ---- by chance ----------------------------------------------------------------- */

static const struct actor nobody;
static struct catalogue_change change;

static int set(const struct config *next)
{
	config_report_start(&report, "next.yaml");
	operations = 0;
	change = (struct catalogue_change){.next = next,
					   .actor = &nobody,
					   .cancelled = cancelled,
					   .given_up = given_up,
					   .progress = progress,
					   .report = &report};
	return catalogue_apply(&change);
}

/* What there is, is what the catalogue says, and that is `config`. */
static inline void demand_state(const struct config *config)
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
	assert_int_equal(turns_held, 0);
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
	network_count = fail_operation = stop_takes = busy = 0;
	cancel = fail_on = false;
	missing_disk = missing_nic = NULL;
	clash = false;
	kept_for[0] = asked_in_order[0] = waited_for[0] = '\0';
	stage = GUEST_LEAVE_LATE;
	deaf = false;
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
	cancel = fail_on = deaf = false;
	assert_int_equal(set(none), 0);
	config_free(none);
	return 0;
}

#define GUEST(name, more) \
	"  - {name: " name ", memory: 8 MiB, boot: {kernel: 'esp:/k'}" more "}\n"

#endif
