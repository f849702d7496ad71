/*
 * A vCPU's run loop and those that post to it from everywhere: interrupts, NMIs, INIT and SIPI,
 * requests that others make of it. It runs the guest until it is kicked, or halts and sleeps
 * until it is woken; each of what was posted is seen, so no kick and no wake-up is lost: who
 * waits for one that is would wait for ever.
 */
/* links: kernel/vmm/vcpu.c kernel/vmm/vcpu_run.c tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <sched.h>
#include <stdlib.h>

#include "kernel/cpu/control.h"
#include "kernel/cpu/instructions.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/x86.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/exit.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vcpu_look.h"
#include "kernel/vmm/vcpu_run.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vpic.h"
#include "kernel/vmm/vtsc.h"

#define VCPUS	 3
#define SENDERS	 3 /* of interrupts to all vCPUs, each with a vector of its own */
#define EACH	 6000
#define VECTOR_0 0x30

static uint64_t seed = 0x3c6ef372fe94f82bull;
static struct vm *vm;
static struct thread *threads[VCPUS];

/* A vCPU's local APIC and the CPU that it runs on. */
static struct {
	_Atomic bool pending[SENDERS]; /* IRR */
	_Atomic bool kicked;	       /* a host interrupt waits */
	_Atomic uint64_t interrupts[SENDERS], nmis, clocks, resets, starts;
	uint64_t random; /* its thread's */
	bool interrupts_off, injected;
} at[VCPUS];
static _Atomic unsigned parked;

/* ---- the CPU ----------------------------------------------------------------------------- */

static __thread unsigned self; /* the vCPU that this thread is */

/* Others come in between, more often than they would by themselves. */
static void let_others(void)
{
	if (stress_chance(&at[self].random, 4))
		sched_yield();
}

void irq_disable(void)
{
	let_others();
	at[self].interrupts_off = true;
}

/* Whatever waited is taken: it was for nothing but the exit. */
void irq_enable(void)
{
	let_others();
	at[self].interrupts_off = false;
	atomic_store(&at[self].kicked, false);
	let_others();
}

/* Nobody asks for one here. */
void vcpu_look(struct vcpu *vcpu)
{
	demand(!vcpu);
}

void smp_kick(unsigned cpu)
{
	atomic_store(&at[cpu].kicked, true);
}

/* The guest runs, and halts now and then; else nothing ends its run but a kick. */
static void enter(struct vcpu *vcpu, struct vmexit *exit)
{
	demand(at[self].interrupts_off && vcpu->id == self);
	at[self].injected = false;
	if (stress_chance(&at[self].random, 2)) {
		exit->reason = VMEXIT_HLT;
		return;
	}
	while (!atomic_load(&at[self].kicked))
		sched_yield();
	exit->reason = VMEXIT_HOST_INTERRUPT;
}

void exit_handle(struct vcpu *vcpu)
{
	demand(!at[self].interrupts_off);
	if (vcpu->exit.reason == VMEXIT_HLT)
		vcpu->state = VCPU_HALTED;
}

static bool can_inject(struct vcpu *vcpu, enum vmevent_kind kind)
{
	(void)vcpu, (void)kind;
	return true;
}

static void inject(struct vcpu *vcpu, const struct vmevent *event)
{
	demand(!at[vcpu->id].injected);
	at[vcpu->id].injected = true;
	if (event->kind == VMEVENT_NMI)
		atomic_fetch_add(&at[vcpu->id].nmis, 1);
	else
		atomic_fetch_add(&at[vcpu->id].interrupts[event->vector - VECTOR_0], 1);
}

/* The guest takes what it can at once: the next exit, which comes at once. */
static void request_window(struct vcpu *vcpu, enum vmevent_kind kind)
{
	(void)kind;
	smp_kick(vcpu->id);
}

static void get_state(struct vcpu *vcpu, struct vcpu_state *out)
{
	(void)vcpu;
	*out = (struct vcpu_state){0};
}

