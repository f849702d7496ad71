/* A task switch's dealings with the guest's memory: descriptor tables, and segments with the
 * checks of SDM vol. 3A table 7-1, in its order. */
#include <errno.h>
#include <string.h>

#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/task_internal.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vm.h"

int task_fault(struct task *t, unsigned vector, uint16_t selector)
{
	bool external = t->vcpu->event.kind != VMEVENT_NONE;

	vcpu_raise_error(t->vcpu, vector, (selector & ~3u) | external);
	return -EFAULT;
}

static int translate(struct task *t, uint32_t linear, unsigned rights, uint64_t *gpa)
{
	uint32_t error = 0;

	if (!gva_translate(t->vcpu, linear, rights, gpa, &error))
		return 0;
	vcpu_raise_page_fault(t->vcpu, linear, error);
	return -EFAULT;
}

/* Linear memory wraps at 4 GiB: no long mode has tasks. */
static int access(struct task *t, uint32_t linear, uint8_t *buf, unsigned bytes,
		  unsigned rights)
{
	unsigned first = (unsigned)MIN((uint64_t)bytes, BIT(32) - linear);
	struct descriptor_fault fault = {0};
	int err = descriptor_access(t->vcpu, linear, buf, first, rights, &fault);

	if (!err && first < bytes)
		err = descriptor_access(t->vcpu, 0, buf + first, bytes - first, rights, &fault);
	if (err == -EFAULT)
		vcpu_raise_page_fault(t->vcpu, fault.linear, fault.error);
	return err;
}

int task_read(struct task *t, uint32_t linear, void *buf, unsigned bytes, unsigned rights)
{
	return access(t, linear, buf, bytes, rights);
}

int task_write(struct task *t, uint32_t linear, const void *buf, unsigned bytes,
	       unsigned rights)
{
	uint8_t copy[TSS_32_BYTES];

	memcpy(copy, buf, bytes);
	return access(t, linear, copy, bytes, rights | GVA_WRITE);
}

int task_check_write(struct task *t, uint32_t linear, unsigned bytes)
{
	uint64_t gpa;
	int err = translate(t, linear, GVA_WRITE | GVA_SYSTEM, &gpa);

	return err ? err : translate(t, linear + bytes - 1, GVA_WRITE | GVA_SYSTEM, &gpa);
}

/* Where a descriptor is; false where its table does not reach so far. */
static bool find(const struct task *t, uint16_t selector, uint32_t *linear)
{
	uint32_t offset = selector & ~7u;
	bool local = selector & SELECTOR_TI;
	uint64_t base = local ? t->ldt.base : t->old.gdtr.base;
	uint32_t limit = local ? t->ldt.limit : t->old.gdtr.limit;

	if (local && !(t->ldt.attributes & SEG_ATTR_P))
		return false;
	*linear = (uint32_t)base + offset;
	return offset + DESC_BYTES - 1 <= limit;
}

int task_descriptor(struct task *t, uint16_t selector, unsigned vector,
		    struct vcpu_segment *seg)
{
	uint64_t desc = 0;
	uint32_t linear;
	int err;

	if (!find(t, selector, &linear))
		return task_fault(t, vector, selector);
	err = task_read(t, linear, &desc, sizeof desc, GVA_SYSTEM);
	*seg = descriptor_unpack(selector, desc);
	return err;
}

/* Byte 5 of a descriptor, where busy and accessed bits are. */
static int put_type(struct task *t, uint16_t selector, uint8_t value)
{
	uint32_t linear;

	if (!find(t, selector, &linear))
		return 0; /* the table has changed under us: by another vCPU */
	return task_write(t, linear + DESC_TYPE, &value, 1, GVA_SYSTEM);
}

int task_set_busy(struct task *t, uint16_t selector, bool busy)
{
	struct vcpu_segment seg;
	int err = task_descriptor(t, selector, VECTOR_TS, &seg);
	uint8_t type = (uint8_t)seg.attributes;

	if (err)
		return err;
	return put_type(
		t, selector,
		(uint8_t)(busy ? type | SEG_TYPE_BUSY : type & ~(unsigned)SEG_TYPE_BUSY));
}

/* A segment that was checked: it is marked as accessed, and loaded. */
static int load(struct task *t, enum vcpu_seg which, struct vcpu_segment *seg)
{
	int err = 0;

	if (!(seg->attributes & SEG_TYPE_ACCESSED)) {
		seg->attributes |= SEG_TYPE_ACCESSED;
		err = put_type(t, seg->selector, (uint8_t)seg->attributes);
	}
	if (!err)
		vmm_backend->set_segment(t->vcpu, which, seg);
	return err;
}

