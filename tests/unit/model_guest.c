/* See model_guest.h. */
#include "tests/unit/model_guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "tests/unit/fake_cpu.h"

#define HANDLERS      0x200000ull
#define HANDLER_BYTES 0x1000ull

struct model models[8];
bool model_unreadable;

static const struct model_insn *main_script, *ap_scripts[256], *handlers[256];

static const struct model_insn fault_handler[] = {{.op = M_SKIP_IRET}};
static const struct model_insn plain_handler[] = {{.op = M_IRET}};
static const struct model_insn step_handler[] = {{.op = M_STEP_IRET}};
static const struct model_insn interrupt_handler[] = {{.op = M_WRMSR, .a = 0x80b},
						      {.op = M_IRET}};

void model_reset(void)
{
	memset(models, 0, sizeof models);
	model_unreadable = false;
	memset(ap_scripts, 0, sizeof ap_scripts);
	for (unsigned i = 0; i < 256; i++)
		handlers[i] = i < 32 ? fault_handler : interrupt_handler;
	handlers[1] = step_handler;
	handlers[2] = handlers[3] = handlers[4] = plain_handler;
}

void model_script(const struct model_insn *script)
{
	main_script = script;
}

void model_ap_script(uint8_t vector, const struct model_insn *script)
{
	ap_scripts[vector] = script;
}

void model_handler(unsigned vector, const struct model_insn *script)
{
	handlers[vector] = script;
}

struct model *model_of(struct vcpu *vcpu)
{
	struct model *m = &models[vcpu->id];

	m->vcpu = vcpu;
	return m;
}

void model_note(struct model *m, const char *fmt, ...)
{
	size_t at = strlen(m->trace);
	va_list args;

	if (at)
		m->trace[at++] = ' ';
	va_start(args, fmt);
	vsnprintf(m->trace + at, sizeof m->trace - at, fmt, args);
	va_end(args);
	assert_true(strlen(m->trace) < sizeof m->trace - 16);
}

void model_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("not ok: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	_Exit(1);
}

struct vcpu_entry model_entry(void)
{
	struct vcpu_entry e = {.rip = MODEL_CODE, .rflags = 2};
	struct vcpu_segment data = {.selector = 16, .attributes = 0xc93, .limit = UINT32_MAX};

	for (unsigned i = 0; i < SEG_COUNT; i++)
		e.state.segs[i] = data;
	e.state.segs[SEG_CS] = (struct vcpu_segment){8, 0xa9b, UINT32_MAX, 0};
	e.state.segs[SEG_TR] = (struct vcpu_segment){0x18, 0x08b, 0x67, 0};
	e.state.segs[SEG_LDTR] = (struct vcpu_segment){0, 0, 0, 0};
	e.state.regs[REG_CR0] = 0x80000011;
	e.state.regs[REG_CR3] = 0x9000;
	e.state.regs[REG_CR4] = 0x20 | BIT(18);
	e.state.regs[REG_EFER] = EFER_LME | EFER_LMA;
	e.state.regs[REG_PAT] = 0x0007040600070406;
	e.state.regs[REG_DR6] = 0xffff0ff0;
	e.state.regs[REG_DR7] = 0x400;
	e.state.gdtr.limit = 0x1f;
	e.state.idtr.limit = 0xfff;
	return e;
}

static void check(const char *what, uint64_t value, uint64_t expected)
{
	if (value != expected)
		model_fail("%s is 0x%llx, not 0x%llx", what, (unsigned long long)value,
			   (unsigned long long)expected);
}

static const struct model_insn *code_at(uint64_t linear, uint64_t *base)
{
	if (linear >= HANDLERS && linear < HANDLERS + 256 * HANDLER_BYTES) {
		*base = ALIGN_DOWN(linear, HANDLER_BYTES);
		return handlers[(linear - HANDLERS) / HANDLER_BYTES];
	}
	if (linear >= MODEL_CODE && linear < HANDLERS) {
		*base = MODEL_CODE;
		return main_script;
	}
	*base = ALIGN_DOWN(linear, PAGE_BYTES);
	return linear >> 12 < 256 ? ap_scripts[linear >> 12] : NULL;
}

/* Behind an instruction that was emulated RIP is at its end; the next one starts further on. */
const struct model_insn *model_next(struct model *m)
{
	uint64_t base, linear = m->cs_base + m->rip;
	const struct model_insn *code = code_at(linear, &base);

	if (!code)
		model_fail("the guest is at 0x%llx", (unsigned long long)linear);
	if (linear % MODEL_STRIDE == MODEL_LENGTH)
		m->rip += MODEL_STRIDE - MODEL_LENGTH;
	else
		check("RIP within its instruction", linear % MODEL_STRIDE, 0);
	return &code[(m->cs_base + m->rip - base) / MODEL_STRIDE];
}

