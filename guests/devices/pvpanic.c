/* See pvpanic.h. A panic is the VM's end; one that the guest deals with itself is only noted.
 */
#include "guests/devices/pvpanic.h"

#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

enum pvpanic_events {
	PVPANIC_PANICKED = BIT(0),
	PVPANIC_CRASH_LOADED = BIT(1), /* panicked, and a crash kernel takes over */
	PVPANIC_SHUTDOWN = BIT(2),     /* switched itself off */
	PVPANIC_EVENTS = PVPANIC_PANICKED | PVPANIC_CRASH_LOADED | PVPANIC_SHUTDOWN,
};

struct pvpanic {
	const struct board *board;
	_Atomic bool crash_kernel;
};

/* Reads say which events there are; bits that are none are ignored. */
static void port_access(void *device, struct bus_access *access)
{
	struct pvpanic *pvpanic = device;
	struct vm *vm = pvpanic->board->vm;

	if (!access->write) {
		access->value = PVPANIC_EVENTS;
		return;
	}
	if (access->value & PVPANIC_CRASH_LOADED)
		atomic_store(&pvpanic->crash_kernel, true);
	if (access->value & PVPANIC_PANICKED)
		vm_stop(vm, VM_STOP_PANIC, 0, "the guest's kernel panicked (pvpanic)");
	else if (access->value & PVPANIC_SHUTDOWN)
		vm_stop(vm, VM_STOP_POWEROFF, 0, "the guest switched itself off (pvpanic)");
}

struct pvpanic *pvpanic_create(const struct board *board)
{
	struct pvpanic *pvpanic = heap_zalloc(sizeof(*pvpanic), board->account);

	if (!pvpanic)
		return NULL;
	pvpanic->board = board;
	if (bus_add(board->pio, PVPANIC_PORT, 1, port_access, pvpanic, "pvpanic")) {
		heap_free(pvpanic);
		return NULL;
	}
	return pvpanic;
}

void pvpanic_destroy(struct pvpanic *pvpanic)
{
	heap_free(pvpanic);
}

bool pvpanic_crash_kernel(const struct pvpanic *pvpanic)
{
	return atomic_load(&pvpanic->crash_kernel);
}
