/*
 * Guests, the control thread and workers: what they are told, what becomes of a VM that ends,
 * in which state a guest is shown meanwhile, how often one starts again, and each allocation
 * failing. Launching is test_launch's; disks that do not answer are test_guest_stuck's.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/views/guest.c guests/views/view.c */
/* links: guests/guest/registry.c guests/guest/snapshot.c guests/guest/worker.c */
/* links: guests/boot/boot.c guests/guest/usage.c guests/guest/trouble.c */
/* links: guests/events/actor.c guests/events/event.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_threads.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/events/event.h"
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_threads.h"

#define STARTS_MAX 64

static unsigned launches;
static int launch_error;
static bool watchdog_fired; /* what the one prepared last was told of the one before */
static struct vm *vm;	    /* prepared last */
static struct guest *shown; /* looked at while its VM is made and taken apart; NULL: none */

int launch_prepare(const struct launch_params *params, struct launch *out,
		   char why[BOOT_WHY_BYTES])
{
	memset(out, 0, sizeof(*out));
	watchdog_fired = params->watchdog_fired;
	if (shown)
		assert_int_equal(fake_guest_state(shown), GUEST_STARTING);
	if (launch_error)
		return boot_refuse(why, launch_error, "there is no such file");
	out->vm = vm = fake_guest_vm(params->config->name, params->stopped, params->arg);
	if (!vm)
		return boot_refuse(why, -ENOMEM, "no memory for it");
	launches++;
	return 0;
}

void launch_release(struct launch *launch)
{
	if (shown)
		assert_int_equal(fake_guest_state(shown), GUEST_STOPPING);
	fake_guest_vm_free(launch->vm);
	launches--;
}

static unsigned forgotten; /* how often what is kept for a start was */

void storage_forget(const char *owner)
{
	forgotten += !strcmp(owner, "kept");
}

static void ends(enum vm_stop_kind kind)
{
	fake_guest_end(vm, kind);
	fake_guest_run_on();
}

static int fresh(void **state)
{
	(void)state;
	shown = NULL;
	launch_error = 0;
	fake_guest_obeys = true;
	fake_guest_hears_button = false;
	fake_guest_on_start = NULL;
	fake_guest_starts = fake_guest_fails = 0;
	fake_guest_now_ns += 3600 * NSEC_PER_SEC;
	return 0;
}

/* Whatever a test did, nothing of its guests stays but the control thread. */
static int clean(void **state)
{
	(void)state;
	shown = NULL;
	fake_guest_obeys = true;
	fake_guest_remove_all();
	assert_int_equal(launches, 0);
	assert_int_equal(fake_guest_held, 0);
	assert_int_equal(fake_threads_alive(), 1);
	return 0;
}

static struct guest *add(const char *name, const struct guest_config *like)
{
	struct guest *g = fake_guest_add(name, like);

	guest_put(g); /* the list's is enough here */
	return g;
}

static void no_memory_to_add(void **state)
{
	static const struct guest_config config = {.name = "short", .autostart = true};
	static const struct cpumask shared;

	(void)state;
	for (unsigned n = 1; n <= 2; n++) { /* itself, its console */
		fake_guest_fails = n;
		assert_int_equal(guest_add(&config, &shared, &actor_document), -ENOMEM);
		assert_int_equal(fake_guest_held, 0);
		assert_null(guest_get("short"));
	}
	fake_threads_refused = true; /* its worker */
	assert_int_equal(guest_add(&config, &shared, &actor_document), -ENOMEM);
	assert_int_equal(fake_guest_held, 0);
	fake_threads_refused = false;
	assert_int_equal(guest_add(&config, &shared, &actor_document), 0);
	assert_int_equal(guest_add(&config, &shared, &actor_document), -EEXIST);
	fake_guest_run();
	assert_int_equal(launches, 1);
	assert_int_equal(fake_threads_alive(), 2);
}

/* Another configuration counts from the next start on, and at once for the CPUs that it shares;
 * and not while a worker has the older one. */
