/* How a guest is, at one moment, or was at its end. Changes nothing but what it keeps of that.
 */
#include "guests/guest/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "guests/devices/console.h"
#include "guests/devices/pvpanic.h"
#include "guests/devices/watchdog.h"
#include "guests/guest/internal.h"
#include "guests/launch/devices.h"
#include "kernel/cpu/clock.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vcpu_look.h"
#include "kernel/vmm/vm.h"

typedef unsigned long long ull;

static const char *const event_names[] = {
	[VMEVENT_INTERRUPT] = "interrupt",
	[VMEVENT_NMI] = "nmi",
	[VMEVENT_EXCEPTION] = "exception",
	[VMEVENT_SOFT] = "soft",
};

/* In the order of enum vcpu_run_state. */
static const char *state_name(enum vcpu_run_state state)
{
	_Static_assert(VCPU_RUNNING == 0 && VCPU_HALTED == 1 && VCPU_WAIT_SIPI == 2 &&
			       VCPU_PARKED == 3,
		       "the order of vcpu_view_states");
	return vcpu_view_states[state];
}

static void fill_vcpu(const struct vcpu *vcpu, struct vcpu_view *view)
{
	const struct vcpu_counters *c = &vcpu->counters;

	_Static_assert(VMEXIT_REASONS <= VIEW_EXITS_MAX && VMEVENT_SOFT <= VIEW_EVENTS_MAX &&
			       VCPU_MAX <= VIEW_VCPUS_MAX,
		       "there is a place for each");
	memset(view, 0, sizeof *view);
	view->id = vcpu->id;
	view->cpu = thread_cpu(vcpu->thread);
	snprintf(view->state, sizeof view->state, "%s", state_name(vcpu->state));
	view->exit_count = VMEXIT_REASONS;
	for (unsigned i = 0; i < VMEXIT_REASONS; i++)
		view_set_count(&view->exits[i], vmexit_name(i), atomic_load(&c->exits[i]));
	view->injected_count = VMEVENT_SOFT;
	for (unsigned i = VMEVENT_NONE + 1; i <= VMEVENT_SOFT; i++)
		view_set_count(&view->injected[i - 1], event_names[i],
			       atomic_load(&c->injected[i]));
	view->run_ns = thread_time_run_ns(vcpu->thread);
	view->wait_ns = thread_time_waiting_ns(vcpu->thread);
	view->capped_ns = thread_time_capped_ns(vcpu->thread);
	view->interrupts_off_ns = vcpu_look_off_ns(vcpu);
	view->halts = atomic_load(&c->halts);
	view->mmio_emulated = atomic_load(&c->mmio_emulated);
	view->msr_unknown =
		atomic_load(&c->msr_unknown_reads) + atomic_load(&c->msr_unknown_writes);
	view->pages_populated = atomic_load(&c->pages_populated);
}

static void fill_chipset(struct chipset *chipset, struct guest_view *view)
{
	struct watchdog *watchdog = chipset_watchdog(chipset);
	struct watchdog_info info;

	view->crash_kernel = pvpanic_crash_kernel(chipset_pvpanic(chipset));
	if (!watchdog)
		return;
	watchdog_get_info(watchdog, &info);
	view->watchdog = (struct guest_watchdog_view){.running = info.running,
						      .timeout_ns = info.timeout_ns,
						      .reloads = info.reloads};
}

/* What there is to say of the VM: no more than guest_view_bytes() of its vCPUs are written.
 * Caller holds g->lock, and the VM is there. */
static void fill(struct guest *g, struct guest_view *view)
{
	struct vm *vm = g->launch.vm;

	view->memory_bytes = g->config.memory_bytes;
	view->uptime_ns = clock_now_ns() - vm->start_ns;
	view->populated_bytes = atomic_load(&vm->gmem.populated_bytes);
	view->overhead_bytes = atomic_load(&vm->account.bytes);
	view->unclaimed_io = atomic_load(&vm->pio.unclaimed);
	view->unclaimed_mmio = atomic_load(&vm->mmio.unclaimed);
	view->vcpu_count = vm->vcpu_count;
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		fill_vcpu(vm->vcpus[i], &view->vcpus[i]);
	devices_get_view(g->launch.devices, view);
	fill_chipset(g->launch.chipset, view);
}

void snapshot_keep(struct guest *g)
{
	heap_free(g->last);
	g->last = heap_zalloc(guest_view_bytes(g->launch.vm->vcpu_count), NULL);
	if (g->last)
		fill(g, g->last);
}

