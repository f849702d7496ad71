/* See virtio.h. */
#include "tests/guest/lib/virtio.h"

#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

#define VENDOR		  0x1af4
#define DEVICE_BASE	  0x1040
#define CAPABILITY_VENDOR 0x09
#define CAPABILITY_MSIX	  0x11
#define COMMAND_ALL	  0x0407 /* ports, memory, master; no INTx */
#define RESET_LIMIT_MS	  3000
#define LOOKS_PER_MS	  20

enum { CFG_COMMON = 1, CFG_NOTIFY, CFG_ISR, CFG_DEVICE };

static void found(struct virtio_device *device, unsigned at)
{
	uint32_t offset = pci_read(device->slot, at + 8, 4);
	bool ports;
	uint32_t base = pci_bar(device->slot, pci_read(device->slot, at + 4, 1) & 7, &ports);
	void *memory = (void *)(uintptr_t)(base + offset);

	switch (pci_read(device->slot, at + 3, 1)) {
	case CFG_COMMON:
		device->common = memory;
		device->registers = base;
		break;
	case CFG_ISR: device->isr = memory; break;
	case CFG_DEVICE: device->config = memory; break;
	case CFG_NOTIFY:
		if (ports) {
			device->notify_port = (uint16_t)(base + offset);
		} else {
			device->notify = memory;
			device->notify_multiplier = pci_read(device->slot, at + 16, 4);
		}
		break;
	}
}

static void find_msix(struct virtio_device *device)
{
	unsigned at = pci_capability(device->slot, CAPABILITY_MSIX, 0);
	uint32_t table;
	bool ports;

	if (!at)
		return;
	table = pci_read(device->slot, at + 4, 4);
	device->msix_capability = at;
	device->msix_vectors = (pci_read(device->slot, at + 2, 2) & 0x7ff) + 1;
	device->msix =
		(volatile uint32_t *)(uintptr_t)(pci_bar(device->slot, table & 7, &ports) +
						 (table & ~7u));
}

bool virtio_find(unsigned slot, struct virtio_device *device)
{
	uint32_t ids = pci_read(slot, 0, 4);

	*device = (struct virtio_device){.slot = slot, .id = (ids >> 16) - DEVICE_BASE};
	if ((ids & 0xffff) != VENDOR || ids >> 16 < DEVICE_BASE)
		return false;
	for (unsigned at = pci_capability(slot, CAPABILITY_VENDOR, 0); at;
	     at = pci_capability(slot, CAPABILITY_VENDOR, at))
		found(device, at);
	find_msix(device);
	pci_write(slot, PCI_COMMAND, 2, COMMAND_ALL);
	return device->common && device->notify;
}

/* Looks until it is there. The limit is one of time and of looks, each of which exits: where
 * the build machine lets this CPU stand still, or the device's, time alone says nothing. */
static bool look_until(bool (*look)(void *arg), void *arg, unsigned limit_ms)
{
	uint32_t start = pm_now();
	unsigned looks = 0;

	while (!look(arg)) {
		if (looks++ >= limit_ms * LOOKS_PER_MS && pm_us_since(start) > limit_ms * 1000)
			return look(arg);
		pause();
	}
	return true;
}

static bool is_reset(void *device)
{
	return !((struct virtio_device *)device)->common->status;
}

void virtio_reset(struct virtio_device *device)
{
	device->common->status = 0;
	if (!look_until(is_reset, device, RESET_LIMIT_MS))
		give_up("the device in slot %u does not reset", device->slot);
}

static uint64_t read_offered(struct virtio_device *device)
{
	uint64_t offered;

	device->common->device_feature_select = 0;
	offered = device->common->device_feature;
	device->common->device_feature_select = 1;
	return offered | (uint64_t)device->common->device_feature << 32;
}

bool virtio_negotiate(struct virtio_device *device, uint64_t features)
{
	volatile struct virtio_common *common = device->common;

	virtio_reset(device);
	common->status = STATUS_ACKNOWLEDGE;
	common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
	device->offered = read_offered(device);
	device->features = (features | BIT(VIRTIO_VERSION_1)) & device->offered;
	common->driver_feature_select = 0;
	common->driver_feature = (uint32_t)device->features;
	common->driver_feature_select = 1;
	common->driver_feature = (uint32_t)(device->features >> 32);
	common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
	return common->status & STATUS_FEATURES_OK;
}

static void clear(void *memory, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i += 8)
		*(volatile uint64_t *)((uintptr_t)memory + i) = 0;
}

