/*
 * Two tasks on the build machine, of either size, and what a task switch stands on: memory with
 * descriptors and TSSs in it, pages that are absent when a test wants it, registers, and the
 * exception that is raised.
 */
#ifndef TESTS_UNIT_TASK_SWITCH_MACHINE_H
#define TESTS_UNIT_TASK_SWITCH_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/task_switch.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vm.h"

#define RAM	0x10000u
#define GDT	0x1000u
#define LDT	0x2000u
#define OLD_TSS 0x3000u
#define NEW_TSS 0x4ff0u /* across a page */
#define STACK	0x8000u

/* Selectors. */
enum {
	CODE0 = 0x08,
	DATA0 = 0x10,
	CODE3 = 0x18,
	DATA3 = 0x20,
	LDT_SEL = 0x28,
	OLD_SEL = 0x30,
	NEW_SEL = 0x38,
	BAD = 0x40, /* for what a test puts there */
	CONFORMING = 0x48,
	EXECUTE_ONLY = 0x50,
	GDT_END = 0x58,
};

#define NT	 (1u << 14)
#define IF	 (1u << 9)
#define VM86	 (1u << 17)
#define NO_FAULT UINT64_MAX

static uint8_t ram[RAM];
static struct vm vm;
static struct vcpu vcpu;
static struct vmexit exit_;
static struct vcpu_state now;
static uint64_t absent; /* a linear page that is not mapped; NO_FAULT: none */
static bool absent_for_write_only;
static bool device;
static bool pdptes_good;
static unsigned cr3_loads;

/* ---- what is around ---- */

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return now.regs[reg];
}

static void set_reg(struct vcpu *v, enum vcpu_reg reg, uint64_t value)
{
	(void)v;
	cr3_loads += reg == REG_CR3;
	now.regs[reg] = value;
}

static void get_segment(struct vcpu *v, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)v;
	*out = now.segs[seg];
}

static void set_segment(struct vcpu *v, enum vcpu_seg seg, const struct vcpu_segment *in)
{
	(void)v;
	now.segs[seg] = *in;
}

static void get_state(struct vcpu *v, struct vcpu_state *out)
{
	(void)v;
	*out = now;
}

static void clear_interrupt_shadow(struct vcpu *v)
{
	(void)v;
}

static const struct vmm_backend backend = {
	.get_reg = get_reg,
	.set_reg = set_reg,
	.get_segment = get_segment,
	.set_segment = set_segment,
	.get_state = get_state,
	.clear_interrupt_shadow = clear_interrupt_shadow,
};
const struct vmm_backend *vmm_backend = &backend;

static void raised(unsigned vector, bool has_error, uint32_t error, uint64_t cr2)
{
	vcpu.event = (struct vmevent){.kind = VMEVENT_EXCEPTION,
				      .vector = (uint8_t)vector,
				      .has_error = has_error,
				      .error = error,
				      .cr2 = cr2};
}

void vcpu_raise(struct vcpu *v, unsigned vector)
{
	(void)v;
	raised(vector, false, 0, 0);
}

void vcpu_raise_error(struct vcpu *v, unsigned vector, uint32_t error)
{
	(void)v;
	raised(vector, true, error, 0);
}

void vcpu_raise_page_fault(struct vcpu *v, uint64_t cr2, uint32_t error)
{
	(void)v;
	raised(14, true, error, cr2);
}

int gva_translate(struct vcpu *v, uint64_t gva, unsigned access, uint64_t *gpa, uint32_t *error)
{
	(void)v;
	assert_true(gva <= UINT32_MAX);
	*gpa = gva;
	*error = access & GVA_WRITE ? PF_WRITE : 0;
	return gva / PAGE_BYTES == absent && (!absent_for_write_only || access & GVA_WRITE)
		       ? -EFAULT
		       : 0;
}

bool gva_pdptes_valid(struct vcpu *v, uint64_t cr3)
{
	(void)v, (void)cr3;
	return pdptes_good;
}

int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	(void)gm;
	if (device || gpa + bytes > RAM)
		return -EFAULT;
	memcpy(buf, ram + gpa, bytes);
	return 0;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm;
	if (gpa + bytes > RAM)
		return -EFAULT;
	memcpy(ram + gpa, buf, bytes);
	return 0;
}

/* ---- two tasks ---- */

static void descriptor(unsigned selector, uint32_t base, uint32_t limit, unsigned access,
		       unsigned flags)
{
	uint64_t value = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
			 (uint64_t)access << 40 | (uint64_t)(limit >> 16 & 0xf) << 48 |
			 (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;

	memcpy(ram + GDT + selector, &value, 8);
}

static uint8_t access_byte(unsigned selector)
{
	return ram[GDT + selector + 5];
}

static inline uint32_t word(uint32_t at, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, ram + at, bytes);
	return value;
}

