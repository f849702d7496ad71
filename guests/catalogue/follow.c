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

/* ---- guests that have to stop ------------------------------------------------------------ */

/* Steps that follow each other, and stop a guest each. */
struct stopping {
	const struct config_step *steps;
	uint32_t count, done, of; /* steps; of the plan: before these, and all */
	uint32_t left;		  /* guests that are not at rest */
	uint32_t order;		  /* the highest shutdown.order of those: it is their turn */
	uint64_t asked;		  /* BIT(index): it was this change that asked it */
	char waits_for[CONFIG_WHY_MAX], told[CONFIG_WHY_MAX];
	const char *gone; /* with -ENOENT: who */
};

static void add_name(char text[CONFIG_WHY_MAX], const char *name,
		     const struct guest_leaving *how)
{
	size_t used = strlen(text), room = CONFIG_WHY_MAX - used;
	int bytes = snprintf(text + used, room, "%s%s (%s)", used ? ", " : "", name,
			     guest_leave_name(how->stage));

	if (bytes < 0 || (size_t)bytes >= room)
		memcpy(text + CONFIG_WHY_MAX - sizeof "...", "...", sizeof "...");
}

/* Calls `each` for those that are not at rest. 0, or -ENOENT: one is not there any more. */
static int visit(struct follow *follow, struct stopping *stopping,
		 void (*each)(struct follow *follow, struct stopping *stopping, uint32_t index,
			      struct guest *guest, const struct guest_leaving *how))
{
	for (uint32_t i = 0; i < stopping->count; i++) {
		struct guest *guest = guest_get(stopping->steps[i].name);
		struct guest_leaving how;

		if (!guest) {
			stopping->gone = stopping->steps[i].name;
			return -ENOENT;
		}
		if (guest_leaving(guest, &how))
			each(follow, stopping, i, guest, &how);
		guest_put(guest);
	}
	return 0;
}

static void count(struct follow *follow, struct stopping *stopping, uint32_t index,
		  struct guest *guest, const struct guest_leaving *how)
{
	(void)follow, (void)index, (void)guest;
	stopping->left++;
	stopping->order = MAX(stopping->order, how->order);
}

/* One that runs is asked, and switched off when its time is over; any other has nothing to
 * lose. It may be started by others meanwhile: then it is asked again. */
static void have_stop(struct follow *follow, struct stopping *stopping, uint32_t index,
		      struct guest *guest, const struct guest_leaving *how)
{
	bool runs = how->stage != GUEST_LEAVE_GONE && how->stage != GUEST_LEAVE_ENDING;

	if (how->order != stopping->order)
		return;
	add_name(stopping->waits_for, stopping->steps[index].name, how);
	if (!runs || follow->now)
		guest_stop_for_change(guest, follow->actor);
	else if (!guest_leave(guest, follow->actor))
		stopping->asked |= BIT(index);
}

/* Who was asked is to stay; who has begun to shut down may not listen to that. Says of the
 * first that is there how it is. */
static void have_stay(struct follow *follow, const struct stopping *stopping)
{
	bool said = false;

	for (uint32_t i = 0; i < stopping->count; i++) {
		struct guest *guest = guest_get(stopping->steps[i].name);
		bool asked = stopping->asked >> i & 1, hears;
		struct guest_leaving how;

		if (guest && guest_leaving(guest, &how)) {
			hears = how.stage == GUEST_LEAVE_UNREAD ||
				how.stage == GUEST_LEAVE_LATE;
			if (asked)
				guest_stay(guest);
			if (!said)
				refuse(follow, 0, stopping->steps[i].name,
				       asked && hears
					       ? "had not stopped yet, and may still do so, as "
						 "it was asked to"
					       : "had not stopped yet");
			said = true;
		}
		guest_put(guest);
	}
}

static void tell_progress(const struct follow *follow, uint32_t steps, uint32_t of,
			  const char *waits_for)
{
	const struct catalogue_change *change = follow->waiter;

	if (change && change->progress && !follow->undoing)
		change->progress(change->waiter, steps, of, waits_for);
}

/* One look at all. 0, and `left` says how many there are; or an error. */
static int stop_some(struct follow *follow, struct stopping *stopping)
{
	int err;

	stopping->left = stopping->order = 0;
	stopping->waits_for[0] = '\0';
	err = visit(follow, stopping, count);
	return err ? err : visit(follow, stopping, have_stop);
}

static int stop_all(struct follow *follow, struct stopping *stopping)
{
	uint32_t done = stopping->done + stopping->count;
	int err;

	while (!(err = stop_some(follow, stopping)) && stopping->left) {
		if (cancelled(follow)) {
			have_stay(follow, stopping);
			return -ECANCELED;
		}
		if (strcmp(stopping->told, stopping->waits_for))
			tell_progress(follow, done - stopping->left, stopping->of,
				      stopping->waits_for);
		memcpy(stopping->told, stopping->waits_for, sizeof stopping->told);
		thread_sleep_ns(REST_POLL_NS);
	}
	if (err) {
		have_stay(follow, stopping);
		gone(follow, stopping->gone);
	}
	return err;
}

/* The steps from `first` on that stop a guest, all together; *next: the one behind them. */
static int stop(struct follow *follow, const struct config_plan *plan, uint32_t first,
		uint32_t *next)
{
	struct stopping stopping = {
		.steps = &plan->steps[first], .done = first, .of = plan->step_count};

	_Static_assert(CONFIG_GUESTS_MAX <= 64, "a bit for each");
	while (first + stopping.count < plan->step_count &&
	       stopping.steps[stopping.count].kind == CONFIG_STEP_STOP_GUEST)
		stopping.count++;
	*next = first + stopping.count;
	return stop_all(follow, &stopping);
}

/* ---- all other steps --------------------------------------------------------------------- */

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
	case CONFIG_STEP_DELETE_GUEST: return delete (follow, step->name);
	case CONFIG_STEP_DELETE_NETWORK: return delete_network(follow, step->name);
	case CONFIG_STEP_CREATE_NETWORK: return create_network(follow, step->name);
	case CONFIG_STEP_CHANGE_GUEST: return catalogue_configure(follow, step->name);
	case CONFIG_STEP_CREATE_GUEST:
		catalogue_hold(follow);
		return create(follow, step->name);
	case CONFIG_STEP_START_GUEST: catalogue_hold(follow); return start(follow, step->name);
	case CONFIG_STEP_CHANGE_HOST: follow->actual->host = follow->next->host; return 0;
	case CONFIG_STEP_STOP_GUEST: break; /* stop() */
	}
	return 0;
}

int catalogue_follow(struct follow *follow, const struct config_plan *plan)
{
	int err = 0;

	for (uint32_t i = 0; i < plan->step_count && !err;) {
		tell_progress(follow, i, plan->step_count, "");
		if (plan->steps[i].kind == CONFIG_STEP_STOP_GUEST)
			err = stop(follow, plan, i, &i);
		else
			err = follow_step(follow, &plan->steps[i++]);
	}
	return err;
}
