/*
 * The vCPU's run loop and what comes and goes with its CPU. Handling an exit is exit.c, state
 * after reset is reset.c.
 */
#include "kernel/vmm/vcpu_run.h"
#include "kernel/lib/x86.h"

#include <string.h>

#include "kernel/cpu/control.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/exit.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vcpu.h"
#include "kernel/vmm/vcpu_look.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vpic.h"
#include "kernel/vmm/vtsc.h"

#define FXSAVE_BYTES 512u
#define XSAVE_MXCSR  24	    /* SDM vol. 1 table 10-2 */
#define MXCSR_RESET  0x1f80 /* SDM vol. 1 10.2.3 */

struct vcpu *vcpu_create(struct vm *vm, unsigned id)
{
	struct vcpu *vcpu = heap_zalloc(sizeof *vcpu, &vm->account);
	uint32_t mxcsr = MXCSR_RESET;

	if (!vcpu)
		return NULL;
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->state = VCPU_PARKED;
	vcpu->xcr0 = 1;
	vcpu->xsave =
		heap_zalloc(MAX(cpu_features.xsave_bytes_max, FXSAVE_BYTES), &vm->account);
	vcpu->msrs = features_msrs_create(&vm->account);
	vcpu->lapic = vlapic_create(vcpu);
	if (!vcpu->xsave || !vcpu->msrs || !vcpu->lapic || vmm_backend->vcpu_init(vcpu)) {
		vcpu_destroy(vcpu);
		return NULL;
	}
	memcpy((char *)vcpu->xsave + XSAVE_MXCSR, &mxcsr, sizeof mxcsr);
	return vcpu;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	vmm_backend->vcpu_fini(vcpu);
	if (vcpu->lapic)
		vlapic_destroy(vcpu->lapic);
	heap_free(vcpu->msrs);
	heap_free(vcpu->xsave);
	heap_free(vcpu);
}

/* AMD's FXRSTOR and XRSTOR may leave the x87's last instruction and operand as they are, which
 * another guest's FNSTENV would then show (CVE-2006-1056): a load of our own replaces them. */
static void x87_forget(void)
{
	if (cpu_features.vendor == CPU_VENDOR_AMD)
		x87_load_zero();
}

/* The whole state is saved and restored under the host's XCR0, whatever the guest enabled. */
static void fpu_load(struct vcpu *vcpu)
{
	uint64_t mask = cpu_features.xcr0_mask;

	x87_forget();
	if (!cpu_features.xsave) {
		fxrstor(vcpu->xsave);
		return;
	}
	xsetbv(mask);
	xrstor(vcpu->xsave, mask);
	xsetbv(vcpu->xcr0);
}

static void fpu_save(struct vcpu *vcpu)
{
	uint64_t mask = cpu_features.xcr0_mask;

	if (!cpu_features.xsave) {
		fxsave(vcpu->xsave);
		return;
	}
	vcpu->xcr0 = vcpu_get_xcr0(); /* QEMU 7.2 lets a guest set it without an exit */
	xsetbv(mask);
	xsave(vcpu->xsave, mask);
}

static void debug_save(struct vcpu *vcpu)
{
	vcpu->dr[0] = read_dr0();
	vcpu->dr[1] = read_dr1();
	vcpu->dr[2] = read_dr2();
	vcpu->dr[3] = read_dr3();
}

static void switch_in(struct thread *thread)
{
	struct vcpu *vcpu = thread_arg(thread);
	struct cpu *cpu = cpu_this();

	cpu->loaded = vcpu;
	atomic_store(&vcpu->cpu, cpu->index);
	fpu_load(vcpu);
	vcpu_load_debug_addresses(vcpu);
	if (cpu_features.rdtscp || cpu_features.rdpid)
		wrmsr(MSR_TSC_AUX, vcpu->tsc_aux);
	vmm_backend->load(vcpu);
	vtsc_load(vcpu);
}

static void switch_out(struct thread *thread)
{
	struct vcpu *vcpu = thread_arg(thread);

	vtsc_put(vcpu);
	vmm_backend->put(vcpu);
	debug_save(vcpu);
	fpu_save(vcpu);
	cpu_this()->loaded = NULL;
}

