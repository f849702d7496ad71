/*
 * Named networks: what a guest's interface is plugged into. net/switch keeps this promise;
 * guests see no more of it than this.
 */
#ifndef KERNEL_IO_NETWORK_H
#define KERNEL_IO_NETWORK_H

#include "kernel/io/netdev.h"

#define NETWORK_NAME_MAX      32
#define NETWORK_UPLINK_MAX    64
#define NETWORK_ADDRESSES_MAX 8
#define NETWORK_WHY_BYTES     160

/* An address that a port may use; 4 or 16 bytes of `bytes` count. */
struct network_address {
	bool v6;
	uint8_t bytes[16];
};

/* Why a frame went no further. Each is counted where it happened: at the port that sent it (up
 * to NETWORK_DROP_FLOOD), or at the one that was to have it. */
enum network_drop {
	NETWORK_DROP_MALFORMED,	      /* headers that do not fit in it or each other */
	NETWORK_DROP_OVERSIZE,	      /* more than the network's MTU */
	NETWORK_DROP_TAGGED,	      /* a VLAN tag where none belongs */
	NETWORK_DROP_RESERVED,	      /* to an address that bridges keep for themselves */
	NETWORK_DROP_SPOOFED_MAC,     /* from a MAC address that is another's */
	NETWORK_DROP_SPOOFED_ADDRESS, /* the same of IP, ARP and neighbour discovery */
	NETWORK_DROP_FORBIDDEN,	      /* what routers and DHCP servers say; unknown protocols */
	NETWORK_DROP_ELSEWHERE,	      /* to a station on the side that it came from */
	NETWORK_DROP_FLOOD,	      /* more to all, or to nobody known, than is let through */
	NETWORK_DROP_NOT_LISTENING,   /* the guest's interface is down */
	NETWORK_DROP_FULL,	      /* the receiver's queue */
	NETWORK_DROP_STALLED,	      /* the receiver has taken nothing for a while */
	NETWORK_DROP_NO_LINK,	      /* the NIC's */
	NETWORK_DROP_NO_MEMORY,	      /* for a copy, or segments */
	NETWORK_DROPS,
};
const char *network_drop_name(enum network_drop drop); /* "spoofed-mac" */

struct network_config {
	char name[NETWORK_NAME_MAX];
	/* "" : isolated. "nic0" (the order they were found), "mac:…" or "pci:00:04.0". */
	char uplink[NETWORK_UPLINK_MAX];
	uint16_t vlan; /* on the uplink; 0: untagged */
};

struct network_port_config {
	char name[NETDEV_NAME_MAX]; /* "web.0": in logs and counters */
	char network[NETWORK_NAME_MAX];
	uint8_t mac[NET_MAC_BYTES];
	bool filter_mac; /* only frames from `mac` are sent, and ARP and ND that agree with it
			  */
	uint32_t address_count; /* > 0: only these source addresses, in ARP and ND too */
	struct network_address addresses[NETWORK_ADDRESSES_MAX];
	uint64_t tx_bytes_per_s, rx_bytes_per_s; /* 0: no limit */
	uint64_t burst_bytes;			 /* 0: a tenth of a second's */
	struct mem_account *account;
};

/* For reports. The counters are of one moment, each by itself. */
struct network_info {
	const char *name, *uplink; /* uplink: the NIC's name, or NULL */
	const char
		*lacks; /* why it does not have its uplink; "" or NULL: it has, or needs none */
	uint16_t vlan, mtu;
	bool link_up;					     /* the uplink's */
	unsigned stations;				     /* learned addresses */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* from and to the uplink */
	uint64_t segments; /* made of what came from it, for ports that take none whole */
	uint64_t drops[NETWORK_DROPS];
};

struct network_port_info {
	char name[NETDEV_NAME_MAX];
	uint8_t mac[NET_MAC_BYTES];
	bool filtered, listening, stalled;
	uint32_t address_count;
	uint64_t tx_bytes_per_s, rx_bytes_per_s;
	unsigned queued;				     /* packets for the guest */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* as the guest sees it */
	uint64_t segments; /* made of what it sent, for who does not take it whole */
	uint64_t drops[NETWORK_DROPS];
};

struct network_station_info {
	uint8_t mac[NET_MAC_BYTES];
	char port[NETDEV_NAME_MAX]; /* "": the uplink */
	uint64_t age_ns;
};

/* Called for each network, then its ports, then its stations; NULL: not of interest. No lock is
 * held: they may take as long as a terminal does, and each item is of its own moment. */
struct network_visitor {
	void (*network)(void *arg, const struct network_info *info);
	void (*port)(void *arg, const struct network_port_info *info);
	void (*station)(void *arg, const struct network_station_info *info);
	void *arg;
};

/* What net/switch does, and hands to network_init(). */
struct network_provider {
	int (*create)(const struct network_config *config, char why[NETWORK_WHY_BYTES]);
	int (*remove)(const char *name, char why[NETWORK_WHY_BYTES]);
	int (*attach)(const struct network_port_config *config, struct netdev **dev,
		      char why[NETWORK_WHY_BYTES]);
	void (*visit)(const struct network_visitor *visitor);
};
void network_init(const struct network_provider *provider);

/*
 * Creates a network. 0; -EEXIST or -ENOMEM, with the rest of a sentence in `why`. One whose
 * uplink can't be had (no such NIC; it is another network's on this VLAN) is there without it:
 * 0, and why; else `why` is "". Thread context.
 */
int network_create(const struct network_config *config, char why[NETWORK_WHY_BYTES]);

/* Removes a network that nobody is plugged into. 0; -ENOENT, -EBUSY (with who is plugged in),
 * with the rest of a sentence in `why`. A NIC that it was the last to use stays the switch's.
 * Thread context; may sleep, until what is under way in it has passed. */
int network_remove(const char *name, char why[NETWORK_WHY_BYTES]);

/* Plugs a port in; its end is *dev, to be closed by its ops->close. 0; -ENOENT (no such
 * network), -EEXIST (the MAC address is taken), -ENOMEM, with the rest of a sentence. Thread
 * context. */
int network_attach(const struct network_port_config *config, struct netdev **dev,
		   char why[NETWORK_WHY_BYTES]);

/* Shows what there is, in the order it was made. Thread context; no lock is held in the calls.
 */
void network_visit(const struct network_visitor *visitor);

#endif
