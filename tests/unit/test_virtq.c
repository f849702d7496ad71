/*
 * What split and packed virtqueues have in common: traffic over many laps, suppression of
 * notifications both ways, copying. What a hostile driver can do is test_virtq_hostile.c's.
 */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c tests/unit/fake_gmem.c */
#include "tests/unit/virtq_formats.h"

#define NO_EVENT 0x10000u /* packed: EVENT_DISABLE */

static uint32_t random32(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* A chain of up to `max` buffers, readable ones first. */
static unsigned random_buffers(struct driver_buffer *buffers, unsigned max)
{
	unsigned count = 1 + random32() % max, readable = random32() % (count + 1);

	for (unsigned i = 0; i < count; i++)
		buffers[i] = (struct driver_buffer){(random32() % 2 ? BUFFERS : HIGH + MIB) +
							    random32() % 4096,
						    1 + random32() % 8192, i >= readable};
	return count;
}

struct flight {
	uint16_t id, descriptors;
	uint32_t bytes;
};

/* Gives back a chain that was taken, not always the oldest; the driver finds it. */
static void push_one(struct flight *flights, unsigned *count)
{
	unsigned which = random32() % *count;
	struct flight flight = flights[which];
	uint32_t bytes;

	flights[which] = flights[--*count];
	virtq_push(&q, flight.id, flight.descriptors, flight.bytes);
	assert_int_equal(driver_take(&driver, &bytes), flight.id);
	assert_int_equal(bytes, flight.bytes);
	assert_int_equal(driver_take(&driver, &bytes), -1);
}

static void traffic(unsigned rounds)
{
	static struct driver_buffer buffers[8];
	struct flight flights[VIRTQ_SIZE_MAX];
	unsigned in_flight = 0;

	for (unsigned i = 0; i < rounds; i++) {
		unsigned count = random_buffers(buffers, ARRAY_SIZE(buffers));
		int id = driver_add(&driver, buffers, count, random32() % 2);

		if (id < 0) {
			if (in_flight)
				push_one(flights, &in_flight);
			continue;
		}
		assert_int_equal(virtq_pop(&q, &chain), 1);
		check_chain(buffers, count);
		assert_int_equal(chain.id, id);
		flights[in_flight++] = (struct flight){chain.id, chain.descriptors, random32()};
		assert_int_equal(virtq_pop(&q, &chain), 0);
		while (in_flight && random32() % 2)
			push_one(flights, &in_flight);
	}
	while (in_flight)
		push_one(flights, &in_flight);
	assert_int_equal(q.in_flight, 0);
}

static void test_traffic(void **state)
{
	static const uint16_t sizes[] = {1, 2, 8, 256, 1024, 7, 100};

	(void)state;
	traffic(200000); /* more than 16 bits count */
	for (unsigned i = 0; i < (format->packed ? 7 : 5); i++) {
		virtq_stop(&q);
		memset(fake.ram + q.desc_gpa, 0, 64 * KIB);
		memset(fake.ram + q.driver_gpa, 0, 4 * KIB);
		memset(fake.ram + q.device_gpa, 0, 16 * KIB);
		prepare(sizes[i]);
		assert_int_equal(virtq_start(&q), 0);
		traffic(5000);
	}
}

/* Several at once: the driver sees all of them, in order, at every position of the ring. */
static void test_push_all(void **state)
{
	static const struct driver_buffer buffers[] = {{BUFFERS, 8, false}, {BUFFERS, 8, true}};
	struct virtq_used used[5];
	uint32_t bytes;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		unsigned count = round % 6;

		for (unsigned i = 0; i < count; i++) {
			driver_add(&driver, buffers, 1 + i % 2, false);
			assert_int_equal(virtq_pop(&q, &chain), 1);
			used[i] = (struct virtq_used){chain.id, chain.descriptors, i};
		}
		virtq_push_all(&q, used, count);
		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(driver_take(&driver, &bytes), used[i].id);
			assert_int_equal(bytes, i);
		}
		assert_int_equal(driver_take(&driver, &bytes), -1);
		assert_int_equal(q.in_flight, 0);
	}
}

static void test_unpop(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) { /* at every position of the ring */
		int id = driver_add(&driver, three, 3, false);

		assert_int_equal(virtq_pop(&q, &chain), 1);
		virtq_unpop(&q, &chain);
		assert_int_equal(q.in_flight, 0);
		use_one();
		assert_int_equal(chain.id, id);
		check_chain(three, 3);
	}
}

/* Several chains, of one and of three descriptors, at every position: taken, put back from the
 * last to the first, taken again, and given back at once. */
