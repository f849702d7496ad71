/*
 * A VM's life from start to destruction: who parks when, and in which order things go. No vCPU
 * enters a guest here; threads run when the test calls them, until they sleep.
 */
/* links: kernel/vmm/vm_create.c kernel/vmm/vcpu_run.c kernel/vmm/vcpu_raise.c */
/* links: kernel/vmm/pc_irqs.c kernel/vmm/vcpu_look.c */
/* links: kernel/vmm/vm.c kernel/vmm/vcpu.c kernel/vmm/vtsc.c kernel/vmm/place.c */
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
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vioapic.h"
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

/* What the controllers were told last. */
static unsigned ioapic_pin, pic_line, eois;
static bool pin_level, pic_level;
static uint8_t eoi_vector;
static uint64_t msi_address;
static uint32_t msi_data;

struct vioapic *vioapic_create(struct vm *vm)
{
	return (struct vioapic *)vm;
}

void vioapic_destroy(struct vioapic *ioapic)
{
	(void)ioapic;
}

void vioapic_set_pin(struct vioapic *ioapic, unsigned line, bool level)
{
	assert_non_null(ioapic);
	ioapic_pin = line;
	pin_level = level;
}

void vioapic_eoi(struct vioapic *ioapic, uint8_t vector)
{
	assert_non_null(ioapic);
	eoi_vector = vector;
	eois++;
}

struct vpic *vpic_create(struct vm *vm)
{
	return (struct vpic *)vm;
}

void vpic_destroy(struct vpic *pic)
{
	(void)pic;
}

