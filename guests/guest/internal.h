/* What the files of this folder share of a guest; nobody else includes it. */
#ifndef GUESTS_GUEST_INTERNAL_H
#define GUESTS_GUEST_INTERNAL_H

#include "guests/config/config.h"
#include "guests/guest/leave.h"
#include "guests/guest/life.h"
#include "guests/guest/policy.h"
#include "guests/guest/turn.h"
#include "guests/guest/usage.h"
#include "guests/launch/launch.h"
#include "guests/views/guest.h"
#include "kernel/lib/cpumask.h"
#include "kernel/lib/list.h"
#include "kernel/sched/sync.h"

struct thread;

/* What the registry keeps in each guest; under its lock, but the generation, which is fixed. */
struct registry_entry {
	struct list
		link; /* in the order of generations; or of those nobody refers to any more */
	uint64_t generation;
	unsigned references;
	bool removed;
};

/* What the worker has of each guest. From an order to its answer all but `order`, `given_up`
 * and `let_go` are the worker's alone, then the control thread's. */
struct worker {
	struct thread *thread;
	_Atomic unsigned order;
	_Atomic bool given_up;
	_Atomic bool let_go;	  /* what is kept for a start that was called off */
	bool watchdog_fired;	  /* the VM before what is to be prepared ended so */
	struct launch launch;	  /* what was prepared; what is to be released */
	char why[BOOT_WHY_BYTES]; /* not prepared: the reason */
	bool no_memory;		  /* and that is it: too little of it was free */
};

/*
 * `lock` guards all that stands below it: who shows or requests something finds the VM whole,
 * or not at all. Nothing slow happens under it. What stands above is fixed, or its own file's;
 * `config` but for the name, and `shared`, change under the lock, and not while the worker has
 * an order.
 */
struct guest {
	struct registry_entry entry;
	struct guest_config config;
	struct cpumask shared;
	struct console *console;
	struct worker worker;
	_Atomic uint32_t facts; /* BIT(enum life_input): for the control thread to take */

	struct mutex lock;
	struct life life;
	struct launch launch; /* while it runs */
	struct usage usage;   /* while it runs */
	uint64_t started_ns;  /* last */
	uint64_t due_ns;      /* with life.due: when it is to start again */
	struct turn turn;     /* among guests that start together */
	struct leave leave;   /* it was asked to shut down */
	struct policy_history history;
	struct vm_stop end; /* of its last VM */
	char reason[VIEW_REASON_BYTES];
	unsigned starts;
	uint64_t told_vcpus; /* trouble.c's, in this start: bits of vCPUs it has told of */
	bool told_crash_kernel;
	unsigned crashes, panics, watchdog_ends; /* crashes: all kinds of them */
	struct actor starter; /* who wants the start that is due, or wished for */
	/* How it was when it ended, guest_view_bytes() of it; NULL before, and without memory.
	 */
	struct guest_view *last;
};

/* Tells the control thread. Any context. */
void control_tell(struct guest *g, enum life_input fact);
/* Has it look at all guests. Any context. */
void control_wake(void);
/* A request, as those of guest.h. Caller holds g->lock, as for the next. */
int request_take(struct guest *g, enum life_input request, const struct actor *actor);
/* Does what the life has said, for that actor. 0, or -EOPNOTSUPP: a power button that nobody
 * listens to. */
int act(struct guest *g, enum life_action action, const struct actor *actor);
/* Nobody refers to it any more, and nothing of a VM is there. Waits for its worker's end. */
void request_free(struct guest *g);

/* Does what is due of a guest that was asked to shut down; returns when to look again,
 * UINT64_MAX: no more. Caller holds g->lock, also for the next. */
uint64_t leaving_attend(struct guest *g);
/* How far it is with that; GUEST_LEAVE_GONE: it does not run. */
enum guest_leave_stage leaving_stage(const struct guest *g);
/* The end of a sentence about one that is switched off: leave_describe(); "" where nobody asked
 * it. */
const char *leaving_describe(const struct guest *g, char how[LEAVE_HOW_BYTES]);

#endif
