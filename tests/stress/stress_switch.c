/*
 * All of the switch at once: guests send to each other, to all and to the wire, in frames and
 * in what is to be segmented; receivers put back what they cannot take yet, stop and begin to
 * listen; one guest comes and goes; the NIC fills up, sends back floods, and loses its link; an
 * operator looks. Nothing comes twice, in another order, to somebody else, or after it was
 * freed; what did not come was counted; and all of it is back in its pools in the end.
 */
/* links: net/switch/switch.c net/switch/forward.c net/switch/port.c net/switch/queue.c */
/* links: net/switch/uplink.c net/switch/wait.c net/switch/table.c net/switch/filter.c */
/* links: net/switch/frame.c net/switch/offload.c kernel/io/packet.c kernel/io/netdev.c */
/* links: kernel/io/network.c kernel/sched/sync.c tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/io/network.h"
#include "kernel/lib/lock.h"
#include "kernel/sched/thread.h"
#include "net/switch/switch.h"

#define GUESTS	 5 /* the last comes and goes */
#define FRAMES	 4000
#define POOL	 512
#define PAGES	 2048
#define LIVES	 40
#define FULL	 300 /* packets: more than a port holds */
#define WIRE	 32
#define BYTES	 100
#define MARK_AT	 60 /* behind the headers of TCP, where a mark may be too */
#define TSO_DATA 9000
#define NOBODY	 0xff

/* What a frame carries: who sent it to whom, and which it is. */
struct mark {
	uint8_t from, to;
	uint16_t check;
	uint32_t number;
};

struct guest {
	unsigned id;
	struct netdev *dev;
	struct packet_pool *pool;
	struct thread *sender, *receiver;
	uint64_t random;
	_Atomic unsigned numbers[GUESTS]; /* sent to each, last */
	/* The receiver's. */
	uint32_t seen[GUESTS];
	_Atomic uint64_t sent_to_me, got;
	_Atomic bool over;
};

static struct guest guests[GUESTS];
static _Atomic bool over;
static char why[NETWORK_WHY_BYTES];
static uint64_t seed = 0x9e3779b97f4a7c15ull;

/* ---- frames ------------------------------------------------------------------------------ */

static void mac_of(uint8_t mac[6], unsigned id)
{
	const uint8_t own[6] = {2, 0, 0, 0, 0, (uint8_t)(id + 1)};

	memset(mac, 0xff, 6);
	if (id < GUESTS)
		memcpy(mac, own, 6);
}

static uint16_t check_of(const struct mark *mark)
{
	return (uint16_t)(mark->number * 40503u + mark->from * 257u + mark->to);
}

static struct packet *make(struct packet_pool *pool, unsigned from, unsigned to,
			   uint32_t number)
{
	struct packet *packet = packet_alloc(pool, BYTES + 4);
	struct mark mark = {(uint8_t)from, (uint8_t)to, 0, number};
	uint8_t bytes[BYTES];

	if (!packet)
		return NULL;
	mark.check = check_of(&mark);
	packet->bytes = BYTES;
	memset(bytes, (int)(number & 0xff), sizeof bytes);
	mac_of(bytes, to);
	mac_of(bytes + 6, from);
	bytes[12] = 0x88;
	bytes[13] = 0xb5;
	memcpy(bytes + MARK_AT, &mark, sizeof mark);
	packet_write(packet, 0, bytes, sizeof bytes);
	return packet;
}

/* TCP that is to be cut: it carries no mark, but may be nobody else's either. */
static struct packet *make_tso(struct guest *guest, unsigned to)
{
	uint32_t bytes = 54 + TSO_DATA;
	struct packet *packet = packet_alloc(guest->pool, bytes + 4);
	uint8_t head[54] = {[12] = 8, [14] = 0x45, [22] = 64, [23] = 6, [46] = 0x50};

	if (!packet)
		return NULL;
	mac_of(head, to);
	mac_of(head + 6, guest->id);
	head[16] = (uint8_t)((bytes - 14) >> 8);
	head[17] = (uint8_t)(bytes - 14);
	packet_write(packet, 0, head, sizeof head);
	packet->bytes = bytes;
	packet->gso = PACKET_GSO_TCP4;
	packet->gso_bytes = stress_chance(&guest->random, 4) ? 48 : 1400;
	packet->needs_csum = true;
	packet->csum_start = 34;
	packet->csum_offset = 16;
	return packet;
}

