/*
 * Hardware task switches against the manual's rules (SDM vol. 3A 7.3, tables 7-1 and 7-2): what
 * each way of switching does to busy bits, NT, the link and both tasks' states, with TSSs of
 * either size on either side; each thing that can be wrong with the new task, and in whose
 * context its exception comes; page faults at every page that is touched.
 */
/* links: kernel/vmm/task_switch.c kernel/vmm/task_memory.c kernel/vmm/tss.c */
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

static uint32_t word(uint32_t at, unsigned bytes)
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

static void nothing_raised(void)
{
	assert_int_equal(vcpu.event.kind, VMEVENT_NONE);
}

/* ---- tests ---- */

static void check_old(bool is_32, uint32_t eip, uint32_t eflags)
{
	unsigned w = tss[is_32].width;

	assert_int_equal(word(OLD_TSS + tss[is_32].eip, w), eip);
	assert_int_equal(word(OLD_TSS + tss[is_32].eflags, w), eflags);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(word(OLD_TSS + tss[is_32].gpr + i * w, w),
				 is_32 ? OLD_GPR(i) : OLD_GPR(i) & 0xffff);
	for (unsigned i = 0; i < tss[is_32].segs; i++)
		assert_int_equal(word(OLD_TSS + tss[is_32].seg + i * w, 2), DATA3 + 8 * i);
	/* What is before the state, and behind it, is not written. */
	for (unsigned i = 0; i < tss[is_32].eip; i++)
		assert_int_equal(ram[OLD_TSS + i], 0xcc);
	for (unsigned i = tss[is_32].ldt; i < 104; i++)
		assert_int_equal(ram[OLD_TSS + i], 0xcc);
}

static void check_new(bool is_32, uint32_t eflags)
{
	assert_int_equal(vcpu.rip, NEW_EIP);
	assert_int_equal(vcpu.rflags, eflags);
	for (unsigned i = 0; i < 8; i++) {
		uint32_t value = i == RSP ? NEW_ESP : NEW_GPR(i);

		assert_int_equal(vcpu.regs[i], is_32 ? value : (value & 0xffff) | 0xffff0000);
	}
	for (unsigned i = 0; i < 6; i++) {
		uint16_t selector = i < tss[is_32].segs ? new_segs[i] : 0;

		assert_int_equal(now.segs[i].selector, selector);
		assert_int_equal(now.segs[i].attributes & 0x80, selector ? 0x80 : 0);
		if (selector)
			assert_int_equal(now.segs[i].limit, UINT32_MAX);
	}
	assert_int_equal(now.segs[SEG_CS].attributes, 0xc9b);
	assert_int_equal(now.segs[SEG_LDTR].base, LDT);
	assert_int_equal(now.segs[SEG_LDTR].attributes, 0x82);
	assert_int_equal(now.segs[SEG_TR].selector, NEW_SEL);
	assert_int_equal(now.segs[SEG_TR].attributes, is_32 ? 0x8b : 0x83);
	assert_int_equal(now.segs[SEG_TR].base, NEW_TSS);
	assert_int_equal(now.regs[REG_CR0], CR0_PG | 9);
	assert_int_equal(now.regs[REG_CR3], is_32 ? 0x9000 : 0x5000);
	assert_int_equal(now.regs[REG_DR7], 0x7ff & ~0x155);
}

/* Table 7-2. */
static void test_every_way(void **state)
{
	static const struct {
		enum vmexit_task_source source;
		bool old_busy, nests;
	} ways[] = {
		{TASK_JMP, false, false},
		{TASK_CALL, true, true},
		{TASK_GATE, true, true},
		{TASK_IRET, false, false},
	};

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(ways) * 4; n++) {
		unsigned i = n / 4;
		bool old_32 = n & 1, new_32 = n & 2, iret = ways[i].source == TASK_IRET;

		prepare(ways[i].source, old_32, new_32);
		if (iret)
			vcpu.rflags |= NT;
		run();
		nothing_raised();
		check_old(old_32, OLD_EIP + INSN, IF | 2);
		check_new(new_32, IF | 2 | (ways[i].nests ? NT : 0));
		assert_int_equal(access_byte(OLD_SEL) & 2, ways[i].old_busy ? 2 : 0);
		assert_int_equal(access_byte(NEW_SEL) & 2, 2);
		assert_int_equal(word(NEW_TSS, 2), ways[i].nests ? OLD_SEL : 0xbeef);
	}
}

/* An event's own task saves RIP as it is; its error code is on the stack, as wide as the TSS.
 */
