/*
 * The block device with many requests at once: interrupts and kicks, more than it has room for,
 * stops and resets amid I/O, and limits.
 */
/* links: guests/devices/virtio/blk.c guests/devices/virtio/blk_request.c */
/* links: guests/devices/virtio/blk_part.c guests/devices/virtio/queue.c */
/* links: guests/devices/virtio/split.c guests/devices/virtio/packed.c */
/* links: tests/unit/fake_gmem.c tests/unit/fake_blkdev.c tests/unit/fake_vmm.c */
/* links: tests/unit/fake_virtio.c kernel/vmm/bus.c */
#include "tests/unit/virtio_blk_disk.h"

/* ---- many at once ----------------------------------------------------------------------- */

static void batches_have_one_interrupt(void **state)
{
	struct request r[32];
	uint32_t written;

	(void)state;
	disk.holds = true;
	create((struct config_disk){0});
	for (unsigned i = 0; i < 32; i++) {
		r[i] = header(VIRTIO_BLK_T_IN, i * 8);
		add(&r[i], DATA + i * 4096, 4096, true);
		add_status(&r[i]);
		send(&r[i], 0);
	}
	run(1);
	assert_int_equal(disk.submits, 32);
	assert_int_equal(disk.commits, 1);
	assert_int_equal(fake_interrupts, 0);
	assert_int_equal(fake_disk_answer(&disk), 32);
	assert_int_equal(fake_wakes, 1); /* for all of them */
	run(0);
	assert_int_equal(fake_interrupts, 1);
	for (unsigned i = 0; i < 32; i++) {
		assert_true(driver_take(&drivers[0], &written) >= 0);
		assert_int_equal(status_of(&r[i]), VIRTIO_BLK_S_OK);
		assert_memory_equal(fake_gmem_at(&fake, DATA + i * 4096, uint8_t),
				    disk.data + i * 4096, 4096);
	}
	assert_int_equal(fake.pinned, 3);
}

/* A driver need not kick while the end of a request will make the device look anyway. */
static void a_busy_device_wants_no_kicks(void **state)
{
	struct request r;

	(void)state;
	disk.holds = true;
	create((struct config_disk){0});
	for (unsigned i = 0; i < BLK_BUSY_PARTS; i++) {
		r = data(VIRTIO_BLK_T_IN, i, 512);
		add_status(&r);
		send(&r, 0);
		assert_true(driver_kicks(&drivers[0]));
		run(1);
	}
	r = data(VIRTIO_BLK_T_IN, 99, 512);
	add_status(&r);
	send(&r, 0);
	assert_false(driver_kicks(&drivers[0]));
	assert_int_equal(disk.submits, BLK_BUSY_PARTS);
	fake_disk_answer(&disk);
	run(0);
	assert_int_equal(disk.submits, BLK_BUSY_PARTS + 1);
	fake_disk_answer(&disk);
	run(0);
	assert_int_equal(status_of(&r), VIRTIO_BLK_S_OK);
	r = data(VIRTIO_BLK_T_IN, 98, 512);
	add_status(&r);
	send(&r, 0);
	assert_true(driver_kicks(&drivers[0]));
}

/* Nor does a guest that asks without end keep the thread from others. */
static void what_needs_no_disk_is_answered_in_turns(void **state)
{
	enum { COUNT = 200 };
	unsigned answered = 0;
	uint32_t written;

	(void)state;
	create((struct config_disk){0});
	for (unsigned i = 0; i < COUNT; i++) {
		struct request r = header(VIRTIO_BLK_T_GET_ID, 0);

		add(&r, DATA, VIRTIO_BLK_ID_BYTES, true);
		add_status(&r);
		driver_add(&drivers[0], r.buffers, r.count, true);
	}
	fake_wakes = 0;
	blk->virtio.type->service(&blk->virtio, 1);
	assert_int_equal(fake_wakes, 1);
	while (driver_take(&drivers[0], &written) >= 0)
		answered++;
	assert_in_range(answered, 1, COUNT - 1);
	run(0);
	while (driver_take(&drivers[0], &written) >= 0)
		answered++;
	assert_int_equal(answered, COUNT);
}

static void more_than_there_are_parts_waits(void **state)
{
	enum { EACH = 100, COUNT = QUEUES * EACH };
	struct request r[COUNT];
	uint32_t written;
	unsigned rounds = 0, taken = 0;

	(void)state;
	disk.holds = true;
	create((struct config_disk){.queues = QUEUES});
	for (unsigned i = 0; i < COUNT; i++) {
		/* Each needs two parts. */
		r[i] = header(VIRTIO_BLK_T_IN, i % 50 * 128);
		for (unsigned j = 0; j < 40; j++)
			add(&r[i], DATA + (i % 100 * 40 + j) * 512, 512, true);
		add_status(&r[i]);
		assert_true(driver_add(&drivers[i % QUEUES], r[i].buffers, r[i].count, true) >=
			    0);
	}
	run(3);
	assert_int_equal(disk.submits, BLK_PARTS);
	while (fake_disk_answer(&disk)) {
		rounds++;
		run(0);
	}
	assert_int_equal(disk.submits, 2 * COUNT);
	assert_int_equal(rounds, (2 * COUNT + BLK_PARTS - 1) / BLK_PARTS);
	for (unsigned i = 0; i < QUEUES; i++)
		while (driver_take(&drivers[i], &written) >= 0)
			taken++;
	assert_int_equal(taken, COUNT);
	assert_int_equal(fake.pinned, 3 * QUEUES);
}

