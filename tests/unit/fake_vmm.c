/* See fake_vmm.h. What is weak gives way to the real one, or to another fake, where a test
 * links that. */
#include "tests/unit/fake_vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vtsc.h"

uint64_t fake_now_ns, fake_late_ns;
unsigned fake_timer_runs, fake_log_lines;
unsigned fake_heap_left = FAKE_HEAP_ALL;
unsigned fake_irq_rises[24];
bool fake_irq_level[24];
struct fake_message fake_messages[FAKE_MESSAGES];
unsigned fake_message_count;

static const struct vmm_backend backend = {.name = "fake"};
__attribute__((weak)) const struct vmm_backend *vmm_backend = &backend;
struct cpu_features cpu_features = {.phys_bits = 39};

/* ---- memory, log ---- */

__attribute__((weak)) void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	void *p;

	(void)account;
	if (!fake_heap_left)
		return NULL;
	fake_heap_left--;
	p = aligned_alloc(64, ALIGN_UP(bytes, 64));
	return p ? memset(p, 0, ALIGN_UP(bytes, 64)) : NULL;
}

__attribute__((weak)) void heap_free(void *p)
{
	free(p);
}

__attribute__((weak)) void log_line(enum log_level level, const char *area, const char *fmt,
				    ...)
{
	(void)level, (void)area, (void)fmt;
	fake_log_lines++;
}

__attribute__((weak)) struct vcpu_place vcpu_place(struct vcpu *vcpu)
{
	(void)vcpu;
	return (struct vcpu_place){"somewhere"};
}

/* ---- time ---- */

static struct timer *timers[VCPU_MAX + 1];

uint64_t clock_now_ns(void)
{
	return fake_now_ns;
}

/* All of it is the one thread's that asks. */
uint64_t thread_time_run_ns(const struct thread *t)
{
	(void)t;
	return fake_now_ns;
}

uint64_t clock_tsc_to_ns(uint64_t tsc)
{
	if (tsc >
	    BIT(53)) /* a century: nobody should mean that, and the real one may overflow */
		abort();
	return tsc / FAKE_TSC_PER_NS;
}

__attribute__((weak)) uint64_t vtsc_read(const struct vcpu *vcpu)
{
	return fake_now_ns * FAKE_TSC_PER_NS + vcpu->vm->tsc_offset + vcpu->tsc_adjust;
}

void timer_init(struct timer *timer, void (*fn)(struct timer *))
{
	*timer = (struct timer){.fn = fn};
}

bool timer_armed(const struct timer *timer)
{
	return timer->armed;
}

void timer_cancel(struct timer *timer)
{
	for (unsigned i = 0; i < ARRAY_SIZE(timers); i++)
		if (timers[i] == timer)
			timers[i] = NULL;
	timer->armed = false;
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
	unsigned i = 0;

	timer_cancel(timer);
	while (timers[i])
		if (++i == ARRAY_SIZE(timers))
			abort();
	timers[i] = timer;
	timer->deadline_ns = deadline_ns;
	timer->armed = true;
}

unsigned fake_timers_armed(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(timers); i++)
		count += timers[i] != NULL;
	return count;
}

static struct timer *first_timer(void)
{
	struct timer *first = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(timers); i++)
		if (timers[i] && (!first || timers[i]->deadline_ns < first->deadline_ns))
			first = timers[i];
	return first;
}

void fake_run_early(void)
{
	struct timer *timer = first_timer();

	timer_cancel(timer);
	timer->fn(timer);
}

void fake_run_until(uint64_t ns)
{
	struct timer *timer;

	while ((timer = first_timer()) && timer->deadline_ns + fake_late_ns <= ns) {
		fake_now_ns = MAX(fake_now_ns, timer->deadline_ns + fake_late_ns);
		timer_cancel(timer);
		fake_timer_runs++;
		timer->fn(timer);
	}
	fake_now_ns = MAX(fake_now_ns, ns);
}

/* ---- the VM ---- */

__attribute__((weak)) void vcpu_post(struct vcpu *vcpu, uint32_t requests)
{
	vcpu->requests |= requests;
}

__attribute__((weak)) void vcpu_post_nmi(struct vcpu *vcpu)
{
	vcpu->nmis_posted++;
	vcpu_post(vcpu, VCPU_REQ_NMI);
}

__attribute__((weak)) void vcpu_post_sipi(struct vcpu *vcpu, uint8_t vector)
{
	vcpu->sipi_vector = vector;
	vcpu->requests |= VCPU_REQ_SIPI;
}

__attribute__((weak)) bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	return gpa < gm->low_bytes && bytes <= gm->low_bytes - gpa;
}

static void set_line(void *vm, unsigned line, bool level)
{
	(void)vm;
	fake_irq_rises[line] += level && !fake_irq_level[line];
	fake_irq_level[line] = level;
}

static void send_msi(void *vm, uint64_t address, uint32_t data)
{
	(void)vm;
	fake_messages[fake_message_count++ % FAKE_MESSAGES] =
		(struct fake_message){address, data};
}

__attribute__((weak)) void vioapic_eoi(struct vioapic *ioapic, uint8_t vector)
{
	(void)ioapic, (void)vector;
}

static void broadcast_eoi(void *controllers, uint8_t vector)
{
	struct vm *vm = controllers;

	vioapic_eoi(vm->ioapic, vector);
}

static const struct irqchip_ops irqs = {.set = set_line, .msi = send_msi, .eoi = broadcast_eoi};

struct vm *fake_vm_create(unsigned vcpus, uint64_t now_ns)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	vm->vcpu_count = vcpus;
	vm->pio.owner = vm->mmio.owner = vm->name;
	vm->pio.what = "ports";
	vm->mmio.what = "memory";
	vm->board = (struct board){
		.name = vm->name,
		.account = &vm->account,
		.gmem = &vm->gmem,
		.pio = &vm->pio,
		.mmio = &vm->mmio,
		.irqs = {&irqs, vm},
		.vcpu_count = vcpus,
		.stopping = &vm->stopping,
		.vm = vm,
	};
	vm->tsc_offset = 12345;
	for (unsigned i = 0; i < vcpus; i++) {
		vm->vcpus[i] = calloc(1, sizeof(struct vcpu));
		vm->vcpus[i]->vm = vm;
		vm->vcpus[i]->id = i;
	}
	memset(fake_irq_rises, 0, sizeof(fake_irq_rises));
	memset(fake_irq_level, 0, sizeof(fake_irq_level));
	fake_message_count = 0;
	fake_log_lines = 0;
	fake_now_ns = now_ns;
	fake_late_ns = 0;
	fake_timer_runs = 0;
	return vm;
}

void fake_vm_destroy(struct vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		free(vm->vcpus[i]);
	free(vm);
}

uint64_t fake_read(struct vm *vm, struct bus *bus, uint64_t addr, unsigned bytes)
{
	struct bus_access access = {.vcpu = vm->vcpus[0], .addr = addr, .bytes = bytes};

	bus_do(bus, &access);
	return access.value;
}

void fake_write(struct vm *vm, struct bus *bus, uint64_t addr, unsigned bytes, uint64_t value)
{
	struct bus_access access = {
		.vcpu = vm->vcpus[0],
		.addr = addr,
		.value = value,
		.bytes = bytes,
		.write = true,
	};

	bus_do(bus, &access);
}

uint64_t fake_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}