static void test_events(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		prepare(TASK_GATE, true, i);
		exit_.insn_length = 0;
		raised(13, true, 0x12345678, 0);
		descriptor(BAD, 0, 0xffff, 0x93, 0); /* 16 bits of SP alone count */
		put(NEW_TSS + (i ? 0x50 : 0x26), BAD, 2);
		run();
		nothing_raised();
		check_old(true, OLD_EIP, IF | 2);
		assert_int_equal((uint16_t)vcpu.regs[RSP], STACK - (i ? 4 : 2));
		assert_int_equal(word(STACK - (i ? 4 : 2), i ? 4 : 2), i ? 0x12345678 : 0x5678);

		prepare(TASK_GATE, true, i);
		vcpu.event = (struct vmevent){.kind = VMEVENT_INTERRUPT, .vector = 0x30};
		run();
		nothing_raised();
		assert_int_equal((uint16_t)vcpu.regs[RSP], STACK);
	}
}

/* A stack with no room for the error code: #SS, after the event, in the new task. */
static void test_error_without_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		prepare(TASK_GATE, true, true);
		descriptor(BAD, 0, i ? 0x2003 : 0x2002, 0x93, 4);
		put(NEW_TSS + 0x48 + 4 * SEG_SS, BAD, 2);
		put(NEW_TSS + 0x28 + 4 * RSP, 0x2004, 4);
		raised(13, true, 7, 0);
		run();
		if (i) {
			nothing_raised();
			continue;
		}
		assert_int_equal(vcpu.event.vector, 12);
		assert_int_equal(vcpu.event.error, 1);
		assert_int_equal(vcpu.rip, NEW_EIP);
	}
	for (unsigned i = 0; i < 2; i++) { /* expands down: from behind the limit up */
		prepare(TASK_GATE, true, true);
		descriptor(BAD, 0, i ? 0x1fff : 0x2000, 0x97, 4);
		put(NEW_TSS + 0x48 + 4 * SEG_SS, BAD, 2);
		put(NEW_TSS + 0x28 + 4 * RSP, 0x2004, 4);
		raised(13, true, 7, 0);
		run();
		if (i)
			nothing_raised();
		else
			assert_int_equal(vcpu.event.vector, 12);
		assert_int_equal(word(0x2000, 4), i ? 7 : 0);
	}
}

/* Exceptions of the old task: nothing has changed. */
static void refused(unsigned vector, uint32_t error)
{
	static uint8_t before[RAM];
	struct vcpu_state state = now;

	memcpy(before, ram, RAM);
	run();
	assert_int_equal(vcpu.event.kind, VMEVENT_EXCEPTION);
	assert_int_equal(vcpu.event.vector, vector);
	assert_int_equal(vcpu.event.error, error);
	assert_int_equal(vcpu.rip, OLD_EIP);
	assert_memory_equal(before, ram, RAM);
	assert_memory_equal(&state, &now, sizeof now);
}

static void test_bad_tss(void **state)
{
	static const enum vmexit_task_source sources[] = {TASK_JMP, TASK_CALL, TASK_GATE,
							  TASK_IRET};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
		bool iret = sources[i] == TASK_IRET;
		unsigned fault = iret ? 10 : 13, busy = iret ? 2 : 0;
		unsigned ext = sources[i] == TASK_GATE;
		static const uint16_t selectors[] = {0, 3, NEW_SEL | 4, GDT_END, 0xfff8};

		for (unsigned s = 0; s < ARRAY_SIZE(selectors); s++) {
			prepare(sources[i], true, true);
			exit_.task.selector = selectors[s];
			if (ext)
				vcpu.event = (struct vmevent){.kind = VMEVENT_INTERRUPT};
			refused(fault, (selectors[s] & ~3u) | ext);
		}
		for (unsigned type = 0; type < 32; type++) { /* S is bit 4 */
			prepare(sources[i], true, type & 8);
			descriptor(NEW_SEL, NEW_TSS, 103, 0x80 | type, 0);
			if (type == (9 | busy) || type == (1 | busy)) {
				run();
				nothing_raised();
			} else {
				refused(fault, NEW_SEL);
			}
		}
		prepare(sources[i], true, true);
		descriptor(NEW_SEL, NEW_TSS, 103, 0x09 | busy, 0);
		refused(11, NEW_SEL);
		for (unsigned is_32 = 0; is_32 < 2; is_32++) {
			prepare(sources[i], true, is_32);
			descriptor(NEW_SEL, NEW_TSS, tss[is_32].bytes - 2,
				   (is_32 ? 0x89 : 0x81) | busy, 0);
			refused(10, NEW_SEL);
		}
	}
	prepare(TASK_JMP, true, true); /* the last selector that the GDT has */
	now.gdtr.limit = NEW_SEL + 7;
	run();
	nothing_raised();
	prepare(TASK_JMP, true, true);
	now.gdtr.limit = NEW_SEL + 6;
	refused(13, NEW_SEL);
	prepare(TASK_JMP, true, true);
	now.segs[SEG_TR].limit = 102;
	refused(10, OLD_SEL);
}

