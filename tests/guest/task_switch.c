/*
 * Hardware task switches, as a 32-bit guest makes them (SDM vol. 3A chapter 7): CALL, JMP, IRET
 * and task gates, to TSSs of 16 and 32 bits; what each leaves in both TSSs, the descriptors and
 * the flags; and exceptions on the way, which must come in the right task. An SVM CPU runs them
 * itself; on VMX each exits. The program leaves 64-bit mode for each case, and judges it there
 * again.
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"
#include "tests/guest/task_switch/tasks.h"

extern uint64_t page_directories[], page_map[];
static struct tss16 new_tss_16;
static uint64_t window_directory[512] __attribute__((aligned(4096)));
static volatile uint32_t marker = 0xfeed5eed;

static uint64_t descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
	       (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)flags << 52 |
	       (uint64_t)(base >> 24) << 56;
}

static uint32_t address(const volatile void *of)
{
	return (uint32_t)(uintptr_t)of;
}

static void set(unsigned selector, uint64_t value)
{
	task_gdt[selector / 8] = value;
}

static void task_gate(unsigned vector, unsigned selector)
{
	task_idt[vector] = (uint64_t)selector << 16 | 0x85ull << 40;
}

static void make_task(struct tss32 *tss, const void *eip, uint8_t *stack)
{
	*tss = (struct tss32){.eip = address(eip), .eflags = FLAGS, .iomap = 104};
	for (unsigned i = 0; i < 6; i++)
		tss->seg[i] = i == 1 ? CODE : DATA;
	for (unsigned i = 0; i < 8; i++)
		tss->gpr[i] = 0x5a5a0000 + i;
	tss->gpr[4] = address(stack) + 4096;
	tss->cr3 = address(pdpt[tss == &new_tss]);
}

static void make_tables(void)
{
	uint32_t code = address(task_new);

	set(CODE64, 0x00af9b000000ffff);
	set(DATA, descriptor(0, 0xfffff, 0x93, 0xc));
	set(CODE, descriptor(0, 0xfffff, 0x9b, 0xc));
	set(CODE_B, descriptor(code, 0xffff, 0x9a, 0x4)); /* to be marked as accessed */
	set(STACK_16, descriptor(address(stack_new), 0xffff, 0x93, 0));
	set(MAIN, descriptor(address(&main_tss), 103, 0x89, 0));
	set(NEW, descriptor(address(&new_tss), 103, 0x89, 0));
	set(FAULT, descriptor(address(&fault_tss), 103, 0x89, 0));
	set(LDT, descriptor(address(task_ldt), 15, 0x82, 0));
	set(BAD, 0);
	task_ldt[1] = descriptor(0, 0xfffff, 0x93, 0xc);
	for (unsigned i = 0; i < 256; i++)
		task_idt[i] = 0;
	for (unsigned i = 8; i <= 13; i++)
		if (i != 9)
			task_gate(i, FAULT);
	task_gate(INT_GATE, NEW);
	task_gdtr.limit = sizeof(task_gdt) - 1;
	task_gdtr.base = (uintptr_t)task_gdt;
	task_idtr.limit = sizeof(task_idt) - 1;
	task_idtr.base = (uintptr_t)task_idt;
}

/* The library's page directories, but for NEW, which sees memory from 0 on in the window. */
static void make_page_tables(void)
{
	for (unsigned i = 0; i < 512; i++)
		window_directory[i] = i * 0x200000ull | 0x83;
	for (unsigned i = 0; i < 4; i++)
		pdpt[0][i] = pdpt[1][i] = address(page_directories + 512 * i) | 1;
	pdpt[1][WINDOW >> 30] = address(window_directory) | 1;
	marker_address = address(&marker);
}

static void prepare(void)
{
	make_tables();
	make_page_tables();
	main_tss = (struct tss32){.cr3 = address(pdpt[0]), .iomap = 104};
	make_task(&new_tss, task_new, stack_new);
	make_task(&fault_tss, task_fault, stack_fault);
	seen = (struct task_seen){0};
	fault = (struct fault_seen){0};
	back_by_jump = paging = main_kept = 0;
	fault_has_error = 1;
	skip_bytes = 7; /* of the far CALL */
}

static void run(const char *what)
{
	in_legacy_mode((void (*)(void))(uintptr_t)what);
}

static unsigned access_of(unsigned selector)
{
	return task_gdt[selector / 8] >> 40 & 0xff;
}

