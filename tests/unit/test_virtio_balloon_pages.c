/* Which pages are in a virtio balloon, when 2 MiB of them go and come back, and a guest that
 * waits for its memory. */
/* links: guests/devices/virtio/balloon.c guests/devices/virtio/balloon_pages.c */
/* links: guests/devices/virtio/virtio.c */
/* links: guests/devices/virtio/registers.c guests/devices/virtio/queue.c */
/* links: guests/devices/virtio/split.c guests/devices/virtio/packed.c guests/pci/pci.c */
/* links: guests/pci/access.c guests/pci/bars.c guests/pci/function.c guests/pci/msix.c */
/* links: guests/pci/pins.c kernel/vmm/bus.c tests/unit/fake_vmm.c tests/unit/fake_gmem.c */
/* links: tests/unit/fake_threads.c */
#define MACHINE_BYTES (256 * MIB) /* more chunks than one batch takes */
#include "tests/unit/virtio_balloon_pool.h"

/* ---- inflating and deflating ---- */

/* A chunk goes with the last of its pages, and only then; a page is in it once. */
static void test_inflate(void **state)
{
	(void)state;
	inflate(4 * CHUNK_PAGES, CHUNK_PAGES - 1);
	inflate(4 * CHUNK_PAGES, CHUNK_PAGES - 1);
	inflate(5 * CHUNK_PAGES, 1);
	assert_int_equal(given, 0);
	assert_int_equal(info().balloon_bytes, PAGE_2M);
	inflate(5 * CHUNK_PAGES - 1, 1);
	assert_int_equal(given, 1);
	assert_true(away[4]);
	inflate(4 * CHUNK_PAGES, CHUNK_PAGES);
	assert_int_equal(given, 1);
	assert_int_equal(info().balloon_bytes, PAGE_2M + PAGE_BYTES);
	assert_int_equal(info().away_bytes, PAGE_2M);
	assert_false(broken());
}

/* The chunk comes back for its first page; the others are in the balloon as before. */
static void test_deflate(void **state)
{
	(void)state;
	pool = 8;
	inflate(4 * CHUNK_PAGES, CHUNK_PAGES);
	tell(DEFLATE, 4 * CHUNK_PAGES + 7, 1);
	assert_true(answered(DEFLATE));
	assert_false(away[4]);
	assert_int_equal(info().balloon_bytes, PAGE_2M - PAGE_BYTES);
	tell(DEFLATE, 4 * CHUNK_PAGES + 7, 1); /* it is not there any more */
	assert_true(answered(DEFLATE));
	assert_int_equal(info().balloon_bytes, PAGE_2M - PAGE_BYTES);
	inflate(4 * CHUNK_PAGES + 7, 1);
	assert_int_equal(given, 2);
	tell(DEFLATE, 4 * CHUNK_PAGES, CHUNK_PAGES);
	assert_true(answered(DEFLATE));
	assert_int_equal(taken, 2);
	assert_int_equal(info().balloon_bytes, 0);
	assert_int_equal(info().away_bytes, 0);
}

static void test_no_ram(void **state)
{
	const unsigned queues[] = {INFLATE, DEFLATE};
	const uint32_t pages[] = {MACHINE_BYTES / PAGE_BYTES, UINT32_MAX};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		tell(queues[i / 2], pages[i % 2], 1);
		assert_true(broken());
		common_write(&pci, STATUS, 1, 0);
		fake_threads_run();
		drive(ALL);
		assert_false(broken());
	}
}

static void test_half_a_number(void **state)
{
	const struct driver_buffer buffer = {BUFFER, 6, false};

	(void)state;
	driver_add(&drivers[INFLATE], &buffer, 1, false);
	virtio_pci_kick(&pci, INFLATE);
	assert_true(broken());
	assert_int_equal(given, 0);
}

/* A large request is done in turns: in between a reset is heard. */
static void test_large(void **state)
{
	(void)state;
	inflate(16 * CHUNK_PAGES, 12 * CHUNK_PAGES);
	assert_int_equal(given, 12);
	assert_int_equal(batches, 2); /* one for each turn */
	assert_int_equal(info().balloon_bytes, 12 * PAGE_2M);
	assert_int_equal(fake_message_count, 1);
	given = batches = 0;
	pool = 12;
	tell(DEFLATE, 16 * CHUNK_PAGES, 12 * CHUNK_PAGES);
	assert_true(answered(DEFLATE));
	assert_int_equal(taken, 12);
	reset_at_first = true;
	tell(INFLATE, 16 * CHUNK_PAGES, 12 * CHUNK_PAGES);
	assert_int_equal(common_read(&pci, STATUS, 1), 0);
	assert_in_range(given, 1, 11);
	assert_int_equal(info().balloon_bytes, 0);
}

