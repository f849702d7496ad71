/* What a guest may write to CR0, CR4 and CR8, and what becomes of it: each rule at its edge. */
/* links: kernel/vmm/cr.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/vmm/cr.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/vlapic.h"

#define PE    BIT(0)
#define ET    BIT(4)
#define NW    BIT(29)
#define CD    BIT(30)
#define PG    BIT(31)
#define PAE   BIT(5)
#define PCIDE BIT(17)

static uint64_t regs[REG_COUNT], cr8;
static uint16_t cs_attributes;
static bool pdptes_valid = true;
static struct vcpu vcpu;

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
	(void)v;
	assert_int_equal(seg, SEG_CS);
	*out = (struct vcpu_segment){.attributes = cs_attributes};
}

bool gva_pdptes_valid(struct vcpu *v, uint64_t cr3)
{
	(void)v, (void)cr3;
	return pdptes_valid;
}

static const struct vmm_backend backend = {
	.get_reg = get_reg, .set_reg = set_reg, .get_segment = get_segment};
const struct vmm_backend *vmm_backend = &backend;

uint64_t features_cr4_mask(void)
{
	return 0x7ff | PCIDE;
}

void vlapic_set_cr8(struct vlapic *lapic, uint64_t value)
{
	(void)lapic;
	cr8 = value;
}

enum before { REAL, PROTECTED, LONG_ENABLED, PAE_OFF, LONG, COMPAT, LONG_PCID };

static void begin(enum before before)
{
	memset(regs, 0, sizeof regs);
	regs[REG_CR0] = before == REAL ? ET : PE | ET;
	regs[REG_CR4] = before == REAL || before == PAE_OFF ? 0 : PAE;
	if (before >= LONG_ENABLED)
		regs[REG_EFER] = EFER_LME;
	if (before >= LONG) {
		regs[REG_CR0] |= PG;
		regs[REG_EFER] |= EFER_LMA;
	}
	if (before == LONG_PCID)
		regs[REG_CR4] |= PCIDE;
	cs_attributes = before == LONG || before == LONG_PCID ? SEG_ATTR_LONG : SEG_ATTR_DB;
}

#define REFUSED UINT64_MAX

static void cr0(void **state)
{
	static const struct {
		enum before before;
		uint64_t value, becomes, efer;
	} cases[] = {
		{REAL, PE, PE | ET, 0},
		{REAL, 0, ET, 0},		    /* ET reads as one */
		{REAL, PE | 0xffaff00, PE | ET, 0}, /* undefined bits are ignored */
		{REAL, PE | BIT(32), REFUSED, 0},
		{REAL, PG, REFUSED, 0}, /* paging without protection */
		{REAL, CD | NW, CD | NW | ET, 0},
		{REAL, CD, CD | ET, 0},
		{REAL, NW, REFUSED, 0},
		{PROTECTED, PE | PG, PE | PG | ET, 0},
		{LONG_ENABLED, PE | PG, PE | PG | ET, EFER_LME | EFER_LMA},
		{PAE_OFF, PE | PG, REFUSED, EFER_LME},
		{LONG, PE | PG | BIT(16), PE | PG | ET | BIT(16), EFER_LME | EFER_LMA},
		{LONG, PE, REFUSED, EFER_LME | EFER_LMA}, /* from 64-bit code */
		{COMPAT, PE, PE | ET, EFER_LME},
		{LONG_PCID, PE, REFUSED, EFER_LME | EFER_LMA},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t old;

		begin(cases[i].before);
		old = regs[REG_CR0];
		assert_int_equal(cr_write(&vcpu, 0, cases[i].value),
				 cases[i].becomes == REFUSED ? -EPERM : 0);
		assert_int_equal(regs[REG_CR0],
				 cases[i].becomes == REFUSED ? old : cases[i].becomes);
		assert_int_equal(regs[REG_EFER], cases[i].efer);
	}
	/* Paging is switched on from code that CS.L says is 64-bit already: no. */
	begin(LONG_ENABLED);
	cs_attributes = SEG_ATTR_LONG;
	assert_int_equal(cr_write(&vcpu, 0, PE | PG), -EPERM);
	/* With PCIDE, also from compatibility mode. */
	begin(LONG_PCID);
	cs_attributes = SEG_ATTR_DB;
	assert_int_equal(cr_write(&vcpu, 0, PE), -EPERM);
}

static void cr4(void **state)
{
	(void)state;
	begin(PROTECTED);
	assert_int_equal(cr_write(&vcpu, 4, 0x7ff), 0);
	assert_int_equal(regs[REG_CR4], 0x7ff);
	assert_int_equal(cr_write(&vcpu, 4, BIT(11)), -EPERM);
	assert_int_equal(cr_write(&vcpu, 4, BIT(32)), -EPERM);
	assert_int_equal(cr_write(&vcpu, 4, PAE | PCIDE), -EPERM); /* outside IA-32e mode */
	assert_int_equal(regs[REG_CR4], 0x7ff);
	assert_int_equal(cr_write(&vcpu, 4, 0), 0);
	begin(LONG);
	assert_int_equal(cr_write(&vcpu, 4, 0x10), -EPERM); /* PAE goes under paging */
	regs[REG_CR3] = 0x1fff;
	assert_int_equal(cr_write(&vcpu, 4, PAE | PCIDE), -EPERM); /* a PCID that is not 0 */
	regs[REG_CR3] = 0x1001;
	assert_int_equal(cr_write(&vcpu, 4, PAE | PCIDE), -EPERM);
	regs[REG_CR3] = 0x1000;
	assert_int_equal(cr_write(&vcpu, 4, PAE | PCIDE), 0);
	regs[REG_CR3] = 0x1fff; /* once it is on, that is no matter */
	assert_int_equal(cr_write(&vcpu, 4, PAE | PCIDE | 0x10), 0);
	assert_int_equal(regs[REG_CR4], PAE | PCIDE | 0x10);
}

static void cr8_and_others(void **state)
{
	(void)state;
	assert_int_equal(cr_write(&vcpu, 8, 15), 0);
	assert_int_equal(cr8, 15);
	assert_int_equal(cr_write(&vcpu, 8, 16), -EPERM);
	assert_int_equal(cr8, 15);
	assert_int_equal(cr_write(&vcpu, 3, 0), -EPERM);
	assert_int_equal(cr_write(&vcpu, 1, 0), -EPERM);
}

/* Both writes load the page-directory-pointer-table entries of PAE paging, and only of that. */
static void entries_of_pae_paging(void **state)
{
	(void)state;
	pdptes_valid = false;
	begin(PROTECTED);
	assert_int_equal(cr_write(&vcpu, 0, PE | PG), -EPERM);
	assert_int_equal(regs[REG_CR0], PE | ET);
	assert_int_equal(cr_write(&vcpu, 4, PAE | 0x10), 0); /* paging is off */
	begin(PAE_OFF);
	regs[REG_EFER] = 0;
	regs[REG_CR0] |= PG;
	assert_int_equal(cr_write(&vcpu, 4, PAE), -EPERM);
	assert_int_equal(regs[REG_CR4], 0);
	assert_int_equal(cr_write(&vcpu, 4, 0x10), 0);
	begin(LONG_ENABLED);
	assert_int_equal(cr_write(&vcpu, 0, PE | PG), 0); /* four levels */
	pdptes_valid = true;
	begin(PROTECTED);
	assert_int_equal(cr_write(&vcpu, 0, PE | PG), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cr0),
		cmocka_unit_test(cr4),
		cmocka_unit_test(cr8_and_others),
		cmocka_unit_test(entries_of_pae_paging),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
