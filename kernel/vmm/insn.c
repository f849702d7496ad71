/* Where instructions are, how long they are, and what comes behind one that was done for the
 * guest. Running them is insn_emulate.c's. */
#include "kernel/vmm/insn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/insn_internal.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

/* The usual encoding of what exits without the CPU telling its length, in the order of memory.
 */
static const struct {
	uint32_t bytes, mask;
	unsigned length;
} usual[VMEXIT_REASONS] = {
	[VMEXIT_CPUID] = {0xa20f, 0xffff, 2},	   [VMEXIT_HLT] = {0xf4, 0xff, 1},
	[VMEXIT_RDMSR] = {0x320f, 0xffff, 2},	   [VMEXIT_WRMSR] = {0x300f, 0xffff, 2},
	[VMEXIT_PAUSE] = {0x90f3, 0xffff, 2},	   [VMEXIT_HYPERCALL] = {0xd9010f, 0xffffff, 3},
	[VMEXIT_XSETBV] = {0xd1010f, 0xffffff, 3},
};

enum emul_mode insn_mode(struct vcpu *vcpu, const struct vcpu_segment *cs)
{
	if (vcpu_is_64bit(vcpu, cs))
		return EMUL_MODE_64;
	if (!(vmm_backend->get_reg(vcpu, REG_CR0) & CR0_PE) || vcpu->rflags & RFLAGS_VM)
		return EMUL_MODE_16;
	return cs->attributes & SEG_ATTR_DB ? EMUL_MODE_32 : EMUL_MODE_16;
}

/* A carry into bit 32 is what wraps, or leaves the canonical half; nothing else asks for CS. */
void insn_advance(struct vcpu *vcpu, unsigned bytes)
{
	uint64_t next = vcpu->rip + bytes;
	struct vcpu_segment cs;

	if (unlikely((vcpu->rip ^ next) >> 32)) {
		vmm_backend->get_segment(vcpu, SEG_CS, &cs);
		if (insn_mode(vcpu, &cs) != EMUL_MODE_64)
			next = (uint32_t)next;
	}
	vcpu->rip = next;
}

/* Linear address of RIP; in 64-bit mode CS has no base. */
static uint64_t linear_rip(struct vcpu *vcpu, const struct vcpu_segment *cs)
{
	return vcpu_is_64bit(vcpu, cs) ? vcpu->rip : (uint32_t)(cs->base + vcpu->rip);
}

/* Outside of 64-bit mode linear addresses wrap at 4 GiB. */
static unsigned fetch(struct vcpu *vcpu, uint64_t linear, const struct vcpu_segment *cs,
		      uint8_t *buf, unsigned bytes)
{
	unsigned first = bytes, got;

	if (insn_mode(vcpu, cs) != EMUL_MODE_64)
		first = (unsigned)MIN((uint64_t)bytes, BIT(32) - linear);
	got = gva_fetch(vcpu, linear, buf, first);
	return got < first || first == bytes ? got
					     : got + gva_fetch(vcpu, 0, buf + got, bytes - got);
}

unsigned insn_fetch(struct vcpu *vcpu, uint8_t *buf, unsigned bytes)
{
	struct vcpu_segment cs;

	vmm_backend->get_segment(vcpu, SEG_CS, &cs);
	return fetch(vcpu, linear_rip(vcpu, &cs), &cs, buf, bytes);
}

/* Whether INT3, INT n or INTO is in these bytes, prefixes before it or not; or may be behind
 * them. */
static bool is_soft_interrupt(const uint8_t *insn, unsigned bytes, enum emul_mode mode)
{
	static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
					   0x66, 0x67, 0xf0, 0xf2, 0xf3};

	while (bytes && (memchr(prefixes, *insn, sizeof prefixes) ||
			 (mode == EMUL_MODE_64 && (*insn & 0xf0) == 0x40))) {
		insn++;
		bytes--;
	}
	return !bytes || (*insn >= 0xcc && *insn <= 0xce);
}

