/* The network device as drivers see it: configuration, features, headers, commands. virtio 1.2,
 * 5.1. */
#ifndef GUESTS_DEVICES_VIRTIO_NET_WIRE_H
#define GUESTS_DEVICES_VIRTIO_NET_WIRE_H

#include "kernel/lib/types.h"

enum net_feature { /* bit numbers; 5.1.3 */
		   NET_F_CSUM = 0,
		   NET_F_GUEST_CSUM = 1,
		   NET_F_CTRL_GUEST_OFFLOADS = 2,
		   NET_F_MTU = 3,
		   NET_F_MAC = 5,
		   NET_F_GUEST_TSO4 = 7,
		   NET_F_GUEST_TSO6 = 8,
		   NET_F_HOST_TSO4 = 11,
		   NET_F_HOST_TSO6 = 12,
		   NET_F_MRG_RXBUF = 15,
		   NET_F_STATUS = 16,
		   NET_F_CTRL_VQ = 17,
		   NET_F_CTRL_RX = 18,
		   NET_F_CTRL_RX_EXTRA = 20,
		   NET_F_MQ = 22,
		   NET_F_CTRL_MAC_ADDR = 23,
};

struct net_config { /* 5.1.4 */
	uint8_t mac[6];
	uint16_t status, max_virtqueue_pairs, mtu;
} __attribute__((packed));
_Static_assert(sizeof(struct net_config) == 12, "virtio 1.2, 5.1.4");

#define NET_STATUS_LINK_UP 1

struct net_header { /* before each frame, both ways; 5.1.6 */
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
_Static_assert(sizeof(struct net_header) == 12, "virtio 1.2, 5.1.6");

enum net_header_flags { NET_HDR_NEEDS_CSUM = 1, NET_HDR_DATA_VALID = 2 };
enum net_header_gso { NET_GSO_NONE = 0, NET_GSO_TCPV4 = 1, NET_GSO_TCPV6 = 4 };

struct net_command { /* begins the control queue's chains; one byte, the answer, ends them */
	uint8_t class, command;
};
#define NET_OK	0
#define NET_ERR 1

enum net_class { /* 5.1.6.5 */
		 NET_CLASS_RX = 0,
		 NET_CLASS_MAC = 1,
		 NET_CLASS_MQ = 4,
		 NET_CLASS_OFFLOADS = 5,
};
enum net_rx_command {
	NET_RX_PROMISC,
	NET_RX_ALLMULTI,
	NET_RX_ALLUNI,
	NET_RX_NOMULTI,
	NET_RX_NOUNI,
	NET_RX_NOBCAST,
	NET_RX_COMMANDS
};
enum net_mac_command { NET_MAC_TABLE_SET, NET_MAC_ADDR_SET };
#define NET_MQ_PAIRS_SET 0
#define NET_OFFLOADS_SET 0

#endif
