/*
 * See watchdog.h. One timer of ours, armed only while the guest lets the counter run; it is
 * moved with each reload, which the guest pays for. Time is the machine's: a guest that has no
 * CPU for so long is late, too.
 */
#include "guests/devices/watchdog.h"

#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/board.h"

#define PERIOD_NS (WATCHDOG_PERIOD_MS * NSEC_PER_MSEC)
#define PORTS	  (WATCHDOG_STATUS_PORT + WATCHDOG_PORT_BYTES - WATCHDOG_CONTROL_PORT)

struct watchdog {
	const struct board *board;

	struct spinlock lock; /* guards all below; taken in interrupt context */
	bool running, fired;
	uint32_t count;	      /* periods */
	uint64_t deadline_ns; /* while it runs */
	uint64_t reloads;
	struct timer timer;
};

/* The timer may have been on its way when the guest reloaded or stopped the counter. */
static void expire(struct timer *timer)
{
	struct watchdog *watchdog = container_of(timer, struct watchdog, timer);
	bool expired;
	uint32_t count;

	spin_lock(&watchdog->lock);
	expired = watchdog->running && clock_now_ns() >= watchdog->deadline_ns;
	count = watchdog->count;
	spin_unlock(&watchdog->lock);
	if (expired)
		vm_stop(watchdog->board->vm, VM_STOP_WATCHDOG, 0,
			"the guest did not serve its watchdog for %u.%u s",
			count * WATCHDOG_PERIOD_MS / 1000,
			count * WATCHDOG_PERIOD_MS % 1000 / 100);
}

static void reload(struct watchdog *watchdog)
{
	if (!watchdog->running)
		return;
	watchdog->reloads++;
	watchdog->deadline_ns = clock_now_ns() + watchdog->count * PERIOD_NS;
	timer_arm(&watchdog->timer, watchdog->deadline_ns);
}

/* A timer that is left armed finds that nothing runs. */
static void write_register(struct watchdog *watchdog, uint64_t port, uint32_t value)
{
	switch (port) {
	case WATCHDOG_CONTROL_PORT:
		watchdog->running = value & WATCHDOG_CONTROL_RUN;
		reload(watchdog);
		break;
	case WATCHDOG_COUNT_PORT:
		if (value < 1 || value > WATCHDOG_COUNT_MAX)
			break;
		watchdog->count = value;
		reload(watchdog);
		break;
	case WATCHDOG_RELOAD_PORT: reload(watchdog); break;
	case WATCHDOG_STATUS_PORT:
		if (value & WATCHDOG_STATUS_FIRED)
			watchdog->fired = false;
		break;
	default: break;
	}
}

static uint32_t remaining(const struct watchdog *watchdog)
{
	uint64_t now = clock_now_ns();

	if (!watchdog->running)
		return watchdog->count;
	if (now >= watchdog->deadline_ns)
		return 0;
	return (uint32_t)((watchdog->deadline_ns - now + PERIOD_NS - 1) / PERIOD_NS);
}

static uint32_t read_register(const struct watchdog *watchdog, uint64_t port)
{
	switch (port) {
	case WATCHDOG_CONTROL_PORT: return watchdog->running ? WATCHDOG_CONTROL_RUN : 0;
	case WATCHDOG_COUNT_PORT: return watchdog->count;
	case WATCHDOG_REMAINING_PORT: return remaining(watchdog);
	case WATCHDOG_STATUS_PORT: return watchdog->fired ? WATCHDOG_STATUS_FIRED : 0;
	default: return 0;
	}
}

static void port_access(void *device, struct bus_access *access)
{
	struct watchdog *watchdog = device;
	bool whole = access->bytes == WATCHDOG_PORT_BYTES &&
		     access->offset % WATCHDOG_PORT_BYTES == 0;
	uint64_t flags;

	if (!whole) {
		if (!access->write)
			access->value = ~0ull;
		return;
	}
	flags = spin_lock_irqsave(&watchdog->lock);
	if (access->write)
		write_register(watchdog, access->addr, (uint32_t)access->value);
	else
		access->value = read_register(watchdog, access->addr);
	spin_unlock_irqrestore(&watchdog->lock, flags);
}

struct watchdog *watchdog_create(const struct board *board, bool fired)
{
	struct watchdog *watchdog = heap_zalloc(sizeof(*watchdog), board->account);

	if (!watchdog)
		return NULL;
	watchdog->board = board;
	spin_lock_init(&watchdog->lock, "watchdog");
	watchdog->fired = fired;
	watchdog->count = WATCHDOG_COUNT_RESET;
	timer_init(&watchdog->timer, expire);
	if (bus_add(board->pio, WATCHDOG_CONTROL_PORT, PORTS, port_access, watchdog,
		    "watchdog")) {
		heap_free(watchdog);
		return NULL;
	}
	return watchdog;
}

void watchdog_destroy(struct watchdog *watchdog)
{
	if (!watchdog)
		return;
	timer_cancel(&watchdog->timer);
	heap_free(watchdog);
}

void watchdog_get_info(struct watchdog *watchdog, struct watchdog_info *info)
{
	uint64_t flags = spin_lock_irqsave(&watchdog->lock);

	*info = (struct watchdog_info){
		.running = watchdog->running,
		.timeout_ns = watchdog->count * PERIOD_NS,
		.reloads = watchdog->reloads,
	};
	spin_unlock_irqrestore(&watchdog->lock, flags);
}
