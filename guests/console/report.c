/* Guests, CPUs, memory and the log for people. */
#include "guests/console/report.h"

#include <stdio.h>
#include <string.h>

#include "guests/console/report_devices.h"
#include "guests/console/text.h"
#include "guests/views/guest.h"
#include "guests/views/machine.h"
#include "kernel/lib/plural.h"

typedef unsigned long long ull;

static bool runs(const struct guest_view *guest)
{
	return !strcmp(guest->state, "running");
}

void report_machine(struct sink *to, const struct machine_view *machine)
{
	sink_print(to, "Bulkhead %s%s%s%s, a type-1 hypervisor: %s on %llu CPU%s (%s), up %s\n",
		   machine->version, machine->build[0] ? " (build " : "", machine->build,
		   machine->build[0] ? ")" : "",
		   machine->backend[0] ? machine->backend : "no virtualisation",
		   (ull)machine->cpus, plural(machine->cpus), machine->cpu_model,
		   text_time(machine->uptime_ns).bytes);
}

/* What is not well in a guest that runs, each on a line of its own. */
static void say_trouble(struct sink *to, const struct guest_view *guest)
{
	for (uint32_t i = 0; runs(guest) && i < guest->vcpu_count; i++) {
		const struct vcpu_view *vcpu = &guest->vcpus[i];

		if (vcpu->interrupts_off_ns)
			sink_print(to, "  ! vCPU %u: %s with interrupts off for %s\n",
				   (unsigned)vcpu->id, vcpu->state,
				   text_time(vcpu->interrupts_off_ns).bytes);
	}
	if (runs(guest) && guest->crash_kernel)
		sink_text(to, "  ! its kernel panicked; its own crash kernel took over\n");
}

/* What held it back lately. */
static const char *limits(const struct guest_view *guest)
{
	if (guest->capped && guest->throttled)
		return "capped, throttled";
	return guest->capped ? "capped" : guest->throttled ? "throttled" : "-";
}

static void list_guest(struct sink *to, const struct guest_view *guest, int name_width)
{
	char cpu[24] = "-", vcpus[12] = "-"; /* one that never ran has none yet */
	const char *reason = guest->reason[0] ? guest->reason : "-";

	if (runs(guest))
		snprintf(cpu, sizeof cpu, "%llu %%", (ull)guest->cpu_percent);
	if (guest->vcpu_count)
		snprintf(vcpus, sizeof vcpus, "%u", (unsigned)guest->vcpu_count);
	sink_print(to, "%-*s %-8s %5s %6s %9s %9s %12s %6llu  %-9s  %s\n", name_width,
		   guest->name, guest->state, vcpus, cpu, text_size(guest->memory_bytes).bytes,
		   guest->has_memory ? text_size(guest->populated_bytes).bytes : "-",
		   runs(guest) ? text_time(guest->uptime_ns).bytes : "-", (ull)guest->starts,
		   limits(guest), guest->note[0] ? guest->note : reason);
	say_trouble(to, guest);
}

void report_list(struct sink *to, const struct view_rows *guests)
{
	size_t width = strlen("guest");

	if (!guests->count) {
		if (!guests->error)
			sink_text(to, "There are no guests. The log says why: log\n");
		return;
	}
	for (uint32_t i = 0; i < guests->count; i++)
		width = MAX(width, strlen(((const struct guest_view *)guests->rows[i])->name));
	sink_print(to, "%-*s %-8s %5s %6s %9s %9s %12s %6s  %-9s  last end, or note\n",
		   (int)width, "guest", "state", "vCPUs", "CPU", "memory", "in use", "up",
		   "starts", "limited");
	for (uint32_t i = 0; i < guests->count; i++)
		list_guest(to, guests->rows[i], (int)width);
}

/* ---- a guest ----------------------------------------------------------------------------- */

static void say_counts(struct sink *to, const struct view_count *counts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (counts[i].count)
			sink_print(to, " %s %llu", counts[i].name, (ull)counts[i].count);
}

static void say_vcpu(struct sink *to, const struct vcpu_view *vcpu)
{
	sink_print(to, "  vCPU %u: %s, on CPU %u, ran %s, waited %s, for its cap %s\n",
		   (unsigned)vcpu->id, vcpu->state, (unsigned)vcpu->cpu,
		   text_time(vcpu->run_ns).bytes, text_time(vcpu->wait_ns).bytes,
		   text_time(vcpu->capped_ns).bytes);
	sink_text(to, "    exits:");
	say_counts(to, vcpu->exits, vcpu->exit_count);
	sink_text(to, "\n    injected:");
	say_counts(to, vcpu->injected, vcpu->injected_count);
	sink_print(to,
		   "\n    halts %llu, emulated MMIO %llu, unknown MSRs %llu, pages faulted in "
		   "%llu\n",
		   (ull)vcpu->halts, (ull)vcpu->mmio_emulated, (ull)vcpu->msr_unknown,
		   (ull)vcpu->pages_populated);
}

static void say_small_devices(struct sink *to, const struct guest_view *guest)
{
	const struct guest_balloon_view *balloon = &guest->balloon;

	sink_print(to, "  console: printed %s, typed %s, to its %s\n",
		   text_size(guest->console.printed_bytes).bytes,
		   text_size(guest->console.typed_bytes).bytes,
		   guest->console.virtio ? "virtio console" : "serial port");
	sink_print(to, "  random bytes: %s in %llu request%s, waits for the limit %llu\n",
		   text_size(guest->rng.random_bytes).bytes, (ull)guest->rng.requests,
		   plural(guest->rng.requests), (ull)guest->rng.throttled);
	if (guest->watchdog.running)
		sink_print(to,
			   "  watchdog: ends it after %s without service, served %llu time%s\n",
			   text_time(guest->watchdog.timeout_ns).bytes,
			   (ull)guest->watchdog.reloads, plural(guest->watchdog.reloads));
	if (balloon->driven)
		sink_print(to, "  balloon: %s in it, of these %s with the pool for guests\n",
			   text_size(balloon->inflated_bytes).bytes,
			   text_size(balloon->away_bytes).bytes);
}

