/* See fake_guests.h. */
#include "tests/unit/fake_guests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/clock.h"

struct guest fake_guests[FAKE_GUESTS];
unsigned fake_guests_count;

void fake_guests_reset(unsigned count)
{
	static const char *const names[FAKE_GUESTS] = {"alpha", "beta", "gamma"};

	memset(fake_guests, 0, sizeof fake_guests);
	fake_guests_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct guest_view *info = &fake_guests[i].info;

		snprintf(info->name, sizeof info->name, "%s", names[i]);
		fake_guests[i].state = GUEST_RUNNING;
		info->memory_bytes = info->balloon.target_bytes = 512 * MIB;
		info->balloon.stat_available_bytes = 256 * MIB;
		info->balloon.stat_used_bytes = 256 * MIB;
		info->balloon.driven = true;
		fake_guests[i].listens = fake_guests[i].answers = true;
		fake_guests[i].leaving =
			(struct guest_leaving){.stage = GUEST_LEAVE_LATE, .order = 100};
		fake_guests[i].timeout_seconds = 60;
	}
}

unsigned fake_guests_held(void)
{
	unsigned held = 0;

	for (unsigned i = 0; i < FAKE_GUESTS; i++)
		held += fake_guests[i].references;
	return held;
}

struct guest *guest_get(const char *name)
{
	for (unsigned i = 0; i < fake_guests_count; i++)
		if (!strcmp(fake_guests[i].info.name, name)) {
			fake_guests[i].references++;
			return &fake_guests[i];
		}
	return NULL;
}

void guest_put(struct guest *guest)
{
	if (guest && !guest->references--)
		abort();
}

struct guest *guest_next(struct guest *after)
{
	unsigned next = after ? (unsigned)(after - fake_guests) + 1 : 0;

	guest_put(after);
	if (next >= fake_guests_count)
		return NULL;
	fake_guests[next].references++;
	return &fake_guests[next];
}

const char *guest_name(const struct guest *guest)
{
	return guest->info.name;
}

static int ask(struct guest *guest, const char *what, const struct actor *actor)
{
	if (!guest->references)
		abort();
	guest->asked = what;
	guest->by = *actor;
	return guest->refusal;
}

int guest_start(struct guest *guest, const struct actor *actor)
{
	return ask(guest, "start", actor);
}

int guest_shutdown(struct guest *guest, const struct actor *actor)
{
	int err = ask(guest, "shutdown", actor);

	return !err && !guest->listens ? -EOPNOTSUPP : err;
}

int guest_stop(struct guest *guest, const struct actor *actor)
{
	return ask(guest, "stop", actor);
}

int guest_leave(struct guest *guest, const struct actor *actor)
{
	int err = guest->leaving.asked ? -EALREADY : ask(guest, "leave", actor);

	if (err)
		return err;
	guest->leaving.asked = true;
	guest->leaving.due_ns = clock_now_ns() + guest->timeout_seconds * NSEC_PER_SEC;
	return 0;
}

int guest_leave_with_machine(struct guest *guest, const struct actor *actor)
{
	int err = guest_leave(guest, actor);

	if (!err)
		guest->leaving.with_machine = true;
	return err;
}

void guest_leave_later(struct guest *guest)
{
	guest->leaving.later = true;
}

void guest_stay(struct guest *guest)
{
	guest->leaving.later = false;
	guest->leaving.with_machine = false;
	guest->leaving.asked = false;
}

int guest_wait(struct guest *guest, uint64_t ns)
{
	struct guest_leaving how;

	if (!guest_leaving(guest, &how) || !how.asked)
		return -EINVAL;
	guest->leaving.due_ns += ns;
	return 0;
}

bool guest_leaving(struct guest *guest, struct guest_leaving *how)
{
	*how = guest->leaving;
	return guest->state != GUEST_STOPPED && guest->state != GUEST_FAILED;
}

const char *guest_leave_name(enum guest_leave_stage stage)
{
	return stage == GUEST_LEAVE_BOOTING  ? "booting"
	       : stage == GUEST_LEAVE_ENDING ? "ending"
					     : "shutting down";
}

int guest_reset(struct guest *guest, const struct actor *actor)
{
	return ask(guest, "reset", actor);
}

int guest_set_memory(struct guest *guest, uint64_t bytes)
{
	guest->memory_asked = bytes;
	return guest->refusal;
}

void guest_get_info(struct guest *guest, struct guest_view *info)
{
	*info = guest->info;
	if (guest->answers)
		guest->info.balloon.stats++;
}

enum guest_state guest_state(struct guest *guest)
{
	return guest->state;
}

uint64_t guest_frames_free_bytes(void)
{
	return 5 * MIB;
}
