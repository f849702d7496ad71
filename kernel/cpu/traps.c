/*
 * The IDT and what it leads to: exceptions are our own bugs (or a fix-up's business) and end
 * the machine; interrupts go to the handler registered for their vector.
 */
#include "kernel/cpu/traps.h"

#include <stdio.h>

#include "kernel/cpu/apic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/extable.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/ipi.h"
#include "kernel/cpu/mce.h"
#include "kernel/cpu/panic.h"
#include "kernel/log/log.h"

/* 64-bit gate descriptor: SDM vol. 3A figure 6-8. */
struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM vol. 3A figure 6-8");

#define GATE_INTERRUPT 0x8e /* present, DPL 0; clears IF */

extern const char trap_entries[256][16]; /* traps_entry.S */
bool trap_clear_ac;			 /* read by traps_entry.S: the CPU has SMAP */

static struct gate idt[256];
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

	if (unlikely(frame->vector < EXCEPTION_COUNT)) {
		exception(frame);
		return;
	}
	cpu->irq_depth++;
	atomic_fetch_add_explicit(&cpu->interrupts, 1, memory_order_relaxed);
	if (unlikely(!vectors_handle((unsigned)frame->vector)) &&
	    frame->vector != VECTOR_SPURIOUS)
		log_warn("cpu", "CPU %u: interrupt at vector %#lx, which nobody handles",
			 cpu->index, frame->vector);
	if (likely(frame->vector != VECTOR_SPURIOUS))
		apic_eoi();
	cpu->irq_depth--;
}
