/*
 * A guest's 8254 interval timer (Intel 8254 data sheet) and port 0x61, through which a PC gates
 * channel 2. Counts are computed from the clock when somebody looks; only channel 0, whose
 * output is IRQ 0, has a timer behind it.
 *
 * Simplified: a count written in modes 2 and 3 takes effect at once, not at the period's end.
 *
 * Late ticks: when the guest's CPU or ours was busy, periodic ticks are caught up with at twice
 * the rate, up to BACKLOG_MAX of them; older ones are lost. (Linux with a paravirtual clock
 * does not count them; older systems do.)
 */
#include "kernel/vmm/vpit.h"

#include "kernel/cpu/clock.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/board.h"

#define PIT_HZ	       1193182ull
#define PORT_CHANNEL0  0x40
#define PORT_GATE      0x61
#define OFFSET_CONTROL 3
#define IRQ	       0

/* Shorter periods interrupt only every few periods: a hostile guest must not keep a CPU busy
 * with timers. */
#define PERIOD_MIN_NS (20 * NSEC_PER_USEC)
#define BACKLOG_MAX   8

/* Port 0x61 */
#define GATE_CHANNEL2 BIT(0)
#define GATE_WRITABLE 0x0fu
#define GATE_REFRESH  BIT(4)
#define GATE_OUT2     BIT(5)
#define REFRESH_NS    15085ull