/* What came to guest `id`. `seen`: of each sender, the last number. */
static void look_at(struct guest *guest, const struct packet *packet)
{
	uint8_t bytes[BYTES], to[6], all[6], absent[6];
	struct mark mark;

	packet_read(packet, 0, bytes, MIN(packet->bytes, (uint32_t)sizeof bytes));
	mac_of(to, guest->id);
	mac_of(all, NOBODY);
	mac_of(absent, GUESTS - 1); /* while it is away it may be anywhere */
	demand(!memcmp(bytes, to, 6) || !memcmp(bytes, all, 6) || !memcmp(bytes, absent, 6));
	if (bytes[12] != 0x88)
		return; /* TCP */
	demand(packet->bytes == BYTES);
	memcpy(&mark, bytes + MARK_AT, sizeof mark);
	demand(mark.check == check_of(&mark));
	demand(bytes[BYTES - 1] == (uint8_t)mark.number);
	if (mark.to == NOBODY || mark.to == GUESTS - 1)
		return;
	demand(mark.to == guest->id && mark.from < GUESTS);
	demand(mark.number > guest->seen[mark.from]); /* in order, and once */
	guest->seen[mark.from] = mark.number;
	guest->got++;
}

/* ---- guests ------------------------------------------------------------------------------ */

static _Atomic bool all_are_there;

/* Who is told of something is found by its thread, so nothing happens before all have one. */
static void wait_for_all(void)
{
	while (!all_are_there)
		sched_yield();
}

static void arrived(void *arg)
{
	thread_wake(((struct guest *)arg)->receiver);
}

static void ready(void *arg)
{
	thread_wake(((struct guest *)arg)->sender);
}

static void linger(uint64_t *random)
{
	for (unsigned n = (unsigned)(stress_random(random) % 64); n; n--)
		sched_yield();
}

/* Long enough, mostly, for the others to fill the queue. */
static void hold(struct guest *guest, uint64_t *random)
{
	uint64_t before = guest->sent_to_me;

	if (!stress_chance(random, 8))
		linger(random);
	else
		for (unsigned n = 0; n < 20000 && guest->sent_to_me < before + FULL; n++)
			sched_yield();
}

/* It stops and begins again, or takes other packets as they are. */
static void change_mind(struct netdev *dev, uint64_t *random)
{
	if (stress_chance(random, 2))
		dev->ops->listen(dev, false, 0);
	dev->ops->listen(dev, true, (uint32_t)stress_random(random) & NETDEV_ACCEPTS);
}

/* Often one is put back after a while, as when there are no buffers for it. */
static void receive(void *arg)
{
	struct guest *guest = arg;
	struct netdev *dev = guest->dev;
	uint64_t random = seed + 77 * guest->id;
	unsigned holds = 0;

	wait_for_all();
	while (!guest->over) {
		struct packet *packet = dev->ops->poll(dev);

		if (!packet) {
			thread_block();
		} else if (holds || stress_chance(&random, 64)) {
			holds = holds ? holds - 1 : 3;
			hold(guest, &random);
			dev->ops->unpoll(dev, packet);
			if (guest->id == 2)
				change_mind(dev, &random);
		} else {
			look_at(guest, packet);
			packet_put(packet);
		}
	}
}

static struct packet *next_frame(struct guest *guest, unsigned *to)
{
	unsigned kind = (unsigned)(stress_random(&guest->random) % 32);

	*to = (unsigned)(stress_random(&guest->random) % GUESTS);
	if (*to == guest->id)
		*to = (*to + 1) % GUESTS;
	if (kind == 0)
		return make_tso(guest, *to);
	if (kind < 3) {
		*to = NOBODY;
		return make(guest->pool, guest->id, NOBODY, 1);
	}
	return make(guest->pool, guest->id, *to, ++guest->numbers[*to]);
}

static void send_one(struct guest *guest)
{
	struct netdev *dev = guest->dev;
	struct packet *packet;
	unsigned to;
	int err;

	while (!(packet = next_frame(guest, &to)))
		thread_block();
	if (to != NOBODY && !packet->gso)
		guests[to].sent_to_me++;
	while ((err = dev->ops->transmit(dev, packet)) == -EAGAIN) {
		dev->ops->commit(dev);
		thread_block();
	}
	demand(!err);
}

