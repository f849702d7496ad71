/*
 * Instructions that are run for a guest on RAM, devices and ports: which bytes go where, that
 * atomic ones are atomic on RAM, XMM registers through the CPU's own, and that only what the
 * CPU has allowed is done. What is not emulated ends the guest, with the reason.
 */
/* links: kernel/vmm/place.c kernel/vmm/descriptor.c kernel/vmm/insn_segment.c */
/* links: kernel/vmm/insn.c kernel/vmm/gva.c kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c */
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
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/cr.h"
#include "kernel/vmm/insn.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

#define RAM    0x10000u
#define CODE   0x100u
#define DEVICE 0xfe000000ull

struct cpu_features cpu_features;
static struct vm vm;
static struct vcpu vcpu;
static uint8_t ram[RAM], device[64], xmm[16][16];
static uint8_t xsave_area[512] __attribute__((aligned(64)));
static unsigned raised, exchanges, accesses, port_accesses;
static int exchange_result;
static char reason[200];

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return reg == REG_CR0 ? CR0_PE : reg == REG_EFER ? EFER_LMA : 0;
}

static void get_segment(struct vcpu *v, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)v;
	*out = (struct vcpu_segment){.attributes = seg == SEG_CS ? 0xa9b : 0xc93,
				     .limit = UINT32_MAX};
}

static void end_shadow(struct vcpu *v)
{
	(void)v;
}

static unsigned cpl(struct vcpu *v)
{
	(void)v;
	return 0;
}

static const struct vmm_backend backend = {.get_reg = get_reg,
					   .get_segment = get_segment,
					   .clear_interrupt_shadow = end_shadow,
					   .cpl = cpl};
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
	(void)gm;
	if (gpa >= RAM || bytes > RAM - gpa)
		return -EFAULT;
	memcpy(ram + gpa, buf, bytes);
	return 0;
}

bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	(void)gm;
	return gpa < RAM && bytes <= RAM - gpa;
}

int gmem_cmpxchg(struct gmem *gm, uint64_t gpa, uint64_t expected, uint64_t desired,
		 unsigned bytes)
{
	uint64_t now = 0;

	(void)gm;
	exchanges++;
	assert_int_equal(gpa % bytes, 0);
	memcpy(&now, ram + gpa, bytes);
	assert_int_equal(now, expected);
	if (!exchange_result)
		memcpy(ram + gpa, &desired, bytes);
	return exchange_result;
}

bool vlapic_mmio_moved(struct bus_access *access)
{
	(void)access;
	return false;
}

/* A device, or port 0x60. */
void bus_do(struct bus *bus, struct bus_access *access)
{
	uint8_t *at = device + access->addr % PAGE_BYTES;

	if (bus == &vm.pio) {
		assert_int_equal(access->addr, 0x60);
		at = device;
		port_accesses++;
	}
	accesses++;
	assert_true(access->bytes && !(access->bytes & (access->bytes - 1)) &&
		    access->bytes <= 8);
	if (access->write)
		memcpy(at, &access->value, access->bytes);
	else
		memcpy(&access->value, at, access->bytes);
}

void fxsave(void *area)
{
	memcpy((uint8_t *)area + 160, xmm, sizeof xmm);
}

void fxrstor(const void *area)
{
	memcpy(xmm, (const uint8_t *)area + 160, sizeof xmm);
}

int cr_write(struct vcpu *v, unsigned cr, uint64_t value)
{
	(void)v, (void)cr, (void)value;
	return 0;
}

void vcpu_raise(struct vcpu *v, unsigned vector)
{
	(void)v;
	raised = vector;
}

void vcpu_raise_error(struct vcpu *v, unsigned vector, uint32_t error)
{
	(void)v, (void)error;
	raised = vector;
}

void vcpu_raise_page_fault(struct vcpu *v, uint64_t cr2, uint32_t error)
{
	(void)v, (void)cr2, (void)error;
	raised = VECTOR_PF;
}

void vm_stop(struct vm *v, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	va_list args;

	(void)v, (void)status;
	assert_int_equal(kind, VM_STOP_CRASH);
	va_start(args, fmt);
	vsnprintf(reason, sizeof reason, fmt, args);
	va_end(args);
}

uint32_t vcpu_get_pkru(void)
{
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&vcpu, 0, sizeof vcpu);
	memset(ram, 0x90, sizeof ram);
	for (unsigned i = 0; i < sizeof device; i++)
		device[i] = (uint8_t)(0xa0 + i);
	for (unsigned i = 0; i < 16; i++)
		memset(xmm[i], (int)(0x10 + i), 16);
	vcpu.vm = &vm;
	vcpu.xsave = xsave_area;
	vcpu.rflags = 2;
	vcpu.rip = CODE;
	raised = exchanges = accesses = port_accesses = 0;
	exchange_result = 0;
	reason[0] = '\0';
	return 0;
}

