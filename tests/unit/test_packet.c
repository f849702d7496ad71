/* Packets and pools: bounds, references, whoever waits for a packet; copies across pages. */
/* links: kernel/io/packet.c kernel/io/netdev.c tests/unit/fake_net.c tests/unit/fake_vmm.c */
/* links: kernel/vmm/bus.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "kernel/mem/frames.h"
#include "tests/unit/fake_net.h"

static unsigned told;
static struct packet_pool *told_pool;

static void on_free(void *arg)
{
	struct packet *packet = packet_alloc(told_pool, 1); /* no lock is held */

	assert_ptr_equal(arg, &told);
	assert_non_null(packet);
	told++;
	packet_put(packet);
}

static void test_bounds(void **state)
{
	struct packet_pool *pool = packet_pool_create(3, PACKET_PAGES_MAX, NULL);
	struct packet *large, *a, *b, *c;

	(void)state;
	assert_null(packet_alloc(pool, PACKET_BYTES_MAX + 1));
	large = packet_alloc(pool, PACKET_BYTES_MAX);
	assert_non_null(large);
	assert_int_equal(large->page_count, PACKET_PAGES_MAX);
	assert_null(packet_alloc(pool, 1)); /* no page */
	packet_put(large);

	a = packet_alloc(pool, PAGE_BYTES);
	b = packet_alloc(pool, PAGE_BYTES + 1);
	c = packet_alloc(pool, 0);
	assert_int_equal(a->page_count, 1);
	assert_int_equal(b->page_count, 2);
	assert_int_equal(c->page_count, 0);
	assert_null(packet_alloc(pool, 1)); /* no packet */
	a->gso = PACKET_GSO_TCP4;
	a->vlan = 7;
	packet_put(a);
	a = packet_alloc(pool, 1);
	assert_int_equal(a->gso, PACKET_GSO_NONE);
	assert_int_equal(a->vlan, 0);
	packet_put(a);
	packet_put(b);
	packet_put(c);
	packet_pool_destroy(pool);
}

static void test_pages_are_apart(void **state)
{
	struct packet_pool *pool = packet_pool_create(8, 16, NULL);
	struct packet *packets[8];
	uint8_t want[2 * PAGE_BYTES], got[2 * PAGE_BYTES];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			packets[i] = packet_alloc(pool, sizeof want);
			memset(want, (int)(i + round), sizeof want);
			packet_write(packets[i], 0, want, sizeof want);
		}
		for (unsigned i = 0; i < 8; i++) {
			memset(want, (int)(i + round), sizeof want);
			packet_read(packets[i], 0, got, sizeof got);
			assert_memory_equal(got, want, sizeof got);
		}
		for (unsigned i = 0; i < 8; i++)
			packet_put(packets[(i + round) % 8]);
	}
	packet_pool_destroy(pool);
}

static void test_references(void **state)
{
	struct packet_pool *pool = packet_pool_create(1, 1, NULL);
	struct packet *packet = packet_alloc(pool, 1);

	(void)state;
	assert_ptr_equal(packet_get(packet), packet);
	packet_put(packet);
	assert_null(packet_alloc(pool, 1));
	packet_put(packet);
	packet_put(packet_alloc(pool, 1));
	packet_pool_destroy(pool);
}

/* Once for each time that there was too little, and only when there is enough. */
static void test_on_free(void **state)
{
	struct packet_pool *pool = packet_pool_create(4, 4, NULL);
	struct packet *a, *b;

	(void)state;
	told = 0;
	told_pool = pool;
	packet_pool_on_free(pool, on_free, &told);
	a = packet_alloc(pool, 2 * PAGE_BYTES);
	b = packet_alloc(pool, PAGE_BYTES);
	assert_null(packet_alloc(pool, 3 * PAGE_BYTES));
	packet_put(b);
	assert_int_equal(told, 0);
	packet_put(a);
	assert_int_equal(told, 1);
	a = packet_alloc(pool, 1);
	packet_put(a);
	assert_int_equal(told, 1);
	packet_pool_destroy(pool);
}

static atomic_bool begun, done;

static void take_long(void *arg)
{
	(void)arg;
	begun = true;
	usleep(20000);
	done = true;
}

static void *put_elsewhere(void *packet)
{
	packet_put(packet);
	return NULL;
}

/* Who waits for a packet is not told any more once the pool is gone, not even by one that is on
 * its way on another CPU. */
static void test_destroyed_while_telling(void **state)
{
	struct packet_pool *pool = packet_pool_create(1, 1, NULL);
	struct packet *packet = packet_alloc(pool, 1);
	pthread_t thread;

	(void)state;
	packet_pool_on_free(pool, take_long, NULL);
	assert_null(packet_alloc(pool, 1));
	pthread_create(&thread, NULL, put_elsewhere, packet);
	while (!begun)
		sched_yield();
	packet_pool_destroy(pool);
	assert_true(done);
	pthread_join(thread, NULL);
	packet_pool_destroy(NULL);
}

static void test_scarce(void **state)
{
	struct packet_pool *pool = packet_pool_create(16, 16, NULL);
	struct packet *packets[16];

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		packets[i] = packet_alloc(pool, 1);
		assert_int_equal(packet_is_scarce(packets[i]), i >= 12);
	}
	for (unsigned i = 0; i < 16; i++)
		packet_put(packets[i]);
	packet_pool_destroy(pool);
}

