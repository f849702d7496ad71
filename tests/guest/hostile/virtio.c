/*
 * The hostile guest as a driver of all its virtio devices: one step at a time, by whichever CPU
 * comes along. Devices are set up with rings of either kind, in good places or bad ones, and
 * fed with chains that are proper, nearly so, or nonsense. They write only where addresses here
 * lead them, which is not the program.
 */
#include "tests/guest/lib/virtio.h"
#include "tests/guest/hostile/hostile.h"
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"

#define DEVICES	    8u
#define QUEUES	    5u
#define RING_SIZE   16u
#define RING_CHUNK  (CHUNK_FIRST + 1)
#define RING_BYTES  0x4000u
#define BALLOON	    5u
#define RESET_POLLS 2000u /* each exits; one that takes longer is set up another time */
#define PAGES	    (uint32_t)(CHUNK >> 12)
#define TABLE	    0x3000u /* in a ring's piece of memory: an indirect table */

static struct victim {
	struct virtio_device device;
	struct virtio_ring ring[QUEUES];
	volatile unsigned lock;
	unsigned slot, chunk; /* the balloon's last */
	bool exists, runs;
} victims[DEVICES];

volatile uint64_t virtio_served;

static const uint64_t formats[] = {0, BIT(VIRTIO_EVENT_IDX), BIT(VIRTIO_PACKED),
				   BIT(VIRTIO_PACKED) | BIT(VIRTIO_EVENT_IDX)};

void virtio_prepare(void)
{
	unsigned count = 0;

	for (unsigned slot = 0; slot < PCI_SLOTS && count < DEVICES; slot++) {
		struct victim *victim = &victims[count];

		if (!virtio_find(slot, &victim->device))
			continue;
		victim->slot = slot;
		victim->chunk = CHUNK_FIRST;
		victim->exists = true;
		print("slot %u: virtio device %u\n", slot, victim->device.id);
		count++;
	}
}

/* ---- memory ---- */

/* Where a ring is when it is in a good place: in the odd chunks. */
static uint64_t ring_memory(const struct victim *victim, unsigned queue)
{
	unsigned n = (unsigned)(victim - victims) * QUEUES + queue;

	return CHUNK * RING_CHUNK + CHUNK_EDGE + n * RING_BYTES;
}

uint64_t play_address(void)
{
	unsigned chunk = CHUNK_FIRST + random_below(CHUNK_LAST - CHUNK_FIRST);

	/* What is in rings would be addresses of anything, were it elsewhere in a ring. */
	if (chunk >= RING_CHUNK)
		chunk++;
	return chunk * CHUNK + CHUNK_EDGE + random_below(CHUNK - 3 * CHUNK_EDGE);
}

uint64_t any_address(void)
{
	static const uint64_t places[] = {
		RAM_BYTES - 8, RAM_BYTES,  RAM_BYTES + 4096,  0xa0000,	   0xc0000000,
		0xd8000000,    0xe0000000, APIC_PAGE,	      IOAPIC_PAGE, 0xfffff000,
		0xfffffff8,    1ull << 32, (1ull << 40) - 16, 1ull << 47,  1ull << 52,
		1ull << 63,    ~0ull - 15};

	switch (random_below(8)) {
	case 0: return places[random_below(ARRAY_SIZE(places))];
	case 1: return random64() | 1ull << (32 + random_below(32));
	default: return play_address() & ~(one_in(2) ? 4095ull : 7ull);
	}
}

/* ---- setting up ---- */

static bool reset(struct victim *victim)
{
	victim->runs = false;
	victim->device.common->status = 0;
	for (unsigned i = 0; i < RESET_POLLS; i++)
		if (!victim->device.common->status)
			return true;
	return false;
}

static void set_queue(struct victim *victim, unsigned queue)
{
	volatile struct virtio_common *common = victim->device.common;
	uint64_t at[3];

	if (!virtio_enable(&victim->device, &victim->ring[queue], queue, RING_SIZE,
			   (void *)ring_memory(victim, queue)) ||
	    !one_in(8))
		return;
	/* Once more, in places of any kind; an enabled queue may not take it. */
	for (unsigned i = 0; i < 3; i++)
		at[i] = one_in(2) ? any_address() : ring_memory(victim, queue) + i * 0x1000;
	common->queue_select = (uint16_t)queue;
	common->queue_enable = 0;
	common->queue_size = (uint16_t)odd_number();
	common->queue_vector = (uint16_t)random_below(8);
	common->queue_desc[0] = (uint32_t)at[0];
	common->queue_desc[1] = (uint32_t)(at[0] >> 32);
	common->queue_driver[0] = (uint32_t)at[1];
	common->queue_driver[1] = (uint32_t)(at[1] >> 32);
	common->queue_device[0] = (uint32_t)at[2];
	common->queue_device[1] = (uint32_t)(at[2] >> 32);
	common->queue_enable = 1;
}

