/*
 * The queues of disk controllers: requests from several threads, hardware that finishes them in
 * any order, is busy, fails some, forgets to interrupt, and breaks down; recovery, deadlines
 * and aborts meanwhile. Each request is done once for each time it was submitted, by when the
 * hardware has let go of it; and pins that several devices share.
 */
/* links: drivers/block/queue.c drivers/block/host.c drivers/block/bounce.c */
/* links: kernel/io/blkdev.c kernel/io/irq.c kernel/sched/sync.c tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/queue.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/io/acpi.h"
#include "kernel/io/irq.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/thread.h"

#define DEPTH	   8
#define SUBMITTERS 3
#define EACH	   6 /* requests of one submitter, again and again */
#define TIMES	   6000

static uint64_t seed = 0xd1342543de82ef95ull;

/* ---- the hardware ------------------------------------------------------------------------ */

/* Guarded by the queue's lock, as start(), reap() and what reset() does to it are. */
static struct {
	bool has[DEPTH], finished[DEPTH], forgotten[DEPTH];
	unsigned count;
} hardware;

static struct blk_counters counters;
static struct block_host host = {.name = "disk", .counters = &counters};
static struct block_queue queue;
static struct blkdev disk = {.name = "disk", .bytes = GIB, .block_bytes = 512};
static uint64_t driver_random;
static _Atomic bool over;
static _Atomic uint64_t started, failed, resets, aborts;

static int start(struct block_queue *q, struct blk_request *r)
{
	(void)q;
	demand(r->tag < DEPTH && !hardware.has[r->tag]);
	if (hardware.count && stress_chance(&driver_random, 16))
		return -EBUSY;
	hardware.has[r->tag] = true;
	hardware.finished[r->tag] = false;
	hardware.forgotten[r->tag] = stress_chance(&driver_random, 3000);
	hardware.count++;
	started++;
	return 0;
}

static bool reap(struct block_queue *q)
{
	bool any = false;

	for (uint32_t tag = 0; tag < DEPTH; tag++) {
		if (!hardware.has[tag] || !hardware.finished[tag])
			continue;
		hardware.has[tag] = hardware.finished[tag] = false;
		hardware.count--;
		any = true;
		if (stress_chance(&driver_random, 64))
			demand(block_queue_failed(
				q, tag, -EIO, stress_chance(&driver_random, 2), "it says so"));
		else
			demand(block_queue_done(q, tag));
	}
	return any;
}

/* One that is late: it is finished at once, if it is there still. */
static bool abort_one(struct block_queue *q, uint32_t tag)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);

	if (hardware.has[tag])
		hardware.finished[tag] = true;
	spin_unlock_irqrestore(&q->lock, flags);
	aborts++;
	block_queue_interrupt(q);
	return true;
}

static int reset(struct block_host *h)
{
	uint64_t flags = spin_lock_irqsave(&queue.lock);

	(void)h;
	memset(&hardware, 0, sizeof hardware);
	spin_unlock_irqrestore(&queue.lock, flags);
	resets++;
	return 0;
}

static const struct block_host_ops host_ops = {
	.start = start, .reap = reap, .abort = abort_one, .reset = reset};

/* Finishes some, and interrupts, mostly. Now and then it breaks down; some it never finishes.
 */
static void run_hardware(void *arg)
{
	uint64_t random = seed * 11;

	(void)arg;
	while (!over) {
		uint32_t tag = (uint32_t)(stress_random(&random) % DEPTH);
		uint64_t flags = spin_lock_irqsave(&queue.lock);

		if (hardware.has[tag] && !hardware.forgotten[tag])
			hardware.finished[tag] = true;
		spin_unlock_irqrestore(&queue.lock, flags);
		if (!stress_chance(&random, 8))
			block_queue_interrupt(&queue);
		if (stress_chance(&random, 2000))
			block_host_fault(&host, "it broke down");
		if (stress_chance(&random, 4))
			sched_yield();
	}
}

/* ---- those who submit -------------------------------------------------------------------- */

static void submit(struct blkdev *dev, struct blk_request *request)
{
	(void)dev;
	block_queue_submit(&queue, request);
}

static void commit(struct blkdev *dev)
{
	(void)dev;
	block_queue_commit(&queue);
}

static const struct blkdev_ops disk_ops = {.submit = submit, .commit = commit};

