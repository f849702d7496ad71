/*
 * Where RIP goes when an instruction is done for a guest: EIP wraps at 4 GiB outside of 64-bit
 * mode, in 64-bit mode a RIP that leaves the canonical half is #GP at the next instruction. An
 * unprivileged program of a guest comes to either, and a CPU would refuse to enter with them.
 */
/* links: kernel/vmm/place.c */
/* links: kernel/vmm/insn.c kernel/vmm/gva.c kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c */
/* links: kernel/vmm/descriptor.c kernel/vmm/insn_segment.c */
/* links: kernel/vmm/insn_emulate.c kernel/vmm/insn_system.c */
/* links: kernel/vmm/emul/exec.c kernel/vmm/emul/fetch.c kernel/vmm/emul/muldiv.c */
/* links: kernel/vmm/emul/operand.c kernel/vmm/emul/stack.c kernel/vmm/emul/string.c */
/* links: kernel/vmm/emul/tables.c */
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

int gmem_cmpxchg(struct gmem *gm, uint64_t gpa, uint64_t expected, uint64_t desired,
		 unsigned bytes)
{
	(void)gm, (void)gpa, (void)expected, (void)desired, (void)bytes;
	return -EFAULT;
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
		cmocka_unit_test_setup(eip_wraps, setup),
		cmocka_unit_test_setup(rip_does_not, setup),
		cmocka_unit_test_setup(cs_l_counts_in_long_mode_alone, setup),
		cmocka_unit_test_setup(a_step_is_told_first, setup),
		cmocka_unit_test_setup(advancing_raises_nothing, setup),
		cmocka_unit_test_setup(code_is_read_across_4_gib, setup),
		cmocka_unit_test_setup(and_from_the_page_behind_it, setup),
		cmocka_unit_test_setup(emulated_instructions_as_well, setup),
		cmocka_unit_test_setup(a_moved_apic_answers, setup),
		cmocka_unit_test_setup(system_registers_by_level, setup),
		cmocka_unit_test_setup(system_registers_no_more, setup),
		cmocka_unit_test_setup(system_registers_from_devices, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
