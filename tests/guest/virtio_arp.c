/*
 * A network with a world outside: ARP requests for 10.0.2.2, which QEMU's and Bochs' user
 * networks answer, go out and the answers come in, one after the other. Not what a switch does
 * with frames: that is virtio_net's.
 */
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/virtio.h"

#define REQUESTS    100
#define LIMIT_MS    3000
#define RING_SIZE   16
#define RX	    0
#define TX	    1
#define HEADER	    12 /* virtio 1.2, 5.1.6 */
#define BUFFER	    2048
#define ARP_BYTES   42
#define MAC_FEATURE BIT(5)

/* RFC 826, behind an Ethernet header: type, then hardware, protocol, lengths, operation. */
enum {
	ETHERTYPE_AT = 12,
	OPERATION_AT = 21,
	SENDER_MAC_AT = 22,
	SENDER_IP_AT = 28,
	TARGET_IP_AT = 38
};
enum { REQUEST = 1, REPLY = 2 };

static const uint8_t arp[] = {8, 6, 0, 1, 8, 0, 6, 4, 0};
static const uint8_t own_ip[4] = {10, 0, 2, 15}, router_ip[4] = {10, 0, 2, 2};

static uint8_t rings[2][16384] __attribute__((aligned(4096)));
static uint8_t received[BUFFER], frame[HEADER + 60];
static struct virtio_device device;
static struct virtio_ring ring[2];

static void copy(uint8_t *to, const uint8_t *from, unsigned bytes)
{
	while (bytes--)
		*to++ = *from++;
}

static bool same(const uint8_t *a, const uint8_t *b, unsigned bytes)
{
	while (bytes && *a++ == *b++)
		bytes--;
	return bytes == 0;
}

static void give_buffer(void)
{
	const struct virtio_buffer buffer = {(uintptr_t)received, sizeof(received), true};

	virtio_add(&ring[RX], &buffer, 1);
	virtio_kick(&device, RX);
}

static void set_up(void)
{
	unsigned slot = 0;

	while (slot < PCI_SLOTS && !(virtio_find(slot, &device) && device.id == VIRTIO_NET))
		slot++;
	if (slot == PCI_SLOTS || !virtio_negotiate(&device, MAC_FEATURE))
		give_up("there is no network interface that can be used");
	for (unsigned i = 0; i < 2; i++)
		if (!virtio_enable(&device, &ring[i], i, RING_SIZE, rings[i]))
			give_up("queue %u cannot be used", i);
	virtio_start(&device);
	give_buffer();
}

static void make_request(void)
{
	uint8_t *at = frame + HEADER;

	for (unsigned i = 0; i < 6; i++) {
		at[i] = 0xff;
		at[6 + i] = at[SENDER_MAC_AT + i] = device.config[i];
	}
	copy(at + ETHERTYPE_AT, arp, sizeof(arp));
	at[OPERATION_AT] = REQUEST;
	copy(at + SENDER_IP_AT, own_ip, 4);
	copy(at + TARGET_IP_AT, router_ip, 4);
}

/* Whether the next frames have the answer among them; others are on the wire too. */
static bool is_answered(void)
{
	uint32_t bytes;

	while (virtio_wait(&ring[RX], &bytes, LIMIT_MS)) {
		const uint8_t *at = received + HEADER;
		bool answer = bytes >= HEADER + ARP_BYTES &&
			      same(at + ETHERTYPE_AT, arp, sizeof(arp)) &&
			      at[OPERATION_AT] == REPLY &&
			      same(at + SENDER_IP_AT, router_ip, 4) &&
			      same(at, frame + HEADER + 6, 6);

		give_buffer();
		if (answer)
			return true;
	}
	return false;
}

void test(void)
{
	const struct virtio_buffer buffer = {(uintptr_t)frame, sizeof(frame), false};
	unsigned answered = 0;
	uint32_t bytes;

	set_up();
	make_request();
	do {
		virtio_add(&ring[TX], &buffer, 1);
		virtio_kick(&device, TX);
		if (!virtio_wait(&ring[TX], &bytes, LIMIT_MS))
			give_up("a request is not sent");
	} while (is_answered() && ++answered < REQUESTS);
	check(answered == REQUESTS, "answers", "%u of %u came", answered, REQUESTS);
	virtio_reset(&device);
}
