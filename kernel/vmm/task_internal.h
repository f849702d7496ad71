/* What task_switch.c (the order of things) and task_memory.c (tables, segments) share. Nobody
 * else includes this. */
#ifndef KERNEL_VMM_TASK_INTERNAL_H
#define KERNEL_VMM_TASK_INTERNAL_H

#include "kernel/lib/x86.h"
#include "kernel/vmm/descriptor.h"
#include "kernel/vmm/tss.h"
#include "kernel/vmm/vcpu.h"

/* One switch under way. */
struct task {
	struct vcpu *vcpu;
	const struct vmexit *exit;
	struct vcpu_state old;	 /* all but what struct vcpu holds */
	struct vcpu_segment tr;	 /* the new one */
	struct vcpu_segment ldt; /* the new task's, for its segments */
	bool is_32;		 /* the new TSS is */
	unsigned cpl;		 /* of the new task */
};

/* Each function here: 0; -EFAULT when it has raised an exception; -ENOTSUP for device memory.
 */

/* Raises an exception with a selector as its error code, and EXT where an event is on its way.
 */
int task_fault(struct task *t, unsigned vector, uint16_t selector);

/* Linear memory, wrapping at 4 GiB. `rights` are enum gva_access. */
int task_read(struct task *t, uint32_t linear, void *buf, unsigned bytes, unsigned rights);
int task_write(struct task *t, uint32_t linear, const void *buf, unsigned bytes,
	       unsigned rights);
/* Whether all of it can be written: raises what writing would. */
int task_check_write(struct task *t, uint32_t linear, unsigned bytes);

/* A descriptor of the GDT, or with TI of the new task's LDT, as a segment. `vector` is raised
 * where the table does not reach so far. */
int task_descriptor(struct task *t, uint16_t selector, unsigned vector,
		    struct vcpu_segment *seg);
/* Sets or clears the busy bit of a TSS's descriptor in the GDT. */
int task_set_busy(struct task *t, uint16_t selector, bool busy);

/* The new task's selectors with nothing behind them, and its CPL; all of it in virtual-8086
 * mode. */
void task_unload_segments(struct task *t, const struct tss_state *state);
/* Then: loads LDTR and the six segments of the new task, as its state names them. */
int task_load_segments(struct task *t, const struct tss_state *state);

#endif
