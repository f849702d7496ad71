/*
 * The PC around a VM, put together by one call: serial port, clock, keyboard controller, ACPI
 * hardware, pvpanic, watchdog, reset and test ports, and an empty PCI bus. Interrupt
 * controllers and the 8254 belong to the VM; virtio devices come with the guest's
 * configuration.
 */
#ifndef GUESTS_LAUNCH_CHIPSET_H
#define GUESTS_LAUNCH_CHIPSET_H

#include "guests/devices/uart.h"

struct chipset;
struct pci_root;
struct pm;
struct pvpanic;
struct watchdog;
struct board;

struct chipset_params {
	struct uart_host console; /* COM1's other end */
	bool debug_exit;	  /* test ports: debug exit at 0xf4, fw_cfg */
	bool watchdog;		  /* there is one ... */
	bool watchdog_fired;	  /* ... and it ended the guest's VM before this one */
};

/* Creates all devices and adds them to the VM's buses. NULL, with the reason logged under the
 * guest's name and nothing left behind but bus ranges: the VM is then to be destroyed. Thread
 * context, before vm_start(). */
struct chipset *chipset_create(const struct board *board, const struct chipset_params *params);
/* After the VM has stopped and its PCI devices are removed, before vm_destroy(): devices'
 * timers end here. NULL is fine. */
void chipset_destroy(struct chipset *chipset);

struct uart *chipset_console(struct chipset *chipset);
struct pm *chipset_pm(struct chipset *chipset);
struct pci_root *chipset_pci(struct chipset *chipset);
struct pvpanic *chipset_pvpanic(struct chipset *chipset);
struct watchdog *chipset_watchdog(struct chipset *chipset); /* NULL: there is none */

#endif