/* Runs what is at CODE, whose operand is at RBX. */
static int run(const char *code, size_t bytes, uint64_t rbx)
{
	struct vmexit exit = {.reason = VMEXIT_NESTED_FAULT,
			      .fault = {.gpa = rbx, .access = VMEXIT_READ | VMEXIT_WRITE}};

	memcpy(ram + CODE, code, bytes);
	vcpu.regs[RBX] = rbx;
	vcpu.rip = CODE;
	return insn_emulate(&vcpu, &exit);
}
#define RUN(code, rbx)	run(code, sizeof(code) - 1, rbx)

#define LOCK_CMPXCHG_32 "\xf0\x0f\xb1\x0b" /* lock cmpxchg %ecx, (%rbx) */
#define XCHG_64		"\x48\x87\x0b"	   /* xchg %rcx, (%rbx) */
#define CMPXCHG16B	"\xf0\x48\x0f\xc7\x0b"

static void atomic_on_ram(void **state)
{
	(void)state;
	memset(ram + 0x800, 0x11, 16);
	vcpu.regs[RAX] = 0x11111111;
	vcpu.regs[RCX] = 0x22334455;
	assert_int_equal(RUN(LOCK_CMPXCHG_32, 0x800), 0);
	assert_memory_equal(ram + 0x800, "\x55\x44\x33\x22\x11", 5);
	assert_int_equal(exchanges, 1);
	assert_int_equal(vcpu.rip, CODE + 4);
	vcpu.regs[RCX] = 0x8877665544332211;
	assert_int_equal(RUN(XCHG_64, 0x808), 0);
	assert_int_equal(vcpu.regs[RCX], 0x1111111111111111);
	assert_int_equal(exchanges, 2);
	assert_int_equal(accesses, 0);
}

/* Another vCPU was faster: the guest runs it again. */
static void atomic_or_again(void **state)
{
	(void)state;
	memset(ram + 0x800, 0x11, 8);
	vcpu.regs[RAX] = 0x11111111;
	exchange_result = -EAGAIN;
	assert_int_equal(RUN(LOCK_CMPXCHG_32, 0x800), 0);
	assert_int_equal(vcpu.rip, CODE);
	assert_int_equal(vcpu.regs[RAX], 0x11111111);
	assert_int_equal(raised, 0);
}

/* Across an operand's boundary, wider, or on a device it is read and written. */
static void in_two_steps_elsewhere(void **state)
{
	(void)state;
	memset(ram + 0x800, 0x11, 32);
	vcpu.regs[RAX] = 0x11111111;
	vcpu.regs[RCX] = 0x22334455;
	assert_int_equal(RUN(LOCK_CMPXCHG_32, 0x801), 0);
	assert_memory_equal(ram + 0x800, "\x11\x55\x44\x33\x22\x11", 6);
	vcpu.regs[RAX] = vcpu.regs[RDX] = 0x1111111111111111;
	vcpu.regs[RCX] = 5;
	memset(ram + 0x800, 0x11, 16);
	memcpy(ram + CODE, CMPXCHG16B, 5);
	assert_int_equal(RUN(CMPXCHG16B, 0x800), 0);
	assert_memory_equal(ram + 0x808, "\x05\0\0\0\0\0\0\0", 8);
	assert_int_equal(exchanges, 0);
	vcpu.regs[RCX] = 0x99;
	assert_int_equal(RUN(XCHG_64, DEVICE + 8), 0);
	assert_int_equal(vcpu.regs[RCX], 0xafaeadacabaaa9a8);
	assert_memory_equal(device + 8, "\x99\0\0\0\0\0\0\0", 8);
	assert_int_equal(accesses, 2);
	assert_int_equal(exchanges, 0);
}