/* A page that is not there is noticed before anything is written. */
static void test_page_faults(void **state)
{
	static const struct {
		uint32_t at;
		bool write_only;
		uint32_t error;
	} pages[] = {
		{GDT, false, 0},       {NEW_TSS, false, PF_WRITE}, {NEW_TSS + 0x20, false, 0},
		{GDT, true, PF_WRITE}, {OLD_TSS, true, PF_WRITE},  {NEW_TSS, true, PF_WRITE}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		prepare(TASK_CALL, true, true);
		absent = pages[i].at / PAGE_BYTES;
		absent_for_write_only = pages[i].write_only;
		refused(14, pages[i].error);
		assert_int_equal(vcpu.event.cr2 / PAGE_BYTES, absent);
	}
	prepare(TASK_GATE, true, true); /* but the stack's, which is the new task's */
	raised(13, true, 0, 0);
	absent = (STACK - 4) / PAGE_BYTES;
	run();
	assert_int_equal(vcpu.event.vector, 14);
	assert_int_equal(vcpu.event.cr2, STACK - 4);
	assert_int_equal(vcpu.rip, NEW_EIP);
	prepare(TASK_JMP, true, true);
	device = true;
	assert_int_equal(task_switch(&vcpu, &exit_), -ENOTSUP);
}

/* Table 7-1 from the LDT on: each with its exception, in the new task. */
static void test_bad_segments(void **state)
{
	enum { LDTR = 6 };
	static const struct {
		unsigned seg, selector, access, vector;
	} cases[] = {
		{LDTR, BAD, 0x02, 10},	   /* not present */
		{LDTR, BAD, 0x92, 10},	   /* data */
		{LDTR, BAD, 0x89, 10},	   /* a TSS */
		{LDTR, BAD | 4, 0x82, 10}, /* in an LDT */
		{LDTR, GDT_END, 0, 10},	    {SEG_CS, 0, 0, 10},
		{SEG_CS, 3, 0, 10},	    {SEG_CS, GDT_END, 0, 10},
		{SEG_CS, BAD, 0x93, 10},			       /* data */
		{SEG_CS, BAD, 0x8c, 10},			       /* a gate */
		{SEG_CS, BAD, 0x1b, 11},    {SEG_CS, CODE3, 0xfb, 10}, /* RPL 0, DPL 3 */
		{SEG_CS, BAD, 0xff, 10},    /* conforming, DPL above RPL */
		{SEG_CS, CODE0 | 3, 0, 10}, /* RPL 3, DPL 0 */
		{SEG_SS, 0, 0, 10},	    {SEG_SS, GDT_END, 0, 10},
		{SEG_SS, BAD, 0x91, 10},    /* not writable */
		{SEG_SS, BAD, 0x9b, 10},    /* code */
		{SEG_SS, BAD, 0xf3, 10},    /* DPL 3 */
		{SEG_SS, DATA0 | 3, 0, 10}, /* RPL 3 */
		{SEG_SS, BAD, 0x13, 12},    {SEG_DS, GDT_END, 0, 10},
		{SEG_DS, BAD, 0x82, 10},    {SEG_DS, EXECUTE_ONLY, 0, 10},
		{SEG_DS, DATA0 | 3, 0, 10}, /* RPL above DPL */
		{SEG_ES, BAD, 0x13, 11},    {SEG_FS, BAD, 0x13, 11},
		{SEG_GS, BAD, 0x13, 11},    {SEG_GS, 0xc, 0, 10}, /* in the LDT, empty */
		{SEG_GS, 0x14, 0, 10},				  /* beyond it */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned at = cases[i].seg == LDTR ? 0x60 : 0x48 + 4 * cases[i].seg;

		prepare(TASK_CALL, true, true);
		if (cases[i].selector / 8 == BAD / 8)
			descriptor(BAD, LDT, 0xf, cases[i].access, 0);
		put(NEW_TSS + at, cases[i].selector, 2);
		run();
		assert_int_equal(vcpu.event.vector, cases[i].vector);
		assert_int_equal(vcpu.event.error, cases[i].selector & ~3u);
		assert_int_equal(vcpu.rip, NEW_EIP);
		assert_int_equal(now.segs[SEG_TR].selector, NEW_SEL);
		/* What the CPU insists on to enter at all (SDM vol. 3C 26.3.1.2). */
		assert_int_equal(now.segs[SEG_CS].attributes & 0x99, 0x99);
		assert_int_equal(now.segs[SEG_CS].attributes >> 5 & 3,
				 now.segs[SEG_SS].attributes >> 5 & 3);
	}
}

