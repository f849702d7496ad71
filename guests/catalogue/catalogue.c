/*
 * What there is to be, and its changes: checked, carried out, undone, kept. The steps are
 * follow.c's, the disks disks.c's.
 */
#include "guests/catalogue/catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/catalogue/internal.h"
#include "guests/config/merge.h"
#include "guests/guest/guest.h"
#include "kernel/log/log.h"
#include "kernel/sched/sync.h"

static struct config_machine machine; /* fixed after start-up */

/* Guards what follows. Held for copies only: what is slow is done by who has set `changing`,
 * while `desired` and `text` stay as they are. */
static struct mutex lock = MUTEX(lock, "catalogue");
static struct config *desired; /* NULL before the machine is known */
static char *text;	       /* the document that says so; NULL: none says all of it */
static size_t text_length;
static char text_name[CONFIG_NAME_MAX]; /* "": the marks of `desired` are not of `text` */
static const struct catalogue_store *store;
static bool changing;

static enum config_presence presence(void *context, const char *name)
{
	struct guest *guest = guest_get(name);
	bool waits = guest && guest_state(guest) == GUEST_WAITING;

	guest_put(guest);
	if (!guest)
		return CONFIG_IS_NEW;
	if (waits)
		return CONFIG_WAITS;
	return catalogue_runs(context, name) ? CONFIG_RUNS : CONFIG_IS_OFF;
}

int catalogue_init(const struct config_machine *given, const struct host_config *host)
{
	machine = *given;
	machine.presence = presence;
	desired = calloc(1, sizeof(*desired));
	if (!desired)
		return -ENOMEM;
	desired->host = *host;
	return 0;
}

void catalogue_set_store(const struct catalogue_store *given)
{
	mutex_lock(&lock);
	store = given;
	mutex_unlock(&lock);
}

struct config *catalogue_get_with_name(char name[CONFIG_NAME_MAX])
{
	struct config *copy;

	mutex_lock(&lock);
	copy = desired ? config_copy(desired) : NULL;
	memcpy(name, text_name, sizeof text_name);
	mutex_unlock(&lock);
	return copy;
}

struct config *catalogue_get(void)
{
	char name[CONFIG_NAME_MAX];

	return catalogue_get_with_name(name);
}

const struct config_machine *catalogue_machine(void)
{
	return &machine;
}

void catalogue_host(struct host_config *host)
{
	mutex_lock(&lock);
	*host = desired ? desired->host : (struct host_config){0};
	mutex_unlock(&lock);
}

void catalogue_facts(struct config_facts *facts)
{
	*facts = (struct config_facts){.present = machine.cpus, .runs = catalogue_runs};
}

