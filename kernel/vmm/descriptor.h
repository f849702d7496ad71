/* Segment descriptors in the guest's memory, as whoever loads a segment register for it finds
 * them: the format (SDM vol. 3A 3.4.5, 3.5) and how its tables are reached. What may be loaded
 * where is the caller's to know. */
#ifndef KERNEL_VMM_DESCRIPTOR_H
#define KERNEL_VMM_DESCRIPTOR_H

#include "kernel/vmm/backend.h"

#define SELECTOR_TI	    BIT(2)

#define SEG_ATTR_TYPE	    0xfu
#define SEG_ATTR_S	    BIT(4)
#define SEG_ATTR_DPL(a)	    ((a) >> 5 & 3)
#define SEG_ATTR_P	    BIT(7)

#define SEG_TYPE_ACCESSED   BIT(0)
#define SEG_TYPE_WRITE	    BIT(1) /* of data; of code: readable */
#define SEG_TYPE_CONFORMING BIT(2) /* of code */
#define SEG_TYPE_CODE	    BIT(3)

/* Of the system's segments. */
#define SEG_TYPE_LDT	2u
#define SEG_TYPE_TSS_16 1u
#define SEG_TYPE_TSS	9u
#define SEG_TYPE_BUSY	BIT(1) /* of a TSS */

/* Of all in virtual-8086 mode. */
#define SEG_VM86_ATTR  0xf3u /* present, DPL 3, data, read-write, accessed */
#define SEG_VM86_LIMIT 0xffffu

#define DESC_BYTES     8u
#define DESC_TYPE      5 /* the byte with type, S, DPL and P */

static inline bool selector_is_null(uint16_t selector)
{
	return !(selector & ~3u);
}

/* A descriptor of 8 bytes as a segment register's hidden part. */
struct vcpu_segment descriptor_unpack(uint16_t selector, uint64_t desc);

/* Whether DS, ES, FS or GS may have it at this CPL, if it is present: data, or code that can be
 * read (SDM vol. 2B MOV). */
bool segment_is_data(const struct vcpu_segment *seg, unsigned cpl);

/* What the guest deserves where a page of a table is not there: #PF. */
struct descriptor_fault {
	uint64_t linear;
	uint32_t error;
};

/* Copies between `buf` and linear memory, as the CPU does on its own; `rights` are enum
 * gva_access: GVA_WRITE says the direction. 0; -EFAULT with *fault; -ENOTSUP for device memory.
 * On the vCPU's thread; may populate. */
int descriptor_access(struct vcpu *vcpu, uint64_t linear, uint8_t *buf, unsigned bytes,
		      unsigned rights, struct descriptor_fault *fault);

#endif
