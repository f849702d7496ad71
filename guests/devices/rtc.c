/*
 * The MC146818 (Motorola data sheet). The clock is computed when it is looked at, and so are
 * the flags of register C; a timer runs only while the guest waits for an interrupt that is not
 * pending already, so a guest that does not read register C costs nothing.
 */
#include "guests/devices/rtc.h"

#include "guests/devices/isa.h"
#include "guests/devices/rtc_time.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/board.h"

enum rtc_register {
	REG_A = 10,
	REG_B,
	REG_C,
	REG_D,
	REG_SHUTDOWN = 0x0f,
	/* Memory sizes, little-endian, where PC BIOSes keep them. */
	REG_BASE_KIB = 0x15,
	REG_EXTENDED_KIB = 0x17,
	REG_EXTENDED_KIB_POST = 0x30,
	REG_ABOVE_16M_64K = 0x34,
	REG_ABOVE_4G_64K = 0x5b,
};

enum rtc_bits {
	A_UIP = 0x80,
	A_DIVIDER = 0x70,
	A_DIVIDER_32K = 0x20,	/* the one that runs */
	A_DIVIDER_RESET = 0x60, /* and 0x70: held in reset */
	A_RATE = 0x0f,

	B_SET = 0x80,
	B_UIE = 0x10,

	IRQ_PERIODIC = 0x40, /* flags in C, enables in B */
	IRQ_ALARM = 0x20,
	IRQ_UPDATE = 0x10,
	IRQ_MASK = IRQ_PERIODIC | IRQ_ALARM | IRQ_UPDATE,
	C_IRQF = 0x80,

	D_VRT = 0x80, /* RAM and time are valid */

	INDEX_MASK = 0x7f, /* bit 7 of port 0x70 masks NMI on a PC; here it does nothing */
};

#define CMOS_BYTES    128
#define UIP_NS	      (244 * NSEC_PER_USEC) /* UIP leads the update by this */
#define RESET_LEAD_NS (NSEC_PER_SEC / 2)    /* first update after the divider's reset */
#define CRYSTAL_HZ    32768

/* Of the guest's clock, since 1970. Years go up to 9999, which nanoseconds in 64 bits do not:
 * they end in 2554, and as differences in 2262. */
struct moment {
	uint64_t second;
	uint32_t ns; /* into that second */
};

struct rtc {
	const struct board *board;

	struct spinlock lock; /* guards all below; taken in interrupt context */
	uint8_t index;
	uint8_t cmos[CMOS_BYTES]; /* time registers: valid only while the clock stands */
	/* Guest's time - clock_wall_ns(), in two parts; the second is less than a second. */
	int64_t offset_seconds;
	uint32_t offset_ns;
	struct moment seen; /* guest's time up to which the flags in C are right */
	bool line;
	struct timer timer;
};

static struct moment guest_now(const struct rtc *rtc)
{
	uint64_t wall = clock_wall_ns(), ns = wall % NSEC_PER_SEC + rtc->offset_ns;
	int64_t second =
		(int64_t)(wall / NSEC_PER_SEC + ns / NSEC_PER_SEC) + rtc->offset_seconds;

	if (second < 0)
		return (struct moment){0};
	return (struct moment){(uint64_t)second, (uint32_t)(ns % NSEC_PER_SEC)};
}

static bool running(const struct rtc *rtc)
{
	return !(rtc->cmos[REG_B] & B_SET) && (rtc->cmos[REG_A] & A_DIVIDER) == A_DIVIDER_32K;
}

/* Periodic rate as a power of two of crystal ticks; 0: none (data sheet table 5). */
static unsigned periodic_shift(const struct rtc *rtc)
{
	unsigned rate = rtc->cmos[REG_A] & A_RATE;

	if ((rtc->cmos[REG_A] & A_DIVIDER) != A_DIVIDER_32K || !rate)
		return 0;
	return rate <= 2 ? rate + 6 : rate - 1;
}

static uint64_t ticks_of(struct moment t)
{
	return t.second * CRYSTAL_HZ + (uint64_t)t.ns * CRYSTAL_HZ / NSEC_PER_SEC;
}

/* How long it is from `now` until the crystal has ticked so often; rounded up. */
static uint64_t ns_until_tick(uint64_t ticks, struct moment now)
{
	uint64_t phase_ns = (ticks % CRYSTAL_HZ * NSEC_PER_SEC + CRYSTAL_HZ - 1) / CRYSTAL_HZ;

	return (ticks / CRYSTAL_HZ - now.second) * NSEC_PER_SEC + phase_ns - now.ns;
}

