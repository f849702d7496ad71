/*
 * Requests that a kind of device does not know, or cannot serve, in rings that are in order:
 * of block and network devices, each that this guest has. The others take any buffer.
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/victim.h"

/* The device may refuse by an answer or break, but must do one of the two. A block device's
 * answer is a status, and must not be that all is well. */
static void answered(const char *name, const struct virtio_buffer *buffers, unsigned count)
{
	uint32_t bytes;
	bool answer;

	victim_set_up();
	virtio_add(victim_work(), buffers, count);
	virtio_kick(&victim.device, victim_queue());
	answer = virtio_wait(victim_work(), &bytes, VICTIM_LIMIT_MS);
	check(answer || victim.device.common->status & STATUS_NEEDS_RESET, name,
	      "%s: neither an answer nor DEVICE_NEEDS_RESET", victim_kind());
	check(victim.device.id != VIRTIO_BLK || victim.request[48], name,
	      "%s: the status is OK", victim_kind());
	victim_mended(name);
}

static void blk_request(const char *name, uint32_t type, uint64_t sector, uint32_t bytes,
			bool writable)
{
	struct virtio_buffer buffers[4];

	victim_proper(buffers);
	*(uint32_t *)victim.request = type;
	*(uint64_t *)&victim.request[8] = sector;
	buffers[1] = victim_buffer(victim.data, bytes, writable);
	answered(name, buffers, 3);
}

static void test_blk(void)
{
	struct virtio_buffer buffers[4];
	uint64_t capacity = *(volatile uint64_t *)victim.device.config;

	blk_request("blk: unknown type", 0x77777777, 0, 512, true);
	blk_request("blk: read to what is to be read", 0, 0, 512, false);
	blk_request("blk: write from what is to be written", 1, 0, 512, true);
	blk_request("blk: beyond the end", 0, capacity, 512, true);
	blk_request("blk: over the end", 0, capacity - 1, 1024, true);
	blk_request("blk: sector overflow", 0, ~0ull, 512, true);
	blk_request("blk: sector times 512 overflow", 0, 1ull << 55, 512, true);
	blk_request("blk: not whole sectors", 0, 0, 511, true);
	blk_request("blk: discard of nonsense", 11, 0, 33, false);
	blk_request("blk: zeroes beyond the end", 13, 0, 16, false);
	victim_proper(buffers);
	buffers[0].bytes = 15;
	answered("blk: short header", buffers, 3);
	victim_proper(buffers);
	answered("blk: no status", buffers, 1);
	victim_proper(buffers);
	buffers[2].bytes = 0x1000;
	answered("blk: long status", buffers, 3);
}

static void net_frame(const char *name, uint8_t flags, uint8_t gso, uint16_t header,
		      uint16_t size, uint16_t start, uint16_t offset, uint32_t bytes)
{
	struct virtio_buffer buffers[4];

	victim_proper(buffers);
	victim.request[0] = flags;
	victim.request[1] = gso;
	*(uint16_t *)&victim.request[2] = header;
	*(uint16_t *)&victim.request[4] = size;
	*(uint16_t *)&victim.request[6] = start;
	*(uint16_t *)&victim.request[8] = offset;
	buffers[1].bytes = bytes;
	answered(name, buffers, 2);
}

static void test_net(void)
{
	struct virtio_buffer buffers[4];

	net_frame("net: checksum beyond the frame", 1, 0, 0, 0, 0xffff, 0xffff, 60);
	net_frame("net: checksum over the end", 1, 0, 0, 0, 58, 1, 60);
	net_frame("net: segments of nothing", 1, 1, 54, 0, 34, 16, 4000);
	net_frame("net: segments of headers", 1, 1, 0xffff, 1, 34, 16, 4000);
	net_frame("net: unknown segmentation", 0, 0x7f, 54, 100, 34, 16, 4000);
	net_frame("net: a huge frame", 0, 0, 0, 0, 0, 0, 65536);
	net_frame("net: a huge frame in segments", 1, 4, 74, 8, 54, 16, 65536);
	net_frame("net: a frame of a byte", 0, 0, 0, 0, 0, 0, 1);
	victim_proper(buffers);
	buffers[0].bytes = 5;
	answered("net: short header", buffers, 1);
	buffers[0] = victim_buffer(victim.data, 100, true);
	answered("net: a frame to be written", buffers, 1);
}

static void attack(void)
{
	if (victim.device.id == VIRTIO_BLK)
		test_blk();
	if (victim.device.id == VIRTIO_NET)
		test_net();
}

void test(void)
{
	victim_each(attack);
}