static void configuring(void **state)
{
	static const struct cpumask shared = {{6}}, none;
	const struct guest_config old = {.autostart = true, .memory_bytes = 4 * MIB};
	struct guest_config next = {.name = "other",
				    .memory_bytes = 8 * MIB,
				    .cpus = {.count = 1, .weight = 40, .cap_percent = 30},
				    .on_poweroff = CONFIG_POLICY_RESTART};
	struct guest *g = fake_guest_add("web", &old);

	(void)state;
	fake_guest_shares = 0;
	assert_int_equal(guest_configure(g, &next, &shared, &actor_console), 0);
	assert_string_equal(guest_name(g), "web");
	assert_int_equal(fake_guest_shares, 1);
	assert_memory_equal(&fake_guest_share.allowed, &shared, sizeof shared);
	assert_int_equal(fake_guest_share.weight, 40);
	assert_int_equal(fake_guest_share.cap_percent, 30);
	assert_int_equal(guest_configure(g, &next, &none, &actor_console), 0); /* it goes on */
	assert_int_equal(fake_guest_shares, 1);
	next.cpus.pin_count = 1; /* that takes a restart */
	assert_int_equal(guest_configure(g, &next, &shared, &actor_console), 0);
	assert_int_equal(fake_guest_shares, 1);
	next.cpus.pin_count = 0;

	ends(VM_STOP_POWEROFF); /* the new policy */
	assert_int_equal(fake_guest_info(g)->starts, 2);
	assert_int_equal(fake_guest_info(g)->memory_bytes, 8 * MIB);

	fake_guest_obeys = false; /* it runs until it has stopped */
	assert_int_equal(guest_stop(g, &actor_console), 0);
	fake_guest_park(vm);
	assert_int_equal(guest_state(g), GUEST_RUNNING);
	fake_guest_shares = 0;
	assert_int_equal(guest_configure(g, &next, &shared, &actor_console), 0);
	assert_int_equal(fake_guest_shares, 1); /* another may own its CPUs from now on */
	fake_guest_run_on();
	fake_guest_shares = 0;
	assert_int_equal(guest_configure(g, &next, &shared, &actor_console), 0); /* at rest */
	assert_int_equal(fake_guest_shares, 0);

	assert_int_equal(guest_start(g, &actor_console), 0);
	assert_int_equal(guest_state(g), GUEST_STARTING);
	assert_int_equal(guest_configure(g, &next, &shared, &actor_console), -EBUSY);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	assert_int_equal(guest_state(g), GUEST_STOPPING);
	assert_int_equal(guest_configure(g, &next, &shared, &actor_console), -EBUSY);
	fake_guest_run_on();
	assert_int_equal(guest_remove(g, &actor_console), 0);
	assert_int_equal(guest_configure(g, &next, &shared, &actor_console), -ENOENT);
	guest_put(g);
}

/* A console loses its UART before that is taken apart, and its place in the list when its guest
 * is removed, though somebody still has a handle. */
static void consoles_go_with_their_guests(void **state)
{
	static const struct guest_config config = {.autostart = true};
	struct guest *g = fake_guest_add("web", &config);

	(void)state;
	fake_guest_unjoined = fake_guest_hidden = 0;
	ends(VM_STOP_POWEROFF);
	assert_int_equal(fake_guest_unjoined, 1);
	assert_int_equal(guest_start(g, &actor_console), 0);
	assert_int_equal(guest_stop(g, &actor_console), 0); /* before it ran */
	fake_guest_run_on();
	assert_int_equal(fake_guest_unjoined, 2);
	assert_int_equal(fake_guest_hidden, 0);
	assert_int_equal(guest_remove(g, &actor_console), 0);
	assert_int_equal(fake_guest_hidden, 1);
	guest_put(g);
}

/* What cannot be asked of a guest that does not run, and what comes of it where it does. */
static void requests(void **state)
{
	static const struct guest_config idle = {0}, runs = {.autostart = true};
	struct guest *g = add("idle", &idle);

	(void)state;
	assert_int_equal(launches, 0);
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);
	assert_int_equal(guest_stop(g, &actor_console), -EINVAL);
	assert_int_equal(guest_reset(g, &actor_console), -EINVAL);
	assert_int_equal(guest_shutdown(g, &actor_console), -EINVAL);
	assert_int_equal(guest_set_memory(g, MIB), -ESRCH);

	g = add("asked", &runs);
	shown = g;
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	assert_int_equal(guest_start(g, &actor_console), -EALREADY);
	assert_int_equal(guest_set_memory(g, MIB), 0);
	assert_int_equal(guest_set_memory(g, 0), -1);
	assert_int_equal(guest_shutdown(g, &actor_console), -EOPNOTSUPP);
	fake_guest_hears_button = true;
	assert_int_equal(guest_shutdown(g, &actor_console), 0);
	fake_guest_obeys = false;
	assert_int_equal(guest_reset(g, &actor_console), 0); /* whatever its policy says */
	fake_guest_run_on();
	assert_int_equal(fake_guest_info(g)->starts, 1); /* not before it has stopped */
	fake_guest_park(vm);
	fake_guest_run_on();
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	assert_int_equal(fake_guest_info(g)->starts, 2);
	fake_guest_obeys = true;
	assert_int_equal(guest_stop(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);
	assert_string_equal(fake_guest_info(g)->reason, "ended: by the operator");
	assert_string_equal(fake_guest_log, "ended: by the operator");
	assert_int_equal(launches, 0);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_info(g)->starts, 3);
	ends(VM_STOP_EXIT);
	assert_int_equal(fake_guest_info(g)->exit_status, 7);
	assert_string_equal(fake_guest_info(g)->reason, "exited with status 7");
}