/* ---- what others feel of it ---- */

#define FULL 6 /* chunks that are in the balloon */

/* One page of each of these, as one request. */
static void one_page_of_each(unsigned queue)
{
	uint64_t gpa = BUFFER + queue * 0x10000ull;
	const struct driver_buffer buffer = {gpa, 4 * FULL, false};

	for (unsigned i = 0; i < FULL; i++)
		fake_gmem_put(&fake, gpa, uint32_t)[i] = (4 + i) * CHUNK_PAGES + 3;
	assert_true(driver_add(&drivers[queue], &buffer, 1, false) >= 0);
	virtio_pci_kick(&pci, queue);
	assert_true(answered(queue));
}

/* Each batch interrupts all CPUs, and so may each chunk of it, when it comes back. While the
 * clock stands still that ends, though the guest is answered; then it goes on at the rate of
 * the clock, and no faster. */
static void test_calls_are_bounded(void **state)
{
	unsigned before;

	(void)state;
	pool = UINT32_MAX;
	inflate(4 * CHUNK_PAGES, FULL * CHUNK_PAGES);
	for (unsigned i = 0; i < 1000; i++) {
		one_page_of_each(DEFLATE);
		one_page_of_each(INFLATE);
	}
	assert_in_range(given + batches, 50, 110);
	assert_int_equal(fake_timers_armed(), 1);
	before = given + batches;
	for (unsigned i = 0; i < 1000; i++) {
		one_page_of_each(DEFLATE);
		one_page_of_each(INFLATE);
		fake_run_until(fake_now_ns + NSEC_PER_MSEC);
		fake_threads_run();
	}
	assert_in_range(given + batches - before, 250, 310);
	one_page_of_each(DEFLATE);
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	fake_threads_run();
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(info().away_bytes, 0); /* and nothing goes that is wanted again */
}

/* Chunks that are to go, once CPUs may be interrupted again. */
static void make_due(void)
{
	pool = UINT32_MAX;
	inflate(4 * CHUNK_PAGES, FULL * CHUNK_PAGES);
	for (unsigned i = 0; i < 100; i++) {
		one_page_of_each(DEFLATE);
		one_page_of_each(INFLATE);
	}
	assert_int_equal(info().away_bytes, 0);
	assert_int_equal(fake_timers_armed(), 1);
}

/* What waits for its turn goes without being asked again. */
static void test_due_later(void **state)
{
	(void)state;
	make_due();
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	fake_threads_run();
	assert_int_equal(info().away_bytes, FULL * PAGE_2M);
	assert_int_equal(fake_timers_armed(), 0);
}

/* More than one batch takes: the others follow by themselves. */
static void test_more_due_than_go_at_once(void **state)
{
	unsigned all = FULL + GMEM_GIVE_MAX + 8, before;

	(void)state;
	make_due();
	before = batches;
	for (unsigned chunk = FULL; chunk < all; chunk += 8)
		inflate((4 + chunk) * CHUNK_PAGES, 8 * CHUNK_PAGES);
	assert_int_equal(info().away_bytes, 0);
	for (unsigned i = 0; i < 2; i++) {
		fake_run_until(fake_now_ns + NSEC_PER_SEC);
		fake_threads_run();
	}
	assert_int_equal(info().away_bytes, all * PAGE_2M);
	assert_int_equal(batches, before + 2);
	assert_int_equal(fake_timers_armed(), 0);
}

/* ... and stays where a page of it is wanted again first: the guest has it back. */
static void test_due_no_more(void **state)
{
	unsigned before;

	(void)state;
	make_due();
	before = given;
	one_page_of_each(DEFLATE);
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	fake_threads_run();
	assert_int_equal(given, before);
	assert_int_equal(info().away_bytes, 0);
}

