/*
 * Segment registers, LDTR and TR that are loaded for a guest: which selectors the CPU would
 * have taken, in which mode, and what it raises for the others. The last good one and the first
 * bad.
 */
/* links: kernel/vmm/insn_segment.c kernel/vmm/descriptor.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/descriptor.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/insn_internal.h"
#include "kernel/vmm/vm.h"

#define RAM	0x4000u
#define GDT	0x1000u
#define LDT	0x2000u
#define HIGH	0xffff800000000000ull /* what a long descriptor may add to a base */
#define NO_PAGE UINT64_MAX

/* Of the GDT. Those of the system have two words more in IA-32e mode. */
enum {
	CODE = 0x08,
	DATA0 = 0x10,
	DATA3 = 0x18,
	CONFORMING = 0x20,
	EXECUTE_ONLY = 0x28,
	ABSENT = 0x30,
	READ_ONLY = 0x38,
	UNTOUCHED = 0x40,
	LDT_AT = 0x50,
	TSS_AT = 0x60,
	LAST = 0x70,
	BYTES = 0x80,
};

struct cpu_features cpu_features;

static uint8_t ram[RAM];
static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_segment segs[SEG_COUNT];
static unsigned loads, level;
static uint64_t efer, absent_page, gdt_base;
static uint16_t gdt_limit;
static bool device, gone, read_only; /* gone: between the read and the write */
static struct emulation em = {.vcpu = &vcpu};
static struct emul_ctx ctx;

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	assert_int_equal(reg, REG_EFER);
	return efer;
}

static void get_segment(struct vcpu *v, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)v;
	*out = segs[seg];
}

static void set_segment(struct vcpu *v, enum vcpu_seg seg, const struct vcpu_segment *in)
{
	(void)v;
	segs[seg] = *in;
	loads++;
}

static void get_state(struct vcpu *v, struct vcpu_state *out)
{
	(void)v;
	*out = (struct vcpu_state){.gdtr = {gdt_base, gdt_limit}};
}

static unsigned cpl(struct vcpu *v)
{
	(void)v;
	return level;
}

static const struct vmm_backend backend = {.get_reg = get_reg,
					   .get_segment = get_segment,
					   .set_segment = set_segment,
					   .get_state = get_state,
					   .cpl = cpl};
const struct vmm_backend *vmm_backend = &backend;

int gva_translate(struct vcpu *v, uint64_t gva, unsigned access, uint64_t *gpa, uint32_t *error)
{
	(void)v;
	assert_true(access & GVA_SYSTEM); /* whatever the level is */
	*gpa = gva;
	*error = access & GVA_WRITE ? PF_WRITE : 0;
	return gva / PAGE_BYTES == absent_page || (read_only && access & GVA_WRITE) ? -EFAULT
										    : 0;
}

int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	(void)gm;
	if (device || gpa >= RAM || bytes > RAM - gpa)
		return -EFAULT;
	memcpy(buf, ram + gpa, bytes);
	return 0;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm;
	if (gone || gpa >= RAM || bytes > RAM - gpa)
		return -EFAULT;
	memcpy(ram + gpa, buf, bytes);
	return 0;
}