static void test_several(void **state)
{
	struct virtq_used used[3];
	uint32_t bytes;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 3; i++)
			driver_add(&driver, i == 1 ? three : &one, i == 1 ? 3 : 1, false);
		for (unsigned pass = 0; pass < 2; pass++) {
			for (unsigned i = 0; i < 3; i++) {
				assert_int_equal(virtq_pop(&q, &chain), 1);
				used[i] = (struct virtq_used){chain.id, chain.descriptors,
							      round + i};
			}
			for (unsigned i = 3; pass == 0 && i-- > 0;) {
				chain.id = used[i].id;
				chain.descriptors = used[i].descriptors;
				virtq_unpop(&q, &chain);
			}
		}
		virtq_push_all(&q, used, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(driver_take(&driver, &bytes), used[i].id);
			assert_int_equal(bytes, round + i);
		}
		assert_int_equal(driver_take(&driver, &bytes), -1);
		assert_int_equal(q.in_flight, 0);
	}
}

/* The event that asks for an interrupt `ahead` slots after those that are used now. */
static uint32_t event_at(unsigned ahead)
{
	unsigned at = driver.used + ahead;
	bool wrap = driver.used_wrap;

	if (!format->packed)
		return (uint16_t)at;
	if (at >= q.size) {
		at -= q.size;
		wrap = !wrap;
	}
	return 0x20000u | (wrap ? 0x8000u : 0) | at;
}

static void test_interrupt_event(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		unsigned ahead = round % 5, batch = 1 + round % 7;

		for (unsigned i = 0; i < batch; i++)
			driver_add(&driver, &one, 1, false);
		driver_ask(&driver, event_at(ahead));
		for (unsigned i = 0; i < batch; i++)
			use_one();
		assert_int_equal(virtq_should_interrupt(&q), ahead < batch);
		assert_false(virtq_should_interrupt(&q)); /* once for each */
	}
}

static void test_interrupt_flag(void **state)
{
	(void)state;
	assert_false(virtq_should_interrupt(&q));
	driver_add(&driver, &one, 1, false);
	use_one();
	assert_true(virtq_should_interrupt(&q));
	if (format->packed)
		driver_ask(&driver, NO_EVENT);
	else
		*driver_avail(&driver, 0) = 1;
	driver_add(&driver, &one, 1, false);
	use_one();
	assert_false(virtq_should_interrupt(&q));
}

static void test_kicks(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		assert_false(virtq_notify_on(&q));
		driver_add(&driver, &one, 1, false);
		assert_true(driver_kicks(&driver));
		virtq_notify_off(&q);
		use_one();
		for (unsigned i = 0; i < 3; i++) {
			driver_add(&driver, &one, 1, false);
			assert_false(driver_kicks(&driver));
		}
		assert_true(
			virtq_notify_on(&q)); /* there are more: no kick may be waited for */
		for (unsigned i = 0; i < 3; i++)
			use_one();
	}
}

static void test_copies(void **state)
{
	const struct driver_buffer buffers[] = {{BUFFERS, 10, false},
						{BUFFERS + 100, 20, false},
						{BUFFERS + 200, 5, true},
						{BUFFERS + 300, 7, true}};
	uint8_t buf[64];

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		*fake_gmem_put(&fake, BUFFERS + i, uint8_t) = (uint8_t)i;
	driver_add(&driver, buffers, 4, false);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(virtq_read(&q, &chain, 0, buf, 64), 30);
	assert_int_equal(buf[9], 9);
	assert_int_equal(buf[10], 100);
	assert_int_equal(buf[29], 119);
	assert_int_equal(virtq_read(&q, &chain, 8, buf, 4), 4);
	assert_memory_equal(buf, "\x08\x09\x64\x65", 4);
	assert_int_equal(virtq_read(&q, &chain, 30, buf, 1), 0);
	assert_int_equal(virtq_write(&q, &chain, 3, "abcd", 4), 4);
	assert_memory_equal(fake.ram + BUFFERS + 203, "ab", 2);
	assert_memory_equal(fake.ram + BUFFERS + 300, "cd", 2);
	assert_int_equal(virtq_write(&q, &chain, 10, "abcd", 4), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_traffic),
		EACH(test_push_all),
		EACH(test_unpop),
		EACH(test_several),
		SPLIT_EVENT(test_interrupt_event),
		PACKED_EVENT(test_interrupt_event),
		SPLIT(test_interrupt_flag),
		PACKED(test_interrupt_flag),
		PACKED_EVENT(test_interrupt_flag),
		EACH(test_kicks),
		EACH(test_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
