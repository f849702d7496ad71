/*
 * Hardware task switches against the manual's rules (SDM vol. 3A 7.3, table 7-2): what each way
 * of switching does to busy bits, NT, the link and both tasks' states, with TSSs of either size
 * on either side; events on the way, flags, CR3, T. What can be wrong with the new task is
 * test_task_switch_faults.c's.
 */
/* links: kernel/vmm/task_switch.c kernel/vmm/task_memory.c kernel/vmm/tss.c */
/* links: kernel/vmm/descriptor.c */
#include "tests/unit/task_switch_machine.h"

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
		cmocka_unit_test(test_virtual_8086),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_debug_trap),
		cmocka_unit_test(test_cr3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
