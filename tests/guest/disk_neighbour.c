/*
 * A neighbour with a disk: it runs for ever, writes each block of it anew in each round and
 * reads what it wrote in the round before, and says a number after each round. Whatever others
 * do, no byte may be another's, no request fail, and none take longer than STALL_MS.
 */
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/virtio.h"

#define RING_SIZE 16
#define SECTOR	  512u
#define WORDS	  8192u /* of a block: 64 KiB */
#define BLOCKS	  32u
#define WAIT_MS	  2000 /* at a time; a busy build machine is given WAITS of them */
#define WAITS	  10
#define STALL_MS  (WAIT_MS * WAITS)

enum { IN = 0, OUT = 1 };

static uint8_t rings[16384] __attribute__((aligned(4096)));
static uint64_t data[WORDS];
static struct {
	uint32_t type, reserved;
	uint64_t sector;
	uint8_t status;
} request;
static struct virtio_device device;
static struct virtio_ring ring;

static void find(void)
{
	unsigned slot = 0;

	while (slot < PCI_SLOTS && !(virtio_find(slot, &device) && device.id == VIRTIO_BLK))
		slot++;
	if (slot == PCI_SLOTS || !virtio_negotiate(&device, BIT(VIRTIO_PACKED)) ||
	    !virtio_enable(&device, &ring, 0, RING_SIZE, rings))
		give_up("a disk is needed");
	virtio_start(&device);
}

static void move(uint32_t type, unsigned block)
{
	struct virtio_buffer buffers[] = {
		{(uintptr_t)&request, 16, false},
		{(uintptr_t)data, sizeof(data), type == IN},
		{(uintptr_t)&request.status, 1, true},
	};
	unsigned waits = 0;
	uint32_t bytes;

	request.type = type;
	request.sector = block * (sizeof(data) / SECTOR);
	request.status = 0xff;
	virtio_add(&ring, buffers, 3);
	virtio_kick(&device, 0);
	while (!virtio_wait(&ring, &bytes, WAIT_MS))
		if (++waits == WAITS || device.common->status & STATUS_NEEDS_RESET)
			give_up("block %u: no answer in %u ms", block, STALL_MS);
	if (request.status)
		give_up("block %u: status %u", block, request.status);
}

static uint64_t word(unsigned block, unsigned i, uint64_t round)
{
	return (round << 32 | block << 16 | i) * 0x9e3779b97f4a7c15ull;
}

static void check_block(unsigned block, uint64_t round)
{
	for (unsigned i = 0; i < WORDS; i++)
		data[i] = 0;
	move(IN, block);
	for (unsigned i = 0; i < WORDS; i++)
		if (data[i] != word(block, i, round))
			give_up("block %u, word %u: 0x%lx", block, i, data[i]);
}

void test(void)
{
	find();
	for (uint64_t round = 1;; round++) {
		for (unsigned block = 0; block < BLOCKS; block++) {
			if (round > 1)
				check_block(block, round - 1);
			for (unsigned i = 0; i < WORDS; i++)
				data[i] = word(block, i, round);
			move(OUT, block);
		}
		print("neighbour %lu\n", round);
		sleep_us(100000);
	}
}
