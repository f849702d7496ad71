/* Section numbers are of virtio 1.2. */
#include "drivers/virtio/vdev.h"

#include <errno.h>
#include <string.h>

#include "drivers/bus/pci_regs.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/thread.h"

#define STATUS_GONE   0xff
#define COMMON(field) offsetof(struct virtio_pci_common, field)
#define CAP(field)    (unsigned)offsetof(struct virtio_pci_cap, field)

#define RESET_POLL_NS NSEC_PER_MSEC
#define RESET_POLLS   2000 /* it may have to wait for I/O of its own */
#define CONFIG_TRIES  100

static uint8_t read8(const struct vdev *v, size_t reg)
{
	return v->common[reg];
}

static uint16_t read16(const struct vdev *v, size_t reg)
{
	return *(volatile uint16_t *)(v->common + reg);
}

static uint32_t read32(const struct vdev *v, size_t reg)
{
	return *(volatile uint32_t *)(v->common + reg);
}

static void write8(const struct vdev *v, size_t reg, uint8_t value)
{
	v->common[reg] = value;
}

static void write16(const struct vdev *v, size_t reg, uint16_t value)
{
	*(volatile uint16_t *)(v->common + reg) = value;
}

static void write32(const struct vdev *v, size_t reg, uint32_t value)
{
	*(volatile uint32_t *)(v->common + reg) = value;
}

static void write64(const struct vdev *v, size_t reg, uint64_t value)
{
	write32(v, reg, (uint32_t)value); /* two halves: 4.1.3.1 */
	write32(v, reg + 4, (uint32_t)(value >> 32));
}

bool vdev_match(const struct pci_device *pci, enum virtio_id id)
{
	if (pci->vendor_id != VIRTIO_PCI_VENDOR)
		return false;
	if (pci->device_id >= VIRTIO_PCI_DEVICE_FIRST && pci->device_id < VIRTIO_PCI_MODERN)
		return pci->subsystem_id == id;
	return pci->device_id == VIRTIO_PCI_MODERN + id;
}

/* The bytes that a capability leads to, `least` of them; NULL where they are in no BAR. */
static volatile uint8_t *map(struct vdev *v, unsigned capability, uint32_t least,
			     uint32_t *bytes)
{
	uint32_t bar = pci_read(v->pci, capability + CAP(bar), 1);
	uint32_t offset = pci_read(v->pci, capability + CAP(offset), 4);

	*bytes = pci_read(v->pci, capability + CAP(bytes), 4);
	if (bar >= PCI_BARS || *bytes < least ||
	    (uint64_t)offset + *bytes > v->pci->bars[bar].bytes)
		return NULL;
	if (!v->bars[bar])
		v->bars[bar] = pci_map_bar(v->pci, bar);
	return v->bars[bar] ? (volatile uint8_t *)v->bars[bar] + offset : NULL;
}

/* The first of each kind that can be used counts: 4.1.4.2. The list may go round in circles. */
static void find_registers(struct vdev *v)
{
	uint32_t bytes;
	unsigned at = 0;

	for (unsigned i = 0; i < PCI_CAPABILITIES_MAX; i++) {
		at = pci_capability(v->pci, PCI_CAPABILITY_VENDOR, at);
		if (!at)
			return;
		switch (pci_read(v->pci, at + CAP(type), 1)) {
		case VIRTIO_PCI_CFG_COMMON:
			if (!v->common)
				v->common = map(v, at, VIRTIO_PCI_COMMON_LEAST, &bytes);
			break;
		case VIRTIO_PCI_CFG_NOTIFY:
			if (v->notify)
				break;
			v->notify = map(v, at, 2, &v->notify_bytes);
			v->notify_multiplier = pci_read(v->pci, at + CAP(extra), 4);
			break;
		case VIRTIO_PCI_CFG_ISR:
			if (!v->isr)
				v->isr = map(v, at, 1, &bytes);
			break;
		case VIRTIO_PCI_CFG_DEVICE:
			if (!v->config)
				v->config = map(v, at, 1, &v->config_bytes);
			break;
		}
	}
}

int vdev_open(struct vdev *v, struct pci_device *pci)
{
	*v = (struct vdev){.pci = pci};
	pci_enable(pci, PCI_ENABLE_MEMORY);
	find_registers(v);
	if (v->common && v->notify && v->isr)
		return 0;
	log_warn("virtio", "%s: it has no modern interface (virtio 1.0): not used", pci->name);
	vdev_close(v);
	return -ENODEV;
}

void vdev_close(struct vdev *v)
{
	if (v->common)
		vdev_reset(v);
	pci_disable(v->pci, PCI_ENABLE_MASTER);
	for (unsigned i = 0; i < PCI_BARS; i++)
		vmap_free((void *)(uintptr_t)v->bars[i]);
	*v = (struct vdev){.pci = v->pci};
}

int vdev_reset(struct vdev *v)
{
	write8(v, COMMON(device_status), 0);
	for (unsigned i = 0; i < RESET_POLLS; i++) {
		uint8_t status = read8(v, COMMON(device_status));

		if (status == 0)
			return 0;
		if (status == STATUS_GONE)
			break;
		thread_sleep_ns(RESET_POLL_NS);
	}
	pci_disable(v->pci, PCI_ENABLE_MASTER);
	return -ENODEV;
}

