/*
 * The IDT and what it leads to: exceptions are our own bugs (or a fix-up's business) and end
 * the machine; interrupts go to the handler registered for their vector.
 */
#include "kernel/cpu/traps.h"

#include <errno.h>
#include <stdio.h>

#include "kernel/cpu/apic.h"
#include "kernel/cpu/extable.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/mce.h"
#include "kernel/cpu/panic.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/lock.h"
#include "kernel/log/ksyms.h"
#include "kernel/log/log.h"

enum exception {
	EXCEPTION_NMI = 2,
	EXCEPTION_DOUBLE_FAULT = 8,
	EXCEPTION_GENERAL_PROTECTION = 13,
	EXCEPTION_PAGE_FAULT = 14,
	EXCEPTION_MACHINE_CHECK = 18,
	EXCEPTION_COUNT = 32,
};

/* 64-bit gate descriptor: SDM vol. 3A figure 6-8. */
struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM vol. 3A figure 6-8");

#define GATE_INTERRUPT 0x8e /* present, DPL 0; clears IF */

struct handler {
	trap_handler fn;
	void *arg;
};

extern const char trap_entries[256][16]; /* traps_entry.S */
bool trap_clear_ac;			 /* read by traps_entry.S: the CPU has SMAP */

static struct gate idt[256];
static struct handler handlers[256];
static struct spinlock handlers_lock =
	SPINLOCK("handlers"); /* writers of `handlers`; dispatching takes none */

static void set_gate(unsigned vector, unsigned ist)
{
	uint64_t entry = (uint64_t)trap_entries[vector];

	idt[vector] = (struct gate){
		.offset_low = (uint16_t)entry,
		.selector = GDT_CODE,
		.ist = (uint8_t)ist,
		.type = GATE_INTERRUPT,
		.offset_middle = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

void traps_init(void)
{
	for (unsigned vector = 0; vector < 256; vector++)
		set_gate(vector, 0);
	trap_clear_ac = cpu_features.smap;
}

void traps_init_this_cpu(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};
	struct cpu *cpu = cpu_this();

	gdt_load(cpu);
	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
	/* The IDT is shared: its gates name IST stacks once CPU 0 has some. */
	if (cpu->ist_top[0]) {
		set_gate(EXCEPTION_NMI, CPU_IST_NMI + 1);
		set_gate(EXCEPTION_DOUBLE_FAULT, CPU_IST_DOUBLE_FAULT + 1);
		set_gate(EXCEPTION_MACHINE_CHECK, CPU_IST_MACHINE_CHECK + 1);
		mce_init_this_cpu();
	}
}

void trap_register(unsigned vector, trap_handler handler, void *arg)
{
	uint64_t flags = spin_lock_irqsave(&handlers_lock);

	handlers[vector].arg = arg;
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile trap_handler *)&handlers[vector].fn = handler;
	spin_unlock_irqrestore(&handlers_lock, flags);
}

int trap_alloc_vector(trap_handler handler, void *arg)
{
	uint64_t flags = spin_lock_irqsave(&handlers_lock);
	int found = -ENOSPC;

	for (int vector = VECTOR_DEVICE_FIRST; vector <= VECTOR_DEVICE_LAST; vector++) {
		if (!handlers[vector].fn) {
			handlers[vector] = (struct handler){handler, arg};
			found = vector;
			break;
		}
	}
	spin_unlock_irqrestore(&handlers_lock, flags);
	return found;
}

static const char *exception_name(uint64_t vector)
{
	static const char *const names[EXCEPTION_COUNT] = {
		[0] = "divide error",
		[1] = "debug exception",
		[2] = "NMI",
		[3] = "breakpoint",
		[4] = "overflow",
		[5] = "bound range exceeded",
		[6] = "invalid opcode",
		[7] = "no FPU",
		[8] = "double fault",
		[10] = "invalid TSS",
		[11] = "segment not present",
		[12] = "stack fault",
		[13] = "general protection fault",
		[14] = "page fault",
		[16] = "x87 error",
		[17] = "alignment check",
		[18] = "machine check",
		[19] = "SIMD error",
		[20] = "virtualization exception",
		[21] = "control protection exception",
		[28] = "hypervisor injection exception",
		[29] = "VMM communication exception",
		[30] = "security exception",
	};

	return vector < EXCEPTION_COUNT && names[vector] ? names[vector] : "unknown exception";
}