static void send_frames(void *arg)
{
	struct guest *guest = arg;
	struct netdev *dev = guest->dev;

	wait_for_all();
	for (unsigned i = 0; i < FRAMES; i++) {
		send_one(guest);
		if (stress_chance(&guest->random, 16))
			dev->ops->commit(dev);
		if (stress_chance(&guest->random, 64))
			linger(&guest->random);
	}
	dev->ops->commit(dev);
}

static void plug_in(struct guest *guest)
{
	struct network_port_config config = {.filter_mac = guest->id == 1};
	const struct netdev_consumer consumer = {
		.arrived = arrived, .ready = ready, .arg = guest};

	snprintf(config.name, sizeof config.name, "g%u", guest->id);
	snprintf(config.network, sizeof config.network, "lan");
	mac_of(config.mac, guest->id);
	demand(!network_attach(&config, &guest->dev, why));
	netdev_consume(guest->dev, &consumer);
}

static const uint32_t accepts[GUESTS] = {NETDEV_ACCEPTS, 0, NETDEV_ACCEPTS, NETDEV_TX_CSUM, 0};

/* The guest that comes and goes: one thread, as a device has. */
static void live(void *arg)
{
	struct guest *guest = arg;

	guest->sender = guest->receiver = thread_current();
	for (unsigned life = 0; life < LIVES; life++) {
		struct packet *packet;

		plug_in(guest);
		guest->dev->ops->listen(guest->dev, true, accepts[guest->id]);
		memset(guest->seen, 0, sizeof guest->seen);
		for (unsigned i = 0; i < 100; i++) {
			if (stress_chance(&guest->random, 4))
				send_one(guest);
			packet = guest->dev->ops->poll(guest->dev);
			if (!packet)
				sched_yield();
			else if (stress_chance(&guest->random, 8))
				guest->dev->ops->unpoll(guest->dev, packet);
			else
				packet_put(packet);
		}
		guest->dev->ops->close(guest->dev);
	}
}

/* ---- the NIC ----------------------------------------------------------------------------- */

static struct netdev nic = {.name = "nic0", .location = "pci:00:04.0", .mtu = 1500};
static struct spinlock ring_lock; /* guards the ring */
static struct packet *ring[WIRE];
static unsigned ring_count;
static bool ring_full;

static int nic_transmit(struct netdev *dev, struct packet *packet)
{
	int err = 0;

	(void)dev;
	if (!nic.link_up)
		return -ENETDOWN;
	spin_lock(&ring_lock);
	if (ring_count < WIRE)
		ring[ring_count++] = packet;
	else
		err = -EAGAIN;
	ring_full |= err != 0;
	spin_unlock(&ring_lock);
	return err;
}

static void nic_commit(struct netdev *dev)
{
	(void)dev;
}

static const struct netdev_ops nic_ops = {.transmit = nic_transmit, .commit = nic_commit};

static void reclaim(void)
{
	struct packet *gone[WIRE];
	unsigned count;
	bool full;

	spin_lock(&ring_lock);
	count = ring_count;
	memcpy(gone, ring, sizeof gone);
	full = ring_full;
	ring_count = 0;
	ring_full = false;
	spin_unlock(&ring_lock);
	for (unsigned i = 0; i < count; i++)
		packet_put(gone[i]);
	if (full)
		netdev_ready(&nic);
}

static void from_wire(struct packet_pool *pool, uint64_t *random)
{
	const uint8_t outside[6] = {0xfc, 0, 0, 0, 0, (uint8_t)stress_random(random)};
	unsigned to = (unsigned)(stress_random(random) % (GUESTS + 1));
	struct packet *packet = make(pool, 0, to < GUESTS ? to : NOBODY, 1);
	const struct mark none = {.to = NOBODY};
	struct mark mark;
	struct list list;

	if (!packet)
		return;
	packet_read(packet, MARK_AT, &mark, sizeof mark);
	mark.to = none.to;
	mark.check = check_of(&mark);
	packet_write(packet, MARK_AT, &mark, sizeof mark);
	packet_write(packet, 6, outside, sizeof outside);
	list_init(&list);
	list_push_back(&list, &packet->link);
	netdev_receive(&nic, &list);
}

