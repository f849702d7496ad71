/*
 * ACPI fixed hardware. Soft-off ends the VM; S1 to S4 don't exist, and the PM timer's carry
 * interrupt is a timer of ours that is armed only while the guest enables it.
 */
#include "guests/devices/pm.h"

#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/board.h"

enum pm1_bits { /* ACPI 6.4, 4.8.3.1 */
		PM1_TMR = BIT(0),
		PM1_GBL = BIT(5),
		PM1_PWRBTN = BIT(8),
		PM1_RTC = BIT(
			10), /* enabled by Linux, which checks that it stays; never raised */
		PM1_EN_MASK = PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_RTC,

		PM1_CNT_SCI_EN = BIT(0),
		PM1_CNT_BM_RLD = BIT(1),
		PM1_CNT_SLP_TYP_SHIFT = 10,
		PM1_CNT_SLP_TYP = 7 << PM1_CNT_SLP_TYP_SHIFT,
		PM1_CNT_SLP_EN = BIT(13),
};

#define PM_BYTES (PM_TMR_PORT + PM_TMR_BYTES - PM1A_EVT_PORT)

struct pm {
	const struct board *board;
	uint64_t start_ns; /* PM timer's zero */

	struct spinlock lock; /* guards all below; taken in interrupt context */
	uint16_t sts, en, cnt;
	uint64_t carry_ticks; /* the tick at which TMR_STS is set next: bit 31 changes */
	bool sci;
	bool listened; /* the button's event was enabled at some time */
	bool kept;     /* the button is pressed again when it is enabled */
	struct timer carry;
};

static uint64_t ticks_now(const struct pm *pm)
{
	uint64_t ns = clock_now_ns() - pm->start_ns;

	return ns / NSEC_PER_SEC * PM_TMR_HZ + ns % NSEC_PER_SEC * PM_TMR_HZ / NSEC_PER_SEC;
}

static uint64_t ticks_to_ns(uint64_t ticks) /* rounded up */
{
	return ticks / PM_TMR_HZ * NSEC_PER_SEC +
	       (ticks % PM_TMR_HZ * NSEC_PER_SEC + PM_TMR_HZ - 1) / PM_TMR_HZ;
}

/* Brings TMR_STS, the carry timer and the SCI up to date. */
static void update(struct pm *pm)
{
	uint64_t now = ticks_now(pm);
	bool sci;

	if (now >= pm->carry_ticks) {
		pm->sts |= PM1_TMR;
		pm->carry_ticks = ALIGN_DOWN(now, BIT(31)) + BIT(31);
	}
	if (pm->en & ~pm->sts & PM1_TMR)
		timer_arm(&pm->carry, pm->start_ns + ticks_to_ns(pm->carry_ticks));

	sci = pm->sts & pm->en;
	if (sci != pm->sci) {
		pm->sci = sci;
		irqchip_set(&pm->board->irqs, PM_SCI_GSI, sci);
	}
}

static void carry(struct timer *timer)
{
	struct pm *pm = container_of(timer, struct pm, carry);

	spin_lock(&pm->lock);
	update(pm);
	spin_unlock(&pm->lock);
}

static void write_control(struct pm *pm, uint16_t value)
{
	unsigned type = (value & PM1_CNT_SLP_TYP) >> PM1_CNT_SLP_TYP_SHIFT;

	pm->cnt = value & (PM1_CNT_BM_RLD | PM1_CNT_SLP_TYP);
	if (value & PM1_CNT_SLP_EN && type == PM_S5_SLP_TYP)
		vm_stop(pm->board->vm, VM_STOP_POWEROFF, 0,
			"the guest switched itself off (S5)");
}

/* All registers but the timer as one string of bytes, as a read of any width sees them. */
static uint64_t registers(const struct pm *pm)
{
	return pm->sts | (uint64_t)pm->en << 16 | (uint64_t)(pm->cnt | PM1_CNT_SCI_EN) << 32;
}

/* Whoever listens from now on hears of a button that was pressed before. */
static void enable(struct pm *pm, uint16_t en)
{
	if (en & ~pm->en & PM1_PWRBTN) {
		pm->listened = true;
		if (pm->kept)
			pm->sts |= PM1_PWRBTN;
	}
	pm->en = en;
}

/* A write of 1, 2 or 4 bytes at `offset` changes those bytes of the registers. */
static void write_registers(struct pm *pm, unsigned offset, unsigned bytes, uint32_t value)
{
	uint64_t mask = (BIT(8 * bytes) - 1) << 8 * offset;
	uint64_t in = (uint64_t)value << 8 * offset & mask;
	uint64_t merged = (registers(pm) & ~mask) | in;

	pm->sts &= ~(uint16_t)in; /* written ones clear */
	enable(pm, merged >> 16 & PM1_EN_MASK);
	if (mask >> 32 & 0xffff)
		write_control(pm, merged >> 32);
}

static void pm_access(void *device, struct bus_access *access)
{
	struct pm *pm = device;
	unsigned offset = access->offset, timer = PM_TMR_PORT - PM1A_EVT_PORT;
	uint64_t mask = BIT(8 * access->bytes) - 1, flags;

	if (offset >= timer) {
		if (!access->write)
			access->value = (uint32_t)ticks_now(pm) >> 8 * (offset - timer) & mask;
		return;
	}
	flags = spin_lock_irqsave(&pm->lock);
	update(pm);
	if (access->write)
		write_registers(pm, offset, access->bytes, access->value);
	else
		access->value = registers(pm) >> 8 * offset & mask;
	update(pm);
	spin_unlock_irqrestore(&pm->lock, flags);
}

bool pm_power_button(struct pm *pm)
{
	uint64_t flags = spin_lock_irqsave(&pm->lock);
	bool heard = pm->en & PM1_PWRBTN;

	pm->sts |= PM1_PWRBTN;
	update(pm);
	spin_unlock_irqrestore(&pm->lock, flags);
	return heard;
}

void pm_power_keep(struct pm *pm, bool keep)
{
	uint64_t flags = spin_lock_irqsave(&pm->lock);

	pm->kept = keep;
	spin_unlock_irqrestore(&pm->lock, flags);
	if (keep)
		pm_power_button(pm);
}

enum pm_listener pm_power_listener(struct pm *pm)
{
	uint64_t flags = spin_lock_irqsave(&pm->lock);
	enum pm_listener listener = !pm->listened	   ? PM_DEAF
				    : pm->sts & PM1_PWRBTN ? PM_UNREAD
							   : PM_LISTENS;

	spin_unlock_irqrestore(&pm->lock, flags);
	return listener;
}

struct pm *pm_create(const struct board *board)
{
	struct pm *pm = heap_zalloc(sizeof(*pm), board->account);

	if (!pm)
		return NULL;
	pm->board = board;
	spin_lock_init(&pm->lock, "PM");
	pm->start_ns = clock_now_ns();
	pm->carry_ticks = BIT(31);
	timer_init(&pm->carry, carry);
	if (bus_add(board->pio, PM1A_EVT_PORT, PM_BYTES, pm_access, pm, "pm")) {
		heap_free(pm);
		return NULL;
	}
	return pm;
}

void pm_destroy(struct pm *pm)
{
	if (!pm)
		return;
	timer_cancel(&pm->carry);
	heap_free(pm);
}