/* What a view says of a vCPU, while it is there and, however it is afterwards, at its end. */
static void a_vcpu_is_shown(void **state)
{
	static const struct guest_config config = {.autostart = true, .memory_bytes = 4 * MIB};
	static struct vcpu vcpu = {.state = VCPU_WAIT_SIPI};
	struct guest *g = add("shown", &config);

	(void)state;
	vm->vcpu_count = 1;
	vm->vcpus[0] = &vcpu;
	vcpu.counters.exits[VMEXIT_HLT] = 3;
	vcpu.counters.injected[VMEVENT_NMI] = 4;
	vcpu.counters.injected[VMEVENT_SOFT] = 5;
	vcpu.counters.msr_unknown_reads = 6;
	vcpu.counters.msr_unknown_writes = 7;
	for (unsigned life = 0; life < 2; life++) {
		const struct guest_view *view = fake_guest_info(g);

		assert_string_equal(view->state, life ? "stopped" : "running");
		assert_int_equal(view->memory_bytes, 4 * MIB);
		assert_int_equal(view->has_memory, life == 0);
		assert_int_equal(view->console.typed_bytes, 6);
		assert_int_equal(view->vcpu_count, 1);
		assert_string_equal(view->vcpus[0].state, "wait-sipi");
		assert_int_equal(view->vcpus[0].exit_count, VMEXIT_REASONS);
		assert_string_equal(view->vcpus[0].exits[VMEXIT_HLT].name, "hlt");
		assert_int_equal(view->vcpus[0].exits[VMEXIT_HLT].count, 3);
		assert_int_equal(view->vcpus[0].injected_count, 4);
		assert_string_equal(view->vcpus[0].injected[1].name, "nmi");
		assert_int_equal(view->vcpus[0].injected[1].count, 4);
		assert_string_equal(view->vcpus[0].injected[3].name, "soft");
		assert_int_equal(view->vcpus[0].injected[3].count, 5);
		assert_int_equal(view->vcpus[0].msr_unknown, 13);
		if (life == 0)
			ends(VM_STOP_POWEROFF);
		memset(&vcpu, 0, sizeof vcpu);
	}
}

/* Between being told to stop and having stopped, the last word counts. */
static void the_last_word_counts(void **state)
{
	static const struct guest_config config = {.autostart = true};
	struct guest *g = add("told", &config);

	(void)state;
	fake_guest_obeys = false;
	assert_int_equal(guest_reset(g, &actor_console), 0);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	fake_guest_park(vm);
	fake_guest_run_on();
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(guest_stop(g, &actor_console), 0);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_park(vm);
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
}

/* That a VM could not be made is a failure with its reason; the next attempt may succeed. */
static void a_launch_that_fails(void **state)
{
	static const struct guest_config config = {.autostart = true};
	struct guest *g;

	(void)state;
	launch_error = -ENOENT;
	g = add("missing", &config);
	assert_int_equal(fake_guest_state(g), GUEST_FAILED);
	assert_string_equal(fake_guest_info(g)->reason, "not started: there is no such file");
	assert_int_equal(fake_guest_info(g)->starts, 0);
	launch_error = 0;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	/* Without memory for how it was, it ends all the same. */
	fake_guest_fails = 1;
	ends(VM_STOP_CRASH);
	assert_int_equal(fake_guest_fails, 0);
	assert_int_equal(fake_guest_state(g), GUEST_FAILED);
	assert_int_equal(fake_guest_info(g)->disk_count, 0);
	assert_int_equal(launches, 0);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	ends(VM_STOP_CRASH);
	assert_int_equal(fake_guest_info(g)->disk_count, 1);
}

