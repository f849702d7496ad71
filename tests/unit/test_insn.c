/*
 * Where RIP goes when an instruction is done for a guest: EIP wraps at 4 GiB outside of 64-bit
 * mode, in 64-bit mode a RIP that leaves the canonical half is #GP at the next instruction. An
 * unprivileged program of a guest comes to either, and a CPU would refuse to enter with them.
 */
/* links: kernel/vmm/place.c kernel/vmm/insn.c kernel/vmm/gva.c kernel/vmm/emul/alu.c */
/* links: kernel/vmm/emul/decode.c kernel/vmm/descriptor.c kernel/vmm/insn_segment.c */
/* links: kernel/vmm/insn_emulate.c kernel/vmm/insn_system.c kernel/vmm/emul/exec.c */
/* links: kernel/vmm/emul/fetch.c kernel/vmm/emul/muldiv.c kernel/vmm/emul/operand.c */
/* links: kernel/vmm/emul/stack.c kernel/vmm/emul/string.c kernel/vmm/emul/tables.c */
#include "tests/unit/insn_machine.h"

/* CPUID (2 bytes, as the CPU says) at `rip`, in such code. */
static uint64_t behind_cpuid(uint64_t rip, uint16_t attributes)
{
	struct vmexit exit = {.reason = VMEXIT_CPUID, .insn_length = 2};

	cs = (struct vcpu_segment){.attributes = attributes, .limit = UINT32_MAX};
	regs[REG_EFER] = attributes & SEG_ATTR_LONG ? LMA : 0;
	vcpu.rip = rip;
	raised = NOTHING;
	assert_int_equal(insn_skip(&vcpu, &exit), 0);
	return vcpu.rip;
}

static void eip_wraps(void **state)
{
	static const uint16_t modes[] = {CODE_16, CODE_32};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(behind_cpuid(0xfffffffd, modes[i]), 0xffffffff);
		assert_int_equal(behind_cpuid(0xfffffffe, modes[i]), 0);
		assert_int_equal(behind_cpuid(0xffffffff, modes[i]), 1);
		/* The limit of 16-bit code, or what lies behind it, comes next: no wrap. */
		assert_int_equal(behind_cpuid(0xfffe, modes[i]), 0x10000);
		assert_int_equal(raised, NOTHING);
	}
	assert_int_equal(shadows_ended, 8);
}

/* SDM vol. 1 3.3.7.1. In the compatibility mode of long mode EIP wraps. */
static void rip_does_not(void **state)
{
	(void)state;
	assert_int_equal(behind_cpuid(0xfffffffe, CODE_64), 0x100000000);
	assert_int_equal(raised, NOTHING);
	assert_int_equal(behind_cpuid(TOP - 2, CODE_64), TOP);
	assert_int_equal(raised, NOTHING);
	assert_int_equal(behind_cpuid(TOP - 1, CODE_64), TOP + 1);
	assert_int_equal(raised, 13);
	assert_int_equal(behind_cpuid(TOP, CODE_64), TOP + 2);
	assert_int_equal(raised, 13);
	assert_int_equal(behind_cpuid(~0ull, CODE_64), 1); /* canonical, both */
	assert_int_equal(raised, NOTHING);
}

/* Legacy mode ignores CS.L: 0x48 is DEC EAX and no REX prefix there, and CS has a base. */
static void cs_l_counts_in_long_mode_alone(void **state)
{
	struct vmexit exit = {.reason = VMEXIT_CACHE};

	(void)state;
	memcpy(ram + 0x180, "\x48\x0f\xa2", 3);
	memcpy(ram + 0x100, "\x66\x90", 2);
	cs = (struct vcpu_segment){.attributes = CODE_64, .base = 0x80, .limit = UINT32_MAX};
	vcpu.rip = 0x100;
	assert_int_equal(insn_skip(&vcpu, &exit), 0);
	assert_int_equal(vcpu.rip, 0x101);
	regs[REG_EFER] = LMA;
	vcpu.rip = 0x100;
	assert_int_equal(insn_skip(&vcpu, &exit), 0);
	assert_int_equal(vcpu.rip, 0x102);
	cs.base = 0;
	vcpu.rip = 0x180;
	assert_int_equal(insn_skip(&vcpu, &exit), 0);
	assert_int_equal(vcpu.rip, 0x183);
}

