/* What a hostile driver can do with a packed virtqueue's own fields: flags, wrap counters, IDs.
 * What it has in common with the split one is in test_virtq.c. */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c tests/unit/fake_gmem.c */
#include "tests/unit/virtq_queue.h"

#define SIZE	5
#define BUFFERS 0x100000ull
#define TABLES	0x200000ull

static const struct driver_buffer one = {BUFFERS, 16, false};

static int setup(void **state)
{
	(void)state;
	fake_gmem_init(&fake, 16 * MIB);
	q = (struct virtq){.gm = &fake.gm,
			   .size = SIZE,
			   .desc_gpa = 0x1000,
			   .driver_gpa = 0x2004,
			   .device_gpa = 0x3008,
			   .packed = true,
			   .event_idx = true,
			   .indirect = true};
	driver_init(&driver, &fake, &q, TABLES);
	return virtq_start(&q);
}

static void describe(uint16_t at, uint16_t id, uint16_t flags)
{
	*driver_desc(&driver, at) = (struct driver_desc){BUFFERS, 16, id, flags};
}

/* Takes and gives back `count` chains of one descriptor. */
static void pass(unsigned count)
{
	uint32_t bytes;

	while (count--) {
		assert_true(driver_add(&driver, &one, 1, false) >= 0);
		assert_int_equal(virtq_pop(&q, &chain), 1);
		virtq_push(&q, chain.id, chain.descriptors, 0);
		assert_true(driver_take(&driver, &bytes) >= 0);
	}
}

/* Only AVAIL as the lap has it and USED as it has not mean that there is something. */
static void test_wrap_nonsense(void **state)
{
	(void)state;
	for (unsigned lap = 0; lap < 4; lap++) {
		bool wrap = lap % 2 == 0;

		for (unsigned bits = 0; bits < 4; bits++) {
			uint16_t flags = (uint16_t)((bits & 1 ? DRIVER_AVAIL : 0) |
						    (bits & 2 ? DRIVER_USED : 0));
			bool there = bits == (wrap ? 1 : 2);

			describe(0, 0, flags);
			assert_int_equal(virtq_pop(&q, &chain), there);
			if (there)
				virtq_unpop(&q, &chain);
			assert_int_equal(virtq_notify_on(&q), there);
		}
		describe(0, 0, wrap ? 0 : DRIVER_AVAIL | DRIVER_USED);
		pass(SIZE);
	}
}

static void test_chain_into_what_is_not_available(void **state)
{
	(void)state;
	describe(0, 0, DRIVER_AVAIL | DRIVER_NEXT);
	describe(1, 0, DRIVER_AVAIL | DRIVER_USED);
	broken("a chain runs into one that is not available");
}

/* The last slot's chain goes on at the first, where bits mean the opposite. */
static void test_chain_over_the_end(void **state)
{
	(void)state;
	pass(SIZE - 1);
	describe(SIZE - 1, 0xffff, DRIVER_AVAIL | DRIVER_NEXT);
	describe(0, 2, DRIVER_USED | DRIVER_WRITE);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(chain.id, 2);
	assert_int_equal(chain.descriptors, 2);
	assert_int_equal(q.last_avail, 1);
	assert_false(q.avail_wrap);
	virtq_unpop(&q, &chain);
	assert_int_equal(q.last_avail, SIZE - 1);
	assert_true(q.avail_wrap);
	describe(0, 2, DRIVER_AVAIL);
	broken("a chain runs into one that is not available");
}

static void test_chain_longer_than_ring(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < SIZE; i++)
		describe(i, 0, DRIVER_AVAIL | DRIVER_NEXT);
	broken("a chain runs into descriptors that are in use");
}

/* A second lap over slots that were not given back. */
static void test_runs_ahead(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SIZE; i++) {
		describe((uint16_t)i, (uint16_t)i, DRIVER_AVAIL);
		assert_int_equal(virtq_pop(&q, &chain), 1);
	}
	assert_int_equal(virtq_pop(&q, &chain), 0);
	describe(0, 0, DRIVER_USED);
	broken("a chain runs into descriptors that are in use");
}

static void test_id_out_of_range(void **state)
{
	(void)state;
	describe(0, SIZE, DRIVER_AVAIL);
	broken("a buffer ID is out of range");
}

static void test_id_in_use(void **state)
{
	(void)state;
	describe(0, 1, DRIVER_AVAIL);
	describe(1, 1, DRIVER_AVAIL);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	broken("a buffer ID is in use");
}

static void test_table_in_chain(void **state)
{
	struct driver_buffer table = driver_table(&driver, 0, &one, 1);

	(void)state;
	describe(0, 0, DRIVER_AVAIL | DRIVER_NEXT);
	*driver_desc(&driver, 1) =
		(struct driver_desc){table.gpa, table.bytes, 0, DRIVER_AVAIL | DRIVER_INDIRECT};
	broken("an indirect descriptor in a chain");
}

static void test_table_with_next(void **state)
{
	struct driver_buffer table = driver_table(&driver, 0, &one, 1);

	(void)state;
	*driver_desc(&driver, 0) = (struct driver_desc){
		table.gpa, table.bytes, 0, DRIVER_AVAIL | DRIVER_INDIRECT | DRIVER_NEXT};
	broken("an indirect descriptor in a chain");
}

/* The reserved value of the flags, or a position that no ring has, harms nobody. */
static void test_event_nonsense(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags < 8; flags++)
		for (uint32_t at = 0; at < 0x10000; at += 0xff) {
			driver_ask(&driver, flags << 16 | at);
			pass(1);
			virtq_should_interrupt(&q);
		}
	driver_ask(&driver, 0x30000);
	pass(1);
	assert_true(virtq_should_interrupt(&q));
}

/* What the device writes: a used descriptor has WRITE set if, and only if, bytes were written
 * (2.8.14). */
static void test_used_flags(void **state)
{
	(void)state;
	driver_add(&driver, &one, 1, false);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	virtq_push(&q, chain.id, chain.descriptors, 7);
	assert_int_equal(driver_desc(&driver, 0)->b, DRIVER_AVAIL | DRIVER_USED | DRIVER_WRITE);
	driver_add(&driver, &one, 1, false);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	virtq_push(&q, chain.id, chain.descriptors, 0);
	assert_int_equal(driver_desc(&driver, 1)->b, DRIVER_AVAIL | DRIVER_USED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stop_queue)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_wrap_nonsense),      TEST(test_chain_into_what_is_not_available),
		TEST(test_chain_over_the_end), TEST(test_chain_longer_than_ring),
		TEST(test_runs_ahead),	       TEST(test_id_out_of_range),
		TEST(test_id_in_use),	       TEST(test_table_in_chain),
		TEST(test_table_with_next),    TEST(test_event_nonsense),
		TEST(test_used_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