/* Where a guest's RAM lies: neighbours are one range, and those beyond the room are counted. */
static void memory_is_told_by_ranges(void **state)
{
	static struct gmem_block blocks[] = {{.hpa = 4 * GIB, .order = 9},
					     {.hpa = 5 * GIB, .order = 0},
					     {.hpa = 2 * GIB, .order = 1},
					     {.hpa = GIB, .order = 0}};
	struct guest_range ranges[3] = {0};
	struct guest *g = add("ranges", &(struct guest_config){.autostart = true});

	(void)state;
	vm->gmem.blocks = blocks;
	vm->gmem.block_count = ARRAY_SIZE(blocks);
	assert_int_equal(guest_memory(g, ranges, 3), 3);
	assert_true(ranges[0].base == 4 * GIB && ranges[0].bytes == GIB + 2 * MIB);
	assert_true(ranges[1].base == 2 * GIB && ranges[1].bytes == 4 * MIB);
	assert_true(ranges[2].base == GIB && ranges[2].bytes == 2 * MIB);
	memset(ranges, 0, sizeof(ranges));
	assert_int_equal(guest_memory(g, ranges, 1), 3);
	assert_true(ranges[0].bytes == GIB + 2 * MIB && ranges[1].bytes == 0);
	assert_int_equal(guest_memory(g, NULL, 0), 3);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(guest_memory(g, ranges, 3), 0);
}

/* What this machine lacks a guest waits for: it is tried again when that may have come, by an
 * operator's word too, and no more when it is told to stop. */
static void what_is_absent_is_waited_for(void **state)
{
	static const struct guest_config config = {.autostart = true};
	struct event events[2];
	struct guest *g;

	(void)state;
	launch_error = -ENODEV;
	g = add("waits", &config);
	assert_int_equal(fake_guest_state(g), GUEST_WAITING);
	assert_string_equal(fake_guest_info(g)->reason, "there is no such file");
	assert_non_null(strstr(fake_guest_log, "or by `start waits`"));
	assert_true(guest_at_rest(g));
	event_read(event_post(EVENT_GUEST_CHANGED, "end", "of what counts") - 1, events, 2);
	assert_int_equal(events[0].kind, EVENT_GUEST_WAITING);
	guests_try_waiting();
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_WAITING);
	assert_int_equal(fake_guest_info(g)->starts, 0);
	launch_error = 0;
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_WAITING); /* nobody said so */
	guests_try_waiting();
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	fake_guest_run();

	launch_error = -ENODEV;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_WAITING);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);
	assert_string_equal(fake_guest_info(g)->reason, "told by the operator to wait no more");
	launch_error = 0;
	guests_try_waiting();
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);
	assert_int_equal(launches, 0);
}

/* Each kind of end has its own policy. */
static void policies(void **state)
{
	static const struct {
		struct guest_config config;
		enum vm_stop_kind kind;
	} each[] = {
		{{.on_crash = CONFIG_POLICY_RESTART}, VM_STOP_CRASH},
		{{.on_reboot = CONFIG_POLICY_RESTART}, VM_STOP_RESET},
		{{.on_poweroff = CONFIG_POLICY_RESTART}, VM_STOP_POWEROFF},
		{{.autostart = true}, VM_STOP_REQUEST},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(each); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(each); k++) {
			struct guest_config config = each[i].config;
			char name[8];
			struct guest *g;

			config.autostart = true;
			snprintf(name, sizeof(name), "p%u%u", i, k);
			g = add(name, &config);
			ends(each[k].kind);
			assert_int_equal(fake_guest_info(g)->starts, i == k && i < 3 ? 2 : 1);
		}
}

/* All kinds of crashes follow the one policy, and each is counted for itself. */
static void crashes_are_told_apart(void **state)
{
	static const struct guest_config config = {
		.autostart = true, .on_crash = CONFIG_POLICY_RESTART, .restart_limit = {4, 60}};
	struct guest *g = add("crashes", &config);

	(void)state;
	assert_false(watchdog_fired);
	ends(VM_STOP_WATCHDOG);
	assert_true(watchdog_fired); /* the next one learns of it */
	ends(VM_STOP_PANIC);
	assert_false(watchdog_fired);
	ends(VM_STOP_WATCHDOG);
	ends(VM_STOP_CRASH);
	assert_int_equal(fake_guest_info(g)->starts, 5);
	ends(VM_STOP_PANIC);
	assert_int_equal(fake_guest_state(g), GUEST_FAILED);
	assert_string_equal(fake_guest_info(g)->reason, "crashed: because");
	assert_int_equal(fake_guest_info(g)->starts, 5);
	assert_int_equal(fake_guest_info(g)->crashes, 5);
	assert_int_equal(fake_guest_info(g)->panics, 2);
	assert_int_equal(fake_guest_info(g)->watchdog_ends, 2);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	ends(VM_STOP_POWEROFF);
	assert_int_equal(fake_guest_info(g)->crashes, 5);
}

