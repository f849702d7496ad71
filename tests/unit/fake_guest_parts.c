/* See fake_guest_parts.h. */
#include "tests/unit/fake_guest_parts.h"

#include <errno.h>
#include <string.h>

#include "guests/acpi/acpi.h"
#include "guests/bios/bios.h"
#include "guests/devices/console.h"
#include "guests/devices/virtio/balloon.h"
#include "guests/devices/virtio/blk.h"
#include "guests/devices/virtio/console.h"
#include "guests/devices/virtio/net.h"
#include "guests/devices/virtio/rng.h"
#include "guests/launch/devices.h"
#include "guests/launch/kernel.h"
#include "guests/linux/linux.h"
#include "guests/mptable/mptable.h"
#include "guests/multiboot/multiboot.h"
#include "kernel/io/network.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vmm.h"
#include "tests/unit/fake_guest.h"

uint64_t fake_parts_memory_free = FAKE_PARTS_MEMORY;

static struct vm *vms[4]; /* that are there */

/* ---- devices ----------------------------------------------------------------------------- */

void virtio_blk_get_info(const struct virtio_blk *blk, struct virtio_blk_info *info)
{
	(void)blk;
	*info = (struct virtio_blk_info){0};
}

struct virtio_net *virtio_net_create(const struct board *board, struct pci_root *root,
				     const struct virtio_net_params *params)
{
	(void)board, (void)root, (void)params;
	return NULL;
}

void virtio_net_destroy(struct virtio_net *net)
{
	(void)net;
}

void virtio_net_get_info(const struct virtio_net *net, struct virtio_net_info *info)
{
	(void)net;
	*info = (struct virtio_net_info){0};
}

int network_attach(const struct network_port_config *config, struct netdev **dev,
		   char why[NETWORK_WHY_BYTES])
{
	(void)config, (void)dev, (void)why;
	return -ENOENT;
}

struct virtio_rng *virtio_rng_create(const struct board *board, struct pci_root *root)
{
	(void)root;
	return (struct virtio_rng *)board;
}

void virtio_rng_destroy(struct virtio_rng *rng)
{
	(void)rng;
}

struct virtio_console *virtio_console_create(const struct board *board, struct pci_root *root,
					     struct console *console)
{
	(void)root, (void)console;
	return (struct virtio_console *)board;
}

void virtio_console_destroy(struct virtio_console *console)
{
	(void)console;
}

struct virtio_balloon *virtio_balloon_create(const struct board *board, struct pci_root *root)
{
	(void)root;
	return (struct virtio_balloon *)board;
}

void virtio_balloon_destroy(struct virtio_balloon *balloon)
{
	(void)balloon;
}

int virtio_balloon_set(struct virtio_balloon *balloon, uint64_t bytes)
{
	(void)balloon, (void)bytes;
	return 0;
}

uint64_t virtio_balloon_used(const struct virtio_balloon_info *info, uint64_t memory_bytes)
{
	(void)info, (void)memory_bytes;
	return 0;
}

void virtio_rng_get_info(const struct virtio_rng *rng, struct virtio_rng_info *info)
{
	(void)rng;
	*info = (struct virtio_rng_info){0};
}

void virtio_balloon_get_info(struct virtio_balloon *balloon, struct virtio_balloon_info *info)
{
	(void)balloon;
	*info = (struct virtio_balloon_info){0};
}

/* ---- what else a VM is made of -------------------------------------------------------------
 */

struct vm *vm_create(const struct vm_params *params)
{
	struct vm *vm = NULL;

	if (params->memory_bytes <= fake_parts_memory_free)
		vm = fake_guest_vm(params->name, params->stopped, params->arg);
	if (!vm)
		return NULL;
	vm->params.memory_bytes = params->memory_bytes;
	fake_parts_memory_free -= params->memory_bytes;
	for (unsigned i = 0; i < ARRAY_SIZE(vms); i++)
		if (!vms[i]) {
			vms[i] = vm;
			break;
		}
	return vm;
}

void vm_retire(struct vm *vm)
{
	(void)vm;
}

void vm_destroy(struct vm *vm)
{
	fake_parts_memory_free += vm->params.memory_bytes;
	for (unsigned i = 0; i < ARRAY_SIZE(vms); i++)
		if (vms[i] == vm)
			vms[i] = NULL;
	fake_guest_vm_free(vm);
}

struct cpumask vmm_cpus(void)
{
	return (struct cpumask){{1}};
}

const struct cpumask *sched_housekeeping(void)
{
	static const struct cpumask none;

	return &none;
}

uint64_t guest_frames_free_bytes(void)
{
	return fake_parts_memory_free;
}

struct vm *fake_parts_vm(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(vms); i++)
		if (vms[i] && !strcmp(vms[i]->name, name))
			return vms[i];
	return NULL;
}

struct chipset *chipset_create(const struct board *board, const struct chipset_params *params)
{
	(void)params;
	return (struct chipset *)board;
}

void chipset_destroy(struct chipset *chipset)
{
	(void)chipset;
}

struct pci_root *chipset_pci(struct chipset *chipset)
{
	return (struct pci_root *)chipset;
}

struct uart *chipset_console(struct chipset *chipset)
{
	return (struct uart *)chipset;
}

struct uart_host console_uart_host(struct console *console)
{
	(void)console;
	return (struct uart_host){0};
}

int bios_install(struct gmem *gm)
{
	(void)gm;
	return 0;
}

int acpi_install(struct gmem *gm, unsigned vcpu_count, bool watchdog, uint64_t *rsdp)
{
	(void)gm, (void)vcpu_count, (void)watchdog, (void)rsdp;
	return 0;
}

int mptable_install(struct vm *vm)
{
	(void)vm;
	return 0;
}

int kernel_open(const struct config_boot *boot, struct mem_account *account,
		struct kernel_files *files, char why[BOOT_WHY_BYTES])
{
	(void)boot, (void)account, (void)why;
	files->protocol = CONFIG_PROTOCOL_LINUX;
	return 0;
}

void kernel_close(struct kernel_files *files)
{
	(void)files;
}

int linux_load(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *entry,
	       char why[BOOT_WHY_BYTES])
{
	(void)gm, (void)source, (void)entry, (void)why;
	return 0;
}

int multiboot_load(struct gmem *gm, const struct boot_source *source,
		   enum multiboot_version version, struct vcpu_entry *entry,
		   char why[BOOT_WHY_BYTES])
{
	(void)gm, (void)source, (void)version, (void)entry, (void)why;
	return 0;
}

struct aspace *thread_set_aspace(struct aspace *as)
{
	return as;
}
