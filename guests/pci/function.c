/*
 * A function's configuration space: a string of bytes with a write mask (PCI 3.0, ch. 6), and
 * what a write to it brings about. Which function is meant is access.c's.
 */
#include <errno.h>
#include <string.h>

#include "guests/pci/internal.h"
#include "kernel/vmm/vpic.h"

#define COMMAND_WRITABLE                                                                 \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
	 PCI_COMMAND_SERR | PCI_COMMAND_INTX_OFF)
#define PIN_INTA 1
#define NO_LINE	 0xff /* 6.2.4: no input of the 8259 pair */

/* Advanced Features, offsets from the capability (PCI ECN "Advanced Capabilities", 2006). */
#define CAPABILITY_AF	    0x13
#define AF_BYTES	    6
#define AF_TP_AND_FLR	    0x3
#define AF_CONTROL	    4
#define AF_CONTROL_INITIATE 0x1

void pci_function_put(struct pci_function *function, unsigned offset, unsigned bytes,
		      uint64_t value)
{
	memcpy(&function->config[offset], &value, bytes);
}

uint16_t pci_command(const struct pci_function *function)
{
	return function->config[PCI_COMMAND] | function->config[PCI_COMMAND + 1] << 8;
}

void pci_function_init(struct pci_function *function)
{
	const uint8_t af[AF_BYTES - 2] = {AF_BYTES, AF_TP_AND_FLR};
	const uint8_t af_mask[AF_BYTES - 2] = {[AF_CONTROL - 2] = AF_CONTROL_INITIATE};

	spin_lock_init(&function->lock, "PCI function");
	pci_function_put(function, PCI_VENDOR_ID, 2, function->vendor_id);
	pci_function_put(function, PCI_DEVICE_ID, 2, function->device_id);
	pci_function_put(function, PCI_REVISION, 4,
			 (uint64_t)function->class_code << 8 | function->revision);
	pci_function_put(function, PCI_SUBSYSTEM_VENDOR_ID, 2, function->subsystem_vendor_id);
	pci_function_put(function, PCI_SUBSYSTEM_ID, 2, function->subsystem_id);
	memcpy(&function->mask[PCI_COMMAND], &(uint16_t){COMMAND_WRITABLE}, 2);
	function->mask[PCI_CACHE_LINE] = 0xff;
	function->mask[PCI_INTERRUPT_LINE] = 0xff;
	function->capabilities_end = PCI_HEADER_BYTES;
	pci_function_put(function, PCI_INTERRUPT_LINE, 1, NO_LINE);
	if (function->slot) { /* the bridge has no pin */
		pci_function_put(function, PCI_INTERRUPT_PIN, 1, PIN_INTA);
		pci_function_put(function, PCI_INTERRUPT_LINE, 1,
				 vpic_pci_irq(pci_slot_gsi(function->slot)));
	}
	if (function->ops->reset)
		function->reset_capability = (uint8_t)pci_add_capability(
			function, CAPABILITY_AF, af, af_mask, sizeof(af));
}

int pci_add_capability(struct pci_function *function, uint8_t id, const void *body,
		       const void *mask, unsigned bytes)
{
	unsigned at = ALIGN_UP(function->capabilities_end, 4);

	if (at + 2 + bytes > PCI_CONFIG_BYTES)
		return -ENOSPC;
	function->config[at] = id;
	memcpy(&function->config[at + 2], body, bytes);
	if (mask)
		memcpy(&function->mask[at + 2], mask, bytes);
	if (function->last_capability)
		function->config[function->last_capability + 1] = at;
	else
		function->config[PCI_CAPABILITIES] = at;
	function->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
	function->last_capability = at;
	function->capabilities_end = at + 2 + bytes;
	return (int)at;
}

uint32_t pci_config_get(struct pci_function *function, unsigned offset, unsigned bytes)
{
	uint64_t flags = spin_lock_irqsave(&function->lock);
	uint32_t value = 0;

	memcpy(&value, &function->config[offset], bytes);
	spin_unlock_irqrestore(&function->lock, flags);
	return value;
}

void pci_config_set(struct pci_function *function, unsigned offset, unsigned bytes,
		    uint32_t value)
{
	uint64_t flags = spin_lock_irqsave(&function->lock);

	pci_function_put(function, offset, bytes, value);
	spin_unlock_irqrestore(&function->lock, flags);
}

uint64_t pci_function_read(struct pci_function *function, unsigned offset, unsigned bytes)
{
	uint64_t flags, value = 0;

	if (offset >= PCI_HEADER_BYTES && function->ops->config_read)
		function->ops->config_read(function, offset, bytes);
	flags = spin_lock_irqsave(&function->lock);
	memcpy(&value, &function->config[offset], bytes);
	spin_unlock_irqrestore(&function->lock, flags);
	return value;
}

/* Whether the write that was just stored asks for a function-level reset. If so, all that the
 * guest can write is zero from here on. */
static bool take_reset(struct pci_function *function)
{
	unsigned at = function->reset_capability;

	if (!at || !(function->config[at + AF_CONTROL] & AF_CONTROL_INITIATE))
		return false;
	for (unsigned i = 0; i < PCI_CONFIG_BYTES; i++)
		function->config[i] &= ~function->mask[i];
	pci_msix_reset(function);
	function->pin_level = false;
	return true;
}

/* Such writes are rare: whatever depends on the registers is brought up to date after each. */
void pci_function_write(struct pci_function *function, unsigned offset, unsigned bytes,
			uint64_t value)
{
	uint64_t flags = spin_lock_irqsave(&function->lock);
	bool reset;

	for (unsigned i = offset; i < offset + bytes; i++, value >>= 8)
		function->config[i] = (function->config[i] & ~function->mask[i]) |
				      (value & function->mask[i]);
	reset = take_reset(function);
	pci_bars_update(function);
	pci_pin_update(function);
	pci_msix_flush(function);
	spin_unlock_irqrestore(&function->lock, flags);
	if (reset)
		function->ops->reset(function);
	else if (offset >= PCI_HEADER_BYTES && function->ops->config_written)
		function->ops->config_written(function, offset, bytes);
}
