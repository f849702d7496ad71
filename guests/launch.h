/*
 * From a guest's configuration to a VM that is ready to start: memory, devices, tables, and the
 * kernel loaded. Prepare, then commit: whatever fails here leaves nothing behind.
 */
#ifndef GUESTS_LAUNCH_H
#define GUESTS_LAUNCH_H

#include "guests/boot/boot.h"
#include "guests/chipset.h"
#include "guests/config/config.h"
#include "kernel/vmm/vm.h"

struct console;
struct devices;

struct launch {
	struct vm *vm;
	struct chipset *chipset;
	struct devices *devices;
	struct vcpu_entry entry; /* for vm_start() */
};

/*
 * `shared` are the CPUs that the guest's vCPUs may share when it pins none. `stopped` as in
 * struct vm_params. 0; or a negative errno with a sentence in `why`. Thread context; takes as
 * long as copying the kernel and its initrd.
 */
int launch_prepare(const struct guest_config *config, const struct cpumask *shared,
		   struct console *console, void (*stopped)(struct vm *vm, void *arg),
		   void *arg, struct launch *out, char why[BOOT_WHY_BYTES]);

/* Takes the VM apart. It has stopped, or never started. Thread context; may sleep. */
void launch_release(struct launch *launch);

#endif