static void a_stop_waits_for_the_disk(void **state)
{
	struct request r[2];
	uint32_t written;

	(void)state;
	disk.holds = true;
	create((struct config_disk){.limits = {.iops = 10, .iops_burst = 1}});
	for (unsigned i = 0; i < 2; i++) {
		r[i] = data(VIRTIO_BLK_T_IN, 8, 512);
		add_status(&r[i]);
		send(&r[i], 0);
	}
	run(1); /* one is with the disk, one waits for the limit */
	assert_int_equal(fake_timers_armed(), 1);
	blk->virtio.type->stop(&blk->virtio);
	assert_int_equal(fake_blocks, 1);
	assert_int_equal(fake.pinned, 3);
	assert_int_equal(driver_take(&drivers[0], &written), -1);
	assert_int_equal(status_of(&r[0]), NO_STATUS); /* the guest's memory is left alone */
	assert_int_equal(fake_timers_armed(), 0);

	begin(ALL_BITS);
	disk.holds = false;
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	assert_int_equal(ask_data(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

/* 2.6.1: one queue is reset, the other goes on. */
static void a_queue_stops_alone(void **state)
{
	struct request r[QUEUES];
	uint32_t written;

	(void)state;
	disk.holds = true;
	create((struct config_disk){.queues = QUEUES});
	for (unsigned i = 0; i < QUEUES; i++) {
		r[i] = data(VIRTIO_BLK_T_IN, 8, 512);
		add_status(&r[i]);
		send(&r[i], i);
	}
	run(3);
	blk->virtio.type->queue_stop(&blk->virtio, 0);
	assert_int_equal(fake_blocks, 1);
	run(0);
	assert_int_equal(driver_take(&drivers[0], &written), -1);
	assert_int_equal(status_of(&r[0]), NO_STATUS);
	assert_true(driver_take(&drivers[1], &written) >= 0);
	assert_int_equal(status_of(&r[1]), VIRTIO_BLK_S_OK);
	assert_int_equal(fake_interrupts, 1);
}

/* ---- limits ----------------------------------------------------------------------------- */

static unsigned waiting; /* requests sent and not done */

/* Keeps the queue full for a time; how many requests of `bytes` were done. */
static unsigned done_within(uint64_t ns, uint32_t bytes)
{
	uint64_t end = fake_now_ns + ns;
	unsigned done = 0, sent = 0;
	uint32_t written;

	while (fake_now_ns < end) {
		for (; waiting < 32; waiting++) {
			struct request r;

			next_header = HEADERS + sent++ % 512 * 128;
			r = data(VIRTIO_BLK_T_IN, 0, bytes);
			add_status(&r);
			send(&r, 0);
		}
		run(1);
		for (; driver_take(&drivers[0], &written) >= 0; waiting--)
			done++;
		if (waiting == 32)
			fake_run_until(MIN(fake_now_ns + NSEC_PER_MSEC, end));
	}
	return done;
}

/* A disk with limits to which nothing was sent yet. */
static void create_limited(struct config_disk_limits limits)
{
	waiting = 0;
	create((struct config_disk){.limits = limits});
}

static void requests_per_second_are_limited(void **state)
{
	struct virtio_blk_info info;

	(void)state;
	create_limited((struct config_disk_limits){.iops = 500, .iops_burst = 1000});
	assert_in_range(done_within(2 * NSEC_PER_SEC, 512), 1998, 2002); /* burst and 2 s */
	assert_in_range(done_within(2 * NSEC_PER_SEC, 512), 998, 1002);
	fake_run_until(fake_now_ns + NSEC_PER_SEC); /* half of the burst comes back */
	assert_in_range(done_within(NSEC_PER_SEC, 512), 964, 1034);
	virtio_blk_get_info(blk, &info);
	assert_true(info.throttled > 0);
	assert_int_equal(info.bytes_read, info.reads * 512);
}

static void bytes_per_second_are_limited(void **state)
{
	(void)state;
	create_limited((struct config_disk_limits){.bytes_per_second = 10 * MIB});
	/* A tenth of a second's worth at once, then 10 MiB a second: 64 KiB is 160 in one. */
	assert_in_range(done_within(NSEC_PER_SEC, 64 * KIB), 175, 177);
	assert_in_range(done_within(NSEC_PER_SEC, 64 * KIB), 159, 161);
}

/* More than a full bucket holds: one at a time, and no faster than the rest. */
static void large_requests_are_limited(void **state)
{
	(void)state;
	create_limited((struct config_disk_limits){.bytes_per_second = 10 * MIB});
	assert_in_range(done_within(4 * NSEC_PER_SEC, 4 * MIB), 10, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(batches_have_one_interrupt),
		TEST(a_busy_device_wants_no_kicks),
		TEST(what_needs_no_disk_is_answered_in_turns),
		TEST(more_than_there_are_parts_waits),
		TEST(a_stop_waits_for_the_disk),
		TEST(a_queue_stops_alone),
		TEST(requests_per_second_are_limited),
		TEST(bytes_per_second_are_limited),
		TEST(large_requests_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