/* Figures of one that ended are of no use to who asks how it is, and look as if it ran. */
static void say_ended(struct sink *to, const struct guest_view *guest)
{
	sink_print(to, "%s: %s, started %llu time%s so far\n", guest->name, guest->state,
		   (ull)guest->starts, plural(guest->starts));
	if (guest->note[0])
		sink_print(to, "  %s\n", guest->note);
	if (guest->reason[0])
		sink_print(to, "  last end: %s (exit status %llu)\n", guest->reason,
			   (ull)guest->exit_status);
	sink_print(to, "  memory %s when it runs\n", text_size(guest->memory_bytes).bytes);
	if (guest->vcpu_count)
		sink_print(to, "  `counters %s` has the figures of its last run.\n",
			   guest->name);
}

static void say_running(struct sink *to, const struct guest_view *guest)
{
	sink_print(to, "%s: %s, start number %llu, up %s\n", guest->name, guest->state,
		   (ull)guest->starts, text_time(guest->uptime_ns).bytes);
	if (guest->note[0])
		sink_print(to, "  %s\n", guest->note);
	if (guest->reason[0])
		sink_print(to, "  last end: %s (exit status %llu)\n", guest->reason,
			   (ull)guest->exit_status);
	if (runs(guest))
		sink_print(to, "  in the last second: %llu %% of a CPU%s%s\n",
			   (ull)guest->cpu_percent,
			   guest->capped || guest->throttled ? ", " : "",
			   guest->capped || guest->throttled ? limits(guest) : "");
	sink_print(to, "  memory %s, %s of it in use; %s of the hypervisor's\n",
		   text_size(guest->memory_bytes).bytes,
		   text_size(guest->populated_bytes).bytes,
		   text_size(guest->overhead_bytes).bytes);
	sink_print(to, "  accesses to nothing: %llu ports, %llu MMIO\n",
		   (ull)guest->unclaimed_io, (ull)guest->unclaimed_mmio);
	say_trouble(to, guest);
	for (uint32_t i = 0; i < guest->vcpu_count; i++)
		say_vcpu(to, &guest->vcpus[i]);
	report_guest_devices(to, guest);
	say_small_devices(to, guest);
}

void report_guest(struct sink *to, const struct guest_view *guest)
{
	(guest->has_memory ? say_running : say_ended)(to, guest);
}

/* ---- the machine ------------------------------------------------------------------------- */

static void say_vcpus_on(struct sink *to, uint32_t cpu, const struct view_rows *guests)
{
	for (uint32_t i = 0; i < guests->count; i++) {
		const struct guest_view *guest = guests->rows[i];

		for (uint32_t n = 0; runs(guest) && n < guest->vcpu_count; n++)
			if (guest->vcpus[n].cpu == cpu)
				sink_print(to, " %s/%u(%s)", guest->name,
					   (unsigned)guest->vcpus[n].id, guest->vcpus[n].state);
	}
}

void report_cpus(struct sink *to, const struct view_rows *cpus, const struct view_rows *guests)
{
	sink_text(to, "CPU  APIC ID  interrupts  of other CPUs  vCPUs that ran there last\n");
	for (uint32_t i = 0; i < cpus->count; i++) {
		const struct cpu_view *cpu = cpus->rows[i];

		sink_print(to, "%3u %8u %11llu %14llu ", (unsigned)cpu->id,
			   (unsigned)cpu->apic_id, (ull)cpu->interrupts, (ull)cpu->ipis);
		say_vcpus_on(to, cpu->id, guests);
		sink_text(to, cpu->housekeeping ? " housekeeping\n" : "\n");
	}
}

/* What is told of the memory of those that ended is how it was: they have given it back. */
static void say_memory(struct sink *to, const struct guest_view *guest)
{
	if (!guest->has_memory)
		sink_print(to, "  %-14s %9s when it runs; it is %s\n", guest->name,
			   text_size(guest->memory_bytes).bytes, guest->state);
	else
		sink_print(to, "  %-14s %9s, %9s in use, %9s of the hypervisor's\n",
			   guest->name, text_size(guest->memory_bytes).bytes,
			   text_size(guest->populated_bytes).bytes,
			   text_size(guest->overhead_bytes).bytes);
}

void report_memory(struct sink *to, const struct view_rows *memory,
		   const struct view_rows *guests)
{
	for (uint32_t i = 0; i < memory->count; i++) {
		const struct memory_view *pool = memory->rows[i];

		sink_print(to, "%-16s %9s, %9s free\n",
			   !strcmp(pool->pool, "guests") ? "for guests" : pool->pool,
			   text_size(pool->total_bytes).bytes,
			   text_size(pool->free_bytes).bytes);
	}
	for (uint32_t i = 0; i < guests->count; i++)
		say_memory(to, guests->rows[i]);
}

void report_log(struct sink *to, const struct view_rows *log, unsigned lines)
{
	for (uint32_t i = log->count > lines ? log->count - lines : 0; i < log->count; i++) {
		sink_text(to, ((const struct log_view *)log->rows[i])->line);
		sink_text(to, "\n");
	}
}
