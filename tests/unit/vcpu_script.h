/*
 * What a guest of tests is written in: scripts of instructions, and what others send its vCPU
 * meanwhile. Each program that includes this has a backend and a `restart()` that makes the
 * machine anew. Traces: letters are instructions that ran, numbers interrupts, #n exceptions,
 * in the order that the guest saw.
 */
#ifndef TESTS_UNIT_VCPU_SCRIPT_H
#define TESTS_UNIT_VCPU_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vpic.h"
#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_threads.h"
#include "tests/unit/fake_vmm.h"

static int restart(void **state);
static int finish(void **state);

#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, restart, finish)

#define NOTE(c)                        \
	{                              \
		.op = M_NOTE, .a = (c) \
	}
#define HOST(f)                           \
	{                                 \
		.op = M_HOST, .call = (f) \
	}
#define END                 \
	{                   \
		.op = M_END \
	}
#define DO(o)             \
	{                 \
		.op = (o) \
	}
#define WRMSR(msr, value)                               \
	{                                               \
		.op = M_WRMSR, .a = (msr), .b = (value) \
	}
#define X2APIC WRMSR(0x1b, 0xfee00d00), WRMSR(0x80f, 0x1ff)

static inline struct vcpu *boot_vcpu(void)
{
	return models[0].vcpu;
}

/* From another CPU. */
static inline void interrupt(unsigned vector)
{
	struct vlapic_message m = {.dest = 0, .vector = (uint8_t)vector};
	unsigned here = fake_cpu->cpu.index;

	fake_cpu_use(1 - here);
	if (vlapic_deliver(boot_vcpu()->vm, &m) != 1)
		model_fail("the interrupt was not taken");
	fake_cpu_use(here);
}

static inline void send_41(void)
{
	interrupt(0x41);
}

static inline void send_41_and_61(void)
{
	interrupt(0x41);
	interrupt(0x61);
}

static inline void send_nmi(void)
{
	vcpu_post_nmi(boot_vcpu());
}

static bool nmi_sent;

static inline void send_nmi_once(void)
{
	if (!nmi_sent)
		send_nmi();
	nmi_sent = true;
}

static inline void send_nmi_and_41(void)
{
	send_nmi();
	interrupt(0x41);
}

/* Keyboard and UART, by the 8259s. */
static inline void pic_lines(void)
{
	struct vm *vm = boot_vcpu()->vm;

	irqchip_set(&vm->board.irqs, 1, true);
	irqchip_set(&vm->board.irqs, 4, true);
}

#endif
