/* The emulator's view of a vCPU: its memory through the guest's page tables, to RAM or to a
 * device, its ports and its registers. */
#include <errno.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/insn.h"
#include "kernel/vmm/insn_internal.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

#define MOV_TO_CR    EMUL_OPCODE(1, 0x22)
#define GROUP_7	     EMUL_OPCODE(1, 0x01)
#define GROUP_7_LMSW 6 /* in ModRM.reg */

_Static_assert((int)EMUL_ES == SEG_ES && (int)EMUL_GS == SEG_GS, "segments are numbered alike");
_Static_assert((int)EMUL_RDI == RDI && (int)EMUL_GPRS == GPR_COUNT, "registers are, too");

/* The CPU has translated and checked the operand that faulted, so that need not be done again;
 * but another vCPU may have made a write of the read that was checked. */
static bool is_checked(const struct emulation *em, uint64_t linear, unsigned access)
{
	const struct vmexit *exit = em->exit;

	return em->fault_is_operand && (linear ^ exit->fault.gpa) % PAGE_BYTES == 0 &&
	       (access == GVA_READ ||
		(access == GVA_WRITE && exit->fault.access & VMEXIT_WRITE));
}

static int translate(struct emul_ctx *ctx, uint64_t linear, unsigned access, uint64_t *gpa)
{
	const struct emulation *em = ctx->opaque;
	uint32_t error;
	int err;

	if (unlikely(ctx->mode != EMUL_MODE_64))
		linear = (uint32_t)linear; /* the end of an access may have wrapped */
	if (likely(is_checked(em, linear, access))) {
		*gpa = em->exit->fault.gpa;
		return 0;
	}
	err = gva_translate(em->vcpu, linear, access, gpa, &error);

	if (err)
		ctx->fault = (struct emul_fault){
			.vector = VECTOR_PF,
			.has_error = true,
			.error = error,
			.address = linear,
		};
	return err;
}

static void mmio(struct bus_access *access)
{
	if (likely(!vlapic_mmio_moved(access)))
		bus_do(&access->vcpu->vm->mmio, access);
}

static void device_access(struct vcpu *vcpu, uint64_t gpa, uint8_t *value, unsigned bytes,
			  bool write)
{
	while (bytes) { /* at most 8 bytes to a bus access; 16 are two, other sizes single bytes
			 */
		unsigned part = bytes >= 8 ? 8 : (bytes & (bytes - 1)) ? 1 : bytes;
		struct bus_access access = {
			.vcpu = vcpu, .addr = gpa, .bytes = (uint8_t)part, .write = write};

		if (write)
			memcpy(&access.value, value, part);
		mmio(&access);
		if (!write)
			memcpy(value, &access.value, part);
		gpa += part;
		value += part;
		bytes -= part;
	}
}

static int part_access(struct vcpu *vcpu, uint64_t gpa, void *value, unsigned bytes, bool write)
{
	struct gmem *gm = &vcpu->vm->gmem;
	int err = write ? gmem_write(gm, gpa, value, bytes) : gmem_read(gm, gpa, value, bytes);

	if (err != -EFAULT)
		return err;
	device_access(vcpu, gpa, value, bytes, write);
	return 0;
}

/* One access that may cross a page: both pages are translated before either is touched. */
static int access_linear(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
			 bool write, unsigned rights)
{
	unsigned first = (unsigned)MIN(bytes, PAGE_BYTES - linear % PAGE_BYTES);
	uint64_t gpa[2];
	int err = translate(ctx, linear, rights, &gpa[0]);

	if (!err && first < bytes)
		err = translate(ctx, linear + first, rights, &gpa[1]);
	if (!err)
		err = part_access(insn_vcpu(ctx), gpa[0], value, first, write);
	if (!err && first < bytes)
		err = part_access(insn_vcpu(ctx), gpa[1], (char *)value + first, bytes - first,
				  write);
	return err;
}

static int op_read(struct emul_ctx *ctx, uint64_t linear, void *value, unsigned bytes,
		   enum emul_access access)
{
	return access_linear(ctx, linear, value, bytes, false,
			     access == EMUL_READ_FOR_WRITE ? GVA_WRITE : GVA_READ);
}

static int op_write(struct emul_ctx *ctx, uint64_t linear, const void *value, unsigned bytes)
{
	uint8_t copy[16];

	memcpy(copy, value, bytes);
	return access_linear(ctx, linear, copy, bytes, true, GVA_WRITE);
}

/* Truly atomic on RAM within a page of up to 8 bytes; what is wider or crosses pages is done in
 * two steps, as split locks to devices are on hardware. */
