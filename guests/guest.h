/*
 * Guests: what the configuration names, running or not. The public face: actions that know
 * nothing of who asks for them (boot document, operator's console, later the API), and a
 * snapshot for whoever shows them. Everything slow happens on the control thread.
 */
#ifndef GUESTS_GUEST_H
#define GUESTS_GUEST_H

#include "guests/config/config.h"
#include "guests/devices.h"
#include "kernel/vmm/vm.h"

struct guest;
struct console;

#define GUEST_REASON_BYTES 352

enum guest_state {
	GUEST_STOPPED,
	GUEST_STARTING,
	GUEST_RUNNING,
	GUEST_STOPPING, /* its VM is being taken apart; disks may take their time */
	GUEST_FAILED,	/* crashed, or could not be started: see the reason */
};
const char *guest_state_name(enum guest_state state);

struct guest_vcpu_info {
	unsigned cpu; /* it runs on, or ran on last */
	enum vcpu_run_state state;
	uint64_t exits[VMEXIT_REASONS], injected[VMEVENT_SOFT + 1];
	uint64_t run_ns, wait_ns;
	uint64_t halts, mmio_emulated, msr_unknown, pages_populated;
};

/* How a guest is, at one moment. Of a guest that ended: how it was at its end. */
struct guest_info {
	char name[CONFIG_GUEST_NAME_MAX];
	enum guest_state state;
	char reason[GUEST_REASON_BYTES]; /* why it last stopped; "" if it never did */
	uint32_t exit_status;		 /* of the debug-exit port */
	unsigned starts;
	uint64_t uptime_ns;
	uint64_t memory_bytes, populated_bytes;
	uint64_t overhead_bytes; /* hypervisor memory for it, besides its RAM */
	uint64_t unclaimed_io, unclaimed_mmio;
	unsigned vcpu_count;
	struct guest_vcpu_info vcpus[VCPU_MAX];
	struct devices_info devices;
};

/* Starts the control thread. 0 or -ENOMEM. Once. */
int guests_init(void);

/* Adds a guest; starts it if its configuration says autostart. `config` is copied and was
 * checked; `shared` are the CPUs that its vCPUs share when it pins none. -EEXIST, -ENOSPC,
 * -ENOMEM. Thread context. */
int guest_add(const struct guest_config *config, const struct cpumask *shared);

struct guest *guest_find(const char *name);
struct guest *guest_at(unsigned index); /* in the order they were added; NULL at the end */
const char *guest_name(const struct guest *guest);
struct console *guest_console(struct guest *guest);

/* Requests; they return at once, the control thread follows. 0, or -EALREADY / -EINVAL where
 * the guest's state makes no sense of it. */
int guest_start(struct guest *guest);
/* Power button: the guest's own decision. -EOPNOTSUPP: nobody in the guest listens to it. */
int guest_shutdown(struct guest *guest);
int guest_stop(struct guest *guest); /* power off, now; or no restart, if one is due */
int guest_reset(
	struct guest *guest); /* reset button, now: starts again whatever on_reboot says */

/* Asks the guest to make do with `bytes` of its memory, or to take more of it back: as
 * virtio_balloon_set(); -ESRCH when it does not run. Thread context; may sleep. */
int guest_set_memory(struct guest *guest, uint64_t bytes);

/* Fills a snapshot, about 25 KiB: not for a stack. Thread context. */
void guest_get_info(struct guest *guest, struct guest_info *info);

#endif
