/*
 * What a driver reads and writes (virtio 1.2, 4.1.4): common configuration, notifications, ISR,
 * the device's own, and the detour to all of them through configuration space. Everything here
 * runs on a vCPU's thread and ends at once; what takes longer is an event for the device's.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "guests/devices/virtio/virtio_internal.h"

#define CAPABILITY_VENDOR 0x09

/* Of VIRTIO_PCI_CFG_ACCESS, from the capability's first byte on. */
enum {
	ACCESS_BAR = offsetof(struct virtio_pci_cap, bar),
	ACCESS_OFFSET = offsetof(struct virtio_pci_cap, offset),
	ACCESS_BYTES = offsetof(struct virtio_pci_cap, bytes),
	ACCESS_DATA = offsetof(struct virtio_pci_cap, extra),
};

static struct virtio *of(struct pci_function *function)
{
	return container_of(function, struct virtio, pci);
}

/* The selected queue, or NULL where there is none of that number. */
static struct virtio_queue *selected(struct virtio *virtio)
{
	return virtio->queue_select < virtio->queue_count
		       ? &virtio->queues[virtio->queue_select]
		       : NULL;
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

void virtio_reset_registers(struct virtio *virtio)
{
	virtio->status = 0;
	virtio->resetting = false;
	virtio->features = virtio->driver_features = 0;
	virtio->device_select = virtio->driver_select = virtio->queue_select = 0;
	virtio->config_vector = VIRTIO_NO_VECTOR;
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		struct virtio_queue *queue = &virtio->queues[i];

		queue->q.size = virtio->type->queue_size;
		queue->q.desc_gpa = queue->q.driver_gpa = queue->q.device_gpa = 0;
		queue->enabled = queue->resetting = false;
		queue->vector = VIRTIO_NO_VECTOR;
	}
	virtio->isr = 0;
	pci_set_pin(&virtio->pci, false);
}

/* Under the lock, as all up to access_common(). A device whose thread was never told to start
 * is reset at once; else the driver sees its old status until the thread has let go. */
static void reset(struct virtio *virtio)
{
	if (!(virtio->status & VIRTIO_STATUS_DRIVER_OK)) {
		virtio_reset_registers(virtio);
		return;
	}
	virtio->resetting = true;
	virtio_post(virtio, EVENT_RESET);
}

/* 3.1.1, steps 5 and 6: all that the driver accepts was offered, and this is no legacy driver.
 */
static bool features_ok(const struct virtio *virtio)
{
	return !(virtio->driver_features & ~virtio->offered) &&
	       virtio->driver_features & BIT(VIRTIO_F_VERSION_1);
}

/* Bits are only ever added (2.1.1), and NEEDS_RESET is ours. */
static void write_status(struct virtio *virtio, uint8_t value)
{
	uint8_t added = value & (uint8_t)~virtio->status & (uint8_t)~VIRTIO_STATUS_NEEDS_RESET;

	if (!value) {
		reset(virtio);
		return;
	}
	if (added & VIRTIO_STATUS_FEATURES_OK) {
		if (features_ok(virtio))
			virtio->features = virtio->driver_features;
		else
			added &= (uint8_t) ~(VIRTIO_STATUS_FEATURES_OK |
					     VIRTIO_STATUS_DRIVER_OK);
	}
	if (!((virtio->status | added) & VIRTIO_STATUS_FEATURES_OK))
		added &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;
	virtio->status |= added;
	if (added & VIRTIO_STATUS_DRIVER_OK)
		virtio_post(virtio, EVENT_START);
}

static void write_features(struct virtio *virtio, uint32_t value)
{
	uint32_t select = virtio->driver_select;

	if (select >= 2 || virtio->status & VIRTIO_STATUS_FEATURES_OK)
		return;
	virtio->driver_features &= ~((uint64_t)UINT32_MAX << 32 * select);
	virtio->driver_features |= (uint64_t)value << 32 * select;
}

static uint16_t valid_vector(const struct virtio *virtio, uint64_t vector)
{
	return vector < virtio->pci.msix_vectors ? (uint16_t)vector : VIRTIO_NO_VECTOR;
}

/* Every value is taken: virtq_start() says what is wrong with it, and the log. But the driver
 * reads back what it cannot have. */
static void write_queue_size(struct virtio *virtio, struct virtio_queue *queue, uint64_t value)
{
	if (value && value <= virtio->type->queue_size)
		queue->q.size = (uint16_t)value;
}