/* 16 bytes are two accesses of 8; a load of less clears the rest, and no other register. */
static void xmm_registers(void **state)
{
	(void)state;
	assert_int_equal(RUN("\x0f\x10\x1b", DEVICE), 0); /* movups (%rbx), %xmm3 */
	assert_memory_equal(xmm[3], device, 16);
	assert_int_equal(accesses, 2);
	assert_int_equal(xmm[2][0], 0x12);
	assert_int_equal(xmm[4][15], 0x14);
	assert_int_equal(RUN("\x66\x44\x0f\x6e\x0b", DEVICE), 0); /* movd (%rbx), %xmm9 */
	assert_memory_equal(xmm[9], "\xa0\xa1\xa2\xa3\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(RUN("\x0f\x11\x2b", DEVICE + 16), 0); /* movups %xmm5, (%rbx) */
	assert_memory_equal(device + 16, xmm[5], 16);
	assert_int_equal(RUN("\x0f\x29\x2b", DEVICE + 8), 0); /* movaps wants 16 bytes */
	assert_int_equal(raised, VECTOR_GP);
}

/* An access of 8 bytes at the end of RAM's last page goes on in the next one, a device. */
static void across_to_a_page_of_nobody(void **state)
{
	(void)state;
	memset(ram + RAM - 4, 0x77, 4);
	assert_int_equal(RUN("\x48\x8b\x0b", RAM - 4), 0); /* mov (%rbx), %rcx */
	assert_int_equal(vcpu.regs[RCX], 0xa3a2a1a077777777);
	vcpu.regs[RCX] = 0x1122334455667788;
	assert_int_equal(RUN("\x48\x89\x0b", RAM - 3), 0);
	assert_memory_equal(ram + RAM - 4, "\x77\x88\x77\x66", 4);
	assert_memory_equal(device, "\x55\x44\x33\x22\x11", 5);
}

static int run_io(const char *code, size_t bytes, uint16_t port, unsigned width, bool in)
{
	struct vmexit exit = {
		.reason = VMEXIT_IO,
		.io = {.port = port, .bytes = (uint8_t)width, .in = in, .string = true}};

	memcpy(ram + CODE, code, bytes);
	vcpu.rip = CODE;
	vcpu.regs[RDX] = 0x60;
	vcpu.regs[RSI] = vcpu.regs[RDI] = 0x900;
	return insn_emulate(&vcpu, &exit);
}
#define RUN_IO(code, port, width, in) run_io(code, sizeof(code) - 1, port, width, in)

static void strings_to_ports(void **state)
{
	(void)state;
	memcpy(ram + 0x900, "\x01\x02\x03\x04", 4);
	assert_int_equal(RUN_IO("\x6e", 0x60, 1, false), 0); /* outsb */
	assert_int_equal(device[0], 1);
	assert_int_equal(vcpu.regs[RSI], 0x901);
	assert_int_equal(RUN_IO("\x6d", 0x60, 4, true), 0); /* insl */
	assert_memory_equal(ram + 0x900, "\x01\xa1\xa2\xa3", 4);
	assert_int_equal(port_accesses, 2);
	vcpu.regs[RCX] = 3;
	assert_int_equal(RUN_IO("\xf3\x6e", 0x60, 1, false), 0);
	assert_int_equal(port_accesses, 5);
	assert_int_equal(vcpu.regs[RCX], 0);
}

/* Another vCPU has changed the instruction since the CPU looked at the guest's right to it. */
static void other_ports_than_allowed(void **state)
{
	(void)state;
	RUN_IO("\x6e", 0x61, 1, false);
	RUN_IO("\x6e", 0x60, 1, true);
	RUN_IO("\x6f", 0x60, 1, false); /* outsl */
	RUN_IO("\x6c", 0x60, 1, false); /* insb */
	assert_int_equal(port_accesses, 0);
	assert_int_equal(vcpu.rip, CODE);
	assert_int_equal(vcpu.regs[RSI], 0x900);
	assert_int_equal(raised, 0);
}

static void what_is_not_emulated(void **state)
{
	(void)state;
	assert_int_equal(RUN("\x0f\xae\x03\xf4", DEVICE), -ENOTSUP); /* fxsave (%rbx) */
	assert_non_null(strstr(reason, "0f ae 03 f4"));
	assert_non_null(strstr(reason, "is not emulated on device memory 0xfe000000"));
	assert_int_equal(vcpu.rip, CODE);
	assert_int_equal(raised, 0);
	reason[0] = '\0';
	assert_int_equal(RUN("\x8e\x13", DEVICE), -ENOTSUP); /* mov (%rbx), %ss */
	assert_non_null(strstr(reason, "8e 13"));
	reason[0] = '\0';
	RUN("\x8e\x0b", DEVICE); /* to CS: there is no such instruction */
	assert_int_equal(raised, VECTOR_UD);
	raised = 0;
	RUN("\x8e\x33", DEVICE); /* to the seventh */
	assert_int_equal(raised, VECTOR_UD);
	assert_string_equal(reason, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(atomic_on_ram, setup),
		cmocka_unit_test_setup(atomic_or_again, setup),
		cmocka_unit_test_setup(in_two_steps_elsewhere, setup),
		cmocka_unit_test_setup(xmm_registers, setup),
		cmocka_unit_test_setup(across_to_a_page_of_nobody, setup),
		cmocka_unit_test_setup(strings_to_ports, setup),
		cmocka_unit_test_setup(other_ports_than_allowed, setup),
		cmocka_unit_test_setup(what_is_not_emulated, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
