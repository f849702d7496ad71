/*
 * A guest's interrupt controllers between its vCPUs and its devices: messages to local APICs
 * from everywhere, pins of the I/O APIC that devices raise and lower, while the vCPUs take, end
 * and send interrupts themselves. Each one that was sent, and not merged with one that was
 * pending already, is taken; a vCPU that sleeps is woken.
 */
/* links: kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c kernel/vmm/vlapic_timer.c */
/* links: kernel/vmm/vioapic.c kernel/vmm/bus.c tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/backend.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic_internal.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vtsc.h"

#define VCPUS		     3
#define SENDERS		     2 /* devices with messages of their own */
#define PINS		     2 /* devices on pins 16 and 17, level-triggered */
#define EACH		     4000
#define MSI		     0xfee00000u
#define VECTOR(sender, vcpu) (0x30u + 0x11u * (sender) + 0x41u * (vcpu))
#define PIN_VECTOR(pin)	     (0x24u + 0x80u * (pin)) /* both go to vCPU 0 */
#define STOP		     0xf8		     /* above all else: ends a vCPU's thread */

static uint64_t seed = 0xb5297a4d3f84d5b5ull;
static struct vm *vm;
static struct thread *threads[VCPUS];
static _Atomic uint64_t taken[VCPUS][256];
static _Atomic bool level[PINS];
static const struct vmm_backend backend = {.name = "stress"};
const struct vmm_backend *vmm_backend = &backend;

/* ---- what is around ---------------------------------------------------------------------- */

/* As the real one does where the vCPU is not in guest mode. */
void vcpu_post(struct vcpu *vcpu, uint32_t requests)
{
	atomic_fetch_or(&vcpu->requests, requests);
	thread_wake(vcpu->thread);
}

void vcpu_post_sipi(struct vcpu *vcpu, uint8_t vector)
{
	(void)vcpu, (void)vector;
}

uint64_t clock_tsc_to_ns(uint64_t tsc)
{
	return tsc;
}

uint64_t vtsc_read(const struct vcpu *vcpu)
{
	(void)vcpu;
	return clock_now_ns();
}

void vcpu_post_nmi(struct vcpu *vcpu)
{
	(void)vcpu;
}

struct vcpu_place vcpu_place(struct vcpu *vcpu)
{
	(void)vcpu;
	return (struct vcpu_place){""};
}

bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	(void)gm, (void)gpa, (void)bytes;
	return false;
}

/* ---- vCPUs ------------------------------------------------------------------------------- */

static void write_lapic(struct vcpu *vcpu, enum lapic_reg reg, uint32_t value)
{
	struct bus_access access = {
		.vcpu = vcpu, .offset = reg * 16, .value = value, .bytes = 4, .write = true};

	vlapic_mmio(NULL, &access);
}

static void write_ioapic(uint32_t reg, uint32_t value)
{
	struct bus_access access = {.vcpu = vm->vcpus[0],
				    .addr = VIOAPIC_BASE,
				    .value = reg,
				    .bytes = 4,
				    .write = true};

	bus_do(&vm->mmio, &access);
	access.addr = VIOAPIC_BASE + 0x10;
	access.value = value;
	bus_do(&vm->mmio, &access);
}

/* A device on a pin: its handler lowers it. */
static void handle_pin(unsigned vector)
{
	for (unsigned pin = 0; pin < PINS; pin++)
		if (vector == PIN_VECTOR(pin) && atomic_exchange(&level[pin], false))
			vioapic_set_pin(vm->ioapic, 16 + pin, false);
}

static void run_vcpu(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vlapic *lapic = vcpu->lapic;
	bool go_on = true;
	int vector;

	thread_block(); /* until all are there */
	while (go_on) {
		while ((vector = vlapic_pending(lapic)) >= 0) {
			vlapic_accept(lapic, (unsigned)vector);
			if (vcpu->id == 0)
				handle_pin((unsigned)vector);
			go_on &= vector != STOP;
			write_lapic(vcpu, LAPIC_EOI, 0);
			taken[vcpu->id][vector]++;
		}
		if (go_on)
			thread_block();
	}
}