static uint64_t read_cr2(void)
{
	uint64_t cr2;

	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	return cr2;
}

void trap_dump(const struct trap_frame *f)
{
	uint64_t cr0, cr3, cr4;

	__asm__ volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2"
			 : "=r"(cr0), "=r"(cr3), "=r"(cr4));
	log_info("panic", "CPU %u, vector %lu, error code %#lx", cpu_this()->index, f->vector,
		 f->error);
	log_info("panic", "RIP %016lx CS  %04lx RFLAGS %08lx", f->rip, f->cs, f->rflags);
	log_info("panic", "RSP %016lx SS  %04lx", f->rsp, f->ss);
	log_info("panic", "RAX %016lx RBX %016lx RCX %016lx", f->rax, f->rbx, f->rcx);
	log_info("panic", "RDX %016lx RSI %016lx RDI %016lx", f->rdx, f->rsi, f->rdi);
	log_info("panic", "RBP %016lx R8  %016lx R9  %016lx", f->rbp, f->r8, f->r9);
	log_info("panic", "R10 %016lx R11 %016lx R12 %016lx", f->r10, f->r11, f->r12);
	log_info("panic", "R13 %016lx R14 %016lx R15 %016lx", f->r13, f->r14, f->r15);
	log_info("panic", "CR0 %016lx CR2 %016lx CR3 %016lx", cr0, read_cr2(), cr3);
	log_info("panic", "CR4 %016lx", cr4);
	if (f->vector == EXCEPTION_MACHINE_CHECK)
		mce_log();
	panic_backtrace(f->rip, f->rbp);
}

/* Page faults say what was tried; a fault just below RSP is a stack that ran over its end. */
static noreturn void exception_fatal(const struct trap_frame *f)
{
	uint64_t cr2 = read_cr2();
	bool near_stack = cr2 < f->rsp && f->rsp - cr2 < PAGE_BYTES;

	if (f->vector == EXCEPTION_DOUBLE_FAULT && near_stack)
		panic_at(f, "stack overflow at %#lx", cr2);
	if (f->vector == EXCEPTION_PAGE_FAULT)
		panic_at(f, "page fault: %s of %#lx, which is %s",
			 f->error & BIT(4)   ? "execution"
			 : f->error & BIT(1) ? "write"
					     : "read",
			 cr2, f->error & BIT(0) ? "protected" : "not mapped");
	panic_at(f, "%s", exception_name(f->vector));
}

static void exception(struct trap_frame *f)
{
	uint64_t fixup;

	if (f->vector == EXCEPTION_NMI) {
		smp_nmi(); /* returns unless this CPU is to stop: then the NMI is harmless */
		return;
	}
	if (f->vector == EXCEPTION_GENERAL_PROTECTION || f->vector == EXCEPTION_PAGE_FAULT) {
		fixup = extable_find(f->rip);
		if (fixup) {
			f->rip = fixup;
			return;
		}
	}
	exception_fatal(f);
}

void trap_dispatch(struct trap_frame *frame);

void trap_dispatch(struct trap_frame *frame)
{
	struct cpu *cpu = cpu_this();
	const struct handler *handler = &handlers[frame->vector];

	if (unlikely(frame->vector < EXCEPTION_COUNT)) {
		exception(frame);
		return;
	}
	cpu->irq_depth++;
	atomic_fetch_add_explicit(&cpu->interrupts, 1, memory_order_relaxed);
	if (likely(handler->fn))
		handler->fn((unsigned)frame->vector, handler->arg);
	else if (frame->vector != VECTOR_SPURIOUS)
		log_warn("cpu", "CPU %u: interrupt at vector %#lx, which nobody handles",
			 cpu->index, frame->vector);
	if (likely(frame->vector != VECTOR_SPURIOUS))
		apic_eoi();
	cpu->irq_depth--;
}
