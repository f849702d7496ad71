/*
 * Two guests, each with this program, on two networks. 02:00:00:00:00:01 sends, :02 receives.
 * On the first network every frame must arrive, whole and in order, however fast they are sent;
 * on the second, where each port has a filter of one IP address, nothing that pretends to be
 * somebody else's, and what is in order still does.
 */
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/virtio.h"

#define FRAMES	    200000u
#define RX	    0
#define TX	    1
#define RING_SIZE   256
#define UNDER_WAY   (RING_SIZE / 4)
#define TELL_EACH   (UNDER_WAY / 4) /* chains */
#define HEADER	    12
#define FRAME_MAX   1514
#define BUFFER	    2048
#define MAC_FEATURE BIT(5)
#define LIMIT_MS    4000
#define HELLO_US    20000
#define CALLS_MAX   1500 /* half a minute */
#define SPINS	    4096 /* between looks at the clock, which is an exit */

enum { USED_NO_NOTIFY = 1, AVAIL_NO_INTERRUPT = 1 };

enum { SENDER = 1, RECEIVER = 2 };
enum { ETHERTYPE_TEST = 0x88b5, ETHERTYPE_ARP = 0x0806 };
enum kind { HELLO = 1, DATA, END, ANSWER };

/* A frame of the first network, behind the Ethernet header. */
struct message {
	uint32_t kind, number, bytes;
};
#define MESSAGE_AT 14

struct nic {
	struct virtio_device device;
	struct virtio_ring ring[2];
	uint8_t mac[6];
	uint32_t given, taken, sent; /* buffers, ever */
	uint8_t rings[2][16384] __attribute__((aligned(4096)));
	uint8_t rx[UNDER_WAY][BUFFER], tx[UNDER_WAY][BUFFER];
};

static struct nic nics[2] __attribute__((aligned(4096)));
static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void copy(uint8_t *to, const void *from, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = ((const uint8_t *)from)[i];
}

static bool same(const uint8_t *a, const uint8_t *b, unsigned bytes)
{
	while (bytes && *a++ == *b++)
		bytes--;
	return bytes == 0;
}

/* ---- the device ------------------------------------------------------------------------ */

static void give_buffer(struct nic *nic)
{
	const struct virtio_buffer buffer = {(uintptr_t)nic->rx[nic->given++ % UNDER_WAY],
					     BUFFER, true};

	virtio_add(&nic->ring[RX], &buffer, 1);
}

static void open_nic(struct nic *nic, unsigned slot)
{
	if (!virtio_find(slot, &nic->device) || !virtio_negotiate(&nic->device, MAC_FEATURE))
		give_up("the device in slot %u cannot be used", slot);
	for (unsigned i = 0; i < 6; i++)
		nic->mac[i] = nic->device.config[i];
	for (unsigned i = 0; i < 2; i++)
		if (virtio_enable(&nic->device, &nic->ring[i], i, RING_SIZE, nic->rings[i]))
			nic->ring[i].driver[0] = AVAIL_NO_INTERRUPT;
	virtio_start(&nic->device);
	for (unsigned i = 0; i < UNDER_WAY; i++)
		give_buffer(nic);
	virtio_kick(&nic->device, RX);
}

static unsigned open_nics(void)
{
	unsigned count = 0;

	for (unsigned slot = 0; slot < PCI_SLOTS && count < 2; slot++) {
		struct virtio_device device;

		if (virtio_find(slot, &device) && device.id == VIRTIO_NET)
			open_nic(&nics[count++], slot);
	}
	return count;
}

/* The device is told of new chains only if it wants to be (virtio 1.2, 2.7.9), and asked not to
 * interrupt. */
static void tell(struct nic *nic, unsigned queue)
{
	virtio_barrier();
	if (!(nic->ring[queue].used[0] & USED_NO_NOTIFY))
		virtio_kick(&nic->device, queue);
}

/* Whether the device has given a chain back since `ring->taken`: memory alone is looked at. */
static bool is_used(const struct virtio_ring *ring)
{
	return ring->used[1] != ring->taken;
}

/* For loops that wait: false once LIMIT_MS have passed since the first call with *spins 0. */
static bool go_on(uint32_t *spins, uint32_t *start)
{
	if (*spins == 0)
		*start = pm_now();
	if (++*spins % SPINS)
		return true;
	pause();
	return pm_us_since(*start) < LIMIT_MS * 1000;
}

static void wait_used(struct nic *nic)
{
	struct virtio_ring *ring = &nic->ring[TX];
	uint32_t spins = 0, start = 0, bytes;

	while (!is_used(ring))
		if (!go_on(&spins, &start) && !is_used(ring))
			give_up("a buffer does not come back");
	virtio_wait(ring, &bytes, 0);
}

/* Where the next frame to be sent is made. */
static uint8_t *next_frame(struct nic *nic)
{
	struct virtio_ring *ring = &nic->ring[TX];

	if (nic->sent >= UNDER_WAY && (uint16_t)(ring->next - ring->taken) == UNDER_WAY)
		wait_used(nic);
	return nic->tx[nic->sent % UNDER_WAY] + HEADER;
}

