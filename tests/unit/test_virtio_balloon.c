/*
 * The virtio balloon as a whole: its identity, what it does not offer, what a guest says of
 * itself and reports free, and the operator's side. Pages are test_virtio_balloon_pages.c's.
 */
/* links: guests/devices/virtio/balloon.c guests/devices/virtio/balloon_pages.c */
/* links: guests/devices/virtio/virtio.c */
/* links: guests/devices/virtio/registers.c guests/devices/virtio/queue.c */
/* links: guests/devices/virtio/split.c guests/devices/virtio/packed.c guests/pci/pci.c */
/* links: guests/pci/access.c guests/pci/bars.c guests/pci/function.c guests/pci/msix.c */
/* links: guests/pci/pins.c kernel/vmm/bus.c tests/unit/fake_vmm.c tests/unit/fake_gmem.c */
/* links: tests/unit/fake_threads.c */
#include "tests/unit/virtio_balloon_pool.h"

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(cfg_read(&pci, 0, 4), 0x10451af4);
	assert_int_equal(common_read(&pci, NUM_QUEUES, 2), QUEUES);
	assert_int_equal(mem_read(&pci, pci.device, 4), 0);
	assert_true(info().driven);
	assert_int_equal(info().target_bytes, MACHINE_BYTES);
}

static void test_no_queue_reset(void **state)
{
	(void)state;
	common_write(&pci, DEVICE_SELECT, 4, 1);
	assert_false(common_read(&pci, DEVICE_FEATURE, 4) & BIT(VIRTIO_F_RING_RESET - 32));
	common_write(&pci, QUEUE_SELECT, 2, INFLATE);
	common_write(&pci, QUEUE_RESET, 2, 1);
	fake_threads_run();
	assert_int_equal(common_read(&pci, QUEUE_RESET, 2), 0);
	assert_int_equal(common_read(&pci, QUEUE_ENABLE, 2), 1);
	inflate(4 * CHUNK_PAGES, CHUNK_PAGES);
	assert_int_equal(given, 1);
}

/* ---- statistics ---- */

struct stat {
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));

static void give_stats(uint64_t free, uint64_t available)
{
	const struct driver_buffer buffer = {BUFFER, 4 * sizeof(struct stat), false};
	struct stat *stats = fake_gmem_put(&fake, BUFFER, struct stat);

	stats[0] = (struct stat){4, free};
	stats[1] = (struct stat){6, available};
	stats[2] = (struct stat){7, 1}; /* one that we don't know, */
	stats[3] = (struct stat){0xffff, 1};
	assert_true(driver_add(&drivers[STATISTICS], &buffer, 1, false) >= 0);
	virtio_pci_kick(&pci, STATISTICS);
}

/* The buffer goes back when somebody asks, and the driver fills it anew. */
static void test_statistics(void **state)
{
	(void)state;
	give_stats(10 * MIB, 20 * MIB);
	assert_false(answered(STATISTICS));
	assert_int_equal(info().free_bytes, 10 * MIB);
	assert_true(answered(STATISTICS));
	assert_int_equal(fake_message_count, 1);
	give_stats(30 * MIB, 40 * MIB);
	assert_false(answered(STATISTICS));
	assert_int_equal(info().free_bytes, 30 * MIB);
	assert_int_equal(info().available_bytes, 40 * MIB);
	assert_int_equal(info().total_bytes, 0);
}

/* In use is what is neither in the balloon nor available. */
static void test_used(void **state)
{
	struct virtio_balloon_info i = {0};

	(void)state;
	assert_int_equal(virtio_balloon_used(&i, 256 * MIB), 0); /* it says nothing */
	i.available_bytes = 192 * MIB;
	assert_int_equal(virtio_balloon_used(&i, 256 * MIB), 64 * MIB);
	i.balloon_bytes = 100 * MIB;
	i.available_bytes = 92 * MIB;
	assert_int_equal(virtio_balloon_used(&i, 256 * MIB), 64 * MIB);
	i.available_bytes = UINT64_MAX; /* nonsense takes nothing down */
	assert_int_equal(virtio_balloon_used(&i, 256 * MIB), 0);
	i.balloon_bytes = UINT64_MAX;
	assert_int_equal(virtio_balloon_used(&i, 256 * MIB), 0);
	assert_int_equal(info().stats_count, 0);
	give_stats(1, 2);
	assert_int_equal(info().stats_count, 1);
}

/* A guest that runs out of memory may take back what it was asked to give (5.5.3). */
static void test_deflate_on_oom(void **state)
{
	(void)state;
	common_write(&pci, DEVICE_SELECT, 4, 0);
	assert_true(common_read(&pci, DEVICE_FEATURE, 4) & DEFLATE_OOM);
	assert_true(common_read(&pci, DEVICE_FEATURE, 4) & MUST_TELL_HOST);
	assert_int_equal(virtio_balloon_set(balloon, 40 * MIB), 0);
	pool = 2;
	inflate(4 * CHUNK_PAGES, 2 * CHUNK_PAGES);
	assert_int_equal(given, 2);
	tell(DEFLATE, 4 * CHUNK_PAGES, 2 * CHUNK_PAGES);
	assert_true(answered(DEFLATE));
	assert_int_equal(taken, 2);
	assert_int_equal(info().balloon_bytes, 0);
	assert_int_equal(info().target_bytes, 40 * MIB); /* it is still asked for */
}

/* Somebody asked before there was anything to give back. */
static void test_statistics_asked_before(void **state)
{
	(void)state;
	info();
	give_stats(10 * MIB, 20 * MIB);
	assert_true(answered(STATISTICS));
}

static void test_statistics_twice(void **state)
{
	(void)state;
	give_stats(1, 2);
	give_stats(3, 4);
	assert_true(broken());
}