static void put(uint32_t at, uint32_t value, unsigned bytes)
{
	memcpy(ram + at, &value, bytes);
}

/* Offsets by the figures, of 16 and 32 bits. */
static const struct {
	unsigned width, bytes, eip, eflags, gpr, seg, segs, ldt;
} tss[] = {
	{2, 44, 0x0e, 0x10, 0x12, 0x22, 4, 0x2a},
	{4, 104, 0x20, 0x24, 0x28, 0x48, 6, 0x60},
};

#define OLD_GPR(i) (0x11110000u + (i))
#define NEW_GPR(i) (0x22220000u + (i))
#define NEW_EIP	   0x1234u
#define NEW_ESP	   STACK
#define OLD_EIP	   0x7777u
#define INSN	   3

static const uint16_t new_segs[] = {DATA0, CODE0, DATA0, DATA0, DATA0, 0};

static void make_new(bool is_32)
{
	unsigned w = tss[is_32].width;

	put(NEW_TSS + tss[is_32].eip, NEW_EIP, w);
	put(NEW_TSS + tss[is_32].eflags, IF | 2, w);
	for (unsigned i = 0; i < 8; i++)
		put(NEW_TSS + tss[is_32].gpr + i * w, i == RSP ? NEW_ESP : NEW_GPR(i), w);
	for (unsigned i = 0; i < tss[is_32].segs; i++)
		put(NEW_TSS + tss[is_32].seg + i * w, new_segs[i], 2);
	put(NEW_TSS + tss[is_32].ldt, LDT_SEL, 2);
	if (is_32)
		put(NEW_TSS + 28, 0x9000, 4);
	put(NEW_TSS, 0xbeef, 2);
}

static void make_old(bool is_32)
{
	for (unsigned i = 0; i < 8; i++)
		vcpu.regs[i] = OLD_GPR(i);
	for (unsigned i = 0; i < 6; i++)
		now.segs[i] = (struct vcpu_segment){
			.selector = DATA3 + 8 * i, .attributes = 0xcf3, .limit = UINT32_MAX};
	now.segs[SEG_TR] = (struct vcpu_segment){.selector = OLD_SEL,
						 .attributes = is_32 ? 0x8b : 0x83,
						 .limit = tss[is_32].bytes - 1,
						 .base = OLD_TSS};
	vcpu.rip = OLD_EIP;
	vcpu.rflags = IF | 2;
	memset(ram + OLD_TSS, 0xcc, 104);
}

static void prepare(enum vmexit_task_source source, bool old_32, bool new_32)
{
	memset(ram, 0, sizeof ram);
	memset(&vcpu, 0, sizeof vcpu);
	memset(&now, 0, sizeof now);
	vcpu.vm = &vm;
	absent = NO_FAULT;
	absent_for_write_only = device = false;
	pdptes_good = true;
	cr3_loads = 0;
	descriptor(CODE0, 0, 0xfffff, 0x9b, 0xc);
	descriptor(DATA0, 0, 0xfffff, 0x93, 0xc);
	descriptor(CODE3, 0, 0xfffff, 0xfb, 0xc);
	descriptor(DATA3, 0, 0xfffff, 0xf3, 0xc);
	descriptor(CONFORMING, 0, 0xfffff, 0x9f, 0xc);
	descriptor(EXECUTE_ONLY, 0, 0xfffff, 0x99, 0xc);
	descriptor(LDT_SEL, LDT, 0xf, 0x82, 0);
	descriptor(OLD_SEL, OLD_TSS, tss[old_32].bytes - 1, old_32 ? 0x8b : 0x83, 0);
	descriptor(NEW_SEL, NEW_TSS, tss[new_32].bytes - 1,
		   (new_32 ? 0x89 : 0x81) | (source == TASK_IRET ? 2 : 0), 0);
	make_new(new_32);
	make_old(old_32);
	now.gdtr.base = GDT;
	now.gdtr.limit = GDT_END - 1;
	now.regs[REG_CR0] = CR0_PG | 1;
	now.regs[REG_CR3] = 0x5000;
	now.regs[REG_DR7] = 0x7ff;
	exit_ = (struct vmexit){.reason = VMEXIT_TASK_SWITCH, .insn_length = INSN};
	exit_.task.selector = NEW_SEL;
	exit_.task.source = source;
}

static void run(void)
{
	assert_int_equal(task_switch(&vcpu, &exit_), 0);
}

static inline void nothing_raised(void)
{
	assert_int_equal(vcpu.event.kind, VMEVENT_NONE);
}

#endif