static uint64_t read_features(const struct vdev *v)
{
	uint64_t low, high;

	write32(v, COMMON(device_feature_select), 0);
	low = read32(v, COMMON(device_feature));
	write32(v, COMMON(device_feature_select), 1);
	high = read32(v, COMMON(device_feature));
	return high << 32 | low;
}

static void write_features(const struct vdev *v)
{
	write32(v, COMMON(driver_feature_select), 0);
	write32(v, COMMON(driver_feature), (uint32_t)v->features);
	write32(v, COMMON(driver_feature_select), 1);
	write32(v, COMMON(driver_feature), (uint32_t)(v->features >> 32));
}

int vdev_negotiate(struct vdev *v, uint64_t wanted)
{
	int err = vdev_reset(v);

	if (err)
		return err;
	pci_enable(v->pci, PCI_ENABLE_MASTER);
	write8(v, COMMON(device_status), VIRTIO_STATUS_ACKNOWLEDGE);
	write8(v, COMMON(device_status), VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	v->features = read_features(v) &
		      (wanted | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM));
	if (!vdev_has(v, VIRTIO_F_VERSION_1))
		return -EIO;
	write_features(v);
	write8(v, COMMON(device_status),
	       VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	return read8(v, COMMON(device_status)) & VIRTIO_STATUS_FEATURES_OK ? 0 : -EIO;
}

static unsigned order_of(size_t bytes)
{
	unsigned order = 0;

	while (PAGE_BYTES << order < bytes)
		order++;
	return order;
}

static int alloc_tables(struct vdev_queue *q, unsigned entries)
{
	q->tables_order = order_of(vring_table_bytes(q->ring.size, entries));
	q->tables_phys = frames_alloc(q->tables_order, NULL);
	if (!q->tables_phys)
		return -ENOMEM;
	vring_set_tables(&q->ring, entries, directmap(q->tables_phys), q->tables_phys);
	return 0;
}

int vdev_queue_init(struct vdev *v, struct vdev_queue *q, uint16_t index, unsigned size,
		    unsigned entries)
{
	uint64_t at;
	unsigned offered;

	*q = (struct vdev_queue){.index = index, .vector = VIRTIO_NO_VECTOR};
	write16(v, COMMON(queue_select), index);
	offered = index < read16(v, COMMON(num_queues)) ? read16(v, COMMON(queue_size)) : 0;
	at = (uint64_t)read16(v, COMMON(queue_notify_off)) * v->notify_multiplier;
	if (!offered || at + 2 > v->notify_bytes)
		return -ENODEV;
	while (size > offered)
		size /= 2;
	q->doorbell = (volatile uint16_t *)(v->notify + at);
	q->ring_order = order_of(vring_bytes(size));
	q->ring_phys = frames_alloc(q->ring_order, NULL);
	if (!q->ring_phys)
		return -ENOMEM;
	vring_init(&q->ring, size, directmap(q->ring_phys), q->ring_phys);
	return entries && vdev_has(v, VIRTIO_F_INDIRECT_DESC) ? alloc_tables(q, entries) : 0;
}

void vdev_queue_fini(struct vdev_queue *q)
{
	if (q->ring_phys)
		frames_free(q->ring_phys, q->ring_order, NULL);
	if (q->tables_phys)
		frames_free(q->tables_phys, q->tables_order, NULL);
	*q = (struct vdev_queue){.vector = VIRTIO_NO_VECTOR};
}

int vdev_queue_start(struct vdev *v, struct vdev_queue *q)
{
	vring_reset(&q->ring, vdev_has(v, VIRTIO_F_EVENT_IDX));
	write16(v, COMMON(queue_select), q->index);
	write16(v, COMMON(queue_size), q->ring.size);
	if (pci_irq_is_message(v->pci)) {
		write16(v, COMMON(queue_msix_vector), q->vector);
		if (read16(v, COMMON(queue_msix_vector)) != q->vector)
			return -EIO;
	}
	write64(v, COMMON(queue_desc), q->ring.desc_phys);
	write64(v, COMMON(queue_driver), q->ring.avail_phys);
	write64(v, COMMON(queue_device), q->ring.used_phys);
	write16(v, COMMON(queue_enable), 1);
	return 0;
}

void vdev_start(struct vdev *v, uint16_t config_vector)
{
	if (pci_irq_is_message(v->pci))
		write16(v, COMMON(config_msix_vector), config_vector);
	write8(v, COMMON(device_status),
	       VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK |
		       VIRTIO_STATUS_DRIVER_OK);
}

const char *vdev_trouble(const struct vdev *v)
{
	uint8_t status = read8(v, COMMON(device_status));

	if (status == STATUS_GONE)
		return "its registers do not answer";
	return status & VIRTIO_STATUS_NEEDS_RESET ? "it asks for a reset" : NULL;
}

int vdev_read_config(const struct vdev *v, unsigned offset, void *buf, unsigned bytes)
{
	uint8_t *out = buf;

	for (unsigned tries = 0; tries < CONFIG_TRIES; tries++) {
		uint8_t before = read8(v, COMMON(config_generation));

		for (unsigned i = 0; i < bytes; i++)
			out[i] = offset + i < v->config_bytes ? v->config[offset + i] : 0;
		if (read8(v, COMMON(config_generation)) == before)
			return 0;
	}
	return -EIO;
}
