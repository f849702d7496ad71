/*
 * From a guest's configuration to a VM that is ready to start: memory, devices, tables, and the
 * kernel loaded. Prepare, then commit: whatever fails here leaves nothing behind.
 */
#ifndef GUESTS_LAUNCH_LAUNCH_H
#define GUESTS_LAUNCH_LAUNCH_H

#include "guests/boot/boot.h"
#include "guests/config/config.h"
#include "guests/launch/chipset.h"
#include "guests/launch/sources.h"
#include "kernel/vmm/vm.h"

struct console;
struct devices;

struct launch {
	struct sources sources;
	struct vm *vm;
	struct chipset *chipset;
	struct devices *devices;
	struct vcpu_entry entry; /* for vm_start() */
};

struct launch_params {
	const struct guest_config *config;
	const struct cpumask *shared; /* CPUs for its vCPUs, when it pins none */
	struct console *console;
	bool watchdog_fired; /* its VM before this one was ended by the watchdog */
	/* Becomes true, at any time, when the VM is not wanted any more. */
	const _Atomic bool *given_up;
	void (*stopped)(struct vm *vm, void *arg); /* as in struct vm_params */
	void *arg;
};

/*
 * 0; or a negative errno with a sentence in `why`: -ENODEV, something that the configuration
 * names is not on this machine; -ENOMEM, not enough memory is free; -EBUSY or -EEXIST, others
 * have it; -ECANCELED, it was given up, which is looked at between the steps. Thread context;
 * takes as long as its disks take to open, and its kernel to be copied.
 */
int launch_prepare(const struct launch_params *params, struct launch *out,
		   char why[BOOT_WHY_BYTES]);

/* Takes the VM apart. It has stopped, or never started. Thread context; may sleep. */
void launch_release(struct launch *launch);

#endif