/* ---- how often --------------------------------------------------------------------------- */

static uint64_t starts_ns[STARTS_MAX];
static unsigned ends_left; /* so many VMs crash as they start */

static void crash_at_once(struct vm *v)
{
	assert_true(fake_guest_starts <= STARTS_MAX);
	starts_ns[fake_guest_starts - 1] = fake_guest_now_ns;
	if (!ends_left)
		return;
	ends_left--;
	fake_guest_end(v, VM_STOP_CRASH);
}

static struct guest *add_crashing(unsigned limit, unsigned crashes)
{
	const struct guest_config config = {.on_crash = CONFIG_POLICY_RESTART,
					    .restart_limit = {limit, 60}};

	ends_left = crashes;
	fake_guest_on_start = crash_at_once;
	return add("crashing", &config);
}

/* With no limit, and as many ends as you like, it is ten starts a second. */
static void restarts_are_never_in_a_row(void **state)
{
	struct guest *g = add_crashing(0, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 51);
	for (unsigned i = 1; i < fake_guest_starts; i++)
		assert_int_equal(starts_ns[i] - starts_ns[i - 1], 100 * NSEC_PER_MSEC);
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	fake_guest_now_ns += NSEC_PER_SEC; /* one that ran for long does not wait */
	assert_int_equal(guest_reset(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 52);
	assert_int_equal(starts_ns[51] - starts_ns[50], NSEC_PER_SEC);
}

static void the_limit_ends_it(void **state)
{
	struct guest *g = add_crashing(5, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 6);
	assert_int_equal(fake_guest_state(g), GUEST_FAILED);
	assert_string_equal(fake_guest_log, "stays stopped: it restarted 5 times within 60 s; "
					    "mend it, then start it by hand");
	ends_left = 0;
	assert_int_equal(guest_start(g, &actor_console), 0); /* by hand, at once */
	fake_guest_run();
	assert_int_equal(starts_ns[6], starts_ns[5]);
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
}

/* Whoever stops a guest that is between two lives has stopped it. */
static void one_that_waits_can_be_stopped(void **state)
{
	struct guest *g = add_crashing(0, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_starts, 1);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 1);
	assert_int_equal(fake_guest_state(g), GUEST_FAILED);
	assert_int_equal(guest_stop(g, &actor_console), -EINVAL);
	ends_left = 0;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 2);
}

/* ---- removal, events --------------------------------------------------------------------- */

/* A handle outlives its guest, and asks nothing of it any more; the name is free at once. */
static void removal(void **state)
{
	static const struct guest_config config = {.autostart = true};
	struct guest *old = fake_guest_add("web", &config), *new;

	(void)state;
	assert_int_equal(guest_remove(old, &actor_console), 0);
	assert_null(guest_get("web"));
	new = fake_guest_add("web", &config);
	assert_ptr_not_equal(old, new);
	assert_true(guest_generation(new) > guest_generation(old));
	fake_guest_run();
	assert_int_equal(launches, 1); /* the new one's */
	assert_int_equal(guest_remove(old, &actor_console), -ENOENT);
	assert_int_equal(guest_start(old, &actor_console), -ENOENT);
	assert_int_equal(guest_stop(old, &actor_console), -ENOENT);
	assert_int_equal(guest_shutdown(old, &actor_console), -ENOENT);
	assert_int_equal(guest_reset(old, &actor_console), -ENOENT);
	assert_int_equal(guest_set_memory(old, MIB), -ESRCH);
	assert_string_equal(guest_name(old), "web");
	assert_int_equal(fake_guest_state(old), GUEST_STOPPED);
	assert_int_equal(fake_guest_state(new), GUEST_RUNNING);
	assert_int_equal(fake_threads_alive(), 3);
	guest_put(old);
	fake_guest_run();
	assert_int_equal(fake_threads_alive(), 2); /* its worker is gone with it */
	guest_put(new);
}

