/*
 * What can be wrong with the new task of a hardware task switch (SDM vol. 3A 7.3, table 7-1):
 * each thing with its exception, and in whose context that comes; page faults at every page
 * that is touched; and segments that are right.
 */
/* links: kernel/vmm/task_switch.c kernel/vmm/task_memory.c kernel/vmm/tss.c */
/* links: kernel/vmm/descriptor.c */
#include "tests/unit/task_switch_machine.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_tss),
		cmocka_unit_test(test_page_faults),
		cmocka_unit_test(test_bad_segments),
		cmocka_unit_test(test_good_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
