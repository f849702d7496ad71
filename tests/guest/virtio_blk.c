/*
 * A disk as a driver sees it, over both kinds of rings: what is written is read, in whatever
 * pieces a request comes; its serial number; ranges zeroed; the ends of the disk; what is
 * refused leaves no trace. What breaks the device is virtio_hostile's.
 */
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/virtio.h"

#define LIMIT_MS     3000
#define RING_SIZE    32
#define SECTOR	     512u
#define BLOCK	     (64 * 1024u)

#define FLUSH	     9 /* feature bits */
#define WRITE_ZEROES 14

enum { IN = 0, OUT = 1, DO_FLUSH = 4, GET_ID = 8, DO_WRITE_ZEROES = 13 };
enum { OK, IOERR, UNSUPP };

static uint8_t rings[16384] __attribute__((aligned(4096)));
static uint8_t written[BLOCK], back[BLOCK];
static struct {
	uint32_t type, reserved;
	uint64_t sector;
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} range;
	uint8_t status;
} request;
static struct virtio_device device;
static struct virtio_ring ring;
static uint64_t sectors;
static const char *kind;

static struct virtio_buffer of(void *at, uint32_t bytes, bool writable)
{
	return (struct virtio_buffer){(uintptr_t)at, bytes, writable};
}

/* One request of these buffers between header and status; its status, or -1: no answer. */
static int ask(uint32_t type, uint64_t sector, struct virtio_buffer first,
	       struct virtio_buffer second)
{
	struct virtio_buffer buffers[4] = {of(&request, 16, false)};
	unsigned count = 1;
	uint32_t bytes;

	request.type = type;
	request.sector = sector;
	request.status = 0xff;
	if (first.bytes)
		buffers[count++] = first;
	if (second.bytes)
		buffers[count++] = second;
	buffers[count++] = of(&request.status, 1, true);
	virtio_add(&ring, buffers, count);
	virtio_kick(&device, 0);
	return virtio_wait(&ring, &bytes, LIMIT_MS) ? request.status : -1;
}

static int move(uint32_t type, uint64_t sector, uint8_t *at, uint32_t bytes)
{
	return ask(type, sector, of(at, bytes, type == IN), of(at, 0, false));
}

static void set_up(uint64_t format)
{
	uint64_t wanted = format | BIT(FLUSH) | BIT(WRITE_ZEROES);

	if (!virtio_negotiate(&device, wanted) ||
	    !virtio_enable(&device, &ring, 0, RING_SIZE, rings))
		give_up("the disk refuses what it offered");
	virtio_start(&device);
	sectors = *(volatile uint32_t *)device.config |
		  (uint64_t) * (volatile uint32_t *)(device.config + 4) << 32;
}

static bool same(const uint8_t *a, const uint8_t *b, uint32_t bytes)
{
	while (bytes && *a++ == *b++)
		bytes--;
	return bytes == 0;
}

static void test_data(void)
{
	for (uint32_t i = 0; i < BLOCK; i++) {
		written[i] = (uint8_t)random32();
		back[i] = 0;
	}
	check(move(OUT, 100, written, BLOCK) == OK && move(IN, 100, back, BLOCK) == OK &&
		      same(written, back, BLOCK),
	      "data", "%s: what was written is not what is read", kind);
	/* In pieces that end in the middle of sectors, and of bytes' own pages. */
	check(ask(OUT, 300, of(written + 3, 700, false), of(written + 1000, 836, false)) ==
			      OK &&
		      ask(IN, 300, of(back + 1, 1, true), of(back + 2, 1535, true)) == OK &&
		      same(written + 3, back + 1, 700) && same(written + 1000, back + 701, 836),
	      "pieces", "%s: pieces are not put together", kind);
	check(move(DO_FLUSH, 0, back, 0) == OK, "flush", "%s: status %u", kind, request.status);
}

static void test_id(void)
{
	static const uint8_t id[20] = "my disk";

	check(move(GET_ID, 0, back, 0) == OK, "an ID of no bytes", "%s: status %u", kind,
	      request.status);
	check(ask(GET_ID, 0, of(back, 20, true), of(back, 0, true)) == OK &&
		      same(back, id, sizeof(id)),
	      "ID", "%s: it is not the document's", kind);
}

static void test_zeroes(void)
{
	static const uint8_t zero[SECTOR];

	request.range.sector = 101;
	request.range.sectors = 1;
	request.range.flags = 0;
	check(move(DO_WRITE_ZEROES, 0, (uint8_t *)&request.range, sizeof(request.range)) ==
			      OK &&
		      move(IN, 100, back, 3 * SECTOR) == OK && same(back, written, SECTOR) &&
		      same(back + SECTOR, zero, SECTOR) &&
		      same(back + 2 * SECTOR, written + 2 * SECTOR, SECTOR),
	      "zeroes", "%s: not that sector alone is zero", kind);
}

static void test_ends(void)
{
	static const struct {
		uint32_t type;
		uint64_t sector; /* from the disk's end */
		uint32_t bytes;
		int status;
	} cases[] = {
		{IN, -1ull, SECTOR, OK},	 {IN, -1ull, 2 * SECTOR, IOERR},
		{OUT, -1ull, 2 * SECTOR, IOERR}, {IN, 0, SECTOR, IOERR},
		{OUT, 0, SECTOR, IOERR},	 {IN, BIT(62), SECTOR, IOERR},
		{OUT, BIT(63), SECTOR, IOERR},	 {IN, -8ull, SECTOR - 1, IOERR},
		{OUT, -8ull, SECTOR + 1, IOERR}, {IN, -8ull, 0, IOERR},
		{99, -8ull, SECTOR, UNSUPP},
	};

	move(IN, sectors - 1, written, SECTOR);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		check(move(cases[i].type, sectors + cases[i].sector, back, cases[i].bytes) ==
			      cases[i].status,
		      "ends", "%s: case %u: status %u", kind, i, request.status);
	check(move(IN, sectors - 1, back, SECTOR) == OK && same(back, written, SECTOR),
	      "what is refused", "%s: it was written", kind);
}

void test(void)
{
	unsigned slot = 0;

	while (slot < PCI_SLOTS && !(virtio_find(slot, &device) && device.id == VIRTIO_BLK))
		slot++;
	if (slot == PCI_SLOTS)
		give_up("there is no disk");
	for (unsigned i = 0; i < 2; i++) {
		kind = i ? "packed" : "split";
		set_up(BIT(VIRTIO_EVENT_IDX) | (i ? BIT(VIRTIO_PACKED) : 0));
		test_data();
		test_id();
		if (device.features & BIT(WRITE_ZEROES))
			test_zeroes();
		test_ends();
	}
	virtio_reset(&device);
}
