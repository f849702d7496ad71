/* How guests and the machine are. */
#include "guests/console/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/operator.h"
#include "guests/console/report_devices.h"
#include "guests/guest/snapshot.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/backend.h"

#define LOG_BYTES 65536

typedef unsigned long long ull;

/* Too large for a stack; the operator's thread alone uses it. */
static struct guest_info info;

static const char *const event_names[VMEVENT_SOFT + 1] = {
	[VMEVENT_INTERRUPT] = "interrupt",
	[VMEVENT_NMI] = "nmi",
	[VMEVENT_EXCEPTION] = "exception",
	[VMEVENT_SOFT] = "soft",
};

static const char *vcpu_state_name(enum vcpu_run_state state)
{
	static const char *const names[] = {[VCPU_RUNNING] = "running",
					    [VCPU_HALTED] = "halted",
					    [VCPU_WAIT_SIPI] = "wait-sipi",
					    [VCPU_PARKED] = "parked"};

	return names[state];
}

/* "512 MiB", "1.2 MiB", "64 KiB": three figures or so are enough. */
struct text report_size(uint64_t bytes)
{
	struct text t;

	if (bytes < MIB)
		snprintf(t.bytes, sizeof t.bytes, "%llu KiB", (ull)(bytes / KIB));
	else if (bytes < 10 * MIB)
		snprintf(t.bytes, sizeof t.bytes, "%llu.%llu MiB", (ull)(bytes / MIB),
			 (ull)(bytes % MIB * 10 / MIB));
	else
		snprintf(t.bytes, sizeof t.bytes, "%llu MiB", (ull)(bytes / MIB));
	return t;
}

/* "1.234 s", "2 min 03 s", "26 h 05 min". */
static struct text time_text(uint64_t ns)
{
	uint64_t s = ns / NSEC_PER_SEC;
	struct text t;

	if (s < 60)
		snprintf(t.bytes, sizeof t.bytes, "%llu.%03llu s", (ull)s,
			 (ull)(ns / NSEC_PER_MSEC % 1000));
	else if (s < 3600)
		snprintf(t.bytes, sizeof t.bytes, "%llu min %02llu s", (ull)(s / 60),
			 (ull)(s % 60));
	else
		snprintf(t.bytes, sizeof t.bytes, "%llu h %02llu min", (ull)(s / 3600),
			 (ull)(s / 60 % 60));
	return t;
}

void report_list(void)
{
	struct guest *guest = guest_next(NULL);

	if (!guest) {
		operator_say("There are no guests. The log says why: log\n");
		return;
	}
	operator_say("%-16s %-8s %5s %9s %14s %6s  last end\n", "guest", "state", "vCPUs",
		     "memory", "up", "starts");
	for (; guest; guest = guest_next(guest)) {
		guest_get_info(guest, &info);
		operator_say("%-16s %-8s %5u %9s %14s %6u  %s\n", info.name,
			     guest_state_name(info.state), info.vcpu_count,
			     report_size(info.memory_bytes).bytes,
			     info.state == GUEST_RUNNING ? time_text(info.uptime_ns).bytes
							 : "-",
			     info.starts, info.reason[0] ? info.reason : "-");
	}
}

/* What is told of the memory of others is how it was at their end: they have given it back. */
static bool has_memory(const struct guest_info *guest)
{
	return guest->state == GUEST_RUNNING || guest->state == GUEST_STOPPING;
}

static void say_vcpu(const struct guest_vcpu_info *vcpu, unsigned id)
{
	operator_say("  vCPU %u: %s, on CPU %u, ran %s, waited %s\n", id,
		     vcpu_state_name(vcpu->state), vcpu->cpu, time_text(vcpu->run_ns).bytes,
		     time_text(vcpu->wait_ns).bytes);
	operator_say("    exits:");
	for (unsigned i = 0; i < VMEXIT_REASONS; i++)
		if (vcpu->exits[i])
			operator_say(" %s %llu", vmexit_name(i), (ull)vcpu->exits[i]);
	operator_say("\n    injected:");
	for (unsigned i = 0; i <= VMEVENT_SOFT; i++)
		if (event_names[i] && vcpu->injected[i])
			operator_say(" %s %llu", event_names[i], (ull)vcpu->injected[i]);
	operator_say(
		"\n    halts %llu, emulated MMIO %llu, unknown MSRs %llu, pages faulted in "
		"%llu\n",
		(ull)vcpu->halts, (ull)vcpu->mmio_emulated, (ull)vcpu->msr_unknown,
		(ull)vcpu->pages_populated);
}

void report_guest(struct guest *guest)
{
	guest_get_info(guest, &info);
	operator_say("%s: %s, start number %u, up %s\n", info.name,
		     guest_state_name(info.state), info.starts,
		     time_text(info.uptime_ns).bytes);
	if (info.reason[0])
		operator_say("  last end: %s (exit status %u)\n", info.reason,
			     (unsigned)info.exit_status);
	operator_say("  memory %s, %s of it %s; %s of the hypervisor's\n",
		     report_size(info.memory_bytes).bytes,
		     report_size(info.populated_bytes).bytes,
		     has_memory(&info) ? "in use" : "was in use at its end",
		     report_size(info.overhead_bytes).bytes);
	operator_say("  accesses to nothing: %llu ports, %llu MMIO\n", (ull)info.unclaimed_io,
		     (ull)info.unclaimed_mmio);
	for (unsigned i = 0; i < info.vcpu_count; i++)
		say_vcpu(&info.vcpus[i], i);
	report_devices(&info.devices);
}

