/*
 * Writes to control registers that the CPU does not explain: what the instruction says. In all
 * modes, from a register and from memory, and where another vCPU has changed it since.
 */
/* links: kernel/vmm/insn.c kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c */
/* links: kernel/vmm/descriptor.c kernel/vmm/insn_segment.c */
/* links: kernel/vmm/insn_emulate.c kernel/vmm/insn_system.c */
/* links: kernel/vmm/emul/exec.c kernel/vmm/emul/fetch.c kernel/vmm/emul/operand.c */
/* links: kernel/vmm/emul/stack.c kernel/vmm/emul/string.c kernel/vmm/emul/muldiv.c */
/* links: kernel/vmm/emul/tables.c kernel/vmm/place.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/insn.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vm.h"

#define RIP    0x1ffcull /* near a page's end */
#define MEMORY 0x4000u

struct cpu_features cpu_features;
static struct vm vm;
static struct vcpu vcpu;
static struct vmexit answer;
static uint8_t ram[0x8000];
static uint16_t cs_attributes;
static uint64_t cr0, absent; /* a page that is not mapped */
static unsigned raised;

static void get_segment(struct vcpu *v, enum vcpu_seg seg, struct vcpu_segment *out)
{
	(void)v;
	*out = (struct vcpu_segment){.attributes = seg == SEG_CS ? cs_attributes : 0x93,
				     .limit = 0xffffffff};
}

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	if (reg == REG_EFER)
		return cs_attributes & SEG_ATTR_LONG ? EFER_LME | EFER_LMA : 0;
	return reg == REG_CR0 ? cr0 : 0;
}

int cr_write(struct vcpu *v, unsigned cr, uint64_t value)
{
	(void)v, (void)cr, (void)value;
	return 0;
}

static const struct vmm_backend backend = {.get_segment = get_segment, .get_reg = get_reg};
const struct vmm_backend *vmm_backend = &backend;

/* ---- memory: linear addresses are physical ones ---- */

bool vlapic_mmio_moved(struct bus_access *access)
{
	(void)access;
	return false;
}

int gva_translate(struct vcpu *v, uint64_t gva, unsigned access, uint64_t *gpa, uint32_t *error)
{
	(void)v;
	*gpa = gva;
	*error = access & GVA_FETCH ? PF_FETCH : 0;
	return absent && gva / PAGE_BYTES == absent / PAGE_BYTES ? -EFAULT : 0;
}

const uint8_t *gva_executed(struct vcpu *v, uint64_t gva)
{
	(void)v;
	(void)gva;
	return NULL;
}

unsigned gva_fetch(struct vcpu *v, uint64_t gva, uint8_t *buf, unsigned bytes)
{
	(void)v;
	memcpy(buf, ram + gva, bytes);
	return bytes;
}

int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	(void)gm;
	assert_in_range(gpa, 0, sizeof(ram) - bytes);
	memcpy(buf, ram + gpa, bytes);
	return 0;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	fail();
	return 0;
}

int gmem_cmpxchg(struct gmem *gm, uint64_t gpa, uint64_t expected, uint64_t desired,
		 unsigned bytes)
{
	(void)gm, (void)gpa, (void)expected, (void)desired, (void)bytes;
	fail();
	return 0;
}

bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	(void)gm, (void)gpa, (void)bytes;
	return true;
}

/* ---- the rest ---- */

void bus_do(struct bus *bus, struct bus_access *access)
{
	(void)bus, (void)access;
	fail();
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
	(void)v, (void)error;
	assert_int_equal(cr2 / PAGE_BYTES, absent / PAGE_BYTES);
	raised = 14;
}

void vm_stop(struct vm *v, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	(void)v, (void)kind, (void)status, (void)fmt;
	fail();
}

/* ---- */

static int setup(void **state)
{
	(void)state;
	memset(&vcpu, 0, sizeof vcpu);
	memset(ram, 0x90, sizeof ram);
	vcpu.vm = &vm;
	vcpu.rip = RIP;
	vcpu.rflags = 2;
	cs_attributes = SEG_ATTR_LONG | 0x9b;
	cr0 = 0x60000011;
	absent = raised = 0;
	return 0;
}

static int read_cr(const char *code, unsigned bytes)
{
	memcpy(ram + RIP, code, bytes);
	answer = (struct vmexit){.reason = VMEXIT_CR_WRITE, .cr.unknown = true};
	return insn_cr_write(&vcpu, &answer);
}

#define READ(code) read_cr(code, sizeof(code) - 1)

static void moves(void **state)
{
	(void)state;
	vcpu.regs[R9] = 0x123456789;
	assert_int_equal(READ("\x41\x0f\x22\xe1"), 0); /* mov %r9, %cr4 */
	assert_int_equal(answer.cr.cr, 4);
	assert_int_equal(answer.cr.value, 0x123456789);
	assert_int_equal(answer.insn_length, 4);
	assert_int_equal(READ("\x45\x0f\x22\xc1"), 0); /* mov %r9, %cr8 */
	assert_int_equal(answer.cr.cr, 8);
	vcpu.regs[RAX] = 0xffffffff00000011;
	assert_int_equal(READ("\x66\x2e\x0f\x22\x00"), 0); /* ModRM.mod does not count */
	assert_int_equal(answer.cr.cr, 0);
	assert_int_equal(answer.cr.value, 0xffffffff00000011);
	assert_int_equal(answer.insn_length, 5);

	cs_attributes = SEG_ATTR_DB | 0x9b;
	assert_int_equal(READ("\x0f\x22\xc0"), 0);
	assert_int_equal(answer.cr.value, 0x11);       /* the upper half neither */
	assert_int_equal(READ("\xf0\x0f\x22\xc0"), 0); /* lock mov %eax, %cr0 is CR8 */
	assert_int_equal(answer.cr.cr, 8);
	assert_int_equal(answer.insn_length, 4);

	cs_attributes = 0x9b; /* of 16 bits, with a prefix that does nothing */
	assert_int_equal(READ("\x2e\x0f\x22\xe0"), 0);
	assert_int_equal(answer.cr.cr, 4);
	assert_int_equal(answer.cr.value, 0x11);
	assert_int_equal(answer.insn_length, 4);
	cr0 &= ~1ull; /* real mode */
	assert_int_equal(READ("\x2e\x0f\x22\xe0"), 0);
	assert_int_equal(answer.cr.cr, 4);
}