static void test_no_memory(void **state)
{
	unsigned had;

	(void)state;
	fake_frames_left = 5;
	assert_null(packet_pool_create(8, 6, NULL));
	assert_int_equal(fake_frames_left, 5);
	had = fake_frames_left = 1000000;
	packet_pool_destroy(packet_pool_create(8, 6, NULL));
	assert_int_equal(fake_frames_left, had);
}

/* A pool goes with its last packet, and the account knows nothing of it from its end on. */
static void test_orphan(void **state)
{
	struct mem_account account = {0};
	struct packet_pool *pool;
	unsigned had = fake_frames_left;
	struct packet *a, *b;

	(void)state;
	told = 0;
	pool = packet_pool_create(8, 8, &account);
	assert_true(account.bytes >= 8 * PAGE_BYTES);
	packet_pool_on_free(pool, on_free, &told);
	a = packet_alloc(pool, 6 * PAGE_BYTES);
	b = packet_alloc(pool, 100);
	assert_null(packet_alloc(pool, 2 * PAGE_BYTES));
	packet_pool_destroy(pool);
	assert_int_equal(account.bytes, 0);
	assert_int_equal(fake_frames_left, had - 8);
	packet_write(b, 0, "still there", 11);
	packet_put(a);
	assert_int_equal(fake_frames_left, had - 8);
	packet_put(b);
	assert_int_equal(fake_frames_left, had);
	assert_int_equal(told, 0);
}

/* Reads and writes of any place and size, against one that does bytes. */
static void test_copies(void **state)
{
	static uint8_t model[PACKET_BYTES_MAX], part[PACKET_BYTES_MAX];
	struct packet_pool *pool = packet_pool_create(1, PACKET_PAGES_MAX, NULL);
	struct packet *packet = packet_alloc(pool, PACKET_BYTES_MAX);
	static const uint32_t at[] = {0, 1, 4095, 4096, 4097, 8190, 65530};
	static const uint32_t bytes[] = {0, 1, 2, 3, 4096, 4097, 20000};

	(void)state;
	for (uint32_t i = 0; i < PACKET_BYTES_MAX; i++)
		model[i] = (uint8_t)(i * 31 + i / 256);
	packet_write(packet, 0, model, PACKET_BYTES_MAX);
	for (unsigned a = 0; a < ARRAY_SIZE(at); a++)
		for (unsigned b = 0; b < ARRAY_SIZE(bytes); b++) {
			if (at[a] + bytes[b] > PACKET_BYTES_MAX)
				continue;
			memset(part, (int)(a * 16 + b), bytes[b]);
			memcpy(model + at[a], part, bytes[b]);
			packet_write(packet, at[a], part, bytes[b]);
			packet_read(packet, at[a], part, bytes[b]);
			assert_memory_equal(part, model + at[a], bytes[b]);
		}
	packet_read(packet, 0, part, PACKET_BYTES_MAX);
	assert_memory_equal(part, model, PACKET_BYTES_MAX);
	packet_put(packet);
	packet_pool_destroy(pool);
}

/* ---- between provider and consumer ------------------------------------------------------- */

static unsigned received, links;

static void receive(void *arg, struct list *packets)
{
	assert_ptr_equal(arg, &received);
	list_for_each_safe(packet, packets, struct packet, link)
	{
		list_remove(&packet->link);
		packet_put(packet);
		received++;
	}
}

static void link_changed(void *arg)
{
	(void)arg;
	links++;
}

static void test_consumer(void **state)
{
	const struct netdev_consumer consumer = {
		.receive = receive, .link_changed = link_changed, .arg = &received};
	struct netdev dev = {.name = "nic0"};
	struct list packets;

	(void)state;
	list_init(&packets);
	list_push_back(&packets, &fake_packet("abcd", 4)->link);
	netdev_receive(&dev, &packets);
	netdev_ready(&dev);
	netdev_arrived(&dev);
	netdev_set_link(&dev, true, 1000);
	assert_int_equal(dev.counters.rx_dropped, 1);
	netdev_consume(&dev, &consumer);
	list_init(&packets);
	list_push_back(&packets, &fake_packet("abcd", 4)->link);
	list_push_back(&packets, &fake_packet("abcd", 4)->link);
	netdev_receive(&dev, &packets);
	netdev_set_link(&dev, true, 1000);
	netdev_set_link(&dev, false, 1000);
	netdev_ready(&dev); /* of no interest to this consumer */
	assert_int_equal(received, 2);
	assert_int_equal(links, 1);
	assert_int_equal(dev.counters.rx_packets, 3);
	assert_int_equal(dev.counters.rx_bytes, 12);
	assert_int_equal(fake_packets_out(), 0);
}

static void test_registry(void **state)
{
	static struct netdev first = {.name = "nic0"}, second = {.name = "nic1"};

	(void)state;
	assert_null(netdev_at(0));
	netdev_register(&first);
	netdev_register(&second);
	assert_ptr_equal(netdev_at(0), &first);
	assert_ptr_equal(netdev_at(1), &second);
	assert_null(netdev_at(2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_pages_are_apart),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_on_free),
		cmocka_unit_test(test_scarce),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_consumer),
		cmocka_unit_test(test_registry),
		cmocka_unit_test(test_destroyed_while_telling),
	};

	return cmocka_run_group_tests(tests, NULL, fake_net_fini);
}