static void enable_queue(struct virtio *virtio, struct virtio_queue *queue)
{
	queue->enabled = true;
	if (virtio->status & VIRTIO_STATUS_DRIVER_OK)
		virtio_post(virtio, EVENT_QUEUES);
}

static void reset_queue(struct virtio *virtio, struct virtio_queue *queue)
{
	if (!virtio_has(virtio, VIRTIO_F_RING_RESET) || !queue->enabled)
		return;
	if (virtio->status & VIRTIO_STATUS_DRIVER_OK) {
		queue->resetting = true;
		virtio_post(virtio, EVENT_QUEUES);
	} else {
		queue->enabled = false;
	}
}

/* Half of an address where 4 bytes are written, all of it where 8 are. */
static void write_address(uint64_t *address, unsigned shift, unsigned bytes, uint64_t value)
{
	if (bytes == 8)
		*address = value;
	else
		*address = (*address & ~((uint64_t)UINT32_MAX << shift)) | value << shift;
}

#define FIELD(name)	  offsetof(struct virtio_pci_common, name)
#define HIGH(name)	  (FIELD(name) + 4)
#define AT(offset, bytes) ((offset) << 4 | (bytes))

/* The fields that concern one queue. What the thread uses does not change while the queue is
 * enabled. */
static void write_queue(struct virtio *virtio, struct virtio_queue *queue, unsigned at,
			uint64_t value)
{
	unsigned bytes = at & 15;
	struct virtq *q = &queue->q;

	if (at == AT(FIELD(queue_msix_vector), 2)) {
		queue->vector = valid_vector(virtio, value);
		return;
	}
	if (at == AT(FIELD(queue_reset), 2)) {
		if (value == 1)
			reset_queue(virtio, queue);
		return;
	}
	if (queue->enabled)
		return;
	switch (at) {
	case AT(FIELD(queue_size), 2): write_queue_size(virtio, queue, value); break;
	case AT(FIELD(queue_enable), 2):
		if (value == 1)
			enable_queue(virtio, queue);
		break;
	case AT(FIELD(queue_desc), 4):
	case AT(FIELD(queue_desc), 8): write_address(&q->desc_gpa, 0, bytes, value); break;
	case AT(HIGH(queue_desc), 4): write_address(&q->desc_gpa, 32, bytes, value); break;
	case AT(FIELD(queue_driver), 4):
	case AT(FIELD(queue_driver), 8): write_address(&q->driver_gpa, 0, bytes, value); break;
	case AT(HIGH(queue_driver), 4): write_address(&q->driver_gpa, 32, bytes, value); break;
	case AT(FIELD(queue_device), 4):
	case AT(FIELD(queue_device), 8): write_address(&q->device_gpa, 0, bytes, value); break;
	case AT(HIGH(queue_device), 4): write_address(&q->device_gpa, 32, bytes, value); break;
	}
}

/* A field is written whole, or half of one of 64 bits (4.1.3.1); all else is ignored. */
static void write_common(struct virtio *virtio, unsigned offset, unsigned bytes, uint64_t value)
{
	unsigned at = AT(offset, bytes);
	struct virtio_queue *queue;

	if (virtio->resetting)
		return;
	switch (at) {
	case AT(FIELD(device_feature_select), 4):
		virtio->device_select = (uint32_t)value;
		break;
	case AT(FIELD(driver_feature_select), 4):
		virtio->driver_select = (uint32_t)value;
		break;
	case AT(FIELD(driver_feature), 4): write_features(virtio, (uint32_t)value); break;
	case AT(FIELD(config_msix_vector), 2):
		virtio->config_vector = valid_vector(virtio, value);
		break;
	case AT(FIELD(device_status), 1): write_status(virtio, (uint8_t)value); break;
	case AT(FIELD(queue_select), 2): virtio->queue_select = (uint16_t)value; break;
	default:
		queue = selected(virtio);
		if (queue)
			write_queue(virtio, queue, at, value);
	}
}

