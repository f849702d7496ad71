/* The network device of virtio 1.2, 5.1, as its driver and its device share it: feature bits,
 * configuration, the frames' header, commands. Little-endian. Layouts and numbers only. */
#ifndef KERNEL_IO_VIRTIO_NET_H
#define KERNEL_IO_VIRTIO_NET_H

#include "kernel/lib/types.h"

enum virtio_net_feature { /* bit numbers: 5.1.3 */
			  VIRTIO_NET_F_CSUM = 0,
			  VIRTIO_NET_F_GUEST_CSUM = 1,
			  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 2,
			  VIRTIO_NET_F_MTU = 3,
			  VIRTIO_NET_F_MAC = 5,
			  VIRTIO_NET_F_GUEST_TSO4 = 7,
			  VIRTIO_NET_F_GUEST_TSO6 = 8,
			  VIRTIO_NET_F_HOST_TSO4 = 11,
			  VIRTIO_NET_F_HOST_TSO6 = 12,
			  VIRTIO_NET_F_MRG_RXBUF = 15,
			  VIRTIO_NET_F_STATUS = 16,
			  VIRTIO_NET_F_CTRL_VQ = 17,
			  VIRTIO_NET_F_CTRL_RX = 18,
			  VIRTIO_NET_F_CTRL_RX_EXTRA = 20,
			  VIRTIO_NET_F_MQ = 22,
			  VIRTIO_NET_F_CTRL_MAC_ADDR = 23,
};

struct virtio_net_config { /* 5.1.4 */
	uint8_t mac[6];
	uint16_t status, max_virtqueue_pairs, mtu;
} __attribute__((packed));
_Static_assert(sizeof(struct virtio_net_config) == 12, "virtio 1.2, 5.1.4");
_Static_assert(offsetof(struct virtio_net_config, status) == 6, "virtio 1.2, 5.1.4");

#define VIRTIO_NET_STATUS_LINK_UP 1

struct virtio_net_hdr { /* before each frame, both ways: 5.1.6 */
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
	uint16_t num_buffers; /* received: that the frame is in */
};
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "virtio 1.2, 5.1.6");

enum virtio_net_hdr_flags { VIRTIO_NET_HDR_NEEDS_CSUM = 1, VIRTIO_NET_HDR_DATA_VALID = 2 };
enum virtio_net_gso {
	VIRTIO_NET_GSO_NONE = 0,
	VIRTIO_NET_GSO_TCPV4 = 1,
	VIRTIO_NET_GSO_TCPV6 = 4,
};

struct virtio_net_command { /* begins the control queue's chains; one byte, the answer, ends
			       them: 5.1.6.5 */
	uint8_t class, command;
};
#define VIRTIO_NET_OK  0
#define VIRTIO_NET_ERR 1

enum virtio_net_class { /* 5.1.6.5 */
			VIRTIO_NET_CLASS_RX = 0,
			VIRTIO_NET_CLASS_MAC = 1,
			VIRTIO_NET_CLASS_MQ = 4,
			VIRTIO_NET_CLASS_OFFLOADS = 5,
};
enum virtio_net_rx_command { /* 5.1.6.5.1 */
			     VIRTIO_NET_RX_PROMISC,
			     VIRTIO_NET_RX_ALLMULTI,
			     VIRTIO_NET_RX_ALLUNI,
			     VIRTIO_NET_RX_NOMULTI,
			     VIRTIO_NET_RX_NOUNI,
			     VIRTIO_NET_RX_NOBCAST,
			     VIRTIO_NET_RX_COMMANDS
};
enum virtio_net_mac_command { VIRTIO_NET_MAC_TABLE_SET, VIRTIO_NET_MAC_ADDR_SET };
#define VIRTIO_NET_MQ_PAIRS_SET 0
#define VIRTIO_NET_OFFLOADS_SET 0

#endif
