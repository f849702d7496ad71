/*
 * A task's state as a task-state segment of 16 or 32 bits holds it (SDM vol. 3A fig. 7-2, 7-10;
 * APM vol. 2 fig. 12-5, 12-7). Bytes alone: which memory, and what is done with it, is
 * task_switch.c's.
 */
#ifndef KERNEL_VMM_TSS_H
#define KERNEL_VMM_TSS_H

#include "kernel/lib/types.h"

#define TSS_16_BYTES 44u
#define TSS_32_BYTES 104u /* without the I/O permission map */
#define TSS_GPRS     8	  /* as enum vcpu_gpr begins */
#define TSS_SEGS     6	  /* as enum vcpu_seg begins */

struct tss_state {
	uint32_t cr3; /* of 32 bits alone */
	uint32_t eip, eflags, gpr[TSS_GPRS];
	uint16_t seg[TSS_SEGS], ldt, link;
	bool trap; /* T: #DB once the task is switched to */
};

/* The part that a switch away from the task writes. */
struct tss_part {
	unsigned offset, bytes;
};

static inline unsigned tss_bytes(bool is_32)
{
	return is_32 ? TSS_32_BYTES : TSS_16_BYTES;
}

/* From all tss_bytes() of a TSS. What 16 bits do not say: the upper halves of general registers
 * are ones, FS and GS are null, as on the CPUs that were looked at; the manuals are silent. */
void tss_read(struct tss_state *state, const uint8_t *tss, bool is_32);

/* Into a buffer of tss_bytes(): EIP, EFLAGS, general registers and segment selectors, within
 * the part that is returned; what lies between them there is left alone. */
struct tss_part tss_write(const struct tss_state *state, uint8_t *tss, bool is_32);
struct tss_part tss_saved_part(bool is_32);

#endif
