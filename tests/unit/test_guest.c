/*
 * Guests, the control thread and workers: what a guest is asked, in which state it is shown,
 * what it waits for, and how it is configured and removed. What follows on a VM's end is
 * test_guest_restart's, launching test_launch's; disks that do not answer are
 * test_guest_stuck's.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/act.c guests/guest/request.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/views/guest.c guests/views/view.c guests/guest/registry.c */
/* links: guests/guest/snapshot.c guests/guest/worker.c guests/boot/boot.c */
/* links: guests/guest/usage.c guests/events/actor.c guests/events/event.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_threads.c */
#include "tests/unit/guest_house.h"

static unsigned forgotten; /* how often what is kept for a start was */

void storage_forget(const char *owner)
{
	forgotten += !strcmp(owner, "kept");
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
		TEST(removal),
		TEST(what_is_kept_for_a_start_is_let_go),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
