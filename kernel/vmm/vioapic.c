/*
 * A guest's I/O APIC (82093AA data sheet): pins in, messages to the local APICs out. Which
 * device drives which pin is the callers' business, and polarity too: a pin is asserted or not.
 */
#include "kernel/vmm/vioapic.h"

#include "kernel/mem/heap.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

/* MMIO: IOREGSEL chooses the register that IOWIN is. */
#define WINDOW_BYTES	PAGE_BYTES
#define IOREGSEL	0x00
#define IOWIN		0x10

#define REG_ID		0x00
#define REG_VERSION	0x01
#define REG_ARBITRATION 0x02
#define REG_REDIRECTION 0x10 /* two for each pin */

#define ID_WRITABLE	0x0f000000u

/* Redirection entry */
#define ENTRY_LOGICAL	 BIT(11)
#define ENTRY_REMOTE_IRR BIT(14)
#define ENTRY_LEVEL	 BIT(15)
#define ENTRY_MASKED	 BIT(16)
#define ENTRY_WRITABLE	 0xff0000000001afffull

struct vioapic {
	struct vm *vm;
	uint32_t id;
	uint8_t selected;
	uint32_t asserted; /* a bit per pin */
	uint64_t entries[VIOAPIC_PINS];
};

static unsigned entry_delivery(uint64_t entry)
{
	return entry >> 8 & 7;
}

/* Only fixed and lowest-priority interrupts can be levels; others are edges whatever the
 * trigger mode says. */
static bool entry_is_level(uint64_t entry)
{
	return entry & ENTRY_LEVEL && entry_delivery(entry) <= LAPIC_LOWEST;
}

static void send(struct vioapic *ioapic, unsigned pin)
{
	uint64_t entry = ioapic->entries[pin];
	struct vlapic_message m = {
		.dest = entry >> 56,
		.logical = entry & ENTRY_LOGICAL,
		.level_triggered = entry_is_level(entry),
		.delivery = entry_delivery(entry),
		.vector = entry & 0xff,
	};

	if (vlapic_deliver(ioapic->vm, &m) > 0 && m.level_triggered)
		ioapic->entries[pin] |= ENTRY_REMOTE_IRR;
}

/* A level that is asserted, and that no CPU has in hand. */
static void send_level(struct vioapic *ioapic, unsigned pin)
{
	uint64_t entry = ioapic->entries[pin];

	if (ioapic->asserted & BIT(pin) && entry_is_level(entry) &&
	    !(entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)))
		send(ioapic, pin);
}

/* An edge at a masked pin is lost, as the data sheet has it. */
void vioapic_set_pin(struct vioapic *ioapic, unsigned pin, bool level)
{
	uint64_t flags;
	bool rises;

	if (pin >= VIOAPIC_PINS)
		return;
	flags = spin_lock_irqsave(&ioapic->vm->irq_lock);
	rises = level && !(ioapic->asserted & BIT(pin));
	if (level)
		ioapic->asserted |= BIT(pin);
	else
		ioapic->asserted &= ~BIT(pin);
	if (entry_is_level(ioapic->entries[pin]))
		send_level(ioapic, pin);
	else if (rises && !(ioapic->entries[pin] & ENTRY_MASKED))
		send(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->vm->irq_lock, flags);
}

void vioapic_eoi(struct vioapic *ioapic, uint8_t vector)
{
	uint64_t flags = spin_lock_irqsave(&ioapic->vm->irq_lock);

	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		uint64_t *entry = &ioapic->entries[pin];

		if ((*entry & 0xff) != vector || !(*entry & ENTRY_REMOTE_IRR))
			continue;
		*entry &= ~ENTRY_REMOTE_IRR;
		send_level(ioapic, pin);
	}
	spin_unlock_irqrestore(&ioapic->vm->irq_lock, flags);
}

static uint32_t read_register(const struct vioapic *ioapic, unsigned reg)
{
	unsigned pin = (reg - REG_REDIRECTION) / 2;

	switch (reg) {
	case REG_ID:
	case REG_ARBITRATION: return ioapic->id;
	case REG_VERSION: return VIOAPIC_VERSION;
	}
	if (reg < REG_REDIRECTION || pin >= VIOAPIC_PINS)
		return 0;
	return ioapic->entries[pin] >> (reg & 1 ? 32 : 0);
}

/* Turning an entry to edge clears its remote IRR: how software without an EOI register gets
 * rid of a stuck one. */
static void write_redirection(struct vioapic *ioapic, unsigned pin, bool high, uint32_t value)
{
	unsigned shift = high ? 32 : 0;
	uint64_t writable = ENTRY_WRITABLE & 0xffffffffull << shift;
	uint64_t *entry = &ioapic->entries[pin];

	*entry = (*entry & ~writable) | ((uint64_t)value << shift & writable);
	if (!entry_is_level(*entry))
		*entry &= ~ENTRY_REMOTE_IRR;
	send_level(ioapic, pin);
}

static void write_register(struct vioapic *ioapic, unsigned reg, uint32_t value)
{
	unsigned pin = (reg - REG_REDIRECTION) / 2;

	if (reg == REG_ID)
		ioapic->id = value & ID_WRITABLE;
	else if (reg >= REG_REDIRECTION && pin < VIOAPIC_PINS)
		write_redirection(ioapic, pin, reg & 1, value);
}

/* Only dwords at the two registers exist; all else reads as zero and is not written. */
static void vioapic_mmio(void *device, struct bus_access *access)
{
	struct vioapic *ioapic = device;
	uint32_t value = access->value;
	uint64_t flags;

	if (!access->write)
		access->value = 0;
	if (access->bytes != 4)
		return;
	flags = spin_lock_irqsave(&ioapic->vm->irq_lock);
	if (access->offset == IOREGSEL && access->write)
		ioapic->selected = value;
	else if (access->offset == IOREGSEL)
		access->value = ioapic->selected;
	else if (access->offset == IOWIN && access->write)
		write_register(ioapic, ioapic->selected, value);
	else if (access->offset == IOWIN)
		access->value = read_register(ioapic, ioapic->selected);
	spin_unlock_irqrestore(&ioapic->vm->irq_lock, flags);
}

struct vioapic *vioapic_create(struct vm *vm)
{
	struct vioapic *ioapic = heap_zalloc(sizeof(*ioapic), &vm->account);

	if (!ioapic)
		return NULL;
	ioapic->vm = vm;
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++)
		ioapic->entries[pin] = ENTRY_MASKED;
	if (bus_add(&vm->mmio, VIOAPIC_BASE, WINDOW_BYTES, vioapic_mmio, ioapic, "ioapic")) {
		heap_free(ioapic);
		return NULL;
	}
	return ioapic;
}

void vioapic_destroy(struct vioapic *ioapic)
{
	heap_free(ioapic);
}
