/* Data and context descriptors: manual 317453, 3.3.5 to 3.3.7; segmentation: 3.5. */
#include "drivers/net/e1000_tx.h"

#include <errno.h>
#include <string.h>

#define ETHERTYPE_AT	12
#define ETHERTYPE_VLAN	0x8100
#define VLAN_BYTES	4
#define IP_PROTOCOL_TCP 6
#define TCP_SUM_AT	16
#define TCP_BYTES_MIN	20
#define IPV4_BYTES_MIN	20
#define IPV6_BYTES_MIN	40

/* Some controllers of the family fail where the first descriptor has the headers alone. */
#define PULLED_BYTES 4

#define HEADERS_MAX  (E1000_TX_HEADER_BYTES - PULLED_BYTES)

static uint16_t get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static union e1000_tx_desc data_desc(uint64_t phys, uint32_t bytes, uint32_t command,
				     uint8_t options)
{
	return (union e1000_tx_desc){
		.address = phys,
		.command = bytes |
			   (uint32_t)(E1000_TX_DATA | E1000_TX_DEXT | E1000_TX_IFCS |
				      E1000_TX_IDE) |
			   command,
		.options = options,
	};
}

/* The packet's pages from byte `at` on. */
static unsigned describe_pages(const struct packet *packet, uint32_t at, uint32_t command,
			       uint8_t options, union e1000_tx_desc *descs)
{
	unsigned n = 0;

	while (at < packet->bytes) {
		uint32_t in_page = at % (uint32_t)PAGE_BYTES;
		uint32_t bytes = MIN((uint32_t)PAGE_BYTES - in_page, packet->bytes - at);

		descs[n++] = data_desc(packet->pages[at / PAGE_BYTES] + in_page, bytes, command,
				       options);
		at += bytes;
	}
	return n;
}

/* Sum of the pseudo-header without the length, which the controller adds for each segment. */
static uint16_t pseudo_sum(const uint8_t *addresses, unsigned bytes)
{
	uint32_t sum = IP_PROTOCOL_TCP;

	for (unsigned i = 0; i < bytes; i += 2)
		sum += get16(addresses + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Lengths and sums as 3.5.2 wants them. False where the headers are not what they should be. */
static bool prepare_headers(const struct packet *packet, uint8_t *header, unsigned ip)
{
	bool v4 = packet->gso == PACKET_GSO_TCP4;
	unsigned tcp = packet->csum_start;
	uint16_t sum;

	if (ip + (v4 ? IPV4_BYTES_MIN : IPV6_BYTES_MIN) > tcp ||
	    tcp + TCP_BYTES_MIN > packet->header_bytes || packet->csum_offset != TCP_SUM_AT)
		return false;
	if (v4) {
		put16(header + ip + 2, 0);
		put16(header + ip + 10, 0);
		sum = pseudo_sum(header + ip + 12, 8);
	} else {
		put16(header + ip + 4, 0);
		sum = pseudo_sum(header + ip + 8, 32);
	}
	put16(header + tcp + TCP_SUM_AT, sum);
	return true;
}

static union e1000_tx_desc segment_context(const struct packet *packet, unsigned ip)
{
	bool v4 = packet->gso == PACKET_GSO_TCP4;

	return (union e1000_tx_desc){
		.ip_start = (uint8_t)ip,
		.ip_sum = (uint8_t)(ip + (v4 ? 10 : 0)),
		.ip_end = v4 ? packet->csum_start - 1 : 0,
		.tu_start = (uint8_t)packet->csum_start,
		.tu_sum = (uint8_t)(packet->csum_start + TCP_SUM_AT),
		.context_command =
			(uint32_t)(packet->bytes - packet->header_bytes) |
			(uint32_t)(E1000_TX_DEXT | E1000_TX_TSE | E1000_TX_IDE |
				   E1000_TX_TUCMD_TCP | (v4 ? E1000_TX_TUCMD_IPV4 : 0)),
		.header_bytes = (uint8_t)packet->header_bytes,
		.mss = packet->gso_bytes,
	};
}

static int describe_segmented(const struct packet *packet, uint8_t *header,
			      uint64_t header_phys, union e1000_tx_desc *descs,
			      uint32_t *copied)
{
	bool v4 = packet->gso == PACKET_GSO_TCP4;
	uint8_t options = (uint8_t)(E1000_TX_TXSM | (v4 ? E1000_TX_IXSM : 0));
	uint32_t bytes = packet->header_bytes + PULLED_BYTES;
	unsigned ip = NET_HEADER_BYTES;

	if (packet->header_bytes > HEADERS_MAX || packet->bytes <= bytes || !packet->gso_bytes)
		return -EOPNOTSUPP;
	packet_read(packet, 0, header, bytes);
	if (get16(header + ETHERTYPE_AT) == ETHERTYPE_VLAN)
		ip += VLAN_BYTES;
	if (!prepare_headers(packet, header, ip))
		return -EOPNOTSUPP;
	*copied = bytes;
	descs[0] = segment_context(packet, ip);
	descs[1] = data_desc(header_phys, bytes, E1000_TX_TSE, options);
	return 2 + (int)describe_pages(packet, bytes, E1000_TX_TSE, options, descs + 2);
}

static int describe_summed(const struct packet *packet, union e1000_tx_desc *descs)
{
	unsigned sum = packet->csum_start + packet->csum_offset;

	if (sum > UINT8_MAX)
		return -EOPNOTSUPP;
	descs[0] = (union e1000_tx_desc){
		.tu_start = (uint8_t)packet->csum_start,
		.tu_sum = (uint8_t)sum,
		.context_command = (uint32_t)(E1000_TX_DEXT | E1000_TX_IDE),
	};
	return 1 + (int)describe_pages(packet, 0, 0, E1000_TX_TXSM, descs + 1);
}

int e1000_tx_describe(const struct packet *packet, void *header, uint64_t header_phys,
		      union e1000_tx_desc descs[E1000_TX_DESCS_MAX], uint32_t *copied)
{
	int n;

	*copied = 0;
	if (packet->gso == PACKET_GSO_TCP4 || packet->gso == PACKET_GSO_TCP6)
		n = describe_segmented(packet, header, header_phys, descs, copied);
	else if (packet->gso)
		n = -EOPNOTSUPP;
	else if (packet->needs_csum)
		n = describe_summed(packet, descs);
	else
		n = (int)describe_pages(packet, 0, 0, 0, descs);
	if (n > 0)
		descs[n - 1].command |= (uint32_t)(E1000_TX_EOP | E1000_TX_RS);
	return n;
}
