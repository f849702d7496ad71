/*
 * Brings an instruction's bytes from the guest's memory to the decoder: through the code
 * segment, page by page, no further than the instruction reaches.
 */
#include "kernel/vmm/emul/internal.h"

/* Where byte `offset` of the code segment is, and how many may be fetched from there. */
static int code_linear(struct emul_ctx *ctx, uint64_t offset, uint64_t *linear, unsigned *bytes)
{
	struct emul_seg cs;

	*linear = offset;
	if (ctx->mode != EMUL_MODE_64) {
		ctx->ops->segment(ctx, EMUL_CS, &cs);
		if (offset > cs.limit)
			return emul_raise(ctx, VECTOR_GP);
		*linear = (cs.base + offset) & UINT32_MAX;
		*bytes = MIN(*bytes, cs.limit - offset + 1);
	} else if (!emul_is_canonical(ctx, offset)) {
		return emul_raise(ctx, VECTOR_GP);
	}
	*bytes = MIN(*bytes, PAGE_BYTES - *linear % PAGE_BYTES);
	return 0;
}

int emul_fetch(struct emul_ctx *ctx, struct emul_insn *insn)
{
	for (;;) {
		unsigned valid = ctx->bytes_valid, bytes = EMUL_INSN_MAX - valid;
		int err = valid ? emul_decode(insn, ctx->mode, ctx->bytes, valid) : -ENODATA;
		uint64_t linear;

		if (err == -EINVAL)
			return emul_raise(ctx, VECTOR_UD);
		if (err == -E2BIG)
			return emul_raise(ctx, VECTOR_GP);
		if (err != -ENODATA)
			return err;
		err = code_linear(ctx, ctx->rip + valid, &linear, &bytes);
		if (!err)
			err = ctx->ops->fetch(ctx, linear, &ctx->bytes[valid], bytes);
		if (err)
			return err;
		ctx->bytes_valid += bytes;
	}
}
