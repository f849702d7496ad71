/* What NICs' drivers have in common, with a device that the test plays: its thread runs until
 * it would sleep, and what happens then is a list of steps. */
/* links: drivers/net/nic.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/net/nic.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define RING 4

static struct nic nic;

/* ---- the world around -------------------------------------------------------------------- */

static uint64_t now_ns;
static struct timer *armed;
static struct thread_params thread;
static bool woken;
static void (*const *steps)(void); /* what happens each time the thread sleeps */
static unsigned wakes, warnings, errors, registered, readies, received_count, put_count;

uint64_t clock_now_ns(void)
{
	return now_ns;
}

void timer_init(struct timer *timer, void (*fn)(struct timer *))
{
	timer->fn = fn;
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	armed = timer;
}

void timer_cancel(struct timer *timer)
{
	(void)timer;
	armed = NULL;
}

bool timer_armed(const struct timer *timer)
{
	return armed == timer;
}

struct thread *thread_create(const struct thread_params *params)
{
	thread = *params;
	return (struct thread *)&thread;
}

void thread_wake(struct thread *t)
{
	assert_ptr_equal(t, &thread);
	wakes++;
	woken = true;
}

void thread_block(void)
{
	if (!woken)
		(*steps++)();
	woken = false;
}

void thread_yield(void)
{
}

void thread_join(struct thread *t)
{
	(void)t;
	thread.fn(thread.arg);
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)area;
	(void)fmt;
	warnings += level == LOG_WARN;
	errors += level == LOG_ERROR;
}

void netdev_register(struct netdev *dev)
{
	(void)dev;
	registered++;
}

void netdev_receive(struct netdev *dev, struct list *packets)
{
	(void)dev;
	list_for_each_safe(packet, packets, struct packet, link)
	{
		list_remove(&packet->link);
		received_count++;
	}
}

void netdev_ready(struct netdev *dev)
{
	(void)dev;
	readies++;
}

void netdev_set_link(struct netdev *dev, bool up, uint32_t mbit)
{
	(void)mbit;
	dev->link_up = up;
}

/* ---- the device -------------------------------------------------------------------------- */

static struct packet *ring[RING];
static unsigned sent, starts, filters, kicks, arriving;
static int start_error, connect_error;
static struct packet arrived;

static int start(struct nic *n)
{
	assert_false(n->up);
	starts++;
	return start_error;
}

static int connect(struct nic *n)
{
	(void)n;
	return connect_error;
}

static bool poll(struct nic *n, struct list *received)
{
	(void)n;
	if (!arriving)
		return false;
	list_push_back(received, &arrived.link);
	return --arriving;
}

static bool unmask(struct nic *n)
{
	(void)n;
	return false;
}

static int send(struct nic *n, struct packet *packet)
{
	if (n->pending == RING)
		return -EAGAIN;
	ring[n->pending++] = packet;
	return 0;
}

static void kick(struct nic *n)
{
	(void)n;
	kicks++;
}

static void reclaim(struct nic *n, bool all)
{
	unsigned done = all ? n->pending : sent;

	put_count += done;
	n->pending -= done;
	sent = 0;
}

static void set_filter(struct nic *n)
{
	assert_true(n->up);
	filters++;
}

static const struct nic_ops ops = {.start = start,
				   .connect = connect,
				   .poll = poll,
				   .unmask = unmask,
				   .send = send,
				   .kick = kick,
				   .reclaim = reclaim,
				   .set_filter = set_filter};

/* ---- steps ------------------------------------------------------------------------------- */

static struct packet packets[16];
static unsigned next;

static int transmit(void)
{
	packets[next].bytes = 100;
	return nic.dev.ops->transmit(&nic.dev, &packets[next++ % 16]);
}

static void send_one(void)
{
	assert_int_equal(transmit(), 0);
	nic.dev.ops->commit(&nic.dev);
	assert_non_null(armed);
}

static void fire(void)
{
	unsigned before = wakes;

	assert_non_null(armed);
	now_ns = armed->deadline_ns;
	nic.watchdog.fn((armed = NULL, &nic.watchdog));
	assert_int_equal(wakes, before + 1);
}

static void end(void)
{
	nic.dev.gone = true;
}

static void unplug(void)
{
	netdev_set_link(&nic.dev, false, 0);
}

static void plug(void)
{
	netdev_set_link(&nic.dev, true, 1000);
}

static void finish_all(void)
{
	sent = nic.pending;
}

static int set_up(void **state)
{
	(void)state;
	memset(&nic, 0, sizeof(nic));
	nic.ops = &ops;
	nic.dev.mtu = 1500;
	wakes = warnings = errors = registered = readies = received_count = put_count = 0;
	sent = starts = filters = kicks = arriving = next = 0;
	start_error = connect_error = 0;
	armed = NULL;
	woken = false;
	now_ns = 1000;
	assert_int_equal(nic_create(&nic), 0);
	assert_int_equal(registered, 1);
	assert_int_equal(starts, 1);
	assert_int_equal(filters, 1);
	netdev_set_link(&nic.dev, true, 1000);
	return 0;
}

static void run(void (*const *list)(void))
{
	steps = list;
	thread.fn(thread.arg);
}

