/* See fake_vdev.h. Section numbers are of virtio 1.2. */
#include "tests/unit/fake_vdev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "drivers/virtio/vring.h"
#include "tests/unit/fake_mmio.h"

/* Where its registers are in the BAR. */
enum { COMMON = 0, ISR = 0x100, CONFIG = 0x200, NOTIFY = 0x400, NOTIFY_BYTES = 0x40 };

/* Common configuration: 4.1.4.3. */
enum {
	DEVICE_FEATURE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	CONFIG_MSIX_VECTOR = 16,
	NUM_QUEUES = 18,
	DEVICE_STATUS = 20,
	CONFIG_GENERATION = 21,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_MSIX_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32,
	QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48,
	COMMON_BYTES = 56,
};

#define ACKNOWLEDGE  1 /* 2.1 */
#define DRIVER	     2
#define DRIVER_OK    4
#define FEATURES_OK  8

#define NO_VECTOR    0xffff

#define CAPABILITIES 0x40 /* and one each 0x20 bytes */

struct fake_vdev fake_vdev;

static struct fake_vdev *const dev = &fake_vdev;
static volatile uint8_t *registers;
static unsigned capability_reads;

/* ---- registers --------------------------------------------------------------------------- */

static uint16_t get16(unsigned offset)
{
	return *(volatile uint16_t *)(registers + offset);
}

static uint32_t get32(unsigned offset)
{
	return *(volatile uint32_t *)(registers + offset);
}

static uint64_t get64(unsigned offset)
{
	return *(volatile uint64_t *)(registers + offset);
}

static void set16(unsigned offset, uint16_t value)
{
	*(volatile uint16_t *)(registers + offset) = value;
}

static struct fake_vqueue *selected(void)
{
	return get16(QUEUE_SELECT) < FAKE_VQUEUES ? &dev->queues[get16(QUEUE_SELECT)] : NULL;
}

static void reset(void)
{
	dev->status = 0;
	dev->accepted = 0;
	dev->isr = 0;
	dev->config_vector = NO_VECTOR;
	for (unsigned i = 0; i < FAKE_VQUEUES; i++) {
		struct fake_vqueue *q = &dev->queues[i];

		*q = (struct fake_vqueue){.size = q->size,
					  .notify_off = q->notify_off,
					  .taken_size = q->size,
					  .vector = NO_VECTOR,
					  .doorbells = q->doorbells};
	}
	dev->resets++;
}

/* One step after the other: 3.1.1. */
static void set_status(uint8_t status)
{
	static const uint8_t steps[] = {0, ACKNOWLEDGE, ACKNOWLEDGE | DRIVER,
					ACKNOWLEDGE | DRIVER | FEATURES_OK,
					ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK};
	unsigned step = 0;

	if (dev->stuck)
		return;
	if (!status) {
		reset();
		return;
	}
	while (steps[step] != (dev->status & ~FAKE_NEEDS_RESET))
		assert_true(++step < ARRAY_SIZE(steps) - 1);
	assert_int_equal(status, steps[step + 1]);
	if (status == steps[3] && dev->refuses)
		return;
	dev->status = status;
	if (status & DRIVER_OK) {
		assert_true(fake_vdev_is_master());
		dev->status |= dev->status_added;
		dev->starts++;
	}
}

static void set_features(void)
{
	unsigned shift = get32(DRIVER_FEATURE_SELECT) * 32;

	assert_int_equal(dev->status, ACKNOWLEDGE | DRIVER);
	dev->accepted &= ~(0xffffffffull << shift);
	dev->accepted |= (uint64_t)get32(DRIVER_FEATURE) << shift;
	assert_int_equal(dev->accepted & ~dev->features, 0);
}