void insn_refresh_soft_interrupt(struct vcpu *vcpu)
{
	struct vcpu_segment cs;
	uint8_t insn[EMUL_INSN_MAX];
	uint64_t linear, gpa;
	unsigned bytes;
	uint32_t error;

	vmm_backend->get_segment(vcpu, SEG_CS, &cs);
	linear = linear_rip(vcpu, &cs);
	bytes = fetch(vcpu, linear, &cs, insn, sizeof insn);
	if (is_soft_interrupt(insn, bytes, insn_mode(vcpu, &cs)) ||
	    gva_translate(vcpu, linear, GVA_FETCH, &gpa, &error))
		return;
	(void)gmem_cmpxchg(&vcpu->vm->gmem, gpa, *insn, *insn, 1); /* or it changed again */
}

void insn_dump(struct vcpu *vcpu, char *text, size_t bytes)
{
	uint8_t insn[EMUL_INSN_MAX];
	unsigned available = insn_fetch(vcpu, insn, sizeof insn);
	size_t at = 0;

	snprintf(text, bytes, "(unreadable)");
	for (unsigned i = 0; i < available && at + 4 <= bytes; i++)
		at += (size_t)snprintf(text + at, bytes - at, i ? " %02x" : "%02x", insn[i]);
}

/* Whether the instruction that exited is the usual encoding of its kind. */
static bool is_usual(struct vcpu *vcpu, uint64_t linear, enum vmexit_reason reason)
{
	const uint8_t *code;
	uint32_t bytes;

	if (!usual[reason].length || linear % PAGE_BYTES > PAGE_BYTES - sizeof bytes)
		return false;
	code = gva_executed(vcpu, linear);
	if (unlikely(!code))
		return false;
	user_access_begin();
	bytes = *(const volatile uint32_t *)code;
	user_access_end();
	return (bytes & usual[reason].mask) == usual[reason].bytes;
}

/* Reads the instruction to find its length; 0 where that fails. */
static unsigned length_of(struct vcpu *vcpu, enum vmexit_reason reason)
{
	struct vcpu_segment cs;
	struct emul_insn insn;
	uint8_t bytes[EMUL_INSN_MAX];
	uint64_t linear;
	unsigned count;

	vmm_backend->get_segment(vcpu, SEG_CS, &cs);
	linear = linear_rip(vcpu, &cs);
	if (likely(is_usual(vcpu, linear, reason)))
		return usual[reason].length;
	count = fetch(vcpu, linear, &cs, bytes, sizeof bytes);
	return emul_decode(&insn, insn_mode(vcpu, &cs), bytes, count) ? 0 : insn.length;
}

/* The trap behind a single step: the CPU raises it only where it ran the instruction itself
 * (SDM vol. 3B 17.3.1.4). */
static void trap_step(struct vcpu *vcpu)
{
	uint64_t dr6 = vmm_backend->get_reg(vcpu, REG_DR6);

	vmm_backend->set_reg(vcpu, REG_DR6, dr6 | DR6_BS);
	vcpu_raise(vcpu, VECTOR_DB);
}

/* The trap comes before the fault of the next instruction's fetch (SDM vol. 3A table 6-2);
 * without it, that fault is raised here, since not every CPU would enter with such a RIP. */
void insn_done(struct vcpu *vcpu)
{
	if (unlikely(vcpu->rflags & RFLAGS_TF))
		trap_step(vcpu);
	else if (unlikely(!gva_is_canonical(vcpu->rip)))
		vcpu_raise_error(vcpu, VECTOR_GP, 0);
}

int insn_skip(struct vcpu *vcpu, const struct vmexit *exit)
{
	unsigned length = exit->insn_length ? exit->insn_length : length_of(vcpu, exit->reason);

	if (unlikely(!length))
		return -EFAULT;
	insn_advance(vcpu, length);
	vmm_backend->clear_interrupt_shadow(vcpu);
	insn_done(vcpu);
	return 0;
}