static void put(uint32_t at, uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
	uint64_t value = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
			 (uint64_t)access << 40 | (uint64_t)(limit >> 16 & 0xf) << 48 |
			 (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;

	memcpy(ram + at, &value, sizeof value);
}

static void put_high(uint32_t at, uint64_t high)
{
	memcpy(ram + at + 8, &high, sizeof high);
}

static uint8_t access_byte(uint32_t at)
{
	return ram[at + 5];
}

/* In 64-bit mode, at level 0. */
static int setup(void **state)
{
	(void)state;
	memset(ram, 0, sizeof ram);
	put(GDT + CODE, 0, 0xfffff, 0x9b, 0xa);
	put(GDT + DATA0, 0, 0xfffff, 0x93, 0xc);
	put(GDT + DATA3, 0x12345678, 0x54321, 0xf3, 0x4);
	put(GDT + CONFORMING, 0, 0xfffff, 0x9f, 0xa);
	put(GDT + EXECUTE_ONLY, 0, 0xfffff, 0x99, 0xa);
	put(GDT + ABSENT, 0, 0xfffff, 0x13, 0xc);
	put(GDT + READ_ONLY, 0, 0xfffff, 0x91, 0xc);
	put(GDT + UNTOUCHED, 0, 0xfffff, 0x92, 0xc);
	put(GDT + LDT_AT, LDT, 0xf, 0x82, 0);
	put_high(GDT + LDT_AT, HIGH >> 32);
	put(GDT + TSS_AT, 0x3000, 0x67, 0x89, 0);
	put_high(GDT + TSS_AT, HIGH >> 32);
	put(LDT + 8, 0, 0xfffff, 0x93, 0xc);
	vcpu.vm = &vm;
	memset(segs, 0, sizeof segs);
	segs[SEG_FS].base = 0x7000;
	segs[SEG_LDTR] = (struct vcpu_segment){LDT_AT, 0x82, 0xf, LDT};
	level = loads = 0;
	efer = EFER_LME | EFER_LMA;
	absent_page = NO_PAGE;
	gdt_base = GDT;
	gdt_limit = BYTES - 1;
	device = gone = read_only = false;
	cpu_features.vendor = CPU_VENDOR_INTEL;
	ctx = (struct emul_ctx){.mode = EMUL_MODE_64, .protected_mode = true, .opaque = &em};
	return 0;
}

static void takes(unsigned which, uint16_t selector)
{
	unsigned before = loads;

	assert_int_equal(insn_load_selector(&ctx, which, selector), 0);
	assert_int_equal(loads, before + 1);
	assert_int_equal(segs[which].selector, selector);
}

static void refuses(unsigned which, uint16_t selector, unsigned vector, uint32_t error)
{
	unsigned before = loads;

	ctx.fault = (struct emul_fault){0};
	assert_int_equal(insn_load_selector(&ctx, which, selector), -EFAULT);
	assert_int_equal(ctx.fault.vector, vector);
	assert_int_equal(ctx.fault.has_error, vector != VECTOR_UD);
	assert_int_equal(ctx.fault.error, error);
	assert_int_equal(loads, before);
}

static void data_segments_by_level(void **state)
{
	(void)state;
	for (level = 0; level <= 3; level++)
		for (unsigned rpl = 0; rpl <= 3; rpl++) {
			takes(EMUL_ES, DATA3 | rpl);
			takes(EMUL_GS, CONFORMING | rpl);
			if (level || rpl)
				refuses(EMUL_DS, DATA0 | rpl, VECTOR_GP, DATA0);
			else
				takes(EMUL_DS, DATA0);
		}
}

static void what_a_descriptor_says(void **state)
{
	(void)state;
	takes(EMUL_FS, DATA3);
	assert_int_equal(segs[SEG_FS].base, 0x12345678);
	assert_int_equal(segs[SEG_FS].limit, 0x54321);
	assert_int_equal(segs[SEG_FS].attributes, 0x4f3);
	takes(EMUL_FS, DATA0);
	assert_int_equal(segs[SEG_FS].limit, UINT32_MAX);
	takes(EMUL_FS, READ_ONLY);
	takes(EMUL_FS, CODE);
	refuses(EMUL_FS, EXECUTE_ONLY, VECTOR_GP, EXECUTE_ONLY);
	refuses(EMUL_FS, LDT_AT, VECTOR_GP, LDT_AT);
	refuses(EMUL_FS, ABSENT, VECTOR_NP, ABSENT);
}

static void tables_end(void **state)
{
	(void)state;
	gdt_limit = DATA3 + 7;
	takes(EMUL_FS, DATA3);
	gdt_limit--;
	refuses(EMUL_FS, DATA3, VECTOR_GP, DATA3);
	takes(EMUL_FS, 8 | SELECTOR_TI);
	refuses(EMUL_FS, SELECTOR_TI, VECTOR_GP, SELECTOR_TI); /* it is no null selector */
	segs[SEG_LDTR].limit = 0xe;
	refuses(EMUL_FS, 8 | SELECTOR_TI, VECTOR_GP, 8 | SELECTOR_TI);
	segs[SEG_LDTR].limit = 0xf;
	segs[SEG_LDTR].attributes = 0;
	refuses(EMUL_FS, 8 | SELECTOR_TI, VECTOR_GP, 8 | SELECTOR_TI);
}

/* Memory is asked for, which there is none of here, up to the last canonical byte. */
static void tables_reach_addresses_that_are_none(void **state)
{
	(void)state;
	gdt_base = BIT(47) - DATA3;
	assert_int_equal(insn_load_selector(&ctx, EMUL_ES, DATA0), -ENOTSUP);
	refuses(EMUL_ES, DATA3, VECTOR_GP, DATA3);
	gdt_base++;
	refuses(EMUL_ES, DATA0, VECTOR_GP, DATA0);
	gdt_base = BIT(47) - TSS_AT;
	assert_int_equal(insn_load_selector(&ctx, EMUL_LDTR, LDT_AT), -ENOTSUP);
	gdt_base += 8; /* its second half */
	refuses(EMUL_LDTR, LDT_AT, VECTOR_GP, LDT_AT);
	gdt_base = HIGH - DATA3; /* from below */
	refuses(EMUL_ES, DATA0, VECTOR_GP, DATA0);
	assert_int_equal(insn_load_selector(&ctx, EMUL_ES, DATA3), -ENOTSUP);
	segs[SEG_LDTR].base = BIT(47) - 8;
	assert_int_equal(insn_load_selector(&ctx, EMUL_ES, SELECTOR_TI), -ENOTSUP);
	refuses(EMUL_ES, 8 | SELECTOR_TI, VECTOR_GP, 8 | SELECTOR_TI);
}

static void segments_are_marked_accessed(void **state)
{
	(void)state;
	takes(EMUL_ES, UNTOUCHED);
	assert_int_equal(access_byte(GDT + UNTOUCHED), 0x93);
	assert_int_equal(segs[SEG_ES].attributes & 0xff, 0x93);
}

static void tables_that_are_not_there(void **state)
{
	(void)state;
	absent_page = GDT / PAGE_BYTES;
	refuses(EMUL_ES, DATA0, VECTOR_PF, 0);
	assert_int_equal(ctx.fault.address, GDT + DATA0);
	absent_page = NO_PAGE;
	device = true;
	assert_int_equal(insn_load_selector(&ctx, EMUL_ES, DATA0), -ENOTSUP);
	device = false;
	gone = true;
	assert_int_equal(insn_load_selector(&ctx, EMUL_ES, UNTOUCHED), -ENOTSUP);
	assert_int_equal(loads, 0);
}

static void null_segments(void **state)
{
	(void)state;
	for (unsigned rpl = 0; rpl <= 3; rpl++) {
		segs[SEG_FS].base = 0x7000;
		takes(EMUL_FS, rpl);
		assert_int_equal(segs[SEG_FS].attributes, 0);
		assert_int_equal(segs[SEG_FS].base, 0);
	}
	cpu_features.vendor = CPU_VENDOR_AMD;
	segs[SEG_FS].base = 0x7000;
	takes(EMUL_FS, 0);
	assert_int_equal(segs[SEG_FS].base, 0x7000);
	takes(EMUL_LDTR, 0);
	assert_int_equal(segs[SEG_LDTR].attributes, 0);
	assert_int_equal(segs[SEG_LDTR].base, 0);
	refuses(EMUL_TR, 3, VECTOR_GP, 0);
}

static void by_value_where_nothing_is_protected(void **state)
{
	(void)state;
	segs[SEG_DS] = (struct vcpu_segment){0, 0xc93, UINT32_MAX, 0};
	efer = 0;
	ctx.mode = EMUL_MODE_16;
	ctx.protected_mode = false;
	takes(EMUL_DS, 0xb800);
	assert_int_equal(segs[SEG_DS].base, 0xb8000);
	assert_int_equal(segs[SEG_DS].limit, UINT32_MAX);
	assert_int_equal(segs[SEG_DS].attributes, 0xc93);
	refuses(EMUL_LDTR, LDT_AT, VECTOR_UD, 0);
	ctx.protected_mode = true;
	ctx.rflags = RFLAGS_VM;
	level = 3;
	takes(EMUL_DS, 0x1234);
	assert_int_equal(segs[SEG_DS].base, 0x12340);
	assert_int_equal(segs[SEG_DS].limit, 0xffff);
	assert_int_equal(segs[SEG_DS].attributes, 0xf3);
	refuses(EMUL_TR, TSS_AT, VECTOR_UD, 0);
}

static void stack_segments_are_not(void **state)
{
	(void)state;
	assert_int_equal(insn_load_selector(&ctx, EMUL_SS, DATA0), -ENOTSUP);
}

static void system_segments_of_long_mode(void **state)
{
	(void)state;
	takes(EMUL_LDTR, LDT_AT);
	assert_true(segs[SEG_LDTR].base == (HIGH | LDT));
	assert_int_equal(segs[SEG_LDTR].limit, 0xf);
	assert_int_equal(segs[SEG_LDTR].attributes, 0x82);
	takes(EMUL_TR, TSS_AT | 3);
	assert_true(segs[SEG_TR].base == (HIGH | 0x3000));
	assert_int_equal(segs[SEG_TR].attributes, 0x8b);
	assert_int_equal(access_byte(GDT + TSS_AT), 0x8b);
	refuses(EMUL_TR, TSS_AT, VECTOR_GP, TSS_AT); /* busy */
	ram[GDT + TSS_AT + 5] = 0x89;
	level = 1;
	refuses(EMUL_TR, TSS_AT, VECTOR_GP, 0);
	refuses(EMUL_LDTR, LDT_AT, VECTOR_GP, 0);
	refuses(EMUL_LDTR, 0, VECTOR_GP, 0);
}

static void system_segments_that_are_none(void **state)
{
	static const uint64_t bad[] = {HIGH >> 32 | BIT(40), HIGH >> 32 | BIT(44), 0x8000};

	(void)state;
	refuses(EMUL_TR, LDT_AT, VECTOR_GP, LDT_AT);
	refuses(EMUL_LDTR, TSS_AT, VECTOR_GP, TSS_AT);
	refuses(EMUL_LDTR, DATA0, VECTOR_GP, DATA0);
	refuses(EMUL_LDTR, LDT_AT | SELECTOR_TI, VECTOR_GP, LDT_AT | SELECTOR_TI);
	refuses(EMUL_TR, TSS_AT | SELECTOR_TI, VECTOR_GP, TSS_AT | SELECTOR_TI);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		put_high(GDT + TSS_AT, bad[i]);
		refuses(EMUL_TR, TSS_AT, VECTOR_GP, TSS_AT);
	}
	put_high(GDT + TSS_AT, HIGH >> 32 | BIT(45)); /* not of the type */
	gdt_limit = TSS_AT + 14;
	refuses(EMUL_TR, TSS_AT, VECTOR_GP, TSS_AT);
	gdt_limit++;
	takes(EMUL_TR, TSS_AT);
	put(GDT + TSS_AT, 0x3000, 0x67, 0x81, 0);
	refuses(EMUL_TR, TSS_AT, VECTOR_GP, TSS_AT); /* of 16 bits */
	put(GDT + TSS_AT, 0x3000, 0x67, 0x09, 0);
	refuses(EMUL_TR, TSS_AT, VECTOR_NP, TSS_AT);
	put(GDT + LDT_AT, LDT, 0xf, 0x02, 0);
	refuses(EMUL_LDTR, LDT_AT, VECTOR_NP, LDT_AT);
}

