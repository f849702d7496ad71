/*
 * Instructions that read system registers or load them from a device's memory, done for a
 * guest: who may, and what becomes of the registers. Control registers' values are
 * test_cr_writes'.
 */
/* links: kernel/vmm/place.c kernel/vmm/insn.c kernel/vmm/gva.c kernel/vmm/emul/alu.c */
/* links: kernel/vmm/emul/decode.c kernel/vmm/descriptor.c kernel/vmm/insn_segment.c */
/* links: kernel/vmm/insn_emulate.c kernel/vmm/insn_system.c kernel/vmm/emul/exec.c */
/* links: kernel/vmm/emul/fetch.c kernel/vmm/emul/muldiv.c kernel/vmm/emul/operand.c */
/* links: kernel/vmm/emul/stack.c kernel/vmm/emul/string.c kernel/vmm/emul/tables.c */
#include "tests/unit/insn_machine.h"

/* SGDT and its like that exited, in memory and registers: user code gets #GP(0) while UMIP is
 * set, whatever the CPU has of it; of control registers, always. */
static void system_registers_by_level(void **state)
{
	static const struct {
		const char *code;
		bool always;		      /* #GP, whatever UMIP says */
	} cases[] = {{"\x0f\x01\xe0", false}, /* SMSW */
		     {"\x0f\x00\xc0", false}, /* SLDT */
		     {"\x0f\x00\xc8", false}, /* STR */
		     {"\x0f\x20\xc0", true},  /* MOV from CR0 */
		     {"\x0f\x20\xe0", true}}; /* MOV from CR4 */
	const struct vmexit exit = {.reason = VMEXIT_SYSTEM_READ};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned umip = 0; umip < 2; umip++)
			for (level = 0; level < 4; level += 3) {
				bool refused = level && (umip || cases[i].always);

				setup(state);
				cs = (struct vcpu_segment){.attributes = CODE_64,
							   .selector = 0x33};
				regs[REG_EFER] = LMA;
				regs[REG_CR4] = umip << 11;
				regs[REG_CR0] = 0x50033;
				vcpu.regs[RAX] = 0x55;
				vcpu.rip = 0x100;
				memcpy(ram + 0x100, cases[i].code, 3);
				assert_int_equal(insn_emulate(&vcpu, &exit), 0);
				assert_int_equal(raised, refused ? 13 : NOTHING);
				assert_int_equal(vcpu.rip, refused ? 0x100 : 0x103);
				assert_int_equal(vcpu.regs[RAX], refused	    ? 0x55
								 : i == 0 || i == 3 ? 0x50033
								 : i == 4	    ? umip << 11
										    : 0x33);
			}
	level = 3;
}

/* Tables and the status word that a guest keeps in a device's memory. A base has 24 bits with
 * an operand size of 2 outside of 64-bit mode, and must be canonical in it; user code, which
 * another vCPU must have given them to, gets #GP(0). */
static void system_registers_from_devices(void **state)
{
	static const struct {
		const char *code;
		uint16_t mode;
		bool idt;
		uint64_t device, base;
		bool refused;
	} cases[] = {
		{"\x0f\x01\x13", CODE_64, false, 0xffff800012345678, 0xffff800012345678, false},
		{"\x0f\x01\x1b", CODE_64, true, 0x00007fffffffffff, 0x00007fffffffffff, false},
		{"\x0f\x01\x1b", CODE_64, true, 0x0000800000000000, 0, true},
		{"\x0f\x01\x13", CODE_32, false, 0x12345678, 0x12345678, false},
		{"\x66\x0f\x01\x1b", CODE_32, true, 0x12345678, 0x345678, false},
	};
	const struct vmexit exit = {.reason = VMEXIT_NESTED_FAULT,
				    .fault = {.gpa = DEVICE, .access = VMEXIT_READ}};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		bool user = i % 2, refused = user || cases[i / 2].refused;

		setup(state);
		level = user ? 3 : 0;
		memset(&table, 0, sizeof table);
		cs = (struct vcpu_segment){.attributes = cases[i / 2].mode,
					   .limit = UINT32_MAX};
		regs[REG_EFER] = cases[i / 2].mode == CODE_64 ? LMA : 0;
		vcpu.regs[RBX] = DEVICE;
		vcpu.rip = 0x100;
		device_value = cases[i / 2].device;
		memcpy(ram + 0x100, cases[i / 2].code, 4);
		assert_int_equal(insn_emulate(&vcpu, &exit), 0);
		assert_int_equal(raised, refused ? 13 : NOTHING);
		assert_int_equal(stopped, 0);
		assert_int_equal(table.count, refused ? 0 : 1);
		if (refused)
			continue;
		assert_int_equal(table.idt, cases[i / 2].idt);
		assert_int_equal(table.limit, (uint16_t)device_value);
		assert_int_equal(table.base, cases[i / 2].base);
	}
	for (unsigned i = 0; i < 3; i++) { /* LMSW: PE stays; what CR0 may not be; user code */
		setup(state);
		level = i == 2 ? 3 : 0;
		cr_refusal = i == 1 ? -EPERM : 0;
		cr0_written = 0;
		cs = (struct vcpu_segment){.attributes = CODE_64};
		regs[REG_EFER] = LMA;
		regs[REG_CR0] = 0x50033;
		vcpu.regs[RBX] = DEVICE;
		vcpu.rip = 0x100;
		device_value = 0xfffc;
		memcpy(ram + 0x100, "\x0f\x01\x33", 3);
		assert_int_equal(insn_emulate(&vcpu, &exit), 0);
		assert_int_equal(cr0_written, i == 2 ? 0 : 0x5003d);
		assert_int_equal(raised, i ? 13 : NOTHING);
		assert_int_equal(vcpu.rip, i ? 0x100 : 0x103);
	}
	cr_refusal = 0;
	level = 3;
}

/* Another vCPU has put something else there: it is not ours to judge. */
static void system_registers_no_more(void **state)
{
	static const char *const codes[] = {"\x0f\x20\xd8", /* MOV from CR3 */
					    "\x0f\x01\xd9", /* VMMCALL */
					    "\x0f\x22\xc0"};
	const struct vmexit exit = {.reason = VMEXIT_SYSTEM_READ};

	(void)state;
	level = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
		cs = (struct vcpu_segment){.attributes = CODE_64};
		regs[REG_EFER] = LMA;
		vcpu.rip = 0x100;
		memcpy(ram + 0x100, codes[i], 3);
		assert_int_equal(insn_emulate(&vcpu, &exit), 0);
		assert_int_equal(vcpu.rip, 0x100);
		assert_int_equal(raised, NOTHING);
		assert_int_equal(stopped, 0);
	}
	level = 3;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(system_registers_by_level, setup),
		cmocka_unit_test_setup(system_registers_no_more, setup),
		cmocka_unit_test_setup(system_registers_from_devices, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
