/*
 * Guests: what the configuration names, running or not. The public face: handles that are
 * counted, and requests that know nothing of who makes them. Nothing slow happens in the
 * caller's thread: the control thread decides, a guest's own worker does.
 */
#ifndef GUESTS_GUEST_GUEST_H
#define GUESTS_GUEST_GUEST_H

#include "guests/events/actor.h"
#include "kernel/lib/types.h"

struct console;
struct cpumask;
struct guest;
struct guest_config;

enum guest_state {
	GUEST_STOPPED,
	GUEST_STARTING, /* its VM is being prepared; disks may take their time */
	GUEST_RUNNING,
	GUEST_STOPPING, /* its VM is being taken apart, or a start given up: the same of disks
			 */
	GUEST_FAILED,	/* crashed, or could not be started: see the reason */
	GUEST_WAITING,	/* not started, as this machine lacks what it names: see the reason; it
			   is  tried again when that may have come */
};
const char *guest_state_name(enum guest_state state); /* one of guest_view_states */

/* At this moment; it may change at once. Thread context. */
enum guest_state guest_state(struct guest *guest);

/* Starts the control thread. 0 or -ENOMEM. Once. */
int guests_init(void);

/*
 * Adds a guest; starts it if its configuration says autostart. `config` is copied and was
 * checked; `shared` are the CPUs that its vCPUs share when it pins none. -EEXIST (the name is
 * in use), -ENOSPC, -ENOMEM; then nothing has changed. Thread context.
 */
int guest_add(const struct guest_config *config, const struct cpumask *shared,
	      const struct actor *actor);

/*
 * Takes it out of the list; its name is free at once, also for a guest that is just the same.
 * If it runs, it is switched off; what it has (memory, CPUs, claims on disks) is given back
 * once its disks have answered, and who is refused it meanwhile is told why. The handle stays
 * good until it is put; all that is asked of it is -ENOENT from now on. 0, or -ENOENT: somebody
 * else has removed it. Thread context; returns at once.
 */
int guest_remove(struct guest *guest, const struct actor *actor);

/*
 * Gives it another configuration, which was checked; its name stays. What autostart, on_crash,
 * on_reboot, on_poweroff, restart_limit, start and shutdown say counts at once, and so do the
 * weight, the cap and the CPUs of one that shares them; all else from its next start. 0;
 * -ENOENT: it was removed; -EBUSY: it is being started or taken apart. Thread context.
 */
int guest_configure(struct guest *guest, const struct guest_config *config,
		    const struct cpumask *shared, const struct actor *actor);

/* What this machine lacked may be there now: guests that wait are tried again, by the control
 * thread. Any context. */
void guests_try_waiting(void);

/* Whether nothing of a VM is there, and no start is due or wished for. Thread context. */
bool guest_at_rest(struct guest *guest);

/* ---- handles: each is a reference, to be put; a guest stays in memory as long as one is
 * there. Any thread; none of them sleeps.
 * ----------------------------------------------------------- */

struct guest *guest_get(const char *name); /* NULL: there is none */
/* The guest added next after `after`, which is put; NULL: the first, and behind the last.
 * Guests may come and go meanwhile, `after` too. */
struct guest *guest_next(struct guest *after);
void guest_put(struct guest *guest); /* NULL is fine */

/* A number that no other guest ever had or gets, though it may have the same name; they grow in
 * the order of adding. Never 0. */
uint64_t guest_generation(const struct guest *guest);
const char *guest_name(const struct guest *guest);
/* The guest's, and gone with it. */
struct console *guest_console(struct guest *guest);

/* A range of the machine's memory that a guest has. */
struct guest_range {
	uint64_t base, bytes;
};
/* Where the guest's RAM lies, as it was reserved: the first `max` ranges, in the order of the
 * guest's addresses. Returns how many there are; 0: it has none. Thread context. */
unsigned guest_memory(struct guest *guest, struct guest_range *ranges, unsigned max);

/* ---- requests: they return at once, the control thread follows. 0; -ENOENT, it was removed;
 * or -EALREADY / -EINVAL where the guest's state makes no sense of it. Thread context.
 * ---------- */

/* One that is being taken apart starts when that is done. */
int guest_start(struct guest *guest, const struct actor *actor);
/* Power button: the guest's own decision. -EOPNOTSUPP: nobody in the guest listens to it. */
int guest_shutdown(struct guest *guest, const struct actor *actor);
/* Power off, now; a start that is under way is given up, one that is due is called off. */
int guest_stop(struct guest *guest, const struct actor *actor);
/* The same by a document that starts it anew, or removes it: what storage_check() has kept for
 * its start stays kept. */
int guest_stop_for_change(struct guest *guest, const struct actor *actor);
/* Reset button, now: starts again whatever on_reboot says. */
int guest_reset(struct guest *guest, const struct actor *actor);

/* Starts it as a document does, in its turn: `start` of its configuration says when. Thread
 * context. */
int guest_start_in_turn(struct guest *guest, const struct actor *actor);
/* Holds back all turns, and lets them come: while others are being added. Nests. Thread
 * context. */
void guests_hold_turns(void);
void guests_release_turns(void);
/* Whether no guest waits for its turn, or is being prepared in it; one that was for 10 s counts
 * no more. Thread context. */
bool guests_turns_over(void);

/* ---- shutting down in good order -----------------------------------------------------------
 */

/*
 * Asks the guest to shut down for good, whatever its policies say. Its power button is pressed
 * until it has heard it; once shutdown.timeout of its configuration has passed, or at once when
 * it never listened, it is switched off, and the log and its reason say what it was doing. A
 * start that is under way or due is given up. 0; -ENOENT; -EALREADY: it was asked; -EINVAL: it
 * does not run. Returns at once. Thread context, as all of these.
 */
int guest_leave(struct guest *guest, const struct actor *actor);
/* The same, as all guests do: `with_machine` of guest_leaving() is true, until guest_leave() is
 * called, too. */
int guest_leave_with_machine(struct guest *guest, const struct actor *actor);
/* It will be asked so, once others are gone: that is shown, and nothing else comes of it. */
void guest_leave_later(struct guest *guest);
/* It is not wanted any more: it is not switched off, and one that has not heard of it yet does
 * not. */
void guest_stay(struct guest *guest);
/* It has `ns` more. -EINVAL: it was not asked. */
int guest_wait(struct guest *guest, uint64_t ns);

enum guest_leave_stage {
	GUEST_LEAVE_GONE,    /* it does not run */
	GUEST_LEAVE_BOOTING, /* it has not listened to its power button yet */
	GUEST_LEAVE_DEAF,    /* and never will, as it runs for long already */
	GUEST_LEAVE_UNREAD,  /* it listens, and has not read the button's event */
	GUEST_LEAVE_LATE,    /* it has, and goes on */
	GUEST_LEAVE_ENDING,  /* it has ended; what it had is being given back */
};
const char *guest_leave_name(enum guest_leave_stage stage); /* "booting" */

struct guest_leaving {
	enum guest_leave_stage stage;
	bool asked;
	bool with_machine; /* because all guests do, and for no other reason */
	bool later;	   /* guest_leave_later() */
	uint32_t order;	   /* of shutting down, by its configuration */
	uint64_t due_ns;   /* where it was asked: when it is switched off */
};
/* False when it is at rest. */
bool guest_leaving(struct guest *guest, struct guest_leaving *how);

/* Asks the guest to make do with `bytes` of its memory, or to take more of it back: as
 * virtio_balloon_set(); -ESRCH when it does not run. Thread context; may sleep. */
int guest_set_memory(struct guest *guest, uint64_t bytes);

#endif
