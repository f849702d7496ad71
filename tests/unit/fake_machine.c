/* See fake_machine.h. */
#include "tests/unit/fake_machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/traps.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/nested.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/task_switch.h"
#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_threads.h"
#include "tests/unit/fake_vmm.h"

unsigned fake_fail_at, fake_allocations, fake_frames_alive;
unsigned fake_kicks, fake_ipis, fake_looks, fake_traps_taken;
unsigned fake_stopped, fake_populates;
int fake_populate_result, fake_populate_next;
void (*fake_on_populate)(void);

void fake_machine_reset(void)
{
	fake_fail_at = fake_allocations = 0;
	fake_kicks = fake_ipis = fake_looks = fake_traps_taken = 0;
	fake_stopped = fake_populates = 0;
	fake_populate_result = fake_populate_next;
	fake_on_populate = NULL;
	fake_threads_yields = 0;
	fake_threads_waiting = false;
	fake_now_ns = 1000;
	model_reset();
}

/* ---- memory ---- */

static void *kept[64];
static bool remembers;

static void *note(void *p)
{
	for (unsigned i = 0; remembers && i < ARRAY_SIZE(kept); i++)
		if (!kept[i]) {
			kept[i] = p;
			break;
		}
	return p;
}

static void forget(const void *p)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i] == p)
			kept[i] = NULL;
}

static void *allocate(size_t bytes, size_t align)
{
	if (++fake_allocations == fake_fail_at)
		return NULL;
	return memset(note(aligned_alloc(align, ALIGN_UP(bytes, align))), 0, bytes);
}

void fake_remember(void)
{
	remembers = true;
}

void fake_forget(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		free(kept[i]);
		kept[i] = NULL;
	}
	remembers = false;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return allocate(bytes, bytes < PAGE_BYTES ? 64 : PAGE_BYTES);
}

void heap_free(void *p)
{
	forget(p);
	free(p);
}

uint64_t frames_alloc(unsigned order, struct mem_account *account)
{
	void *p = allocate(PAGE_BYTES << order, PAGE_BYTES << order);

	(void)account;
	if (!p)
		return 0;
	fake_frames_alive++;
	return directmap_phys(p);
}

void frames_free(uint64_t phys, unsigned order, struct mem_account *account)
{
	(void)order, (void)account;
	fake_frames_alive--;
	forget(directmap(phys));
	free(directmap(phys));
}

uint64_t guest_frames_free_bytes(void)
{
	return 0;
}

uint64_t frames_free_bytes(void)
{
	return 0;
}

int gmem_init(struct gmem *gm, uint64_t bytes, struct mem_account *account)
{
	gm->bytes = bytes;
	gm->nested.root_phys = frames_alloc(0, account);
	return gm->nested.root_phys ? 0 : -ENOMEM;
}

void gmem_fini(struct gmem *gm)
{
	if (gm->nested.root_phys)
		frames_free(gm->nested.root_phys, 0, NULL);
}

int gmem_populate(struct gmem *gm, uint64_t gpa)
{
	(void)gm, (void)gpa;
	assert_true(fake_cpu->interrupts);
	fake_populates++;
	if (fake_on_populate)
		fake_on_populate();
	return fake_populate_result;
}

/* The instruction at RIP, and what follows it, which does not matter. */
int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	struct vcpu *vcpu = fake_cpu->cpu.loaded;

	(void)gm;
	if (!vcpu || gpa != vcpu->rip)
		return -EFAULT;
	memset(buf, 0x90, bytes);
	model_bytes(model_of(vcpu), buf, (unsigned)bytes);
	return 0;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	return -EFAULT;
}

bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	(void)gm, (void)gpa, (void)bytes;
	return false;
}

int gmem_read64(struct gmem *gm, uint64_t gpa, uint64_t *value)
{
	(void)gm, (void)gpa;
	*value = 0;
	return 0;
}

int gmem_cmpxchg(struct gmem *gm, uint64_t gpa, uint64_t expected, uint64_t desired,
		 unsigned bytes)
{
	(void)gm, (void)gpa, (void)expected, (void)desired, (void)bytes;
	return -EFAULT;
}

const struct pt_format pt_format_npt = {.name = "NPT"}, pt_format_ept = {.name = "EPT"};

void pvclock_refresh(struct vcpu *vcpu)
{
	(void)vcpu;
}

int pvclock_write_wall(struct vcpu *vcpu, uint64_t gpa)
{
	(void)vcpu;
	return gpa & 1 ? -EPERM : 0;
}

int pvclock_write_system(struct vcpu *vcpu, uint64_t value)
{
	vcpu->pvclock = value;
	return 0;
}

/* ---- CPUs ---- */

void smp_kick(unsigned cpu)
{
	struct vcpu *vcpu = cpus[cpu]->loaded;

	fake_kicks++;
	if (vcpu && vcpu->in_guest)
		model_of(vcpu)->host_interrupt = true;
}

void smp_call_others(void (*fn)(void *), void *arg)
{
	unsigned self = fake_cpu->cpu.index;

	for (unsigned i = 0; i < FAKE_CPUS; i++) {
		fake_cpu_use(i);
		if (i != self)
			fn(arg);
	}
	fake_cpu_use(self);
}

void apic_look_again(void)
{
	fake_looks++;
}

void (*fake_on_ipi)(unsigned vector);

void apic_send_ipi(uint32_t dest_apic_id, unsigned vector)
{
	(void)dest_apic_id;
	fake_ipis++;
	if (fake_on_ipi)
		fake_on_ipi(vector);
}

void trap_register(unsigned vector, trap_handler handler, void *arg)
{
	handler(vector, arg); /* it does nothing, whenever it comes */
}

void trap_take(unsigned vector)
{
	(void)vector;
	fake_traps_taken++;
}

void panic(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	fail_msg("panic: %s", text);
	abort();
}

/* ---- a VM ---- */

static void stopped(struct vm *vm, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		assert_int_equal(vm->vcpus[i]->state, VCPU_PARKED);
	fake_stopped++;
}

struct vm *machine_create(const char *name, unsigned vcpus, const uint16_t *pin)
{
	struct vm_params params = {
		.name = name,
		.vcpu_count = vcpus,
		.memory_bytes = PAGE_2M,
		.pin = pin,
		.allowed = {.bits = {3}},
		.weight = 100,
		.stopped = stopped,
	};

	return vm_create(&params);
}

void machine_run(struct vm *vm)
{
	struct vcpu_entry entry = model_entry();

	fake_threads_run();
	vm_start(vm, &entry);
	fake_threads_run();
}

void machine_destroy(struct vm *vm)
{
	vm_destroy(vm);
	assert_true(fake_cpu->interrupts);
}

void machine_trace(const struct model_insn *script, const char *trace)
{
	struct vm *vm = machine_create("guest", 1, NULL);

	assert_non_null(vm);
	model_script(script);
	fake_stopped = 0;
	machine_run(vm);
	if (vm->stop.kind != VM_STOP_POWEROFF)
		fail_msg("the guest ended: %s", vm->stop.reason);
	assert_string_equal(models[0].trace, trace);
	assert_int_equal(fake_stopped, 1);
	machine_destroy(vm);
}

/* What it does is test_task_switch's: here it is an exit that the core can do nothing about. */
int task_switch(struct vcpu *vcpu, const struct vmexit *exit)
{
	(void)vcpu, (void)exit;
	return -ENOSYS;
}

void thread_sleep_ns(uint64_t ns)
{
	fake_now_ns += ns;
}

uint64_t clock_ns_to_tsc(uint64_t ns)
{
	return ns * FAKE_TSC_PER_NS;
}