static void run_nic(void *arg)
{
	struct packet_pool *pool = packet_pool_create(64, 64, NULL);
	uint64_t random = seed ^ 0xabcdef;

	(void)arg;
	wait_for_all();
	while (!over) {
		reclaim();
		from_wire(pool, &random);
		if (stress_chance(&random, 256))
			netdev_set_link(&nic, !nic.link_up, 1000);
		sched_yield();
	}
	reclaim();
	packet_pool_destroy(pool);
}

/* ---- the operator ------------------------------------------------------------------------ */

static uint64_t drops[GUESTS];

static void see_port(void *arg, const struct network_port_info *info)
{
	unsigned id = (unsigned)(info->name[1] - '0');

	(void)arg;
	demand(info->queued <= 257 && id < GUESTS);
	drops[id] = 0;
	for (unsigned i = NETWORK_DROP_NOT_LISTENING; i < NETWORK_DROPS; i++)
		drops[id] += info->drops[i];
}

static void see_network(void *arg, const struct network_info *info)
{
	(void)arg;
	demand(info->stations <= 1024);
}

static void see_station(void *arg, const struct network_station_info *info)
{
	(void)arg, (void)info;
}

static const struct network_visitor visitor = {see_network, see_port, see_station, NULL};

static void watch(void *arg)
{
	(void)arg;
	while (!over) {
		network_visit(&visitor);
		thread_sleep_ns(NSEC_PER_MSEC * 50);
	}
}

/* ---- all together ------------------------------------------------------------------------ */

static void begin(struct guest *guest, unsigned id)
{
	guest->id = id;
	guest->random = seed * (2 * id + 1);
	guest->pool = packet_pool_create(POOL, PAGES, NULL);
	packet_pool_on_free(guest->pool, ready, guest);
}

/* Everything of this pool has come back. */
static void end(struct guest *guest)
{
	struct packet *all[POOL];

	for (unsigned i = 0; i < POOL; i++)
		assert_non_null(all[i] = packet_alloc(guest->pool, 1));
	for (unsigned i = 0; i < POOL; i++)
		packet_put(all[i]);
	packet_pool_destroy(guest->pool);
}

static void drain(struct guest *guest)
{
	struct packet *packet;

	while ((packet = guest->dev->ops->poll(guest->dev))) {
		look_at(guest, packet);
		packet_put(packet);
	}
}

static void test_all_at_once(void **state)
{
	const struct network_config lan = {.name = "lan", .uplink = "nic0"};
	struct thread *wire, *operator, * coming;

	(void)state;
	nic.ops = &nic_ops;
	nic.link_up = true;
	netdev_register(&nic);
	switch_init();
	assert_int_equal(network_create(&lan, why), 0);
	for (unsigned i = 0; i < GUESTS; i++)
		begin(&guests[i], i);
	for (unsigned i = 0; i < GUESTS - 1; i++) {
		plug_in(&guests[i]);
		guests[i].dev->ops->listen(guests[i].dev, true, accepts[i]);
	}
	operator= stress_thread("operator", watch, NULL);
	for (unsigned i = 0; i < GUESTS - 1; i++)
		guests[i].receiver = stress_thread("receiver", receive, &guests[i]);
	wire = stress_thread("nic", run_nic, NULL);
	for (unsigned i = 0; i < GUESTS - 1; i++)
		guests[i].sender = stress_thread("sender", send_frames, &guests[i]);
	all_are_there = true;
	coming = stress_thread("coming", live, &guests[GUESTS - 1]);
	thread_join(coming);
	for (unsigned i = 0; i < GUESTS - 1; i++)
		thread_join(guests[i].sender);
	over = true;
	thread_join(wire);
	thread_join(operator);
	for (unsigned i = 0; i < GUESTS - 1; i++) {
		guests[i].over = true;
		thread_wake(guests[i].receiver);
		thread_join(guests[i].receiver);
		drain(&guests[i]);
	}
	network_visit(&visitor);
	for (unsigned i = 0; i < GUESTS - 1; i++) {
		assert_true(guests[i].got > 100);
		assert_true(guests[i].got <= guests[i].sent_to_me);
		assert_true(guests[i].got + drops[i] >= guests[i].sent_to_me);
		guests[i].dev->ops->close(guests[i].dev);
	}
	for (unsigned i = 0; i < GUESTS; i++)
		end(&guests[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_at_once)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}
