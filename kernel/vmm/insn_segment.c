/* Segment registers, LDTR and TR loaded by an instruction whose selector was in a device's
 * memory: with what the CPU would have checked (SDM vol. 2A LLDT, LTR; vol. 2B MOV). */
#include <errno.h>

#include "kernel/cpu/cpu.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/descriptor.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/insn_internal.h"

/* In IA-32e mode a system segment's descriptor has two words more: bits 32 to 63 of the base,
 * and a type that must be 0 (SDM vol. 3A fig. 7-4). */
#define LONG_DESC_BYTES 16u
#define LONG_DESC_TYPE	(0x1full << 40)

/* One selector on its way. */
struct load {
	struct emul_ctx *ctx;
	struct vcpu *vcpu;
	enum vcpu_seg which;
	uint16_t selector;
	uint64_t linear; /* of its descriptor */
	struct vcpu_segment seg;
};

static int raise(struct load *l, unsigned vector, uint16_t selector)
{
	l->ctx->fault = (struct emul_fault){
		.vector = (uint8_t)vector, .has_error = true, .error = selector & ~3u};
	return -EFAULT;
}

static int access(struct load *l, uint64_t linear, void *buf, unsigned bytes, unsigned rights)
{
	struct descriptor_fault fault = {0};
	int err = descriptor_access(l->vcpu, linear, buf, bytes, rights | GVA_SYSTEM, &fault);

	if (err == -EFAULT)
		l->ctx->fault = (struct emul_fault){.vector = VECTOR_PF,
						    .has_error = true,
						    .error = fault.error,
						    .address = fault.linear};
	return err;
}

static bool in_long_mode(const struct load *l)
{
	return vmm_backend->get_reg(l->vcpu, REG_EFER) & EFER_LMA;
}

/* Of the GDT, or with TI of the LDT; unpacked into l->seg. `desc`: both halves of a long one.
 */
static int read(struct load *l, unsigned bytes, uint64_t desc[2])
{
	uint32_t offset = l->selector & ~7u, limit;
	struct vcpu_segment ldt;
	struct vcpu_state state;
	int err;

	if (l->selector & SELECTOR_TI) {
		vmm_backend->get_segment(l->vcpu, SEG_LDTR, &ldt);
		limit = ldt.limit;
		l->linear = ldt.base + offset;
		if (!(ldt.attributes & SEG_ATTR_P))
			return raise(l, VECTOR_GP, l->selector);
	} else {
		vmm_backend->get_state(l->vcpu, &state);
		limit = state.gdtr.limit;
		l->linear = state.gdtr.base + offset;
	}
	if (offset + bytes - 1 > limit)
		return raise(l, VECTOR_GP, l->selector);
	if (!in_long_mode(l))
		l->linear = (uint32_t)l->linear;
	else if (!gva_is_canonical(l->linear) || !gva_is_canonical(l->linear + bytes - 1))
		return raise(l, VECTOR_GP, l->selector); /* SDM vol. 2B MOV, 64-bit mode */
	err = access(l, l->linear, desc, bytes, GVA_READ);
	l->seg = descriptor_unpack(l->selector, desc[0]);
	return err;
}

/* Writes what is changed of the type in the descriptor, and loads the register. */
static int load(struct load *l, uint16_t set)
{
	uint8_t type;
	int err = 0;

	if ((l->seg.attributes & set) != set) {
		l->seg.attributes |= set;
		type = (uint8_t)l->seg.attributes;
		err = access(l, l->linear + DESC_TYPE, &type, 1, GVA_WRITE);
	}
	if (!err)
		vmm_backend->set_segment(l->vcpu, l->which, &l->seg);
	return err;
}

/* In real mode the rest stays as it was (SDM vol. 3A 20.1.1). */
static int load_by_value(struct load *l, bool vm86)
{
	vmm_backend->get_segment(l->vcpu, l->which, &l->seg);
	l->seg.selector = l->selector;
	l->seg.base = (uint64_t)l->selector << 4;
	if (vm86) {
		l->seg.attributes = SEG_VM86_ATTR;
		l->seg.limit = SEG_VM86_LIMIT;
	}
	return load(l, 0);
}

/* Nothing may be reached through it. AMD's CPUs keep the base, which FS and GS show in 64-bit
 * mode, unless CPUID says otherwise (APM vol. 3, NullSelectorClearsBase), which it does not to
 * guests. */
static int load_null(struct load *l)
{
	struct vcpu_segment old;

	vmm_backend->get_segment(l->vcpu, l->which, &old);
	l->seg = (struct vcpu_segment){.selector = l->selector};
	if (l->which != SEG_LDTR && cpu_features.vendor == CPU_VENDOR_AMD)
		l->seg.base = old.base;
	return load(l, 0);
}

static int load_data(struct load *l)
{
	uint64_t desc[2];
	int err;

	if (selector_is_null(l->selector))
		return load_null(l);
	err = read(l, DESC_BYTES, desc);
	if (err)
		return err;
	if (!segment_is_data(&l->seg, vmm_backend->cpl(l->vcpu)))
		return raise(l, VECTOR_GP, l->selector);
	if (!(l->seg.attributes & SEG_ATTR_P))
		return raise(l, VECTOR_NP, l->selector);
	return load(l, SEG_TYPE_ACCESSED);
}

static bool has_type(const struct load *l)
{
	unsigned type = l->seg.attributes & (SEG_ATTR_TYPE | SEG_ATTR_S);

	if (l->which == SEG_LDTR)
		return type == SEG_TYPE_LDT;
	return type == SEG_TYPE_TSS || (type == SEG_TYPE_TSS_16 && !in_long_mode(l));
}

/* A TSS must be available, and is busy from then on. */
static int load_system(struct load *l)
{
	bool is_long = in_long_mode(l);
	uint64_t desc[2] = {0, 0};
	int err;

	if (selector_is_null(l->selector))
		return l->which == SEG_LDTR ? load_null(l) : raise(l, VECTOR_GP, 0);
	if (l->selector & SELECTOR_TI)
		return raise(l, VECTOR_GP, l->selector);
	err = read(l, is_long ? LONG_DESC_BYTES : DESC_BYTES, desc);
	if (err)
		return err;
	l->seg.base |= desc[1] << 32;
	if (!has_type(l) || desc[1] & LONG_DESC_TYPE || !gva_is_canonical(l->seg.base))
		return raise(l, VECTOR_GP, l->selector);
	if (!(l->seg.attributes & SEG_ATTR_P))
		return raise(l, VECTOR_NP, l->selector);
	return load(l, l->which == SEG_TR ? SEG_TYPE_BUSY : 0);
}

/* The CPU has looked at mode and level, but another vCPU may have changed the instruction
 * since. SS casts a shadow, which we cannot. */
int insn_load_selector(struct emul_ctx *ctx, unsigned which, uint16_t selector)
{
	struct load l = {
		.ctx = ctx, .vcpu = insn_vcpu(ctx), .which = which, .selector = selector};
	bool vm86 = ctx->rflags & RFLAGS_VM, by_value = !ctx->protected_mode || vm86;

	if (which == EMUL_SS)
		return -ENOTSUP;
	if (which < EMUL_LDTR)
		return by_value ? load_by_value(&l, vm86) : load_data(&l);
	if (by_value) {
		ctx->fault = (struct emul_fault){.vector = VECTOR_UD};
		return -EFAULT;
	}
	return vmm_backend->cpl(l.vcpu) ? raise(&l, VECTOR_GP, 0) : load_system(&l);
}