/* A trap comes before the next instruction's fault. */
static void a_step_is_told_first(void **state)
{
	(void)state;
	vcpu.rflags |= TF;
	behind_cpuid(TOP - 1, CODE_64);
	assert_int_equal(raised, 1);
	assert_int_equal(regs[REG_DR6], DR6_BS);
}

/* INT1, which traps behind itself. */
static void advancing_raises_nothing(void **state)
{
	(void)state;
	cs = (struct vcpu_segment){.attributes = CODE_32};
	vcpu.rip = UINT32_MAX;
	insn_advance(&vcpu, 1);
	assert_int_equal(vcpu.rip, 0);
	cs.attributes = CODE_64;
	regs[REG_EFER] = LMA;
	vcpu.rip = TOP;
	vcpu.rflags |= TF;
	insn_advance(&vcpu, 1);
	assert_int_equal(vcpu.rip, TOP + 1);
	assert_int_equal(raised, NOTHING);
	assert_int_equal(shadows_ended, 0);
}

/* Where the CPU does not tell the length it is read, and linear addresses wrap, too: here in
 * the middle of CPUID with a prefix, by the base of CS. */
static void code_is_read_across_4_gib(void **state)
{
	struct vmexit exit = {.reason = VMEXIT_CPUID};
	uint8_t bytes[4];

	(void)state;
	cs = (struct vcpu_segment){
		.attributes = CODE_32, .limit = UINT32_MAX, .base = 0xfffff000};
	vcpu.rip = 0x1000; /* linear 0 */
	memcpy(ram, "\x66\x0f\xa2\xf4", 4);
	assert_int_equal(insn_fetch(&vcpu, bytes, 4), 4);
	assert_memory_equal(bytes, "\x66\x0f\xa2\xf4", 4);
	assert_int_equal(insn_skip(&vcpu, &exit), 0);
	assert_int_equal(vcpu.rip, 0x1003);
	vcpu.rip = 0xfff; /* linear 0xffffffff, of which nothing is there */
	assert_int_equal(insn_fetch(&vcpu, bytes, 4), 0);
	assert_int_equal(insn_skip(&vcpu, &exit), -EFAULT);
	assert_int_equal(vcpu.rip, 0xfff);
}

/* A table that maps the page at linear 0xfffff000 to 0x8000 and that at 0 to 0x9000. */
static void map_both_ends(void)
{
	static const uint32_t directory = 0x1000, top = 0x2000, bottom = 0x3000;
	uint32_t entries[][2] = {
		{directory + 1023 * 4, top | 7},
		{directory, bottom | 7},
		{top + 1023 * 4, 0x8000 | 7},
		{bottom, 0x9000 | 7},
	};

	memset(ram, 0, sizeof ram);
	for (unsigned i = 0; i < ARRAY_SIZE(entries); i++)
		memcpy(ram + entries[i][0], &entries[i][1], 4);
	regs[REG_CR0] |= CR0_PG;
	regs[REG_CR3] = directory;
}

static void and_from_the_page_behind_it(void **state)
{
	struct vmexit exit = {.reason = VMEXIT_CPUID};
	uint8_t bytes[4];

	(void)state;
	map_both_ends();
	ram[0x8fff] = 0x66;
	memcpy(ram + 0x9000, "\x0f\xa2\xf4", 3);
	cs = (struct vcpu_segment){
		.attributes = CODE_32, .limit = UINT32_MAX, .base = 0x80000000};
	vcpu.rip = 0x7fffffff;
	assert_int_equal(insn_fetch(&vcpu, bytes, 4), 4);
	assert_memory_equal(bytes, "\x66\x0f\xa2\xf4", 4);
	assert_int_equal(insn_skip(&vcpu, &exit), 0);
	assert_int_equal(vcpu.rip, 0x80000002);
}

/* MOV EAX, [EBX] of a device's register, emulated at the end of the segment. */
static void emulated_instructions_as_well(void **state)
{
	struct vmexit exit = {.reason = VMEXIT_NESTED_FAULT,
			      .insn_available = 2,
			      .insn = {0x8b, 0x03},
			      .fault = {.gpa = DEVICE, .access = VMEXIT_READ}};

	(void)state;
	cs = (struct vcpu_segment){.attributes = CODE_32, .limit = UINT32_MAX};
	vcpu.regs[RBX] = DEVICE;
	vcpu.rip = 0xfffffffe;
	device_value = 0x1234;
	assert_int_equal(insn_emulate(&vcpu, &exit), 0);
	assert_int_equal(vcpu.regs[RAX], 0x1234);
	assert_int_equal(vcpu.rip, 0);
	assert_int_equal(raised, NOTHING);

	cs.attributes = CODE_64;
	regs[REG_EFER] = LMA;
	vcpu.rip = TOP - 1;
	assert_int_equal(insn_emulate(&vcpu, &exit), 0);
	assert_int_equal(vcpu.rip, TOP + 1);
	assert_int_equal(raised, 13);
	assert_int_equal(stopped, 0);
}

