/*
 * From two configurations to items and steps. The sentences are plan_say.c's.
 */
#include "guests/config/plan.h"
#include "guests/config/cpus.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct planner {
	struct config_plan *plan;
	const struct config *now, *next;
	const struct cpumask *present;
	config_runs_fn runs;
	void *context;
	bool failed; /* out of memory */
};

/* ---- arrays that grow ------------------------------------------------------------------- */

/* Room for one more of `bytes` in an array; NULL, and remembered, when there is none. */
static void *one_more(struct planner *planner, void **array, uint32_t *count, uint32_t *room,
		      size_t bytes)
{
	char *moved;

	if (planner->failed)
		return NULL;
	if (*count == *room) {
		uint32_t more = *room ? *room * 2 : 16;

		moved = calloc(more, bytes);
		if (!moved) {
			planner->failed = true;
			return NULL;
		}
		if (*count)
			memcpy(moved, *array, *count * bytes);
		free(*array);
		*array = moved;
		*room = more;
	}
	return (char *)*array + (*count)++ * bytes;
}

static struct config_item *add_item(struct planner *planner, enum config_part part,
				    const char *name)
{
	struct config_plan *plan = planner->plan;
	void *items = plan->items;
	struct config_item *item =
		one_more(planner, &items, &plan->item_count, &plan->item_room, sizeof(*item));

	plan->items = items;
	if (!item)
		return NULL;
	*item = (struct config_item){.part = part, .first = plan->difference_count};
	snprintf(item->name, sizeof(item->name), "%s", name);
	return item;
}

static void add_step(struct planner *planner, enum config_step_kind kind, const char *name)
{
	struct config_plan *plan = planner->plan;
	void *steps = plan->steps;
	struct config_step *step =
		one_more(planner, &steps, &plan->step_count, &plan->step_room, sizeof(*step));

	plan->steps = steps;
	if (!step)
		return;
	step->kind = kind;
	snprintf(step->name, sizeof(step->name), "%s", name);
}

/* Of the newest item. */
static void add_difference(void *context, const struct config_difference *difference)
{
	struct planner *planner = context;
	struct config_plan *plan = planner->plan;
	void *all = plan->differences;
	struct config_difference *added = one_more(planner, &all, &plan->difference_count,
						   &plan->difference_room, sizeof(*added));

	plan->differences = all;
	if (!added)
		return;
	*added = *difference;
	plan->items[plan->item_count - 1].reasons++;
}

/* An item that nothing came to is none. */
static bool keep_item(struct planner *planner)
{
	struct config_plan *plan = planner->plan;

	if (planner->failed)
		return false;
	if (plan->items[plan->item_count - 1].reasons)
		return true;
	plan->item_count--;
	return false;
}

/* ---- items ------------------------------------------------------------------------------ */

static void plan_host(struct planner *planner)
{
	struct config_item *item = add_item(planner, CONFIG_PART_HOST, "");

	if (!item)
		return;
	item->fate = CONFIG_FATE_CHANGED;
	config_diff(&config_host_schema, &planner->now->host, &planner->next->host,
		    add_difference, planner);
	keep_item(planner);
}

static void plan_network(struct planner *planner, const struct config_network *network)
{
	const struct config_network *before = config_find_network(planner->now, network->name);
	struct config_item *item = add_item(planner, CONFIG_PART_NETWORK, network->name);

	if (!item)
		return;
	item->fate = before ? CONFIG_FATE_RESTARTED : CONFIG_FATE_CREATED;
	if (!before)
		return;
	config_diff(&config_network_schema, before, network, add_difference, planner);
	keep_item(planner);
}

static void plan_networks(struct planner *planner)
{
	const struct config *now = planner->now, *next = planner->next;
	struct config_item *item;

	for (uint32_t i = 0; i < now->network_count; i++) {
		if (config_find_network(next, now->networks[i].name))
			continue;
		item = add_item(planner, CONFIG_PART_NETWORK, now->networks[i].name);
		if (item)
			item->fate = CONFIG_FATE_DELETED;
	}
	for (uint32_t i = 0; i < next->network_count; i++)
		plan_network(planner, &next->networks[i]);
}

static const struct config_item *find_item(const struct config_plan *plan,
					   enum config_part part, const char *name)
{
	for (uint32_t i = 0; i < plan->item_count; i++)
		if (plan->items[i].part == part && strcmp(plan->items[i].name, name) == 0)
			return &plan->items[i];
	return NULL;
}

/* An interface of a guest that runs stays plugged in only where its network stays. */
static void plan_ports(struct planner *planner, const struct guest_config *guest)
{
	for (uint32_t i = 0; i < guest->nic_count; i++) {
		const char *network = guest->nics[i].network;
		const struct config_item *item =
			find_item(planner->plan, CONFIG_PART_NETWORK, network);
		struct config_difference difference = {
			.change = CONFIG_CHANGE_RESTART,
			.why = "the network is made anew, and nobody may be plugged into it "
			       "meanwhile"};

		if (!item || item->fate != CONFIG_FATE_RESTARTED)
			continue;
		snprintf(difference.path, sizeof(difference.path), "nics[%u]", (unsigned)i);
		snprintf(difference.from, sizeof(difference.from), "in network %s", network);
		snprintf(difference.to, sizeof(difference.to), "in the new %s", network);
		add_difference(planner, &difference);
	}
}

