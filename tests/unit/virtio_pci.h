/*
 * A machine with a virtio device on its PCI bus, and the driver's side of that, for tests of
 * devices: finds the structures by their capabilities, as a real driver does, and reaches them
 * through the VM's buses.
 */
#ifndef TESTS_UNIT_VIRTIO_PCI_H
#define TESTS_UNIT_VIRTIO_PCI_H

#include "guests/devices/virtio/virtio.h"
#include "tests/unit/fake_threads.h"
#include "tests/unit/fake_vmm.h"
#include "tests/unit/virtq_driver.h"

enum { CFG_COMMON = 1, CFG_NOTIFY, CFG_ISR, CFG_DEVICE, CFG_PCI, CFG_TYPES };

enum common_offset { /* virtio 1.2, 4.1.4.3 */
		     DEVICE_SELECT = 0,
		     DEVICE_FEATURE = 4,
		     DRIVER_SELECT = 8,
		     DRIVER_FEATURE = 12,
		     CONFIG_VECTOR = 16,
		     NUM_QUEUES = 18,
		     STATUS = 20,
		     GENERATION = 21,
		     QUEUE_SELECT = 22,
		     QUEUE_SIZE = 24,
		     QUEUE_VECTOR = 26,
		     QUEUE_ENABLE = 28,
		     QUEUE_NOTIFY_OFF = 30,
		     QUEUE_DESC = 32,
		     QUEUE_DRIVER = 40,
		     QUEUE_DEVICE = 48,
		     QUEUE_RESET = 58,
};

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };

struct virtio_pci {
	struct vm *vm;
	struct virtio *virtio;
	unsigned capability[CFG_TYPES];	      /* offset in configuration space of the first */
	uint64_t common, isr, device, notify; /* GPAs */
	uint16_t notify_port;
	unsigned msix; /* offset of the capability */
	uint64_t msix_table;
};

/* The machine around the device. */
#ifndef MACHINE_BYTES
#define MACHINE_BYTES (64 * MIB)
#endif

static struct fake_gmem fake;
static struct vm *vm;
static struct pci_root *root;
static struct virtio_pci pci;

static inline void machine_create(void)
{
	fake_gmem_init(&fake, MACHINE_BYTES);
	vm = fake_vm_create(1, 0);
	vm->gmem = fake.gm;
	root = pci_root_create(&vm->board, NULL, NULL);
}

/* The device is gone already; -1 if it left anything behind. */
static inline int machine_destroy(void)
{
	pci_root_destroy(root);
	if (fake.pinned || fake_threads_alive() || fake_timers_armed())
		return -1;
	fake_vm_destroy(vm);
	fake_gmem_fini(&fake);
	return 0;
}

static inline uint64_t pci_at(const struct virtio_pci *p, unsigned offset)
{
	return PCI_ECAM_BASE + ((uint64_t)p->virtio->pci.slot << 15) + offset;
}

static inline uint32_t cfg_read(struct virtio_pci *p, unsigned offset, unsigned bytes)
{
	return (uint32_t)fake_read(p->vm, &p->vm->mmio, pci_at(p, offset), bytes);
}

static inline void cfg_write(struct virtio_pci *p, unsigned offset, unsigned bytes, uint32_t v)
{
	fake_write(p->vm, &p->vm->mmio, pci_at(p, offset), bytes, v);
}

static inline uint64_t mem_read(struct virtio_pci *p, uint64_t gpa, unsigned bytes)
{
	return fake_read(p->vm, &p->vm->mmio, gpa, bytes);
}

static inline void mem_write(struct virtio_pci *p, uint64_t gpa, unsigned bytes, uint64_t v)
{
	fake_write(p->vm, &p->vm->mmio, gpa, bytes, v);
}

static inline uint64_t common_read(struct virtio_pci *p, unsigned offset, unsigned bytes)
{
	return mem_read(p, p->common + offset, bytes);
}

static inline void common_write(struct virtio_pci *p, unsigned offset, unsigned bytes,
				uint64_t v)
{
	mem_write(p, p->common + offset, bytes, v);
}