static int load_ldtr(struct task *t, uint16_t selector)
{
	struct vcpu_segment seg;
	int err;

	if (selector_is_null(selector))
		return 0;
	if (selector & SELECTOR_TI)
		return task_fault(t, VECTOR_TS, selector);
	err = task_descriptor(t, selector, VECTOR_TS, &seg);
	if (err)
		return err;
	if ((seg.attributes & (SEG_ATTR_TYPE | SEG_ATTR_S)) != SEG_TYPE_LDT ||
	    !(seg.attributes & SEG_ATTR_P))
		return task_fault(t, VECTOR_TS, selector);
	t->ldt = seg;
	vmm_backend->set_segment(t->vcpu, SEG_LDTR, &seg);
	return 0;
}

static int load_cs(struct task *t, uint16_t selector)
{
	struct vcpu_segment seg;
	unsigned dpl;
	int err;

	if (selector_is_null(selector))
		return task_fault(t, VECTOR_TS, selector);
	err = task_descriptor(t, selector, VECTOR_TS, &seg);
	if (err)
		return err;
	dpl = SEG_ATTR_DPL(seg.attributes);
	if (!(seg.attributes & SEG_ATTR_S) || !(seg.attributes & SEG_TYPE_CODE) ||
	    (seg.attributes & SEG_TYPE_CONFORMING ? dpl > t->cpl : dpl != t->cpl))
		return task_fault(t, VECTOR_TS, selector);
	if (!(seg.attributes & SEG_ATTR_P))
		return task_fault(t, VECTOR_NP, selector);
	return load(t, SEG_CS, &seg);
}

static int load_ss(struct task *t, uint16_t selector)
{
	struct vcpu_segment seg;
	int err;

	if (selector_is_null(selector))
		return task_fault(t, VECTOR_TS, selector);
	err = task_descriptor(t, selector, VECTOR_TS, &seg);
	if (err)
		return err;
	if (!(seg.attributes & SEG_ATTR_S) || seg.attributes & SEG_TYPE_CODE ||
	    !(seg.attributes & SEG_TYPE_WRITE) || (selector & 3u) != t->cpl ||
	    SEG_ATTR_DPL(seg.attributes) != t->cpl)
		return task_fault(t, VECTOR_TS, selector);
	if (!(seg.attributes & SEG_ATTR_P))
		return task_fault(t, VECTOR_SS, selector);
	return load(t, SEG_SS, &seg);
}

static int load_data(struct task *t, enum vcpu_seg which, uint16_t selector)
{
	struct vcpu_segment seg;
	int err;

	if (selector_is_null(selector))
		return 0;
	err = task_descriptor(t, selector, VECTOR_TS, &seg);
	if (err)
		return err;
	if (!segment_is_data(&seg, t->cpl))
		return task_fault(t, VECTOR_TS, selector);
	if (!(seg.attributes & SEG_ATTR_P))
		return task_fault(t, VECTOR_NP, selector);
	return load(t, which, &seg);
}

static void load_vm86(struct task *t, const struct tss_state *state)
{
	for (unsigned i = 0; i < TSS_SEGS; i++)
		vmm_backend->set_segment(t->vcpu, i,
					 &(struct vcpu_segment){.selector = state->seg[i],
								.base = state->seg[i] << 4,
								.limit = SEG_VM86_LIMIT,
								.attributes = SEG_VM86_ATTR});
}

/* What an exception in the new task finds in registers that are not loaded yet: their
 * selectors, and nothing behind them; code must be what the CPU can enter. */
static void unload(struct task *t, const struct tss_state *state)
{
	for (unsigned i = 0; i < TSS_SEGS; i++) {
		struct vcpu_segment seg = {.selector = state->seg[i],
					   .attributes = (uint16_t)(t->cpl << 5)};

		if (i == SEG_CS) {
			seg.attributes |= SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_CODE |
					  SEG_TYPE_WRITE | SEG_TYPE_ACCESSED | SEG_ATTR_DB;
			seg.limit = 0xffff;
		}
		vmm_backend->set_segment(t->vcpu, i, &seg);
	}
}

void task_unload_segments(struct task *t, const struct tss_state *state)
{
	bool vm86 = state->eflags & RFLAGS_VM;

	t->cpl = vm86 ? 3 : state->seg[SEG_CS] & 3;
	t->ldt = (struct vcpu_segment){.selector = state->ldt};
	vmm_backend->set_segment(t->vcpu, SEG_LDTR, &t->ldt);
	if (vm86)
		load_vm86(t, state);
	else
		unload(t, state);
}

int task_load_segments(struct task *t, const struct tss_state *state)
{
	static const enum vcpu_seg data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};
	int err = load_ldtr(t, state->ldt);

	if (err || state->eflags & RFLAGS_VM)
		return err;
	err = load_cs(t, state->seg[SEG_CS]);
	if (!err)
		err = load_ss(t, state->seg[SEG_SS]);
	for (unsigned i = 0; !err && i < ARRAY_SIZE(data); i++)
		err = load_data(t, data[i], state->seg[data[i]]);
	return err;
}