static uint64_t ns_until_second(uint64_t second, struct moment now)
{
	return (second - now.second) * NSEC_PER_SEC - now.ns;
}

/* Sets the flags of everything that happened since the last look. */
static void catch_up(struct rtc *rtc, struct moment now)
{
	struct moment seen = rtc->seen;
	unsigned shift = periodic_shift(rtc);

	rtc->seen = now;
	/* The machine's clock may have been set back. */
	if (now.second < seen.second || (now.second == seen.second && now.ns < seen.ns))
		return;
	if (shift && ticks_of(now) >> shift != ticks_of(seen) >> shift)
		rtc->cmos[REG_C] |= IRQ_PERIODIC;
	if (!running(rtc) || now.second == seen.second)
		return;
	rtc->cmos[REG_C] |= IRQ_UPDATE;
	if (rtc_time_next_alarm(rtc->cmos, rtc->cmos[REG_B], seen.second) <= now.second)
		rtc->cmos[REG_C] |= IRQ_ALARM;
}

/* How long until the next interrupt that is enabled and not pending, ns; UINT64_MAX: never. */
static uint64_t next_due(const struct rtc *rtc, struct moment now)
{
	uint8_t waiting = rtc->cmos[REG_B] & ~rtc->cmos[REG_C];
	uint64_t due = UINT64_MAX, alarm;
	unsigned shift = periodic_shift(rtc);

	if (waiting & IRQ_PERIODIC && shift)
		due = ns_until_tick(((ticks_of(now) >> shift) + 1) << shift, now);
	if (!running(rtc))
		return due;
	if (waiting & IRQ_UPDATE)
		due = MIN(due, ns_until_second(now.second + 1, now));
	if (waiting & IRQ_ALARM) {
		alarm = rtc_time_next_alarm(rtc->cmos, rtc->cmos[REG_B], now.second);
		if (alarm != UINT64_MAX)
			due = MIN(due, ns_until_second(alarm, now));
	}
	return due;
}

/* Brings flags, interrupt line and timer up to date. A timer that is no longer needed is left
 * to fire once in vain. */
static void update(struct rtc *rtc)
{
	struct moment now = guest_now(rtc);
	uint64_t due;
	bool line;

	catch_up(rtc, now);
	line = rtc->cmos[REG_B] & rtc->cmos[REG_C] & IRQ_MASK;
	if (line != rtc->line) {
		rtc->line = line;
		irqchip_set(&rtc->board->irqs, RTC_GSI, line);
	}
	due = next_due(rtc, now);
	if (due != UINT64_MAX)
		timer_arm(&rtc->timer, clock_now_ns() + due);
}

static void timer_fired(struct timer *timer)
{
	struct rtc *rtc = container_of(timer, struct rtc, timer);

	spin_lock(&rtc->lock);
	update(rtc);
	spin_unlock(&rtc->lock);
}

/* Copies the time to the registers, as it is when the clock stops. */
static void stop_clock(struct rtc *rtc)
{
	uint64_t second = guest_now(rtc).second;

	for (unsigned i = 0; i < CMOS_BYTES; i++)
		if (rtc_time_is_register(i))
			rtc->cmos[i] = rtc_time_encode(i, second, rtc->cmos[REG_B]);
}

/* Goes on from the time in the registers, `phase_ns` into that second. */
static void start_clock(struct rtc *rtc, uint32_t phase_ns)
{
	uint64_t wall = clock_wall_ns();
	int64_t ns = (int64_t)phase_ns - (int64_t)(wall % NSEC_PER_SEC);

	rtc->offset_seconds = (int64_t)rtc_time_decode(rtc->cmos, rtc->cmos[REG_B]) -
			      (int64_t)(wall / NSEC_PER_SEC) - (ns < 0);
	rtc->offset_ns = (uint32_t)(ns < 0 ? ns + (int64_t)NSEC_PER_SEC : ns);
	rtc->seen = guest_now(rtc);
}

static void write_time(struct rtc *rtc, unsigned index, uint8_t value)
{
	bool live = running(rtc);

	if (live)
		stop_clock(rtc);
	rtc->cmos[index] = value;
	if (live)
		start_clock(rtc, guest_now(rtc).ns);
}