/* Where a BAR is, and whether it is of ports. */
static inline uint64_t bar_base(struct virtio_pci *p, unsigned bar, bool *ports)
{
	uint32_t low = cfg_read(p, 0x10 + 4 * bar, 4);

	*ports = low & 1;
	return *ports ? low & ~3u : low & ~15u;
}

static inline void found(struct virtio_pci *p, unsigned at)
{
	unsigned type = cfg_read(p, at + 3, 1);
	uint32_t offset = cfg_read(p, at + 8, 4);
	bool ports;
	uint64_t base = bar_base(p, cfg_read(p, at + 4, 1), &ports) + offset;

	if (type < CFG_TYPES && !p->capability[type])
		p->capability[type] = at;
	switch (type) {
	case CFG_COMMON: p->common = base; break;
	case CFG_ISR: p->isr = base; break;
	case CFG_DEVICE: p->device = base; break;
	case CFG_NOTIFY:
		if (ports)
			p->notify_port = (uint16_t)base;
		else
			p->notify = base;
		break;
	}
}

/* Finds everything, and lets the function master the bus. */
static inline void virtio_pci_find(struct virtio_pci *p, struct virtio *virtio)
{
	bool ports;

	*p = (struct virtio_pci){.vm = vm, .virtio = virtio};
	for (unsigned at = cfg_read(p, 0x34, 1); at; at = cfg_read(p, at + 1, 1)) {
		if (cfg_read(p, at, 1) == 0x09)
			found(p, at);
		if (cfg_read(p, at, 1) == 0x11)
			p->msix = at;
	}
	p->msix_table = bar_base(p, cfg_read(p, p->msix + 4, 4) & 7, &ports);
	cfg_write(p, 4, 2, 7);
}

/* Every vector sends its number. */
static inline void virtio_pci_enable_msix(struct virtio_pci *p)
{
	for (unsigned i = 0; i < p->virtio->pci.msix_vectors; i++) {
		mem_write(p, p->msix_table + 16 * i, 8, 0xfee00000);
		mem_write(p, p->msix_table + 16 * i + 8, 8, i);
	}
	cfg_write(p, p->msix + 2, 2, 0x8000);
}

/* Up to FEATURES_OK; returns whether the device took these. */
static inline bool virtio_pci_negotiate(struct virtio_pci *p, uint64_t features)
{
	common_write(p, STATUS, 1, ACKNOWLEDGE);
	common_write(p, STATUS, 1, ACKNOWLEDGE | DRIVER);
	for (unsigned word = 0; word < 2; word++) {
		common_write(p, DRIVER_SELECT, 4, word);
		common_write(p, DRIVER_FEATURE, 4, (uint32_t)(features >> 32 * word));
	}
	common_write(p, STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	return common_read(p, STATUS, 1) & FEATURES_OK;
}

static inline void virtio_pci_driver_ok(struct virtio_pci *p)
{
	common_write(p, STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/* A queue at `gpa`, which is 64 KiB of its own, with its interrupt at vector `queue` + 1. The
 * model's rings and features are the device's: struct virtq has them. */
static inline void virtio_pci_enable_queue(struct virtio_pci *p, unsigned queue, uint64_t gpa,
					   struct virtq_driver *driver)
{
	struct virtq *q = &p->virtio->queues[queue].q;

	common_write(p, QUEUE_SELECT, 2, queue);
	common_write(p, QUEUE_VECTOR, 2, queue + 1);
	common_write(p, QUEUE_DESC, 4, (uint32_t)gpa);
	common_write(p, QUEUE_DESC + 4, 4, gpa >> 32);
	common_write(p, QUEUE_DRIVER, 8, gpa + 0x4000);
	common_write(p, QUEUE_DEVICE, 8, gpa + 0x8000);
	common_write(p, QUEUE_ENABLE, 2, 1);
	q->packed = virtio_has(p->virtio, VIRTIO_F_RING_PACKED);
	q->event_idx = virtio_has(p->virtio, VIRTIO_F_EVENT_IDX);
	memset(fake.ram + gpa, 0, 64 * KIB);
	driver_init(driver, &fake, q, gpa + 0xc000);
}

static inline void virtio_pci_kick(struct virtio_pci *p, unsigned queue)
{
	fake_write(p->vm, &p->vm->pio, p->notify_port, 2, queue);
	fake_threads_run();
}

#endif
