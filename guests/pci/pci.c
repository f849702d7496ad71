/*
 * The root: its place on the VM's buses, its slots, and the host bridge in the first of them.
 * Like firmware it leaves every function ready to be used.
 */
#include "guests/pci/pci.h"

#include <errno.h>

#include "guests/pci/internal.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

/* The host bridge is what pci.ids calls "QEMU PCIe Host bridge": it stands for no chipset, so
 * no driver expects registers of one. */
#define BRIDGE_VENDOR	 0x1b36
#define BRIDGE_DEVICE	 0x0008
#define BRIDGE_CLASS	 0x060000
#define SUBSYSTEM_VENDOR 0x1af4
#define SUBSYSTEM	 0x1100

#define PORTS_BASE	 0xcf8
#define PORTS_BYTES	 8

static const struct pci_function_ops bridge_ops = {0}; /* there is no BAR to access */

uint64_t pci_high_base(void)
{
	return BIT(MIN(cpu_features.phys_bits, 40u) - 1);
}

static int take_slot(struct pci_root *root, struct pci_function *function)
{
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (!root->functions[slot]) {
			root->functions[slot] = function;
			function->slot = slot;
			return 0;
		}
	return -ENOSPC;
}

int pci_root_add(struct pci_root *root, struct pci_function *function)
{
	if (take_slot(root, function))
		goto full;
	function->root = root;
	function->board = root->board;
	pci_function_init(function);
	if (pci_bars_place(function) || (function->msix_vectors && pci_msix_init(function))) {
		pci_root_remove(function);
		goto full;
	}
	pci_function_put(function, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	pci_bars_update(function);
	return 0;
full:
	log_error(root->board->name, "no room on its PCI bus for %s: give it fewer devices",
		  function->name);
	return -ENOSPC;
}

void pci_root_remove(struct pci_function *function)
{
	if (!function->root)
		return;
	pci_set_pin(function, false);
	pci_bars_remove(function);
	function->root->functions[function->slot] = NULL;
	function->root = NULL;
}

static int add_configuration(struct pci_root *root)
{
	const struct board *board = root->board;

	return bus_add(board->pio, PORTS_BASE, PORTS_BYTES, pci_ports_access, root,
		       "PCI configuration ports") ||
	       bus_add(board->mmio, PCI_ECAM_BASE, PCI_ECAM_BYTES, pci_ecam_access, root,
		       "ECAM");
}

/* Whatever is not RAM, and nobody else's, is PCI's: a BAR answers wherever it is. */
static void join_buses(struct pci_root *root)
{
	const struct board *board = root->board;

	board->mmio->rest = pci_space_access;
	board->mmio->rest_device = &root->memory;
	board->pio->rest = pci_space_access;
	board->pio->rest_device = &root->io;
}

static int add_bridge(struct pci_root *root)
{
	root->bridge = (struct pci_function){
		.name = "host bridge",
		.ops = &bridge_ops,
		.vendor_id = BRIDGE_VENDOR,
		.device_id = BRIDGE_DEVICE,
		.subsystem_vendor_id = SUBSYSTEM_VENDOR,
		.subsystem_id = SUBSYSTEM,
		.class_code = BRIDGE_CLASS,
	};
	return pci_root_add(root, &root->bridge);
}

struct pci_root *pci_root_create(const struct board *board, bus_handler reset,
				 void *reset_device)
{
	struct pci_root *root = heap_zalloc(sizeof(*root), board->account);

	if (!root)
		return NULL;
	spin_lock_init(&root->pins_lock, "PCI pins");
	if (board->gmem->bytes > pci_high_base() - (GMEM_HIGH_BASE - GMEM_LOW_MAX)) {
		log_error(board->name,
			  "its memory reaches %llu GiB, where on this CPU PCI devices "
			  "are: give it less",
			  (unsigned long long)(pci_high_base() / GIB));
		goto fail;
	}
	root->board = board;
	root->reset = reset;
	root->reset_device = reset_device;
	root->next[PCI_BAR_IO] = PCI_IO_BASE;
	root->next[PCI_BAR_MEMORY32] = PCI_WINDOW_BASE;
	root->next[PCI_BAR_MEMORY64] = pci_high_base();
	if (add_configuration(root) || add_bridge(root))
		goto fail;
	join_buses(root);
	return root;
fail:
	heap_free(root);
	return NULL;
}

void pci_root_destroy(struct pci_root *root)
{
	heap_free(root);
}