static void test_good_segments(void **state)
{
	(void)state;
	prepare(TASK_JMP, true, true); /* privilege 3, what is conforming, and accessed bits */
	descriptor(CODE3, 0, 0xfffff, 0xfa, 0xc);
	descriptor(DATA3, 0, 0xfffff, 0xf2, 0xc);
	put(NEW_TSS + 0x48 + 4 * SEG_CS, CODE3 | 3, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_SS, DATA3 | 3, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_DS, CONFORMING | 3, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_ES, 0, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_FS, 3, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_GS, DATA3, 2);
	put(NEW_TSS + 0x60, 0, 2);
	run();
	nothing_raised();
	assert_int_equal(access_byte(CODE3), 0xfb);
	assert_int_equal(access_byte(DATA3), 0xf3);
	assert_int_equal(now.segs[SEG_CS].attributes, 0xcfb);
	assert_int_equal(now.segs[SEG_SS].attributes, 0xcf3);
	assert_int_equal(now.segs[SEG_LDTR].attributes, 0);
	prepare(TASK_JMP, true, true);
	put(NEW_TSS + 0x48 + 4 * SEG_CS, CONFORMING | 3, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_SS, DATA3 | 3, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_DS, DATA3, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_ES, DATA3, 2);
	put(NEW_TSS + 0x48 + 4 * SEG_FS, DATA3, 2);
	run();
	nothing_raised();
	/* EIP is checked last. */
	prepare(TASK_JMP, true, true);
	descriptor(BAD, 0, NEW_EIP - 1, 0x9b, 4);
	put(NEW_TSS + 0x48 + 4 * SEG_CS, BAD, 2);
	run();
	assert_int_equal(vcpu.event.vector, 13);
	assert_int_equal(vcpu.event.error, 0);
	prepare(TASK_JMP, true, true);
	descriptor(BAD, 0, NEW_EIP, 0x9b, 4);
	put(NEW_TSS + 0x48 + 4 * SEG_CS, BAD, 2);
	run();
	nothing_raised();
}

static void test_virtual_8086(void **state)
{
	(void)state;
	prepare(TASK_IRET, true, true);
	vcpu.rflags |= NT;
	put(NEW_TSS + 0x24, VM86 | 2, 4);
	for (unsigned i = 0; i < 6; i++)
		put(NEW_TSS + 0x48 + 4 * i, 0x1000 + i, 2);
	run();
	nothing_raised();
	assert_int_equal(vcpu.rflags, VM86 | 2);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(now.segs[i].base, (0x1000 + i) << 4);
		assert_int_equal(now.segs[i].attributes, 0xf3);
		assert_int_equal(now.segs[i].limit, 0xffff);
	}
}

/* EFLAGS have only the bits that exist, whatever the TSS says. */
static void test_flags(void **state)
{
	(void)state;
	prepare(TASK_JMP, true, true);
	put(NEW_TSS + 0x24, ~VM86, 4);
	run();
	assert_int_equal(vcpu.rflags, 0x003d7fd7);
}

static void test_debug_trap(void **state)
{
	(void)state;
	prepare(TASK_JMP, true, true);
	put(NEW_TSS + 0x64, 1, 2);
	run();
	assert_int_equal(vcpu.event.vector, 1);
	assert_false(vcpu.event.has_error);
	assert_int_equal(now.regs[REG_DR6], 1 << 15);
	assert_int_equal(vcpu.rip, NEW_EIP);
}

static void test_cr3(void **state)
{
	(void)state;
	prepare(TASK_JMP, true, true); /* the same again: nothing is flushed */
	put(NEW_TSS + 28, 0x5000, 4);
	run();
	assert_int_equal(cr3_loads, 0);
	prepare(TASK_JMP, true, true); /* no paging */
	now.regs[REG_CR0] = 1;
	run();
	assert_int_equal(cr3_loads, 0);
	prepare(TASK_JMP, true, true);
	pdptes_good = false;
	run();
	nothing_raised();
	prepare(TASK_JMP, true, true);
	pdptes_good = false;
	now.regs[REG_CR4] = 1 << 5; /* PAE */
	run();
	assert_int_equal(vcpu.event.vector, 13);
	assert_int_equal(cr3_loads, 0);
	assert_int_equal(vcpu.rip, NEW_EIP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_way),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_error_without_room),
		cmocka_unit_test(test_bad_tss),
		cmocka_unit_test(test_page_faults),
		cmocka_unit_test(test_bad_segments),
		cmocka_unit_test(test_good_segments),
		cmocka_unit_test(test_virtual_8086),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_debug_trap),
		cmocka_unit_test(test_cr3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
