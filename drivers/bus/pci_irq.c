/*
 * Interrupts of PCI functions: MSI-X, MSI (one message: more would have to go to one CPU), or
 * the pin, by the line that firmware routed it to.
 */
#include "drivers/bus/pci.h"

#include <errno.h>

#include "drivers/bus/pci_regs.h"
#include "kernel/cpu/cpu.h"
#include "kernel/io/acpi.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"

/* Messages to the local APIC, physical destination, fixed, edge: SDM vol. 3A 11.11. */
#define MESSAGE_ADDRESS	   0xfee00000u
#define MESSAGE_DEST_SHIFT 12
#define MESSAGE_DEST_MAX   254 /* 255 is everybody */

enum irq_kind { IRQ_MSIX, IRQ_MSI, IRQ_PIN };

struct message {
	irq_handler handler;
	void *arg;
};

/* Set up by pci_irq_setup(), constant but for `messages`, each of which is set before its
 * interrupt can come. */
struct pci_irqs {
	enum irq_kind kind;
	unsigned count;
	unsigned capability;		       /* its offset */
	volatile struct pci_msix_entry *table; /* MSI-X */
	uint32_t gsi;			       /* the pin's */
	enum irq_mode mode;
	struct message messages[];
};

/* d->irqs. 0 or -ENOMEM. */
static int create(struct pci_device *d, enum irq_kind kind, unsigned count, unsigned capability)
{
	d->irqs = heap_zalloc(sizeof(*d->irqs) + count * sizeof(d->irqs->messages[0]), NULL);
	if (!d->irqs)
		return -ENOMEM;
	d->irqs->kind = kind;
	d->irqs->count = count;
	d->irqs->capability = capability;
	return 0;
}

static void disable_pin(struct pci_device *d, bool disabled)
{
	uint32_t command = pci_read(d, PCI_COMMAND, 2);

	pci_write(d, PCI_COMMAND, 2,
		  (uint32_t)(disabled ? command | PCI_COMMAND_INTX_DISABLE
				      : command & ~PCI_COMMAND_INTX_DISABLE));
}

/* Where the table lies. -ENODEV, with the reason logged, where it lies in no BAR. */
static int find_table(struct pci_device *d, unsigned capability, uint64_t bytes, uint64_t *phys)
{
	uint32_t where = pci_read(d, capability + PCI_MSIX_TABLE, 4);
	unsigned bar = where & PCI_MSIX_TABLE_BAR;
	uint32_t offset = where & ~PCI_MSIX_TABLE_BAR;

	if (bar >= PCI_BARS || d->bars[bar].io || !d->bars[bar].address ||
	    offset + bytes > d->bars[bar].bytes) {
		log_warn("pci", "%s: its MSI-X table is in no BAR: not used", d->name);
		return -ENODEV;
	}
	*phys = d->bars[bar].address + offset;
	return 0;
}

static void mask_all(const struct pci_device *d, uint32_t control, unsigned entries)
{
	unsigned at = d->irqs->capability + PCI_MSIX_CONTROL;

	control |= PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK_ALL;
	pci_write(d, at, 2, control);
	for (unsigned i = 0; i < entries; i++)
		d->irqs->table[i].control = PCI_MSIX_ENTRY_MASKED;
	pci_write(d, at, 2, control & ~(uint32_t)PCI_MSIX_CONTROL_MASK_ALL);
}

/* Enables MSI-X with every entry masked. 0; -ENODEV: it has none that can be used; -ENOMEM. */
static int setup_msix(struct pci_device *d, unsigned wanted)
{
	unsigned capability = pci_capability(d, PCI_CAPABILITY_MSIX, 0);
	uint32_t control = capability ? pci_read(d, capability + PCI_MSIX_CONTROL, 2) : 0;
	unsigned entries = (control & PCI_MSIX_CONTROL_SIZE) + 1;
	uint64_t bytes = (uint64_t)entries * sizeof(struct pci_msix_entry), phys;
	volatile void *table;
	int err;

	if (!capability || control == 0xffff)
		return -ENODEV;
	pci_enable(d, PCI_ENABLE_MEMORY);
	err = find_table(d, capability, bytes, &phys);
	if (err)
		return err;
	table = vmap(phys, bytes, PT_READ | PT_WRITE | PT_UNCACHED);
	if (!table)
		return -ENOMEM;
	err = create(d, IRQ_MSIX, MIN(wanted, entries), capability);
	if (err) {
		vmap_free((void *)(uintptr_t)table);
		return err;
	}
	d->irqs->table = table;
	mask_all(d, control, entries);
	return 0;
}