/* All are MODEL_LENGTH bytes long, by prefixes that change nothing (CS, and REX without bits).
 */
unsigned model_bytes(struct model *m, uint8_t *buf, unsigned bytes)
{
	static const uint8_t codes[][MODEL_LENGTH] = {
		[M_HLT] = {0x2e, 0x2e, 0x2e, 0xf4},
		[M_PAUSE] = {0x2e, 0x2e, 0xf3, 0x90},
		[M_CPUID] = {0x2e, 0x2e, 0x0f, 0xa2},
		[M_RDMSR] = {0x2e, 0x2e, 0x0f, 0x32},
		[M_WRMSR] = {0x2e, 0x2e, 0x0f, 0x30},
		[M_WBINVD] = {0x2e, 0x2e, 0x0f, 0x09},
		[M_VMCALL] = {0x2e, 0x0f, 0x01, 0xd9},
		[M_XSETBV] = {0x2e, 0x0f, 0x01, 0xd1},
		[M_LMSW] = {0x40, 0x0f, 0x01, 0xf0},
		[M_INS] = {0x2e, 0x2e, 0x2e, 0x6c},
		[M_MOV_CR] = {0x2e, 0x0f, 0x22, 0xc0}, /* from EAX */
		[M_TOUCH] = {0x2e, 0x48, 0x8b, 0x00},  /* between RAX and what RAX points to */
		[M_SET_TF] = {0},
	};
	const struct model_insn *insn = model_next(m);
	uint8_t code[MODEL_LENGTH];

	memcpy(code, codes[MIN((unsigned)insn->op, (unsigned)M_SET_TF)], sizeof code);
	if (insn->op == M_MOV_CR) {
		code[0] = insn->a & 8 ? 0x44 : 0x2e; /* REX.R, or nothing */
		code[3] |= (uint8_t)((insn->a & 7) << 3);
	} else if (insn->op == M_TOUCH && insn->b & VMEXIT_WRITE) {
		code[2] = 0x89;
	}
	memcpy(buf, code, MIN(bytes, (unsigned)sizeof code));
	return MIN(bytes, (unsigned)sizeof code);
}

void model_registers(struct model *m, const struct model_insn *insn)
{
	uint64_t *regs = m->vcpu->regs;

	switch (insn->op) {
	case M_CPUID:
		regs[RAX] = insn->a;
		regs[RCX] = insn->b;
		break;
	case M_RDMSR: regs[RCX] = insn->a; break;
	case M_WRMSR:
		regs[RCX] = insn->a;
		regs[RAX] = 0xabcdef0100000000 | (uint32_t)insn->b;
		regs[RDX] = 0x1234567800000000 | insn->b >> 32;
		break;
	case M_XSETBV:
		regs[RCX] = insn->b;
		regs[RAX] = (uint32_t)insn->a;
		regs[RDX] = insn->a >> 32;
		break;
	case M_OUT: regs[RAX] = insn->b; break;
	case M_IN: regs[RAX] = 0x1122334455667788; break;
	case M_MOV_CR: regs[RAX] = insn->b; break;
	case M_LMSW:
	case M_TOUCH: regs[RAX] = insn->a; break;
	default: break;
	}
}

static void load_iret(struct model *m, bool skip)
{
	assert_true(m->frames > 0);
	m->frames--;
	m->rip = m->frame[m->frames].rip;
	m->rflags = m->frame[m->frames].rflags;
	m->in_nmi = false;
	if (skip) {
		model_next(m);
		m->rip += MODEL_STRIDE;
	}
}

static void execute_registers(const struct model_insn *insn)
{
	struct fake_cpu *c = fake_cpu;

	switch (insn->op) {
	case M_SET_FPU:
		for (unsigned i = 0; i < 3; i++)
			c->fpu[i] = insn->a + i;
		c->x87_stale = true;
		break;
	case M_FPU:
		check("who last used the x87", c->x87_stale, false);
		for (unsigned i = 0; i < 3; i++)
			check("an FPU component", c->fpu[i], insn->a ? insn->a + i : 0);
		break;
	case M_SET_DR:
		for (unsigned i = 0; i < 4; i++)
			c->dr[i] = insn->a + i;
		break;
	case M_DR:
		for (unsigned i = 0; i < 4; i++)
			check("a debug register", c->dr[i], insn->a ? insn->a + i : 0);
		break;
	case M_XCR0: check("XCR0", c->xcr0, insn->a); break;
	case M_TSC_AUX: check("TSC_AUX", rdmsr(MSR_TSC_AUX), insn->a); break;
	case M_MSR_IS: check("the MSR", rdmsr((uint32_t)insn->a), insn->b); break;
	case M_MSR_BECOMES: wrmsr((uint32_t)insn->a, insn->b); break;
	default: model_fail("instruction %d should have exited", insn->op);
	}
}