/* One that is due to start again does not, once it is removed. */
static void removal_calls_off_what_is_due(void **state)
{
	struct guest *g = add_crashing(0, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(guest_remove(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 1);
	assert_int_equal(fake_threads_alive(), 1);
}

/* What is kept for a start is forgotten when that is called off, or the guest removed; but not
 * when a document stops it to start it anew. */
static void what_is_kept_for_a_start_is_let_go(void **state)
{
	static const struct guest_config late = {.autostart = true,
						 .start = {.delay_seconds = 60}};
	struct guest *g = fake_guest_add("kept", &late);

	(void)state;
	forgotten = 0;
	assert_int_equal(guest_stop_for_change(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(forgotten, 0);
	assert_int_equal(guest_start_in_turn(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(guest_stop(g, &actor_console), 0);
	assert_int_equal(forgotten, 0); /* not under the lock: by the worker */
	fake_guest_run();
	assert_int_equal(forgotten, 1);
	assert_int_equal(guest_stop(g, &actor_console), -EINVAL);
	fake_guest_run();
	assert_int_equal(forgotten, 1);

	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(launches, 1);
	assert_int_equal(forgotten, 2); /* the start has had it */
	fake_guest_obeys = false;
	assert_int_equal(guest_stop(g, &actor_console), 0);
	assert_int_equal(guest_start_in_turn(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(forgotten, 2);
	assert_int_equal(guest_stop(g, &actor_console), 0); /* what it was to do then */
	fake_guest_run();
	assert_int_equal(forgotten, 3);
	fake_guest_park(vm);
	fake_guest_run();
	assert_int_equal(launches, 0); /* no order was lost */

	assert_int_equal(guest_start_in_turn(g, &actor_console), 0);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	assert_int_equal(guest_start(g, &actor_console), 0); /* before the worker could */
	fake_guest_run();
	assert_int_equal(forgotten, 4);
	fake_guest_obeys = true;
	assert_int_equal(guest_remove(g, &actor_console), 0);
	assert_int_equal(forgotten, 5);
	guest_put(g);
}

static void events(void **state)
{
	static const struct {
		enum event_kind kind;
		const char *text;
	} expected[] = {
		{EVENT_GUEST_ADDED, "is added by the document"},
		{EVENT_GUEST_STARTING, "is started by the document"},
		{EVENT_GUEST_STARTED, "runs: start number 1"},
		{EVENT_GUEST_STOPPING, "crashed: because"},
		{EVENT_GUEST_FAILED, "crashed: because"},
		{EVENT_GUEST_STARTING, "is started by its policy 'on_crash'"},
		{EVENT_GUEST_STARTED, "runs: start number 2"},
		{EVENT_GUEST_REMOVED, "is removed by the operator"},
		{EVENT_GUEST_STOPPING, "ended: by the operator"},
		{EVENT_GUEST_STOPPED, "ended: by the operator"},
	};
	static const struct guest_config config = {.autostart = true,
						   .on_crash = CONFIG_POLICY_RESTART};
	uint64_t from = event_range().next;
	static struct event seen[ARRAY_SIZE(expected) + 1];

	(void)state;
	add("told", &config);
	ends(VM_STOP_CRASH);
	fake_guest_remove_all();
	assert_int_equal(event_read(from, seen, ARRAY_SIZE(seen)), ARRAY_SIZE(expected));
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_string_equal(event_kind_name(seen[i].kind),
				    event_kind_name(expected[i].kind));
		assert_string_equal(seen[i].text, expected[i].text);
		assert_string_equal(seen[i].subject, "told");
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_memory_to_add),
		TEST(configuring),
		TEST(consoles_go_with_their_guests),
		TEST(requests),
		TEST(a_vcpu_is_shown),
		TEST(the_last_word_counts),
		TEST(a_launch_that_fails),
		TEST(what_is_absent_is_waited_for),
		TEST(memory_is_told_by_ranges),
		TEST(policies),
		TEST(crashes_are_told_apart),
		TEST(restarts_are_never_in_a_row),
		TEST(the_limit_ends_it),
		TEST(one_that_waits_can_be_stopped),
		TEST(removal),
		TEST(removal_calls_off_what_is_due),
		TEST(what_is_kept_for_a_start_is_let_go),
		TEST(events),
	};

	fake_threads_refused = true;
	if (guests_init() != -ENOMEM)
		return 1;
	fake_threads_refused = false;
	return guests_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