/* Hands the frame over, and tells the device of some at a time; flush() of the last. */
static void send_frame(struct nic *nic, uint32_t bytes)
{
	uint8_t *at = nic->tx[nic->sent++ % UNDER_WAY];
	const struct virtio_buffer buffer = {(uintptr_t)at, HEADER + bytes, false};

	for (unsigned i = 0; i < HEADER; i++)
		at[i] = 0;
	virtio_add(&nic->ring[TX], &buffer, 1);
	if (nic->sent % TELL_EACH == 0)
		tell(nic, TX);
}

static void flush(struct nic *nic)
{
	tell(nic, TX);
}

/* The frame that came, or NULL: none yet. Valid until drop_frame(). */
static const uint8_t *peek_frame(struct nic *nic)
{
	return is_used(&nic->ring[RX]) ? nic->rx[nic->taken % UNDER_WAY] + HEADER : NULL;
}

static void drop_frame(struct nic *nic)
{
	uint32_t bytes;

	virtio_wait(&nic->ring[RX], &bytes, 0);
	nic->taken++;
	give_buffer(nic);
	if (nic->taken % TELL_EACH == 0)
		tell(nic, RX);
}

/* The next frame, waited for. */
static const uint8_t *wait_frame(struct nic *nic)
{
	uint32_t spins = 0, start = 0;
	const uint8_t *frame;

	while (!(frame = peek_frame(nic)))
		if (!go_on(&spins, &start))
			give_up("nothing arrives after %u frames", nic->taken);
	return frame;
}

/* ---- frames ---------------------------------------------------------------------------- */

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void ethernet(uint8_t *frame, const uint8_t *to, const uint8_t *from, unsigned type)
{
	copy(frame, to, 6);
	copy(frame + 6, from, 6);
	put16(frame + 12, type);
}

static void peer_of(const struct nic *nic, uint8_t peer[6])
{
	copy(peer, nic->mac, 6);
	peer[5] ^= SENDER ^ RECEIVER;
}

static void send_message(struct nic *nic, const uint8_t *to, enum kind kind, uint32_t number,
			 uint32_t bytes)
{
	const struct message message = {kind, number, bytes};
	uint8_t *frame = next_frame(nic);

	ethernet(frame, to, nic->mac, ETHERTYPE_TEST);
	copy(frame + MESSAGE_AT, &message, sizeof(message));
	for (uint32_t i = MESSAGE_AT + sizeof(message); i < bytes; i++)
		frame[i] = (uint8_t)(number + i);
	send_frame(nic, bytes);
}

static struct message message_of(const uint8_t *frame)
{
	struct message message;

	copy((uint8_t *)&message, frame + MESSAGE_AT, sizeof(message));
	return message;
}

/* Waits for a message of that kind; others, such as calls that crossed the answer, are dropped.
 */
static struct message expect(struct nic *nic, enum kind kind)
{
	struct message message = {0};

	while (message.kind != kind) {
		message = message_of(wait_frame(nic));
		drop_frame(nic);
	}
	return message;
}

/* ---- nothing is lost ------------------------------------------------------------------- */

/* Mostly small, as it is frames that count. */
static uint32_t bytes_of(uint32_t number)
{
	return 60 + (number % 8 ? number % 64 : number * 37 % (FRAME_MAX - 60 + 1));
}

/* The sender calls until the receiver answers. Only who has called is sure to listen, so that
 * the receiver, whichever started first, answers once and then loses nothing either. */
static void call(struct nic *nic)
{
	unsigned calls = 0;

	do {
		if (calls++ == CALLS_MAX)
			give_up("the receiver does not answer");
		send_message(nic, everybody, HELLO, 0, 60);
		flush(nic);
		delay_us(HELLO_US);
	} while (!peek_frame(nic));
	expect(nic, HELLO);
}

static void answer_call(struct nic *nic, const uint8_t *peer)
{
	for (unsigned i = 0; !peek_frame(nic); i++) {
		if (i == CALLS_MAX)
			give_up("the sender does not call");
		delay_us(HELLO_US);
	}
	expect(nic, HELLO);
	send_message(nic, peer, HELLO, 0, 60);
	flush(nic);
}

static void send_all(struct nic *nic)
{
	uint8_t peer[6];
	struct message answer;

	peer_of(nic, peer);
	call(nic);
	for (uint32_t i = 0; i < FRAMES; i++)
		send_message(nic, peer, DATA, i, bytes_of(i));
	send_message(nic, peer, END, FRAMES, 60);
	flush(nic);
	answer = expect(nic, ANSWER);
	check(answer.number == FRAMES, "frames sent", "%u of %u arrived", answer.number,
	      FRAMES);
}

static bool is_whole(const uint8_t *frame, const struct message *message, uint32_t number)
{
	if (message->number != number || message->bytes != bytes_of(number))
		return false;
	for (uint32_t i = MESSAGE_AT + sizeof(*message); i < message->bytes; i++)
		if (frame[i] != (uint8_t)(number + i))
			return false;
	return true;
}