const struct thread_ops vcpu_thread_ops = {.switch_in = switch_in, .switch_out = switch_out};

static bool extint_pending(const struct vcpu *vcpu)
{
	return unlikely(atomic_load_explicit(&vcpu->vm->pic_intr, memory_order_relaxed)) &&
	       vlapic_accepts_extint(vcpu->lapic);
}

static void deliver(struct vcpu *vcpu, const struct vmevent *event)
{
	vmm_backend->inject(vcpu, event);
	atomic_fetch_add_explicit(&vcpu->counters.injected[event->kind], 1,
				  memory_order_relaxed);
}

static void inject_interrupt(struct vcpu *vcpu, int vector, bool extint)
{
	struct vmevent event = {.kind = VMEVENT_INTERRUPT};

	if (extint)
		event.vector = vpic_acknowledge(vcpu->vm->pic);
	else
		vlapic_accept(vcpu->lapic, (unsigned)(event.vector = (uint8_t)vector));
	deliver(vcpu, &event);
}

/* Of all interrupts the one that was acknowledged already is first. Returns whether it has gone
 * in. */
static bool inject_held(struct vcpu *vcpu, bool taken)
{
	struct vmevent event = {.kind = VMEVENT_INTERRUPT, .vector = vcpu->held_vector};

	if (taken || !vmm_backend->can_inject(vcpu, VMEVENT_INTERRUPT)) {
		vmm_backend->request_window(vcpu, VMEVENT_INTERRUPT);
		return false;
	}
	vcpu->held = false;
	deliver(vcpu, &event);
	return true;
}

/* One event at most goes in; where another waits, the window that exits for it is opened. */
static void inject(struct vcpu *vcpu)
{
	const struct vmm_backend *b = vmm_backend;
	bool taken = false, extint;
	int vector;

	if (unlikely(vcpu->event.kind != VMEVENT_NONE)) {
		deliver(vcpu, &vcpu->event);
		vcpu->event.kind = VMEVENT_NONE;
		taken = true;
	}
	if (unlikely(vcpu->nmis_pending)) {
		if (!taken && b->can_inject(vcpu, VMEVENT_NMI)) {
			deliver(vcpu, &(struct vmevent){.kind = VMEVENT_NMI, .vector = 2});
			vcpu->nmis_pending--;
			taken = true;
		}
		if (vcpu->nmis_pending)
			b->request_window(vcpu, VMEVENT_NMI);
	}
	if (unlikely(vcpu->held)) {
		if (!inject_held(vcpu, taken))
			return;
		taken = true;
	}
	vector = vlapic_by_hardware(vcpu->lapic) ? -1 : vlapic_pending(vcpu->lapic);
	extint = extint_pending(vcpu);
	if (likely(vector < 0 && !extint))
		return;
	if (!taken && b->can_inject(vcpu, VMEVENT_INTERRUPT)) {
		inject_interrupt(vcpu, vector, extint);
		/* Neither the lapic nor a PIC that ends interrupts by itself (auto EOI) is told
		 * of this one's end, so no exit would come for what else waits. */
		if (likely(!extint || (vector < 0 && !extint_pending(vcpu))))
			return;
	}
	b->request_window(vcpu, VMEVENT_INTERRUPT);
}

static void start(struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;

	vtsc_put(vcpu); /* it begins: what it was before does not count */
	vtsc_load(vcpu);
	vmm_backend->intercept_pause(vcpu, !vm->params.pin);
	vcpu_reset(vcpu, false);
	if (vcpu->id) {
		vcpu->state = VCPU_WAIT_SIPI;
		return;
	}
	memcpy(vcpu->regs, vm->entry.regs, sizeof vcpu->regs);
	vcpu->rip = vm->entry.rip;
	vcpu->rflags = vm->entry.rflags;
	vmm_backend->set_state(vcpu, &vm->entry.state);
	vcpu->state = VCPU_RUNNING;
}