void vpic_set_line(struct vpic *pic, unsigned irq, bool level)
{
	assert_non_null(pic);
	pic_line = irq;
	pic_level = level;
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

void vlapic_msi(struct vm *of, uint64_t address, uint32_t data)
{
	assert_non_null(of);
	msi_address = address;
	msi_data = data;
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

/* ---- tests ---- */

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

/* vCPU 0 dies in its first instruction, while the others' threads have not run yet. */
static void stopped_before_all_have_started(void **state)
{
	static const struct vcpu_entry entry;
	struct vm *vm = create();

	(void)state;
	vm_start(vm, &entry);
	vm_stop(vm, VM_STOP_CRASH, 0, "at once");
	run_all();
	assert_int_equal(stopped_calls, 1);
	vm_destroy(vm);
}

/* While its disks take their time its vCPUs' CPUs are free; what devices send them goes
 * nowhere.
 */
static void retired_before_it_is_destroyed(void **state)
{
	static const struct vcpu_entry entry;
	struct vm *vm = create();

	(void)state;
	vm_start(vm, &entry);
	vm_stop(vm, VM_STOP_REQUEST, 0, "enough");
	run_all();
	left_cpus = 0;
	vm_retire(vm);
	assert_int_equal(left_cpus, VCPUS);
	for (unsigned i = 0; i < VCPUS; i++)
		assert_false(vm->vcpus[i]->thread->freed);
	vcpu_post(vm->vcpus[1], VCPU_REQ_INIT);
	vm_destroy(vm);
	vm = create(); /* one that never started */
	vm_retire(vm);
	vm_destroy(vm);
}

/* The same, and they look at the request to stop before that to start is there. */
static void told_to_stop_before_told_to_start(void **state)
{
	static const struct vcpu_entry entry;
	struct vm *vm = create();

	(void)state;
	vm_stop(vm, VM_STOP_CRASH, 0, "at once");
	run_all();
	assert_int_equal(stopped_calls, 0);
	vm_start(vm, &entry);
	run_all();
	assert_int_equal(stopped_calls, 1);
	vm_destroy(vm);
}

/* It may send the others INIT and SIPI at once, and these get lost where START is not there. */
static void first_vcpu_starts_last(void **state)
{
	static const struct vcpu_entry entry;
	struct vm *vm = create();

	(void)state;
	vm_start(vm, &entry);
	assert_ptr_equal(last_woken, vm->vcpus[0]->thread);
	vcpu_post(vm->vcpus[1], VCPU_REQ_INIT);
	vcpu_post_sipi(vm->vcpus[1], 0x10);
	assert_int_equal(vm->vcpus[1]->requests,
			 VCPU_REQ_START | VCPU_REQ_INIT | VCPU_REQ_SIPI);
	vm_stop(vm, VM_STOP_REQUEST, 0, "enough");
	run_all();
	assert_int_equal(stopped_calls, 1);
	vm_destroy(vm);
}

/* Each line reaches both controllers, IRQ 0 by pin 2 of the I/O APIC (ACPI 6.5 5.2.12.5); the
 * end of an interrupt reaches the I/O APIC, and a message the local APICs. */
static void wires_of_a_pc(void **state)
{
	struct vm *vm = create();
	const struct irqchip *irqs = &vm->board.irqs;

	(void)state;
	for (unsigned line = 0; line < IRQCHIP_LINES; line++)
		for (unsigned down = 0; down < 2; down++) {
			(down ? irqchip_lower : irqchip_raise)(irqs, line);
			assert_int_equal(pic_line, line);
			assert_int_equal(ioapic_pin, line ? line : 2);
			assert_true(pic_level == !down && pin_level == !down);
		}
	irqchip_eoi(irqs, 0x71);
	assert_int_equal(eois, 1);
	assert_int_equal(eoi_vector, 0x71);
	irqchip_msi(irqs, 0xfee01000, 0x4041);
	assert_int_equal(msi_address, 0xfee01000);
	assert_int_equal(msi_data, 0x4041);
	vm_destroy(vm);
}

/* Timers still fire while a VM is destroyed: the fakes above do so at the last moment, and find
 * a freed thread if it went before them. */
static void timers_go_before_threads(void **state)
{
	struct vm *vm = create();

	(void)state;
	vm_destroy(vm);
	for (unsigned i = 0; i < VCPUS; i++)
		assert_true(threads[i].freed);
}

/* vCPUs keep off a CPU that the backend shuns, but for those that have no other. */
static void keeps_off_shunned_cpus(void **state)
{
	static const uint16_t pin[VCPUS] = {2, 0, 3};
	static const struct cpumask allowed[] = {
		{.bits = {0xf}}, {.bits = {1}}, {.bits = {0x6}}};
	static const uint64_t expected[] = {0xe, 1, 0x6};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(allowed); i++) {
		struct vm *vm = create_on(NULL, allowed[i]);

		for (unsigned n = 0; n < VCPUS; n++)
			assert_int_equal(threads[n].allowed.bits[0], expected[i]);
		vm_destroy(vm);
	}
	struct vm *vm = create_on(pin, (struct cpumask){0});

	for (unsigned n = 0; n < VCPUS; n++)
		assert_int_equal(threads[n].allowed.bits[0], BIT(pin[n]));
	vm_destroy(vm);
}

/* Other CPUs, weight and cap while it runs: for each vCPU, and off what the backend shuns. */
static void another_share(void **state)
{
	const struct thread_share share = {
		.allowed = {.bits = {0x7}}, .weight = 40, .cap_percent = 30};
	struct vm *vm = create();

	(void)state;
	vm_set_share(vm, &share);
	for (unsigned n = 0; n < VCPUS; n++) {
		assert_int_equal(threads[n].allowed.bits[0], 0x6);
		assert_int_equal(threads[n].weight, 40);
		assert_int_equal(threads[n].cap_percent, 30);
	}
	vm_destroy(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_off_shunned_cpus),
		cmocka_unit_test(another_share),
		cmocka_unit_test(stopped_before_all_have_started),
		cmocka_unit_test(told_to_stop_before_told_to_start),
		cmocka_unit_test(first_vcpu_starts_last),
		cmocka_unit_test(retired_before_it_is_destroyed),
		cmocka_unit_test(wires_of_a_pc),
		cmocka_unit_test(timers_go_before_threads),
	};

	syscall(SYS_arch_prctl, ARCH_SET_GS, &this_cpu);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
