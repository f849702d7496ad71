/* Programs the I/O APICs (82093AA data sheet, section 3); all interrupts go to CPU 0. */
#include "kernel/io/irq.h"

#include <errno.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/port.h"
#include "kernel/io/acpi.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
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

#define PIC_COMMAND	 0x20
#define PIC_DATA	 0x21
#define PIC2_OFFSET	 0x80

struct ioapic {
	volatile uint32_t *select, *window;
	uint32_t gsi_base, pins;
};

static struct ioapic ioapics[ACPI_IOAPICS_MAX];
static unsigned ioapic_count;
static struct spinlock lock; /* the select registers and what they lead to */

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

/* No interrupt of theirs is wanted, but spurious ones must not look like exceptions. */
static void mask_pics(void)
{
	for (uint16_t pic = 0; pic <= PIC2_OFFSET; pic += PIC2_OFFSET) {
		outb(PIC_COMMAND + pic, 0x11);		 /* ICW1: initialise, ICW4 follows */
		outb(PIC_DATA + pic, pic ? 0x28 : 0x20); /* ICW2: vectors below the devices' */
		outb(PIC_DATA + pic, pic ? 2 : 4);	 /* ICW3: cascaded at pin 2 */
		outb(PIC_DATA + pic, 0x01);		 /* ICW4: 8086 mode */
		outb(PIC_DATA + pic, 0xff);
	}
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
	mask_pics();
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

int irq_connect(uint32_t gsi, enum irq_mode mode, trap_handler handler, void *arg)
{
	uint32_t reg, entry = 0;
	const struct ioapic *io = find_pin(gsi, &reg);
	uint64_t flags;
	int vector;

	if (!io)
		return -ENXIO;
	if (mode == IRQ_EDGE_LOW || mode == IRQ_LEVEL_LOW)
		entry |= ENTRY_ACTIVE_LOW;
	if (mode == IRQ_LEVEL_HIGH || mode == IRQ_LEVEL_LOW)
		entry |= ENTRY_LEVEL;

	flags = spin_lock_irqsave(&lock);
	if (read_register(io, reg) & ENTRY_VECTOR) {
		vector = -EBUSY;
	} else {
		vector = trap_alloc_vector(handler, arg);
		if (vector >= 0) {
			write_register(io, reg + 1, cpu_boot.apic_id << ENTRY_DEST_SHIFT);
			write_register(io, reg, entry | (uint32_t)vector);
		}
	}
	spin_unlock_irqrestore(&lock, flags);
	return vector < 0 ? vector : 0;
}

int irq_connect_isa(unsigned isa_irq, trap_handler handler, void *arg)
{
	const struct acpi_isa_irq *isa = &acpi_machine.isa[isa_irq];
	enum irq_mode mode = isa->level ? (isa->active_low ? IRQ_LEVEL_LOW : IRQ_LEVEL_HIGH)
					: (isa->active_low ? IRQ_EDGE_LOW : IRQ_EDGE_HIGH);

	return irq_connect(isa->gsi, mode, handler, arg);
}

static void set_mask(uint32_t gsi, uint32_t mask)
{
	uint32_t reg;
	const struct ioapic *io = find_pin(gsi, &reg);
	uint64_t flags;

	if (!io)
		return;
	flags = spin_lock_irqsave(&lock);
	write_register(io, reg, (read_register(io, reg) & ~(uint32_t)ENTRY_MASKED) | mask);
	spin_unlock_irqrestore(&lock, flags);
}

void irq_mask(uint32_t gsi)
{
	set_mask(gsi, ENTRY_MASKED);
}

void irq_unmask(uint32_t gsi)
{
	set_mask(gsi, 0);
}