/* Reads frames until the last; returns how many were as they should be. */
static uint32_t receive_data(struct nic *nic)
{
	struct message message = {0};
	uint32_t count = 0;

	while (message.kind != END) {
		const uint8_t *frame = wait_frame(nic);

		message = message_of(frame);
		if (message.kind == DATA)
			count += is_whole(frame, &message, count);
		drop_frame(nic);
	}
	return count;
}

static void receive_all(struct nic *nic)
{
	uint8_t peer[6];
	uint32_t count;

	peer_of(nic, peer);
	answer_call(nic, peer);
	count = receive_data(nic);
	send_message(nic, peer, ANSWER, count, 60);
	flush(nic);
	check(count == FRAMES, "frames received", "%u of %u in order and whole", count, FRAMES);
}

/* ---- nobody pretends ------------------------------------------------------------------- */

static const uint8_t addresses[][4] = {[SENDER] = {10, 0, 0, 1}, [RECEIVER] = {10, 0, 0, 2}};
static const uint8_t strange_mac[6] = {2, 0, 0, 0, 0, 9};
static const uint8_t strange_ip[4] = {10, 0, 0, 9};

static void arp(uint8_t *frame, const uint8_t *mac, const uint8_t *ip)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 2}; /* an answer */

	copy(frame + 14, head, sizeof(head));
	copy(frame + 22, mac, 6);
	copy(frame + 28, ip, 4);
	copy(frame + 32, everybody, 6);
	copy(frame + 38, addresses[RECEIVER], 4);
}

static void udp(uint8_t *frame, const uint8_t *ip, unsigned from, unsigned to)
{
	static const uint8_t head[] = {0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17};

	copy(frame + 14, head, sizeof(head));
	copy(frame + 26, ip, 4);
	copy(frame + 30, addresses[RECEIVER], 4);
	put16(frame + 34, from);
	put16(frame + 36, to);
	put16(frame + 38, 26);
}

static const struct lie {
	const char *name;
	const uint8_t *source, *arp_mac, *ip; /* NULL: the sender's own */
	unsigned type, from_port, to_port;
} lies[] = {
	{"a MAC address", .source = strange_mac, .type = ETHERTYPE_ARP},
	{"a group's MAC address", .source = everybody, .type = ETHERTYPE_ARP},
	{"a MAC address in ARP", .arp_mac = strange_mac, .type = ETHERTYPE_ARP},
	{"an IP address in ARP", .ip = strange_ip, .type = ETHERTYPE_ARP},
	{"an IP address", .ip = strange_ip, .type = 0x0800, .from_port = 7, .to_port = 7},
	{"a DHCP server", .type = 0x0800, .from_port = 67, .to_port = 68},
	{"a VLAN", .type = 0x8100},
	{"another protocol", .type = ETHERTYPE_TEST},
};

/* A frame of 60 bytes: `lie` NULL is in order. */
static void send_lie(struct nic *nic, const struct lie *lie)
{
	static const struct lie truth = {.type = ETHERTYPE_ARP};
	const struct lie *what = lie ? lie : &truth;
	const uint8_t *ip = what->ip ? what->ip : addresses[SENDER];
	uint8_t *frame = next_frame(nic), peer[6];

	peer_of(nic, peer);
	for (unsigned i = 0; i < 60; i++)
		frame[i] = 0;
	ethernet(frame, peer, what->source ? what->source : nic->mac, what->type);
	if (what->type == ETHERTYPE_ARP)
		arp(frame, what->arp_mac ? what->arp_mac : nic->mac, ip);
	else if (what->type == 0x0800)
		udp(frame, ip, what->from_port, what->to_port);
	send_frame(nic, 60);
}

/* Each lie is followed by the truth, which alone arrives. */
static void send_lies(struct nic *nic)
{
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		send_lie(nic, &lies[i]);
		send_lie(nic, NULL);
	}
	flush(nic);
	reached("lies sent");
}

static bool is_truth(const struct nic *nic, const uint8_t *frame)
{
	uint8_t peer[6];

	peer_of(nic, peer);
	return same(frame, nic->mac, 6) && same(frame + 6, peer, 6) &&
	       frame[12] << 8 == (ETHERTYPE_ARP & 0xff00) &&
	       frame[13] == (ETHERTYPE_ARP & 0xff) && same(frame + 22, peer, 6) &&
	       same(frame + 28, addresses[SENDER], 4);
}

static void receive_truths(struct nic *nic)
{
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		const uint8_t *frame = wait_frame(nic);

		check(is_truth(nic, frame), lies[i].name, "the lie has arrived");
		drop_frame(nic);
	}
}

void test(void)
{
	if (open_nics() < 2) {
		skip("network", "this machine has no two virtio network devices");
		return;
	}
	switch (nics[0].mac[5]) {
	case SENDER:
		send_all(&nics[0]);
		send_lies(&nics[1]);
		break;
	case RECEIVER:
		receive_all(&nics[0]);
		receive_truths(&nics[1]);
		break;
	default: give_up("the MAC address says nothing of this guest's part");
	}
}
