/*
 * MSI-X (PCI 3.0, 6.8.2): table and pending bits in a BAR of their own, and the messages. The
 * guest may write any nonsense there: a message that no local APIC takes goes nowhere.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "guests/pci/internal.h"
#include "kernel/vmm/board.h"

#define CAPABILITY_MSIX	      0x11
#define CONTROL		      2 /* offset from the capability */
#define CONTROL_FUNCTION_MASK BIT(14)
#define CONTROL_ENABLE	      BIT(15)
#define ENTRY_MASKED	      BIT(0)

#define TABLE_BYTES(f)	      ((f)->msix_vectors * sizeof(struct pci_msix_entry))
#define PBA_OFFSET	      0x800u
_Static_assert(sizeof(struct pci_msix_entry) == 16, "PCI 3.0, 6.8.2");
_Static_assert(PCI_MSIX_MAX * sizeof(struct pci_msix_entry) <= PBA_OFFSET, "they overlap");

int pci_msix_init(struct pci_function *function)
{
	struct {
		uint16_t control;
		uint32_t table, pba; /* offset; the BAR in bits 2:0 */
	} __attribute__((packed)) body =
		{
			.control = function->msix_vectors - 1,
			.table = function->msix_bar,
			.pba = PBA_OFFSET | function->msix_bar,
		},
				  mask = {.control = CONTROL_FUNCTION_MASK | CONTROL_ENABLE};
	int at = pci_add_capability(function, CAPABILITY_MSIX, &body, &mask, sizeof(body));

	if (at < 0)
		return at;
	function->msix_capability = (uint8_t)at;
	pci_msix_reset(function);
	return 0;
}

static uint16_t control(const struct pci_function *function)
{
	const uint8_t *at = &function->config[function->msix_capability + CONTROL];

	return function->msix_capability ? at[0] | at[1] << 8 : 0;
}

bool pci_msix_enabled(const struct pci_function *function)
{
	return control(function) & CONTROL_ENABLE;
}

/* A message is a write to memory, which the function must be allowed to do at all. */
static bool may_send(const struct pci_function *function)
{
	return (control(function) & (CONTROL_ENABLE | CONTROL_FUNCTION_MASK)) ==
		       CONTROL_ENABLE &&
	       pci_command(function) & PCI_COMMAND_MASTER;
}

static void send_or_pend(struct pci_function *function, unsigned vector)
{
	const struct pci_msix_entry *entry = &function->msix[vector];

	if (!may_send(function) || entry->control & ENTRY_MASKED) {
		function->msix_pending |= BIT(vector);
		return;
	}
	function->msix_pending &= ~BIT(vector);
	atomic_fetch_add_explicit(&function->messages, 1, memory_order_relaxed);
	irqchip_msi(&function->board->irqs, entry->address, entry->data);
}

void pci_msix_send(struct pci_function *function, unsigned vector)
{
	uint64_t flags;

	if (vector >= function->msix_vectors)
		return;
	flags = spin_lock_irqsave(&function->lock);
	if (pci_msix_enabled(function))
		send_or_pend(function, vector);
	spin_unlock_irqrestore(&function->lock, flags);
}

void pci_msix_flush(struct pci_function *function)
{
	uint64_t pending = function->msix_pending;

	if (!may_send(function))
		return;
	for (; pending; pending &= pending - 1)
		send_or_pend(function, (unsigned)__builtin_ctzll(pending));
}

void pci_msix_reset(struct pci_function *function)
{
	memset(function->msix, 0, sizeof(function->msix));
	for (unsigned i = 0; i < PCI_MSIX_MAX; i++)
		function->msix[i].control = ENTRY_MASKED;
	function->msix_pending = 0;
}

/* A doubleword of the table or of the pending bits; elsewhere, zero. */
static uint32_t read_doubleword(const struct pci_function *function, unsigned offset)
{
	uint32_t value = 0;

	if (offset < TABLE_BYTES(function))
		memcpy(&value, (const uint8_t *)function->msix + offset, sizeof(value));
	else if (offset - PBA_OFFSET < sizeof(function->msix_pending))
		value = (uint32_t)(function->msix_pending >> 8 * (offset - PBA_OFFSET));
	return value;
}

static void write_doubleword(struct pci_function *function, unsigned offset, uint32_t value)
{
	unsigned in_entry = offset % sizeof(struct pci_msix_entry);

	if (offset >= TABLE_BYTES(function))
		return;
	if (in_entry == offsetof(struct pci_msix_entry, control))
		value &= ENTRY_MASKED;
	memcpy((uint8_t *)function->msix + offset, &value, sizeof(value));
	pci_msix_flush(function);
}

/* Aligned doublewords and quadwords exist; what else a guest tries reads as ones. */
void pci_msix_access(struct pci_function *function, struct bus_access *access)
{
	uint64_t flags, value = 0;

	if (access->bytes < 4 || access->offset % access->bytes) {
		access->value = UINT64_MAX;
		return;
	}
	flags = spin_lock_irqsave(&function->lock);
	for (unsigned i = 0; i < access->bytes; i += 4) {
		if (access->write)
			write_doubleword(function, access->offset + i, access->value >> 8 * i);
		else
			value |= (uint64_t)read_doubleword(function, access->offset + i)
				 << 8 * i;
	}
	spin_unlock_irqrestore(&function->lock, flags);
	if (!access->write)
		access->value = value;
}
