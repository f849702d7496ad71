/*
 * A disk that does not answer hurts its own guest alone: while it hangs in a start or an end,
 * all others start, stop, restart and go; its own guest can be stopped, and removed; and when
 * it answers at last all is given back. With launching, devices and claims as they are; VMs are
 * fakes, and a disk answers when the test says.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/act.c guests/guest/request.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/views/guest.c guests/views/view.c */
/* links: guests/guest/registry.c guests/guest/snapshot.c guests/guest/worker.c */
/* links: guests/boot/boot.c guests/guest/usage.c guests/guest/trouble.c */
/* links: guests/events/actor.c guests/events/event.c guests/launch/launch.c */
/* links: guests/launch/devices.c */
/* links: kernel/io/storage.c kernel/io/storage_claims.c kernel/io/extents.c */
/* links: kernel/lib/size.c kernel/lib/sort.c guests/launch/sources.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_guest_parts.c tests/unit/fake_threads.c */
/* links: tests/unit/fake_blkdev.c guests/views/guest.c guests/views/view.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/devices/virtio/blk.h"
#include "kernel/io/storage.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_blkdev.h"
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_guest_parts.h"
#include "tests/unit/fake_threads.h"

#define PATIENCE (10 * NSEC_PER_SEC)

static struct fake_disk stuck, good;
static unsigned opened; /* of `good` */
static bool under_way;	/* VMs have requests to their disks when they end */

/* ---- disks that take their time ---------------------------------------------------------- */

struct reading {
	struct blk_request request;
	struct thread *thread;
	bool done;
};

static void read_done(struct blk_request *request, int error)
{
	struct reading *reading = container_of(request, struct reading, request);

	assert_int_equal(error, 0);
	reading->done = true;
	thread_wake(reading->thread);
}

/* As blk_read(): asleep until the disk has answered, whoever wakes the thread meanwhile. */
static void read_block(struct fake_disk *disk)
{
	static uint8_t block[512];
	const struct io_segment segment = {.virt = block, .bytes = sizeof(block)};
	struct reading reading = {
		.request = {.op = BLK_READ,
			    .bytes = sizeof(block),
			    .segments = &segment,
			    .segment_count = 1,
			    .done = read_done},
		.thread = fake_threads_current(),
	};

	blk_submit(&disk->dev, &reading.request);
	while (!reading.done)
		thread_block();
}

static struct fake_disk *disk_of(const char *name)
{
	return strcmp(name, "stuck") ? &good : &stuck;
}

static int open_disk(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	(void)why;
	opened += disk_of(text) == &good;
	read_block(disk_of(text));
	*dev = &disk_of(text)->dev;
	return 0;
}

static int parse_disk(const char *text, char why[STORAGE_WHY_BYTES])
{
	(void)text, (void)why;
	return 0;
}

static const struct storage_scheme scheme = {
	.scheme = "disk", .open = open_disk, .parse = parse_disk};

/* ---- devices: a disk has a request under way when its VM ends ------------------------------
 */

struct virtio_blk *virtio_blk_create(const struct board *board, struct pci_root *root,
				     const struct config_disk *config, struct blkdev *dev)
{
	(void)board, (void)root, (void)config;
	return (struct virtio_blk *)dev;
}

void virtio_blk_destroy(struct virtio_blk *blk)
{
	if (blk && under_way)
		read_block(container_of((struct blkdev *)blk, struct fake_disk, dev));
}

/* ---- the tests -----------------------------------------------------------------------------
 */

/* With the disk that is stuck first, and behind it the good one to be read; or with neither. */
static const struct guest_config with_stuck = {
	.autostart = true,
	.memory_bytes = GIB,
	.disk_count = 2,
	.disks = {{.source = "disk:stuck"}, {.source = "disk:good", .read_only = true}},
};
static const struct guest_config without = {.autostart = true, .memory_bytes = 256 * MIB};

