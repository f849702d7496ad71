/*
 * A guest's PCI bus: one root, ECAM and ports 0xcf8/0xcfc, functions with BARs, MSI-X and INTx
 * pins. Functions are added while the VM is prepared. Registers: PCI Local Bus 3.0, ch. 6; PCI
 * Express Base 4.0, 7.2.2 (ECAM). Not the machine's PCI: that is drivers/bus/pci.
 */
#ifndef GUESTS_PCI_PCI_H
#define GUESTS_PCI_PCI_H

#include "kernel/lib/lock.h"
#include "kernel/vmm/bus.h"

struct board;
struct pci_root;

/* Where it is in a guest's map: inside the hole below 4 GiB, and far above all RAM. BARs are
 * placed in these windows, but answer wherever the guest moves them and nothing else is. */
#define PCI_ECAM_BASE	  0xe0000000ull
#define PCI_ECAM_BYTES	  (1 * MIB)	/* bus 0; Linux searches as many as there may be */
#define PCI_WINDOW_BASE	  0xc0000000ull /* memory BARs of 32 bits */
#define PCI_WINDOW_BYTES  (512 * MIB)
#define PCI_IO_BASE	  0xc000u
#define PCI_IO_BYTES	  0x2000u

#define PCI_FUNCTION_BARS 6
#define PCI_CONFIG_BYTES  256	     /* functions without PCI Express capability have no more */
#define PCI_HEADER_BYTES  64	     /* of it: type 0 header */
#define PCI_MSIX_MAX	  64	     /* vectors of a function */
#define PCI_MSIX_BYTES	  PAGE_BYTES /* of its BAR, at least */
#define PCI_SLOTS	  32

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY32, PCI_BAR_MEMORY64 };

struct pci_function;

struct pci_function_ops {
	/* An access within BAR `bar`, at access->offset of it. As a bus_handler: on the vCPU's
	 * thread, must not sleep. */
	void (*access)(struct pci_function *function, unsigned bar, struct bus_access *access);
	/* After a write to configuration space beyond the header was stored through the write
	 * mask; NULL: nothing to do. No lock is held, here and in the following. */
	void (*config_written)(struct pci_function *function, unsigned offset, unsigned bytes);
	/* Before a read there: to fill in what changes, by pci_config_set(). NULL: nothing
	 * does. */
	void (*config_read)(struct pci_function *function, unsigned offset, unsigned bytes);
	/* A function-level reset: configuration space is as at power-on already, BARs do not
	 * decode; the device is to follow, within 100 ms. On the vCPU's thread, must not
	 * sleep. NULL: the function offers no such reset. */
	void (*reset)(struct pci_function *function);
};

struct pci_msix_entry { /* PCI 3.0, 6.8.2.9 */
	uint64_t address;
	uint32_t data, control;
};

/*
 * One function, embedded in its device. The device fills the first part, then pci_root_add()s
 * it. `lock` guards configuration space and MSI-X state; it is taken with interrupts off, and
 * vm->irq_lock may be taken in it. BAR addresses are read without it.
 */
struct pci_function {
	const char *name; /* "virtio-blk" */
	const struct pci_function_ops *ops;
	uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_id;
	uint32_t class_code;
	uint8_t revision;
	struct {
		enum pci_bar_kind kind;
		uint64_t bytes; /* a power of two; memory: 4 KiB at least */
		bool prefetchable;
	} bars[PCI_FUNCTION_BARS];
	unsigned msix_vectors; /* 0: none; else table and PBA are in `msix_bar`, which is theirs
				*/
	uint8_t msix_bar;

	/* The root's. */
	struct pci_root *root;
	const struct board *board;
	uint8_t slot;
	struct spinlock lock;
	uint8_t config[PCI_CONFIG_BYTES];
	uint8_t mask[PCI_CONFIG_BYTES]; /* bits that the guest can write */
	unsigned capabilities_end;
	uint8_t last_capability, msix_capability, reset_capability; /* offsets; 0: none */
	struct pci_decoder *decoders[PCI_FUNCTION_BARS];
	struct pci_msix_entry msix[PCI_MSIX_MAX];
	uint64_t msix_pending; /* bits of the PBA */
	bool pin_level;
	_Atomic uint64_t messages; /* sent, for counters */
};

/* Where memory BARs of 64 bits are, and as many bytes: the upper half of what addresses reach,
 * but never above 512 GiB, to where no guest's RAM reaches. */
uint64_t pci_high_base(void);

/* The root, with a host bridge in slot 0. Byte accesses to port 0xcf9, amid its own, go on to
 * `reset`, with `reset_device`. NULL without memory or where the windows are taken (logged). */
struct pci_root *pci_root_create(const struct board *board, bus_handler reset,
				 void *reset_device);
/* All functions have been removed. NULL is fine. */
void pci_root_destroy(struct pci_root *root);

/* Gives the function the next free slot, with BARs placed and decoding on, as firmware leaves a
 * device. 0, or -ENOSPC without slots or addresses (logged). Before vm_start(). */
int pci_root_add(struct pci_root *root, struct pci_function *function);
/* Before the device's memory goes; the VM has stopped. Nothing for a function that was never
 * added. */
void pci_root_remove(struct pci_function *function);

/* Appends a capability: `bytes` of `body` behind ID and next pointer; `mask`: which bits of it
 * the guest can write, NULL for none. Returns its offset in configuration space, or -ENOSPC.
 * After pci_root_add(). */
int pci_add_capability(struct pci_function *function, uint8_t id, const void *body,
		       const void *mask, unsigned bytes);

/* 1, 2 or 4 bytes of configuration space, as the device sees them: write mask or not. Any
 * context without the function's lock. */
uint32_t pci_config_get(struct pci_function *function, unsigned offset, unsigned bytes);
void pci_config_set(struct pci_function *function, unsigned offset, unsigned bytes,
		    uint32_t value);

/* Sends MSI-X vector `vector`, or sets its pending bit while it is masked or the
 * function may not master the bus. Out of range, or while MSI-X is off: nothing. Any context.
 */
void pci_msix_send(struct pci_function *function, unsigned vector);
bool pci_msix_enabled(const struct pci_function *function);
/* INTx, level-triggered: the wire as the device drives it. No effect while MSI-X is on or the
 * guest disabled it. Any context. */
void pci_set_pin(struct pci_function *function, bool level);

/* The wire that a slot's INTA# drives, 16 to 23: that pin of the I/O APIC, and vpic_pci_irq()
 * of the 8259 pair. The DSDT's _PRT and the MP table say the same. */
static inline unsigned pci_slot_gsi(unsigned slot)
{
	return 16 + slot % 8;
}

#endif