static void set_state(struct vcpu *vcpu, const struct vcpu_state *in)
{
	(void)in;
	vcpu->rflags = RFLAGS_IF;
	atomic_fetch_add(&at[vcpu->id].starts, 1);
}

static void intercept_pause(struct vcpu *vcpu, bool on)
{
	(void)vcpu, (void)on;
}

static const struct vmm_backend backend = {.name = "stress",
					   .enter = enter,
					   .can_inject = can_inject,
					   .inject = inject,
					   .request_window = request_window,
					   .get_state = get_state,
					   .set_state = set_state,
					   .intercept_pause = intercept_pause};
const struct vmm_backend *vmm_backend = &backend;

/* ---- the local APIC, and what else is around ------------------------------------------------
 */

int vlapic_pending(struct vlapic *lapic)
{
	(void)lapic;
	for (unsigned i = SENDERS; i-- > 0;)
		if (atomic_load(&at[self].pending[i]))
			return (int)(VECTOR_0 + i);
	return -1;
}

void vlapic_accept(struct vlapic *lapic, unsigned vector)
{
	(void)lapic;
	demand(atomic_exchange(&at[self].pending[vector - VECTOR_0], false));
}

bool vlapic_by_hardware(const struct vlapic *lapic)
{
	(void)lapic;
	return false;
}

bool vlapic_accepts_extint(const struct vlapic *lapic)
{
	(void)lapic;
	return false;
}

uint8_t vpic_acknowledge(struct vpic *pic)
{
	(void)pic;
	demand(false);
}

void vcpu_reset(struct vcpu *vcpu, bool init)
{
	(void)init;
	vcpu->rflags = RFLAGS_IF;
	atomic_fetch_add(&at[vcpu->id].resets, 1);
}

void pvclock_refresh(struct vcpu *vcpu)
{
	atomic_fetch_add(&at[vcpu->id].clocks, 1);
}

void vm_vcpu_parked(struct vm *v)
{
	(void)v;
	parked++;
}

void vm_stop(struct vm *v, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	(void)v, (void)kind, (void)status, (void)fmt;
	demand(false);
}

void vtsc_load(struct vcpu *vcpu)
{
	(void)vcpu;
}

void vtsc_put(struct vcpu *vcpu)
{
	(void)vcpu;
}

struct vcpu_msrs *features_msrs_create(struct mem_account *account)
{
	(void)account;
	demand(false);
}

struct vlapic *vlapic_create(struct vcpu *vcpu)
{
	(void)vcpu;
	demand(false);
}

void vlapic_destroy(struct vlapic *lapic)
{
	(void)lapic;
}

void *thread_arg(const struct thread *thread)
{
	(void)thread;
	demand(false);
}

/* ---- who posts ----------------------------------------------------------------------------
 */

static void until(const _Atomic uint64_t *count, uint64_t least)
{
	while (atomic_load(count) < least)
		sched_yield();
}

static void send_interrupt(unsigned me, unsigned to)
{
	uint64_t before = atomic_load(&at[to].interrupts[me]);

	atomic_store(&at[to].pending[me], true);
	vcpu_kick(vm->vcpus[to]);
	until(&at[to].interrupts[me], before + 1);
	demand(atomic_load(&at[to].interrupts[me]) == before + 1);
}

static void run_sender(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t random = seed * (2 * me + 1);

	for (unsigned n = 0; n < EACH; n++)
		send_interrupt(me, (unsigned)(stress_random(&random) % VCPUS));
}

