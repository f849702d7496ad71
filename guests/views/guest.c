/* What a guest's views hold, for whoever writes them. docs/counters.md is made of it. */
#include "guests/views/guest.h"

const char *const guest_view_states[] = {"stopped", "starting", "running", "stopping",
					 "failed",  "waiting",	NULL};
const char *const vcpu_view_states[] = {"running", "halted", "wait-sipi", "parked", NULL};

#define GAUGE(member, unit, help)   VIEW_FIELD(VIEW, member, VIEW_GAUGE, unit, help)
#define COUNTER(member, unit, help) VIEW_FIELD(VIEW, member, VIEW_COUNTER, unit, help)
#define INFO(member, help)	    VIEW_FIELD(VIEW, member, VIEW_INFO, VIEW_NONE, help)

#define VIEW			    vcpu_view
static const struct view_field vcpu_fields[] = {
	VIEW_NAMED(VIEW, id, "vcpu", "Number of the vCPU, which is its local APIC ID too."),
	GAUGE(cpu, VIEW_NONE, "CPU that it runs on, or ran on last."),
	VIEW_ONE_OF(VIEW, state, vcpu_view_states, "What it does."),
	COUNTER(run_ns, VIEW_NS, "Time that it ran."),
	COUNTER(wait_ns, VIEW_NS, "Time that it could have run, but others did."),
	COUNTER(capped_ns, VIEW_NS, "Time that it could have run, but for its cap."),
	GAUGE(interrupts_off_ns, VIEW_NS,
	      "Time that it has run, or been halted, with interrupts off; 0 for less than 10 "
	      "s."),
	COUNTER(halts, VIEW_NONE, "Times that it went to sleep in HLT."),
	COUNTER(mmio_emulated, VIEW_NONE, "Instructions emulated for accesses to devices."),
	COUNTER(msr_unknown, VIEW_NONE, "Accesses to MSRs that do not exist."),
	COUNTER(pages_populated, VIEW_NONE,
		"Times that its access gave the guest memory that it had not touched before."),
	VIEW_SIZE_OF(VIEW, exit_count),
	VIEW_COUNT_BY(VIEW, exits, exit_count, "reason", "VM exits, by reason."),
	VIEW_SIZE_OF(VIEW, injected_count),
	VIEW_COUNT_BY(VIEW, injected, injected_count, "kind", "Events injected, by kind."),
};
static const struct view_table vcpu_table =
	VIEW_TABLE(VIEW, "vcpus", "guest_vcpu", vcpu_fields, "A virtual CPU of a guest.");

#undef VIEW
#define VIEW guest_disk_view
static const struct view_field disk_fields[] = {
	VIEW_NAMED(VIEW, id, "disk", "Place of the disk in the guest's configuration, from 0."),
	INFO(serial, "Serial number, as the guest sees it."),
	INFO(backing, "The block device behind it."),
	GAUGE(bytes, VIEW_BYTES, "Size."),
	COUNTER(reads, VIEW_NONE, "Reads that are done."),
	COUNTER(writes, VIEW_NONE, "Writes that are done."),
	COUNTER(flushes, VIEW_NONE, "Flushes that are done."),
	COUNTER(discards, VIEW_NONE, "Discards that are done."),
	COUNTER(zeroes, VIEW_NONE, "Requests to write zeroes that are done."),
	COUNTER(errors, VIEW_NONE, "Requests that failed."),
	COUNTER(bytes_read, VIEW_BYTES, "Data read."),
	COUNTER(bytes_written, VIEW_BYTES, "Data written."),
	COUNTER(bytes_copied, VIEW_BYTES, "Data that the CPU had to copy on its way."),
	COUNTER(kicks, VIEW_NONE, "Times that the guest's driver told of requests."),
	COUNTER(interrupts, VIEW_NONE, "Interrupts sent to the guest's driver."),
	COUNTER(throttled, VIEW_NONE, "Times that a limit made a request wait."),
};
static const struct view_table disk_table =
	VIEW_TABLE(VIEW, "disks", "guest_disk", disk_fields, "A disk of a guest.");