/* SDM vol. 3A 8.4.4: CS:IP = vector << 8 : 0. */
static void start_up_ipi(struct vcpu *vcpu)
{
	uint8_t vector = atomic_load(&vcpu->sipi_vector);
	struct vcpu_state state;

	if (vcpu->state != VCPU_WAIT_SIPI)
		return;
	vmm_backend->get_state(vcpu, &state);
	state.segs[SEG_CS].selector = (uint16_t)(vector << 8);
	state.segs[SEG_CS].base = (uint64_t)vector << 12;
	vmm_backend->set_state(vcpu, &state);
	vcpu->rip = 0;
	vcpu->state = VCPU_RUNNING;
}

static void init(struct vcpu *vcpu)
{
	if (vcpu->id == 0) { /* there is no firmware at the reset vector to go to */
		vm_stop(vcpu->vm, VM_STOP_RESET, 0, "INIT sent to the boot processor");
		return;
	}
	vcpu_reset(vcpu, true);
	vcpu->state = VCPU_WAIT_SIPI;
}

/* A CPU keeps one NMI pending, beside the one it is handling (SDM vol. 3A 6.7.1). Of those that
 * were sent since we looked, it would have begun to handle the first at once where nothing
 * blocks it, and kept one more. */
static void take_nmis(struct vcpu *vcpu)
{
	unsigned limit = vmm_backend->can_inject(vcpu, VMEVENT_NMI) ? 2 : 1;
	uint64_t posted = atomic_exchange(&vcpu->nmis_posted, 0);

	vcpu->nmis_pending = (uint8_t)MIN(vcpu->nmis_pending + posted, limit);
}

/* START comes first, and whether the VM is stopping is looked at whatever the request was: a VM
 * can be stopped before all of its vCPUs have started, and these too must park to be counted.
 */
static void take_requests(struct vcpu *vcpu)
{
	uint32_t requests = atomic_exchange(&vcpu->requests, 0);

	if (requests & VCPU_REQ_START)
		start(vcpu);
	if (vcpu->state == VCPU_PARKED)
		return;
	if (atomic_load(&vcpu->vm->stopping)) {
		vcpu->state = VCPU_PARKED;
		vm_vcpu_parked(vcpu->vm);
		return;
	}
	if (requests & VCPU_REQ_INIT)
		init(vcpu);
	if (requests & VCPU_REQ_SIPI)
		start_up_ipi(vcpu);
	if (requests & VCPU_REQ_CLOCK)
		pvclock_refresh(vcpu);
	if (requests & VCPU_REQ_NMI)
		take_nmis(vcpu);
	if (requests & VCPU_REQ_LOOK)
		vcpu_look(vcpu);
}

/* HLT ends with an interrupt that could be delivered; with IF clear only an NMI ends it. */
static bool halt_ends(struct vcpu *vcpu)
{
	return vcpu->nmis_pending || vcpu->event.kind != VMEVENT_NONE ||
	       (vcpu->rflags & RFLAGS_IF &&
		(vcpu->held || vlapic_pending(vcpu->lapic) >= 0 || extint_pending(vcpu)));
}

/* Who posted while `in_guest` still seemed set has only kicked: once it is seen to be clear,
 * requests are looked at again, before sleeping. */
static void wait(struct vcpu *vcpu)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&vcpu->requests))
		return;
	if (vcpu->state == VCPU_HALTED && halt_ends(vcpu))
		vcpu->state = VCPU_RUNNING;
	else
		thread_block();
}

static void run_once(struct vcpu *vcpu)
{
	irq_disable();
	atomic_store(&vcpu->in_guest, true);
	if (unlikely(atomic_load(&vcpu->requests) || thread_should_yield())) {
		atomic_store(&vcpu->in_guest, false);
		irq_enable();
		if (thread_should_yield())
			thread_yield();
		return;
	}
	inject(vcpu);
	vmm_backend->enter(vcpu, &vcpu->exit);
	atomic_store_explicit(&vcpu->in_guest, false, memory_order_release);
	irq_enable();
	exit_handle(vcpu);
}

void vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;

	while (!atomic_load_explicit(&vcpu->vm->dying, memory_order_relaxed)) {
		if (unlikely(atomic_load_explicit(&vcpu->requests, memory_order_relaxed)))
			take_requests(vcpu);
		if (likely(vcpu->state == VCPU_RUNNING))
			run_once(vcpu);
		else
			wait(vcpu);
	}
}