void model_execute(struct model *m, const struct model_insn *insn)
{
	bool sti = false, mov_ss = false;
	uint64_t here = m->rip;

	m->rip += MODEL_STRIDE;
	switch (insn->op) {
	case M_NOTE: model_note(m, "%c", (int)insn->a); break;
	case M_STI:
		sti = !(m->rflags & RFLAGS_IF);
		m->rflags |= RFLAGS_IF;
		break;
	case M_CLI: m->rflags &= ~RFLAGS_IF; break;
	case M_SET_TF: m->rflags |= RFLAGS_TF; break;
	case M_MOV_SS: mov_ss = true; break;
	case M_IRET: load_iret(m, false); break;
	case M_STEP_IRET:
		load_iret(m, false);
		m->rflags &= ~RFLAGS_TF;
		break;
	case M_SKIP_IRET: load_iret(m, true); break;
	case M_JUMP: m->rip -= (insn->a + 1) * MODEL_STRIDE; break;
	case M_HOST: insn->call(); break;
	case M_INTERRUPT: m->host_interrupt = true; break;
	case M_HOST_NMI: m->host_nmi = true; break;
	case M_INIT: m->init = true; break;
	case M_MACHINE_CHECK: m->machine_check = true; break;
	case M_NEXT_DELIVERY_FAULTS: m->delivery_fault = insn->a; break;
	case M_TOUCH: break; /* it is mapped */
	case M_PAUSE: break;
	case M_RAISE:
		m->rip = here; /* a fault */
		model_deliver(m, VMEVENT_EXCEPTION, (unsigned)insn->a, insn->b,
			      (uint32_t)insn->b, NULL);
		break;
	default: execute_registers(insn);
	}
	m->by_sti = sti;
	m->by_mov_ss = mov_ss;
}

static void check_may_take(const struct model *m, enum vmevent_kind kind)
{
	if (kind == VMEVENT_INTERRUPT)
		if (!(m->rflags & RFLAGS_IF) || m->by_sti || m->by_mov_ss)
			model_fail("an interrupt where it is blocked: \"%s\"", m->trace);
	if (kind == VMEVENT_NMI)
		if (m->in_nmi || m->by_sti || m->by_mov_ss)
			model_fail("an NMI where it is blocked: \"%s\"", m->trace);
}

bool model_deliver(struct model *m, enum vmevent_kind kind, unsigned vector, bool has_error,
		   uint32_t error, uint64_t *fault)
{
	check_may_take(m, kind);
	if (fault && m->delivery_fault) {
		*fault = m->delivery_fault;
		m->delivery_fault = 0;
		return false;
	}
	if (kind == VMEVENT_NMI)
		model_note(m, "nmi");
	else if (kind == VMEVENT_INTERRUPT)
		model_note(m, "%x", vector);
	else if (has_error)
		model_note(m, "#%u:%x", vector, error);
	else
		model_note(m, "#%u", vector);
	assert_true(m->frames < ARRAY_SIZE(m->frame));
	m->frame[m->frames].rip = m->rip;
	m->frame[m->frames].rflags = m->rflags;
	m->frames++;
	m->rip = HANDLERS + vector * HANDLER_BYTES;
	m->rflags &= ~(RFLAGS_IF | RFLAGS_TF);
	m->by_sti = m->by_mov_ss = false;
	if (kind == VMEVENT_NMI)
		m->in_nmi = true;
	return true;
}

/* ---- the guest's memory, of which the core sees the instruction at RIP alone ---- */

unsigned gva_fetch(struct vcpu *vcpu, uint64_t gva, uint8_t *buf, unsigned bytes)
{
	(void)gva;
	if (model_unreadable)
		return 0;
	return model_bytes(model_of(vcpu), buf, bytes);
}

const uint8_t *gva_executed(struct vcpu *vcpu, uint64_t gva)
{
	static uint8_t code[16];

	(void)gva;
	if (model_unreadable)
		return NULL;
	memset(code, 0x90, sizeof code);
	model_bytes(model_of(vcpu), code, sizeof code);
	return code;
}

int gva_translate(struct vcpu *vcpu, uint64_t gva, unsigned access, uint64_t *gpa,
		  uint32_t *error)
{
	(void)vcpu, (void)access, (void)error;
	*gpa = gva;
	return 0;
}

uint64_t gva_pdpte(struct vcpu *vcpu, uint64_t cr3, unsigned i)
{
	(void)vcpu, (void)cr3, (void)i;
	return 0;
}

bool gva_pdptes_valid(struct vcpu *vcpu, uint64_t cr3)
{
	(void)vcpu, (void)cr3;
	return true;
}