/* ---- reports of free pages ---- */

static void report(unsigned queue, const struct driver_buffer *buffers, unsigned count)
{
	assert_true(driver_add(&drivers[queue], buffers, count, false) >= 0);
	virtio_pci_kick(&pci, queue);
	assert_true(answered(queue));
}

static void test_reports(void **state)
{
	const struct driver_buffer whole[] = {{16 * MIB, 4 * MIB, true},
					      {32 * MIB, 2 * MIB, true}};
	const struct driver_buffer small = {40 * MIB, 1 * MIB, true};

	(void)state;
	report(REPORTS, whole, 2);
	assert_int_equal(discarded_bytes, 6 * MIB);
	assert_int_equal(flushes, 1);
	assert_int_equal(answered_at_flush, 0);
	report(REPORTS, &small, 1);
	assert_int_equal(flushes, 1); /* nothing was forgotten */
	assert_int_equal(info().discarded_bytes, 6 * MIB);
	assert_int_equal(info().balloon_bytes, 0);
}

/* Each is answered after a call of all CPUs; so they are answered no faster than these may be.
 */
static void test_reports_are_bounded(void **state)
{
	const struct driver_buffer whole = {16 * MIB, 2 * MIB, true};
	unsigned told = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		driver_add(&drivers[REPORTS], &whole, 1, false);
		virtio_pci_kick(&pci, REPORTS);
		while (answered(REPORTS))
			told++;
	}
	assert_in_range(flushes, 50, 101);
	assert_int_equal(told, flushes);
	assert_int_equal(fake_timers_armed(), 1);
	give_stats(10 * MIB, 20 * MIB); /* others are heard meanwhile */
	info();
	assert_true(answered(STATISTICS));
	fake_run_until(fake_now_ns + 100 * NSEC_PER_MSEC);
	fake_threads_run();
	while (answered(REPORTS))
		told++;
	assert_in_range(flushes, 102, 135);
	assert_int_equal(told, flushes);
}

#define SEGMENTS 40

/* What one request can make us look at ends somewhere. */
static void test_report_of_everything(void **state)
{
	struct driver_buffer all[SEGMENTS];

	(void)state;
	for (unsigned i = 0; i < SEGMENTS; i++) /* the same memory again and again */
		all[i] = (struct driver_buffer){0, MACHINE_BYTES, true};
	report(REPORTS, all, SEGMENTS);
	assert_int_equal(discarded_bytes, 2 * GIB);
	assert_int_equal(flushes, 1);
}

/* What is to be read is no report. */
static void test_report_to_be_read(void **state)
{
	const struct driver_buffer buffers[] = {{16 * MIB, 4 * MIB, false},
						{32 * MIB, 2 * MIB, true}};

	(void)state;
	report(REPORTS, buffers, 2);
	assert_int_equal(discarded_bytes, 2 * MIB);
}

/* Without statistics, reports have their number. */
static void test_reports_without_statistics(void **state)
{
	const struct driver_buffer whole = {16 * MIB, 2 * MIB, true};

	(void)state;
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	drive(ALL & ~STATS_VQ);
	report(STATISTICS, &whole, 1);
	assert_int_equal(discarded_bytes, 2 * MIB);
	driver_add(&drivers[REPORTS], &whole, 1, false);
	virtio_pci_kick(&pci, REPORTS);
	assert_true(broken());
}

/* ---- the operator's side ---- */

static void test_set(void **state)
{
	(void)state;
	assert_int_equal(virtio_balloon_set(balloon, MACHINE_BYTES + 1), -EINVAL);
	assert_int_equal(virtio_balloon_set(balloon, 32 * MIB - 1), -EINVAL);
	assert_int_equal(fake_message_count, 0);
	assert_int_equal(virtio_balloon_set(balloon, 47 * MIB), 0);
	assert_int_equal(info().target_bytes, 48 * MIB);
	assert_int_equal(mem_read(&pci, pci.device, 4), 16 * MIB / PAGE_BYTES);
	assert_int_equal(fake_message_count, 0); /* it has no vector for its configuration */

	/* 6 MiB are away, and 4 MiB may stay so. */
	inflate(4 * CHUNK_PAGES, 3 * CHUNK_PAGES);
	assert_int_equal(kept_bytes, 0);
	assert_int_equal(virtio_balloon_set(balloon, 60 * MIB), 0);
	assert_int_equal(kept_bytes, 2 * MIB);
	keep_result = -ENOMEM;
	assert_int_equal(virtio_balloon_set(balloon, MACHINE_BYTES), -ENOMEM);
	assert_int_equal(kept_bytes, 6 * MIB);
	assert_int_equal(info().target_bytes, 60 * MIB);
	assert_int_equal(mem_read(&pci, pci.device, 4), 4 * MIB / PAGE_BYTES);
}

static void test_set_tells(void **state)
{
	(void)state;
	common_write(&pci, CONFIG_VECTOR, 2, 0);
	assert_int_equal(virtio_balloon_set(balloon, 48 * MIB), 0);
	assert_int_equal(fake_message_count, 1);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_int_equal(virtio_balloon_set(balloon, 40 * MIB), -EOPNOTSUPP);
	assert_int_equal(info().target_bytes, 48 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_no_queue_reset),
		TEST(test_statistics),
		TEST(test_statistics_asked_before),
		TEST(test_statistics_twice),
		TEST(test_used),
		TEST(test_deflate_on_oom),
		TEST(test_reports),
		TEST(test_reports_are_bounded),
		TEST(test_report_of_everything),
		TEST(test_report_to_be_read),
		TEST(test_reports_without_statistics),
		TEST(test_set),
		TEST(test_set_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