static int fresh(void **state)
{
	(void)state;
	stuck.holds = true;
	opened = 0;
	under_way = false;
	fake_guest_starts = 0;
	fake_guest_on_start = NULL;
	fake_guest_now_ns += 3600 * NSEC_PER_SEC;
	return 0;
}

static void answer(void)
{
	fake_disk_answer(&stuck);
	fake_guest_run();
}

/* Nothing is left of anybody: memory, claims, threads, allocations. */
static int clean(void **state)
{
	char why[STORAGE_WHY_BYTES], owner[STORAGE_OWNER_BYTES];

	(void)state, (void)why;
	stuck.holds = false;
	fake_guest_remove_all();
	answer();
	fake_guest_run_on();
	assert_int_equal(fake_parts_memory_free, FAKE_PARTS_MEMORY);
	assert_false(storage_owner(&stuck.dev, 0, stuck.dev.bytes, owner));
	assert_false(storage_owner(&good.dev, 0, good.dev.bytes, owner));
	assert_int_equal(fake_guest_held, 0);
	assert_int_equal(fake_threads_alive(), 1);
	return 0;
}

static struct guest *add(const char *name, const struct guest_config *config)
{
	struct guest *g = fake_guest_add(name, config);

	guest_put(g); /* the list's reference is enough */
	return g;
}