#undef VIEW
#define VIEW guest_nic_view
static const struct view_field nic_fields[] = {
	VIEW_NAMED(VIEW, id, "nic", "Place of the NIC in the guest's configuration, from 0."),
	INFO(network, "The network that it is plugged into."),
	INFO(mac, "MAC address."),
	COUNTER(rx_packets, VIEW_NONE, "Packets that the guest received."),
	COUNTER(rx_bytes, VIEW_BYTES, "Data that the guest received."),
	COUNTER(tx_packets, VIEW_NONE, "Packets that the guest sent."),
	COUNTER(tx_bytes, VIEW_BYTES, "Data that the guest sent."),
	COUNTER(rx_unwanted, VIEW_NONE,
		"Packets left out as the guest's driver did not ask for them."),
	COUNTER(rx_dropped, VIEW_NONE, "Packets that did not fit the guest's buffers."),
	COUNTER(tx_errors, VIEW_NONE, "Buffers sent by the guest that hold no frame."),
	COUNTER(bytes_copied, VIEW_BYTES, "Data copied between the guest and packets."),
	COUNTER(kicks, VIEW_NONE, "Times that the guest's driver told of packets or buffers."),
	COUNTER(interrupts, VIEW_NONE, "Interrupts sent to the guest's driver."),
	COUNTER(throttled, VIEW_NONE, "Times that a limit made a packet wait, either way."),
};
static const struct view_table nic_table =
	VIEW_TABLE(VIEW, "nics", "guest_nic", nic_fields, "A network interface of a guest.");

#undef VIEW
#define VIEW guest_balloon_view
static const struct view_field balloon_fields[] = {
	GAUGE(driven, VIEW_FLAG, "Whether the guest has a driver for its balloon."),
	COUNTER(stats, VIEW_NONE, "Times that the guest said how its memory is."),
	GAUGE(target_bytes, VIEW_BYTES, "Memory that the guest is to make do with."),
	GAUGE(inflated_bytes, VIEW_BYTES, "Memory in the balloon."),
	GAUGE(away_bytes, VIEW_BYTES, "Of that, what is with the pool for guests."),
	COUNTER(discarded_bytes, VIEW_BYTES,
		"Memory that the guest reported as free, and that was forgotten."),
	GAUGE(stat_total_bytes, VIEW_BYTES, "Memory that the guest says it has."),
	GAUGE(stat_free_bytes, VIEW_BYTES, "Memory that the guest says is free."),
	GAUGE(stat_available_bytes, VIEW_BYTES,
	      "Memory that the guest says is available to programs."),
	GAUGE(stat_used_bytes, VIEW_BYTES,
	      "Memory that the guest cannot do without, by what it says; 0: not known."),
};
static const struct view_table balloon_table =
	VIEW_TABLE(VIEW, "balloon", "guest_balloon", balloon_fields, "The balloon of a guest.");

#undef VIEW
#define VIEW guest_console_view
static const struct view_field console_fields[] = {
	GAUGE(virtio, VIEW_FLAG,
	      "Whether its virtio console is typed to, instead of its serial port."),
	COUNTER(printed_bytes, VIEW_BYTES, "What the guest printed."),
	COUNTER(typed_bytes, VIEW_BYTES, "What was typed to the guest."),
};
static const struct view_table console_table =
	VIEW_TABLE(VIEW, "console", "guest_console", console_fields, "The console of a guest.");

#undef VIEW
#define VIEW guest_rng_view
static const struct view_field rng_fields[] = {
	COUNTER(requests, VIEW_NONE, "Requests for random bytes."),
	COUNTER(random_bytes, VIEW_BYTES, "Random bytes given to the guest."),
	COUNTER(throttled, VIEW_NONE, "Times that the limit made a request wait."),
};
static const struct view_table rng_table = VIEW_TABLE(VIEW, "rng", "guest_rng", rng_fields,
						      "The source of random bytes of a guest.");