/* The CPUs that a guest shares come and go with the pins of others. */
static void plan_shared(struct planner *planner, const struct guest_config *before,
			const struct guest_config *guest)
{
	struct cpumask old = config_shared(planner->now, before, planner->present);
	struct cpumask new = config_shared(planner->next, guest, planner->present);
	struct config_difference difference = {.path = "cpus", .change = CONFIG_CHANGE_LIVE};
	char text[CONFIG_CPUS_TEXT];

	if (before->cpus.pin_count || guest->cpus.pin_count ||
	    memcmp(&old, &new, sizeof(old)) == 0)
		return;
	snprintf(difference.from, sizeof(difference.from), "%s", config_cpus_text(&old, text));
	snprintf(difference.to, sizeof(difference.to), "%s", config_cpus_text(&new, text));
	add_difference(planner, &difference);
}

static bool needs_restart(const struct config_plan *plan, const struct config_item *item)
{
	for (uint32_t i = 0; i < item->reasons; i++)
		if (plan->differences[item->first + i].change == CONFIG_CHANGE_RESTART)
			return true;
	return false;
}

static void plan_change(struct planner *planner, const struct guest_config *before,
			const struct guest_config *guest, struct config_item *item)
{
	item->fate = CONFIG_FATE_CHANGED;
	config_diff(&config_guest_schema, before, guest, add_difference, planner);
	if (item->runs)
		plan_ports(planner, before);
	plan_shared(planner, before, guest);
	if (!keep_item(planner))
		return;
	item->starts = item->runs && needs_restart(planner->plan, item);
	if (item->starts)
		item->fate = CONFIG_FATE_RESTARTED;
}

static void plan_guests(struct planner *planner)
{
	const struct config *now = planner->now, *next = planner->next;

	for (uint32_t i = 0; i < now->guest_count + next->guest_count; i++) {
		bool old = i < now->guest_count;
		const struct guest_config *guest =
			old ? &now->guests[i] : &next->guests[i - now->guest_count];
		const struct guest_config *before = config_find_guest(now, guest->name);
		struct config_item *item;

		if (old && config_find_guest(next, guest->name))
			continue;
		item = add_item(planner, CONFIG_PART_GUEST, guest->name);
		if (!item)
			return;
		item->runs = before && planner->runs(planner->context, guest->name);
		if (item->runs)
			item->shutdown_seconds = before->shutdown.timeout_seconds;
		if (old) {
			item->fate = CONFIG_FATE_DELETED;
		} else if (before) {
			plan_change(planner, before, guest, item);
		} else {
			item->fate = CONFIG_FATE_CREATED;
			item->starts = guest->autostart;
		}
	}
}

/* ---- steps ------------------------------------------------------------------------------ */

#define FATE(fate) (1u << CONFIG_FATE_##fate)

/* A step for each item of a part with one of these fates. */
static void each(struct planner *planner, enum config_step_kind kind, enum config_part part,
		 unsigned fates, bool running_only)
{
	for (uint32_t i = 0; i < planner->plan->item_count; i++) {
		const struct config_item *item = &planner->plan->items[i];

		if (item->part == part && fates & 1u << item->fate &&
		    (item->runs || !running_only))
			add_step(planner, kind, item->name);
	}
}

static void order_steps(struct planner *planner)
{
	each(planner, CONFIG_STEP_STOP_GUEST, CONFIG_PART_GUEST,
	     FATE(RESTARTED) | FATE(DELETED), true);
	each(planner, CONFIG_STEP_DELETE_GUEST, CONFIG_PART_GUEST, FATE(DELETED), false);
	each(planner, CONFIG_STEP_DELETE_NETWORK, CONFIG_PART_NETWORK,
	     FATE(RESTARTED) | FATE(DELETED), false);
	each(planner, CONFIG_STEP_CREATE_NETWORK, CONFIG_PART_NETWORK,
	     FATE(RESTARTED) | FATE(CREATED), false);
	each(planner, CONFIG_STEP_CHANGE_GUEST, CONFIG_PART_GUEST,
	     FATE(RESTARTED) | FATE(CHANGED), false);
	each(planner, CONFIG_STEP_CREATE_GUEST, CONFIG_PART_GUEST, FATE(CREATED), false);
	each(planner, CONFIG_STEP_START_GUEST, CONFIG_PART_GUEST, FATE(RESTARTED), false);
	each(planner, CONFIG_STEP_CHANGE_HOST, CONFIG_PART_HOST, FATE(CHANGED), false);
}

int config_plan_make(struct config_plan *plan, const struct config *now,
		     const struct config *next, const struct cpumask *present,
		     config_runs_fn runs, void *context)
{
	struct planner planner = {.plan = plan,
				  .now = now,
				  .next = next,
				  .present = present,
				  .runs = runs,
				  .context = context};

	*plan = (struct config_plan){0};
	plan_host(&planner);
	plan_networks(&planner);
	plan_guests(&planner);
	order_steps(&planner);
	return planner.failed ? -ENOMEM : 0;
}

void config_plan_free(struct config_plan *plan)
{
	free(plan->items);
	free(plan->steps);
	free(plan->differences);
	*plan = (struct config_plan){0};
}