/* MOV to CR0, CR4 and CR8 from each register and LMSW of each, behind each prefix that may
 * stand there and, in 64-bit mode, each REX: in all of 64-, 32- and 16-bit code. */
static void every_form(void **state)
{
	static const uint8_t prefixes[] = {0,	 0x66, 0x67, 0xf2, 0xf3, 0x2e,
					   0x36, 0x3e, 0x26, 0x64, 0x65, 0xf0};
	static const uint16_t modes[] = {SEG_ATTR_LONG | 0x9b, SEG_ATTR_DB | 0x9b, 0x9b};

	(void)state;
	for (unsigned r = 0; r < 16; r++)
		vcpu.regs[r] = 0x1111111100000010ull * (r + 1);
	for (unsigned i = 0; i < ARRAY_SIZE(modes) * ARRAY_SIZE(prefixes) * 17 * 24; i++) {
		unsigned rest = i / 24, rex = rest % 17, form = i % 24, at = 0;
		uint8_t prefix = prefixes[rest / 17 % ARRAY_SIZE(prefixes)];
		bool lock = prefix == 0xf0, is_long, lmsw = form >= 16;
		unsigned rm, cr = form & 8 ? 4 : 0;
		uint64_t value;
		char code[8];

		cs_attributes = modes[rest / 17 / ARRAY_SIZE(prefixes)];
		is_long = cs_attributes & SEG_ATTR_LONG;
		if ((rex < 16 && !is_long) || (lock && lmsw))
			continue; /* REX is INC and DEC there; LOCK LMSW is #UD */
		if (prefix)
			code[at++] = (char)prefix;
		if (rex < 16)
			code[at++] = (char)(0x40 | rex);
		code[at++] = 0x0f;
		code[at++] = lmsw ? 0x01 : 0x22;
		code[at++] = (char)(0xc0 | (lmsw ? 6 : cr) << 3 | form % 8);
		rm = form % 8 + (rex < 16 && rex & 1 ? 8 : 0);
		value = is_long ? vcpu.regs[rm] : (uint32_t)vcpu.regs[rm];
		if (!lmsw && (lock || (rex < 16 && rex & 4)))
			cr += 8;
		if (lmsw) {
			cr = 0;
			value = (cr0 & ~0xeull) | (vcpu.regs[rm] & 0xf);
		}
		assert_int_equal(read_cr(code, at), 0);
		assert_int_equal(answer.cr.cr, cr);
		assert_int_equal(answer.cr.value, value);
		assert_int_equal(answer.insn_length, at);
		assert_int_equal(raised, 0);
	}
}

static void lmsw(void **state)
{
	(void)state;
	vcpu.regs[RAX] = 0xfff8;
	assert_int_equal(READ("\x0f\x01\xf0"), 0); /* lmsw %ax */
	assert_int_equal(answer.cr.cr, 0);
	assert_int_equal(answer.cr.value, 0x60000019); /* PE stays */
	assert_int_equal(answer.insn_length, 3);
	vcpu.regs[RBX] = MEMORY;
	memcpy(ram + MEMORY, "\x0e\xff", 2);
	assert_int_equal(READ("\x0f\x01\x33"), 0); /* lmsw (%rbx) */
	assert_int_equal(answer.cr.value, 0x6000001f);
	assert_int_equal(raised, 0);
	absent = MEMORY;
	assert_int_equal(READ("\x0f\x01\x33"), -EAGAIN);
	assert_int_equal(raised, 14);
}

/* The page behind is looked at where the instruction reaches it, and only there. */
static void the_next_page(void **state)
{
	(void)state;
	absent = RIP + 4;
	assert_int_equal(READ("\x41\x0f\x22\xe1"), 0);
	assert_int_equal(raised, 0);
	assert_int_equal(READ("\x66\x41\x0f\x22\xe1"), -EAGAIN);
	assert_int_equal(raised, 14);
}

static void changed_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(READ("\x90"), -EAGAIN);
	assert_int_equal(READ("\x0f\x01\xe0"), -EAGAIN); /* SMSW, of the same group */
	assert_int_equal(READ("\x0f\x20\xc0"), -EAGAIN); /* mov %cr0, %rax */
	assert_int_equal(raised, 0);
	assert_int_equal(READ("\x06"), -EAGAIN);
	assert_int_equal(raised, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(moves, setup),
		cmocka_unit_test_setup(every_form, setup),
		cmocka_unit_test_setup(lmsw, setup),
		cmocka_unit_test_setup(the_next_page, setup),
		cmocka_unit_test_setup(changed_meanwhile, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
