/* A hardware task switch in the order of SDM vol. 3A 7.3; what it reads and writes of tables
 * and segments is task_memory.c's. */
#include "kernel/vmm/task_switch.h"

#include <errno.h>

#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/task_internal.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vm.h"

#define RFLAGS_LOADED 0x003f7fd5u /* what a TSS's EFLAGS may set */

#define ATTR_B	      BIT(10) /* of SS: ESP; also the upper bound where it expands down */
#define TYPE_TSS_32   BIT(3)
#define TYPE_TSS      0x15u /* mask of type and S, without busy and size: 1 for a TSS */
#define TYPE_DOWN     BIT(2)

static bool nests(const struct task *t)
{
	return t->exit->task.source == TASK_CALL || t->exit->task.source == TASK_GATE;
}

/* The new TSS's descriptor (rows 1 to 4 of table 7-1). For IRET, what is wrong is the old TSS's
 * link, and so the exception #TS. */
static int check_new_tss(struct task *t)
{
	uint16_t selector = t->exit->task.selector;
	bool iret = t->exit->task.source == TASK_IRET;
	unsigned vector = iret ? VECTOR_TS : VECTOR_GP, type;
	int err;

	if (selector & SELECTOR_TI || selector_is_null(selector))
		return task_fault(t, vector, selector);
	err = task_descriptor(t, selector, vector, &t->tr);
	if (err)
		return err;
	type = t->tr.attributes;
	if ((type & TYPE_TSS) != 1 || !!(type & SEG_TYPE_BUSY) != iret)
		return task_fault(t, vector, selector);
	if (!(type & SEG_ATTR_P))
		return task_fault(t, VECTOR_NP, selector);
	t->is_32 = type & TYPE_TSS_32;
	if (t->tr.limit < tss_bytes(t->is_32) - 1)
		return task_fault(t, VECTOR_TS, selector);
	return 0;
}

/* All that will be written is looked at before the first byte of it is (step 5): the exceptions
 * so far are the old task's. */
static int check_memory(struct task *t, bool old_is_32)
{
	const struct vcpu_segment *tr = &t->old.segs[SEG_TR];
	struct tss_part part = tss_saved_part(old_is_32);
	uint32_t gdt = (uint32_t)t->old.gdtr.base;
	int err;

	if (tr->limit < tss_bytes(old_is_32) - 1)
		return task_fault(t, VECTOR_TS, tr->selector);
	err = task_check_write(t, (uint32_t)tr->base + part.offset, part.bytes);
	if (!err && nests(t))
		err = task_check_write(t, (uint32_t)t->tr.base, 2);
	if (!err && t->exit->task.source != TASK_IRET)
		err = task_check_write(t, gdt + (t->tr.selector & ~7u), 8);
	if (!err && !nests(t))
		err = task_check_write(t, gdt + (tr->selector & ~7u), 8);
	return err;
}

/* Steps 6 to 8. */
static int save_old(struct task *t, bool is_32)
{
	const struct vcpu *vcpu = t->vcpu;
	const struct vcpu_segment *tr = &t->old.segs[SEG_TR];
	struct tss_state state = {
		.eip = (uint32_t)vcpu->rip + t->exit->insn_length,
		.eflags = (uint32_t)vcpu->rflags,
	};
	uint8_t tss[TSS_32_BYTES];
	struct tss_part part = tss_saved_part(is_32);
	uint32_t base = (uint32_t)tr->base;
	int err;

	if (t->exit->task.source == TASK_IRET)
		state.eflags &= ~(uint32_t)RFLAGS_NT;
	for (unsigned i = 0; i < TSS_GPRS; i++)
		state.gpr[i] = (uint32_t)vcpu->regs[i];
	for (unsigned i = 0; i < TSS_SEGS; i++)
		state.seg[i] = t->old.segs[i].selector;
	/* Between selectors of 32 bits there are words that stay as they are. */
	err = task_read(t, base + part.offset, tss + part.offset, part.bytes, GVA_SYSTEM);
	tss_write(&state, tss, is_32);
	if (!err)
		err = task_write(t, base + part.offset, tss + part.offset, part.bytes,
				 GVA_SYSTEM);
	if (!err && !nests(t))
		err = task_set_busy(t, tr->selector, false);
	return err;
}

/* Steps 9 to 11. */
static int commit(struct task *t, struct tss_state *state)
{
	uint16_t link = t->old.segs[SEG_TR].selector;
	int err = 0;

	if (nests(t)) {
		state->eflags |= RFLAGS_NT;
		err = task_write(t, (uint32_t)t->tr.base, &link, sizeof link, GVA_SYSTEM);
	}
	if (!err && t->exit->task.source != TASK_IRET)
		err = task_set_busy(t, t->tr.selector, true);
	if (err)
		return err;
	t->tr.attributes |= SEG_TYPE_BUSY;
	vmm_backend->set_segment(t->vcpu, SEG_TR, &t->tr);
	return 0;
}

