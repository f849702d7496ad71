/*
 * The house of a VM for tests of its life: all around it is played. No vCPU enters a guest
 * here; threads run when the test calls them, until they sleep.
 */
#ifndef TESTS_UNIT_VM_HOUSE_H
#define TESTS_UNIT_VM_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/exit.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/pc_irqs.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm_create.h"
#include "kernel/vmm/vpic.h"
#include "kernel/vmm/vpit.h"

#define VCPUS 3

/* Where cpu_this() looks. */
static struct cpu this_cpu = {.self = &this_cpu};
#define ARCH_SET_GS 0x1001

struct cpu_features cpu_features;
unsigned cpu_count = 4;

struct thread {
	void (*fn)(void *arg);
	void *arg;
	struct cpumask allowed;
	unsigned weight, cap_percent;
	bool freed;
};
struct vlapic {
	struct vcpu *vcpu;
	bool timer_armed;
};
struct vpit {
	struct vm *vm;
};

static struct thread threads[VCPUS];
static unsigned thread_count;
static const struct thread *last_woken;
static unsigned stopped_calls;
static jmp_buf asleep;

/* ---- what is around a VM ---- */

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	void *p = aligned_alloc(64, ALIGN_UP(bytes, 64));

	(void)account;
	return p ? memset(p, 0, ALIGN_UP(bytes, 64)) : NULL;
}

void heap_free(void *p)
{
	free(p);
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)level, (void)area, (void)fmt;
}

uint64_t clock_now_ns(void)
{
	return 1000;
}

uint64_t clock_ns_to_tsc(uint64_t ns)
{
	return ns;
}

uint64_t guest_frames_free_bytes(void)
{
	return 0;
}

uint64_t frames_free_bytes(void)
{
	return 0;
}

void smp_kick(unsigned cpu)
{
	(void)cpu;
}

void smp_call_others(void (*fn)(void *), void *arg)
{
	(void)fn, (void)arg;
}

struct thread *thread_create(const struct thread_params *params)
{
	struct thread *t = &threads[thread_count++];

	*t = (struct thread){.fn = params->fn, .arg = params->arg, .allowed = params->allowed};
	return t;
}

void thread_set_share(struct thread *t, const struct thread_share *share)
{
	t->allowed = share->allowed;
	t->weight = share->weight;
	t->cap_percent = share->cap_percent;
}

void thread_wake(struct thread *t)
{
	assert_false(t->freed);
	last_woken = t;
}

void thread_block(void)
{
	longjmp(asleep, 1);
}

uint64_t thread_time_run_ns(const struct thread *t)
{
	(void)t;
	return 0;
}

void thread_yield(void)
{
}

void *thread_arg(const struct thread *t)
{
	return t->arg;
}

int gmem_init(struct gmem *gm, uint64_t bytes, struct mem_account *account)
{
	(void)gm, (void)bytes, (void)account;
	return 0;
}

void gmem_fini(struct gmem *gm)
{
	(void)gm;
}

int bus_add(struct bus *bus, uint64_t base, uint64_t bytes, bus_handler handler, void *device,
	    const char *name)
{
	(void)bus, (void)base, (void)bytes, (void)handler, (void)device, (void)name;
	return 0;
}

int pc_irqs_create(struct vm *vm)
{
	(void)vm;
	return 0;
}

void pc_irqs_destroy(struct vm *vm)
{
	(void)vm;
}

uint8_t vpic_acknowledge(struct vpic *pic)
{
	(void)pic;
	return 0;
}

struct vpit *vpit_create(const struct board *board)
{
	struct vpit *pit = heap_zalloc(sizeof *pit, NULL);

	pit->vm = board->vm;
	return pit;
}

/* Its timer may fire until it is gone. */
void vpit_destroy(struct vpit *pit)
{
	vcpu_kick(pit->vm->vcpus[0]);
	heap_free(pit);
}

struct vlapic *vlapic_create(struct vcpu *vcpu)
{
	struct vlapic *lapic = heap_zalloc(sizeof *lapic, NULL);

	lapic->vcpu = vcpu;
	lapic->timer_armed = true;
	return lapic;
}

void vlapic_reset(struct vlapic *lapic, bool init)
{
	(void)init;
	if (lapic->timer_armed)
		vcpu_kick(lapic->vcpu);
	lapic->timer_armed = false;
}

