/* INTx: the functions' INTA# pins and the wires that they share to the I/O APIC. */
#include "guests/pci/internal.h"
#include "kernel/vmm/board.h"

/* All slots that share the wire of `slot`. */
static uint32_t wire_of(unsigned slot)
{
	uint32_t slots = 0;

	for (unsigned other = 0; other < PCI_SLOTS; other++)
		if (pci_slot_gsi(other) == pci_slot_gsi(slot))
			slots |= BIT(other);
	return slots;
}

/* A wire is asserted as long as one of its slots asserts it. The I/O APIC learns of changes in
 * their order: the lock is held until it has. */
static void drive(struct pci_root *root, unsigned slot, bool level)
{
	uint64_t flags = spin_lock_irqsave(&root->pins_lock);
	uint32_t before = root->pins;

	if (level)
		root->pins |= BIT(slot);
	else
		root->pins &= ~BIT(slot);
	if (before != root->pins)
		irqchip_set(&root->board->irqs, pci_slot_gsi(slot), root->pins & wire_of(slot));
	spin_unlock_irqrestore(&root->pins_lock, flags);
}

void pci_pin_update(struct pci_function *function)
{
	bool level = function->pin_level && !pci_msix_enabled(function);

	if (level)
		function->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	else
		function->config[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
	drive(function->root, function->slot,
	      level && !(pci_command(function) & PCI_COMMAND_INTX_OFF));
}

void pci_set_pin(struct pci_function *function, bool level)
{
	uint64_t flags = spin_lock_irqsave(&function->lock);

	function->pin_level = level;
	pci_pin_update(function);
	spin_unlock_irqrestore(&function->lock, flags);
}
