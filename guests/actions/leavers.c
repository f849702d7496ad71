/* See leavers.h. */
#include "guests/actions/leavers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/guest/guest.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"

/* What ended is closing its disks, which takes no time but where one does not answer. */
#define CLOSING_NS (10 * NSEC_PER_SEC)

static bool is_waited_for(struct guest *guest, struct guest_leaving *how)
{
	if (!guest_leaving(guest, how))
		return false;
	return how->stage != GUEST_LEAVE_ENDING || !how->asked ||
	       clock_now_ns() < how->due_ns + CLOSING_NS;
}

static void add(char text[LEAVERS_TEXT_BYTES], const char *words)
{
	size_t used = strlen(text);
	int bytes = snprintf(text + used, LEAVERS_TEXT_BYTES - used, "%s%s", used ? ", " : "",
			     words);

	if (bytes >= 0 && used + (size_t)bytes >= LEAVERS_TEXT_BYTES)
		memcpy(text + LEAVERS_TEXT_BYTES - sizeof "...", "...", sizeof "...");
}

static void describe(struct leavers *leavers, const struct guest *guest,
		     const struct guest_leaving *how, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t due_ns = MIN(how->due_ns, deadline_ns);
	uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	char words[96];

	add(leavers->names, guest_name(guest));
	snprintf(words, sizeof words, "%s (%s, %llu s)", guest_name(guest),
		 guest_leave_name(how->stage),
		 (unsigned long long)((left_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC));
	add(leavers->times, words);
}

/* The highest order of those that are there. */
static uint32_t turn_of(struct leavers *leavers)
{
	uint32_t order = 0;

	leavers->there = 0;
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		struct guest_leaving how;

		if (!is_waited_for(guest, &how))
			continue;
		order = MAX(order, how.order);
		leavers->there++;
	}
	return order;
}

void leavers_look(struct leavers *leavers, const struct actor *actor, uint64_t deadline_ns)
{
	uint32_t order = turn_of(leavers);

	leavers->names[0] = leavers->times[0] = '\0';
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		struct guest_leaving how;

		if (!is_waited_for(guest, &how))
			continue;
		if (how.order != order) {
			if (actor && !how.asked)
				guest_leave_later(guest);
			continue;
		}
		if (actor && !how.asked)
			guest_leave_with_machine(guest, actor);
		if (guest_leaving(guest, &how))
			describe(leavers, guest, &how, deadline_ns);
	}
}

void leavers_switch_off(const struct actor *actor)
{
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		struct guest_leaving how;

		if (!guest_leaving(guest, &how))
			continue;
		if (!how.asked && how.stage != GUEST_LEAVE_ENDING)
			log_warn(guest_name(guest),
				 "is switched off without having been asked");
		guest_stop(guest, actor); /* also one that starts, or would once it has ended */
	}
}

void leavers_stay(void)
{
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		struct guest_leaving how;

		guest_leaving(guest, &how);
		if (how.with_machine || how.later)
			guest_stay(guest);
	}
}

int leavers_wait(const char *name, uint64_t ns)
{
	int err = -ENOENT;

	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest))
		if ((!name[0] || !strcmp(name, guest_name(guest))) && !guest_wait(guest, ns))
			err = 0;
	return err;
}