/* A life of another guest from its beginning to its end, in no time. */
static void others_live(void)
{
	uint64_t now_ns = fake_guest_now_ns;
	struct guest *g = fake_guest_add("other", &without);

	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	assert_int_equal(fake_guest_info(g)->starts, 2);
	assert_int_equal(guest_reset(g, &actor_console), 0);
	fake_guest_run_until(fake_guest_now_ns + 100 * NSEC_PER_MSEC); /* as policy.h has it */
	assert_int_equal(fake_guest_info(g)->starts, 3);
	assert_int_equal(guest_remove(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);
	assert_null(fake_parts_vm("other"));
	guest_put(g);
	assert_true(fake_guest_now_ns - now_ns <= 100 * NSEC_PER_MSEC);
}

static void a_start_that_hangs(void **state)
{
	struct guest *web = add("web", &with_stuck);

	(void)state;
	assert_int_equal(fake_guest_state(web), GUEST_STARTING);
	others_live();
	assert_int_equal(fake_guest_state(web), GUEST_STARTING);
	assert_int_equal(guest_start(web, &actor_console), -EALREADY);
	answer();
	assert_int_equal(fake_guest_state(web), GUEST_RUNNING);
	assert_int_equal(opened, 1);
}

static void a_start_that_hangs_is_stopped(void **state)
{
	struct guest *web = add("web", &with_stuck);

	(void)state;
	assert_int_equal(guest_stop(web, &actor_console), 0);
	fake_guest_run_until(fake_guest_now_ns + 3600 * NSEC_PER_SEC);
	assert_int_equal(fake_guest_state(web), GUEST_STOPPING);
	assert_string_equal(fake_guest_info(web)->reason,
			    "stopped by the operator before it ran");
	assert_int_equal(guest_stop(web, &actor_console), -EINVAL); /* it is so already */
	others_live();
	assert_int_equal(fake_parts_memory_free, FAKE_PARTS_MEMORY); /* it has none yet */
	answer();
	assert_int_equal(fake_guest_state(web), GUEST_STOPPED);
	assert_int_equal(fake_parts_memory_free, FAKE_PARTS_MEMORY);
	assert_int_equal(opened, 0);		/* the other disk was not asked any more */
	assert_int_equal(fake_guest_starts, 3); /* of the other guest */
}

/* Stopped and started again, while the first start still hangs. */
static void a_start_that_hangs_is_started_again(void **state)
{
	struct guest *web = add("web", &with_stuck);

	(void)state;
	assert_int_equal(guest_stop(web, &actor_console), 0);
	assert_int_equal(guest_start(web, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(web), GUEST_STOPPING);
	answer(); /* the first start is over, and the second hangs */
	assert_int_equal(fake_guest_state(web), GUEST_STARTING);
	answer();
	assert_int_equal(fake_guest_state(web), GUEST_RUNNING);
	assert_int_equal(fake_guest_info(web)->starts, 1);
}

static void a_start_that_hangs_is_removed(void **state)
{
	struct guest *old = fake_guest_add("web", &with_stuck), *new;

	(void)state;
	assert_int_equal(guest_remove(old, &actor_console), 0);
	fake_guest_run();
	assert_null(guest_get("web"));
	new = add("web", &without); /* the name is free, and so is all but what hangs */
	assert_int_equal(fake_guest_state(new), GUEST_RUNNING);
	others_live();
	assert_int_equal(fake_guest_state(old), GUEST_STOPPING);
	guest_put(old);
	assert_int_equal(fake_parts_memory_free, FAKE_PARTS_MEMORY - 256 * MIB);
	answer();
	assert_int_equal(fake_parts_memory_free, FAKE_PARTS_MEMORY - 256 * MIB);
	assert_int_equal(fake_threads_alive(), 2); /* the control thread, and the new worker */
}

/* ---- an end that hangs ---------------------------------------------------------------------
 */

/* A guest that runs, with a request to the disk that is stuck when it ends. */
static struct guest *add_running(const struct guest_config *config)
{
	struct guest *web;

	stuck.holds = false;
	web = add("web", config);
	assert_int_equal(fake_guest_state(web), GUEST_RUNNING);
	stuck.holds = under_way = true;
	return web;
}

static void an_end_that_hangs(void **state)
{
	struct guest *web = add_running(&with_stuck);

	(void)state;
	assert_int_equal(guest_stop(web, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(web), GUEST_STOPPING);
	assert_string_equal(fake_guest_info(web)->reason, "ended: by the operator");
	others_live();
	assert_int_equal(fake_guest_state(web), GUEST_STOPPING);
	answer();
	assert_int_equal(fake_guest_state(web), GUEST_STOPPED);
	assert_int_equal(fake_parts_memory_free, FAKE_PARTS_MEMORY);
}

static void a_crash_restarts_once_the_disk_has_answered(void **state)
{
	struct guest_config config = with_stuck;
	struct guest *web;

	(void)state;
	config.on_crash = CONFIG_POLICY_RESTART;
	web = add_running(&config);
	fake_guest_end(fake_parts_vm("web"), VM_STOP_CRASH);
	fake_guest_run_until(fake_guest_now_ns + 60 * NSEC_PER_SEC);
	assert_int_equal(fake_guest_state(web), GUEST_STOPPING);
	others_live();
	stuck.holds = false;
	answer();
	fake_guest_run_until(fake_guest_now_ns + NSEC_PER_SEC);
	assert_int_equal(fake_guest_state(web), GUEST_RUNNING);
	assert_int_equal(fake_guest_info(web)->starts, 2);
}

/* Removed while its disk hangs: the claim stays, and who wants the disk is told whose it is. */
static void an_end_that_hangs_is_removed(void **state)
{
	static const struct guest_config heir = {
		.autostart = true,
		.memory_bytes = 256 * MIB,
		.disk_count = 1,
		.disks = {{.source = "disk:stuck"}},
	};
	struct guest *web = add_running(&with_stuck), *next;
	char owner[STORAGE_OWNER_BYTES];

	(void)state;
	assert_int_equal(guest_remove(web, &actor_console), 0);
	fake_guest_run();
	assert_null(guest_get("web"));
	others_live();
	assert_true(storage_owner(&stuck.dev, 0, stuck.dev.bytes, owner));
	assert_string_equal(owner, "web");

	stuck.holds = false; /* it answers what is new; what was asked before still hangs */
	next = add("web", &heir);
	assert_int_equal(fake_guest_state(next), GUEST_STARTING); /* it waits for a while */
	others_live();
	fake_guest_run_until(fake_guest_now_ns + PATIENCE);
	assert_int_equal(fake_guest_state(next), GUEST_FAILED);
	assert_non_null(strstr(fake_guest_info(next)->reason,
			       "'disk:stuck' is taken: guest 'web', which was removed, still "
			       "has 1 MiB of stuck, as 'disk:stuck'; it is free once that disk "
			       "has answered; guest 'web', which was removed, is still being "
			       "taken apart"));
	answer();
	assert_false(storage_owner(&stuck.dev, 0, stuck.dev.bytes, owner));
	assert_int_equal(guest_start(next, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(next), GUEST_RUNNING);
}

/* The same, and the disk answers while the next one still waits for it. */
static void who_waits_gets_it(void **state)
{
	struct guest *web = add_running(&with_stuck), *next;

	(void)state;
	assert_int_equal(guest_remove(web, &actor_console), 0);
	fake_guest_run();
	stuck.holds = false;
	next = add("next", &with_stuck);
	fake_guest_run_until(fake_guest_now_ns + PATIENCE - 1);
	assert_int_equal(fake_guest_state(next), GUEST_STARTING);
	answer();
	assert_int_equal(fake_guest_state(next), GUEST_RUNNING);
}

/* ---- memory ---------------------------------------------------------------------------------
 */

static const struct guest_config large = {.autostart = true, .memory_bytes = 3 * GIB / 2};

/* Memory of a guest that is being taken apart is not free: who needs it waits, those who do not
 * don't; and then it is said who has it. */
static void memory_that_is_not_back_yet(void **state)
{
	struct guest *web = add_running(&with_stuck), *g;

	(void)state;
	g = add("large", &large);
	assert_int_equal(fake_guest_state(g),
			 GUEST_WAITING); /* at once: nobody gives any back */
	assert_string_equal(fake_guest_info(g)->reason,
			    "memory is 1536 MiB, and 1 GiB are free for guests");

	assert_int_equal(guest_stop(web, &actor_console), 0);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_until(fake_guest_now_ns + PATIENCE - NSEC_PER_SEC);
	assert_int_equal(fake_guest_state(g), GUEST_STARTING);
	others_live();
	assert_int_equal(guest_stop(g, &actor_console), 0); /* a start that waits is stopped */
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);

	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_until(fake_guest_now_ns + PATIENCE);
	assert_int_equal(fake_guest_state(g), GUEST_WAITING);
	assert_string_equal(fake_guest_info(g)->reason,
			    "memory is 1536 MiB, and 1 GiB are free for guests; guest 'web' "
			    "is still being taken apart, and has what it had");
	answer(); /* it is tried again by itself */
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	assert_int_equal(fake_parts_memory_free, FAKE_PARTS_MEMORY - 3 * GIB / 2);
}

/* Stopped and the other started in one breath, before the vCPUs have stopped. */
static void one_after_the_other(void **state)
{
	struct guest *web = add_running(&with_stuck), *g;
	struct guest_config config = large;

	(void)state;
	stuck.holds = false;
	config.autostart = false;
	g = add("large", &config);
	fake_guest_obeys = false;
	assert_int_equal(guest_stop(web, &actor_console), 0);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_state(g), GUEST_STARTING);
	fake_guest_obeys = true;
	fake_guest_park(fake_parts_vm("web"));
	fake_guest_run();
	assert_int_equal(fake_guest_state(web), GUEST_STOPPED);
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
}

static int start(void **state)
{
	(void)state;
	fake_disk_init(&stuck, "stuck", MIB, 512);
	fake_disk_init(&good, "good", MIB, 512);
	storage_register(&scheme);
	return guests_init();
}

static int end(void **state)
{
	(void)state;
	free(stuck.data);
	free(good.data);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_start_that_hangs),
		TEST(a_start_that_hangs_is_stopped),
		TEST(a_start_that_hangs_is_started_again),
		TEST(a_start_that_hangs_is_removed),
		TEST(an_end_that_hangs),
		TEST(a_crash_restarts_once_the_disk_has_answered),
		TEST(an_end_that_hangs_is_removed),
		TEST(who_waits_gets_it),
		TEST(memory_that_is_not_back_yet),
		TEST(one_after_the_other),
	};

	return cmocka_run_group_tests(tests, start, end);
}