static int op_compare_exchange(struct emul_ctx *ctx, uint64_t linear, const void *expected,
			       const void *desired, unsigned bytes)
{
	struct gmem *gm = &insn_vcpu(ctx)->vm->gmem;
	uint64_t gpa, old = 0, new = 0;
	int err = translate(ctx, linear, GVA_WRITE, &gpa);

	if (err)
		return err;
	if (bytes > 8 || linear % bytes || !gmem_is_ram(gm, gpa, bytes))
		return op_write(ctx, linear, desired, bytes);
	memcpy(&old, expected, bytes);
	memcpy(&new, desired, bytes);
	return gmem_cmpxchg(gm, gpa, old, new, bytes);
}

static int op_fetch(struct emul_ctx *ctx, uint64_t linear, void *insn, unsigned bytes)
{
	const uint8_t *code = gva_executed(insn_vcpu(ctx), linear);
	uint64_t gpa;
	int err;

	if (likely(code)) {
		user_access_begin();
		memcpy(insn, code, bytes);
		user_access_end();
		return 0;
	}
	err = translate(ctx, linear, GVA_FETCH, &gpa);
	if (!err)
		err = gmem_read(&insn_vcpu(ctx)->vm->gmem, gpa, insn, bytes);
	return err == -EFAULT && ctx->fault.vector != VECTOR_PF ? -ENOTSUP : err;
}

static void op_segment(struct emul_ctx *ctx, enum emul_segment which, struct emul_seg *seg)
{
	struct vcpu_segment s;

	vmm_backend->get_segment(insn_vcpu(ctx), (enum vcpu_seg)which, &s);
	*seg = (struct emul_seg){.base = s.base, .limit = s.limit, .access = s.attributes};
}

/* Does just what the CPU has checked the guest's right to: another vCPU may have changed the
 * instruction since, and then the CPU is asked again. */
static int port_access(struct emul_ctx *ctx, uint16_t port, void *value, unsigned bytes,
		       bool write)
{
	const struct vmexit *exit = ((struct emulation *)ctx->opaque)->exit;
	struct bus_access access = {
		.vcpu = insn_vcpu(ctx), .addr = port, .bytes = (uint8_t)bytes, .write = write};

	if (port != exit->io.port || bytes != exit->io.bytes || write == exit->io.in)
		return -EAGAIN;
	if (write)
		memcpy(&access.value, value, bytes);
	bus_do(&access.vcpu->vm->pio, &access);
	if (!write)
		memcpy(value, &access.value, bytes);
	return 0;
}

static int op_io_in(struct emul_ctx *ctx, uint16_t port, void *value, unsigned bytes)
{
	return port_access(ctx, port, value, bytes, false);
}

static int op_io_out(struct emul_ctx *ctx, uint16_t port, const void *value, unsigned bytes)
{
	uint32_t copy = 0;

	memcpy(&copy, value, bytes);
	return port_access(ctx, port, &copy, bytes, true);
}

/* The guest's XMM registers are in the CPU; FXSAVE shows them (SDM vol. 1 table 10-2: XMM0 at
 * byte 160). The vCPU's XSAVE area is unused while it is loaded. Interrupts off: another thread
 * must not come in between. */
#define FXSAVE_XMM 160

static void op_read_xmm(struct emul_ctx *ctx, unsigned xmm, uint8_t value[16])
{
	uint8_t *area = insn_vcpu(ctx)->xsave;
	uint64_t flags = irq_save();

	fxsave(area);
	memcpy(value, area + FXSAVE_XMM + 16 * xmm, 16);
	irq_restore(flags);
}

static void op_write_xmm(struct emul_ctx *ctx, unsigned xmm, const uint8_t value[16])
{
	uint8_t *area = insn_vcpu(ctx)->xsave;
	uint64_t flags = irq_save();

	fxsave(area);
	memcpy(area + FXSAVE_XMM + 16 * xmm, value, 16);
	fxrstor(area);
	irq_restore(flags);
}

static const struct emul_ops memory_ops = {
	.read = op_read,
	.write = op_write,
	.compare_exchange = op_compare_exchange,
	.fetch = op_fetch,
	.segment = op_segment,
	.system = insn_system,
	.load_system = insn_load_system,
	.read_xmm = op_read_xmm,
	.write_xmm = op_write_xmm,
};

static const struct emul_ops io_ops = {
	.read = op_read,
	.write = op_write,
	.compare_exchange = op_compare_exchange,
	.fetch = op_fetch,
	.segment = op_segment,
	.system = insn_system,
	.load_system = insn_load_system,
	.io_in = op_io_in,
	.io_out = op_io_out,
	.read_xmm = op_read_xmm,
	.write_xmm = op_write_xmm,
};

static void raise(struct vcpu *vcpu, const struct emul_fault *fault)
{
	if (fault->vector == VECTOR_PF)
		vcpu_raise_page_fault(vcpu, fault->address, fault->error);
	else if (fault->has_error)
		vcpu_raise_error(vcpu, fault->vector, fault->error);
	else
		vcpu_raise(vcpu, fault->vector);
}