/* Descriptors are of 8 bytes, and what follows is the next one. */
static void system_segments_of_legacy_mode(void **state)
{
	(void)state;
	efer = 0;
	ctx.mode = EMUL_MODE_32;
	put_high(GDT + TSS_AT, UINT64_MAX);
	gdt_limit = TSS_AT + 7;
	takes(EMUL_TR, TSS_AT);
	assert_int_equal(segs[SEG_TR].base, 0x3000);
	put(GDT + TSS_AT, 0x3000, 0x2b, 0x81, 0);
	takes(EMUL_TR, TSS_AT);
	assert_int_equal(segs[SEG_TR].attributes, 0x83);
	gdt_limit--;
	refuses(EMUL_TR, TSS_AT, VECTOR_GP, TSS_AT);
	takes(EMUL_LDTR, LDT_AT);
	assert_int_equal(segs[SEG_LDTR].base, LDT);

	gdt_base = 0xfffff000; /* and addresses wrap */
	gdt_limit = 0x2fff;
	takes(EMUL_ES, 0x2000 + DATA3);
	assert_int_equal(segs[SEG_ES].base, 0x12345678);
}

static void descriptors_that_cannot_be_marked(void **state)
{
	(void)state;
	read_only = true;
	takes(EMUL_ES, DATA0); /* it is marked already */
	refuses(EMUL_ES, UNTOUCHED, VECTOR_PF, PF_WRITE);
	assert_int_equal(ctx.fault.address, GDT + UNTOUCHED + 5);
	refuses(EMUL_TR, TSS_AT, VECTOR_PF, PF_WRITE);
	takes(EMUL_LDTR, LDT_AT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(data_segments_by_level, setup),
		cmocka_unit_test_setup(what_a_descriptor_says, setup),
		cmocka_unit_test_setup(tables_end, setup),
		cmocka_unit_test_setup(tables_reach_addresses_that_are_none, setup),
		cmocka_unit_test_setup(segments_are_marked_accessed, setup),
		cmocka_unit_test_setup(tables_that_are_not_there, setup),
		cmocka_unit_test_setup(null_segments, setup),
		cmocka_unit_test_setup(by_value_where_nothing_is_protected, setup),
		cmocka_unit_test_setup(stack_segments_are_not, setup),
		cmocka_unit_test_setup(system_segments_of_long_mode, setup),
		cmocka_unit_test_setup(system_segments_that_are_none, setup),
		cmocka_unit_test_setup(system_segments_of_legacy_mode, setup),
		cmocka_unit_test_setup(descriptors_that_cannot_be_marked, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
