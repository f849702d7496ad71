/* See fake_block.h. */
#include "tests/unit/fake_block.h"

#include <errno.h>
#include <sanitizer/lsan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/timer.h"
#include "tests/unit/fake_threads.h"

uint64_t fake_now_ns;
unsigned fake_warnings, fake_errors, fake_sleeps;
char fake_line[512];
bool (*fake_hardware)(void);
void (*fake_polled)(void);

struct pci_device fake_pci;
volatile void *fake_registers;
unsigned fake_vectors;
bool fake_pin, fake_master;

struct cpu_features cpu_features;

static struct {
	irq_handler handler;
	void *arg;
} vectors[FAKE_VECTORS];

static struct list timers = {&timers, &timers};
struct armed {
	struct list link;
	struct timer *timer;
};

/* ---- time, threads, log ---- */

uint64_t clock_now_ns(void)
{
	if (fake_polled)
		fake_polled();
	return fake_now_ns;
}

void clock_delay_us(uint64_t us)
{
	fake_now_ns += us * 1000;
}

static bool work(void)
{
	return fake_hardware && fake_hardware();
}

void thread_sleep_ns(uint64_t ns)
{
	fake_sleeps++;
	fake_now_ns += ns;
	work();
}

void timer_init(struct timer *timer, void (*fn)(struct timer *))
{
	*timer = (struct timer){.fn = fn};
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
	struct armed *a = calloc(1, sizeof(*a));

	if (timer->armed)
		abort(); /* nobody here moves one */
	timer->armed = true;
	timer->deadline_ns = deadline_ns;
	a->timer = timer;
	list_push_back(&timers, &a->link);
}

static struct armed *next_timer(void)
{
	struct armed *first = NULL;

	list_for_each(a, &timers, struct armed, link)
	{
		if (!first || a->timer->deadline_ns < first->timer->deadline_ns)
			first = a;
	}
	return first;
}

static struct timer *take_timer(struct armed *a)
{
	struct timer *timer = a->timer;

	timer->armed = false;
	list_remove(&a->link);
	free(a);
	return timer;
}

static void settle(void)
{
	do
		fake_threads_run();
	while (work() || fake_threads_pending());
}

void fake_pass(uint64_t ns)
{
	uint64_t until_ns = fake_now_ns + ns;
	struct armed *a;

	settle();
	while ((a = next_timer()) && a->timer->deadline_ns <= until_ns) {
		struct timer *timer = take_timer(a);

		fake_now_ns = MAX(fake_now_ns, timer->deadline_ns);
		timer->fn(timer);
		settle();
	}
	fake_now_ns = MAX(fake_now_ns, until_ns);
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)area;
	fake_warnings += level == LOG_WARN;
	fake_errors += level == LOG_ERROR;
	va_start(args, fmt);
	vsnprintf(fake_line, sizeof(fake_line), fmt, args);
	va_end(args);
}

void mutex_init(struct mutex *m, const char *what)
{
	(void)what;
	*m = (struct mutex){0};
}

void mutex_lock(struct mutex *m)
{
	(void)m;
}

void mutex_unlock(struct mutex *m)
{
	(void)m;
}

void semaphore_init(struct semaphore *s, unsigned count)
{
	s->count = count;
}

void semaphore_up(struct semaphore *s)
{
	s->count++;
}

void semaphore_down(struct semaphore *s)
{
	while (!s->count)
		fake_pass(NSEC_PER_MSEC);
	s->count--;
}

const struct cpumask *sched_housekeeping(void)
{
	static const struct cpumask two = {.bits = {3}};

	return &two;
}

struct aspace *thread_set_aspace(struct aspace *as)
{
	return as;
}

/* ---- what fails when it is told to ---- */

unsigned fake_calls, fake_fail_at, fake_allocated;

bool fake_fails(void)
{
	return ++fake_calls == fake_fail_at;
}

/* ---- memory: a physical address is where directmap() finds the test's own ---- */

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (fake_fails())
		return NULL;
	fake_allocated++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	fake_allocated -= p != NULL;
	free(p);
}

uint64_t frames_alloc(unsigned order, struct mem_account *account)
{
	void *p;

	(void)account;
	if (fake_fails())
		return 0;
	fake_allocated++;
	p = aligned_alloc(PAGE_BYTES << order, PAGE_BYTES << order);
	memset(p, 0, PAGE_BYTES << order);
	__lsan_ignore_object(p); /* who has the address has no pointer; it is counted above */
	return directmap_phys(p);
}