static void fill_console(struct guest *g, struct guest_console_view *view)
{
	struct console_info info;

	console_get_info(g->console, &info);
	*view = (struct guest_console_view){.virtio = info.has_reader,
					    .printed_bytes = info.printed_bytes,
					    .typed_bytes = info.typed_bytes};
}

/* Seconds from now to then, as people count them: the last has not begun before it is over. */
static ull seconds_to(uint64_t then_ns)
{
	uint64_t now_ns = clock_now_ns();

	return (then_ns - MIN(now_ns, then_ns) + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
}

static void note_leaving(struct guest *g, struct guest_view *view)
{
	enum guest_leave_stage stage = leaving_stage(g);

	if (stage == GUEST_LEAVE_GONE || stage == GUEST_LEAVE_ENDING)
		return;
	if (g->leave.asked)
		snprintf(view->note, sizeof view->note,
			 "asked to shut down (%s), is switched off in %llu s",
			 guest_leave_name(stage), seconds_to(g->leave.due_ns));
	else if (g->leave.later)
		snprintf(view->note, sizeof view->note,
			 "waits for its turn to shut down (shutdown.order %u)",
			 (unsigned)g->config.shutdown.order);
}

static void note_turn(const struct guest *g, struct guest_view *view)
{
	if (g->turn.state == TURN_WAITS)
		snprintf(view->note, sizeof view->note,
			 "waits for its turn to start (start.order %u)",
			 (unsigned)g->config.start.order);
	else if (g->turn.state == TURN_COMES && g->due_ns > clock_now_ns())
		snprintf(view->note, sizeof view->note, "starts in %llu s (start.delay)",
			 seconds_to(g->due_ns));
	else if (g->turn.state == TURN_COMES)
		snprintf(view->note, sizeof view->note,
			 "waits for its turn to start (others have their memory first)");
}

/* What there is to say of a guest whether it runs or not. Caller holds g->lock. */
static void fill_guest(struct guest *g, struct guest_view *view)
{
	snprintf(view->name, sizeof view->name, "%s", g->config.name);
	snprintf(view->state, sizeof view->state, "%s", guest_state_name(g->life.state));
	snprintf(view->reason, sizeof view->reason, "%s", g->reason);
	view->note[0] = '\0';
	if (g->life.due)
		note_turn(g, view);
	else
		note_leaving(g, view);
	view->exit_status = g->end.status;
	view->starts = g->starts;
	view->crashes = g->crashes;
	view->panics = g->panics;
	view->watchdog_ends = g->watchdog_ends;
	view->memory_bytes = g->config.memory_bytes;
	view->has_memory = g->life.state == GUEST_RUNNING || g->life.state == GUEST_STOPPING;
	fill_console(g, &view->console);
}

void guest_get_info(struct guest *g, struct guest_view *view)
{
	memset(view, 0, sizeof *view);
	mutex_lock(&g->lock);
	if (g->life.state == GUEST_RUNNING) {
		fill(g, view);
		view->cpu_percent = g->usage.cpu_percent;
		view->capped = g->usage.capped;
		view->throttled = g->usage.throttled;
	} else if (g->last) {
		memcpy(view, g->last, guest_view_bytes(g->last->vcpu_count));
	}
	fill_guest(g, view);
	mutex_unlock(&g->lock);
}

unsigned guest_memory(struct guest *g, struct guest_range *ranges, unsigned max)
{
	const struct gmem *gm;
	unsigned count = 0;
	uint64_t end = 0;

	mutex_lock(&g->lock);
	gm = g->life.state == GUEST_RUNNING ? &g->launch.vm->gmem : NULL;
	for (unsigned i = 0; gm && i < gm->block_count; i++) {
		const struct gmem_block *block = &gm->blocks[i];
		uint64_t bytes = PAGE_2M << block->order;
		bool joins = count && block->hpa == end;

		count += !joins;
		end = block->hpa + bytes;
		if (joins && count <= max)
			ranges[count - 1].bytes += bytes;
		else if (count <= max)
			ranges[count - 1] = (struct guest_range){block->hpa, bytes};
	}
	mutex_unlock(&g->lock);
	return count;
}

enum guest_state guest_state(struct guest *g)
{
	enum guest_state state;

	mutex_lock(&g->lock);
	state = g->life.state;
	mutex_unlock(&g->lock);
	return state;
}