static int refuse(struct vcpu *vcpu, const struct vmexit *exit)
{
	char bytes[3 * EMUL_INSN_MAX + 1];

	insn_dump(vcpu, bytes, sizeof bytes);
	vm_stop(vcpu->vm, VM_STOP_CRASH, 0,
		"vCPU %u: instruction %s at %s is not emulated on %s 0x%llx", vcpu->id, bytes,
		vcpu_place(vcpu).text, exit->reason == VMEXIT_IO ? "port" : "device memory",
		exit->reason == VMEXIT_IO ? (unsigned long long)exit->io.port
					  : (unsigned long long)exit->fault.gpa);
	return -ENOTSUP;
}

/* One ModRM operand in memory and no other access: not strings, nor anything with the stack. */
static bool has_one_operand(const struct emul_insn *insn)
{
	return insn->is_memory && insn->op <= EMUL_CMPXCHG_PAIR;
}

static void begin(struct emul_ctx *ctx, struct emulation *em)
{
	struct vcpu *vcpu = em->vcpu;
	const struct vmexit *exit = em->exit;
	struct vcpu_segment cs;

	vmm_backend->get_segment(vcpu, SEG_CS, &cs);
	ctx->gpr = vcpu->regs;
	ctx->rip = vcpu->rip;
	ctx->rflags = vcpu->rflags;
	ctx->mode = insn_mode(vcpu, &cs);
	ctx->protected_mode = vmm_backend->get_reg(vcpu, REG_CR0) & CR0_PE;
	ctx->linear_bits = 48;
	ctx->bytes_valid = exit->insn_available;
	if (exit->insn_available)
		memcpy(ctx->bytes, exit->insn, sizeof ctx->bytes);
	ctx->fault = (struct emul_fault){0};
	ctx->ops = exit->reason == VMEXIT_IO ? &io_ops : &memory_ops;
	ctx->opaque = em;
}

static int read_cr_operand(struct emul_ctx *ctx, const struct emul_insn *insn,
			   struct vmexit *exit)
{
	struct vcpu *vcpu = insn_vcpu(ctx);
	uint64_t operand = 0;
	int err;

	if (insn->opcode == MOV_TO_CR) {
		bool lock = insn->prefixes & EMUL_PREFIX_LOCK; /* CR8 (APM vol. 3 MOV CRn) */

		exit->cr.cr = insn->reg | (lock ? 8 : 0);
		return emul_read_rm(ctx, insn, &exit->cr.value,
				    ctx->mode == EMUL_MODE_64 ? 8 : 4);
	}
	if (insn->opcode != GROUP_7 || (insn->modrm >> 3 & 7) != GROUP_7_LMSW)
		return -EAGAIN; /* another vCPU has changed it */
	err = emul_read_rm(ctx, insn, &operand, 2);
	exit->cr.cr = 0;
	exit->cr.value = insn_lmsw(vcpu, (uint16_t)operand);
	return err;
}

int insn_cr_write(struct vcpu *vcpu, struct vmexit *exit)
{
	struct emulation em = {.vcpu = vcpu, .exit = exit};
	struct emul_insn insn;
	struct emul_ctx ctx;
	int err;

	begin(&ctx, &em);
	err = emul_fetch(&ctx, &insn);
	if (!err)
		err = read_cr_operand(&ctx, &insn, exit);
	if (!err)
		exit->insn_length = insn.length;
	if (err != -EFAULT)
		return err;
	raise(vcpu, &ctx.fault);
	return -EAGAIN;
}

int insn_emulate(struct vcpu *vcpu, const struct vmexit *exit)
{
	struct emulation em = {.vcpu = vcpu, .exit = exit};
	struct emul_insn insn;
	struct emul_ctx ctx;
	int err;

	begin(&ctx, &em);
	err = emul_fetch(&ctx, &insn);
	em.fault_is_operand =
		!err && exit->reason == VMEXIT_NESTED_FAULT && has_one_operand(&insn);
	if (!err)
		err = emul_execute(&ctx, &insn);
	vcpu->rflags = ctx.rflags;
	if (ctx.rip != vcpu->rip)
		vmm_backend->clear_interrupt_shadow(vcpu);
	vcpu->rip = ctx.rip;
	switch (err) {
	case 0: insn_done(vcpu); return 0;
	case -EAGAIN: return 0;
	case -EFAULT: raise(vcpu, &ctx.fault); return 0;
	default: break;
	}
	/* Each that exits so is emulated: another vCPU has changed it, and it runs as it is. */
	return exit->reason == VMEXIT_SYSTEM_READ ? 0 : refuse(vcpu, exit);
}