enum access { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

struct channel {
	uint8_t mode; /* 0-5 */
	enum access access;
	bool bcd, gate;
	bool loaded;	 /* a count was written since the control word */
	bool triggered;	 /* modes 1 and 5: the gate rose since the count was written */
	bool running;	 /* counting since start_ns; else it stands at `stopped_at` */
	bool write_high; /* next write is the high byte; `low` holds the other */
	bool read_high;	 /* next read is the high byte */
	uint8_t low;
	uint8_t latched; /* bytes of latched_count yet to be read */
	bool status_latched;
	uint8_t status;
	uint16_t latched_count;
	uint32_t count; /* 1 to 65536, or 10000 in BCD */
	uint64_t start_ns;
	uint64_t stopped_at; /* ticks */
};

struct vpit {
	const struct board *board;
	struct spinlock lock; /* guards all below; vm->irq_lock nests in it */
	struct channel channels[3];
	uint8_t gate_port; /* port 0x61's writable bits */
	struct timer timer;
	uint64_t tick;	  /* channel 0: number of its next interrupt, 0: none to come */
	uint64_t tick_ns; /* when that is to be */
};

static uint64_t ticks_of(uint64_t ns)
{
	return ns / NSEC_PER_SEC * PIT_HZ + ns % NSEC_PER_SEC * PIT_HZ / NSEC_PER_SEC;
}

/* Rounded up: at that time the tick has come. */
static uint64_t ns_of(uint64_t ticks)
{
	return ticks / PIT_HZ * NSEC_PER_SEC +
	       (ticks % PIT_HZ * NSEC_PER_SEC + PIT_HZ - 1) / PIT_HZ;
}

static bool is_periodic(const struct channel *ch)
{
	return ch->mode == 2 || ch->mode == 3;
}

/* Modes 1 and 5 begin with a rising edge of the gate; the others count while it is high. */
static bool starts_by_gate(const struct channel *ch)
{
	return ch->mode == 1 || ch->mode == 5;
}

/* Ticks since the count was loaded. */
static uint64_t elapsed(const struct channel *ch)
{
	int64_t ns = clock_now_ns() - ch->start_ns;

	if (!ch->running)
		return ch->stopped_at;
	return ticks_of(ns > 0 ? ns : 0);
}

static void stop(struct channel *ch)
{
	ch->stopped_at = elapsed(ch);
	ch->running = false;
}

static void run_from(struct channel *ch, uint64_t ticks)
{
	ch->start_ns = clock_now_ns() - ns_of(ticks);
	ch->running = true;
}

static bool output(const struct channel *ch)
{
	uint64_t t = elapsed(ch);

	if (!ch->loaded)
		return ch->mode != 0;
	switch (ch->mode) {
	case 0: return t >= ch->count;
	case 1: return !ch->triggered || t >= ch->count;
	case 2: return !ch->gate || t % ch->count != ch->count - 1;
	case 3: return !ch->gate || t % ch->count < (ch->count + 1) / 2;
	case 4: return t != ch->count;
	default: return !ch->triggered || t != ch->count;
	}
}

static unsigned to_bcd(unsigned n)
{
	return n % 10 | n / 10 % 10 << 4 | n / 100 % 10 << 8 | n / 1000 % 10 << 12;
}

static unsigned from_bcd(unsigned n)
{
	return (n & 15) + (n >> 4 & 15) * 10 + (n >> 8 & 15) * 100 + (n >> 12) * 1000;
}

/* The counting element as a read shows it. Modes that end go on counting below zero. */
static uint16_t counter(const struct channel *ch)
{
	uint64_t t = elapsed(ch), modulus = ch->bcd ? 10000 : 65536;
	uint64_t value;

	if (!ch->loaded)
		return 0;
	if (ch->mode == 3)
		value = ch->count - 2 * t % ch->count;
	else if (ch->mode == 2)
		value = ch->count - t % ch->count;
	else
		value = (ch->count + modulus - t % modulus) % modulus;
	return ch->bcd ? to_bcd(value) : value;
}

/* Channel 0: arms the timer for interrupt number `tick`, no sooner than `earliest`. Periodic
 * ones come at multiples of the period; the single one when the count ends, or in mode 4 when
 * the strobe does. */
static void arm_tick(struct vpit *pit, uint64_t earliest)
{
	struct channel *ch = &pit->channels[0];
	uint64_t ticks = is_periodic(ch) ? pit->tick * ch->count : ch->count + (ch->mode == 4);

	pit->tick_ns = MAX(ch->start_ns + ns_of(ticks), earliest);
	timer_arm(&pit->timer, pit->tick_ns);
}

/* Number of the tick after this one: one further, or as many as make up PERIOD_MIN_NS. */
static uint64_t stride(const struct channel *ch)
{
	uint64_t period = ns_of(ch->count);

	return period >= PERIOD_MIN_NS ? 1 : (PERIOD_MIN_NS + period - 1) / period;
}

/* A count begins on channel 0. */
static void start_ticks(struct vpit *pit)
{
	struct channel *ch = &pit->channels[0];

	pit->tick = 0;
	if (!ch->running || starts_by_gate(ch))
		return;
	pit->tick = is_periodic(ch) ? stride(ch) : 1;
	arm_tick(pit, 0);
}

static void next_tick(struct vpit *pit)
{
	struct channel *ch = &pit->channels[0];
	uint64_t step = stride(ch), now_tick = elapsed(ch) / ch->count;
	uint64_t spacing = ns_of(ch->count * step / 2);

	if (!is_periodic(ch) || atomic_load(pit->board->stopping)) {
		pit->tick = 0;
		return;
	}
	pit->tick += step;
	if (pit->tick + BACKLOG_MAX * step < now_tick)
		pit->tick = now_tick - BACKLOG_MAX * step;
	arm_tick(pit, clock_now_ns() + spacing);
}

/* Interrupt context. Nobody cancels this timer while the guest runs: a tick that was called
 * off, or moved, is seen here. */
static void expired(struct timer *timer)
{
	struct vpit *pit = container_of(timer, struct vpit, timer);
	uint64_t flags = spin_lock_irqsave(&pit->lock);

	if (pit->tick && clock_now_ns() < pit->tick_ns) {
		timer_arm(timer, pit->tick_ns);
	} else if (pit->tick) {
		irqchip_lower(&pit->board->irqs, IRQ);
		irqchip_raise(&pit->board->irqs, IRQ);
		next_tick(pit);
	}
	spin_unlock_irqrestore(&pit->lock, flags);
}

/* All bytes of a count are there: it counts from now, or from the gate's next rise. */
static void load(struct vpit *pit, struct channel *ch, unsigned value)
{
	unsigned count = ch->bcd ? from_bcd(value) : value;

	ch->count = count ? count : ch->bcd ? 10000 : 65536;
	ch->loaded = true;
	ch->triggered = false;
	ch->running = false;
	ch->stopped_at = 0;
	if (ch->gate && !starts_by_gate(ch))
		run_from(ch, 0);
	if (ch == &pit->channels[0])
		start_ticks(pit);
}

static void write_count(struct vpit *pit, struct channel *ch, uint8_t value)
{
	switch (ch->access) {
	case ACCESS_LOW: load(pit, ch, value); break;
	case ACCESS_HIGH: load(pit, ch, value << 8); break;
	default:
		if (ch->write_high)
			load(pit, ch, value << 8 | ch->low);
		else
			ch->low = value;
		ch->write_high = !ch->write_high;
	}
}

static void latch_count(struct channel *ch)
{
	if (ch->latched)
		return;
	ch->latched_count = counter(ch);
	ch->latched = ch->access == ACCESS_BOTH ? 2 : 1;
	ch->read_high = ch->access == ACCESS_HIGH;
}

static void latch_status(struct channel *ch)
{
	if (ch->status_latched)
		return;
	ch->status_latched = true;
	ch->status =
		output(ch) << 7 | !ch->loaded << 6 | ch->access << 4 | ch->mode << 1 | ch->bcd;
}

/* Status before count; a latched count before the counter itself. */
static uint8_t read_count(struct channel *ch)
{
	uint16_t value = ch->latched ? ch->latched_count : counter(ch);
	bool high = ch->access == ACCESS_HIGH || (ch->access == ACCESS_BOTH && ch->read_high);

	if (ch->status_latched) {
		ch->status_latched = false;
		return ch->status;
	}
	if (ch->latched)
		ch->latched--;
	if (ch->access == ACCESS_BOTH)
		ch->read_high = !ch->read_high;
	return high ? value >> 8 : value;
}

static void read_back(struct vpit *pit, uint8_t command)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!(command & BIT(i + 1)))
			continue;
		if (!(command & BIT(5)))
			latch_count(&pit->channels[i]);
		if (!(command & BIT(4)))
			latch_status(&pit->channels[i]);
	}
}