static int setup_msi(struct pci_device *d)
{
	unsigned capability = pci_capability(d, PCI_CAPABILITY_MSI, 0);

	return capability ? create(d, IRQ_MSI, 1, capability) : -ENODEV;
}

/*
 * The pin's way without AML: firmware has routed it to an ISA interrupt for operating systems
 * that know no I/O APIC, and written which one (PCI 3.0, 6.2.4). PCI's lines are level, low,
 * unless the MADT says otherwise of this one.
 */
static int setup_pin(struct pci_device *d)
{
	uint32_t pin = pci_read(d, PCI_INTERRUPT_PIN, 1);
	uint32_t line = pci_read(d, PCI_INTERRUPT_LINE, 1);
	const struct acpi_isa_irq *isa = &acpi_machine.isa[line % ACPI_ISA_IRQS];
	int err;

	if (pin == 0 || pin > 4 || line == 0 || line >= ACPI_ISA_IRQS) {
		log_warn("pci", "%s: no MSI, and firmware routed its interrupt nowhere",
			 d->name);
		return -ENODEV;
	}
	err = create(d, IRQ_PIN, 1, 0);
	if (err)
		return err;
	d->irqs->gsi = isa->gsi;
	d->irqs->mode = isa->level && !isa->active_low ? IRQ_LEVEL_HIGH : IRQ_LEVEL_LOW;
	return 0;
}

int pci_irq_setup(struct pci_device *d, unsigned wanted)
{
	int err = setup_msix(d, wanted);

	if (err == -ENODEV)
		err = setup_msi(d);
	if (!err)
		disable_pin(d, true);
	else if (err == -ENODEV)
		err = setup_pin(d);
	if (err == -ENOMEM)
		log_error("pci", "%s: no memory for its interrupts", d->name);
	return err ? err : (int)d->irqs->count;
}

static void on_message(unsigned vector, void *arg)
{
	const struct message *m = arg;

	(void)vector;
	m->handler(m->arg);
}

static uint32_t message_address(unsigned cpu)
{
	uint32_t id = cpus[cpu]->apic_id;

	return MESSAGE_ADDRESS | (id <= MESSAGE_DEST_MAX ? id : cpu_boot.apic_id)
					 << MESSAGE_DEST_SHIFT;
}

static unsigned msi_data(const struct pci_irqs *irqs, uint32_t control)
{
	return irqs->capability +
	       (control & PCI_MSI_CONTROL_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
}

static void enable_msi(struct pci_device *d, uint32_t address, uint32_t data)
{
	unsigned at = d->irqs->capability;
	uint32_t control = pci_read(d, at + PCI_MSI_CONTROL, 2);

	pci_write(d, at + PCI_MSI_ADDRESS, 4, address);
	if (control & PCI_MSI_CONTROL_64)
		pci_write(d, at + PCI_MSI_ADDRESS_HIGH, 4, 0);
	pci_write(d, msi_data(d->irqs, control), 2, data);
	control &= ~PCI_MSI_CONTROL_COUNT;
	pci_write(d, at + PCI_MSI_CONTROL, 2, (uint32_t)(control | PCI_MSI_CONTROL_ENABLE));
}

static void enable_msix(volatile struct pci_msix_entry *entry, uint32_t address, uint32_t data)
{
	entry->address_low = address;
	entry->address_high = 0;
	entry->data = data;
	entry->control = 0;
}

int pci_irq_connect(struct pci_device *d, unsigned index, unsigned cpu, irq_handler handler,
		    void *arg)
{
	struct pci_irqs *irqs = d->irqs;
	struct message *m = &irqs->messages[index];
	int vector;

	if (irqs->kind == IRQ_PIN) {
		int err = irq_connect(irqs->gsi, irqs->mode, handler, arg);

		if (!err)
			disable_pin(d, false);
		return err;
	}
	*m = (struct message){handler, arg};
	vector = trap_alloc_vector(on_message, m);
	if (vector < 0)
		return vector;
	if (irqs->kind == IRQ_MSIX)
		enable_msix(&irqs->table[index], message_address(cpu), (uint32_t)vector);
	else
		enable_msi(d, message_address(cpu), (uint32_t)vector);
	return 0;
}

bool pci_irq_is_message(const struct pci_device *d)
{
	return d->irqs->kind != IRQ_PIN;
}
