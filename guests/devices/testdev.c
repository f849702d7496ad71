/* Debug exit and a read-only fw_cfg (QEMU docs/specs/fw_cfg.rst, the traditional interface). */
#include "guests/devices/testdev.h"

#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

#define EXIT_PORT	0xf4
#define EXIT_BYTES	4

#define FW_CFG_PORT	0x510 /* selector, 16 bits; data at the next port, 8 bits */
#define FW_CFG_PORTS	2
#define FW_CFG_ID_PLAIN 1 /* no DMA interface */

enum fw_cfg_item {
	FW_CFG_SIGNATURE = 0,
	FW_CFG_ID = 1,
	FW_CFG_RAM_SIZE = 3,
	FW_CFG_NB_CPUS = 5,
	FW_CFG_MAX_CPUS = 15,
};

struct testdev {
	const struct board *board;
	struct spinlock lock; /* guards selector and position */
	uint16_t selector;
	unsigned position; /* of the next byte of the item; 8 at the most */
};

static void exit_access(void *device, struct bus_access *access)
{
	struct testdev *testdev = device;

	if (access->write)
		vm_stop(testdev->board->vm, VM_STOP_EXIT, access->value,
			"the guest ended with status 0x%x (debug exit)",
			(unsigned)access->value);
	else
		access->value = 0;
}

/* Items are 8 bytes at the most, little-endian, zeroes after their end. */
static uint64_t item(const struct testdev *testdev)
{
	switch (testdev->selector) {
	case FW_CFG_SIGNATURE: return 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24;
	case FW_CFG_ID: return FW_CFG_ID_PLAIN;
	case FW_CFG_RAM_SIZE: return testdev->board->gmem->bytes;
	case FW_CFG_NB_CPUS:
	case FW_CFG_MAX_CPUS: return testdev->board->vcpu_count;
	default: return 0;
	}
}

static void fw_cfg_access(void *device, struct bus_access *access)
{
	struct testdev *testdev = device;
	uint64_t flags = spin_lock_irqsave(&testdev->lock);
	bool selector = access->offset == 0;

	if (access->write && selector && access->bytes == 2) {
		testdev->selector = access->value;
		testdev->position = 0;
	} else if (!access->write) {
		access->value = 0;
		if (!selector && testdev->position < 8)
			access->value = (uint8_t)(item(testdev) >> 8 * testdev->position++);
	}
	spin_unlock_irqrestore(&testdev->lock, flags);
}

struct testdev *testdev_create(const struct board *board)
{
	struct testdev *testdev = heap_zalloc(sizeof(*testdev), board->account);

	if (!testdev)
		return NULL;
	testdev->board = board;
	spin_lock_init(&testdev->lock, "testdev");
	if (bus_add(board->pio, EXIT_PORT, EXIT_BYTES, exit_access, testdev, "debug exit") ||
	    bus_add(board->pio, FW_CFG_PORT, FW_CFG_PORTS, fw_cfg_access, testdev, "fw_cfg")) {
		heap_free(testdev);
		return NULL;
	}
	return testdev;
}

void testdev_destroy(struct testdev *testdev)
{
	heap_free(testdev);
}