/* ---- devices ----------------------------------------------------------------------------- */

/* Sends, and waits until it was taken: one that is lost is waited for for ever. */
static void run_sender(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t random = seed * (2 * me + 1), sent[VCPUS] = {0};

	for (unsigned n = 0; n < EACH; n++) {
		unsigned to = (unsigned)(stress_random(&random) % VCPUS);

		vlapic_msi(vm, MSI | to << 12, VECTOR(me, to));
		sent[to]++;
		while (taken[to][VECTOR(me, to)] < sent[to])
			sched_yield();
		demand(taken[to][VECTOR(me, to)] == sent[to]);
	}
}

static void run_pin(void *arg)
{
	unsigned pin = (unsigned)(uintptr_t)arg;

	for (unsigned n = 0; n < EACH; n++) {
		uint64_t before = taken[0][PIN_VECTOR(pin)];

		level[pin] = true;
		vioapic_set_pin(vm->ioapic, 16 + pin, true);
		while (level[pin] || taken[0][PIN_VECTOR(pin)] == before)
			sched_yield();
	}
}

static void broadcast_eoi(void *ioapic, uint8_t vector)
{
	vioapic_eoi(ioapic, vector);
}

static void create(void)
{
	static const struct irqchip_ops irqs = {.eoi = broadcast_eoi};

	vm = calloc(1, sizeof(*vm));
	vm->vcpu_count = VCPUS;
	for (unsigned i = 0; i < VCPUS; i++) {
		struct vcpu *vcpu = vm->vcpus[i] = calloc(1, sizeof(*vcpu));

		vcpu->vm = vm;
		vcpu->id = i;
		vcpu->lapic = vlapic_create(vcpu);
		write_lapic(vcpu, LAPIC_SVR, 0x1ff);
	}
	vm->ioapic = vioapic_create(vm);
	vm->board.irqs = (struct irqchip){.ops = &irqs, .controllers = vm->ioapic};
	for (unsigned pin = 0; pin < PINS; pin++) { /* to vCPU 0, level-triggered */
		write_ioapic(0x11 + 2 * (16 + pin), 0);
		write_ioapic(0x10 + 2 * (16 + pin), BIT(15) | PIN_VECTOR(pin));
	}
}

static void test_interrupts(void **state)
{
	struct thread *senders[SENDERS], *pins[PINS];

	(void)state;
	create();
	for (unsigned i = 0; i < VCPUS; i++)
		threads[i] = vm->vcpus[i]->thread =
			stress_thread("vcpu", run_vcpu, vm->vcpus[i]);
	for (unsigned i = 0; i < VCPUS; i++)
		thread_wake(threads[i]);
	for (uintptr_t i = 0; i < SENDERS; i++)
		senders[i] = stress_thread("msi", run_sender, (void *)i);
	for (uintptr_t i = 0; i < PINS; i++)
		pins[i] = stress_thread("pin", run_pin, (void *)i);
	for (unsigned i = 0; i < SENDERS; i++)
		thread_join(senders[i]);
	for (unsigned i = 0; i < PINS; i++)
		thread_join(pins[i]);
	for (uint32_t i = 0; i < VCPUS; i++)
		vlapic_msi(vm, MSI | i << 12, STOP);
	for (unsigned i = 0; i < VCPUS; i++)
		thread_join(threads[i]);
	for (unsigned i = 0; i < VCPUS; i++) {
		assert_int_equal(vlapic_pending(vm->vcpus[i]->lapic), -1);
		vlapic_destroy(vm->vcpus[i]->lapic);
		free(vm->vcpus[i]);
	}
	vioapic_destroy(vm->ioapic);
	free(vm);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_interrupts)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}
