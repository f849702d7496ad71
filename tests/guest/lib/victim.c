#include "tests/guest/lib/victim.h"

#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"

struct victim victim;

struct virtio_buffer victim_buffer(volatile void *at, uint32_t bytes, bool writable)
{
	return (struct virtio_buffer){(uintptr_t)at, bytes, writable};
}

unsigned victim_queue(void)
{
	return victim.device.id == VIRTIO_NET || victim.device.id == VIRTIO_CONSOLE ? 1 : 0;
}

struct virtio_ring *victim_work(void)
{
	return &victim.ring[victim_queue()];
}

unsigned victim_proper(struct virtio_buffer *buffers)
{
	for (unsigned i = 0; i < sizeof(victim.request); i++)
		victim.request[i] = 0;
	victim.request[48] = 0xff;
	switch (victim.device.id) {
	case VIRTIO_BLK: /* read the first sector */
		buffers[0] = victim_buffer(victim.request, 16, false);
		buffers[1] = victim_buffer(victim.data, 512, true);
		buffers[2] = victim_buffer(&victim.request[48], 1, true);
		return 3;
	case VIRTIO_NET: /* a frame to nobody */
		for (unsigned i = 0; i < 60; i++)
			victim.data[i] = i < 6 ? 0xff : 0;
		buffers[0] = victim_buffer(victim.request, 12, false);
		buffers[1] = victim_buffer(victim.data, 60, false);
		return 2;
	case VIRTIO_CONSOLE:
		victim.data[0] = '\n';
		buffers[0] = victim_buffer(victim.data, 1, false);
		return 1;
	default: buffers[0] = victim_buffer(victim.data, 64, true); return 1;
	}
}

void victim_set_up(void)
{
	if (!virtio_negotiate(&victim.device, victim.format))
		give_up("the device in slot %u refuses what it offered", victim.device.slot);
	for (unsigned i = 0; i < VICTIM_QUEUES; i++)
		if (!virtio_enable(&victim.device, &victim.ring[i], i, VICTIM_RING,
				   victim.rings[i]))
			break;
	virtio_start(&victim.device);
}

bool victim_serves(void)
{
	struct virtio_buffer buffers[4];
	uint32_t bytes;

	virtio_add(victim_work(), buffers, victim_proper(buffers));
	virtio_kick(&victim.device, victim_queue());
	return virtio_wait(victim_work(), &bytes, VICTIM_LIMIT_MS) &&
	       (victim.device.id != VIRTIO_BLK || victim.request[48] == 0);
}

const char *victim_kind(void)
{
	static char text[] = "console sf";
	static const char *const names[] = {"?", "net", "blk", "console", "rng"};
	const char *name = names[victim.device.id < 5 ? victim.device.id : 0];
	unsigned n = 0;

	while (*name)
		text[n++] = *name++;
	text[n++] = ' ';
	text[n++] = victim.format & BIT(VIRTIO_PACKED) ? 'p' : 's';
	text[n++] = victim.format & BIT(VIRTIO_EVENT_IDX) ? 'e' : 'f';
	text[n] = 0;
	return text;
}

void victim_mended(const char *name)
{
	victim_set_up();
	check(victim_serves(), name, "%s: it does not serve after a reset", victim_kind());
}

void victim_each(void (*attack)(void))
{
	static const uint64_t formats[] = {BIT(VIRTIO_EVENT_IDX), BIT(VIRTIO_PACKED)};
	unsigned count = 0;

	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		if (!virtio_find(slot, &victim.device))
			continue;
		print("slot %u: virtio device %u\n", slot, victim.device.id);
		for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
			victim.format = formats[i] | BIT(VIRTIO_INDIRECT);
			victim_mended("at first");
			attack();
		}
		virtio_reset(&victim.device);
		count++;
	}
	check(count > 0, "devices", "there are none");
}