static void set_up(struct victim *victim)
{
	volatile struct virtio_common *common = victim->device.common;
	uint64_t features = formats[random_below(ARRAY_SIZE(formats))] | BIT(VIRTIO_INDIRECT) |
			    BIT(VIRTIO_RING_RESET);

	pci_orderly(victim->slot);
	if (!reset(victim))
		return;
	features |= victim->device.id == BALLOON ? 0x2f : random64() & 0xffffffff;
	common->status = STATUS_ACKNOWLEDGE;
	common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
	common->device_feature_select = 0;
	victim->device.features = common->device_feature;
	common->device_feature_select = 1;
	victim->device.features |= (uint64_t)common->device_feature << 32;
	victim->device.features &= features | BIT(VIRTIO_VERSION_1);
	if (one_in(16))
		victim->device.features ^= BIT(random_below(64));
	common->driver_feature_select = 0;
	common->driver_feature = (uint32_t)victim->device.features;
	common->driver_feature_select = 1;
	common->driver_feature = (uint32_t)(victim->device.features >> 32);
	common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
	for (unsigned i = 0; i < QUEUES; i++)
		set_queue(victim, i);
	virtio_start(&victim->device);
	victim->runs = true;
}

/* ---- chains ---- */

static struct virtio_buffer buffer(uint64_t at, uint32_t bytes, bool writable)
{
	return (struct virtio_buffer){at, bytes, writable};
}

static struct virtio_buffer any_buffer(void)
{
	return buffer(any_address(), one_in(2) ? random_below(8192) : (uint32_t)odd_number(),
		      one_in(2));
}

/* The place of a request's header, of which each queue has a few. */
static volatile uint32_t *header_of(struct victim *victim, unsigned queue)
{
	return (volatile uint32_t *)(ring_memory(victim, queue) + 0x3800 +
				     random_below(8) * 64);
}

static unsigned disk_request(volatile uint32_t *header, struct virtio_buffer *buffers)
{
	static const uint8_t types[] = {0, 0, 1, 1, 4, 8, 11, 13, 2, 99};
	unsigned type = types[random_below(ARRAY_SIZE(types))];

	header[0] = one_in(16) ? random32() : type;
	header[1] = 0;
	header[2] = one_in(8) ? (uint32_t)odd_number() : random_below(16384);
	header[3] = one_in(16) ? random32() : 0;
	buffers[0] = buffer((uintptr_t)header, one_in(16) ? random_below(32) : 16, false);
	buffers[1] = buffer(play_address(), 512 * random_below(16), type == 0 || type == 8);
	buffers[2] = buffer((uintptr_t)(header + 8), 1, true);
	return 3;
}

/* Pages of one chunk, all of them most times; the same come back. */
static unsigned balloon_request(struct victim *victim, unsigned queue,
				struct virtio_buffer *buffers)
{
	static uint32_t pages[PAGES];
	unsigned count = one_in(8) ? random_below(PAGES) : PAGES;

	if (queue == 0 || one_in(4))
		victim->chunk =
			CHUNK_FIRST + random_below((CHUNK_LAST - CHUNK_FIRST) / 2 + 1) * 2;
	if (queue > 2) {
		buffers[0] = buffer(victim->chunk * CHUNK, (uint32_t)CHUNK, true);
		return 1;
	}
	if (queue == 2) { /* statistics */
		buffers[0] = buffer(play_address(), random_below(16) * 10, false);
		return 1;
	}
	for (unsigned i = 0; i < count; i++)
		pages[i] = victim->chunk * PAGES + i;
	if (one_in(8))
		pages[random_below(PAGES)] = (uint32_t)odd_number() | PAGES * CHUNK_FIRST;
	buffers[0] = buffer((uintptr_t)pages, count * 4, false);
	return 1;
}

static unsigned frame_request(volatile uint32_t *header, unsigned queue,
			      struct virtio_buffer *buffers)
{
	bool receive = queue % 2 == 0;

	header[0] = one_in(4) ? random32() : 0;
	header[1] = one_in(4) ? random32() : 0;
	header[2] = 0;
	buffers[0] = buffer((uintptr_t)header, one_in(16) ? random_below(32) : 12, receive);
	buffers[1] = buffer(play_address(), one_in(4) ? random_below(65536) : 60, receive);
	return 2;
}