/* NMIs by one or two, of which none is lost where nothing blocks them; and clocks. */
static void run_others(void *arg)
{
	uint64_t random = seed ^ 0x5555;

	(void)arg;
	for (unsigned n = 0; n < EACH; n++) {
		unsigned to = (unsigned)(stress_random(&random) % VCPUS);
		uint64_t nmis = atomic_load(&at[to].nmis), clocks = atomic_load(&at[to].clocks);
		unsigned count = 1 + stress_chance(&random, 3);

		for (unsigned i = 0; i < count; i++)
			vcpu_post_nmi(vm->vcpus[to]);
		until(&at[to].nmis, nmis + count);
		vcpu_post(vm->vcpus[to], VCPU_REQ_CLOCK);
		until(&at[to].clocks, clocks + 1);
		demand(atomic_load(&at[to].nmis) == nmis + count);
	}
}

/* INIT and SIPI behind it, whatever the vCPU is at: it starts anew each time, and not by a SIPI
 * from before. */
static void run_starter(void *arg)
{
	uint64_t random = seed ^ 0xaaaa;

	(void)arg;
	for (unsigned n = 0; n < EACH; n++) {
		unsigned to = 1 + (unsigned)(stress_random(&random) % (VCPUS - 1));
		uint64_t resets = atomic_load(&at[to].resets),
			 starts = atomic_load(&at[to].starts);

		if (stress_chance(&random, 2))
			vcpu_post_sipi(vm->vcpus[to], 0x20);
		vcpu_post(vm->vcpus[to], VCPU_REQ_INIT);
		if (stress_chance(&random, 2)) {
			until(&at[to].resets, resets + 1);
			sched_yield();
			demand(atomic_load(&at[to].starts) == starts);
		}
		vcpu_post_sipi(vm->vcpus[to], 0x10);
		until(&at[to].starts, starts + 1);
		demand(atomic_load(&at[to].resets) == resets + 1);
	}
}

/* ---- the test ------------------------------------------------------------------------------
 */

static void run_vcpu(void *arg)
{
	struct vcpu *vcpu = arg;

	self = vcpu->id;
	thread_block(); /* until vcpu->thread is known */
	vcpu_thread(vcpu);
}

static void create(void)
{
	vm = calloc(1, sizeof *vm);
	vm->vcpu_count = VCPUS;
	for (unsigned i = 0; i < VCPUS; i++) {
		struct vcpu *vcpu = vm->vcpus[i] = calloc(1, sizeof *vcpu);

		vcpu->vm = vm;
		vcpu->id = i;
		vcpu->cpu = i;
		vcpu->state = VCPU_PARKED;
		at[i].random = seed + i;
	}
	vm->entry.rflags = RFLAGS_IF;
	for (unsigned i = 0; i < VCPUS; i++)
		threads[i] = vm->vcpus[i]->thread =
			stress_thread("vcpu", run_vcpu, vm->vcpus[i]);
	for (unsigned i = 0; i < VCPUS; i++)
		vcpu_post(vm->vcpus[i], VCPU_REQ_START);
	for (unsigned i = 1; i < VCPUS; i++) { /* its start is one reset */
		until(&at[i].resets, 1);
		vcpu_post_sipi(vm->vcpus[i], 0x10);
		until(&at[i].starts, 1);
	}
}

static void destroy(void)
{
	atomic_store(&vm->stopping, true);
	for (unsigned i = 0; i < VCPUS; i++)
		vcpu_post(vm->vcpus[i], VCPU_REQ_STOP);
	while (parked < VCPUS)
		sched_yield();
	atomic_store(&vm->dying, true);
	for (unsigned i = 0; i < VCPUS; i++) {
		thread_wake(threads[i]);
		thread_join(threads[i]);
		free(vm->vcpus[i]);
	}
	free(vm);
}

static void nothing_posted_is_lost(void **state)
{
	struct thread *posting[SENDERS + 2];

	(void)state;
	create();
	for (uintptr_t i = 0; i < SENDERS; i++)
		posting[i] = stress_thread("interrupts", run_sender, (void *)i);
	posting[SENDERS] = stress_thread("others", run_others, NULL);
	posting[SENDERS + 1] = stress_thread("starter", run_starter, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(posting); i++)
		thread_join(posting[i]);
	destroy();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_posted_is_lost)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}
