/*
 * The virtio console's two queues, between the guest's buffers and the console's rings. When a
 * ring is full, or empty, the console wakes the device's thread once that changes.
 */
#include "guests/devices/virtio/console.h"

#include "guests/devices/console.h"
#include "guests/devices/virtio/virtio.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

#define QUEUE_RECEIVE  0 /* 5.3.2 */
#define QUEUE_TRANSMIT 1
#define QUEUES	       2
#define QUEUE_SIZE     64
#define CLASS	       0x078000 /* communication controller, of no other kind */

#define F_EMERG_WRITE  BIT(2) /* 5.3.3 */

/* Chains of a queue that are served before others have their turn. */
#define CHAINS_IN_ONE_TURN 64
#define PIECE_BYTES	   512 /* on the stack */

struct console_config { /* 5.3.4 */
	uint16_t cols, rows;
	uint32_t max_nr_ports, emerg_wr;
};
_Static_assert(sizeof(struct console_config) == 12, "virtio 1.2, 5.3.4");

struct virtio_console {
	struct virtio virtio; /* first */
	struct console_config config;
	struct console *console;
	/* The device's thread's: */
	struct virtq_chain chain;
	struct virtq_chain printing; /* where `held`: printed up to `printed` */
	bool held;
	uint32_t printed;
};

static struct virtio_console *of(struct virtio *virtio)
{
	return container_of(virtio, struct virtio_console, virtio);
}

/* ---- output ---- */

/* Prints the chain that is held. False when the console has no room: it will wake us. */
static bool print(struct virtio_console *vc, struct virtq *q)
{
	char piece[PIECE_BYTES];

	while (vc->printed < vc->printing.readable_bytes) {
		uint32_t bytes =
			virtq_read(q, &vc->printing, vc->printed, piece, sizeof(piece));
		uint32_t taken = (uint32_t)console_write(vc->console, piece, bytes);

		if (!bytes)
			break; /* no memory to populate the guest's with: the rest is lost */
		vc->printed += taken;
		if (taken < bytes)
			return false;
	}
	return true;
}

/* Prints what the guest has given. False when the queue is broken. */
static bool transmit(struct virtio_console *vc)
{
	struct virtq *q = &vc->virtio.queues[QUEUE_TRANSMIT].q;

	for (unsigned i = 0; i < CHAINS_IN_ONE_TURN; i++) {
		int got = vc->held ? 1 : virtq_pop(q, &vc->printing);

		if (got < 0)
			return false;
		if (got == 0 && !virtq_notify_on(q))
			return true;
		if (got == 0)
			continue;
		if (!vc->held)
			vc->printed = 0;
		vc->held = true;
		virtq_notify_off(q);
		if (!print(vc, q))
			return true;
		vc->held = false;
		virtq_push(q, vc->printing.id, vc->printing.descriptors, 0);
	}
	virtio_wake(&vc->virtio);
	return true;
}

/* ---- input ---- */

/* Fills a buffer with what was typed. False when nothing was. */
static bool fill(struct virtio_console *vc, struct virtq *q)
{
	char piece[PIECE_BYTES];
	uint32_t room = MIN(vc->chain.writable_bytes, (uint32_t)sizeof(piece));
	uint32_t bytes = (uint32_t)console_read(vc->console, piece, room);

	if (room && !bytes)
		return false;
	virtq_write(q, &vc->chain, 0, piece, bytes);
	virtq_push(q, vc->chain.id, vc->chain.descriptors, bytes);
	return true;
}

/* Types as long as there is something to type and a buffer for it. The guest needs to tell of
 * buffers only when they ran out. False when the queue is broken. */
static bool receive(struct virtio_console *vc)
{
	struct virtq *q = &vc->virtio.queues[QUEUE_RECEIVE].q;

	for (unsigned i = 0; i < CHAINS_IN_ONE_TURN; i++) {
		int got = virtq_pop(q, &vc->chain);

		if (got < 0)
			return false;
		if (got == 0 && !virtq_notify_on(q))
			return true;
		if (got == 0)
			continue;
		virtq_notify_off(q);
		if (!fill(vc, q)) {
			virtq_unpop(q, &vc->chain);
			return true;
		}
	}
	virtio_wake(&vc->virtio);
	return true;
}

/* ---- the device ---- */

static void serve(struct virtio_console *vc, unsigned queue,
		  bool (*fn)(struct virtio_console *vc))
{
	struct virtq *q = &vc->virtio.queues[queue].q;

	if (!q->live)
		return;
	if (fn(vc))
		virtio_interrupt(&vc->virtio, queue);
	else
		virtio_broken(&vc->virtio, q->why);
}

static void service(struct virtio *virtio, uint64_t kicked)
{
	(void)kicked;
	serve(of(virtio), QUEUE_TRANSMIT, transmit);
	serve(of(virtio), QUEUE_RECEIVE, receive);
}

/* From the console, in any context. */
static void attend(void *arg)
{
	struct virtio_console *vc = arg;

	virtio_wake(&vc->virtio);
}

static void start(struct virtio *virtio)
{
	console_set_reader(of(virtio)->console, attend, of(virtio));
}

static void stop(struct virtio *virtio)
{
	console_set_reader(of(virtio)->console, NULL, NULL);
	of(virtio)->held = false;
}

static void queue_stop(struct virtio *virtio, unsigned queue)
{
	if (queue == QUEUE_TRANSMIT)
		of(virtio)->held = false;
}

/* A character without any queue, as from a kernel that is going down (5.3.4). */
static void config_write(struct virtio *virtio, unsigned offset, unsigned bytes, uint32_t value)
{
	if (offset == offsetof(struct console_config, emerg_wr) && bytes == 4)
		console_put(of(virtio)->console, (char)value);
}

static const struct virtio_type console_type_ops = {
	.name = "virtio-console",
	.id = VIRTIO_ID_CONSOLE,
	.class_code = CLASS,
	.features = F_EMERG_WRITE,
	.queue_size = QUEUE_SIZE,
	.config_bytes = sizeof(struct console_config),
	.start = start,
	.service = service,
	.stop = stop,
	.queue_stop = queue_stop,
	.config_write = config_write,
};

struct virtio_console *virtio_console_create(const struct board *board, struct pci_root *root,
					     struct console *console)
{
	struct virtio_console *vc = heap_zalloc(sizeof(*vc), board->account);

	if (!vc)
		return NULL;
	vc->console = console;
	vc->virtio.queue_count = QUEUES;
	vc->virtio.config = &vc->config;
	if (virtio_create(&vc->virtio, &console_type_ops, board, root, F_EMERG_WRITE)) {
		heap_free(vc);
		return NULL;
	}
	return vc;
}

void virtio_console_destroy(struct virtio_console *vc)
{
	if (!vc)
		return;
	virtio_destroy(&vc->virtio);
	heap_free(vc);
}
