/* Packets to send as the 82540EM's and 82574L's descriptors. Pure: knows no device. */
#ifndef DRIVERS_NET_E1000_TX_H
#define DRIVERS_NET_E1000_TX_H

#include "drivers/net/e1000_regs.h"
#include "kernel/io/netdev.h"

/* A context, the headers of a packet to be segmented, its pages. */
#define E1000_TX_DESCS_MAX    (2 + PACKET_PAGES_MAX)
#define E1000_TX_HEADER_BYTES 256

/*
 * Writes the packet's descriptors; returns how many, or -EOPNOTSUPP where the controller has no
 * such offload, as its fields are 8 bits wide. The headers of a packet to be segmented must be
 * changed for the controller, and others may hold the packet: they are copied to `header`, of
 * E1000_TX_HEADER_BYTES, which stays until it is sent; *copied is how many bytes.
 */
int e1000_tx_describe(const struct packet *packet, void *header, uint64_t header_phys,
		      union e1000_tx_desc descs[E1000_TX_DESCS_MAX], uint32_t *copied);

#endif