static char *copy_text(const char *bytes, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

char *catalogue_text(size_t *length)
{
	char *copy = NULL;

	mutex_lock(&lock);
	if (text) {
		copy = copy_text(text, text_length);
		*length = text_length;
	} else if (desired && config_write_document(desired, CONFIG_YAML, &copy, length)) {
		copy = NULL;
	}
	mutex_unlock(&lock);
	return copy;
}

int catalogue_check(const struct config *next, struct config_report *report)
{
	int err = config_check(next, &machine, report);

	return err ? err : catalogue_check_disks(next, NULL, false, report);
}

int catalogue_plan(const struct config *next, struct config_plan *plan)
{
	struct config *now = catalogue_get();
	int err = -ENOMEM;

	*plan = (struct config_plan){0};
	if (now)
		err = config_plan_make(plan, now, next, &machine.cpus, catalogue_runs, NULL);
	config_free(now);
	return err;
}

/* ---- the document that is kept ---------------------------------------------------------- */

static bool reads_as(const char *bytes, size_t length, const struct config *config)
{
	struct config_report *report = malloc(sizeof(*report));
	struct config_plan plan = {0};
	struct config *read = NULL;
	bool same = false;

	if (report && !config_parse(bytes, length, "kept", &read, report) &&
	    !config_plan_make(&plan, read, config, &machine.cpus, catalogue_runs, NULL))
		same = !plan.item_count;
	config_plan_free(&plan);
	config_free(read);
	free(report);
	return same;
}

/* The text that is there with each item of the plan edited in it; NULL: that does not go. */
static char *edit_text(const struct config *next, const struct config_plan *plan,
		       size_t *length)
{
	char *edited = text ? copy_text(text, text_length) : NULL;

	*length = text_length;
	for (uint32_t i = 0; edited && i < plan->item_count; i++) {
		char *older = edited;
		size_t older_length = *length;

		if (config_edit(older, older_length, plan->items[i].part, plan->items[i].name,
				next, &edited, length))
			edited = NULL;
		free(older);
	}
	return edited;
}

/* The text for a change; whatever way it was made, it says what `next` does. */
static char *make_text(const struct catalogue_change *change, const struct config_plan *plan,
		       size_t *length)
{
	char *made = change->text ? copy_text(change->text, change->length)
				  : edit_text(change->next, plan, length);

	if (change->text)
		*length = change->length;
	if (made && reads_as(made, *length, change->next))
		return made;
	free(made);
	return config_write_document(change->next, CONFIG_YAML, &made, length) ? NULL : made;
}

/* A change is kept once it is stored, and not before. */
static void keep(struct catalogue_change *change, const struct catalogue_store *to,
		 const char *bytes, size_t length)
{
	char why[CONFIG_WHY_MAX];
	int err;

	change->kept = CATALOGUE_TRANSIENT;
	if (!to) {
		snprintf(change->why, CONFIG_WHY_MAX,
			 "It is transient: this machine has no place to keep it yet. To have "
			 "it at the next start, write it into bulkhead.yaml on the boot "
			 "partition.");
		return;
	}
	err = bytes ? to->save(to->context, bytes, length, why) : -ENOMEM;
	if (!err) {
		change->kept = CATALOGUE_KEPT;
		change->why[0] = '\0';
		return;
	}
	if (err == -ENOMEM)
		snprintf(why, sizeof why, "there is not enough memory");
	snprintf(change->why, CONFIG_WHY_MAX, "It is transient: %s does not keep it: %.200s.",
		 to->name, why);
}

/* ---- a change --------------------------------------------------------------------------- */

/* Once one is deleted, nobody can tell any more. */
static void note_waiting(struct config_plan *plan)
{
	for (uint32_t i = 0; i < plan->item_count; i++) {
		struct config_item *item = &plan->items[i];
		struct guest *guest =
			item->part == CONFIG_PART_GUEST && item->fate == CONFIG_FATE_DELETED
				? guest_get(item->name)
				: NULL;

		item->waits = guest && guest_state(guest) == GUEST_WAITING;
		guest_put(guest);
	}
}

/* Guests that ran before, and were stopped by a step that is undone, or are about to stop; all
 * others run already. Those that waited are tried again. */
static void start_again(struct follow *follow, const struct config_plan *plan)
{
	catalogue_hold(follow);
	for (uint32_t i = 0; i < plan->item_count; i++) {
		const struct config_item *item = &plan->items[i];
		struct guest *guest =
			item->part == CONFIG_PART_GUEST && (item->runs || item->waits)
				? guest_get(item->name)
				: NULL;

		if (guest)
			guest_start_in_turn(guest, follow->actor);
		guest_put(guest);
	}
}

/* Guests that were deleted while they neither ran nor waited, and are there again by a step
 * that starts what says autostart. */
static void leave_stopped(struct follow *follow, const struct config_plan *plan)
{
	for (uint32_t i = 0; i < plan->item_count; i++) {
		const struct config_item *item = &plan->items[i];
		struct guest *guest = item->part == CONFIG_PART_GUEST && !item->runs &&
						      !item->waits &&
						      item->fate == CONFIG_FATE_DELETED
					      ? guest_get(item->name)
					      : NULL;

		if (guest)
			guest_stop(guest, follow->actor);
		guest_put(guest);
	}
}

/* Which CPUs a guest shares follows from others' pins: what is led back is not told by its own
 * configuration. */
static int share_again(struct follow *follow, const struct config_plan *plan)
{
	int err = 0;

	for (uint32_t i = 0; i < plan->item_count && !err; i++) {
		const struct config_item *item = &plan->items[i];

		if (item->part == CONFIG_PART_GUEST &&
		    (item->fate == CONFIG_FATE_CHANGED || item->fate == CONFIG_FATE_RESTARTED))
			err = catalogue_configure(follow, item->name);
	}
	return err;
}

/* From wherever the plan has come to, back to `before`. */
static int undo(struct follow *follow, const struct config *before,
		const struct config_plan *plan)
{
	struct config_plan back;
	char why[CONFIG_WHY_MAX];
	int err;

	follow->next = before;
	follow->undoing = true;
	follow->now = true; /* what it stops was there for moments only */
	follow->report = NULL;
	follow->why = why;
	err = config_plan_make(&back, follow->actual, before, follow->present, catalogue_runs,
			       NULL);
	snprintf(why, sizeof why, "the hypervisor is out of memory");
	if (!err)
		err = catalogue_follow(follow, &back);
	if (!err)
		err = share_again(follow, plan);
	config_plan_free(&back);
	leave_stopped(follow, plan);
	start_again(follow, plan);
	if (err)
		log_error("config", "a change could not be undone: %s", why);
	return err;
}

/* In the place of the lock: `changing`. What was asked for is `change->next` when it is 0. */
static int carry_out(struct catalogue_change *change, const struct config *before,
		     const struct config_plan *plan)
{
	struct follow follow = {
		.next = change->next,
		.present = &machine.cpus,
		.actor = change->actor,
		.waiter = change,
		.now = change->now,
		.report = change->report,
		.why = change->why,
	};
	struct config *actual;
	int err, undone = 0;

	follow.actual =
		config_copy_with_room(before, before->guest_count + change->next->guest_count);
	if (!follow.actual)
		return -ENOMEM;
	err = catalogue_follow(&follow, plan);
	if (err)
		undone = undo(&follow, before, plan);
	if (follow.holds)
		guests_release_turns();
	actual = follow.actual;
	if (!undone) {
		config_free(actual);
		return err;
	}
	snprintf(change->why + strlen(change->why), CONFIG_WHY_MAX - strlen(change->why),
		 "; not all could be undone, see the log");
	mutex_lock(&lock);
	config_free(desired);
	desired = actual;
	free(text);
	text = NULL;
	text_name[0] = '\0';
	mutex_unlock(&lock);
	return err;
}

/* It is what there is to be from now on. */
static void adopt(struct catalogue_change *change, struct config *next, char *made,
		  size_t length)
{
	const struct catalogue_store *to;
	bool as_it_is = made && change->text && length == change->length &&
			!memcmp(made, change->text, length);

	if (!as_it_is)
		config_clear_marks(next); /* they are of a text that is not the kept one */
	mutex_lock(&lock);
	config_free(desired);
	desired = next;
	free(text);
	text = made;
	text_length = made ? length : 0;
	snprintf(text_name, sizeof text_name, "%s",
		 as_it_is && change->name ? change->name : "");
	to = store;
	mutex_unlock(&lock);
	keep(change, to, made, length);
}

/* None of the CPUs that it may share is there. */
static bool has_no_cpu(const struct config *next, const struct guest_config *guest)
{
	struct cpumask shared = config_shared(next, guest, &machine.cpus);

	return !guest->cpus.pin_count && config_cpus_empty(&shared);
}

/* It could not start with the CPUs that it may share, some of which are not there. */
static bool names_absent_cpu(const struct guest_config *guest)
{
	struct cpumask absent = config_cpus_without(guest->cpus.allowed, machine.cpus);

	return !guest->cpus.pin_count && !config_cpus_empty(&absent);
}

/* One that runs is not stopped for a configuration in which it could not start, nor given CPUs
 * with which it could not, nor left without a CPU. */
static int check_running(struct catalogue_change *change, const struct config_plan *plan)
{
	const struct config *next = change->next;
	int err = 0;

	for (uint32_t i = 0; i < plan->item_count; i++) {
		const struct config_item *item = &plan->items[i];
		const struct guest_config *guest = item->part == CONFIG_PART_GUEST && item->runs
							   ? config_find_guest(next, item->name)
							   : NULL;
		bool lacks = guest && change->report->lacking >> (guest - next->guests) & 1;
		bool again = item->starts && lacks;

		if (!guest || !(again || has_no_cpu(next, guest) || names_absent_cpu(guest)))
			continue;
		config_report_add(change->report, guest->name_mark,
				  "guest '%s' runs, and could not %s with this: "
				  "nothing is changed; mend that first, or `stop %s`",
				  guest->name,
				  has_no_cpu(next, guest) ? "go on" : "start again",
				  guest->name);
		err = -EINVAL;
	}
	return err;
}

/* All that can be told before anything changes. */
static int check(struct catalogue_change *change, const struct config *before,
		 struct config_plan *plan)
{
	int err = config_check(change->next, &machine, change->report);

	if (!err)
		err = config_plan_make(plan, before, change->next, &machine.cpus,
				       catalogue_runs, NULL);
	if (!err)
		err = catalogue_check_disks(change->next, plan, true, change->report);
	return err ? err : check_running(change, plan);
}

static int apply(struct catalogue_change *change, const struct config *before)
{
	struct config *next = config_copy(change->next);
	struct config_plan plan = {0};
	size_t length = 0;
	char *made;
	int err = next ? check(change, before, &plan) : -ENOMEM;

	if (!err) {
		note_waiting(&plan);
		err = carry_out(change, before, &plan);
	}
	if (err) {
		catalogue_forget_disks(&plan);
		catalogue_check_disks(desired, NULL, true, NULL); /* not all may be undone */
		config_free(next);
	} else {
		made = make_text(change, &plan, &length);
		adopt(change, next, made, length);
		guests_try_waiting();
	}
	config_plan_free(&plan);
	return err;
}

int catalogue_apply(struct catalogue_change *change)
{
	struct config *before = NULL;
	int err = -EBUSY;

	change->kept = CATALOGUE_TRANSIENT;
	snprintf(change->why, CONFIG_WHY_MAX, "another change is under way; `jobs` shows it");
	if (!machine.cpu_count) {
		snprintf(change->why, CONFIG_WHY_MAX,
			 "this machine can't run guests, or not yet; the log says why");
		return -ENODEV;
	}
	mutex_lock(&lock);
	if (desired && !changing) {
		changing = true;
		before = config_copy(desired);
		err = 0;
	}
	mutex_unlock(&lock);
	if (err)
		return err;
	snprintf(change->why, CONFIG_WHY_MAX, "the hypervisor is out of memory");
	err = before ? apply(change, before) : -ENOMEM;
	config_free(before);
	mutex_lock(&lock);
	changing = false;
	mutex_unlock(&lock);
	return err;
}