/* A driver that begins anew has nothing that is to go; what it then gives does. */
static void test_reset_with_some_due(void **state)
{
	unsigned before;

	(void)state;
	make_due();
	before = given;
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_int_equal(fake_timers_armed(), 0);
	drive(ALL);
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	tell(INFLATE, 20 * CHUNK_PAGES, 1);
	assert_true(answered(INFLATE));
	fake_threads_run();
	assert_int_equal(given, before);
	inflate(4 * CHUNK_PAGES, FULL * CHUNK_PAGES);
	assert_int_equal(given, before + FULL);
	assert_false(broken());
}

/* ---- waiting for memory ---- */

/* Two chunks are wanted back and there is one frame: the second waits, everything else with it,
 * and what was done is not done again. */
static void test_wait(void **state)
{
	(void)state;
	inflate(4 * CHUNK_PAGES, 2 * CHUNK_PAGES);
	assert_int_equal(given, 2);
	pool = 1;
	fake_log_lines = 0;
	fake_message_count = 0;
	tell(DEFLATE, 5 * CHUNK_PAGES - 1, 2);
	assert_false(answered(DEFLATE));
	assert_int_equal(taken, 1);
	assert_int_equal(info().balloon_bytes, 2 * PAGE_2M - PAGE_BYTES);
	assert_int_equal(fake_timers_armed(), 1);
	tell(INFLATE, 8 * CHUNK_PAGES, 1);
	assert_false(answered(INFLATE));
	assert_int_equal(info().balloon_bytes, 2 * PAGE_2M - PAGE_BYTES);

	for (unsigned i = 0; i < 4; i++) {
		fake_run_until(fake_now_ns + NSEC_PER_SEC);
		fake_threads_run();
		assert_int_equal(fake_timers_armed(), 1);
	}
	assert_false(answered(DEFLATE));
	assert_int_equal(fake_log_lines, 1);

	pool = 1;
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	fake_threads_run();
	assert_true(answered(DEFLATE));
	assert_true(answered(INFLATE));
	assert_int_equal(fake_message_count, 2);
	assert_int_equal(taken, 2);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(info().balloon_bytes, 2 * PAGE_2M - PAGE_BYTES);
}

/* The driver finds an empty balloon afterwards, and its target as it was. */
static void test_reset_amid_waiting(void **state)
{
	(void)state;
	assert_int_equal(virtio_balloon_set(balloon, MACHINE_BYTES - 24 * MIB), 0);
	inflate(4 * CHUNK_PAGES, CHUNK_PAGES);
	inflate(6 * CHUNK_PAGES, 1);
	tell(DEFLATE, 4 * CHUNK_PAGES, 1);
	assert_int_equal(fake_timers_armed(), 1);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_int_equal(common_read(&pci, STATUS, 1), 0);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(fake.pinned, 0);
	assert_false(answered(DEFLATE));
	assert_false(info().driven);
	assert_int_equal(info().balloon_bytes, 0);

	*fake_gmem_put(&fake, BUFFER + DEFLATE * 0x10000, uint32_t) = UINT32_MAX;
	drive(ALL);
	assert_false(broken()); /* nobody looks at the old request */
	assert_int_equal(mem_read(&pci, pci.device, 4), 24 * MIB / PAGE_BYTES);
	inflate(6 * CHUNK_PAGES, CHUNK_PAGES - 1);
	assert_int_equal(given, 1);
	inflate(7 * CHUNK_PAGES - 1, 1);
	assert_true(away[6]);
	pool = 1;
	tell(DEFLATE, 6 * CHUNK_PAGES, CHUNK_PAGES);
	assert_true(answered(DEFLATE));
	assert_int_equal(info().balloon_bytes, 0);
	assert_int_equal(given, 2);
}

/* The VM's end, too: teardown() looks at timers and pins. */
static void test_end_amid_waiting(void **state)
{
	(void)state;
	inflate(4 * CHUNK_PAGES, CHUNK_PAGES);
	tell(DEFLATE, 4 * CHUNK_PAGES, 1);
	assert_int_equal(fake_timers_armed(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_inflate),
		TEST(test_deflate),
		TEST(test_no_ram),
		TEST(test_half_a_number),
		TEST(test_large),
		TEST(test_calls_are_bounded),
		TEST(test_due_later),
		TEST(test_more_due_than_go_at_once),
		TEST(test_wait),
		TEST(test_reset_amid_waiting),
		TEST(test_end_amid_waiting),
		TEST(test_due_no_more),
		TEST(test_reset_with_some_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
