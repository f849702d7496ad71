/* See fake_virtio.h. */
#include "tests/unit/fake_virtio.h"

#include "kernel/sched/thread.h"

unsigned fake_wakes, fake_interrupts, fake_blocks;
const char *fake_broken;
void (*fake_wait)(void);

void fake_virtio_start(void (*wait)(void))
{
	fake_wakes = fake_interrupts = fake_blocks = 0;
	fake_broken = NULL;
	fake_wait = wait;
}

int virtio_create(struct virtio *virtio, const struct virtio_type *type, const struct board *of,
		  struct pci_root *root, uint64_t features)
{
	(void)root;
	virtio->type = type;
	virtio->board = of;
	virtio->offered = features;
	return 0;
}

void virtio_destroy(struct virtio *virtio)
{
	virtio->type->stop(virtio);
}

void virtio_wake(struct virtio *virtio)
{
	(void)virtio;
	fake_wakes++;
}

void virtio_interrupt(struct virtio *virtio, unsigned queue)
{
	if (virtq_should_interrupt(&virtio->queues[queue].q))
		fake_interrupts++;
}

void virtio_broken(struct virtio *virtio, const char *why)
{
	fake_broken = why;
	virtio->type->stop(virtio);
}

void thread_block(void)
{
	fake_blocks++;
	fake_wait();
}