/* Step 12 but for the segments and CR3. */
static void load_registers(struct task *t, const struct tss_state *state)
{
	const struct vmm_backend *b = vmm_backend;
	struct vcpu *vcpu = t->vcpu;

	for (unsigned i = 0; i < TSS_GPRS; i++)
		vcpu->regs[i] = state->gpr[i];
	vcpu->rip = state->eip;
	vcpu->rflags = (state->eflags & RFLAGS_LOADED) | RFLAGS_FIXED;
	b->clear_interrupt_shadow(vcpu);
	b->set_reg(vcpu, REG_CR0, t->old.regs[REG_CR0] | CR0_TS);
	b->set_reg(vcpu, REG_DR7, t->old.regs[REG_DR7] & ~DR7_LOCAL);
}

/* CR3 is loaded where paging is on, and from a TSS of 32 bits alone; with PAE, what it points
 * to is checked (SDM vol. 3A 4.4.1). */
static int load_cr3(struct task *t, uint32_t cr3)
{
	bool pae = t->old.regs[REG_CR4] & CR4_PAE;

	if (!(t->old.regs[REG_CR0] & CR0_PG) || !t->is_32 || cr3 == t->old.regs[REG_CR3])
		return 0;
	if (pae && !gva_pdptes_valid(t->vcpu, cr3))
		return task_fault(t, VECTOR_GP, 0);
	vmm_backend->set_reg(t->vcpu, REG_CR3, cr3);
	return 0;
}

/* The error code of an exception goes onto the new task's stack, as wide as its TSS. */
static int push_error(struct task *t, uint32_t error)
{
	struct vcpu *vcpu = t->vcpu;
	unsigned bytes = t->is_32 ? 4 : 2;
	struct vcpu_segment ss;
	uint32_t mask, esp, last, top;
	int err;

	vmm_backend->get_segment(vcpu, SEG_SS, &ss);
	mask = ss.attributes & ATTR_B ? 0xffffffff : 0xffff;
	top = mask;
	esp = ((uint32_t)vcpu->regs[RSP] - bytes) & mask;
	last = esp + bytes - 1;
	if (last < esp ||
	    (ss.attributes & TYPE_DOWN ? esp <= ss.limit || last > top : last > ss.limit))
		return task_fault(t, VECTOR_SS, 0);
	err = task_write(t, (uint32_t)ss.base + esp, &error, bytes, 0);
	if (!err)
		vcpu->regs[RSP] = ((uint32_t)vcpu->regs[RSP] & ~mask) | esp;
	return err;
}

/* Step 13 and what follows, in the new task. An event stays on its way until its error code is
 * pushed: a second one is judged by it. */
static int enter(struct task *t, const struct tss_state *state)
{
	struct vcpu *vcpu = t->vcpu;
	struct vmevent *event = &vcpu->event;
	struct vcpu_segment cs;
	int err;

	load_registers(t, state);
	task_unload_segments(t, state);
	err = load_cr3(t, state->cr3);
	if (!err)
		err = task_load_segments(t, state);
	if (err)
		return err;
	vmm_backend->get_segment(vcpu, SEG_CS, &cs);
	if (state->eip > cs.limit)
		return task_fault(t, VECTOR_GP, 0);
	if (event->kind == VMEVENT_EXCEPTION && event->has_error)
		err = push_error(t, event->error);
	if (err)
		return err;
	event->kind = VMEVENT_NONE;
	if (state->trap) {
		uint64_t dr6 = vmm_backend->get_reg(vcpu, REG_DR6);

		vmm_backend->set_reg(vcpu, REG_DR6, dr6 | DR6_BT);
		vcpu_raise(vcpu, VECTOR_DB);
	}
	return 0;
}

int task_switch(struct vcpu *vcpu, const struct vmexit *exit)
{
	struct task t = {.vcpu = vcpu, .exit = exit};
	uint8_t tss[TSS_32_BYTES] = {0};
	struct tss_state state;
	bool old_is_32;
	int err;

	vmm_backend->get_state(vcpu, &t.old);
	old_is_32 = t.old.segs[SEG_TR].attributes & TYPE_TSS_32;
	err = check_new_tss(&t);
	if (!err)
		err = check_memory(&t, old_is_32);
	if (!err)
		err = task_read(&t, (uint32_t)t.tr.base, tss, tss_bytes(t.is_32), GVA_SYSTEM);
	if (!err)
		err = save_old(&t, old_is_32);
	if (!err) {
		tss_read(&state, tss, t.is_32);
		err = commit(&t, &state);
	}
	if (!err)
		err = enter(&t, &state);
	return err == -EFAULT ? 0 : err;
}
