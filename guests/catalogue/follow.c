/* The steps of a plan, each done to the guests and networks that there are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/catalogue/internal.h"
#include "guests/config/merge.h"
#include "guests/events/event.h"
#include "guests/guest/guest.h"
#include "kernel/io/network.h"
#include "kernel/sched/thread.h"

#define REST_POLL_NS (10 * NSEC_PER_MSEC)

_Static_assert(CONFIG_WHY_MAX >= NETWORK_WHY_BYTES + 64, "a network's sentence and its name");

bool catalogue_runs(void *context, const char *name)
{
	struct guest *guest = guest_get(name);
	bool runs = guest && !guest_at_rest(guest);

	(void)context;
	guest_put(guest);
	return runs;
}

static bool cancelled(const struct follow *follow)
{
	const struct catalogue_change *change = follow->waiter;

	if (!change)
		return false;
	if (follow->undoing)
		return change->given_up && change->given_up(change->waiter);
	return change->cancelled && change->cancelled(change->waiter);
}

static int refuse(struct follow *follow, int err, const char *name, const char *what)
{
	snprintf(follow->why, CONFIG_WHY_MAX, "guest '%s' %s", name, what);
	return err;
}

/* Somebody removed it by another way than the catalogue. */
static int gone(struct follow *follow, const char *name)
{
	return refuse(follow, -ENOENT, name, "is not there any more");
}

/* Switched off, and all that it had given back. It may be started by others meanwhile: then it
 * is switched off again. */
static int stop(struct follow *follow, const char *name)
{
	struct guest *guest = guest_get(name);
	int err = 0;

	if (!guest)
		return gone(follow, name);
	while (!err && !guest_at_rest(guest)) {
		guest_stop_for_change(guest, follow->actor);
		if (cancelled(follow))
			err = refuse(follow, -ECANCELED, name, "had not stopped yet");
		else if (!guest_at_rest(guest))
			thread_sleep_ns(REST_POLL_NS);
	}
	guest_put(guest);
	return err;
}

static int delete (struct follow *follow, const char *name)
{
	struct guest *guest = guest_get(name);
	int err = guest ? guest_remove(guest, follow->actor) : -ENOENT;

	guest_put(guest);
	if (err)
		return gone(follow, name);
	config_drop_guest(follow->actual, name);
	return 0;
}

static int delete_network(struct follow *follow, const char *name)
{
	char why[NETWORK_WHY_BYTES];
	int err = network_remove(name, why);

	if (err) {
		snprintf(follow->why, CONFIG_WHY_MAX, "network '%s' %s", name, why);
		return err;
	}
	config_drop_network(follow->actual, name);
	event_post(EVENT_NETWORK_REMOVED, name, "is removed");
	return 0;
}

static int create_network(struct follow *follow, const char *name)
{
	const struct config_network *network = config_find_network(follow->next, name);
	struct network_config config = {.vlan = (uint16_t)network->vlan};
	char why[NETWORK_WHY_BYTES];
	int err;

	memcpy(config.name, network->name, sizeof config.name);
	memcpy(config.uplink, network->uplink, sizeof config.uplink);
	err = network_create(&config, why);
	if (err) {
		snprintf(follow->why, CONFIG_WHY_MAX, "network '%s' %s", name, why);
		return err;
	}
	if (why[0] && follow->report)
		config_report_lack(follow->report, -1, network->uplink_mark,
				   "network '%s' %s; its guests reach each other only", name,
				   why);
	config_put_network(follow->actual, network);
	event_post(EVENT_NETWORK_ADDED, name, "is added");
	return 0;
}

static struct cpumask shared_of(const struct follow *follow, const struct guest_config *config)
{
	return config_shared(follow->next, config, follow->present);
}

/* Between two states a guest takes no configuration; neither is long, but for its disks. */
int catalogue_configure(struct follow *follow, const char *name)
{
	const struct guest_config *config = config_find_guest(follow->next, name);
	struct cpumask shared = shared_of(follow, config);
	struct guest *guest = guest_get(name);
	int err = -ENOENT;

	while (guest &&
	       (err = guest_configure(guest, config, &shared, follow->actor)) == -EBUSY) {
		if (cancelled(follow))
			break;
		thread_sleep_ns(REST_POLL_NS);
	}
	guest_put(guest);
	if (err == -EBUSY)
		return refuse(follow, -ECANCELED, name, "was just starting or stopping");
	if (err)
		return gone(follow, name);
	config_put_guest(follow->actual, config);
	return 0;
}

static int create(struct follow *follow, const char *name)
{
	const struct guest_config *config = config_find_guest(follow->next, name);
	struct cpumask shared = shared_of(follow, config);
	int err = guest_add(config, &shared, follow->actor);

	if (err)
		return refuse(follow, err, name,
			      err == -ENOMEM ? "was not added: the hypervisor is out of memory"
					     : "was not added: there are too many, or one of "
					       "this name");
	config_put_guest(follow->actual, config);
	return 0;
}

/* Whoever starts it first is as good. */
static int start(struct follow *follow, const char *name)
{
	struct guest *guest = guest_get(name);

	if (!guest)
		return gone(follow, name);
	guest_start_in_turn(guest, follow->actor);
	guest_put(guest);
	return 0;
}

void catalogue_hold(struct follow *follow)
{
	if (!follow->holds)
		guests_hold_turns();
	follow->holds = true;
}

static int follow_step(struct follow *follow, const struct config_step *step)
{
	switch (step->kind) {
	case CONFIG_STEP_STOP_GUEST: return stop(follow, step->name);
	case CONFIG_STEP_DELETE_GUEST: return delete (follow, step->name);
	case CONFIG_STEP_DELETE_NETWORK: return delete_network(follow, step->name);
	case CONFIG_STEP_CREATE_NETWORK: return create_network(follow, step->name);
	case CONFIG_STEP_CHANGE_GUEST: return catalogue_configure(follow, step->name);
	case CONFIG_STEP_CREATE_GUEST:
		catalogue_hold(follow);
		return create(follow, step->name);
	case CONFIG_STEP_START_GUEST: catalogue_hold(follow); return start(follow, step->name);
	case CONFIG_STEP_CHANGE_HOST: follow->actual->host = follow->next->host; return 0;
	}
	return 0;
}

int catalogue_follow(struct follow *follow, const struct config_plan *plan)
{
	int err = 0;

	for (uint32_t i = 0; i < plan->step_count && !err; i++) {
		if (follow->waiter && follow->waiter->progress && !follow->undoing)
			follow->waiter->progress(follow->waiter->waiter, i, plan->step_count);
		err = follow_step(follow, &plan->steps[i]);
	}
	return err;
}
