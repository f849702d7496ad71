/* See rng.h. */
#include "tests/guest/lib/rng.h"
#include "tests/guest/lib/pci.h"

#define LIMIT_MS 3000

struct virtio_device rng;
static struct virtio_ring ring;
static uint8_t memory[16384] __attribute__((aligned(4096)));
static uint8_t bytes[64];

bool rng_find(void)
{
	for (unsigned slot = 1; slot < PCI_SLOTS; slot++)
		if (virtio_find(slot, &rng) && rng.id == VIRTIO_RNG)
			return true;
	return false;
}

void rng_set_up(void)
{
	virtio_negotiate(&rng, 0);
	virtio_enable(&rng, &ring, 0, 8, memory);
	virtio_start(&rng);
}

bool rng_works(void)
{
	const struct virtio_buffer buffer = {(uintptr_t)bytes, sizeof bytes, true};
	uint32_t got;

	virtio_add(&ring, &buffer, 1);
	virtio_kick(&rng, 0);
	return virtio_wait(&ring, &got, LIMIT_MS) && got;
}