#undef VIEW
#define VIEW guest_watchdog_view
static const struct view_field watchdog_fields[] = {
	GAUGE(running, VIEW_FLAG, "Whether the guest uses it: it counts."),
	GAUGE(timeout_ns, VIEW_NS,
	      "Time without service that ends the guest; 0: there is none."),
	COUNTER(reloads, VIEW_NONE, "Times that the guest served it."),
};
static const struct view_table watchdog_table = VIEW_TABLE(
	VIEW, "watchdog", "guest_watchdog", watchdog_fields, "The watchdog of a guest.");

#undef VIEW
#define VIEW guest_view
static const struct view_field guest_fields[] = {
	VIEW_NAMED(VIEW, name, "guest", "Name of the guest."),
	VIEW_ONE_OF(VIEW, state, guest_view_states,
		    "How it is; `failed`: it crashed, or could not be started."),
	VIEW_FIELD(VIEW, reason, VIEW_NOTE, VIEW_NONE,
		   "Why it last stopped or failed; empty if it never did."),
	VIEW_FIELD(VIEW, note, VIEW_NOTE, VIEW_NONE,
		   "Whether it was asked to shut down, or waits for its turn to start or shut "
		   "down; empty if neither."),
	COUNTER(starts, VIEW_NONE, "Times that it was started."),
	COUNTER(crashes, VIEW_NONE, "Times that it crashed, panics and the watchdog included."),
	COUNTER(panics, VIEW_NONE, "Times that it ended as its kernel panicked (pvpanic)."),
	COUNTER(watchdog_ends, VIEW_NONE,
		"Times that it ended as it did not serve its watchdog."),
	GAUGE(crash_kernel, VIEW_FLAG,
	      "Whether its kernel panicked, and its own crash kernel took over."),
	GAUGE(uptime_ns, VIEW_NS,
	      "Time since it was started last; of one that ended, its life."),
	GAUGE(exit_status, VIEW_NONE, "What it last wrote to its debug-exit port."),
	GAUGE(memory_bytes, VIEW_BYTES, "Memory that its configuration gives it."),
	GAUGE(populated_bytes, VIEW_BYTES, "Memory of it that it has touched."),
	GAUGE(overhead_bytes, VIEW_BYTES, "Memory of the hypervisor's for it."),
	GAUGE(has_memory, VIEW_FLAG,
	      "Whether its memory is its own now; else the figures are those of its end."),
	GAUGE(cpu_percent, VIEW_NONE,
	      "CPU time of its vCPUs in the last second, in percent of one CPU."),
	GAUGE(capped, VIEW_FLAG, "Whether its CPU cap held a vCPU back in the last second."),
	GAUGE(throttled, VIEW_FLAG,
	      "Whether a limit of a disk or NIC made something wait in the last second."),
	COUNTER(unclaimed_io, VIEW_NONE, "Accesses to ports where nothing is."),
	COUNTER(unclaimed_mmio, VIEW_NONE, "Accesses to addresses where nothing is."),
	VIEW_SINGLE(VIEW, balloon, balloon_table, "Its balloon."),
	VIEW_SINGLE(VIEW, console, console_table, "Its console."),
	VIEW_SINGLE(VIEW, rng, rng_table, "Its source of random bytes."),
	VIEW_SINGLE(VIEW, watchdog, watchdog_table, "Its watchdog."),
	VIEW_SIZE_OF(VIEW, vcpu_count),
	VIEW_ARRAY(VIEW, vcpus, vcpu_count, vcpu_table, "Its virtual CPUs."),
	VIEW_SIZE_OF(VIEW, disk_count),
	VIEW_ARRAY(VIEW, disks, disk_count, disk_table, "Its disks."),
	VIEW_SIZE_OF(VIEW, nic_count),
	VIEW_ARRAY(VIEW, nics, nic_count, nic_table, "Its network interfaces."),
};
const struct view_table guest_table =
	VIEW_TABLE(VIEW, "guests", "guest", guest_fields, "A guest of the configuration.");
