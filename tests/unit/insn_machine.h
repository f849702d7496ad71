/*
 * A vCPU whose instructions are done for it, with a little RAM and one device: what the code
 * behind insn.h stands on.
 */
#ifndef TESTS_UNIT_INSN_MACHINE_H
#define TESTS_UNIT_INSN_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/insn.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

#define RAM	0x10000u
#define TF	BIT(8)
#define LMA	BIT(10)
#define CODE_16 0x09b
#define CODE_32 0xc9b
#define CODE_64 0xa9b
#define DEVICE	0xfe000000ull
#define TOP	0x00007fffffffffffull /* of the lower canonical half */
#define NOTHING 0xff

struct cpu_features cpu_features;
static struct vcpu_segment cs;
static uint64_t regs[REG_COUNT];
static struct vm vm;
static struct vcpu vcpu;
static uint8_t ram[RAM];
static unsigned raised, shadows_ended, stopped;
static uint64_t device_value;

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return regs[reg];
}

static void set_reg(struct vcpu *v, enum vcpu_reg reg, uint64_t value)
{
	(void)v;
	regs[reg] = value;
}

static void get_segment(struct vcpu *v, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)v, (void)seg;
	*out = cs;
}

static void end_shadow(struct vcpu *v)
{
	(void)v;
	shadows_ended++;
}

static unsigned level = 3;

static unsigned cpl(struct vcpu *v)
{
	(void)v;
	return level;
}

static void get_state(struct vcpu *v, struct vcpu_state *out)
{
	(void)v;
	*out = (struct vcpu_state){.gdtr = {0xffff800000001000, 0x7f},
				   .idtr = {0xffff800000002000, 0xfff}};
}

/* What was loaded last. */
static struct {
	bool idt;
	unsigned count;
	uint64_t base;
	uint16_t limit;
} table;

static void set_table(struct vcpu *v, bool idt, uint64_t base, uint16_t limit)
{
	(void)v;
	table.idt = idt;
	table.count++;
	table.base = base;
	table.limit = limit;
}

static int cr_refusal;
static uint64_t cr0_written;

int cr_write(struct vcpu *v, unsigned cr, uint64_t value)
{
	(void)v;
	assert_int_equal(cr, 0);
	cr0_written = value;
	return cr_refusal;
}

static const struct vmm_backend backend = {.get_reg = get_reg,
					   .set_reg = set_reg,
					   .get_segment = get_segment,
					   .clear_interrupt_shadow = end_shadow,
					   .get_state = get_state,
					   .cpl = cpl,
					   .set_table = set_table};
const struct vmm_backend *vmm_backend = &backend;

int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	(void)gm;
	if (gpa >= RAM || bytes > RAM - gpa)
		return -EFAULT;
	memcpy(buf, ram + gpa, bytes);
	return 0;
}

int gmem_read64(struct gmem *gm, uint64_t gpa, uint64_t *value)
{
	return gmem_read(gm, gpa, value, 8);
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	return -EFAULT;
}

/* Where a byte was written as it is. */
static uint64_t refreshed;

int gmem_cmpxchg(struct gmem *gm, uint64_t gpa, uint64_t expected, uint64_t desired,
		 unsigned bytes)
{
	(void)gm;
	if (gpa >= RAM || bytes != 1)
		return -EFAULT;
	assert_int_equal(expected, ram[gpa]);
	assert_int_equal(desired, expected);
	refreshed = gpa;
	return 0;
}

bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	(void)gm;
	return gpa < RAM && bytes <= RAM - gpa;
}

static uint64_t moved_to;

bool vlapic_mmio_moved(struct bus_access *access)
{
	if (!moved_to || access->addr / PAGE_BYTES != moved_to / PAGE_BYTES)
		return false;
	access->value = 0x77;
	return true;
}

void bus_do(struct bus *bus, struct bus_access *access)
{
	(void)bus;
	if (!access->write)
		access->value = device_value;
}

void vcpu_raise(struct vcpu *v, unsigned vector)
{
	(void)v;
	raised = vector;
}

void vcpu_raise_error(struct vcpu *v, unsigned vector, uint32_t error)
{
	(void)v;
	assert_int_equal(error, 0);
	raised = vector;
}

void vcpu_raise_page_fault(struct vcpu *v, uint64_t cr2, uint32_t error)
{
	(void)v, (void)cr2, (void)error;
	raised = 14;
}

void vm_stop(struct vm *v, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	(void)v, (void)kind, (void)status, (void)fmt;
	stopped++;
}

uint32_t vcpu_get_pkru(void)
{
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&vcpu, 0, sizeof vcpu);
	memset(regs, 0, sizeof regs);
	memset(ram, 0x90, sizeof ram);
	vcpu.vm = &vm;
	vcpu.rflags = 2;
	regs[REG_CR0] = CR0_PE;
	raised = NOTHING;
	shadows_ended = stopped = 0;
	moved_to = 0;
	return 0;
}

#endif