static unsigned request(struct victim *victim, unsigned queue, struct virtio_buffer *buffers)
{
	switch (victim->device.id) {
	case VIRTIO_BLK: return disk_request(header_of(victim, queue), buffers);
	case VIRTIO_NET: return frame_request(header_of(victim, queue), queue, buffers);
	case BALLOON: return balloon_request(victim, queue, buffers);
	default: /* zeroes are said, which show little */
		buffers[0] = buffer(play_address(), random_below(256), queue % 2 == 0);
		return 1;
	}
}

static void add_chain(struct victim *victim, unsigned queue)
{
	struct virtio_buffer buffers[4];
	struct virtio_ring *ring = &victim->ring[queue];
	unsigned count = request(victim, queue, buffers);

	if (victim->device.id == VIRTIO_CONSOLE && queue % 2)
		buffers[0].bytes %= 4;
	if (one_in(32))
		buffers[random_below(count)] = any_buffer();
	if (ring->desc && ring->size)
		virtio_add(ring, buffers, count);
}

/* Of a ring's memory a word or two, as it pleases. */
static void write_nonsense(struct victim *victim, unsigned queue)
{
	uint64_t at = ring_memory(victim, queue);

	for (unsigned n = 1 + random_below(4); n; n--) {
		unsigned offset = random_below(RING_BYTES / 8) * 8;

		if (one_in(2))
			offset = random_below(RING_SIZE) * 16;
		if (offset % 16 == 0 || one_in(4))
			*(volatile uint64_t *)(at + offset) = any_address();
		else
			*(volatile uint64_t *)(at + offset) =
				(uint32_t)odd_number() | (random64() & 0xffff0087) << 32;
	}
}

static void write_table(struct victim *victim, unsigned queue)
{
	volatile struct virtio_desc *table = (void *)(ring_memory(victim, queue) + TABLE);
	struct virtio_ring *ring = &victim->ring[queue];
	unsigned count = 1 + random_below(16), at = random_below(RING_SIZE);

	for (unsigned i = 0; i < count; i++) {
		table[i].addr = any_address();
		table[i].bytes = one_in(4) ? (uint32_t)odd_number() : random_below(4096);
		table[i].a = (uint16_t)(ring->packed ? 0 : random_below(4));
		table[i].b = (uint16_t)(ring->packed ? random_below(4) : i + 1);
	}
	if (!ring->desc)
		return;
	ring->desc[at].addr = (uintptr_t)table;
	ring->desc[at].bytes = one_in(8) ? random32() : count * 16;
	if (ring->packed)
		ring->desc[at].b = DESC_INDIRECT | (uint16_t)(random64() & 0x8080);
	else
		ring->desc[at].a = DESC_INDIRECT;
}

static void look(struct victim *victim, unsigned queue)
{
	struct virtio_ring *ring = &victim->ring[queue];

	if (victim->device.common->status & STATUS_NEEDS_RESET) {
		set_up(victim);
		return;
	}
	if (ring->used && !ring->packed && ring->used[1] != ring->taken) {
		ring->taken = ring->used[1];
		virtio_served++;
	}
}

static void step(struct victim *victim)
{
	unsigned queue = random_below(QUEUES);

	if (!victim->runs || one_in(200)) {
		set_up(victim);
		return;
	}
	/* Most is in order: a device that was broken serves nothing until it is set up anew. */
	switch (random_below(64)) {
	case 0: write_nonsense(victim, queue); break;
	case 1: write_table(victim, queue); break;
	case 2:
		victim->device.common->queue_select = (uint16_t)random_below(8);
		victim->device.common->queue_reset = (uint16_t)random_below(3);
		break;
	case 3: victim->device.common->status = (uint8_t)random32(); break;
	case 4 ... 7: virtio_kick(&victim->device, random_below(8)); break;
	case 8 ... 15: look(victim, queue); break;
	default:
		add_chain(victim, queue);
		virtio_kick(&victim->device, queue);
		break;
	}
}

void op_virtio(void)
{
	struct victim *victim = &victims[random_below(DEVICES)];

	if (!victim->exists || !lock_try(&victim->lock))
		return;
	if (one_in(64))
		pci_orderly(victim->slot);
	step(victim);
	lock_give(&victim->lock);
}

void virtio_release(void)
{
	for (unsigned i = 0; i < DEVICES; i++)
		lock_give_mine(&victims[i].lock);
}
