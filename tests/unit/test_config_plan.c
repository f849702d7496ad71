/*
 * Plans: random pairs of configurations, the steps followed on a model of a machine that
 * refuses whatever is not free yet, and what has come out compared with what was wanted. Each
 * key of the tables is among what differed. The words are test_config_plan_say's.
 */
/* links: guests/config/parse.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c guests/config/sound.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/diff.c guests/config/hint.c guests/config/merge.c */
/* links: guests/config/plan.c guests/config/report.c */
/* links: guests/config/schema.c guests/config/schema_devices.c guests/config/text.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/write.c */
/* links: kernel/lib/duration.c */
/* links: kernel/lib/size.c tests/unit/fail_malloc.c */
#include "tests/unit/config_parse.h"

#include "guests/config/diff.h"
#include "guests/config/merge.h"
#include "guests/config/plan.h"
#include "tests/unit/config_fit.h"
#include "tests/unit/fail_malloc.h"

/* ---- a machine --------------------------------------------------------------------------- */

#define MODEL_MAX (4 * RANDOM_GUESTS)

/* A guest that was added; `vm` is what it runs with, where it does. */
struct model_guest {
	bool there, runs;
	struct guest_config config, vm;
	struct cpumask shared;		    /* of the VM */
	unsigned networks[CONFIG_NICS_MAX]; /* generations that it is plugged into */
};

struct model_network {
	unsigned generation; /* 0: not there */
	struct config_network config;
};

struct model {
	const struct config *next;
	struct host_config host;
	struct model_guest guests[MODEL_MAX];
	struct model_network networks[MODEL_MAX];
	unsigned generations;
};

static struct model model;

static struct model_guest *guest_named(const char *name)
{
	for (unsigned i = 0; i < MODEL_MAX; i++)
		if (model.guests[i].there && strcmp(model.guests[i].config.name, name) == 0)
			return &model.guests[i];
	return NULL;
}

static struct model_network *network_named(const char *name)
{
	for (unsigned i = 0; i < MODEL_MAX; i++)
		if (model.networks[i].generation &&
		    strcmp(model.networks[i].config.name, name) == 0)
			return &model.networks[i];
	return NULL;
}

static bool runs(void *context, const char *name)
{
	const struct model_guest *guest = guest_named(name);

	(void)context;
	return guest && guest->runs;
}

static bool disks_clash(const struct guest_config *a, const struct guest_config *b)
{
	for (uint32_t i = 0; i < a->disk_count; i++)
		for (uint32_t j = 0; j < b->disk_count; j++)
			if (strcmp(a->disks[i].source, b->disks[j].source) == 0 &&
			    !(a->disks[i].read_only && b->disks[j].read_only))
				return true;
	return false;
}

static bool macs_clash(const struct guest_config *a, const struct guest_config *b)
{
	for (uint32_t i = 0; i < a->nic_count; i++)
		for (uint32_t j = 0; j < b->nic_count; j++)
			if (strcmp(a->nics[i].network, b->nics[j].network) == 0 &&
			    memcmp(a->nics[i].mac.bytes, b->nics[j].mac.bytes, 6) == 0)
				return true;
	return false;
}

static struct cpumask cpus_of(const struct model_guest *guest)
{
	return guest->vm.cpus.pin_count ? config_pins(&guest->vm) : guest->shared;
}

/* All that must hold at any time between two steps. */
static void demand_nothing_is_two_guests(void)
{
	for (unsigned i = 0; i < MODEL_MAX; i++) {
		const struct model_guest *a = &model.guests[i];

		for (uint32_t n = 0; a->runs && n < a->vm.nic_count; n++) {
			const struct model_network *network =
				network_named(a->vm.nics[n].network);

			assert_non_null(network);
			assert_int_equal(network->generation, a->networks[n]);
		}
		for (unsigned j = 0; j < i; j++) {
			const struct model_guest *b = &model.guests[j];
			struct cpumask both;

			if (!a->runs || !b->runs)
				continue;
			assert_false(disks_clash(&a->vm, &b->vm));
			assert_false(macs_clash(&a->vm, &b->vm));
			both = config_cpus_and(cpus_of(a), cpus_of(b));
			if (a->vm.cpus.pin_count || b->vm.cpus.pin_count)
				assert_true(config_cpus_empty(&both));
		}
	}
}

static void start(struct model_guest *guest, const struct config *config)
{
	assert_false(guest->runs);
	guest->runs = true;
	guest->vm = guest->config;
	guest->shared = config_shared(config, &guest->config, &random_machine.cpus);
	for (uint32_t i = 0; i < guest->vm.nic_count; i++) {
		const struct model_network *network = network_named(guest->vm.nics[i].network);

		assert_non_null(network);
		guest->networks[i] = network->generation;
	}
}

static struct model_guest *add_guest(const struct guest_config *config)
{
	struct model_guest *guest = model.guests;

	assert_null(guest_named(config->name));
	while (guest->there)
		guest++;
	*guest = (struct model_guest){.there = true, .config = *config};
	return guest;
}

