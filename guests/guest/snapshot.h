/* How a guest is, at one moment, for whoever shows it. Reads only. */
#ifndef GUESTS_GUEST_SNAPSHOT_H
#define GUESTS_GUEST_SNAPSHOT_H

#include "guests/config/config.h"
#include "guests/devices/devices.h"
#include "guests/guest/guest.h"
#include "kernel/vmm/vm.h"

#define GUEST_REASON_BYTES 352

struct guest_vcpu_info {
	unsigned cpu; /* it runs on, or ran on last */
	enum vcpu_run_state state;
	uint64_t exits[VMEXIT_REASONS], injected[VMEVENT_SOFT + 1];
	uint64_t run_ns, wait_ns;
	uint64_t halts, mmio_emulated, msr_unknown, pages_populated;
};

/* Of a guest that ended: how it was at its end. */
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

/* Fills a snapshot, about 25 KiB: not for a stack. Thread context. */
void guest_get_info(struct guest *guest, struct guest_info *info);

#endif