/* The vCPU's own APIC comes before the bus, wherever it was moved. */
static void a_moved_apic_answers(void **state)
{
	struct vmexit exit = {.reason = VMEXIT_NESTED_FAULT,
			      .insn_available = 2,
			      .insn = {0x8b, 0x03},
			      .fault = {.gpa = DEVICE + 0x30, .access = VMEXIT_READ}};

	(void)state;
	cs = (struct vcpu_segment){.attributes = CODE_32, .limit = UINT32_MAX};
	vcpu.regs[RBX] = DEVICE + 0x30;
	vcpu.rip = 0x100;
	device_value = 0x1234;
	moved_to = DEVICE;
	assert_int_equal(insn_emulate(&vcpu, &exit), 0);
	assert_int_equal(vcpu.regs[RAX], 0x77);
	moved_to = DEVICE + PAGE_BYTES;
	assert_int_equal(insn_emulate(&vcpu, &exit), 0);
	assert_int_equal(vcpu.regs[RAX], 0x1234);
}

#define NOWHERE UINT64_MAX

/* Where a byte is written after an exit for a soft interrupt, with these bytes at 0x100. */
static uint64_t refreshed_at(uint16_t attributes, const char *insn)
{
	cs = (struct vcpu_segment){.attributes = attributes, .limit = UINT32_MAX};
	regs[REG_EFER] = attributes & SEG_ATTR_LONG ? LMA : 0;
	memset(ram + 0x100, 0x90, 16);
	memcpy(ram + 0x100, insn, strlen(insn));
	vcpu.rip = 0x100;
	refreshed = NOWHERE;
	insn_refresh_soft_interrupt(&vcpu);
	assert_int_equal(vcpu.rip, 0x100);
	assert_int_equal(raised, NOTHING);
	return refreshed;
}

/* 0x48 is a prefix in 64-bit mode alone. */
static void soft_interrupts_that_are_gone(void **state)
{
	static const char *const there[] = {"\xcc", "\xcd\x80", "\xce", "\x66\xcc",
					    "\xf3\x2e\xcd"};
	static const char *const gone[] = {"\xcb", "\xcf", "\x90\xcc", "\xeb\xcc", "\x66\x90"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(there); i++)
		assert_int_equal(refreshed_at(CODE_32, there[i]), NOWHERE);
	for (unsigned i = 0; i < ARRAY_SIZE(gone); i++)
		assert_int_equal(refreshed_at(CODE_32, gone[i]), 0x100);
	assert_int_equal(refreshed_at(CODE_32, "\x48\xcc"), 0x100);
	assert_int_equal(refreshed_at(CODE_64, "\x48\xcc"), NOWHERE);
	assert_int_equal(refreshed_at(CODE_64, "\x4f\xcb"), 0x100);
	/* Prefixes to the end of what an instruction may have; and no memory. */
	assert_int_equal(refreshed_at(CODE_32, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"
					       "\x66\x66\x66\x66"),
			 NOWHERE);
	vcpu.rip = RAM;
	insn_refresh_soft_interrupt(&vcpu);
	assert_int_equal(refreshed, NOWHERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(soft_interrupts_that_are_gone, setup),
		cmocka_unit_test_setup(eip_wraps, setup),
		cmocka_unit_test_setup(rip_does_not, setup),
		cmocka_unit_test_setup(cs_l_counts_in_long_mode_alone, setup),
		cmocka_unit_test_setup(a_step_is_told_first, setup),
		cmocka_unit_test_setup(advancing_raises_nothing, setup),
		cmocka_unit_test_setup(code_is_read_across_4_gib, setup),
		cmocka_unit_test_setup(and_from_the_page_behind_it, setup),
		cmocka_unit_test_setup(emulated_instructions_as_well, setup),
		cmocka_unit_test_setup(a_moved_apic_answers, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