static void write_control(struct vpit *pit, uint8_t value)
{
	static const uint8_t modes[8] = {0, 1, 2, 3, 4, 5, 2, 3};
	struct channel *ch = &pit->channels[value >> 6 & 3];
	enum access access = value >> 4 & 3;

	if (value >> 6 == 3) {
		read_back(pit, value);
		return;
	}
	if (access == ACCESS_LATCH) {
		latch_count(ch);
		return;
	}
	*ch = (struct channel){
		.mode = modes[value >> 1 & 7],
		.access = access,
		.bcd = value & 1,
		.gate = ch->gate,
	};
	if (ch == &pit->channels[0]) {
		pit->tick = 0;
		irqchip_lower(&pit->board->irqs, IRQ);
	}
}

static void channel_io(void *device, struct bus_access *access)
{
	struct vpit *pit = device;
	uint64_t flags;

	if (access->bytes != 1) {
		bus_bytewise(channel_io, device, access);
		return;
	}
	flags = spin_lock_irqsave(&pit->lock);
	if (access->offset == OFFSET_CONTROL && access->write)
		write_control(pit, access->value);
	else if (access->offset == OFFSET_CONTROL)
		access->value = 0xff; /* it cannot be read */
	else if (access->write)
		write_count(pit, &pit->channels[access->offset], access->value);
	else
		access->value = read_count(&pit->channels[access->offset]);
	spin_unlock_irqrestore(&pit->lock, flags);
}

/* Channel 2's gate. Its rise starts modes 1 and 5 and restarts 2 and 3; low holds the rest. */
static void set_gate(struct channel *ch, bool gate)
{
	bool rises = gate && !ch->gate, falls = !gate && ch->gate;

	if (ch->loaded && rises) {
		ch->triggered = true;
		run_from(ch, ch->mode == 0 || ch->mode == 4 ? ch->stopped_at : 0);
	} else if (ch->loaded && falls && !starts_by_gate(ch)) {
		stop(ch);
	}
	ch->gate = gate;
}

static void gate_io(void *device, struct bus_access *access)
{
	struct vpit *pit = device;
	uint64_t flags = spin_lock_irqsave(&pit->lock);

	if (access->write) {
		pit->gate_port = access->value & GATE_WRITABLE;
		set_gate(&pit->channels[2], access->value & GATE_CHANNEL2);
	} else {
		access->value = pit->gate_port;
		if (clock_now_ns() / REFRESH_NS & 1)
			access->value |= GATE_REFRESH;
		if (output(&pit->channels[2]))
			access->value |= GATE_OUT2;
	}
	spin_unlock_irqrestore(&pit->lock, flags);
}

struct vpit *vpit_create(const struct board *board)
{
	struct vpit *pit = heap_zalloc(sizeof(*pit), board->account);

	if (!pit)
		return NULL;
	pit->board = board;
	spin_lock_init(&pit->lock, "PIT");
	timer_init(&pit->timer, expired);
	for (unsigned i = 0; i < 3; i++)
		pit->channels[i] = (struct channel){.access = ACCESS_BOTH, .gate = i < 2};
	if (bus_add(board->pio, PORT_CHANNEL0, 4, channel_io, pit, "pit") ||
	    bus_add(board->pio, PORT_GATE, 1, gate_io, pit, "speaker gate")) {
		heap_free(pit);
		return NULL;
	}
	return pit;
}

void vpit_destroy(struct vpit *pit)
{
	if (!pit)
		return;
	timer_cancel(&pit->timer);
	heap_free(pit);
}
