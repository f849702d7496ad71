/* Between the files of guests/pci. What devices see of it is pci.h. */
#ifndef GUESTS_PCI_INTERNAL_H
#define GUESTS_PCI_INTERNAL_H

#include "guests/pci/pci.h"

/* Configuration space, type 0 header: PCI 3.0, 6.1 and 6.2. */
enum pci_config_offset {
	PCI_VENDOR_ID = 0x00,
	PCI_DEVICE_ID = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08, /* and the class code above it */
	PCI_CACHE_LINE = 0x0c,
	PCI_BARS = 0x10,
	PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
	PCI_SUBSYSTEM_ID = 0x2e,
	PCI_CAPABILITIES = 0x34,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,
};

enum pci_command_bits {
	PCI_COMMAND_IO = BIT(0),
	PCI_COMMAND_MEMORY = BIT(1),
	PCI_COMMAND_MASTER = BIT(2),
	PCI_COMMAND_PARITY = BIT(6),
	PCI_COMMAND_SERR = BIT(8),
	PCI_COMMAND_INTX_OFF = BIT(10),
};
#define PCI_STATUS_INTERRUPT	BIT(3)
#define PCI_STATUS_CAPABILITIES BIT(4)

#define PCI_BAR_IS_IO		0x1 /* 6.2.5.1 */
#define PCI_BAR_IS_64		0x4
#define PCI_BAR_IS_PREFETCHABLE 0x8

#define PCI_DECODERS_MAX	64
#define PCI_NOT_DECODED		UINT64_MAX

/* A BAR that may answer. All but `base` is fixed before the VM starts. */
struct pci_decoder {
	_Atomic uint64_t base; /* as decoded now, or PCI_NOT_DECODED */
	uint64_t bytes;
	struct pci_function *function;
	unsigned bar;
};

/* One address space: of memory, or of ports. */
struct pci_space {
	unsigned count;
	struct pci_decoder decoders[PCI_DECODERS_MAX];
};

struct pci_root {
	const struct board *board;
	bus_handler reset; /* has port 0xcf9 */
	void *reset_device;
	struct pci_function bridge;
	struct pci_function *functions[PCI_SLOTS]; /* fixed before the VM starts */
	struct pci_space memory, io;
	uint64_t next[PCI_BAR_MEMORY64 + 1]; /* where the next BAR of a kind goes */
	_Atomic uint32_t config_address;     /* port 0xcf8 */

	struct spinlock pins_lock; /* taken within a function's; vm->irq_lock within it */
	uint32_t pins;		   /* slots whose INTA# is asserted */
};

/* access.c: ECAM and ports 0xcf8 to 0xcff. `device` is the root. */
void pci_ecam_access(void *device, struct bus_access *access);
void pci_ports_access(void *device, struct bus_access *access);

/* function.c */
void pci_function_init(struct pci_function *function);
uint64_t pci_function_read(struct pci_function *function, unsigned offset, unsigned bytes);
void pci_function_write(struct pci_function *function, unsigned offset, unsigned bytes,
			uint64_t value);
void pci_function_put(struct pci_function *function, unsigned offset, unsigned bytes,
		      uint64_t value);
uint16_t pci_command(const struct pci_function *function);

/* bars.c. Place: 0 or -ENOSPC. Update: what decodes where, after a change of the command
 * register or of BARs; under the function's lock. Access: a bus_rest_handler; the space is its
 * `device`. */
int pci_bars_place(struct pci_function *function);
void pci_bars_update(struct pci_function *function);
void pci_bars_remove(struct pci_function *function);
bool pci_space_access(void *space, struct bus_access *access);

/* msix.c. Flush: sends what is pending and no longer masked; under the function's lock. */
int pci_msix_init(struct pci_function *function);
void pci_msix_access(struct pci_function *function, struct bus_access *access);
void pci_msix_flush(struct pci_function *function);
void pci_msix_reset(struct pci_function *function);

/* pins.c: the wire after a change of pin_level, command register or MSI-X; under the function's
 * lock. */
void pci_pin_update(struct pci_function *function);

#endif