/* All of the structure as it reads now. */
static struct virtio_pci_common show_common(struct virtio *virtio)
{
	const struct virtio_queue *queue = selected(virtio);
	struct virtio_pci_common common = {
		.device_feature_select = virtio->device_select,
		.device_feature = feature_word(virtio->offered, virtio->device_select),
		.driver_feature_select = virtio->driver_select,
		.driver_feature = feature_word(virtio->driver_features, virtio->driver_select),
		.config_msix_vector = virtio->config_vector,
		.num_queues = (uint16_t)virtio->queue_count,
		.device_status = virtio->status,
		.config_generation = virtio->generation,
		.queue_select = virtio->queue_select,
		.queue_msix_vector = VIRTIO_NO_VECTOR,
	};

	if (!queue)
		return common;
	common.queue_size = queue->q.size;
	common.queue_msix_vector = queue->vector;
	common.queue_enable = queue->enabled;
	common.queue_notify_off = virtio->queue_select;
	common.queue_desc = queue->q.desc_gpa;
	common.queue_driver = queue->q.driver_gpa;
	common.queue_device = queue->q.device_gpa;
	common.queue_reset = queue->resetting;
	return common;
}

static void access_common(struct virtio *virtio, unsigned offset, struct bus_access *access)
{
	uint64_t flags = spin_lock_irqsave(&virtio->lock);

	if (access->write) {
		write_common(virtio, offset, access->bytes, access->value);
	} else {
		struct virtio_pci_common common = show_common(virtio);

		access->value = 0;
		memcpy(&access->value, (const char *)&common + offset,
		       MIN(access->bytes, sizeof(common) - offset));
	}
	spin_unlock_irqrestore(&virtio->lock, flags);
}

/* Reading takes the bits and the interrupt away (4.1.4.5.1). */
static void access_isr(struct virtio *virtio, unsigned offset, struct bus_access *access)
{
	uint64_t flags;

	access->value = 0;
	if (access->write || offset)
		return;
	flags = spin_lock_irqsave(&virtio->lock);
	access->value = virtio->isr;
	virtio->isr = 0;
	pci_set_pin(&virtio->pci, false);
	spin_unlock_irqrestore(&virtio->lock, flags);
}

/* 4.1.5.2: the queue's number, 16 bits. All queues have one address. */
static void access_notify(struct virtio *virtio, struct bus_access *access)
{
	if (!access->write)
		access->value = 0;
	else if (access->bytes == 2)
		virtio_kick(virtio, (uint16_t)access->value);
}

static void access_device(struct virtio *virtio, unsigned offset, struct bus_access *access)
{
	const struct virtio_type *type = virtio->type;
	unsigned bytes = access->bytes;
	uint64_t flags;

	if (access->write) {
		if (type->config_write && offset + bytes <= type->config_bytes && bytes <= 4)
			type->config_write(virtio, offset, bytes, (uint32_t)access->value);
		return;
	}
	access->value = 0;
	if (offset >= type->config_bytes)
		return;
	if (type->config_read)
		type->config_read(virtio);
	flags = spin_lock_irqsave(&virtio->lock);
	memcpy(&access->value, (const char *)virtio->config + offset,
	       MIN(bytes, type->config_bytes - offset));
	spin_unlock_irqrestore(&virtio->lock, flags);
}

static void access_bar(struct pci_function *function, unsigned bar, struct bus_access *access)
{
	struct virtio *virtio = of(function);
	unsigned offset = (unsigned)access->offset;

	if (bar == BAR_PORTS || (offset >= REGISTERS_NOTIFY && offset < REGISTERS_DEVICE))
		access_notify(virtio, access);
	else if (offset >= REGISTERS_DEVICE)
		access_device(virtio, offset - REGISTERS_DEVICE, access);
	else if (offset >= REGISTERS_ISR)
		access_isr(virtio, offset - REGISTERS_ISR, access);
	else if (offset < sizeof(struct virtio_pci_common))
		access_common(virtio, offset, access);
	else
		access->value = 0;
}

/* The access that VIRTIO_PCI_CFG_ACCESS describes now, or false where it describes none
 * (4.1.4.9.1). */
static bool described(struct virtio *virtio, unsigned *bar, struct bus_access *access)
{
	struct pci_function *function = &virtio->pci;
	unsigned at = virtio->access_capability;
	uint32_t offset = pci_config_get(function, at + ACCESS_OFFSET, 4);
	uint32_t bytes = pci_config_get(function, at + ACCESS_BYTES, 4);

	*bar = pci_config_get(function, at + ACCESS_BAR, 1);
	if ((*bar != BAR_PORTS && *bar != BAR_REGISTERS) ||
	    (bytes != 1 && bytes != 2 && bytes != 4) || offset % bytes ||
	    offset >= function->bars[*bar].bytes)
		return false;
	access->offset = offset;
	access->bytes = (uint8_t)bytes;
	return true;
}