static void expect(const char *name, const char *what, uint64_t value, uint64_t wanted)
{
	if (value != wanted)
		check(false, name, "%s is 0x%lx, not 0x%lx", what, value, wanted);
}

/* NEW was reached once, in the right state, and MAIN came back to with all of its own. */
static void expect_switch(const char *name, bool nests, uint32_t eip)
{
	expect(name, "times", seen.count, 1);
	expect(name, "faults", fault.count, 0);
	expect(name, "MAIN's TR and registers", main_kept, MAIN);
	expect(name, "flags", seen.eflags, nests ? FLAGS | NT : FLAGS);
	expect(name, "TR", seen.tr, NEW);
	expect(name, "CR0.TS", seen.cr0 & CR0_TS, CR0_TS);
	expect(name, "MAIN's descriptor meanwhile", seen.main_access, nests ? 0x8b : 0x89);
	expect(name, "NEW's descriptor afterwards", access_of(NEW) & 2, 0);
	expect(name, "MAIN's descriptor afterwards", access_of(MAIN), 0x8b);
	expect(name, "saved EIP", main_tss.eip, eip);
	expect(name, "saved EFLAGS", main_tss.eflags, FLAGS);
	expect(name, "saved ESI", main_tss.gpr[6], 0x1234567);
	expect(name, "saved CS", main_tss.seg[1] & 0xffff, CODE);
	check(true, name, "it went wrong");
}

static void expect_registers(const char *name)
{
	for (unsigned i = 0; i < 8; i++)
		if (i != 4)
			expect(name, "a general register", seen.gpr[i], 0x5a5a0000 + i);
	expect(name, "ESP", seen.gpr[4], address(stack_new) + 4096);
	expect(name, "NEW's descriptor", seen.new_access, 0x8b);
}

static void test_call(void)
{
	prepare();
	run(call_new);
	expect_registers("CALL");
	expect("CALL", "the link", new_tss.link, MAIN);
	expect("CALL", "NEW's saved NT", new_tss.eflags & NT, 0);
	expect_switch("CALL", true, address(call_insn) + 7);
}

static void test_jump(void)
{
	prepare();
	back_by_jump = 1;
	new_tss.link = 0xbeef;
	run(jump_new);
	expect_registers("JMP");
	expect("JMP", "the link", new_tss.link, 0xbeef);
	expect_switch("JMP", false, address(jump_new) + 7);
}

static void test_interrupt(void)
{
	prepare();
	run(interrupt_new);
	expect_registers("INT");
	expect_switch("INT", true, address(interrupt_new) + 2);
}

static void test_16_bits(void)
{
	prepare();
	new_tss_16 = (struct tss16){
		.ip = 0, .flags = FLAGS, .seg = {DATA, CODE_B, STACK_16, DATA}, .ldt = LDT};
	for (unsigned i = 0; i < 8; i++)
		new_tss_16.gpr[i] = i == 4 ? 4096 : 0x7000 + i;
	set(NEW, descriptor(address(&new_tss_16), 43, 0x81, 0));
	run(call_new);
	for (unsigned i = 0; i < 8; i++)
		expect("CALL to 16 bits", "a general register", seen.gpr[i] & 0xffff,
		       i == 4 ? 4096 : 0x7000 + i);
	expect("CALL to 16 bits", "LDTR", seen.ldtr, LDT);
	expect("CALL to 16 bits", "the link", new_tss_16.link, MAIN);
	expect("CALL to 16 bits", "NEW's descriptor", seen.new_access, 0x83);
	if (access_of(CODE_B) == 0x9a) /* QEMU's TCG */
		skip("accessed bits", "this CPU's task switches do not set them");
	else
		expect("CALL to 16 bits", "CS's accessed bit", access_of(CODE_B), 0x9b);
	expect_switch("CALL to 16 bits", true, address(call_insn) + 7);
}

static void test_segments_of_an_ldt(void)
{
	prepare();
	new_tss.ldt = LDT;
	new_tss.seg[3] = new_tss.seg[0] = 0xc; /* DS, ES */
	run(call_new);
	expect("segments of an LDT", "LDTR", seen.ldtr, LDT);
	expect_switch("segments of an LDT", true, address(call_insn) + 7);
}

static void test_page_tables(void)
{
	prepare();
	paging = 1;
	run(call_new);
	expect("page tables", "what NEW's map", seen.window, marker);
	expect_switch("page tables", true, address(call_insn) + 7);
}