void vlapic_destroy(struct vlapic *lapic)
{
	vlapic_reset(lapic, false);
	heap_free(lapic);
}

bool vlapic_takes_interrupts(const struct vlapic *lapic)
{
	(void)lapic;
	return true;
}

bool vlapic_by_hardware(const struct vlapic *lapic)
{
	(void)lapic;
	return false;
}

int vlapic_pending(struct vlapic *lapic)
{
	(void)lapic;
	return -1;
}

void vlapic_accept(struct vlapic *lapic, unsigned vector)
{
	(void)lapic, (void)vector;
}

bool vlapic_accepts_extint(const struct vlapic *lapic)
{
	(void)lapic;
	return false;
}

void vlapic_tsc_moved(struct vlapic *lapic)
{
	(void)lapic;
}

void pvclock_refresh(struct vcpu *vcpu)
{
	(void)vcpu;
}

void vlapic_mmio(void *device, struct bus_access *access)
{
	(void)device, (void)access;
}

struct vcpu_msrs *features_msrs_create(struct mem_account *account)
{
	return heap_zalloc(16, account);
}

void vcpu_reset(struct vcpu *vcpu, bool init)
{
	(void)vcpu, (void)init;
}

void exit_handle(struct vcpu *vcpu)
{
	(void)vcpu;
}

static int backend_vm_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

static void backend_vm_fini(struct vm *vm)
{
	(void)vm;
}

static int backend_vcpu_init(struct vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

static void backend_vcpu_fini(struct vcpu *vcpu)
{
	(void)vcpu;
}

static void backend_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	(void)vcpu, (void)offset;
}

static void backend_intercept_pause(struct vcpu *vcpu, bool on)
{
	(void)vcpu, (void)on;
}

static void backend_set_state(struct vcpu *vcpu, const struct vcpu_state *in)
{
	(void)vcpu, (void)in;
}

static bool backend_shuns_cpu(unsigned cpu)
{
	return cpu == 0;
}

static const struct vmm_backend backend = {
	.shuns_cpu = backend_shuns_cpu,
	.vm_init = backend_vm_init,
	.vm_fini = backend_vm_fini,
	.vcpu_init = backend_vcpu_init,
	.vcpu_fini = backend_vcpu_fini,
	.set_tsc_offset = backend_set_tsc_offset,
	.intercept_pause = backend_intercept_pause,
	.set_state = backend_set_state,
};
const struct vmm_backend *vmm_backend = &backend;

/* ---- its threads ---- */

static void run(struct thread *t)
{
	if (!setjmp(asleep))
		t->fn(t->arg);
}

/* The thread ends by itself: the VM is dying. Nothing that wakes it is left. */
void thread_join(struct thread *t)
{
	const struct vcpu *vcpu = t->arg;

	t->fn(t->arg);
	assert_false(vcpu->lapic->timer_armed);
	t->freed = true;
}

static unsigned left_cpus;

/* What wakes it from now on finds it there. */
void thread_leave_cpu(struct thread *t)
{
	t->fn(t->arg);
	assert_false(t->freed);
	left_cpus++;
}

static void run_all(void)
{
	for (unsigned i = 0; i < VCPUS; i++)
		run(&threads[i]);
}

static void on_stopped(struct vm *vm, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < VCPUS; i++)
		assert_int_equal(vm->vcpus[i]->state, VCPU_PARKED);
	stopped_calls++;
}

static struct vm *create_on(const uint16_t *pin, struct cpumask allowed)
{
	const struct vm_params params = {
		.name = "test",
		.vcpu_count = VCPUS,
		.memory_bytes = PAGE_2M,
		.pin = pin,
		.allowed = allowed,
		.weight = 100,
		.stopped = on_stopped,
	};
	struct vm *vm;

	thread_count = stopped_calls = 0;
	vm = vm_create(&params);
	assert_non_null(vm);
	run_all();
	return vm;
}

static struct vm *create(void)
{
	return create_on(NULL, (struct cpumask){.bits = {0xf}});
}

static int on_this_cpu(void **state)
{
	(void)state;
	return (int)syscall(SYS_arch_prctl, ARCH_SET_GS, &this_cpu);
}

#endif