static void add_network(const struct config_network *config)
{
	struct model_network *network = model.networks;

	assert_null(network_named(config->name));
	for (unsigned i = 0; i < MODEL_MAX; i++)
		if (model.networks[i].generation && config->uplink[0] &&
		    strcmp(model.networks[i].config.uplink, config->uplink) == 0)
			assert_int_not_equal(model.networks[i].config.vlan, config->vlan);
	while (network->generation)
		network++;
	*network = (struct model_network){++model.generations, *config};
}

static void set_up(const struct config *now)
{
	memset(&model, 0, sizeof(model));
	model.host = now->host;
	for (uint32_t i = 0; i < now->network_count; i++)
		add_network(&now->networks[i]);
	for (uint32_t i = 0; i < now->guest_count; i++) {
		struct model_guest *guest = add_guest(&now->guests[i]);

		if (chance(3))
			start(guest, now);
	}
	demand_nothing_is_two_guests();
}

/* ---- all keys ---------------------------------------------------------------------------- */

#define KEYS_MAX 512

/* Paths of keys that were a plan's reason, without the positions in lists. */
static struct {
	enum config_part part;
	char path[CONFIG_PATH_MAX];
} changed[KEYS_MAX];
static unsigned changed_count;

static bool was_changed(enum config_part part, const char *path)
{
	for (unsigned i = 0; i < changed_count; i++)
		if (changed[i].part == part && strcmp(changed[i].path, path) == 0)
			return true;
	return false;
}

static void note_changes(const struct config_plan *plan)
{
	for (uint32_t i = 0; i < plan->item_count; i++) {
		const struct config_item *item = &plan->items[i];

		for (uint32_t j = 0; j < item->reasons; j++) {
			const char *from = plan->differences[item->first + j].path;
			char path[CONFIG_PATH_MAX];
			size_t used = 0;

			for (; *from; from++) {
				if (*from == '[')
					from += strcspn(from, "]");
				else
					path[used++] = *from;
			}
			path[used] = '\0';
			if (was_changed(item->part, path))
				continue;
			assert_true(changed_count < KEYS_MAX);
			changed[changed_count].part = item->part;
			strcpy(changed[changed_count++].path, path);
		}
	}
}

/* `prefix` is "disks.limits", or "". Of the names of guests and networks a change is none: they
 * are others then. */
static void demand_all_changed(enum config_part part, const struct config_table *table,
			       const char *prefix)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct config_field *field = &table->fields[i];
		char path[CONFIG_PATH_MAX];

		snprintf(path, sizeof(path), "%.40s%s%s", prefix, *prefix ? "." : "",
			 field->key);
		if (field->table)
			demand_all_changed(part, field->table, path);
		if (field->type != CONFIG_KEYS && !(table->noun && !strcmp(path, "name")) &&
		    !was_changed(part, path))
			fail_msg("%s was never changed", path);
	}
}

/* ---- following a plan ---------------------------------------------------------------------
 */

static void demand_live(void *arg, const struct config_difference *difference)
{
	(void)arg;
	assert_int_equal(difference->change, CONFIG_CHANGE_LIVE);
}

static void change_guest(const char *name)
{
	struct model_guest *guest = guest_named(name);

	assert_non_null(guest);
	guest->config = *config_find_guest(model.next, name);
	if (!guest->runs)
		return;
	config_diff(&config_guest_schema, &guest->vm, &guest->config, demand_live, NULL);
	guest->vm = guest->config;
	guest->shared = config_shared(model.next, &guest->config, &random_machine.cpus);
}

static void follow(const struct config_step *step)
{
	struct model_guest *guest = guest_named(step->name);
	struct model_network *network = network_named(step->name);

	switch (step->kind) {
	case CONFIG_STEP_STOP_GUEST:
		assert_true(guest && guest->runs);
		guest->runs = false;
		break;
	case CONFIG_STEP_DELETE_GUEST:
		assert_true(guest && !guest->runs);
		guest->there = false;
		break;
	case CONFIG_STEP_DELETE_NETWORK:
		assert_non_null(network);
		network->generation = 0;
		break;
	case CONFIG_STEP_CREATE_NETWORK:
		add_network(config_find_network(model.next, step->name));
		break;
	case CONFIG_STEP_CHANGE_GUEST: change_guest(step->name); break;
	case CONFIG_STEP_CREATE_GUEST:
		guest = add_guest(config_find_guest(model.next, step->name));
		if (guest->config.autostart)
			start(guest, model.next);
		break;
	case CONFIG_STEP_START_GUEST:
		assert_non_null(guest);
		start(guest, model.next);
		break;
	case CONFIG_STEP_CHANGE_HOST: model.host = model.next->host; break;
	}
	demand_nothing_is_two_guests();
}

static bool differ(const struct config_table *table, const void *a, const void *b)
{
	return config_diff(table, a, b, NULL, NULL);
}

