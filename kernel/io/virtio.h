/*
 * What the driver and the device of a virtio function share, whichever of the two we are:
 * feature and status bits, the registers' layout over PCI, both kinds of rings. Numbers and
 * layouts of virtio 1.2 only, little-endian as the CPU is; whose the sections are is named.
 */
#ifndef KERNEL_IO_VIRTIO_H
#define KERNEL_IO_VIRTIO_H

#include "kernel/lib/types.h"

enum virtio_id { /* 5 */
		 VIRTIO_ID_NET = 1,
		 VIRTIO_ID_BLOCK = 2,
		 VIRTIO_ID_CONSOLE = 3,
		 VIRTIO_ID_RNG = 4,
		 VIRTIO_ID_BALLOON = 5,
};

/* Feature bits of every device, as numbers: 6. */
#define VIRTIO_F_INDIRECT_DESC	 28
#define VIRTIO_F_EVENT_IDX	 29
#define VIRTIO_F_VERSION_1	 32
#define VIRTIO_F_ACCESS_PLATFORM 33
#define VIRTIO_F_RING_PACKED	 34
#define VIRTIO_F_RING_RESET	 40

enum virtio_status { /* 2.1 */
		     VIRTIO_STATUS_ACKNOWLEDGE = 1,
		     VIRTIO_STATUS_DRIVER = 2,
		     VIRTIO_STATUS_DRIVER_OK = 4,
		     VIRTIO_STATUS_FEATURES_OK = 8,
		     VIRTIO_STATUS_NEEDS_RESET = 64,
		     VIRTIO_STATUS_FAILED = 128,
};

/* ---- over PCI: 4.1 --------------------------------------------------------------------- */

#define VIRTIO_PCI_VENDOR	0x1af4 /* 4.1.2 */
#define VIRTIO_PCI_DEVICE_FIRST 0x1000 /* transitional ones, up to MODERN */
#define VIRTIO_PCI_MODERN	0x1040 /* + enum virtio_id */

enum virtio_pci_cfg { /* 4.1.4 */
		      VIRTIO_PCI_CFG_COMMON = 1,
		      VIRTIO_PCI_CFG_NOTIFY = 2,
		      VIRTIO_PCI_CFG_ISR = 3,
		      VIRTIO_PCI_CFG_DEVICE = 4,
		      VIRTIO_PCI_CFG_ACCESS = 5, /* by configuration space: 4.1.4.9 */
};

/* A vendor capability: 4.1.4. The last field is there in two of them. */
struct virtio_pci_cap {
	uint8_t id, next, length;
	uint8_t type; /* enum virtio_pci_cfg */
	uint8_t bar, number;
	uint8_t padding[2];
	uint32_t offset, bytes;
	uint32_t extra; /* NOTIFY: multiplier; ACCESS: data */
};
#define VIRTIO_PCI_CAP_BYTES offsetof(struct virtio_pci_cap, extra)
_Static_assert(offsetof(struct virtio_pci_cap, type) == 3, "virtio 1.2, 4.1.4");
_Static_assert(VIRTIO_PCI_CAP_BYTES == 16, "virtio 1.2, 4.1.4");

struct virtio_pci_common { /* 4.1.4.3 */
	uint32_t device_feature_select, device_feature;
	uint32_t driver_feature_select, driver_feature;
	uint16_t config_msix_vector, num_queues;
	uint8_t device_status, config_generation;
	uint16_t queue_select, queue_size, queue_msix_vector, queue_enable, queue_notify_off;
	uint64_t queue_desc, queue_driver, queue_device;
	uint16_t queue_notify_data, queue_reset;
} __attribute__((packed));
#define VIRTIO_PCI_COMMON_LEAST 56 /* the last two fields are not in every device: 4.1.4.3 */
_Static_assert(offsetof(struct virtio_pci_common, queue_select) == 22, "virtio 1.2, 4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common, queue_desc) == 32, "virtio 1.2, 4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common, queue_notify_data) == VIRTIO_PCI_COMMON_LEAST,
	       "virtio 1.2, 4.1.4.3");
_Static_assert(sizeof(struct virtio_pci_common) == 60, "virtio 1.2, 4.1.4.3");

#define VIRTIO_NO_VECTOR 0xffff /* 4.1.5.1.2 */

enum virtio_isr { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 }; /* 4.1.4.5 */

/* ---- rings: 2.7 (split), 2.8 (packed) -------------------------------------------------- */

enum virtq_desc_flags { /* 2.7.5, 2.8.14 */
			DESC_NEXT = 1,
			DESC_WRITE = 2, /* by the device */
			DESC_INDIRECT = 4,
			DESC_AVAIL = 1 << 7, /* packed */
			DESC_USED = 1 << 15,
};

struct virtq_desc { /* 2.7.5, 2.8.13 */
	uint64_t addr;
	uint32_t bytes;
	union {
		struct {
			uint16_t flags, next;
		} split;
		struct {
			uint16_t id, flags;
		} packed;
	};
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.2, 2.7.5");

struct virtq_avail { /* 2.7.6; used_event, a word, follows the ring */
	uint16_t flags, idx;
	uint16_t ring[];
};

struct virtq_used_elem { /* 2.7.8 */
	uint32_t id, bytes;
};

struct virtq_used_ring { /* 2.7.8; avail_event, a word, follows the ring */
	uint16_t flags, idx;
	struct virtq_used_elem ring[];
};
_Static_assert(offsetof(struct virtq_avail, ring) == 4, "virtio 1.2, 2.7.6");
_Static_assert(offsetof(struct virtq_used_ring, ring) == 4, "virtio 1.2, 2.7.8");

#define VIRTQ_AVAIL_NO_INTERRUPT 1 /* 2.7.7 */
#define VIRTQ_USED_NO_NOTIFY	 1 /* 2.7.9 */

/* Alignments: 2.7, 2.8.10.1. */
#define VIRTQ_DESC_ALIGN  16
#define VIRTQ_AVAIL_ALIGN 2
#define VIRTQ_USED_ALIGN  4
#define VIRTQ_EVENT_ALIGN 4 /* packed: both event suppression structures */

/* Bytes of the available and used rings, with the event word that follows: 2.7. */
static inline size_t virtq_avail_bytes(unsigned size)
{
	return sizeof(struct virtq_avail) + (size + 1) * sizeof(uint16_t);
}

static inline size_t virtq_used_bytes(unsigned size)
{
	return sizeof(struct virtq_used_ring) + size * sizeof(struct virtq_used_elem) +
	       sizeof(uint16_t);
}

/* Whether the other side's event index lies in what came from `before` up to `now`: it wants to
 * be told (vring_need_event() of 2.7.10). */
static inline bool virtq_passed(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

#endif
