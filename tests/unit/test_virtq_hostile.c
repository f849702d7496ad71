/*
 * What a hostile driver can write into any virtqueue: rings and buffers that are not RAM,
 * chains and tables that lie; and a device that gives back what it does not have. What only one
 * format allows is test_virtq_split.c's and test_virtq_packed.c's.
 */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c tests/unit/fake_gmem.c */
#include "tests/unit/virtq_formats.h"

/* Starting fails with this reason, and nothing stays pinned. */
static void refuse_start(const char *why)
{
	assert_int_equal(virtq_start(&q), -EINVAL);
	assert_true(q.broken);
	assert_string_equal(q.why, why);
	assert_int_equal(fake.pinned, 0);
	assert_int_equal(virtq_pop(&q, &chain), -EINVAL);
	virtq_push(&q, 0, 1, 0);
	assert_false(virtq_notify_on(&q));
	virtq_notify_off(&q);
	assert_false(virtq_should_interrupt(&q));
	virtq_stop(&q);
}

static void test_start_refused(void **state)
{
	(void)state;
	virtq_stop(&q);
	prepare(0);
	refuse_start("a queue's size is out of range");
	prepare(SIZE);
	q.size = VIRTQ_SIZE_MAX + 1;
	refuse_start("a queue's size is out of range");
	prepare(SIZE);
	q.desc_gpa += 8;
	refuse_start("a ring is not aligned");
	prepare(SIZE);
	q.driver_gpa += 1;
	refuse_start("a ring is not aligned");
	prepare(SIZE);
	q.device_gpa += 2;
	refuse_start("a ring is not aligned");
	prepare(SIZE);
	q.desc_gpa = GMEM_LOW_MAX - 16; /* begins in RAM, and runs into the hole */
	refuse_start("a ring is not in RAM");
	prepare(SIZE);
	q.driver_gpa = RAM_END - 2 * format->packed;
	q.driver_gpa = ALIGN_UP(q.driver_gpa, 4);
	refuse_start("a ring is not in RAM");
	prepare(SIZE);
	q.device_gpa = UINT64_MAX - 3;
	refuse_start("a ring is not in RAM");
}

static void test_start_without_memory(void **state)
{
	(void)state;
	virtq_stop(&q);
	for (unsigned pins = 1; pins <= 4; pins++) { /* two for the descriptors, one each */
		prepare(SIZE);
		fake.pins_left = pins;
		assert_int_equal(virtq_start(&q), -ENOMEM);
		assert_false(q.broken);
		assert_int_equal(fake.pinned, 0);
		assert_int_equal(virtq_pop(&q, &chain), 0);
		virtq_stop(&q);
	}
	fake.pins_left = 0;
	assert_int_equal(virtq_start(&q), 0);
	assert_int_equal(fake.pinned, 4);
}

static void again(void)
{
	stop_queue(NULL);
	fake_gmem_init(&fake, RAM);
	prepare(SIZE);
	assert_int_equal(virtq_start(&q), 0);
}

static void refuse(const struct driver_buffer *buffers, unsigned count, const char *why)
{
	for (int indirect = 0; indirect < 2; indirect++) {
		if (driver_add(&driver, buffers, count, indirect) < 0)
			continue;
		broken(why);
		again();
	}
}

static void test_hostile_buffers(void **state)
{
	static const uint64_t not_ram[] = {GMEM_LOW_MAX,	 GMEM_LOW_MAX - 511, RAM_END,
					   RAM_END - 1,		 BIT(52) - 512,	     UINT64_MAX,
					   UINT64_MAX - 511 + 1, GMEM_HIGH_BASE - 1};
	const struct driver_buffer empty = {BUFFERS, 0, true};
	const struct driver_buffer backwards[] = {one, {BUFFERS, 16, false}};
	const struct driver_buffer large[] = {{0, 2 * GIB, false}, {0, 2 * GIB, true}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(not_ram); i++) {
		struct driver_buffer buffer = {not_ram[i], 512, false};

		refuse(&buffer, 1, "a descriptor is not in RAM");
	}
	refuse(&empty, 1, "a descriptor has no bytes");
	refuse(backwards, 2, "a descriptor to be read follows one to be written");
	refuse(large, 2, "a chain has too many bytes");
}

static void test_hostile_overlong(void **state)
{
	static struct driver_buffer buffers[VIRTQ_SEGMENTS_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(buffers); i++)
		buffers[i] = one;
	driver_add(&driver, buffers, VIRTQ_SEGMENTS_MAX, true);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	check_chain(buffers, VIRTQ_SEGMENTS_MAX);
	driver_add(&driver, buffers, VIRTQ_SEGMENTS_MAX + 1, true);
	broken("a chain is too long");
}

/* A chain that is one table, with its descriptor as given. */
static void refuse_table(uint64_t gpa, uint32_t bytes, const char *why)
{
	int id = driver_add(&driver, three, 3, true);
	struct driver_desc *desc = driver_desc(&driver, format->packed ? 0 : (uint16_t)id);

	desc->addr = gpa;
	desc->bytes = bytes;
	broken(why);
	again();
}

static void test_hostile_tables(void **state)
{
	int id;

	(void)state;
	refuse_table(TABLES, 0, "an indirect table's length is wrong");
	refuse_table(TABLES, 17, "an indirect table's length is wrong");
	refuse_table(TABLES, UINT32_MAX, "an indirect table's length is wrong");
	refuse_table(GMEM_LOW_MAX - 16, 48, "an indirect table is not in RAM");
	refuse_table(UINT64_MAX - 15, 48, "an indirect table is not in RAM");

	id = driver_add(&driver, three, 3, true);
	*(format->packed
		  ? &fake_gmem_put(&fake, TABLES + (unsigned)id * 1024u, struct driver_desc)->b
		  : &fake_gmem_put(&fake, TABLES + (unsigned)id * 1024u, struct driver_desc)
			     ->a) |= DRIVER_INDIRECT;
	broken("an indirect table holds another");
	again();

	q.indirect = false;
	driver_add(&driver, three, 3, true);
	broken("an indirect descriptor, which was not negotiated");
}

static void test_push_of_what_is_not_ours(void **state)
{
	uint32_t bytes;

	(void)state;
	virtq_push(&q, 3, 1, 0);
	virtq_push(&q, SIZE, 1, 0);
	virtq_push(&q, UINT16_MAX, 1, 0);
	assert_int_equal(driver_take(&driver, &bytes), -1);
	driver_add(&driver, &one, 1, false);
	use_one();
	virtq_push(&q, chain.id, 1, 0); /* a second time */
	assert_int_equal(driver_take(&driver, &bytes), -1);
	assert_int_equal(q.in_flight, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_start_refused),   EACH(test_start_without_memory),
		EACH(test_hostile_buffers), EACH(test_hostile_overlong),
		EACH(test_hostile_tables),  EACH(test_push_of_what_is_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