/* What there is, is `next`, and what ran runs, as that says. */
static void demand_outcome(const struct config *next, const bool *ran_before,
			   char names[][CONFIG_GUEST_NAME_MAX], unsigned count)
{
	unsigned guests = 0, networks = 0;

	assert_false(differ(&config_host_schema, &model.host, &next->host));
	for (unsigned i = 0; i < MODEL_MAX; i++) {
		guests += model.guests[i].there;
		networks += model.networks[i].generation != 0;
	}
	assert_int_equal(guests, next->guest_count);
	assert_int_equal(networks, next->network_count);
	for (uint32_t i = 0; i < next->network_count; i++)
		assert_false(differ(&config_network_schema,
				    &network_named(next->networks[i].name)->config,
				    &next->networks[i]));
	for (uint32_t i = 0; i < next->guest_count; i++) {
		const struct guest_config *wanted = &next->guests[i];
		const struct model_guest *guest = guest_named(wanted->name);
		struct cpumask shared = config_shared(next, wanted, &random_machine.cpus);
		bool old = false, ran = false;

		assert_false(differ(&config_guest_schema, &guest->config, wanted));
		for (unsigned j = 0; j < count; j++)
			if (strcmp(names[j], wanted->name) == 0) {
				old = true;
				ran = ran_before[j];
			}
		assert_int_equal(guest->runs, old ? ran : wanted->autostart);
		if (!guest->runs)
			continue;
		assert_false(differ(&config_guest_schema, &guest->vm, wanted));
		if (!wanted->cpus.pin_count)
			assert_memory_equal(&guest->shared, &shared, sizeof(shared));
	}
}

/* By other means than plans: the same parts, in whatever order. */
static bool same(const struct config *a, const struct config *b)
{
	bool equal = a->guest_count == b->guest_count && a->network_count == b->network_count &&
		     !differ(&config_host_schema, &a->host, &b->host);

	for (uint32_t i = 0; equal && i < a->guest_count; i++) {
		const struct guest_config *other = config_find_guest(b, a->guests[i].name);

		equal = other && !differ(&config_guest_schema, &a->guests[i], other);
	}
	for (uint32_t i = 0; equal && i < a->network_count; i++) {
		const struct config_network *other =
			config_find_network(b, a->networks[i].name);

		equal = other && !differ(&config_network_schema, &a->networks[i], other);
	}
	return equal;
}

static void demand_good(const struct config *config)
{
	char line[CONFIG_LINE_MAX];

	config_report_start(&report, "random");
	if (!config_check(config, &random_machine, &report))
		return;
	config_report_line(&report, 0, line);
	fail_msg("%s", line);
}

static void a_plan_gives_what_was_asked_for(void **state)
{
	unsigned empty = 0, restarted = 0, live = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct config *now = random_config(), *next;
		char names[MODEL_MAX][CONFIG_GUEST_NAME_MAX];
		bool ran[MODEL_MAX];
		struct config_plan plan;

		random_fit(now);
		next = chance(5) ? random_neighbour(now) : random_config();
		random_fit(next);
		demand_good(now);
		demand_good(next);
		set_up(now);
		for (uint32_t i = 0; i < now->guest_count; i++) {
			strcpy(names[i], now->guests[i].name);
			ran[i] = runs(NULL, names[i]);
		}
		model.next = next;
		assert_int_equal(
			config_plan_make(&plan, now, next, &random_machine.cpus, runs, NULL),
			0);
		if (!plan.item_count)
			assert_true(same(now, next));
		assert_int_equal(plan.item_count == 0, plan.step_count == 0);
		if (same(now, next) && plan.item_count)
			fail_msg("a plan for nothing");
		for (uint32_t i = 0; i < plan.step_count; i++)
			follow(&plan.steps[i]);
		demand_outcome(next, ran, names, now->guest_count);
		for (uint32_t i = 0; i < plan.item_count; i++) {
			restarted += plan.items[i].fate == CONFIG_FATE_RESTARTED;
			live += plan.items[i].fate == CONFIG_FATE_CHANGED && plan.items[i].runs;
		}
		empty += !plan.item_count;
		note_changes(&plan);
		config_plan_free(&plan);
		config_free(now);
		config_free(next);
	}
	/* each kind was there */
	assert_true(empty > 50 && restarted > 200 && live > 50);
	demand_all_changed(CONFIG_PART_HOST, &config_host_schema, "");
	demand_all_changed(CONFIG_PART_NETWORK, &config_network_schema, "");
	demand_all_changed(CONFIG_PART_GUEST, &config_guest_schema, "");
}

/* ---- without memory ---------------------------------------------------------------------- */

static void a_plan_is_whole_or_none(void **state)
{
	struct config *now = random_config(), *next;
	unsigned long failures = 0;
	struct config_plan plan;
	int error = -ENOMEM;

	(void)state;
	while (now->guest_count < RANDOM_GUESTS) {
		config_free(now);
		now = random_config();
	}
	random_fit(now);
	next = random_neighbour(now);
	set_up(now);
	for (unsigned long call = 1; error; call++) {
		fail_malloc_at(call);
		error = config_plan_make(&plan, now, next, &random_machine.cpus, runs, NULL);
		fail_malloc_at(0);
		config_plan_free(&plan);
		failures += error == -ENOMEM;
	}
	assert_int_equal(error, 0);
	assert_true(failures > 0);
	config_free(now);
	config_free(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_gives_what_was_asked_for),
		cmocka_unit_test(a_plan_is_whole_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