static void test_sends(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RING; i++)
		assert_int_equal(transmit(), 0);
	assert_int_equal(kicks, 0);
	assert_int_equal(transmit(), -EAGAIN);
	nic.dev.ops->commit(&nic.dev);
	nic.dev.ops->commit(&nic.dev);
	assert_int_equal(kicks, 1);
	sent = 2;
	assert_int_equal(transmit(), 0); /* room is looked for at once */
	assert_int_equal(transmit(), 0);
	assert_int_equal(transmit(), -EAGAIN);
	sent = 1;
	run((void (*const[])(void)){end});
	assert_int_equal(readies, 1);
	assert_int_equal(put_count, 3);
}

static void test_refuses(void **state)
{
	struct packet packet = {.bytes = 13};

	(void)state;
	assert_int_equal(nic.dev.ops->transmit(&nic.dev, &packet), -EMSGSIZE);
	packet.bytes = 1518;
	assert_int_equal(nic.dev.ops->transmit(&nic.dev, &packet), 0);
	packet.bytes = 1519;
	assert_int_equal(nic.dev.ops->transmit(&nic.dev, &packet), -EMSGSIZE);
	packet.gso = PACKET_GSO_TCP4;
	assert_int_equal(nic.dev.ops->transmit(&nic.dev, &packet), 0);
	unplug();
	assert_int_equal(nic.dev.ops->transmit(&nic.dev, &packet), -ENETDOWN);
}

static void test_receives(void **state)
{
	(void)state;
	arriving = 3;
	run((void (*const[])(void)){end});
	assert_int_equal(received_count, 3);
}

/* What does not move for long is reset; what was in the ring is lost, and it goes on. */
static void test_hang(void **state)
{
	(void)state;
	run((void (*const[])(void)){send_one, fire, send_one, finish_all, fire, end});
	assert_int_equal(starts, 2);
	assert_int_equal(filters, 2);
	assert_int_equal(warnings, 1);
	assert_int_equal(put_count, 2);
	assert_int_equal(nic.dev.counters.resets, 1);
	assert_int_equal(nic.dev.counters.tx_dropped, 1);
	assert_int_equal(readies, 1); /* who waited tries again */
}

/* One that never gets on is given up, with few words. */
static void test_hopeless(void **state)
{
	(void)state;
	run((void (*const[])(void)){send_one, fire, send_one, fire, send_one, fire, send_one,
				    fire, send_one, fire, send_one, fire});
	assert_true(nic.dev.gone);
	assert_int_equal(nic.dev.counters.resets, 6);
	assert_int_equal(warnings, 1);
	assert_int_equal(errors, 1);
	assert_int_equal(put_count, 6); /* nobody waits for its packets for ever */
	assert_int_equal(transmit(), -ENETDOWN);
	assert_null(armed);
}

/* Without a link, packets are not kept, and nothing is said about it. */
static void test_link(void **state)
{
	(void)state;
	run((void (*const[])(void)){send_one, unplug,	  fire,	    plug,   send_one, unplug,
				    fire,     plug,	  send_one, unplug, fire,     plug,
				    send_one, unplug,	  fire,	    plug,   send_one, unplug,
				    fire,     plug,	  send_one, unplug, fire,     plug,
				    send_one, finish_all, fire,	    end});
	assert_int_equal(put_count, 7);
	assert_int_equal(warnings, 0);
	assert_int_equal(nic.dev.counters.tx_dropped, 6);
}

static void break_down(void)
{
	nic_fail(&nic, "for the test");
}

/* What is wrong with the device is, without a link, too. */
static void test_trouble_without_link(void **state)
{
	(void)state;
	run((void (*const[])(void)){unplug, break_down, break_down, break_down, break_down,
				    break_down, break_down});
	assert_true(nic.dev.gone);
	assert_int_equal(nic.dev.counters.resets, 6);
	assert_int_equal(warnings, 1);
	assert_int_equal(errors, 1);
}

static void fail_then_vanish(void)
{
	start_error = -ENODEV;
	break_down();
}

static void test_gone(void **state)
{
	(void)state;
	run((void (*const[])(void)){send_one, fail_then_vanish});
	assert_true(nic.dev.gone);
	assert_false(nic.dev.link_up);
	assert_int_equal(starts, 2);
	assert_int_equal(put_count, 1);
}

static void test_create_fails(void **state)
{
	struct nic bad = {.ops = &ops};

	(void)state;
	start_error = -EIO;
	assert_int_equal(nic_create(&bad), -EIO); /* its thread has ended */
	start_error = 0;
	connect_error = -ENOSPC;
	bad = (struct nic){.ops = &ops};
	assert_int_equal(nic_create(&bad), -ENOSPC);
	assert_int_equal(registered, 1);
}

static void test_promiscuous(void **state)
{
	(void)state;
	assert_int_equal(nic.dev.ops->set_promiscuous(&nic.dev, true), 0);
	assert_true(nic.promiscuous);
	assert_int_equal(filters, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sends, set_up),
		cmocka_unit_test_setup(test_refuses, set_up),
		cmocka_unit_test_setup(test_receives, set_up),
		cmocka_unit_test_setup(test_hang, set_up),
		cmocka_unit_test_setup(test_hopeless, set_up),
		cmocka_unit_test_setup(test_link, set_up),
		cmocka_unit_test_setup(test_trouble_without_link, set_up),
		cmocka_unit_test_setup(test_gone, set_up),
		cmocka_unit_test_setup(test_create_fails, set_up),
		cmocka_unit_test_setup(test_promiscuous, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