/* From MAIN, whose instruction is skipped; then back to it by IRET. */
static void expect_fault_in_main(const char *name, uint32_t error, uint32_t eip)
{
	check(fault.count == 1 && fault.error == error && fault.link == MAIN &&
		      main_tss.eip == eip && fault.flags & NT && main_kept == MAIN,
	      name, "%u times, error 0x%x from 0x%x, EIP 0x%x, flags 0x%x, then TR 0x%x",
	      fault.count, fault.error, fault.link, main_tss.eip, fault.flags, main_kept);
}

static void test_exceptions(void)
{
	prepare();
	skip_bytes = after_gp - gp_insn;
	run(raise_gp);
	expect_fault_in_main("#GP by a task gate", 0xfff8, address(after_gp));

	prepare();
	skip_bytes = after_gp - gp_insn;
	task_idt[13] = 0; /* its gate is not there: #NP, and so #DF */
	run(raise_gp);
	expect_fault_in_main("#DF by a task gate", 0, address(after_gp));
}

static void test_bad_tss(void)
{
	prepare();
	set(NEW, descriptor(address(&new_tss), 102, 0x89, 0));
	run(call_new);
	expect_fault_in_main("#TS: a short TSS", NEW, address(call_insn) + 7);
	prepare();
	set(NEW, descriptor(address(&new_tss), 103, 0x8b, 0));
	run(call_new);
	expect_fault_in_main("#GP: a busy TSS", NEW, address(call_insn) + 7);
	prepare();
	set(NEW, descriptor(address(&new_tss), 103, 0x09, 0));
	run(call_new);
	expect_fault_in_main("#NP: an absent TSS", NEW, address(call_insn) + 7);
}

/* In NEW, before its first instruction. */
static void test_bad_segments(void)
{
	static const struct {
		const char *name;
		unsigned seg, access, selector; /* seg 6: LDTR */
	} cases[] = {
		{"#TS: no LDT", 6, 0x92, BAD},
		{"#TS: an absent LDT", 6, 0x02, BAD},
		{"#TS: a null CS", 1, 0, 0},
		{"#TS: CS of data", 1, 0x93, BAD},
		{"#NP: an absent CS", 1, 0x1b, BAD},
		{"#TS: a null SS", 2, 0, 0},
		{"#TS: SS not writable", 2, 0x91, BAD},
		{"#TS: SS of another ring", 2, 0xf3, BAD},
		{"#SS: an absent SS", 2, 0x13, BAD},
		{"#TS: DS of a gate", 3, 0x85, BAD},
		{"#NP: an absent ES", 0, 0x13, BAD},
		{"#TS: FS beyond the GDT", 4, 0, 0xff8},
		{"#NP: an absent GS", 5, 0x13, BAD},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		prepare();
		set(BAD, descriptor(0, 0xfffff, cases[i].access, 0xc));
		if (cases[i].seg == 6)
			new_tss.ldt = cases[i].selector;
		else
			new_tss.seg[cases[i].seg] = cases[i].selector;
		run(call_new);
		check(fault.count == 1 && !seen.count && fault.error == cases[i].selector &&
			      fault.link == NEW && main_kept == MAIN,
		      cases[i].name, "%u times, error 0x%x from 0x%x, then TR 0x%x",
		      fault.count, fault.error, fault.link, main_kept);
		if (new_tss.eip == address(call_insn)) /* QEMU's TCG: MAIN's EIP in NEW */
			skip("its EIP", "this CPU's is the old task's");
		else
			expect(cases[i].name, "EIP", new_tss.eip, address(task_new));
	}
}

/* T in the TSS: #DB before the first instruction. */
static void test_debug_trap(void)
{
	uint64_t dr6;

	prepare();
	task_gate(1, FAULT);
	fault_has_error = 0;
	new_tss.trap = 1;
	run(call_new);
	asm volatile("mov %%dr6, %0" : "=r"(dr6));
	asm volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ull));
	if (!fault.count && seen.count == 1) {
		/* QEMU's TCG reads T and forgets it. */
		skip("T in the TSS", "this CPU does not have it");
		return;
	}
	check(fault.count == 1 && fault.link == NEW && new_tss.eip == address(task_new) &&
		      dr6 & BIT(15),
	      "T in the TSS", "%u times from 0x%x, DR6 0x%lx", fault.count, fault.link, dr6);
}

void test(void)
{
	test_call();
	test_jump();
	test_interrupt();
	test_16_bits();
	test_segments_of_an_ldt();
	test_page_tables();
	test_exceptions();
	test_bad_tss();
	test_bad_segments();
	test_debug_trap();
}