static bool touches_data(const struct virtio *virtio, unsigned offset, unsigned bytes)
{
	unsigned data = virtio->access_capability + ACCESS_DATA;

	return offset < data + 4 && offset + bytes > data;
}

static void config_read(struct pci_function *function, unsigned offset, unsigned bytes)
{
	struct virtio *virtio = of(function);
	struct bus_access access = {0};
	unsigned bar;

	if (!touches_data(virtio, offset, bytes) || !described(virtio, &bar, &access))
		return;
	access_bar(function, bar, &access);
	pci_config_set(function, virtio->access_capability + ACCESS_DATA, access.bytes,
		       (uint32_t)access.value);
}

static void config_written(struct pci_function *function, unsigned offset, unsigned bytes)
{
	struct virtio *virtio = of(function);
	struct bus_access access = {.write = true};
	unsigned bar;

	if (!touches_data(virtio, offset, bytes) || !described(virtio, &bar, &access))
		return;
	access.value =
		pci_config_get(function, virtio->access_capability + ACCESS_DATA, access.bytes);
	access_bar(function, bar, &access);
}

static void function_reset(struct pci_function *function)
{
	struct virtio *virtio = of(function);
	uint64_t flags = spin_lock_irqsave(&virtio->lock);

	if (!virtio->resetting)
		reset(virtio);
	spin_unlock_irqrestore(&virtio->lock, flags);
}

const struct pci_function_ops virtio_pci_ops = {
	.access = access_bar,
	.config_written = config_written,
	.config_read = config_read,
	.reset = function_reset,
};

/* ID and next pointer, the first two bytes, are the root's. */
static int add(struct virtio *virtio, struct virtio_pci_cap cap,
	       const struct virtio_pci_cap *mask)
{
	bool extra = cap.type == VIRTIO_PCI_CFG_NOTIFY || cap.type == VIRTIO_PCI_CFG_ACCESS;

	cap.length = (uint8_t)(extra ? sizeof(cap) : VIRTIO_PCI_CAP_BYTES);
	return pci_add_capability(
		&virtio->pci, CAPABILITY_VENDOR, &cap.length, mask ? &mask->length : NULL,
		cap.length - (unsigned)offsetof(struct virtio_pci_cap, length));
}

/* A driver takes the first of a kind that it can use (4.1.4). */
int virtio_add_capabilities(struct virtio *virtio)
{
	static const struct virtio_pci_cap capabilities[] = {
		{.type = VIRTIO_PCI_CFG_COMMON,
		 .bar = BAR_REGISTERS,
		 .offset = REGISTERS_COMMON,
		 .bytes = sizeof(struct virtio_pci_common)},
		{.type = VIRTIO_PCI_CFG_NOTIFY, .bar = BAR_PORTS, .bytes = BAR_PORTS_BYTES},
		{.type = VIRTIO_PCI_CFG_NOTIFY,
		 .bar = BAR_REGISTERS,
		 .offset = REGISTERS_NOTIFY,
		 .bytes = BAR_PORTS_BYTES},
		{.type = VIRTIO_PCI_CFG_ISR,
		 .bar = BAR_REGISTERS,
		 .offset = REGISTERS_ISR,
		 .bytes = 1},
	};
	const struct virtio_pci_cap device = {.type = VIRTIO_PCI_CFG_DEVICE,
					      .bar = BAR_REGISTERS,
					      .offset = REGISTERS_DEVICE,
					      .bytes = virtio->type->config_bytes};
	const struct virtio_pci_cap writable = {
		.bar = 0xff, .offset = UINT32_MAX, .bytes = UINT32_MAX, .extra = UINT32_MAX};
	int at = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(capabilities) && at >= 0; i++)
		at = add(virtio, capabilities[i], NULL);
	if (at >= 0 && device.bytes)
		at = add(virtio, device, NULL);
	if (at >= 0)
		at = add(virtio, (struct virtio_pci_cap){.type = VIRTIO_PCI_CFG_ACCESS},
			 &writable);
	if (at < 0)
		return at;
	virtio->access_capability = (unsigned)at;
	return 0;
}