static void enable(struct fake_vqueue *q)
{
	assert_int_equal(dev->status, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(get16(QUEUE_ENABLE), 1);
	assert_true(q->size && q->taken_size && q->taken_size <= q->size);
	assert_true(IS_ALIGNED(q->desc, 16) && IS_ALIGNED(q->avail, 2) &&
		    IS_ALIGNED(q->used, 4));
	q->enabled = true;
}

static void written(unsigned offset)
{
	struct fake_vqueue *q = selected();

	if (dev->gone)
		return;
	if (offset >= NOTIFY) {
		unsigned number = get16(offset);

		assert_true(dev->status & DRIVER_OK); /* 3.1.1 */
		assert_true(number < FAKE_VQUEUES);
		assert_int_equal(offset - NOTIFY,
				 dev->queues[number].notify_off * dev->notify_multiplier);
		dev->queues[number].doorbells++;
		return;
	}
	switch (offset) {
	case DEVICE_STATUS: set_status(registers[DEVICE_STATUS]); break;
	case DRIVER_FEATURE: set_features(); break;
	case CONFIG_MSIX_VECTOR: dev->config_vector = get16(offset); break;
	case QUEUE_SIZE: q->taken_size = get16(offset); break;
	case QUEUE_MSIX_VECTOR: q->vector = dev->no_vectors ? NO_VECTOR : get16(offset); break;
	case QUEUE_ENABLE: enable(q); break;
	case QUEUE_DESC + 4: q->desc = get64(QUEUE_DESC); break;
	case QUEUE_DRIVER + 4: q->avail = get64(QUEUE_DRIVER); break;
	case QUEUE_DEVICE + 4: q->used = get64(QUEUE_DEVICE); break;
	}
}

static void reading(unsigned offset)
{
	const struct fake_vqueue *q = selected();

	if (dev->gone) {
		memset((void *)(uintptr_t)registers, 0xff, PAGE_BYTES);
		return;
	}
	if (offset == DEVICE_FEATURE)
		*(volatile uint32_t *)(registers + offset) =
			(uint32_t)(dev->features >> get32(DEVICE_FEATURE_SELECT) * 32);
	set16(NUM_QUEUES, FAKE_VQUEUES);
	registers[DEVICE_STATUS] = dev->status;
	if (offset == DEVICE_STATUS && !dev->status && dev->slow) {
		registers[DEVICE_STATUS] = ACKNOWLEDGE;
		dev->slow--;
	}
	if (!dev->restless)
		registers[CONFIG_GENERATION] = 0;
	else if (offset == CONFIG_GENERATION)
		registers[CONFIG_GENERATION]++;
	set16(QUEUE_SIZE, q ? q->taken_size : 0);
	set16(QUEUE_MSIX_VECTOR, q ? q->vector : NO_VECTOR);
	set16(QUEUE_NOTIFY_OFF, q ? q->notify_off : 0);
	memcpy((void *)(uintptr_t)(registers + CONFIG), dev->config, sizeof(dev->config));
	if (offset == ISR) {
		registers[ISR] = dev->isr;
		dev->isr = 0; /* 4.1.4.5 */
	}
}

/* ---- rings ------------------------------------------------------------------------------- */

static struct virtq_avail *avail_of(const struct fake_vqueue *q)
{
	return fake_vdev_reach(q->avail, 6 + 2u * q->taken_size);
}

static struct virtq_used_ring *used_of(const struct fake_vqueue *q)
{
	return fake_vdev_reach(q->used, 6 + 8u * q->taken_size);
}

static struct fake_vqueue *running(unsigned queue)
{
	assert_true(dev->status & DRIVER_OK);
	assert_true(dev->queues[queue].enabled);
	return &dev->queues[queue];
}

static void add_part(struct fake_chain *chain, const struct virtq_desc *desc)
{
	bool in = desc->split.flags & DESC_WRITE;

	assert_true(chain->count < FAKE_CHAIN_MAX);
	assert_true(in || chain->out == chain->count); /* 2.7.4.2 */
	chain->out += !in;
	chain->parts[chain->count].data = fake_vdev_reach(desc->addr, desc->bytes);
	chain->parts[chain->count++].bytes = desc->bytes;
}

bool fake_vdev_take(unsigned queue, struct fake_chain *chain)
{
	struct fake_vqueue *q = running(queue);
	const struct virtq_desc *table = fake_vdev_reach(q->desc, 16u * q->taken_size), *desc;
	unsigned entries = q->taken_size;

	if (!fake_vdev_available(queue))
		return false;
	*chain = (struct fake_chain){.id = avail_of(q)->ring[q->seen++ % q->taken_size]};
	assert_true(chain->id < entries);
	if (dev->accepted & BIT(29)) /* EVENT_IDX: told of the next */
		*(uint16_t *)&used_of(q)->ring[q->taken_size] = q->seen;
	desc = &table[chain->id];
	chain->indirect = desc->split.flags & DESC_INDIRECT;
	if (chain->indirect) {
		assert_true(dev->accepted & BIT(28));
		assert_int_equal(desc->split.flags, DESC_INDIRECT);
		entries = desc->bytes / 16;
		desc = table = fake_vdev_reach(desc->addr, desc->bytes);
	}
	for (add_part(chain, desc); desc->split.flags & DESC_NEXT; add_part(chain, desc)) {
		assert_true(desc->split.next < entries);
		desc = &table[desc->split.next];
	}
	return true;
}

unsigned fake_vdev_available(unsigned queue)
{
	struct fake_vqueue *q = running(queue);

	return (uint16_t)(avail_of(q)->idx - q->seen);
}

static bool interrupt(unsigned vector, uint8_t isr)
{
	dev->isr |= isr;
	if (!dev->vectors)
		vector = 0;
	return vector != NO_VECTOR && fake_vdev_vector(vector);
}

void fake_vdev_finish_quietly(unsigned queue, uint32_t id, uint32_t bytes)
{
	struct fake_vqueue *q = running(queue);

	used_of(q)->ring[q->used_index++ % q->taken_size] = (struct virtq_used_elem){id, bytes};
}

void fake_vdev_publish(unsigned queue)
{
	struct fake_vqueue *q = running(queue);

	used_of(q)->idx = q->used_index;
}

bool fake_vdev_finish(unsigned queue, uint32_t id, uint32_t bytes)
{
	struct fake_vqueue *q = running(queue);
	uint16_t before = used_of(q)->idx;
	bool wanted = !(avail_of(q)->flags & 1);

	fake_vdev_finish_quietly(queue, id, bytes);
	used_of(q)->idx = q->used_index;
	if (dev->accepted & BIT(29))
		wanted = (uint16_t)(avail_of(q)->ring[q->taken_size] - before) <
			 (uint16_t)(q->used_index - before);
	if (wanted)
		interrupt(q->vector, 1);
	return wanted;
}

void fake_vdev_config_interrupt(void)
{
	interrupt(dev->config_vector, 2);
}

bool fake_vdev_pin(void)
{
	return fake_vdev_vector(0);
}

/* ---- configuration space -------------------------------------------------------------- */

/* The vendor capabilities: 4.1.4. */
static const struct {
	uint8_t type;
	uint32_t offset, bytes;
} capabilities[] = {{1, COMMON, COMMON_BYTES},
		    {2, NOTIFY, NOTIFY_BYTES},
		    {3, ISR, 1},
		    {4, CONFIG, FAKE_CONFIG_BYTES}};

unsigned pci_capability(const struct pci_device *d, uint8_t id, unsigned after)
{
	unsigned at = after ? after + 0x20 : CAPABILITIES;

	(void)d;
	assert_int_equal(id, 9);
	assert_true(++capability_reads < 1000);
	if (dev->legacy_only)
		return 0;
	if (at < CAPABILITIES + 0x20 * ARRAY_SIZE(capabilities))
		return at;
	return dev->circular ? CAPABILITIES : 0;
}

uint32_t pci_read(const struct pci_device *d, unsigned offset, unsigned bytes)
{
	unsigned number = (offset - CAPABILITIES) / 0x20;

	(void)d, (void)bytes;
	assert_true(number < ARRAY_SIZE(capabilities));
	switch (offset % 0x20) {
	case 3: return capabilities[number].type;
	case 8: return capabilities[number].offset;
	case 12: return capabilities[number].bytes;
	case 16: return dev->notify_multiplier;
	default: return 0;
	}
}

void fake_vdev_start(uint16_t device_id, uint64_t features)
{
	static const struct fake_mmio_ops ops = {.reading = reading, .written = written};

	capability_reads = 0;
	*dev = (struct fake_vdev){.features = features,
				  .notify_multiplier = 4,
				  .vectors = FAKE_VDEV_VECTORS,
				  .pages_left = FAKE_VDEV_PAGES};
	for (unsigned i = 0; i < FAKE_VQUEUES; i++)
		dev->queues[i] = (struct fake_vqueue){.size = 256, .notify_off = (uint16_t)i};
	reset();
	dev->resets = 0;
	fake_pci = (struct pci_device){.name = "pci:00:03.0",
				       .vendor_id = 0x1af4,
				       .device_id = device_id,
				       .bars[0] = {.address = 1, .bytes = PAGE_BYTES}};
	registers = fake_mmio_start(&ops);
	fake_vdev_around_start(registers);
}
