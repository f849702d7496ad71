/*
 * A virtio device's life and its thread: what drivers asked for through registers.c is done
 * here, rings are started and stopped, and the driver is told of what happened.
 */
#include "guests/devices/virtio/virtio.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "guests/devices/virtio/virtio_internal.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/board.h"

#define SUBSYSTEM_BASE 0x40
#define REVISION       1

/* Of the lines about one device's broken rings: a hostile guest can break them for ever. */
#define BROKEN_LINES 8

/* ---- waking the thread ---- */

void virtio_post(struct virtio *virtio, uint32_t events)
{
	atomic_fetch_or(&virtio->events, events);
	thread_wake(virtio->thread);
}

void virtio_wake(struct virtio *virtio)
{
	virtio_post(virtio, EVENT_WAKE);
}

/* A queue that is not there has no bit; one that is not enabled is not looked at. */
void virtio_kick(struct virtio *virtio, unsigned queue)
{
	if (queue >= virtio->queue_count)
		return;
	atomic_fetch_add_explicit(&virtio->queues[queue].kicks, 1, memory_order_relaxed);
	atomic_fetch_or(&virtio->kicked, BIT(queue));
	thread_wake(virtio->thread);
}

/* ---- telling the driver ---- */

/* By `vector`, or by the pin with `bit` in the ISR. */
static void interrupt(struct virtio *virtio, uint16_t vector, uint8_t bit)
{
	uint64_t flags;

	if (pci_msix_enabled(&virtio->pci)) {
		pci_msix_send(&virtio->pci, vector); /* none: out of range */
		return;
	}
	flags = spin_lock_irqsave(&virtio->lock);
	virtio->isr |= bit;
	pci_set_pin(&virtio->pci, true);
	spin_unlock_irqrestore(&virtio->lock, flags);
}

void virtio_interrupt(struct virtio *virtio, unsigned queue)
{
	struct virtio_queue *to = &virtio->queues[queue];

	if (!virtq_should_interrupt(&to->q))
		return;
	atomic_fetch_add_explicit(&to->interrupts, 1, memory_order_relaxed);
	interrupt(virtio, atomic_load_explicit(&to->vector, memory_order_relaxed),
		  VIRTIO_ISR_QUEUE);
}

static void interrupt_config(struct virtio *virtio)
{
	interrupt(virtio, atomic_load(&virtio->config_vector), VIRTIO_ISR_CONFIG);
}

void virtio_config_set(struct virtio *virtio, unsigned offset, const void *value,
		       unsigned bytes)
{
	uint64_t flags = spin_lock_irqsave(&virtio->lock);
	bool tell = virtio->status & VIRTIO_STATUS_DRIVER_OK && !virtio->resetting;

	memcpy((char *)virtio->config + offset, value, bytes);
	virtio->generation++;
	spin_unlock_irqrestore(&virtio->lock, flags);
	if (tell)
		interrupt_config(virtio);
}

static void log_broken(struct virtio *virtio, const char *why)
{
	if (virtio->broken_logged >= BROKEN_LINES)
		return;
	virtio->broken_logged++;
	log_warn(virtio->board->name, "%s stops until its driver resets it: %s%s", virtio->name,
		 why,
		 virtio->broken_logged == BROKEN_LINES ? " (it is not logged further)" : "");
}

void virtio_broken(struct virtio *virtio, const char *why)
{
	uint64_t flags = spin_lock_irqsave(&virtio->lock);
	bool first = !(virtio->status & VIRTIO_STATUS_NEEDS_RESET);

	virtio->status |= VIRTIO_STATUS_NEEDS_RESET;
	spin_unlock_irqrestore(&virtio->lock, flags);
	if (!first)
		return;
	log_broken(virtio, why);
	interrupt_config(virtio); /* 2.1.2 */
}

/* ---- the thread ---- */

static bool broken(struct virtio *virtio)
{
	uint64_t flags = spin_lock_irqsave(&virtio->lock);
	bool is = virtio->status & VIRTIO_STATUS_NEEDS_RESET;

	spin_unlock_irqrestore(&virtio->lock, flags);
	return is;
}

/* Starts a queue that the driver enabled, unless it is. */
static void start_queue(struct virtio *virtio, unsigned queue)
{
	struct virtq *q = &virtio->queues[queue].q;
	int err;

	if (q->live)
		return;
	q->gm = virtio->board->gmem;
	q->packed = virtio_has(virtio, VIRTIO_F_RING_PACKED);
	q->event_idx = virtio_has(virtio, VIRTIO_F_EVENT_IDX);
	q->indirect = virtio_has(virtio, VIRTIO_F_INDIRECT_DESC);
	err = virtq_start(q);
	if (err)
		virtio_broken(virtio, q->why ? q->why : "there is no memory for its rings");
	else
		atomic_fetch_or(&virtio->kicked, BIT(queue)); /* there may be something */
}

static void stop_queue(struct virtio *virtio, unsigned queue)
{
	struct virtio_queue *old = &virtio->queues[queue];
	uint64_t flags;

	if (virtio->running)
		virtio->type->queue_stop(virtio, queue);
	virtq_stop(&old->q);
	flags = spin_lock_irqsave(&virtio->lock);
	old->q.size = virtio->type->queue_size;
	old->vector = VIRTIO_NO_VECTOR;
	old->enabled = old->resetting = false;
	spin_unlock_irqrestore(&virtio->lock, flags);
}