struct submitter;
struct one {
	struct blk_request request;
	struct io_segment segment;
	struct submitter *owner;
	_Atomic unsigned under_way; /* 1: submitted and not done */
};

struct submitter {
	struct thread *thread;
	struct one requests[EACH];
	_Atomic unsigned done;
	uint64_t random;
};

static struct submitter submitters[SUBMITTERS];

static void request_done(struct blk_request *request, int error)
{
	struct one *one = container_of(request, struct one, request);
	struct submitter *owner = one->owner;

	failed += error != 0;
	demand(error == 0 || error == -EIO || error == -ETIMEDOUT);
	demand(atomic_exchange(&one->under_way, 0) == 1);
	owner->done++;
	thread_wake(owner->thread);
}

static void run_submitter(void *arg)
{
	struct submitter *s = arg;
	unsigned submitted = 0;

	thread_block();
	while (s->done < TIMES) {
		bool any = false;

		for (unsigned i = 0; i < EACH && submitted < TIMES; i++) {
			struct one *one = &s->requests[i];

			if (one->under_way)
				continue;
			one->under_way = 1;
			one->owner = s;
			one->request = (struct blk_request){
				.op = stress_chance(&s->random, 2) ? BLK_READ : BLK_WRITE,
				.offset = i * 512,
				.bytes = 512,
				.segments = &one->segment,
				.segment_count = 1,
				.done = request_done,
				.dev = &disk,
			};
			submitted++;
			any = true;
			disk.ops->submit(&disk, &one->request);
		}
		commit(&disk);
		if (!any)
			thread_block();
	}
}

static void test_block_queue(void **state)
{
	struct thread *device;

	(void)state;
	driver_random = seed;
	disk.ops = &disk_ops;
	host.ops = &host_ops;
	host.timeout_ns = 200 * NSEC_PER_MSEC;
	assert_int_equal(block_host_init(&host), 0);
	assert_int_equal(block_queue_init(&queue, &host, DEPTH), 0);
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		submitters[i].random = seed * (2 * i + 1);
		submitters[i].thread =
			stress_thread("submitter", run_submitter, &submitters[i]);
	}
	device = stress_thread("hardware", run_hardware, NULL);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		thread_wake(submitters[i].thread);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		thread_join(submitters[i].thread);
	over = true;
	thread_join(device);
	assert_true(block_queue_idle(&queue));
	for (unsigned i = 0; i < SUBMITTERS; i++)
		assert_int_equal(submitters[i].done, TIMES);
	assert_true(started > SUBMITTERS * TIMES); /* some more than once */
	assert_true(resets > 0 && failed > 0);
}

/* ---- shared interrupts ------------------------------------------------------------------- */

#define DEVICES 32
#define COMES	20000

struct acpi_machine acpi_machine;
static volatile uint32_t registers[8];
static trap_handler pin_handler;
static void *_Atomic pin_arg;
static struct device {
	_Atomic unsigned calls;
	unsigned number;
} devices[DEVICES];

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	(void)phys, (void)bytes, (void)prot;
	return (void *)registers;
}

int trap_alloc_vector(trap_handler handler, void *arg)
{
	pin_handler = handler;
	pin_arg = arg;
	return 0x40;
}

void pic_mask_all(void)
{
}

static bool on_interrupt(void *arg)
{
	struct device *device = arg;

	demand(device->number == (unsigned)(device - devices)); /* it is whole */
	device->calls++;
	return true;
}

/* CPU 0, to which all pins go. */
static void interrupt(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < COMES; i++)
		if (pin_arg)
			pin_handler(0x40, pin_arg);
}

static void test_shared_pin(void **state)
{
	struct thread *cpu;

	(void)state;
	acpi_machine.ioapic_count = 1;
	assert_int_equal(irq_init(), 0);
	cpu = stress_thread("cpu 0", interrupt, NULL);
	for (unsigned i = 0; i < DEVICES; i++) {
		devices[i].number = i;
		assert_int_equal(irq_connect(0, IRQ_LEVEL_LOW, on_interrupt, &devices[i]), 0);
		sched_yield();
	}
	thread_join(cpu);
	pin_handler(0x40, pin_arg);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_true(devices[i].calls > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_block_queue),
					   cmocka_unit_test(test_shared_pin)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}
