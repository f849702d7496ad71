/* How a guest is, at one moment; of a guest that ended: how it was at its end. */
#ifndef GUESTS_VIEWS_GUEST_H
#define GUESTS_VIEWS_GUEST_H

#include "guests/views/view.h"

#define VIEW_NAME_BYTES	  32
#define VIEW_REASON_BYTES 352
#define VIEW_NOTE_BYTES	  112
#define VIEW_VCPUS_MAX	  64
#define VIEW_DISKS_MAX	  16
#define VIEW_NICS_MAX	  8
#define VIEW_EXITS_MAX	  32 /* reasons */
#define VIEW_EVENTS_MAX	  4  /* kinds */

struct vcpu_view {
	uint32_t id;
	uint32_t cpu;	/* it runs on, or ran on last */
	char state[16]; /* of vcpu_view_states */
	uint64_t run_ns, wait_ns, capped_ns;
	uint64_t interrupts_off_ns; /* 0: they are on, or off for less than 10 s */
	uint64_t halts, mmio_emulated, msr_unknown, pages_populated;
	uint32_t exit_count, injected_count;
	struct view_count exits[VIEW_EXITS_MAX], injected[VIEW_EVENTS_MAX];
};

struct guest_disk_view {
	uint64_t id;
	char serial[24];
	char backing[32]; /* the block device behind it */
	uint64_t bytes;
	uint64_t reads, writes, flushes, discards, zeroes, errors;
	uint64_t bytes_read, bytes_written, bytes_copied;
	uint64_t kicks, interrupts, throttled;
};

struct guest_nic_view {
	uint64_t id;
	char network[VIEW_NAME_BYTES];
	char mac[VIEW_MAC_BYTES]; /* "52:54:00:12:34:56" */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_unwanted, rx_dropped, tx_errors;
	uint64_t bytes_copied, kicks, interrupts, throttled;
};

/* The last four are what the guest said of itself; 0 where it says nothing. */
struct guest_balloon_view {
	uint32_t driven;
	uint32_t stats; /* how often it said so */
	uint64_t target_bytes, inflated_bytes, away_bytes, discarded_bytes;
	uint64_t stat_total_bytes, stat_free_bytes, stat_available_bytes;
	uint64_t stat_used_bytes; /* it cannot do without */
};

struct guest_console_view {
	uint64_t virtio; /* typed to, instead of the serial port */
	uint64_t printed_bytes, typed_bytes;
};

struct guest_rng_view {
	uint64_t requests, random_bytes, throttled;
};

struct guest_watchdog_view {
	uint64_t running;
	uint64_t timeout_ns; /* 0: it has none */
	uint64_t reloads;
};

struct guest_view {
	char name[VIEW_NAME_BYTES];
	char state[16]; /* of guest_view_states */
	char reason[VIEW_REASON_BYTES];
	char note[VIEW_NOTE_BYTES]; /* what it is waiting for, or waited for; "" */
	uint64_t starts, exit_status, uptime_ns;
	uint64_t crashes, panics, watchdog_ends;
	uint64_t crash_kernel; /* it panicked, and its own crash kernel took over */
	uint64_t memory_bytes, populated_bytes, overhead_bytes;
	uint64_t unclaimed_io, unclaimed_mmio;
	uint64_t cpu_percent;	    /* of one CPU, lately; 0 of one that does not run, as.. */
	uint32_t capped, throttled; /* ..these: what held it back lately */
	uint32_t has_memory;	    /* else figures of memory are how it was at its end */
	uint32_t vcpu_count, disk_count, nic_count;
	struct guest_balloon_view balloon;
	struct guest_console_view console;
	struct guest_rng_view rng;
	struct guest_watchdog_view watchdog;
	struct guest_disk_view disks[VIEW_DISKS_MAX];
	struct guest_nic_view nics[VIEW_NICS_MAX];
	struct vcpu_view vcpus[VIEW_VCPUS_MAX]; /* last: see view_used_bytes() */
};

/* Bytes of a guest_view that has so many vCPUs: what follows need not be there. */
static inline size_t guest_view_bytes(uint32_t vcpus)
{
	return offsetof(struct guest_view, vcpus) + vcpus * sizeof(struct vcpu_view);
}

extern const char *const guest_view_states[], *const vcpu_view_states[];
extern const struct view_table guest_table;

#endif