void frames_free(uint64_t phys, unsigned order, struct mem_account *account)
{
	(void)order, (void)account;
	fake_allocated--;
	free(directmap(phys));
}

void vmap_free(void *virt)
{
	(void)virt;
}

/* ---- PCI ---- */

void pci_enable(struct pci_device *d, unsigned what)
{
	(void)d;
	fake_master |= (what & PCI_ENABLE_MASTER) != 0;
}

void pci_disable(struct pci_device *d, unsigned what)
{
	(void)d;
	fake_master &= !(what & PCI_ENABLE_MASTER);
}

volatile void *pci_map_bar(struct pci_device *d, unsigned bar)
{
	(void)d, (void)bar;
	return fake_fails() ? NULL : fake_registers;
}

int pci_irq_setup(struct pci_device *d, unsigned wanted)
{
	if (fake_fails())
		return -ENOSPC;
	d->irqs = (struct pci_irqs *)vectors;
	return (int)MIN(wanted, fake_vectors);
}

int pci_irq_connect(struct pci_device *d, unsigned index, unsigned cpu, irq_handler handler,
		    void *arg)
{
	(void)d, (void)cpu;
	if (vectors[index].handler || fake_fails())
		return -EBUSY;
	vectors[index].handler = handler;
	vectors[index].arg = arg;
	return 0;
}

bool pci_irq_is_message(const struct pci_device *d)
{
	(void)d;
	return !fake_pin;
}

bool fake_interrupt(unsigned vector)
{
	return vectors[vector].handler && vectors[vector].handler(vectors[vector].arg);
}

void fake_block_start(void)
{
	struct armed *a;

	while ((a = next_timer()))
		take_timer(a);
	memset(vectors, 0, sizeof(vectors));
	fake_now_ns = 1000 * NSEC_PER_SEC;
	fake_warnings = fake_errors = fake_sleeps = 0;
	fake_line[0] = '\0';
	fake_hardware = NULL;
	fake_polled = NULL;
	fake_pci = (struct pci_device){.name = "pci:00:03.0"};
	fake_vectors = FAKE_VECTORS;
	fake_pin = fake_master = false;
	fake_calls = fake_fail_at = fake_allocated = 0;
}

/* ---- requests ---- */

static void request_done(struct blk_request *io, int error)
{
	struct fake_request *r = container_of(io, struct fake_request, io);

	if (r->result != 1)
		abort(); /* done twice */
	r->result = error;
}

struct fake_request *fake_request_make(enum blk_op op, uint64_t at, unsigned offset,
				       const uint32_t sizes[4])
{
	struct fake_request *r = calloc(1, sizeof(*r));
	uint64_t place = offset, room = offset + PAGE_BYTES;

	for (unsigned i = 0; i < 3 && sizes && sizes[i]; i++)
		room += ALIGN_UP(sizes[i], PAGE_BYTES) + 2 * PAGE_BYTES;
	r->result = 1;
	r->io = (struct blk_request){
		.op = op, .offset = at, .segments = r->segments, .done = request_done};
	r->data = aligned_alloc(PAGE_BYTES, ALIGN_UP(room, PAGE_BYTES));
	for (unsigned i = 0; i < 3 && sizes && sizes[i]; i++) {
		r->segments[i] = (struct io_segment){directmap_phys(r->data + place),
						     r->data + place, sizes[i]};
		r->io.segment_count++;
		r->io.bytes += sizes[i];
		place = ALIGN_UP(place + sizes[i], PAGE_BYTES) + PAGE_BYTES;
	}
	for (uint64_t i = 0; i < r->io.bytes; i++)
		*fake_request_byte(r, i) = op == BLK_WRITE ? (uint8_t)(i * 7 + at / 512) : 0;
	return r;
}

void fake_request_free(struct fake_request *r)
{
	free(r->data);
	free(r);
}

uint8_t *fake_request_byte(struct fake_request *r, uint64_t i)
{
	const struct io_segment *s = r->segments;

	while (i >= s->bytes)
		i -= (s++)->bytes;
	return (uint8_t *)s->virt + i;
}
