/*
 * The two ways into configuration space: ECAM (PCI Express Base 4.0, 7.2.2) and ports 0xcf8 to
 * 0xcff (PCI 3.0, 3.2.2.3.2). What is found there is function.c's.
 */
#include <stdatomic.h>

#include "guests/pci/internal.h"

#define CONFIG_ADDRESS		0 /* offsets from port 0xcf8 */
#define RST_CNT			1
#define CONFIG_DATA		4
#define CONFIG_ADDRESS_ENABLE	BIT(31)
#define CONFIG_ADDRESS_WRITABLE 0x80fffffcu

/* Bus, device and function, as both ways number them. */
#define ROUTING_ID(bus, slot, fn) ((bus) << 8 | (slot) << 3 | (fn))
#define ROUTING_SLOT(id)	  ((id) >> 3)

/* `offset` is within the function's 4 KiB, and the access aligned. */
static void function_access(struct pci_root *root, unsigned routing_id, unsigned offset,
			    struct bus_access *access)
{
	bool exists = routing_id < ROUTING_ID(0, PCI_SLOTS, 0) &&
		      routing_id % ROUTING_ID(0, 1, 0) == 0 && offset < PCI_CONFIG_BYTES;
	struct pci_function *function =
		exists ? root->functions[ROUTING_SLOT(routing_id)] : NULL;

	if (function && access->write)
		pci_function_write(function, offset, access->bytes, access->value);
	else if (function)
		access->value = pci_function_read(function, offset, access->bytes);
	else if (!access->write)
		access->value = UINT64_MAX;
}

void pci_ecam_access(void *device, struct bus_access *access)
{
	if (access->offset % access->bytes)
		bus_bytewise(pci_ecam_access, device, access);
	else
		function_access(device, access->offset / PAGE_BYTES,
				access->offset % PAGE_BYTES, access);
}

static void data_access(struct pci_root *root, struct bus_access *access)
{
	uint32_t address = atomic_load(&root->config_address);
	unsigned offset = (address & 0xfc) + (access->offset - CONFIG_DATA);

	if (access->offset % access->bytes)
		bus_bytewise(pci_ports_access, root, access);
	else if (address & CONFIG_ADDRESS_ENABLE)
		function_access(root, address >> 8 & 0xffff, offset, access);
	else if (!access->write)
		access->value = UINT64_MAX;
}

/* The reset register is seen by byte accesses alone, and CONFIG_ADDRESS by doublewords. */
void pci_ports_access(void *device, struct bus_access *access)
{
	struct pci_root *root = device;

	if (access->offset >= CONFIG_DATA)
		data_access(root, access);
	else if (access->offset == RST_CNT && access->bytes == 1)
		root->reset(root->reset_device, access);
	else if (access->offset != CONFIG_ADDRESS || access->bytes != 4)
		access->value = UINT64_MAX;
	else if (access->write)
		atomic_store(&root->config_address, access->value & CONFIG_ADDRESS_WRITABLE);
	else
		access->value = atomic_load(&root->config_address);
}
