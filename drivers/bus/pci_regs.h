/* Registers of configuration space and of MSI-X tables: PCI Local Bus 3.0, 6.1 to 6.8;
 * PCI-to-PCI Bridge Architecture 1.2, 3.2. Only those that pci.c and its parts use. */
#ifndef DRIVERS_BUS_PCI_REGS_H
#define DRIVERS_BUS_PCI_REGS_H

#include "kernel/lib/types.h"

enum pci_register {
	PCI_VENDOR_ID = 0x00,
	PCI_DEVICE_ID = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_CLASS = 0x09, /* interface, subclass, class: three bytes */
	PCI_HEADER_TYPE = 0x0e,
	PCI_BAR0 = 0x10,
	PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
	PCI_SUBSYSTEM_ID = 0x2e,
	PCI_CAPABILITIES = 0x34,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,
};

/* PCI_COMMAND; its three lowest bits are PCI_ENABLE_* of pci.h. */
#define PCI_COMMAND_DECODE	 0x3u
#define PCI_COMMAND_MASTER	 0x4u
#define PCI_COMMAND_INTX_DISABLE BIT(10)

#define PCI_STATUS_CAPABILITIES	 BIT(4)

#define PCI_HEADER_KIND		 0x7fu /* of the header type: 0 a device, 1 a bridge */
#define PCI_HEADER_MULTIFUNCTION 0x80u

#define PCI_BAR_IO		 BIT(0)
#define PCI_BAR_64		 0x4u /* bits 2:1 are 2 */
#define PCI_BAR_TYPE		 0x6u
#define PCI_BAR_IO_FLAGS	 0x3u
#define PCI_BAR_MEMORY_FLAGS	 0xfu

#define PCI_CLASS_STORAGE	 0x01u /* class codes: PCI Code and ID Assignment */
#define PCI_CLASS_NETWORK	 0x02u
#define PCI_CLASS_HOST_BRIDGE	 0x0600u /* class and subclass */

#define PCI_CAPABILITY_MSI	 0x05u
#define PCI_CAPABILITY_VENDOR	 0x09u
#define PCI_CAPABILITY_MSIX	 0x11u
#define PCI_CAPABILITIES_FIRST	 0x40u
#define PCI_CAPABILITIES_MAX	 48 /* as many as fit behind the header */

/* MSI, 6.8.1; offsets from the capability. */
#define PCI_MSI_CONTROL	       2u
#define PCI_MSI_ADDRESS	       4u
#define PCI_MSI_ADDRESS_HIGH   8u
#define PCI_MSI_DATA_32	       8u
#define PCI_MSI_DATA_64	       12u
#define PCI_MSI_CONTROL_ENABLE BIT(0)
#define PCI_MSI_CONTROL_COUNT  0x70u /* messages enabled, as a power of two */
#define PCI_MSI_CONTROL_64     BIT(7)

/* MSI-X, 6.8.2. */
#define PCI_MSIX_CONTROL	  2u
#define PCI_MSIX_TABLE		  4u
#define PCI_MSIX_CONTROL_SIZE	  0x7ffu /* entries, less one */
#define PCI_MSIX_CONTROL_MASK_ALL BIT(14)
#define PCI_MSIX_CONTROL_ENABLE	  BIT(15)
#define PCI_MSIX_TABLE_BAR	  0x7u

struct pci_msix_entry {
	uint32_t address_low, address_high, data, control;
};
_Static_assert(sizeof(struct pci_msix_entry) == 16, "PCI 3.0 figure 6-11");
#define PCI_MSIX_ENTRY_MASKED BIT(0)

#endif
