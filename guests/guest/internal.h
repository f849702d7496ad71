/* What the files of this folder share of a guest; nobody else includes it. */
#ifndef GUESTS_GUEST_INTERNAL_H
#define GUESTS_GUEST_INTERNAL_H

#include "guests/guest/registry.h"
#include "guests/guest/snapshot.h"
#include "guests/launch.h"
#include "kernel/lib/cpumask.h"
#include "kernel/sched/sync.h"

/*
 * `lock` guards launch, state and what the snapshot is made of: the control thread holds it
 * while it puts a VM in place or takes it away, so that who shows or requests something finds
 * the VM whole. It does not while it prepares a VM or takes one apart: that may wait for disks.
 */
struct guest {
	struct registry_entry entry;
	struct guest_config config;
	struct console *console;
	_Atomic uint32_t requests; /* enum guest_request */
	_Atomic uint64_t again_ns; /* when it is to start again; 0: it is not */
	uint64_t started_ns;	   /* last; the control thread's */

	struct mutex lock;
	enum guest_state state;
	struct launch launch;
	struct cpumask shared;
	char reason[GUEST_REASON_BYTES];
	uint32_t exit_status;
	unsigned starts, restarts; /* restarts: within the limit's window */
	uint64_t window_ns;	   /* when that window began */
	struct guest_info *last;   /* how it was when it ended; NULL before */
};

/* What a snapshot says of the VM. Caller holds the guest's lock, and the VM is there. */
void snapshot_fill(struct guest *guest, struct guest_info *info);

#endif