/* What the driver wants of its queues. */
static void update_queues(struct virtio *virtio)
{
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		struct virtio_queue *queue = &virtio->queues[i];
		uint64_t flags = spin_lock_irqsave(&virtio->lock);
		bool enabled = queue->enabled, resetting = queue->resetting;

		spin_unlock_irqrestore(&virtio->lock, flags);
		if (resetting)
			stop_queue(virtio, i);
		else if (enabled && !broken(virtio))
			start_queue(virtio, i);
	}
}

/* From here on nothing of the guest's is used. */
static void stop(struct virtio *virtio)
{
	if (virtio->running)
		virtio->type->stop(virtio);
	virtio->running = false;
	for (unsigned i = 0; i < virtio->queue_count; i++)
		virtq_stop(&virtio->queues[i].q);
}

static void reset(struct virtio *virtio)
{
	uint64_t flags;

	stop(virtio);
	atomic_store(&virtio->kicked, 0);
	flags = spin_lock_irqsave(&virtio->lock);
	virtio_reset_registers(virtio);
	spin_unlock_irqrestore(&virtio->lock, flags);
}

static void start(struct virtio *virtio)
{
	update_queues(virtio);
	virtio->running = !broken(virtio);
	if (virtio->running)
		virtio->type->start(virtio);
	else
		stop(virtio);
}

/* After a reset the driver starts anew: EVENT_START that came with it was before it. */
static void do_events(struct virtio *virtio, uint32_t events)
{
	if (events & EVENT_RESET)
		reset(virtio);
	else if (events & EVENT_START)
		start(virtio);
	else if (events & EVENT_QUEUES)
		update_queues(virtio);
}

static void serve(struct virtio *virtio, uint32_t events)
{
	uint64_t kicked = atomic_exchange(&virtio->kicked, 0);

	if (virtio->running && !broken(virtio) && (kicked || events))
		virtio->type->service(virtio, kicked);
	if (virtio->running && broken(virtio))
		stop(virtio);
}

static void thread_main(void *arg)
{
	struct virtio *virtio = arg;

	for (;;) {
		uint32_t events = atomic_exchange(&virtio->events, 0);

		if (events & EVENT_QUIT)
			break;
		do_events(virtio, events);
		serve(virtio, events);
		if (!atomic_load(&virtio->events) && !atomic_load(&virtio->kicked))
			thread_block();
		else if (thread_should_yield())
			thread_yield();
	}
	stop(virtio);
}

/* ---- its life ---- */

static void describe(struct virtio *virtio, const struct virtio_type *type)
{
	virtio->pci.name = type->name;
	virtio->pci.ops = &virtio_pci_ops;
	virtio->pci.vendor_id = virtio->pci.subsystem_vendor_id = VIRTIO_PCI_VENDOR;
	virtio->pci.device_id = (uint16_t)(VIRTIO_PCI_MODERN + type->id);
	virtio->pci.subsystem_id = (uint16_t)(SUBSYSTEM_BASE + type->id);
	virtio->pci.class_code = type->class_code;
	virtio->pci.revision = REVISION;
	virtio->pci.bars[BAR_PORTS].kind = PCI_BAR_IO;
	virtio->pci.bars[BAR_PORTS].bytes = BAR_PORTS_BYTES;
	virtio->pci.bars[BAR_MSIX].kind = PCI_BAR_MEMORY32;
	virtio->pci.bars[BAR_MSIX].bytes = PCI_MSIX_BYTES;
	virtio->pci.bars[BAR_REGISTERS].kind = PCI_BAR_MEMORY32;
	virtio->pci.bars[BAR_REGISTERS].bytes = REGISTERS_BYTES;
	virtio->pci.msix_vectors = virtio->queue_count + 1;
	virtio->pci.msix_bar = BAR_MSIX;
}

static uint64_t common_features(const struct virtio_type *type)
{
	return BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_VERSION_1) |
	       BIT(VIRTIO_F_RING_PACKED) | (type->queue_stop ? BIT(VIRTIO_F_RING_RESET) : 0);
}

static int create_thread(struct virtio *virtio)
{
	const struct thread_params params = {
		.name = virtio->name,
		.fn = thread_main,
		.arg = virtio,
		.weight = THREAD_WEIGHT_SERVICE,
		.aspace = &virtio->board->gmem->as,
		.account = virtio->board->account,
	};

	virtio->thread = thread_create(&params);
	return virtio->thread ? 0 : -ENOMEM;
}

int virtio_create(struct virtio *virtio, const struct virtio_type *type,
		  const struct board *board, struct pci_root *root, uint64_t features)
{
	int err;

	virtio->type = type;
	spin_lock_init(&virtio->lock, "virtio");
	virtio->board = board;
	virtio->offered = (features & type->features) | common_features(type);
	describe(virtio, type);
	err = pci_root_add(root, &virtio->pci);
	if (err)
		return err;
	snprintf(virtio->name, sizeof(virtio->name), "%s 00:%02x.0", type->name,
		 virtio->pci.slot);
	virtio_reset_registers(virtio);
	err = virtio_add_capabilities(virtio);
	if (!err)
		err = create_thread(virtio);
	if (err)
		pci_root_remove(&virtio->pci);
	return err;
}

void virtio_destroy(struct virtio *virtio)
{
	if (!virtio->thread)
		return;
	virtio_post(virtio, EVENT_QUIT);
	thread_join(virtio->thread);
	virtio->thread = NULL;
	pci_root_remove(&virtio->pci);
}