bool virtio_enable(struct virtio_device *device, struct virtio_ring *ring, unsigned index,
		   unsigned size, void *memory)
{
	volatile struct virtio_common *common = device->common;
	uint32_t base = (uint32_t)(uintptr_t)memory;

	common->queue_select = (uint16_t)index;
	if (!common->queue_size)
		return false;
	clear(memory, RING_TABLE + TABLE_DESCS * sizeof(struct virtio_desc));
	size = size < common->queue_size ? size : common->queue_size;
	*ring = (struct virtio_ring){.device = device, .index = index, .size = size};
	ring->packed = device->features >> VIRTIO_PACKED & 1;
	ring->desc = memory;
	ring->driver = (void *)(uintptr_t)(base + RING_DRIVER);
	ring->used = (void *)(uintptr_t)(base + RING_DEVICE);
	ring->table = (void *)(uintptr_t)(base + RING_TABLE);
	ring->wrap = ring->taken_wrap = true;
	common->queue_size = (uint16_t)size;
	common->queue_vector = VIRTIO_NO_VECTOR;
	common->queue_desc[0] = base;
	common->queue_desc[1] = 0;
	common->queue_driver[0] = base + RING_DRIVER;
	common->queue_driver[1] = 0;
	common->queue_device[0] = base + RING_DEVICE;
	common->queue_device[1] = 0;
	common->queue_enable = 1;
	return true;
}

void virtio_start(struct virtio_device *device)
{
	device->common->status =
		STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
}

static uint16_t flags_of(const struct virtio_buffer *buffer, bool more)
{
	return (uint16_t)((buffer->writable ? DESC_WRITE : 0) | (more ? DESC_NEXT : 0));
}

/* Descriptors are taken in a circle: those of the last chain are free again by then. */
static void add_split(struct virtio_ring *ring, const struct virtio_buffer *buffers,
		      unsigned count)
{
	unsigned size = ring->size, first = ring->next * 4u % size; /* chains of up to four */

	for (unsigned i = 0; i < count; i++) {
		volatile struct virtio_desc *desc = &ring->desc[(first + i) % size];

		desc->addr = buffers[i].addr;
		desc->bytes = buffers[i].bytes;
		desc->a = flags_of(&buffers[i], i + 1 < count);
		desc->b = (uint16_t)((first + i + 1) % size);
	}
	ring->driver[2 + ring->next % size] = (uint16_t)first;
	virtio_barrier();
	ring->driver[1] = ++ring->next;
}

/* The first descriptor's flags are written last: 2.8.21.1. */
static void add_packed(struct virtio_ring *ring, const struct virtio_buffer *buffers,
		       unsigned count)
{
	uint16_t head = ring->next, head_flags = 0;

	for (unsigned i = 0; i < count; i++) {
		volatile struct virtio_desc *desc = &ring->desc[ring->next];
		uint16_t flags = flags_of(&buffers[i], i + 1 < count) |
				 (ring->wrap ? DESC_AVAIL : DESC_USED);

		desc->addr = buffers[i].addr;
		desc->bytes = buffers[i].bytes;
		desc->a = head;
		if (i)
			desc->b = flags;
		else
			head_flags = flags;
		if (++ring->next == ring->size) {
			ring->next = 0;
			ring->wrap = !ring->wrap;
		}
	}
	virtio_barrier();
	ring->desc[head].b = head_flags;
}

void virtio_add(struct virtio_ring *ring, const struct virtio_buffer *buffers, unsigned count)
{
	if (ring->packed)
		add_packed(ring, buffers, count);
	else
		add_split(ring, buffers, count);
}

void virtio_kick(struct virtio_device *device, unsigned queue)
{
	virtio_barrier();
	if (device->notify_port)
		out16(device->notify_port, (uint16_t)queue);
	else
		*(volatile uint16_t *)(device->notify + queue * device->notify_multiplier) =
			(uint16_t)queue;
}

static bool take_split(struct virtio_ring *ring, uint32_t *bytes)
{
	if (ring->used[1] == ring->taken)
		return false;
	*bytes = *(volatile uint32_t *)&ring->used[2 + ring->taken % ring->size * 4 + 2];
	ring->taken++;
	return true;
}

/* The one chain that is under way: what follows it comes next. */
static bool take_packed(struct virtio_ring *ring, uint32_t *bytes)
{
	volatile struct virtio_desc *desc = &ring->desc[ring->taken];
	uint16_t both = DESC_AVAIL | DESC_USED;

	if ((desc->b & both) != (ring->taken_wrap ? both : 0))
		return false;
	*bytes = desc->bytes;
	ring->taken = ring->next;
	ring->taken_wrap = ring->wrap;
	return true;
}

struct taking {
	struct virtio_ring *ring;
	uint32_t *bytes;
	bool taken;
};

static bool is_broken(void *device)
{
	return ((struct virtio_device *)device)->common->status & STATUS_NEEDS_RESET;
}

static bool is_taken_or_broken(void *arg)
{
	struct taking *t = arg;

	t->taken = (t->ring->packed ? take_packed : take_split)(t->ring, t->bytes);
	return t->taken || is_broken(t->ring->device);
}

bool virtio_wait(struct virtio_ring *ring, uint32_t *bytes, unsigned limit_ms)
{
	struct taking taking = {ring, bytes, false};

	return look_until(is_taken_or_broken, &taking, limit_ms) && taking.taken;
}

bool virtio_wait_broken(struct virtio_device *device, unsigned limit_ms)
{
	return look_until(is_broken, device, limit_ms);
}
