/* What a hostile driver can do with a split virtqueue's own fields, and the forms of chains
 * that only it allows. What it has in common with the packed one is in test_virtq.c. */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c tests/unit/fake_gmem.c */
#include "tests/unit/virtq_queue.h"

#define SIZE	8
#define BUFFERS 0x100000ull
#define TABLES	0x200000ull

static const struct driver_buffer two[] = {{BUFFERS, 16, false}, {BUFFERS + 16, 16, true}};

static int setup(void **state)
{
	(void)state;
	fake_gmem_init(&fake, 16 * MIB);
	q = (struct virtq){.gm = &fake.gm,
			   .size = SIZE,
			   .desc_gpa = 0x1000,
			   .driver_gpa = 0x2002,
			   .device_gpa = 0x3004,
			   .indirect = true};
	driver_init(&driver, &fake, &q, TABLES);
	return virtq_start(&q);
}

/* Makes descriptor `head` available, whatever it is. */
static void make_available(uint16_t head)
{
	*driver_avail(&driver, 2u + driver.next % SIZE) = head;
	*driver_avail(&driver, 1) = ++driver.next;
}

static void describe(uint16_t at, uint16_t flags, uint16_t next)
{
	*driver_desc(&driver, at) = (struct driver_desc){BUFFERS, 16, flags, next};
}

static void test_size(void **state)
{
	(void)state;
	virtq_stop(&q);
	q.size = 7;
	assert_int_equal(virtq_start(&q), -EINVAL);
	assert_string_equal(q.why, "a queue's size is not a power of two");
}

static void test_head_out_of_range(void **state)
{
	(void)state;
	make_available(SIZE);
	broken("a descriptor's number is out of range");
}

static void test_next_out_of_range(void **state)
{
	(void)state;
	describe(0, DRIVER_NEXT, UINT16_MAX);
	make_available(0);
	broken("a descriptor's number is out of range");
}

static void test_loop(void **state)
{
	(void)state;
	describe(0, DRIVER_NEXT, 1);
	describe(1, DRIVER_NEXT, 0);
	make_available(0);
	broken("a chain is a loop");
}

static void test_loop_of_one(void **state)
{
	(void)state;
	describe(SIZE - 1, DRIVER_NEXT, SIZE - 1);
	make_available(SIZE - 1);
	broken("a chain is a loop");
}

static void test_whole_ring_is_no_loop(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < SIZE; i++)
		describe(i, i + 1 < SIZE ? DRIVER_NEXT : 0, (uint16_t)(i + 1));
	make_available(0);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(chain.count, SIZE);
}

static void test_loop_in_table(void **state)
{
	int id = driver_add(&driver, two, 2, true);
	struct driver_desc *table =
		fake_gmem_put(&fake, TABLES + (unsigned)id * 1024u, struct driver_desc);

	(void)state;
	table[0].b = 0;
	broken("a chain is a loop");
}

static void test_next_out_of_table(void **state)
{
	int id = driver_add(&driver, two, 2, true);
	struct driver_desc *table =
		fake_gmem_put(&fake, TABLES + (unsigned)id * 1024u, struct driver_desc);

	(void)state;
	table[0].b = 2;
	broken("a descriptor's number is out of range");
}

/* A table is followed in its own order, and need not be used whole. */
static void test_table_in_any_order(void **state)
{
	static const uint16_t order[] = {0, 39, 17, 1, 38};
	int id = driver_add(&driver, two, 2, true);
	struct driver_desc *table =
		fake_gmem_put(&fake, TABLES + (unsigned)id * 1024u, struct driver_desc);

	(void)state;
	driver_desc(&driver, (uint16_t)id)->bytes = 40 * sizeof(*table);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		table[order[i]] = (struct driver_desc){
			BUFFERS + order[i], 1, i + 1 < ARRAY_SIZE(order) ? DRIVER_NEXT : 0,
			i + 1 < ARRAY_SIZE(order) ? order[i + 1] : 0};
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(chain.count, ARRAY_SIZE(order));
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		assert_int_equal(chain.segments[i].gpa, BUFFERS + order[i]);
}

/* Direct descriptors may be followed by one table (2.7.5.3.2), but nothing follows a table. */
static void test_table_at_the_end(void **state)
{
	struct driver_buffer table = driver_table(&driver, 0, two, 2);

	(void)state;
	describe(0, DRIVER_NEXT, 1);
	*driver_desc(&driver, 1) =
		(struct driver_desc){table.gpa, table.bytes, DRIVER_INDIRECT | DRIVER_WRITE, 0};
	make_available(0);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(chain.count, 3);
	assert_int_equal(chain.readable, 2);

	virtq_push(&q, chain.id, chain.descriptors, 0);
	driver.used++; /* the driver takes it back */
	driver_desc(&driver, 1)->a |= DRIVER_NEXT;
	make_available(0);
	broken("an indirect descriptor has a next one");
}

static void test_runs_ahead(void **state)
{
	(void)state;
	*driver_avail(&driver, 1) = SIZE + 1;
	broken("the available ring runs ahead");
}

static void test_runs_backwards(void **state)
{
	(void)state;
	driver_add(&driver, two, 2, false);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	*driver_avail(&driver, 1) = 0;
	broken("the available ring runs ahead");
}

static void test_id_in_use(void **state)
{
	(void)state;
	describe(3, 0, 0);
	make_available(3);
	make_available(3);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	broken("a buffer ID is in use");
}

/* With event indices, the used ring's flags stay 0 (2.7.7.2). */
static void test_flags_with_event_idx(void **state)
{
	(void)state;
	q.event_idx = true;
	virtq_notify_off(&q);
	assert_int_equal(*driver_used(&driver, 0), 0);
	q.event_idx = false;
	virtq_notify_off(&q);
	assert_int_equal(*driver_used(&driver, 0), 1);
	virtq_notify_on(&q);
	assert_int_equal(*driver_used(&driver, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stop_queue)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_size),
		TEST(test_head_out_of_range),
		TEST(test_next_out_of_range),
		TEST(test_loop),
		TEST(test_loop_of_one),
		TEST(test_whole_ring_is_no_loop),
		TEST(test_loop_in_table),
		TEST(test_next_out_of_table),
		TEST(test_table_in_any_order),
		TEST(test_table_at_the_end),
		TEST(test_runs_ahead),
		TEST(test_runs_backwards),
		TEST(test_id_in_use),
		TEST(test_flags_with_event_idx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
