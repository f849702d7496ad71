/* Programs the I/O APICs (82093AA data sheet, section 3); all interrupts go to CPU 0. */
#include "kernel/io/irq.h"

#include <errno.h>

#include "kernel/cpu/cpu.h"
#include "kernel/io/acpi.h"
#include "kernel/io/pic.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"

#define IOAPIC_BYTES   0x20
#define IOAPIC_VERSION 0x01
#define IOAPIC_ENTRY   0x10 /* two registers for each pin */
#define IOAPIC_PINS    240

/* Redirection table entry, low half; fixed delivery, physical destination. */
#define ENTRY_ACTIVE_LOW BIT(13)
#define ENTRY_LEVEL	 BIT(15)
#define ENTRY_MASKED	 BIT(16)
#define ENTRY_VECTOR	 0xffu
#define ENTRY_DEST_SHIFT 24 /* high half */

/* In a row, before a level-triggered pin counts as stuck. A device may well take its line back
 * after its handler saw nothing, or share it with one that has no driver yet: not this often.
 */
#define UNCLAIMED_MAX 10000

struct ioapic {
	volatile uint32_t *select, *window;
	uint32_t gsi_base, pins;
};

struct action {
	irq_handler handler;
	void *arg;
	struct action *next;
};

/* A connected pin. `actions` only grows, at its head, under `lock`; the handler reads it
 * without. */
struct pin {
	uint32_t gsi;
	enum irq_mode mode;
	struct action *_Atomic actions;
	unsigned unclaimed; /* in a row; the handler's, which runs on CPU 0 alone */
	struct pin *next;
};

static struct ioapic ioapics[ACPI_IOAPICS_MAX];
static unsigned ioapic_count;
static struct spinlock lock =
	SPINLOCK("I/O APICs"); /* the select registers and what they lead to; pins */
static struct pin *pins;

static uint32_t read_register(const struct ioapic *io, uint32_t reg)
{
	*io->select = reg;
	return *io->window;
}

static void write_register(const struct ioapic *io, uint32_t reg, uint32_t value)
{
	*io->select = reg;
	*io->window = value;
}

static void add_ioapic(const struct acpi_ioapic *found)
{
	struct ioapic *io = &ioapics[ioapic_count];
	char *registers = vmap(found->phys, IOAPIC_BYTES, PT_READ | PT_WRITE | PT_UNCACHED);

	if (!registers)
		return;
	io->select = (volatile uint32_t *)registers;
	io->window = (volatile uint32_t *)(registers + 0x10);
	io->gsi_base = found->gsi_base;
	io->pins = MIN((read_register(io, IOAPIC_VERSION) >> 16 & 0xff) + 1,
		       (uint32_t)IOAPIC_PINS);
	for (uint32_t pin = 0; pin < io->pins; pin++)
		write_register(io, IOAPIC_ENTRY + 2 * pin, ENTRY_MASKED);
	ioapic_count++;
}

int irq_init(void)
{
	pic_mask_all();
	for (unsigned i = 0; i < acpi_machine.ioapic_count; i++)
		add_ioapic(&acpi_machine.ioapics[i]);
	if (ioapic_count)
		return 0;
	log_warn("irq", "no I/O APIC: devices without MSI cannot interrupt");
	return -ENODEV;
}

/* The I/O APIC of a pin, and in *reg the low register of its entry. */
static const struct ioapic *find_pin(uint32_t gsi, uint32_t *reg)
{
	for (unsigned i = 0; i < ioapic_count; i++) {
		const struct ioapic *io = &ioapics[i];

		if (gsi >= io->gsi_base && gsi - io->gsi_base < io->pins) {
			*reg = IOAPIC_ENTRY + 2 * (gsi - io->gsi_base);
			return io;
		}
	}
	return NULL;
}

static bool is_level(enum irq_mode mode)
{
	return mode == IRQ_LEVEL_HIGH || mode == IRQ_LEVEL_LOW;
}

static void mask(uint32_t gsi)
{
	uint32_t reg;
	const struct ioapic *io = find_pin(gsi, &reg);
	uint64_t flags;

	if (!io)
		return;
	flags = spin_lock_irqsave(&lock);
	write_register(io, reg, read_register(io, reg) | ENTRY_MASKED);
	spin_unlock_irqrestore(&lock, flags);
}

static void give_up(const struct pin *pin)
{
	mask(pin->gsi);
	log_error("irq",
		  "pin %u interrupts without end and no device on it says why: masked; "
		  "devices that share it are slow now",
		  pin->gsi);
}

static void on_pin(unsigned vector, void *arg)
{
	struct pin *pin = arg;
	bool claimed = false;

	(void)vector;
	for (struct action *a = pin->actions; a; a = a->next)
		claimed |= a->handler(a->arg);
	if (likely(claimed))
		pin->unclaimed = 0;
	else if (is_level(pin->mode) && ++pin->unclaimed == UNCLAIMED_MAX)
		give_up(pin);
}

static struct pin *find_connected(uint32_t gsi)
{
	struct pin *pin = pins;

	while (pin && pin->gsi != gsi)
		pin = pin->next;
	return pin;
}

static void add_action(struct pin *pin, struct action *action)
{
	action->next = pin->actions;
	pin->actions = action;
}

/* The first connection of a pin: takes a vector and unmasks. Caller holds the lock. */
static int open_pin(struct pin *pin, struct action *action)
{
	uint32_t reg = 0, entry = 0;
	const struct ioapic *io = find_pin(pin->gsi, &reg);
	int vector = io ? trap_alloc_vector(on_pin, pin) : -ENXIO;

	if (vector < 0)
		return vector;
	if (pin->mode == IRQ_EDGE_LOW || pin->mode == IRQ_LEVEL_LOW)
		entry |= ENTRY_ACTIVE_LOW;
	if (is_level(pin->mode))
		entry |= ENTRY_LEVEL;
	add_action(pin, action);
	pin->next = pins;
	pins = pin;
	write_register(io, reg + 1, cpu_boot.apic_id << ENTRY_DEST_SHIFT);
	write_register(io, reg, entry | (uint32_t)vector);
	return 0;
}

int irq_connect(uint32_t gsi, enum irq_mode mode, irq_handler handler, void *arg)
{
	struct pin *fresh = heap_zalloc(sizeof(*fresh), NULL), *pin;
	struct action *action = heap_zalloc(sizeof(*action), NULL);
	uint64_t flags;
	int err = -ENOMEM;

	if (!fresh || !action)
		goto out;
	*fresh = (struct pin){.gsi = gsi, .mode = mode};
	*action = (struct action){.handler = handler, .arg = arg};

	flags = spin_lock_irqsave(&lock);
	pin = find_connected(gsi);
	if (!pin) {
		err = open_pin(fresh, action);
		if (!err)
			fresh = NULL;
	} else if (pin->mode != mode || !is_level(mode)) {
		err = -EBUSY;
	} else {
		add_action(pin, action);
		err = 0;
	}
	spin_unlock_irqrestore(&lock, flags);
out:
	heap_free(fresh);
	if (err)
		heap_free(action);
	return err;
}

int irq_connect_isa(unsigned isa_irq, irq_handler handler, void *arg)
{
	const struct acpi_isa_irq *isa = &acpi_machine.isa[isa_irq];
	enum irq_mode mode = isa->level ? (isa->active_low ? IRQ_LEVEL_LOW : IRQ_LEVEL_HIGH)
					: (isa->active_low ? IRQ_EDGE_LOW : IRQ_EDGE_HIGH);

	return irq_connect(isa->gsi, mode, handler, arg);
}
