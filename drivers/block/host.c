/* The thread of each disk controller that deals with what does not answer or reports a fault,
 * its line in the log, and the end of all controllers. */
#include <errno.h>
#include <stdio.h>

#include "drivers/block/bounce.h"
#include "drivers/block/queue.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/plural.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define QUIET_NS	  (60 * NSEC_PER_SEC) /* between two lines about one host */
#define SHUTDOWN_LIMIT_NS (2 * NSEC_PER_SEC)  /* for what is under way when power goes off */
#define SHUTDOWN_LOOK_NS  NSEC_PER_MSEC
#define TEXT_BYTES	  256

static struct spinlock hosts_lock =
	SPINLOCK("block hosts"); /* guards the list's growth; hosts stay on it */
static struct list hosts = {&hosts, &hosts};

void block_host_log(struct block_host *h, const char *who, const char *fmt, ...)
{
	uint64_t now_ns = clock_now_ns(), until_ns = h->quiet_until_ns;
	char text[TEXT_BYTES];
	uint32_t unlogged;
	va_list args;

	if (now_ns < until_ns ||
	    !atomic_compare_exchange_strong(&h->quiet_until_ns, &until_ns, now_ns + QUIET_NS)) {
		h->unlogged++;
		return;
	}
	unlogged = atomic_exchange(&h->unlogged, 0);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (unlogged)
		log_warn(who, "%s (and %u trouble%s before it)", text, unlogged,
			 plural(unlogged));
	else
		log_warn(who, "%s", text);
}

void block_host_fault(struct block_host *h, const char *why)
{
	h->fault = why;
	thread_wake(h->thread);
}

static void give_up(struct block_host *h, const char *why)
{
	h->lost = true;
	if (h->ops->lost)
		h->ops->lost(h);
	log_error(h->name,
		  "%s, and it can't be brought back: the disk is gone until the "
		  "machine is started again; look at its cable, power and health",
		  why);
}

static void recover(struct block_host *h, const char *why)
{
	unsigned requests = 0;
	int err;

	list_for_each(q, &h->queues, struct block_queue, link) block_queue_stop(q);
	err = h->ops->reset(h);
	h->fault = NULL; /* seen before, or because of it */
	if (err <= 0)
		h->counters->resets++;
	if (err == 0 && h->resets++ == BLOCK_RESETS_MAX)
		err = -ENODEV;
	if (err < 0)
		give_up(h, why);
	list_for_each(q, &h->queues, struct block_queue, link)
	{
		requests += block_queue_restart(q, err < 0 ? -ENODEV : 0);
	}
	if (err == 0)
		block_host_log(h, h->name, "%s: it was reset; requests to be tried again: %u",
			       why, requests);
}

/* Deals with one request that is late; whether the host must be reset for it. */
static bool look_after(struct block_host *h, struct block_queue *q)
{
	bool any = block_queue_interrupt(q), aborted;
	int tag = block_queue_overdue(q, &aborted);

	if (tag < 0) {
		if (any)
			block_host_log(h, h->name,
				       "a request was finished and no interrupt said so");
		return false;
	}
	if (aborted || !h->ops->abort || !h->ops->abort(q, (uint32_t)tag))
		return true;
	block_host_log(h, h->name, "no answer for %llu s: it was told to give a request up",
		       (unsigned long long)(h->timeout_ns / NSEC_PER_SEC));
	return false;
}

static void look_after_all(struct block_host *h)
{
	list_for_each(q, &h->queues, struct block_queue, link)
	{
		if (look_after(h, q)) {
			recover(h, "no answer in time");
			return;
		}
	}
}

static void run(void *arg)
{
	struct block_host *h = arg;

	for (;;) {
		const char *why = atomic_exchange(&h->fault, NULL);

		if (why && !h->lost)
			recover(h, why);
		else if (atomic_exchange(&h->overdue, false) && !h->lost)
			look_after_all(h);
		else
			thread_block();
	}
}

int block_host_init(struct block_host *h)
{
	const struct thread_params params = {
		.name = h->name, .fn = run, .arg = h, .weight = THREAD_WEIGHT_SERVICE};

	list_init(&h->queues);
	if (block_bounce_init())
		return -ENOMEM;
	h->thread = thread_create(&params);
	if (!h->thread)
		return -ENOMEM;
	spin_lock(&hosts_lock);
	list_push_back(&hosts, &h->link);
	spin_unlock(&hosts_lock);
	return 0;
}

static bool is_idle(const struct block_host *h)
{
	list_for_each(q, &h->queues, struct block_queue, link)
	{
		if (!block_queue_idle(q))
			return false;
	}
	return true;
}

/* What is not finished by then is lost, as with the power. */
static void shut_down(struct block_host *h)
{
	uint64_t until_ns = clock_now_ns() + SHUTDOWN_LIMIT_NS;

	list_for_each(q, &h->queues, struct block_queue, link) block_queue_stop(q);
	while (!is_idle(h) && clock_now_ns() < until_ns)
		thread_sleep_ns(SHUTDOWN_LOOK_NS);
	h->ops->shutdown(h);
}

void block_hosts_shutdown(void)
{
	list_for_each(h, &hosts, struct block_host, link)
	{
		if (!h->lost && h->ops->shutdown)
			shut_down(h);
	}
}