static void count_vcpu(const struct guest_vcpu_info *vcpu, unsigned id)
{
	operator_say("counters %s vcpu=%u cpu=%u state=%s run_ns=%llu wait_ns=%llu halts=%llu "
		     "mmio_emulated=%llu msr_unknown=%llu pages_populated=%llu",
		     info.name, id, vcpu->cpu, vcpu_state_name(vcpu->state), (ull)vcpu->run_ns,
		     (ull)vcpu->wait_ns, (ull)vcpu->halts, (ull)vcpu->mmio_emulated,
		     (ull)vcpu->msr_unknown, (ull)vcpu->pages_populated);
	for (unsigned i = 0; i < VMEXIT_REASONS; i++)
		if (vcpu->exits[i])
			operator_say(" exits.%s=%llu", vmexit_name(i), (ull)vcpu->exits[i]);
	for (unsigned i = 0; i <= VMEVENT_SOFT; i++)
		if (event_names[i] && vcpu->injected[i])
			operator_say(" injected.%s=%llu", event_names[i],
				     (ull)vcpu->injected[i]);
	operator_say("\n");
}

void report_counters(struct guest *guest)
{
	guest_get_info(guest, &info);
	operator_say("counters %s state=%s starts=%u uptime_ns=%llu exit_status=%u "
		     "memory_bytes=%llu populated_bytes=%llu overhead_bytes=%llu "
		     "unclaimed_io=%llu unclaimed_mmio=%llu\n",
		     info.name, guest_state_name(info.state), info.starts, (ull)info.uptime_ns,
		     (unsigned)info.exit_status, (ull)info.memory_bytes,
		     (ull)info.populated_bytes, (ull)info.overhead_bytes,
		     (ull)info.unclaimed_io, (ull)info.unclaimed_mmio);
	for (unsigned i = 0; i < info.vcpu_count; i++)
		count_vcpu(&info.vcpus[i], i);
	report_device_counters(info.name, &info.devices);
}

/* The vCPUs that ran on this CPU last. */
static void say_vcpus_on(unsigned cpu)
{
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		guest_get_info(guest, &info);
		if (info.state != GUEST_RUNNING)
			continue;
		for (unsigned id = 0; id < info.vcpu_count; id++)
			if (info.vcpus[id].cpu == cpu)
				operator_say(" %s/%u(%s)", info.name, id,
					     vcpu_state_name(info.vcpus[id].state));
	}
}

void report_cpus(void)
{
	operator_say("CPU  APIC ID  interrupts  of other CPUs  vCPUs that ran there last\n");
	for (unsigned i = 0; i < cpu_count; i++) {
		operator_say("%3u %8u %11llu %14llu ", i, (unsigned)cpus[i]->apic_id,
			     (ull)cpus[i]->interrupts, (ull)cpus[i]->ipis);
		say_vcpus_on(i);
		if (cpumask_test(sched_housekeeping(), i))
			operator_say(" housekeeping");
		operator_say("\n");
	}
}

static void say_pool(const char *name, uint64_t total, uint64_t free)
{
	operator_say("%-16s %9s, %9s free\n", name, report_size(total).bytes,
		     report_size(free).bytes);
}

void report_memory(void)
{
	say_pool("hypervisor", frames_total_bytes(), frames_free_bytes());
	say_pool("for guests", guest_frames_total_bytes(), guest_frames_free_bytes());
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		guest_get_info(guest, &info);
		if (!has_memory(&info)) {
			operator_say("  %-14s %9s when it runs; it is %s\n", info.name,
				     report_size(info.memory_bytes).bytes,
				     guest_state_name(info.state));
			continue;
		}
		operator_say("  %-14s %9s, %9s in use, %9s of the hypervisor's\n", info.name,
			     report_size(info.memory_bytes).bytes,
			     report_size(info.populated_bytes).bytes,
			     report_size(info.overhead_bytes).bytes);
	}
}

/* Where the last `lines` lines of the text begin. */
static const char *last_lines(const char *text, size_t bytes, unsigned lines)
{
	const char *at = text + bytes;

	while (at > text && (at[-1] != '\n' || at == text + bytes || --lines))
		at--;
	return at;
}

void report_log(unsigned lines)
{
	char *text = malloc(LOG_BYTES + 1);
	const char *at, *line_end;
	size_t bytes;

	if (!text) {
		operator_say("There is no memory for that.\n");
		return;
	}
	bytes = log_tail(text, LOG_BYTES);
	for (at = last_lines(text, bytes, lines); at < text + bytes; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(text + bytes - at));
		operator_say("%.*s\n", (int)(line_end - at), at);
	}
	free(text);
}

void report_machine(void)
{
	operator_say("Bulkhead, a type-1 hypervisor: %s on %u CPUs (%s), up %s\n",
		     vmm_backend ? vmm_backend->name : "no virtualisation", cpu_count,
		     cpu_features.brand, time_text(clock_now_ns()).bytes);
}
