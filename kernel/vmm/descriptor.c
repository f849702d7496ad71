/* See descriptor.h. */
#include "kernel/vmm/descriptor.h"

#include <errno.h>

#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/vm.h"

#define DESC_G BIT(55)

/* SDM vol. 3A fig. 3-8. */
struct vcpu_segment descriptor_unpack(uint16_t selector, uint64_t desc)
{
	uint32_t limit = (uint32_t)((desc & 0xffff) | (desc >> 32 & 0xf0000));

	return (struct vcpu_segment){
		.selector = selector,
		.attributes = (uint16_t)((desc >> 40 & 0xff) | (desc >> 44 & 0xf00)),
		.limit = desc & DESC_G ? limit << 12 | 0xfff : limit,
		.base = (desc >> 16 & 0xffffff) | (desc >> 32 & 0xff000000),
	};
}

bool segment_is_data(const struct vcpu_segment *seg, unsigned cpl)
{
	bool code = seg->attributes & SEG_TYPE_CODE;
	bool conforming = code && seg->attributes & SEG_TYPE_CONFORMING;
	bool readable = !code || seg->attributes & SEG_TYPE_WRITE;

	return seg->attributes & SEG_ATTR_S && readable &&
	       (conforming || SEG_ATTR_DPL(seg->attributes) >= MAX(cpl, seg->selector & 3u));
}

int descriptor_access(struct vcpu *vcpu, uint64_t linear, uint8_t *buf, unsigned bytes,
		      unsigned rights, struct descriptor_fault *fault)
{
	struct gmem *gm = &vcpu->vm->gmem;

	while (bytes) {
		unsigned part = (unsigned)MIN(bytes, PAGE_BYTES - linear % PAGE_BYTES);
		uint64_t gpa = 0;
		int err;

		fault->linear = linear;
		if (gva_translate(vcpu, linear, rights, &gpa, &fault->error))
			return -EFAULT;
		err = rights & GVA_WRITE ? gmem_write(gm, gpa, buf, part)
					 : gmem_read(gm, gpa, buf, part);
		if (err)
			return -ENOTSUP;
		linear += part;
		buf += part;
		bytes -= part;
	}
	return 0;
}