/* Registers A and B may stop the clock or let it go on. */
static void write_control(struct rtc *rtc, unsigned index, uint8_t value)
{
	bool was_running = running(rtc);
	bool was_reset = (rtc->cmos[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;

	if (was_running)
		stop_clock(rtc); /* in the format that B has now */
	if (index == REG_A)
		rtc->cmos[REG_A] = value & ~A_UIP;
	else
		rtc->cmos[REG_B] = value & B_SET ? value & ~B_UIE : value;
	/* A clock that ran on has its registers in the new format computed when read. */
	if (running(rtc) && !was_running)
		start_clock(rtc, was_reset ? RESET_LEAD_NS : guest_now(rtc).ns);
}

static uint8_t read_cmos(struct rtc *rtc)
{
	unsigned index = rtc->index;
	struct moment now = guest_now(rtc);
	uint8_t value = rtc->cmos[index];

	if (rtc_time_is_register(index) && running(rtc))
		return rtc_time_encode(index, now.second, rtc->cmos[REG_B]);
	if (index == REG_A && running(rtc) && now.ns >= NSEC_PER_SEC - UIP_NS)
		return value | A_UIP;
	if (index == REG_C) {
		rtc->cmos[REG_C] = 0;
		return value | (rtc->line ? C_IRQF : 0);
	}
	return value;
}

static void write_cmos(struct rtc *rtc, uint8_t value)
{
	unsigned index = rtc->index;

	if (rtc_time_is_register(index))
		write_time(rtc, index, value);
	else if (index == REG_A || index == REG_B)
		write_control(rtc, index, value);
	else if (index != REG_C && index != REG_D)
		rtc->cmos[index] = value;
}

static uint8_t rtc_read(void *device, unsigned offset)
{
	return offset ? read_cmos(device) : 0xff; /* the index can't be read back */
}

static void rtc_write(void *device, unsigned offset, uint8_t value)
{
	struct rtc *rtc = device;

	if (offset)
		write_cmos(rtc, value);
	else
		rtc->index = value & INDEX_MASK;
}

static void rtc_access(void *device, struct bus_access *access)
{
	struct rtc *rtc = device;
	uint64_t flags = spin_lock_irqsave(&rtc->lock);

	update(rtc);
	isa_access(rtc, access, rtc_read, rtc_write);
	update(rtc);
	spin_unlock_irqrestore(&rtc->lock, flags);
}

static void set_cmos(struct rtc *rtc, unsigned index, unsigned bytes, uint64_t value)
{
	value = MIN(value, BIT(8 * bytes) - 1);
	for (unsigned i = 0; i < bytes; i++)
		rtc->cmos[index + i] = value >> 8 * i;
}

static void set_memory_size(struct rtc *rtc, uint64_t ram_bytes)
{
	uint64_t low = MIN(ram_bytes, GMEM_LOW_MAX);

	set_cmos(rtc, REG_BASE_KIB, 2, 640);
	set_cmos(rtc, REG_EXTENDED_KIB, 2, (low - MIB) / KIB);
	set_cmos(rtc, REG_EXTENDED_KIB_POST, 2, (low - MIB) / KIB);
	if (low > 16 * MIB)
		set_cmos(rtc, REG_ABOVE_16M_64K, 2, (low - 16 * MIB) / (64 * KIB));
	set_cmos(rtc, REG_ABOVE_4G_64K, 3, (ram_bytes - low) / (64 * KIB));
}

struct rtc *rtc_create(const struct board *board)
{
	struct rtc *rtc = heap_zalloc(sizeof(*rtc), board->account);

	if (!rtc)
		return NULL;
	rtc->board = board;
	spin_lock_init(&rtc->lock, "RTC");
	rtc->cmos[REG_A] = A_DIVIDER_32K | 6; /* 1024 Hz, as BIOSes leave it */
	rtc->cmos[REG_B] = RTC_B_24H;
	rtc->cmos[REG_D] = D_VRT;
	set_memory_size(rtc, board->gmem->bytes);
	rtc->seen = guest_now(rtc);
	timer_init(&rtc->timer, timer_fired);
	if (bus_add(board->pio, RTC_PORT, 2, rtc_access, rtc, "rtc")) {
		heap_free(rtc);
		return NULL;
	}
	return rtc;
}

void rtc_destroy(struct rtc *rtc)
{
	if (!rtc)
		return;
	timer_cancel(&rtc->timer);
	heap_free(rtc);
}
